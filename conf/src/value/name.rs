//! Names that people choose: hubs, locations, variables of the environment.

use super::{quote, text};
use crate::field::{Value, Wrong};
use mcphub_routing::{HubId, LocationName};
use schemars::{Schema, json_schema};
use serde_json::json;
use toml::de::DeValue;

/// The alphabet of hub ids and locations, for editors. A test holds it against `routing`.
const NAME_PATTERN: &str = "^[a-z0-9][a-z0-9._-]{0,63}$";
const NAME_RULE: &str = "1 to 64 of a-z, 0-9, `.`, `_`, `-`, beginning with a letter or a digit";

macro_rules! name {
    ($type:ident, $noun:literal) => {
        impl Value for $type {
            fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
                let written = text(value, "a name in quotes")?;
                Self::new(written).map_err(|_| bad_name(written, $noun, |tried| Self::new(tried).is_ok()))
            }

            fn show(&self) -> serde_json::Value {
                json!(self.as_str())
            }

            fn describe() -> Schema {
                json_schema!({ "type": "string", "pattern": NAME_PATTERN })
            }
        }
    };
}

name!(HubId, "a hub id");
name!(LocationName, "a location name");

fn bad_name(written: &str, noun: &str, fits: impl Fn(&str) -> bool) -> Wrong {
    let tame = written.trim().to_ascii_lowercase().replace([' ', '/', ':'], "-");
    let remedy = if fits(&tame) { format!("did you mean \"{tame}\"?") } else { format!("write {NAME_RULE}") };
    Wrong::new(format!("{} is not {noun}", quote(written)), remedy)
}

/// The name of a tool. The protocol advises letters, digits, `_`, `-`, `.` and `/`; other visible ASCII is met too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolName(pub(crate) String);

impl Value for ToolName {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let written = text(value, "the tool's name, such as \"echo\"")?;
        // It goes into a header as it is, where these two characters begin an encoded one.
        let fits = (1..=128).contains(&written.len())
            && written.bytes().all(|b| b.is_ascii_graphic())
            && !written.starts_with("=?");
        if fits {
            return Ok(Self(written.to_owned()));
        }
        let remedy = "write 1 to 128 letters, digits or signs, without spaces";
        Err(Wrong::new(format!("{} is not the name of a tool", quote(written)), remedy))
    }

    fn show(&self) -> serde_json::Value {
        json!(self.0)
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "pattern": "^(?!=\\?)[!-~]{1,128}$" })
    }
}

/// The name of a Prometheus metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetricName(pub(crate) String);

impl Value for MetricName {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let written = text(value, "a name such as \"process_resident_memory_bytes\"")?;
        let part = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b':';
        let fits = (1..=256).contains(&written.len())
            && written.bytes().all(part)
            && !written.starts_with(|c: char| c.is_ascii_digit());
        if fits {
            return Ok(Self(written.to_owned()));
        }
        let what = format!("{} is not the name of a metric", quote(written));
        let remedy = match written.split_once('{') {
            Some((name, _)) if name.bytes().all(part) && !name.is_empty() => {
                format!("write \"{name}\": all of its series are added up")
            }
            _ => "write letters, digits, `_` and `:`, beginning with no digit".to_owned(),
        };
        Err(Wrong::new(what, remedy))
    }

    fn show(&self) -> serde_json::Value {
        json!(self.0)
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z_:][A-Za-z0-9_:]{0,255}$" })
    }
}

/// The name of a bucket on NATS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketName(pub(crate) String);

impl Value for BucketName {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let written = text(value, "a name such as \"mcphub-sessions\"")?;
        let part = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if (1..=64).contains(&written.len()) && written.bytes().all(part) {
            return Ok(Self(written.to_owned()));
        }
        let remedy = "write 1 to 64 letters, digits, `_` and `-`";
        Err(Wrong::new(format!("{} is not the name of a bucket", quote(written)), remedy))
    }

    fn show(&self) -> serde_json::Value {
        json!(self.0)
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" })
    }
}

/// The name of a variable of the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvName(pub(crate) String);

impl Value for EnvName {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let written = text(value, "a name such as \"MCPHUB_ADMIN_TOKEN\"")?;
        let fits = written.len() <= 128
            && written.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && written.starts_with(|c: char| !c.is_ascii_digit());
        if fits {
            return Ok(Self(written.to_owned()));
        }
        // What stands here in place of a name may well be the secret itself.
        Err(Wrong {
            what: "not the name of an environment variable".to_owned(),
            remedy: "write the variable's name, never its value, such as \"MCPHUB_ADMIN_TOKEN\"".to_owned(),
            secret: true,
        })
    }

    fn show(&self) -> serde_json::Value {
        json!(self.0)
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,127}$" })
    }
}
