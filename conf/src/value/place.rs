//! Whom a residency rule binds, and where addresses are looked up.

use super::{quote, text};
use crate::countries;
use crate::field::{Value, Wrong};
use crate::settings::ClientPlace;
use schemars::{Schema, json_schema};
use serde_json::json;
use std::path::PathBuf;
use toml::de::DeValue;

impl Value for ClientPlace {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let written = text(value, "a country such as \"DE\", or \"EU\"")?;
        client_place(written).ok_or_else(|| {
            let upper = written.trim().to_ascii_uppercase();
            let remedy = match upper.as_str() {
                "UK" => "did you mean \"GB\"?".to_owned(),
                "EL" => "did you mean \"GR\"?".to_owned(),
                _ if upper != written && client_place(&upper).is_some() => {
                    format!("did you mean \"{upper}\"?")
                }
                other => match other.strip_prefix("CONTINENT:") {
                    Some(code) if CONTINENTS.contains(&code) => format!("did you mean \"continent:{code}\"?"),
                    Some(_) => format!("write one of continent:{}", CONTINENTS.join(", continent:")),
                    None => ADVICE.to_owned(),
                },
            };
            Wrong::new(format!("{} is not a country", quote(written)), remedy)
        })
    }

    fn show(&self) -> serde_json::Value {
        let code = |code: &[u8; 2]| String::from_utf8_lossy(code).into_owned();
        match self {
            Self::EuropeanUnion => json!("EU"),
            Self::Country(country) => json!(code(country)),
            Self::Continent(continent) => json!(format!("continent:{}", code(continent))),
        }
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "pattern": "^([A-Z]{2}|continent:(AF|AN|AS|EU|NA|OC|SA))$" })
    }
}

const ADVICE: &str = "write a two-letter ISO 3166-1 code such as \"DE\", \"EU\", or \"continent:EU\"";
const CONTINENTS: [&str; 7] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];

fn client_place(text: &str) -> Option<ClientPlace> {
    if text == "EU" {
        return Some(ClientPlace::EuropeanUnion);
    }
    let pair = |code: &str| <[u8; 2]>::try_from(code.as_bytes()).ok();
    if let Some(code) = text.strip_prefix("continent:") {
        return pair(code).filter(|_| CONTINENTS.contains(&code)).map(ClientPlace::Continent);
    }
    pair(text).filter(|_| countries::exists(text)).map(ClientPlace::Country)
}

/// `geo.database` as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DatabaseText {
    BuiltIn,
    File(PathBuf),
}

impl Value for DatabaseText {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value.as_str() {
            Some("built-in") => Ok(Self::BuiltIn),
            Some("builtin" | "built_in" | "default") => {
                Err(Wrong::new("not a database", "did you mean \"built-in\"?"))
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
