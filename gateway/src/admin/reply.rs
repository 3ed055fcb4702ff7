//! What does an answer of this interface look like?

use crate::control::Unasked;
use schemars::JsonSchema;
use serde::Serialize;

/// The media type of everything but texts.
const JSON: &str = "application/json";

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) media_type: &'static str,
    pub(super) body: String,
    /// Of a 405: what is allowed.
    pub(super) allow: Option<&'static str>,
}

impl Reply {
    pub(super) fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            media_type: "text/plain; charset=utf-8",
            body: format!("{}\n", body.trim_end()),
            allow: None,
        }
    }

    pub(super) fn metrics(body: String) -> Self {
        Self { status: 200, media_type: "text/plain; version=0.0.4", body, allow: None }
    }

    pub(super) fn json(status: u16, body: &impl Serialize) -> Self {
        match serde_json::to_string(body) {
            Ok(body) => Self { status, media_type: JSON, body: format!("{body}\n"), allow: None },
            // Our own types have names and numbers only: this is a mistake of ours.
            Err(error) => Problem::new(500, format!("the answer cannot be written: {error}")).into(),
        }
    }

    pub(super) fn not_allowed(allow: &'static str) -> Self {
        let problem = Problem::new(405, format!("only {allow} is allowed here"));
        Self { allow: Some(allow), ..problem.into() }
    }
}

/// Why a request is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Problem {
    #[serde(skip)]
    pub(super) status: u16,
    /// What is wrong, in words.
    pub(super) error: String,
    /// The parameter, or the field of the body, that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) field: Option<String>,
}

impl Problem {
    pub(super) fn new(status: u16, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), field: None }
    }

    pub(super) fn at(self, field: &str) -> Self {
        Self { field: Some(field.to_owned()), ..self }
    }

    /// There is no hub of this name.
    pub(super) fn unknown_hub(hub: &str) -> Self {
        Self::new(404, format!("there is no hub {hub}"))
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        // Two texts: nothing in them has no JSON form.
        let body = serde_json::to_string(&problem).unwrap_or_default();
        Self { status: problem.status, media_type: JSON, body: format!("{body}\n"), allow: None }
    }
}

impl From<Unasked> for Problem {
    fn from(unasked: Unasked) -> Self {
        let status = match unasked {
            Unasked::Stopping | Unasked::Busy => 503,
            Unasked::Unforetold => 409,
            Unasked::UnknownHub => 404,
        };
        Self::new(status, unasked.to_string())
    }
}
