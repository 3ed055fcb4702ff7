//! Which model makes the forecasts, and where does it come from?
//!
//! A file is read within the bounds of any model, and held against its hash and our features before anything is replaced:
//! what cannot be used is refused in words, and the model that spoke goes on.

use mcphub_conf::settings::ModelSource;
use mcphub_predictor::features::Schema;
use mcphub_predictor::model::TEACHER;
use mcphub_predictor::model::file::{Columns, FILE_MAX, Model, ModelFileError};
use ring::digest::{SHA256, digest};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// How much of a file's hash is told: enough to tell the models of one gateway apart.
const NAMED_BYTES: usize = 6;

/// A model, ready to speak.
#[derive(Debug)]
pub struct Speaker {
    /// What is asked.
    pub model: Model,
    /// The beginning of the SHA-256 of its file, in hexadecimal digits.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a model comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It ships with the gateway.
    BuiltIn,
    /// The configuration names its file.
    File,
    /// This gateway has made it of what it saw of its own hubs.
    Learned,
}

impl Origin {
    /// The word used in logs, metrics and the admin interface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "built_in",
            Self::File => "file",
            Self::Learned => "learned",
        }
    }
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum SpeakerError {
    /// It cannot be read.
    #[error("reading {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It holds no model, or not one for us.
    #[error("using {path}")]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ModelFileError,
    },
}

/// The model that ships. Without it, past failures alone would speak; a test sees to it that it can be read.
static BUILT_IN: LazyLock<Option<Arc<Speaker>>> = LazyLock::new(|| {
    match Speaker::of(TEACHER, Origin::BuiltIn) {
        Ok(speaker) => Some(Arc::new(speaker)),
        Err(error) => {
            tracing::error!(%error, "the model that ships cannot be read; forecasts go by past failures alone");
            None
        }
    }
});

impl Speaker {
    /// The model that the settings name. One that `before` is already is not made again.
    pub(crate) fn find(
        source: &ModelSource,
        before: Option<&Arc<Self>>,
    ) -> Result<Option<Arc<Self>>, SpeakerError> {
        match source {
            ModelSource::BuiltIn => Ok(BUILT_IN.clone()),
            ModelSource::File(path) => Self::open(path, Origin::File, before).map(Some),
        }
    }

    /// The model in a file.
    pub(crate) fn open(
        path: &Path,
        origin: Origin,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, SpeakerError> {
        let bytes = read(path).map_err(|source| SpeakerError::Read { path: path.to_owned(), source })?;
        let name = name_of(&bytes);
        if let Some(before) = before.filter(|before| before.name == name && before.origin == origin) {
            return Ok(Arc::clone(before));
        }
        let speaker = Self::of(&bytes, origin);
        speaker.map(Arc::new).map_err(|source| SpeakerError::Unusable { path: path.to_owned(), source })
    }

    /// The model in these bytes.
    pub(crate) fn of(bytes: &[u8], origin: Origin) -> Result<Self, ModelFileError> {
        let model = Model::from_bytes(bytes, &Columns::from(&Schema::telemetry()))?;
        Ok(Self { model, name: name_of(bytes), origin })
    }
}

/// One byte more than any model has is enough to refuse it, however long the file is.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn name_of(bytes: &[u8]) -> String {
    let hash = digest(&SHA256, bytes);
    hash.as_ref().iter().take(NAMED_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &Path, before: Option<&Arc<Speaker>>) -> Result<Arc<Speaker>, SpeakerError> {
        Speaker::find(&ModelSource::File(path.to_owned()), before).map(|found| found.expect("a file has one"))
    }

    #[test]
    fn a_file_is_read_once_and_what_is_no_model_is_refused_in_words() {
        let shipped = Speaker::find(&ModelSource::BuiltIn, None).expect("it ships").expect("it can be read");
        assert_eq!((shipped.origin, shipped.name.len()), (Origin::BuiltIn, 2 * NAMED_BYTES));
        let good = shipped.model.to_bytes().expect("it was read");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("hubs.model");
        std::fs::write(&path, &good).expect("written");
        let first = find(&path, None).expect("a model");
        assert_eq!((&first.name, first.origin), (&shipped.name, Origin::File));
        assert!(Arc::ptr_eq(&first, &find(&path, Some(&first)).expect("the same")));

        let mut altered = good.clone();
        altered[good.len() / 2] ^= 1;
        let mut other = shipped.model.clone();
        other.columns.names[0].push('x');
        for (bytes, word) in [
            (&good[..good.len() - 1], "torn"),
            (&altered[..], "altered"),
            (&[][..], "not a model file"),
            (&b"nonsense"[..], "not a model file"),
            (&other.to_bytes().expect("a model")[..], "other features"),
            (&vec![0; FILE_MAX + 1][..], "more than the"),
        ] {
            std::fs::write(&path, bytes).expect("written");
            let refused = find(&path, Some(&first)).expect_err(word);
            let told = format!("{:#}", anyhow::Error::from(refused));
            assert!(told.contains(word) && told.contains("hubs.model"), "{told}");
        }
        std::fs::remove_file(&path).expect("removed");
        assert!(matches!(find(&path, Some(&first)), Err(SpeakerError::Read { .. })));
    }
}
