//! Does an answer speak of the hub rather than of the request?

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::plain;

/// Longer bodies are not looked at: an error is a code and a sentence.
const LENGTH_MAX: usize = 16 * 1024;

/// The codes that say, in an answer of HTTP 200, that the server and not the request is at fault: internal error
/// (JSON-RPC 2.0, section 5.1), and the two by which the official SDKs tell that their own connection to a server behind
/// them was closed or timed out.
const CODES: [i64; 3] = [-32603, -32000, -32001];

/// To make ready for a search costs more than to search a usual answer.
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));

/// Whether these bytes may speak of an error.
#[must_use]
pub fn may_tell_of_error(bytes: &[u8]) -> bool {
    ERROR.find(bytes).is_some()
}

/// Whether this JSON-RPC message is an error that counts against the hub that sent it. Batches and what is no JSON do
/// not.
#[must_use]
pub fn is_hub_error(message: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Answer {
        error: Code,
    }
    #[derive(serde::Deserialize)]
    struct Code {
        code: i64,
    }
    // Almost every answer is a result: the search is all that it costs.
    if message.len() > LENGTH_MAX || !may_tell_of_error(message) {
        return false;
    }
    serde_json::from_slice::<Answer>(message).is_ok_and(|answer| CODES.contains(&answer.error.code))
}

/// Whether this JSON-RPC message is a result.
#[must_use]
pub fn is_result(message: &[u8]) -> bool {
    outcome(message) == Some(true)
}

/// Whether this JSON-RPC message is an error.
#[must_use]
pub fn is_error(message: &[u8]) -> bool {
    outcome(message) == Some(false)
}

fn outcome(message: &[u8]) -> Option<bool> {
    #[derive(serde::Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        result: Option<&'a serde_json::value::RawValue>,
        #[serde(borrow)]
        error: Option<&'a serde_json::value::RawValue>,
    }
    let (result, error) = match everyday(message) {
        Some(found) => found,
        None => {
            let Answer { result, error } = serde_json::from_slice(message).ok()?;
            (result.is_some(), error.is_some())
        }
    };
    match (result, error) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// Whether there is a result, and an error, in an everyday answer. What is there as `null` is not there for the thorough
/// reader: its affair.
fn everyday(message: &[u8]) -> Option<(bool, bool)> {
    let plain::Answer { result, error, .. } = plain::answer(std::str::from_utf8(message).ok()?)?;
    let unclear = [result, error].contains(&Some("null"));
    (!unclear).then_some((result.is_some(), error.is_some()))
}

/// Whether the body of an answer of HTTP 400 says that the hub does not know the session, as servers do that do not
/// answer 404: "No valid session ID provided", "Server not initialized". Ours names a session in every request of one, so
/// the complaint is about that session.
#[must_use]
pub fn says_session_unknown(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        error: Words<'a>,
    }
    #[derive(serde::Deserialize)]
    struct Words<'a> {
        #[serde(borrow)]
        message: std::borrow::Cow<'a, str>,
    }
    let Ok(Answer { error }) = serde_json::from_slice::<Answer<'_>>(body) else { return false };
    let words = error.message.to_ascii_lowercase();
    words.contains("session") || words.contains("not initialized")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_about_the_session_are_told_from_others() {
        let check = |body: &str, expected: bool| {
            assert_eq!(says_session_unknown(body.as_bytes()), expected, "{body}");
        };
        let error = |message: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":-32000,"message":"{message}"}}}}"#)
        };
        check(&error("Bad Request: No valid session ID provided"), true);
        check(&error("Bad Request: Server not initialized"), true);
        check(&error("Bad Request: unsupported protocol version"), false);
        check("session", false);
        check("", false);
    }

    #[test]
    fn results_and_errors_are_told_apart() {
        let check = |message: &str, expected: (bool, bool)| {
            assert_eq!((is_result(message.as_bytes()), is_error(message.as_bytes())), expected, "{message}");
        };
        check(r#"{"id":1,"result":{"error":1}}"#, (true, false));
        check(r#"{"id":1,"error":{"code":1}}"#, (false, true));
        check(r#"{"id":1,"result":1,"error":2}"#, (false, false));
        check("[]", (false, false));
    }

    #[test]
    fn only_what_speaks_of_the_hub_counts() {
        let check = |message: &str, expected: bool| {
            assert_eq!(is_hub_error(message.as_bytes()), expected, "{message}");
        };
        let error = |code: i64| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"m","data":{{"error":1}}}}}}"#
            )
        };
        check(&error(-32603), true);
        check(&error(-32000), true);
        check(&error(-32001), true);
        check(&error(-32602), false);
        check(&error(-32601), false);
        check(&error(-32002), false);
        check(r#"{"jsonrpc":"2.0","id":1,"result":{"error":{"code":-32603}}}"#, false);
        check(r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true,"content":[]}}"#, false);
        check(r#"[{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"m"}}]"#, false);
        check(r#"{"error":"#, false);
        check("", false);
        check(&format!("{}{}", " ".repeat(LENGTH_MAX), error(-32603)), false);
    }
}
