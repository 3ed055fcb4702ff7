//! Whom a residency rule binds.

use super::{quote, text};
use crate::field::{Value, Wrong};
use crate::suggest::one_of;
use mcphub_geo::{ClientSelector, Continent};
use schemars::{Schema, json_schema};
use serde_json::json;
use toml::de::DeValue;

impl Value for ClientSelector {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let written = text(value, "a country such as \"DE\", or \"EU\"")?;
        written.parse().map_err(|_| {
            let upper = written.trim().to_ascii_uppercase();
            let parses = |tried: &str| tried.parse::<Self>().is_ok();
            let continent = upper.strip_prefix("CONTINENT:");
            let remedy = match (upper.as_str(), continent) {
                ("UK", _) => "did you mean \"GB\"?".to_owned(),
                ("EL", _) => "did you mean \"GR\"?".to_owned(),
                (country, _) if parses(country) => format!("did you mean \"{country}\"?"),
                (_, Some(code)) if parses(&format!("continent:{code}")) => {
                    format!("did you mean \"continent:{code}\"?")
                }
                (_, Some(_)) => {
                    format!("write `continent:` and {}", one_of(&Continent::ALL.map(Continent::code)))
                }
                _ => ADVICE.to_owned(),
            };
            Wrong::new(format!("{} is not a country", quote(written)), remedy)
        })
    }

    fn show(&self) -> serde_json::Value {
        json!(self.to_string())
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "pattern": "^([A-Z]{2}|continent:(AF|AN|AS|EU|NA|OC|SA))$" })
    }
}

const ADVICE: &str = "write a two-letter ISO 3166-1 code such as \"DE\", \"EU\", or \"continent:EU\"";
