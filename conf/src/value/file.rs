//! Which of the things that ship with the gateway may be taken from a file instead?

use crate::field::{Value, Wrong};
use schemars::Schema;
use serde_json::json;
use std::path::PathBuf;
use toml::de::DeValue;

/// `geo.database` and `predictor.model` as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BuiltInOrFile {
    BuiltIn,
    File(PathBuf),
}

impl Value for BuiltInOrFile {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value.as_str() {
            Some("built-in") => Ok(Self::BuiltIn),
            Some("builtin" | "built_in" | "default") => {
                Err(Wrong::new("not the one that ships", "did you mean \"built-in\"?"))
            }
            _ => PathBuf::read(value).map(Self::File),
        }
    }

    fn show(&self) -> serde_json::Value {
        match self {
            Self::BuiltIn => json!("built-in"),
            Self::File(path) => path.show(),
        }
    }

    fn describe() -> Schema {
        PathBuf::describe()
    }
}
