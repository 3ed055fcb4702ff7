//! How is a model kept between a training and a restart, and why may it be trusted?
//!
//! One file holds everything a forecast needs, in a format of our own: serialised forests of smartcore cannot be read
//! by its next version. Around the body stand a magic word, the version of the format, and a SHA-256 over all, which
//! finds torn and altered files (it is no signature: whoever may write the file may write another). Then everything is
//! held against its limits all the same, because a file with a right hash may come from another version of ourselves.
//! A model of another schema is refused: a forest answers any row of the right width, and answers nonsense.

mod parts;
mod wire;

use ring::digest::{SHA256, digest};

use super::calibration::{CalibrationError, Calibrator};
use super::hazard::HORIZONS;
use super::profile::Profile;
use super::{Estimator, KindClassifier, NodesError};
use crate::features::Schema;
use wire::{Reader, Writer};

/// What the file begins with.
pub const MAGIC: [u8; 8] = *b"MCPHUBFM";

/// The version of the format. Any change of the body makes the next one.
pub const FORMAT: u16 = 2;

/// The largest file that is read: twenty times the usual model of three horizons and four kinds.
pub const FILE_MAX: usize = 32 << 20;

/// The most features a model has.
pub const FEATURES_MAX: usize = 1_024;

/// The most trees of one forest: ten times what pays.
pub const TREES_MAX: usize = 1_000;

/// The most nodes of one tree.
pub const NODES_MAX: usize = 1 << 16;

/// The most thresholds of one horizon.
pub const THRESHOLDS_MAX: usize = 16;

/// The longest name of a feature, or of a version, in bytes.
pub const NAME_MAX: usize = 64;

/// The magic word, the format, the length of the body; then the body; then the hash.
const HEAD: usize = MAGIC.len() + 2 + 8;
const HASH: usize = 32;

/// Which features a model is about: their names in order, and the hash that also tells what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// Changes whenever the meaning of a feature does, though its name may stay.
    pub hash: u64,
    /// One to [`FEATURES_MAX`], each of at most [`NAME_MAX`] bytes.
    pub names: Vec<String>,
}

impl From<&Schema> for Columns {
    fn from(schema: &Schema) -> Self {
        Self { hash: schema.hash(), names: schema.names() }
    }
}

/// Where and on what a model was trained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Training {
    /// When, in Unix seconds.
    pub at: u64,
    /// On so many rows.
    pub rows: u64,
    /// Of so many hubs.
    pub hubs: u32,
    /// With so many failures.
    pub failures: u32,
    /// By this version of smartcore, at most [`NAME_MAX`] bytes.
    pub smartcore: String,
    /// From a simulator rather than from real hubs?
    pub simulated: bool,
}

/// How well a horizon was foretold for hubs that the training had not seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Area under the receiver operating characteristic, 0 to 1; ½ is chance.
    pub auroc: f64,
    /// Average precision, 0 to 1; the base rate is chance.
    pub auprc: f64,
    /// Brier skill against the base rate, at most 1; 0 is chance.
    pub brier_skill: f64,
    /// Expected calibration error, 0 to 1.
    pub calibration_error: f64,
}

/// From which score an alarm is raised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// So many false alarms per hub and day were allowed.
    pub budget: f64,
    /// The least probability of an alarm, chosen on hubs that the training had not seen; 0 to 1.
    pub probability: f64,
}

/// What is known about one horizon.
#[derive(Debug, Clone, PartialEq)]
pub struct HorizonModel {
    /// The learner.
    pub estimator: Estimator,
    /// From its score to a probability.
    pub calibrator: Calibrator,
    /// What part of the training rows failed within the horizon, in (0, 1).
    pub base_rate: f64,
    /// Alarm thresholds by budget, at most [`THRESHOLDS_MAX`].
    pub thresholds: Vec<Threshold>,
    /// How good it was.
    pub quality: Quality,
}

/// Everything that a forecast needs besides the hub itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Which features it asks for.
    pub columns: Columns,
    /// What each looked like in training.
    pub profiles: Vec<Profile>,
    /// One for each of [`HORIZONS`].
    pub horizons: [HorizonModel; HORIZONS.len()],
    /// What tells kinds apart, if there were failures enough to learn it.
    pub kinds: Option<KindClassifier>,
    /// Where it comes from.
    pub training: Training,
}

