//! *How long, and for whom?* A result with its hints, kept so that it can be given out under another id.

use super::Members;
use crate::envelope::DEPTH_MAX;
use crate::hub_error::is_result;
use crate::id::RawId;
use crate::json::decode;
use crate::plain;
use memchr::memmem::Finder;
use std::ops::Range;
use std::sync::LazyLock;
use std::time::Duration;

/// Digits of a `ttlMs` that is taken at its word: 10¹² ms are 31 years. A longer one means the same to a cache.
const TTL_DIGITS: usize = 12;

/// Who may be given a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheScope {
    /// Anybody: it holds nothing of the one who asked.
    Public,
    /// Whoever asks with the same credential.
    Private,
}

/// A result that may be given again. Its bytes are the hub's, but for the number of milliseconds it is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    result: Box<[u8]>,
    ttl_at: Range<usize>,
    /// Who may be given it.
    pub scope: CacheScope,
    /// How long it is fresh from when it was received; never zero.
    pub ttl: Duration,
}

impl Kept {
    /// What a message keeps of itself: the whole and final result of the request `id`, if it says how long and for whom
    /// it is good.
    ///
    /// # Errors
    /// It is an error, asks for input, or a hint is missing or malformed.
    pub fn read(message: &[u8], id: &RawId<'_>) -> Result<Self, Unkept> {
        // Without a hint there is nothing to be read.
        let hints = TTL.find(message).and_then(|_| std::str::from_utf8(message).ok());
        match hints.and_then(|text| everyday(text).or_else(|| thorough(text))) {
            Some(answer) => Self::of(answer, id).ok_or(Unkept::Result),
            None => Err(Unkept::of(message)),
        }
    }

    fn of(Message { version, id: found, result }: Message<'_>, id: &RawId<'_>) -> Option<Self> {
        if decode(version)? != "2.0" || RawId::parse(found)? != *id {
            return None;
        }
        let (result, text) = result;
        // Servers must say `complete`; what says nothing is to be taken for it.
        let complete = match result.get("resultType") {
            Some(kind) => decode(kind)? == "complete",
            None => true,
        };
        if !complete || result.has("inputRequests") || result.has("requestState") {
            return None;
        }
        let scope = match &*decode(result.get("cacheScope")?)? {
            "public" => CacheScope::Public,
            "private" => CacheScope::Private,
            _ => return None,
        };
        let stated = result.get("ttlMs")?;
        let ttl = milliseconds(stated).filter(|ttl| !ttl.is_zero())?;
        let ttl_at = place(text, stated)?;
        Some(Self { result: text.as_bytes().into(), ttl_at, scope, ttl })
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.result.len()
    }

    /// The answer to the request `id`, good for `left` from now on.
    #[must_use]
    pub fn answer(&self, id: &RawId<'_>, left: Duration) -> Vec<u8> {
        let id = id.as_json().as_bytes();
        let left = left.as_millis().to_string();
        let (before, after) = (&self.result[..self.ttl_at.start], &self.result[self.ttl_at.end..]);
        let parts: [&[u8]; 7] =
            [br#"{"jsonrpc":"2.0","id":"#, id, br#","result":"#, before, left.as_bytes(), after, b"}"];
        parts.concat()
    }
}

/// Why nothing is kept of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unkept {
    /// It is a result that may not be given again.
    Result,
    /// It is an error, or no answer at all: of the result that another would be it says nothing.
    NoResult,
}

impl Unkept {
    /// Why nothing is kept of this message, whatever it says of itself.
    #[must_use]
    pub fn of(message: &[u8]) -> Self {
        if is_result(message) { Self::Result } else { Self::NoResult }
    }
}

static TTL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"ttlMs\""));

/// A message that is nothing but an answer: its members, and those of its result beside its text.
#[derive(Debug, PartialEq)]
struct Message<'a> {
    version: &'a str,
    id: &'a str,
    result: (Members<'a>, &'a str),
}

/// An everyday message, read in one go: lists are long.
fn everyday(text: &str) -> Option<Message<'_>> {
    plain::read(text, DEPTH_MAX, |reader| {
        let (mut version, mut id, mut result) = (None, None, None);
        reader.members(&["jsonrpc", "id", "result"], |reader, name| {
            match name {
                "jsonrpc" => version = Some(reader.raw()?),
                "id" => id = Some(reader.raw()?),
                _ => result = Some(reader.noting(Members::next)?),
            }
            Some(())
        })?;
        Some(Message { version: version?, id: id?, result: result? })
    })
}

