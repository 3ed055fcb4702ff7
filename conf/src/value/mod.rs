//! The kinds of value people write, each with its reader, its text and its description for editors.

mod choice;
mod file;
mod header;
mod json;
mod name;
mod net;
mod number;
mod place;
mod web;

pub(crate) use choice::{Backend, ProbeKind};
pub(crate) use file::BuiltInOrFile;
pub(crate) use header::HeaderName;
pub(crate) use json::JsonTable;
pub(crate) use name::{BucketName, EnvName, MetricName, ToolName};
pub(crate) use net::HostEntry;
pub(crate) use number::{Bytes, Km};
pub(crate) use web::{MetricsAt, NatsUrls, Origin, UrlPath};

use crate::field::{Value, Wrong};
use schemars::{Schema, json_schema};
use serde_json::json;
use std::path::PathBuf;
use toml::de::DeValue;

/// The text of a string; anything else is a mistake.
fn text<'v>(value: &'v DeValue<'_>, example: &str) -> Result<&'v str, Wrong> {
    value.as_str().ok_or_else(|| Wrong::typed(value, "a string", example))
}

/// `text` as it is quoted in messages: short, and on one line.
fn quote(text: &str) -> String {
    format!("{:?}", crate::book::shorten(text))
}

impl Value for bool {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        value.as_bool().ok_or_else(|| Wrong::typed(value, "true or false", "true or false, without quotes"))
    }

    fn show(&self) -> serde_json::Value {
        json!(self)
    }

    fn describe() -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

/// Text for people: not empty, on one line.
impl Value for String {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let text = text(value, "text in quotes")?;
        if text.is_empty() || text.len() > 256 || text.chars().any(char::is_control) {
            return Err(Wrong::new(
                format!("{} is not a usable text", quote(text)),
                "write 1 to 256 characters without control characters",
            ));
        }
        Ok(text.to_owned())
    }

    fn show(&self) -> serde_json::Value {
        json!(self)
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": 256 })
    }
}

/// A file or folder; a relative one starts at the folder of the configuration file.
impl Value for PathBuf {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let text = text(value, "a path in quotes")?;
        if text.is_empty() || text.contains('\0') {
            return Err(Wrong::new(format!("{} is not a path", quote(text)), "write a path in quotes"));
        }
        Ok(Self::from(text))
    }

    fn show(&self) -> serde_json::Value {
        json!(self.to_string_lossy())
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}
