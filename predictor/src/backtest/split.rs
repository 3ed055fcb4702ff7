//! What does a folder of telemetry hold, and by which rules is it judged? Read from its `split.json`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::{DataError, Rules};

/// Which kind of telemetry it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Hubs as a gateway sees them, a sample each 15 s; failures of known kinds. `P2` in files.
    Hubsim,
    /// Real servers as they see themselves, a sample each minute; the first half is not labelled. `P1` in files.
    Smd,
}

impl Protocol {
    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hubsim => "hubsim",
            Self::Smd => "smd",
        }
    }

    /// Its name in `split.json`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Hubsim => "P2",
            Self::Smd => "P1",
        }
    }

    /// The column that says whether an entity was down.
    pub(super) fn label_column(self) -> &'static str {
        match self {
            Self::Hubsim => "down",
            Self::Smd => "label",
        }
    }

    /// How far ahead forecasts are judged, in samples; the main one first.
    pub fn horizons(self, settings: &Settings) -> Vec<usize> {
        match self {
            Self::Hubsim => [10, 5, 30].map(|minutes| settings.samples_in(minutes * 60)).to_vec(),
            Self::Smd => vec![settings.horizon],
        }
    }
}

/// How telemetry is judged; counts are in samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How long a sample covers.
    pub sample: Duration,
    /// How far ahead forecasts look, in the main.
    pub horizon: usize,
    /// How labels become episodes and valid samples.
    pub rules: Rules,
    /// The shortest time between two alarms of one entity.
    pub cool_down: usize,
    /// Every how many samples a forecast is judged, at least 1.
    pub score_every: usize,
    /// What part of the labelled time models are fitted on, above 0 and below 1, where no cut is given.
    pub train_share: f64,
}

impl Settings {
    /// How many samples make a day.
    pub fn samples_per_day(&self) -> f64 {
        86_400.0 / self.sample.as_secs_f64()
    }

    /// How many samples these seconds are, at least 1.
    pub fn samples_in(&self, seconds: u64) -> usize {
        ((seconds as f64 / self.sample.as_secs_f64()).round() as usize).max(1)
    }
}

/// One entity of a folder, as `split.json` describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The name of its file, without directories.
    pub file: String,
    /// How many rows the file must have, where that is said.
    pub rows: Option<usize>,
    /// The row from which on models are judged and no longer fitted, where that is said.
    pub cut: Option<usize>,
    /// Its failures, where they are listed: start, end, kind and class.
    pub failures: Option<Vec<Failure>>,
}

/// A failure, as `split.json` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its first sample.
    pub start: usize,
    /// The sample after its last.
    pub end: usize,
    /// What happened, in the words of whoever made the data; empty where unknown.
    pub kind: String,
    /// What it was at heart (`hardware`, `software`, `network`, `overload`); empty where unknown.
    pub class: String,
}

impl Failure {
    /// Did it come without a sign? What foretells these knows more than it should.
    pub fn is_abrupt(&self) -> bool {
        const ABRUPT: [&str; 5] =
            ["node_crash", "proc_crash", "partition", "bad_deploy_abrupt", "flash_crowd"];
        ABRUPT.contains(&self.kind.as_str())
    }
}

/// A whole `split.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Which kind of telemetry it describes.
    pub protocol: Protocol,
    /// How that is judged.
    pub settings: Settings,
    /// The columns that every file has, apart from the label.
    pub columns: Vec<String>,
    /// Whether it tells how it was simulated: then the entities have never been there.
    pub simulated: bool,
    /// The entities, by name.
    pub entities: Vec<Listed>,
}

/// The longest time that is counted, in samples: half a year of 15-second samples. It keeps sums and files in bounds.
pub(super) const SAMPLES_MAX: usize = 1_048_576;

/// How many entities a folder may have: ten times the largest fleet that we know.
const ENTITIES_MAX: usize = 10_000;