fn thorough(text: &str) -> Option<Message<'_>> {
    let answer = Members::read(text)?;
    if !answer.names().all(|name| ["jsonrpc", "id", "result"].contains(&name)) {
        return None;
    }
    let result = answer.get("result")?;
    Some(Message {
        version: answer.get("jsonrpc")?,
        id: answer.get("id")?,
        result: (Members::read(result)?, result),
    })
}

/// A number of milliseconds. The specification has integers from zero; what is none is as good as zero.
fn milliseconds(text: &str) -> Option<Duration> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let most = 10_u64.pow(TTL_DIGITS as u32);
    let stated = if text.len() > TTL_DIGITS { most } else { text.parse().ok()? };
    Some(Duration::from_millis(stated))
}

/// Where `part`, which was read from `whole`, stands in it.
fn place(whole: &str, part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let at = start..start.checked_add(part.len())?;
    (whole.get(at.clone()) == Some(part)).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn id(text: &str) -> RawId<'_> {
        RawId::parse(text).expect("an id")
    }

    fn kept(result: &str) -> Option<Kept> {
        Kept::read(format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result}}}"#).as_bytes(), &id("7")).ok()
    }

    fn check(result: &str, expected: Option<(CacheScope, u64)>) {
        let seen = kept(result).map(|kept| (kept.scope, kept.ttl.as_millis() as u64));
        assert_eq!(seen, expected, "{result}");
    }

    #[test]
    fn hints_are_taken_at_their_word_and_at_nothing_else() {
        use CacheScope::{Private, Public};
        check(r#"{"resultType":"complete","ttlMs":5000,"cacheScope":"public"}"#, Some((Public, 5_000)));
        check(r#"{"cacheScope":"private","ttlMs":1,"tools":[]}"#, Some((Private, 1)));
        check(r#"{"cacheScope":"pu\u0062lic","ttlMs":1}"#, Some((Public, 1)));
        check(
            r#"{"cacheScope":"public","ttlMs":99999999999999999999999999}"#,
            Some((Public, 1_000_000_000_000)),
        );
        for none in [
            r#"{"ttlMs":5000}"#,
            r#"{"cacheScope":"public"}"#,
            r#"{"ttlMs":0,"cacheScope":"public"}"#,
            r#"{"ttlMs":-1,"cacheScope":"public"}"#,
            r#"{"ttlMs":1.5,"cacheScope":"public"}"#,
            r#"{"ttlMs":1e3,"cacheScope":"public"}"#,
            r#"{"ttlMs":"5000","cacheScope":"public"}"#,
            r#"{"ttlMs":null,"cacheScope":"public"}"#,
            r#"{"ttlMs":5000,"cacheScope":""}"#,
            r#"{"ttlMs":5000,"cacheScope":"Public"}"#,
            r#"{"ttlMs":5000,"cacheScope":"shared"}"#,
            r#"{"ttlMs":5000,"cacheScope":null}"#,
            r#"{"ttlMs":5000,"cacheScope":"private","cacheScope":"public"}"#,
            r#"{"ttlMs":5000,"cacheScope":"public","resultType":"input_required"}"#,
            r#"{"ttlMs":5000,"cacheScope":"public","resultType":"task"}"#,
            r#"{"ttlMs":5000,"cacheScope":"public","resultType":1}"#,
            r#"{"ttlMs":5000,"cacheScope":"public","inputRequests":{}}"#,
            r#"{"ttlMs":5000,"cacheScope":"public","requestState":"x"}"#,
            r#"{"x":{"ttlMs":5000,"cacheScope":"public"}}"#,
            "[]",
            "1",
        ] {
            check(none, None);
        }
    }

    #[test]
    fn only_the_one_result_that_was_asked_for_is_kept() {
        let result = r#"{"ttlMs":5000,"cacheScope":"public"}"#;
        let read = |message: String| Kept::read(message.as_bytes(), &id("7")).is_ok();
        assert!(read(format!(r#" {{"result":{result},"id":7,"jsonrpc":"2.0"}} "#)));
        for wrong in [
            format!(r#"{{"jsonrpc":"2.0","id":8,"result":{result}}}"#),
            format!(r#"{{"jsonrpc":"2.0","id":"7","result":{result}}}"#),
            format!(r#"{{"jsonrpc":"2.0","id":7,"error":{result}}}"#),
            format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result},"error":null}}"#),
            format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result},"result":{result}}}"#),
            format!(r#"{{"jsonrpc":"2.0","id":7,"method":"x","result":{result}}}"#),
            format!(r#"{{"id":7,"result":{result}}}"#),
            format!(r#"[{{"jsonrpc":"2.0","id":7,"result":{result}}}]"#),
            format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result}"#),
            String::new(),
        ] {
            assert!(!read(wrong.clone()), "{wrong}");
        }
    }

    #[test]
    fn a_result_that_is_not_kept_is_told_from_what_is_none() {
        let check = |message: &str, expected: Unkept| {
            assert_eq!(Kept::read(message.as_bytes(), &id("7")), Err(expected), "{message}");
        };
        check(r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[]}}"#, Unkept::Result);
        check(r#"{"jsonrpc":"2.0","id":7,"result":{"ttlMs":0,"cacheScope":"public"}}"#, Unkept::Result);
        check(r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"\"ttlMs\""}}"#, Unkept::NoResult);
        check(r#"{"jsonrpc":"2.0","id":7,"error":{"data":{"ttlMs":1}}}"#, Unkept::NoResult);
        check(r#"{"jsonrpc":"2.0","id":7,"result":{"ttlMs":1"#, Unkept::NoResult);
        check("<html>", Unkept::NoResult);
    }

    #[test]
    fn it_is_given_out_under_any_id_and_says_how_long_it_is_good() {
        let kept = kept(r#"{ "tools": [ {"ttlMs":1} ], "ttlMs" : 5000 , "cacheScope":"public","x":1.0}"#);
        let kept = kept.expect("kept");
        let said = |id: &str, left| {
            let id = RawId::parse(id).expect("an id");
            String::from_utf8(kept.answer(&id, Duration::from_millis(left))).expect("text")
        };
        assert_eq!(
            said("\"a\\u0062\"", 4_321),
            r#"{"jsonrpc":"2.0","id":"a\u0062","result":{ "tools": [ {"ttlMs":1} ], "ttlMs" : 4321 , "cacheScope":"public","x":1.0}}"#
        );
        assert!(said("-3", 0).contains(r#""id":-3,"result":{ "tools": [ {"ttlMs":1} ], "ttlMs" : 0 ,"#));
    }

    proptest! {
        #[test]
        fn what_was_kept_can_be_kept_again(ttl in 1_u64..1_000_000_000, left in 1_u64..1_000_000, text in any::<String>()) {
            let result = json!({ "text": text, "ttlMs": ttl, "cacheScope": "private", "list": [1, {}] });
            let message = json!({ "jsonrpc": "2.0", "id": 7, "result": result }).to_string();
            let first = Kept::read(message.as_bytes(), &id("7")).expect("kept");
            prop_assert_eq!(first.ttl, Duration::from_millis(ttl));
            let again = first.answer(&id("\"x\""), Duration::from_millis(left));
            let value: Value = serde_json::from_slice(&again).expect("JSON");
            prop_assert_eq!(&value["result"]["text"], &Value::from(text));
            let second = Kept::read(&again, &id("\"x\"")).expect("kept again");
            prop_assert_eq!(second.ttl, Duration::from_millis(left));
        }

        #[test]
        fn everyday_messages_are_read_alike(
            members in prop::collection::vec(r#""(ttlMs|tools|a)":(1|"a"|\[\{"b":1\}\]|null|tru)"#, 0..4), id in r#"1|"a"|null"#,
            more in r#"|,"x":1|,"id":1"#,
        ) {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{{}}}{more}}}"#, members.join(","));
            if let Some(message) = everyday(&text) {
                prop_assert_eq!(Some(message), thorough(&text), "{}", text);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), text in "[\\[\\]{}\",:a-z0-9 ]{0,60}") {
            let _ = Kept::read(&bytes, &id("7"));
            let _ = Kept::read(text.as_bytes(), &id("7"));
        }
    }
}
