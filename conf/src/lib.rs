//! What did the operator write, is it right, and what does it mean?
//!
//! TOML becomes *raw* (as people write it, every value with its place in the file), raw becomes
//! [`Settings`] (as the other crates want it). Every mistake is found in one pass and reported with file,
//! line, column, key, what is wrong and what to write instead.
//!
//! **Owns** the keys of the file, their units, ranges and defaults; the report of mistakes; the JSON Schema
//! for editors; the verdict on a reload; the sample files. It reads the configuration file, token files, and
//! whether the other named files can be read.
//!
//! **Does not know** Pingora, sockets, the clock, the running state, or what is inside keys, certificates
//! (beyond the label of a PEM block) and databases. It prints nothing and decides no exit code.

mod book;
mod diff;
mod field;
mod load;
mod raw;
mod reader;
mod report;
mod section;
pub mod settings;
mod site;
mod suggest;
mod tables;
mod units;
mod value;

pub use diff::diff;
pub use load::{FILE_SIZE_MAX, load, parse};
pub use report::{Finding, Report, Severity};
pub use settings::Settings;

use std::fmt;
use std::path::PathBuf;

/// A configuration without mistakes.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the other crates want to know.
    pub settings: Settings,
    /// Warnings; never mistakes.
    pub warnings: Report,
    /// Changes exactly when the settings or the contents of a certificate, key or token change. A session key
    /// that comes into being counts as a change too: create missing ones, then load what is to be served.
    pub revision: Revision,
    /// Every file whose change should lead to a reload: the configuration itself (when loaded from a file),
    /// certificates, authorities, tokens, session keys and the geographic database. Some may not exist yet.
    pub files: Vec<PathBuf>,
}

/// A fingerprint of one configuration; prints as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a reload may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The same content: nothing to do.
    Unchanged,
    /// The new settings may take the place of the old ones as a whole.
    Swap,
    /// Nothing of the new settings may be used before a restart, because these keys changed.
    NeedsRestart {
        /// Their names as written in the file, such as `listener[0].address`.
        fields: Vec<String>,
    },
}

/// Looks a name up in the environment.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The JSON Schema of the file, for editors: every key with its kind, range, default and meaning.
#[must_use]
pub fn schema() -> serde_json::Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<raw::RawRoot>().to_value()
}
