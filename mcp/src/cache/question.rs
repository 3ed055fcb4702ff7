//! *What is asked, to the letter?* A cacheable request, and everything in its body that an answer may depend on.

use super::{Cacheable, Members};
use crate::id::RawId;
use crate::json::decode;
use std::borrow::Cow;

/// Largest body that is looked at, bytes. Questions have some 300; a resource's URI may have 8 KiB.
pub const QUESTION_MAX: usize = 16 * 1024;

/// What a request carries of itself alone, and no answer depends on: the specification uses the first to name progress,
/// the others to name a trace.
const OF_ONE_REQUEST: [&str; 3] = ["progressToken", "traceparent", "tracestate"];

/// What a request is kept out of the cache by: its answer depends on what its client has answered before.
const ROUNDS: [&str; 2] = ["inputResponses", "requestState"];

/// Where a request says in which version it speaks.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// A request whose answer may be given again.
#[derive(Debug)]
pub struct Question<'a> {
    /// What the answer must carry.
    pub id: RawId<'a>,
    /// The method.
    pub method: Cacheable,
    /// What `resources/read` reads.
    pub uri: Option<Cow<'a, str>>,
    version: Cow<'a, str>,
    params: Members<'a>,
    meta: Members<'a>,
}

impl std::fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl<'a> Question<'a> {
    /// Reads the body of a request whose head names this method. `None` where the body does not fit the head, cannot be
    /// read in one way only, or continues an earlier round: the hub alone can judge such.
    #[must_use]
    pub fn read(body: &'a [u8], method: Cacheable) -> Option<Self> {
        if body.len() > QUESTION_MAX {
            return None;
        }
        let message = Members::read(std::str::from_utf8(body).ok()?)?;
        if !message.names().all(|name| ["jsonrpc", "id", "method", "params"].contains(&name)) {
            return None;
        }
        let named = decode(message.get("method")?)?;
        if decode(message.get("jsonrpc")?)? != "2.0" || named != method.name() {
            return None;
        }
        let id = RawId::parse(message.get("id")?)?;
        let params = Members::read(message.get("params")?)?;
        if ROUNDS.iter().any(|name| params.has(name)) {
            return None;
        }
        let meta = Members::read(params.get("_meta")?)?;
        let version = decode(meta.get(VERSION)?)?;
        let uri = match method {
            Cacheable::Read => Some(decode(params.get("uri")?)?),
            _ => None,
        };
        Some(Self { id, method, uri, version, params, meta })
    }

    /// Whether it says the same as its mirrored headers, which nobody has compared yet: the version, and the name that
    /// only `resources/read` has.
    #[must_use]
    pub fn agrees_with(&self, version: &[u8], name: Option<&str>) -> bool {
        self.version.as_bytes() == version && self.uri.as_deref() == name
    }

    /// Hands out everything that an answer may depend on, in one form whatever the order and spacing it was written in.
    /// Questions that differ in anything else than what belongs to one request alone give different bytes: every part
    /// comes after its length.
    pub fn feed(&self, mut update: impl FnMut(&[u8])) {
        let mut part = |bytes: &[u8]| {
            update(&(bytes.len() as u64).to_be_bytes());
            update(bytes);
        };
        part(self.method.name().as_bytes());
        for (name, value) in &self.params.0 {
            if name != "_meta" {
                part(name.as_bytes());
                part(&compact(value));
            }
        }
        // No member has this name: an empty part stands between the two lists.
        part(b"");
        for (name, value) in &self.meta.0 {
            if !OF_ONE_REQUEST.contains(&&**name) {
                part(name.as_bytes());
                part(&compact(value));
            }
        }
    }
}

