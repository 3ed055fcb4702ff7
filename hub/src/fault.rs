//! How may a hub be told to misbehave?
//!
//! One [`Fault`] is in force at a time, set whole by `PUT /fault` and taken back by `DELETE /fault`. It touches
//! `/mcp` alone: metrics and counters stay honest, so that a test can watch a sick hub.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::replies::peek;

/// Longest latency that may be asked for, in milliseconds: longer is `hang`.
const LATENCY_MAX_MS: u64 = 600_000;

/// Everything that is wrong with the hub, as `PUT /fault` takes it. An absent field is no fault.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// Milliseconds every answer is held back, 0 to 600,000.
    pub latency_ms: u64,
    /// Share of requests that fail, 0 to 1, drawn at random.
    pub error_rate: f64,
    /// Fail every k-th request exactly (1 = all), instead of a share. 0 is off.
    pub error_every: u64,
    /// How those requests fail.
    pub error: Injected,
    /// Accept every request and never answer it.
    pub hang: bool,
    /// Reset the connection of an SSE answer after this many messages; 0 is right after the headers.
    pub drop_mid_stream: Option<u64>,
    /// End an SSE answer cleanly after this many messages, whether or not the result was among them.
    pub end_mid_stream: Option<u64>,
    /// Answer 404 to every request that names a session.
    pub refuse_sessions: bool,
    /// Do this once, now, to every SSE answer already open.
    pub cut_open: Option<Cut>,
    /// Which requests suffer.
    pub scope: Scope,
    /// Of those, only messages of this JSON-RPC method; none is any. A hub may so be slow for its clients and quick for
    /// those who only look whether it lives.
    pub only: Option<String>,
}

/// How an injected error looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Injected {
    /// HTTP 500.
    #[default]
    Http500,
    /// HTTP 503.
    Http503,
    /// HTTP 200 with JSON-RPC error -32603 and the request's own id.
    JsonRpc,
    /// The connection is reset without a byte of an answer.
    Reset,
}

/// How an answer is cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// TCP reset.
    Reset,
    /// A clean end of the body.
    End,
}

/// Which requests a fault touches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All of them.
    #[default]
    All,
    /// POST alone.
    Post,
    /// GET alone.
    Get,
}

/// Why a fault cannot be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultError {
    /// The body is not the JSON of a [`Fault`].
    Unreadable(String),
    /// A field is out of its range.
    OutOfRange(&'static str),
}

impl std::fmt::Display for FaultError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "the body is not a fault: {why}"),
            Self::OutOfRange(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for FaultError {}

impl Fault {
    /// Reads the body of `PUT /fault`.
    ///
    /// # Errors
    /// When it is not such JSON, names an unknown field, or asks for the impossible.
    pub fn parse(body: &[u8]) -> Result<Self, FaultError> {
        // Through a map, since a derived reader would also take an array for a fault with every field left out.
        let fault: Self = serde_json::from_slice(body)
            .and_then(|fields: Map<String, Value>| serde_json::from_value(Value::Object(fields)))
            .map_err(|error| FaultError::Unreadable(error.to_string()))?;
        if !(0.0..=1.0).contains(&fault.error_rate) {
            return Err(FaultError::OutOfRange("error_rate is a share from 0 to 1"));
        }
        if fault.latency_ms > LATENCY_MAX_MS {
            return Err(FaultError::OutOfRange("latency_ms is at most 600000; longer is \"hang\": true"));
        }
        Ok(fault)
    }

    /// Whether requests of this HTTP method suffer, with this body.
    pub(crate) fn covers(&self, method: &Method, body: &[u8]) -> bool {
        let in_scope = match self.scope {
            Scope::All => true,
            Scope::Post => method == Method::POST,
            Scope::Get => method == Method::GET,
        };
        in_scope && self.only.as_deref().is_none_or(|only| asks(body, only))
    }

    /// Whether the `turn`-th request (counted from 1 since the fault was set) fails, given a draw from 0 to 1.
    pub(crate) fn strikes(&self, turn: u64, draw: f64) -> bool {
        if self.error_every > 0 { turn.is_multiple_of(self.error_every) } else { draw < self.error_rate }
    }

    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms)
    }

    /// Where and how an SSE answer is cut, if at all.
    pub(crate) fn cut(&self) -> Option<(u64, Cut)> {
        self.drop_mid_stream
            .map(|after| (after, Cut::Reset))
            .or_else(|| self.end_mid_stream.map(|after| (after, Cut::End)))
    }
}

/// Whether a body is a message of this JSON-RPC method.
fn asks(body: &[u8], method: &str) -> bool {
    let named = peek(body).and_then(|peek| peek.method);
    named
        .and_then(|named| serde_json::from_str::<String>(named.get()).ok())
        .is_some_and(|named| named == method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_whole_or_refused() {
        let fault = Fault::parse(br#"{"error_every":3,"error":"jsonrpc","scope":"post"}"#).expect("a fault");
        assert_eq!((fault.error_every, fault.error, fault.scope), (3, Injected::JsonRpc, Scope::Post));
        assert!(matches!(Fault::parse(br#"{"latency":5}"#), Err(FaultError::Unreadable(_))));
        assert!(matches!(Fault::parse(b"[]"), Err(FaultError::Unreadable(_))));
        assert!(matches!(Fault::parse(br#"{"error_rate":1.5}"#), Err(FaultError::OutOfRange(_))));
        assert!(matches!(Fault::parse(br#"{"latency_ms":600001}"#), Err(FaultError::OutOfRange(_))));
    }

    #[test]
    fn every_third_means_exactly_every_third() {
        let fault = Fault { error_every: 3, error_rate: 1.0, ..Fault::default() };
        let struck: Vec<u64> = (1..=9).filter(|turn| fault.strikes(*turn, 0.0)).collect();
        assert_eq!(struck, [3, 6, 9]);
    }

    #[test]
    fn one_method_may_suffer_alone() {
        let fault =
            Fault::parse(br#"{"hang":true,"scope":"post","only":"resources/read"}"#).expect("a fault");
        let read = br#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a"}}"#;
        assert!(fault.covers(&Method::POST, read));
        assert!(!fault.covers(&Method::GET, read));
        assert!(!fault.covers(&Method::POST, br#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#));
        assert!(!fault.covers(&Method::POST, b"nothing"));
    }

    #[test]
    fn no_fault_never_strikes() {
        assert!((1..=100).all(|turn| !Fault::default().strikes(turn, 0.0)));
    }
}
