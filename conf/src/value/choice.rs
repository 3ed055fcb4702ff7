//! One word out of a few.

use super::{quote, text};
use crate::field::{Value, Wrong};
use crate::settings::{LogFormat, LogLevel, PredictorMode, ProxyProtocol};
use crate::suggest::{nearest, one_of};
use mcphub_geo::Unplaced;
use mcphub_routing::{Algorithm, Era, HubType};
use mcphub_session::Bind;
use schemars::{Schema, json_schema};
use serde_json::json;
use toml::de::DeValue;

/// How hubs are probed, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProbeKind {
    Mcp,
    Http,
    Tcp,
}

/// Where session records are kept, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Embedded,
    Nats,
}

macro_rules! choice {
    ($type:ident: $($word:literal => $variant:ident),+) => {
        impl Value for $type {
            fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
                const WORDS: &[&str] = &[$($word),+];
                match text(value, &one_of(WORDS))? {
                    $($word => Ok(Self::$variant),)+
                    other => Err(unknown(other, WORDS)),
                }
            }

            fn show(&self) -> serde_json::Value {
                json!(match self { $(Self::$variant => $word),+ })
            }

            fn describe() -> Schema {
                json_schema!({ "enum": [$($word),+] })
            }
        }
    };
}

fn unknown(written: &str, words: &[&str]) -> Wrong {
    let remedy = match nearest(written, words.iter().copied()) {
        Some(word) => format!("did you mean \"{word}\"?"),
        None => format!("write {}", one_of(words)),
    };
    Wrong::new(format!("{} is not a choice here", quote(written)), remedy)
}

choice!(HubType: "primary" => Primary, "secondary" => Secondary, "edge" => Edge);
choice!(Era: "legacy" => Legacy, "modern" => Modern);
choice!(
    Algorithm: "geographic" => Geographic, "round-robin" => RoundRobin,
    "least-connections" => LeastConnections, "health-based" => HealthBased
);
choice!(ProxyProtocol: "off" => Off, "optional" => Optional, "required" => Required);
choice!(Unplaced: "refuse" => Refuse, "allow" => Allow);
choice!(ProbeKind: "mcp" => Mcp, "http" => Http, "tcp" => Tcp);
choice!(PredictorMode: "off" => Off, "advise" => Advise, "act" => Act);
choice!(Bind: "subject" => Subject, "token" => Token, "none" => None);
choice!(Backend: "embedded" => Embedded, "nats" => Nats);
choice!(LogFormat: "json" => Json, "text" => Text);
choice!(LogLevel: "error" => Error, "warn" => Warn, "info" => Info, "debug" => Debug, "trace" => Trace);
