//! Does an answer speak of the hub rather than of the request?

use memchr::memmem;

/// Longer bodies are not looked at: an error is a code and a sentence.
const LENGTH_MAX: usize = 16 * 1024;

/// The codes that say, in an answer of HTTP 200, that the server and not the request is at fault: internal error
/// (JSON-RPC 2.0, section 5.1), and the two by which the official SDKs tell that their own connection to a server behind
/// them was closed or timed out.
const CODES: [i64; 3] = [-32603, -32000, -32001];

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
    if message.len() > LENGTH_MAX || memmem::find(message, b"\"error\"").is_none() {
        return false;
    }
    serde_json::from_slice::<Answer>(message).is_ok_and(|answer| CODES.contains(&answer.error.code))
}

#[cfg(test)]
mod tests {
    use super::*;

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
