//! Names of HTTP headers.

use super::{quote, text};
use crate::field::{Value, Wrong};
use schemars::{Schema, json_schema};
use serde_json::json;
use toml::de::DeValue;

/// A header that no answer depends on, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderName(String);

/// Headers that say who asks or what is asked: two requests that differ in one of them are never the same.
const DECISIVE: [&str; 10] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "dpop",
    "api-key",
    "x-api-key",
    "x-auth-token",
    "host",
    "accept",
    "content-type",
];

/// Longest name that is one. The longest registered ones have some 40 characters.
const LENGTH_MAX: usize = 64;

impl HeaderName {
    /// One that is known to be a name in lower case.
    pub(crate) fn of(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl From<HeaderName> for String {
    fn from(name: HeaderName) -> Self {
        name.0
    }
}

impl Value for HeaderName {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let written = text(value, "the header's name, such as \"x-request-id\"")?;
        let name = written.trim_end_matches(':').to_ascii_lowercase();
        let part = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name != written.to_ascii_lowercase()
            || name.len() > LENGTH_MAX
            || !name.bytes().all(part)
            || name.is_empty()
        {
            let what = format!("{} is not the name of a header", quote(written));
            return Err(Wrong::new(what, "write a name without colon and value, such as \"x-request-id\""));
        }
        if DECISIVE.contains(&&*name) || name.starts_with("mcp-") {
            let what = format!("\"{name}\" says who asks or what is asked");
            return Err(Wrong::new(what, "leave it out: answers depend on it"));
        }
        Ok(Self(name))
    }

    fn show(&self) -> serde_json::Value {
        json!(self.0)
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, expected: Result<&str, &str>) {
        let read = HeaderName::read(&DeValue::String(written.into()));
        match (read, expected) {
            (Ok(name), Ok(expected)) => assert_eq!(name.0, expected),
            (Err(wrong), Err(part)) => assert!(wrong.what.contains(part), "{written}: {}", wrong.what),
            (read, _) => panic!("{written}: {read:?}"),
        }
    }

    #[test]
    fn what_decides_an_answer_cannot_be_ignored() {
        check("X-Request-ID", Ok("x-request-id"));
        check("cf-ray", Ok("cf-ray"));
        for decisive in ["Authorization", "cookie", "X-API-Key", "Mcp-Param-Region", "mcp-method", "accept"] {
            check(decisive, Err("says who asks or what is asked"));
        }
        for wrong in ["", "x-a:", "x-a: 1", "x a", "x-\u{e4}", &"x".repeat(65)] {
            check(wrong, Err("is not the name of a header"));
        }
    }
}