/// Valid JSON without the blanks between its parts.
fn compact(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if memchr::memchr3(b' ', b'\n', b'\t', bytes).is_none() && memchr::memchr(b'\r', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let (mut quoted, mut escaped) = (false, false);
    let is_part = |byte: &u8| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b' ' | b'\n' | b'\t' | b'\r' if !quoted => return false,
            _ => {}
        }
        true
    };
    Cow::Owned(bytes.iter().copied().filter(is_part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;

    fn fed(body: &str, method: Cacheable) -> Option<Vec<u8>> {
        let question = Question::read(body.as_bytes(), method)?;
        let mut all = Vec::new();
        question.feed(|part| all.extend_from_slice(part));
        Some(all)
    }

    fn list(params: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{params}}}"#)
    }

    /// Whether the two ask the same.
    fn check(one: &str, other: &str, same: bool) {
        let (one_fed, other_fed) = (
            fed(&list(one), Cacheable::Tools).expect(one),
            fed(&list(other), Cacheable::Tools).expect(other),
        );
        assert_eq!(one_fed == other_fed, same, "{one}\n{other}");
    }

    #[test]
    fn order_spacing_and_what_names_one_request_make_no_difference() {
        let plain = format!(r#"{{"cursor":"a b","_meta":{{{META},"x":{{"y":[1,2]}}}}}}"#);
        check(&plain, &format!(r#"{{"_meta":{{"x":{{"y":[1,2]}},{META}}},"cursor":"a b"}}"#), true);
        check(
            &plain,
            &format!("{{ \"cursor\" : \"a b\",\r\n\t\"_meta\":{{{META}, \"x\": {{\"y\" : [ 1,2 ]}} }}}}"),
            true,
        );
        let named = format!(
            r#"{{"cursor":"a b","_meta":{{{META},"x":{{"y":[1,2]}},"progressToken":7,"traceparent":"00-1","tracestate":"a"}}}}"#
        );
        check(&plain, &named, true);
    }

    #[test]
    fn everything_else_does() {
        let plain = format!(r#"{{"cursor":"a","_meta":{{{META}}}}}"#);
        for other in [
            format!(r#"{{"cursor":"b","_meta":{{{META}}}}}"#),
            format!(r#"{{"cursor":"a ","_meta":{{{META}}}}}"#),
            format!(r#"{{"_meta":{{{META}}}}}"#),
            format!(r#"{{"cursor":"a","x":1,"_meta":{{{META}}}}}"#),
            format!(r#"{{"_meta":{{{META},"cursor":"a"}}}}"#),
            format!(r#"{{"cursor":"a","_meta":{{{META},"baggage":"tenant=1"}}}}"#),
            format!(
                r#"{{"cursor":"a","_meta":{{{META},"io.modelcontextprotocol/clientCapabilities":{{}}}}}}"#
            ),
            format!(r#"{{"cursor":"a","progressToken":1,"_meta":{{{META}}}}}"#),
        ] {
            check(&plain, &other, false);
        }
        // Numbers that some readers take for one.
        let number = |n: &str| format!(r#"{{"n":{n},"_meta":{{{META}}}}}"#);
        check(&number("9007199254740993"), &number("9007199254740992"), false);
        check(&number("1"), &number("1.0"), false);
        // Parts do not run together.
        check(
            &format!(r#"{{"a":"1","b":"2","_meta":{{{META}}}}}"#),
            &format!(r#"{{"a":"1\"b\":\"2","_meta":{{{META}}}}}"#),
            false,
        );
    }

    #[test]
    fn what_continues_a_round_or_can_be_read_two_ways_is_no_question() {
        for params in [
            format!(r#"{{"requestState":"x","_meta":{{{META}}}}}"#),
            format!(r#"{{"requestState":null,"_meta":{{{META}}}}}"#),
            format!(r#"{{"inputResponses":{{}},"_meta":{{{META}}}}}"#),
            format!(r#"{{"\u0069nputResponses":{{}},"_meta":{{{META}}}}}"#),
            format!(r#"{{"cursor":"a","cursor":"b","_meta":{{{META}}}}}"#),
            format!(r#"{{"_meta":{{{META},{META}}}}}"#),
            r#"{"_meta":{}}"#.to_owned(),
            r#"{"_meta":1}"#.to_owned(),
            "{}".to_owned(),
            "[]".to_owned(),
        ] {
            assert_eq!(fed(&list(&params), Cacheable::Tools), None, "{params}");
        }
        let sound = list(&format!(r#"{{"_meta":{{{META}}}}}"#));
        assert!(fed(&sound, Cacheable::Tools).is_some());
        assert_eq!(fed(&sound, Cacheable::Prompts), None, "the head names another method");
        for (from, to) in [
            ("\"id\":1", "\"id\":null"),
            ("\"id\":1", "\"id\":1.5"),
            ("\"id\":1,", ""),
            ("\"2.0\"", "\"1.0\""),
            ("\"id\":1", "\"id\":1,\"extra\":1"),
            ("\"id\":1", "\"id\":1,\"id\":2"),
        ] {
            assert_eq!(fed(&sound.replace(from, to), Cacheable::Tools), None, "{from} -> {to}");
        }
        let long = sound.replace("2026-07-28", &"x".repeat(QUESTION_MAX));
        assert_eq!(fed(&long, Cacheable::Tools), None);
    }

    #[test]
    fn the_head_must_say_the_same() {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":"a","method":"resources/read","params":{{"uri":"file:\/\/\/x","_meta":{{{META}}}}}}}"#
        );
        let read = Question::read(body.as_bytes(), Cacheable::Read).expect("a question");
        assert!(read.agrees_with(b"2026-07-28", Some("file:///x")));
        assert!(!read.agrees_with(b"2026-07-28", Some("file:///y")));
        assert!(!read.agrees_with(b"2026-07-28", None));
        assert!(!read.agrees_with(b"2027-01-01", Some("file:///x")));
        let body = list(&format!(r#"{{"_meta":{{{META}}}}}"#));
        let read = Question::read(body.as_bytes(), Cacheable::Tools).expect("a question");
        assert!(read.agrees_with(b"2026-07-28", None));
        assert!(!read.agrees_with(b"2026-07-28", Some("x")));
    }

    proptest! {
        #[test]
        fn compact_text_means_the_same(value in "[\\[\\]{}\",: \\\\a-z0-9]{0,40}") {
            if let Ok(meant) = serde_json::from_str::<serde_json::Value>(&value) {
                let short = compact(&value).into_owned();
                prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&short).ok(), Some(meant));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), text in "[\\[\\]{}\",:a-z0-9 ]{0,60}") {
            let _ = Question::read(&bytes, Cacheable::Tools);
            let _ = Question::read(text.as_bytes(), Cacheable::Read);
        }
    }
}