/// A file is no model that can be used, or a model cannot be written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelFileError {
    /// It begins otherwise.
    #[error("this is not a model file")]
    NotAModel,
    /// It is of another version of the format.
    #[error("the model file has format {0}, and this program reads format {FORMAT}: train it again")]
    Format(u16),
    /// It has another length than it says.
    #[error("the model file should have {expected} bytes and has {found}: it is torn")]
    Torn {
        /// The length that it says, as far as that can be told.
        expected: usize,
        /// The length that it has.
        found: usize,
    },
    /// It is larger than any model.
    #[error("the model file has {0} bytes, more than the {FILE_MAX} of any model")]
    TooLarge(usize),
    /// Its hash is another.
    #[error("the model file does not have the SHA-256 that it says: it was altered")]
    Altered,
    /// It asks for other features.
    #[error("the model was trained on other features: {0}. Train it again")]
    Schema(String),
    /// It ends within something.
    #[error("the model file ends within {what}")]
    Short {
        /// Within what.
        what: &'static str,
    },
    /// It goes on after its end.
    #[error("the model file goes on after its end")]
    Long,
    /// More than there may be.
    #[error("{found} {what} where there are at most {most}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A number is NaN or infinite.
    #[error("{what} of the model is not finite")]
    NotFinite {
        /// Which number.
        what: &'static str,
    },
    /// Something cannot be what it says.
    #[error("{what} of the model cannot be")]
    Improper {
        /// What.
        what: &'static str,
    },
    /// A tree is none.
    #[error("reading a forest of the model")]
    Nodes(#[source] NodesError),
    /// A calibrator is none.
    #[error("reading a calibrator of the model")]
    Calibrator(#[source] CalibrationError),
}

impl Model {
    /// Writes it down. The same model always gives the same bytes.
    ///
    /// # Errors
    /// [`ModelFileError`] when it is larger than can be read again, or its parts do not fit each other.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelFileError> {
        self.check()?;
        let mut body = Writer::default();
        self.write(&mut body)?;
        let mut file = Writer(Vec::with_capacity(HEAD + body.0.len() + HASH));
        file.bytes(&MAGIC);
        file.u16(FORMAT);
        file.u64(body.0.len() as u64);
        file.bytes(&body.0);
        let hash = digest(&SHA256, &file.0);
        file.bytes(hash.as_ref());
        if file.0.len() > FILE_MAX {
            return Err(ModelFileError::TooLarge(file.0.len()));
        }
        Ok(file.0)
    }

    /// Reads one that asks for exactly these features.
    ///
    /// # Errors
    /// [`ModelFileError`] when it is not whole, not unaltered, not of this format or schema, or holds anything that a
    /// model cannot.
    pub fn from_bytes(bytes: &[u8], columns: &Columns) -> Result<Self, ModelFileError> {
        let model = Self::parse(opened(bytes)?)?;
        match difference(&model.columns, columns) {
            Some(difference) => Err(ModelFileError::Schema(difference)),
            None => Ok(model),
        }
    }

    fn parse(body: &[u8]) -> Result<Self, ModelFileError> {
        let mut reader = Reader::new(body);
        let model = Self::read(&mut reader)?;
        if !reader.is_empty() {
            return Err(ModelFileError::Long);
        }
        model.check()?;
        Ok(model)
    }

    /// Whether the parts fit each other and hold what they may.
    fn check(&self) -> Result<(), ModelFileError> {
        let improper = |what| Err(ModelFileError::Improper { what });
        let width = self.columns.names.len();
        if width == 0 || self.profiles.len() != width {
            return improper("the number of features");
        }
        if !self.profiles.iter().all(Profile::is_sound) {
            return improper("the profile of a feature");
        }
        for horizon in &self.horizons {
            if horizon.estimator.width() != width {
                return improper("the width of a learner");
            }
            if !(horizon.base_rate > 0.0 && horizon.base_rate < 1.0) {
                return improper("the base rate");
            }
            let sound = |t: &Threshold| t.budget > 0.0 && (0.0..=1.0).contains(&t.probability);
            if !horizon.thresholds.iter().all(sound) {
                return improper("a threshold");
            }
        }
        if self.kinds.as_ref().is_some_and(|kinds| kinds.width() != width) {
            return improper("the width of the classifier of kinds");
        }
        Ok(())
    }
}

/// The body of a file that is whole.
fn opened(bytes: &[u8]) -> Result<&[u8], ModelFileError> {
    let found = bytes.len();
    if found > FILE_MAX {
        return Err(ModelFileError::TooLarge(found));
    }
    if !bytes.starts_with(&MAGIC) {
        return Err(ModelFileError::NotAModel);
    }
    let torn = |expected| ModelFileError::Torn { expected, found };
    let mut head = Reader::new(&bytes[MAGIC.len()..]);
    let format = head.u16("the format").map_err(|_| torn(HEAD + HASH))?;
    if format != FORMAT {
        return Err(ModelFileError::Format(format));
    }
    let body = head.u64("the length").map_err(|_| torn(HEAD + HASH))?;
    let expected =
        usize::try_from(body).ok().and_then(|body| body.checked_add(HEAD + HASH)).unwrap_or(usize::MAX);
    if found != expected {
        return Err(torn(expected));
    }
    let (covered, hash) = bytes.split_at(found - HASH);
    if digest(&SHA256, covered).as_ref() != hash {
        return Err(ModelFileError::Altered);
    }
    Ok(&covered[HEAD..])
}

/// In what two schemas differ, in words; `None` if in nothing.
fn difference(model: &Columns, here: &Columns) -> Option<String> {
    let pairs = model.names.iter().zip(&here.names).enumerate();
    if let Some((at, (theirs, ours))) = pairs.into_iter().find(|(_, (theirs, ours))| theirs != ours) {
        return Some(format!("feature {at} is {theirs} there and {ours} here"));
    }
    if model.names.len() != here.names.len() {
        return Some(format!("there are {} there and {} here", model.names.len(), here.names.len()));
    }
    (model.hash != here.hash).then(|| "their names are the same, but they mean something else".to_owned())
}

#[cfg(test)]
mod tests;