impl Split {
    /// Reads a `split.json` of this protocol.
    ///
    /// # Errors
    /// It is no JSON of the expected shape, is of another protocol, or has values that make no sense.
    pub fn parse(protocol: Protocol, json: &[u8]) -> Result<Self, DataError> {
        let raw: RawSplit = serde_json::from_slice(json).map_err(DataError::Split)?;
        if raw.protocol != protocol.code() {
            let known = [Protocol::Hubsim, Protocol::Smd].iter().any(|known| known.code() == raw.protocol);
            return Err(if known {
                DataError::OtherProtocol { found: raw.protocol, wanted: protocol.code() }
            } else {
                DataError::UnknownProtocol { found: raw.protocol }
            });
        }
        let settings = raw.settings(protocol)?;
        if raw.columns.is_empty() {
            return Err(DataError::Setting { name: "columns", wanted: "at least one" });
        }
        // A folder may call its entities `dev`, `held_out` or anything else: what describes files is taken.
        let mut entities = BTreeMap::new();
        for group in raw.groups.into_values() {
            let Ok(group) = serde_json::from_value::<BTreeMap<String, RawEntity>>(group) else { continue };
            for (name, entity) in group {
                entities.insert(name.clone(), entity.listed(name, raw.cut)?);
            }
        }
        match entities.len() {
            0 => Err(DataError::NoEntities),
            1..=ENTITIES_MAX => {
                let entities = entities.into_values().collect();
                let (columns, simulated) = (raw.columns, raw.simulation.is_some());
                Ok(Self { protocol, settings, columns, simulated, entities })
            }
            found => Err(DataError::TooMany { what: "entities", found, most: ENTITIES_MAX }),
        }
    }
}

#[derive(Debug, Deserialize)]
struct RawSplit {
    protocol: String,
    sample_s: f64,
    horizon_samples: usize,
    merge_gap: usize,
    cooldown: usize,
    /// As long as the horizon unless said.
    guard: Option<usize>,
    #[serde(default)]
    warmup: usize,
    score_every: Option<usize>,
    dev_train_frac: Option<f64>,
    cut: Option<usize>,
    columns: Vec<String>,
    simulation: Option<serde_json::Value>,
    #[serde(flatten)]
    groups: BTreeMap<String, serde_json::Value>,
}

impl RawSplit {
    fn settings(&self, protocol: Protocol) -> Result<Settings, DataError> {
        let guard = self.guard.unwrap_or(match protocol {
            Protocol::Smd => self.horizon_samples,
            Protocol::Hubsim => self.cooldown,
        });
        let count = |name, value: usize, least: usize| {
            let fits = (least..=SAMPLES_MAX).contains(&value);
            if fits { Ok(value) } else { Err(DataError::Setting { name, wanted: "a count of samples" }) }
        };
        let sample = Duration::try_from_secs_f64(self.sample_s).ok();
        let sample = sample.filter(|sample| (1..=86_400).contains(&sample.as_secs()));
        let train_share = self.dev_train_frac.unwrap_or(0.6);
        if !(train_share > 0.0 && train_share < 1.0) {
            return Err(DataError::Setting { name: "dev_train_frac", wanted: "between 0 and 1" });
        }
        Ok(Settings {
            sample: sample.ok_or(DataError::Setting { name: "sample_s", wanted: "1 to 86400 s" })?,
            horizon: count("horizon_samples", self.horizon_samples, 1)?,
            rules: Rules {
                merge_gap: count("merge_gap", self.merge_gap, 0)?,
                guard: count("guard", guard, 0)?,
                warm_up: count("warmup", self.warmup, 0)?,
            },
            cool_down: count("cooldown", self.cooldown, 1)?,
            score_every: count("score_every", self.score_every.unwrap_or(1), 1)?,
            train_share,
        })
    }
}

#[derive(Debug, Deserialize)]
struct RawEntity {
    file: String,
    rows: Option<usize>,
    cut_row: Option<usize>,
    episodes: Option<Vec<RawFailure>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RawFailure {
    Typed(usize, usize, String, String),
    Plain(usize, usize),
}

impl RawEntity {
    fn listed(self, name: String, cut: Option<usize>) -> Result<Listed, DataError> {
        // The name comes from a file: it must not lead out of the folder.
        let plain =
            |file: &str| !file.is_empty() && !file.starts_with('.') && !file.contains(['/', '\\', '\0']);
        if !plain(&self.file) {
            return Err(DataError::FileName { entity: name, file: self.file });
        }
        let failures = self.episodes.map(|episodes| episodes.into_iter().map(Failure::from).collect());
        Ok(Listed { name, file: self.file, rows: self.rows, cut: self.cut_row.or(cut), failures })
    }
}

impl From<RawFailure> for Failure {
    fn from(raw: RawFailure) -> Self {
        match raw {
            RawFailure::Typed(start, end, kind, class) => Self { start, end, kind, class },
            RawFailure::Plain(start, end) => Self { start, end, kind: String::new(), class: String::new() },
        }
    }
}
