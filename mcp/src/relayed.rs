//! *What does a hub say to its client, and with which names?* As much of a hub's own message as must be known to pass
//! it on within a session that may live on another hub tomorrow.
//!
//! Hubs count their requests from 0, each for itself. Where a message names such a request, the name is found here and
//! can be replaced; the rest of the message goes on byte for byte.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::envelope::DEPTH_MAX;
use crate::id::RawId;
use crate::json::decode;
use crate::plain::{self, Reader};

const PROGRESS: &str = "notifications/progress";

/// A message of a hub (or, of the client's, what it says about one), as far as it names requests.
#[derive(Debug, PartialEq)]
pub enum Relayed<'a> {
    /// A request of the hub: the client's answer will carry its id.
    Request {
        /// Its id.
        id: Named<'a>,
        /// `params._meta.progressToken`: the client's progress will carry it.
        progress_token: Option<Named<'a>>,
    },
    /// `notifications/cancelled`: somebody wants a request no more.
    Cancelled {
        /// `params.requestId`.
        id: Named<'a>,
    },
    /// `notifications/progress`.
    Progress {
        /// `params.progressToken`.
        token: Named<'a>,
        /// `params.progress`.
        progress: f64,
    },
    /// An answer.
    Answer {
        /// The id of what it answers.
        id: Named<'a>,
    },
    /// Anything else: it names no request, or is no single message.
    Other,
}

/// A name in a message, and where it stands there.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<'a> {
    /// The name: ids and progress tokens have the same shape.
    pub id: RawId<'a>,
    at: Range<usize>,
}

impl Named<'_> {
    /// The message with another name in this place, which is JSON text. `message` is what the name was read from.
    #[must_use]
    pub fn replaced(&self, message: &[u8], json: &str) -> Vec<u8> {
        let (before, after) = (message.get(..self.at.start), message.get(self.at.end..));
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        [before, json.as_bytes(), after].concat()
    }
}

/// As much of any message as tells a request from a notification, and what it is about.
#[derive(Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) method: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    #[serde(borrow)]
    request_id: Option<&'a RawValue>,
    #[serde(borrow)]
    progress_token: Option<&'a RawValue>,
    progress: Option<f64>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    #[serde(borrow)]
    progress_token: Option<&'a RawValue>,
}

/// Reads a message: the `data` of an event, or a body. What is no single message with sound names is
/// [`Relayed::Other`], and goes on as it is.
#[must_use]
pub fn relayed(message: &[u8]) -> Relayed<'_> {
    let Ok(text) = std::str::from_utf8(message) else { return Relayed::Other };
    everyday(text).or_else(|| thorough(text)).unwrap_or(Relayed::Other)
}

/// Everyday progress, of which hubs say more than of all else.
fn everyday(text: &str) -> Option<Relayed<'_>> {
    let (method, params) = plain::read(text, DEPTH_MAX, |reader| {
        let (mut method, mut params) = (None, None);
        reader.members(&["jsonrpc", "method", "params"], |reader, key| {
            match key {
                "method" => method = Some(reader.string()?),
                "params" => params = Some(told(reader)?),
                _ => reader.value()?,
            }
            Some(())
        })?;
        Some((method?, params?))
    })?;
    let (token, progress) = params;
    let progress = progress.parse().ok().filter(|progress: &f64| progress.is_finite())?;
    let token = named(text, token)?;
    (method == PROGRESS).then_some(Relayed::Progress { token, progress })
}

/// How far the progress that this event tells has come, found by search alone. `None` where that is not plain: there is
/// none, or it must be read to be known.
///
/// A key of JSON cannot stand in a string, whose quotes would be escaped; so where the method and the key `progress` are
/// there once each, the number after the key is the one, unless a hub has left it out and named something else so.
#[must_use]
pub fn progress_in(event: &[u8]) -> Option<f64> {
    TELLS_PROGRESS.find(event)?;
    let after = &event[KEY.find(event)? + KEY.needle().len()..];
    if KEY.find(after).is_some() {
        return None;
    }
    let value = after.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let length = value.iter().take_while(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte)).count();
    let progress: f64 = std::str::from_utf8(&value[..length]).ok()?.parse().ok()?;
    progress.is_finite().then_some(progress)
}

static TELLS_PROGRESS: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new("\"method\":\"notifications/progress\""));
static KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"progress\""));

/// The token and the number.
fn told<'a>(reader: &mut Reader<'a>) -> Option<(&'a str, &'a str)> {
    let (mut token, mut progress) = (None, None);
    reader.members(&["progressToken", "progress", "total", "message", "_meta"], |reader, key| {
        match key {
            "progressToken" => token = Some(reader.raw()?),
            "progress" => progress = Some(reader.raw()?),
            _ => reader.value()?,
        }
        Some(())
    })?;
    Some((token?, progress?))
}

fn thorough<'a>(text: &'a str) -> Option<Relayed<'a>> {
    let Message { id, method, params } = serde_json::from_str(text).ok()?;
    let named = |raw: &'a RawValue| named(text, raw.get());
    let method = match method {
        Some(method) => Some(decode(method.get())?),
        None => None,
    };
    let params = || serde_json::from_str::<Params<'_>>(params?.get()).ok();
    match (method, id) {
        (Some(_), Some(id)) => {
            let meta = params().and_then(|params| serde_json::from_str::<Meta<'_>>(params.meta?.get()).ok());
            let progress_token = meta.and_then(|meta| named(meta.progress_token?));
            Some(Relayed::Request { id: named(id)?, progress_token })
        }
        (Some(method), None) if method == "notifications/cancelled" => {
            Some(Relayed::Cancelled { id: named(params()?.request_id?)? })
        }
        (Some(method), None) if method == PROGRESS => {
            let params = params()?;
            Some(Relayed::Progress { token: named(params.progress_token?)?, progress: params.progress? })
        }
        (None, Some(id)) => Some(Relayed::Answer { id: named(id)? }),
        _ => None,
    }
}

/// A name and its place. `raw` borrows from the text it was read from, however deep it stands.
fn named<'a>(text: &'a str, raw: &'a str) -> Option<Named<'a>> {
    let start = raw.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    let at = start..start.checked_add(raw.len())?;
    let is_there = text.get(at.clone()) == Some(raw);
    let id = RawId::parse(raw)?;
    is_there.then_some(Named { id, at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The message with every name in it replaced by `"ours"`.
    fn check(message: &str, expected: &str) {
        let bytes = message.as_bytes();
        let replaced = match relayed(bytes) {
            Relayed::Request { id, progress_token } => {
                let first = id.replaced(bytes, "\"ours\"");
                match (relayed(&first), progress_token) {
                    (Relayed::Request { progress_token: Some(token), .. }, Some(_)) => {
                        token.replaced(&first, "\"ours\"")
                    }
                    _ => first,
                }
            }
            Relayed::Cancelled { id } | Relayed::Answer { id } => id.replaced(bytes, "\"ours\""),
            Relayed::Progress { token, .. } => token.replaced(bytes, "\"ours\""),
            Relayed::Other => bytes.to_vec(),
        };
        assert_eq!(String::from_utf8(replaced).unwrap(), expected);
    }

    #[test]
    fn names_are_replaced_and_nothing_else() {
        check(
            r#" { "method":"roots/list", "id" : 0 ,"params":{"id":0, "x":[ 1.0 ]}} "#,
            r#" { "method":"roots/list", "id" : "ours" ,"params":{"id":0, "x":[ 1.0 ]}} "#,
        );
        check(
            r#"{"id":"é","method":"sampling/createMessage","params":{"_meta":{"progressToken":7},"é":"é"}}"#,
            r#"{"id":"ours","method":"sampling/createMessage","params":{"_meta":{"progressToken":"ours"},"é":"é"}}"#,
        );
        check(
            r#"{"method":"notifications/cancelled","params":{"reason":"0","requestId":0}}"#,
            r#"{"method":"notifications/cancelled","params":{"reason":"0","requestId":"ours"}}"#,
        );
        check(
            r#"{"method":"notifications/progress","params":{"progressToken":"a","progress":1e1}}"#,
            r#"{"method":"notifications/progress","params":{"progressToken":"ours","progress":1e1}}"#,
        );
        check(r#"{"id":3,"result":{"id":3}}"#, r#"{"id":"ours","result":{"id":3}}"#);
        check(r#"{"id":3,"error":{"code":1}}"#, r#"{"id":"ours","error":{"code":1}}"#);
    }

    #[test]
    fn what_names_nothing_goes_on_as_it_is() {
        for other in [
            r#"{"method":"notifications/message","params":{"requestId":1}}"#,
            r#"{"method":"notifications/cancelled"}"#,
            r#"{"method":"notifications/progress","params":{"progressToken":1}}"#,
            r#"{"method":"x","id":null}"#,
            r#"{"method":"x","id":1.5}"#,
            r#"{"method":"x","id":1,"id":2}"#,
            r#"[{"method":"x","id":1}]"#,
            "",
            "{",
        ] {
            assert_eq!(relayed(other.as_bytes()), Relayed::Other, "{other}");
            check(other, other);
        }
        assert_eq!(relayed(b"{\"id\":1,\"result\":\"\xff\"}"), Relayed::Other);
    }

    #[test]
    fn progress_is_read() {
        let said =
            br#"{"method":"notifications/progress","params":{"progressToken":1,"progress":2.5,"total":3}}"#;
        assert!(matches!(relayed(said), Relayed::Progress { progress, .. } if progress == 2.5));
    }

    #[test]
    fn everyday_progress_is_not_read_twice() {
        let said = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":3,"total":10,"message":"a \"b\""}}"#;
        assert!(everyday(said).is_some());
        assert_eq!(everyday(said), thorough(said));
        for other in [
            r#"{"method":"notifications/progress","params":{"progressToken":1,"progress":1,"progress":2}}"#,
            r#"{"method":"notifications/progress","params":{"progressToken":1,"progress":null}}"#,
            r#"{"method":"notifications/progress","params":{"progressToken":1,"progress":1e999}}"#,
            r#"{"method":"notifications/progress","params":{"progressToken":1.5,"progress":1}}"#,
            r#"{"method":"notifications/message","params":{"progressToken":1,"progress":1}}"#,
            r#"{"method":"notifications/progress","id":1,"params":{"progressToken":1,"progress":1}}"#,
            r#"{"method":"notifications/progress","params":{"progressToken":1,"progress":1}}x"#,
        ] {
            assert_eq!(everyday(other), None, "{other}");
        }
    }

    #[test]
    fn progress_is_found_where_it_is_plain() {
        let found = |params: &str| {
            let event = format!(
                "event: message\ndata: {{\"method\":\"notifications/progress\",\"params\":{{{params}}}}}\n\n"
            );
            progress_in(event.as_bytes())
        };
        assert_eq!(found(r#""progressToken":1,"progress":2.5,"message":"\"progress\":9""#), Some(2.5));
        assert_eq!(found(r#""progress" : -1e2 ,"progressToken":1"#), Some(-100.0));
        for unclear in [
            r#""progress":1,"progress":2"#,
            r#""progress":1,"message":"progress""#,
            r#""progressToken":1"#,
            r#""progress":"1""#,
            r#""progress":null"#,
            r#""progress":1e999"#,
            r#""progress":"#,
        ] {
            assert_eq!(found(unclear), None, "{unclear}");
        }
        assert_eq!(progress_in(br#"{"method":"notifications/message","params":{"progress":1}}"#), None);
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_is_read(
            progress in r#"-?(0|[1-9][0-9]{0,2})(\.[0-9]{1,2})?(e[+-]?[0-9])?|null|"[a-z]{0,3}""#,
            text in any::<String>(),
            more in r#"|,"total":[0-9]|,"_meta":\{"a":[0-9]\}"#,
        ) {
            let text = serde_json::to_string(&text).expect("a string");
            let said = format!(r#"{{"method":"notifications/progress","params":{{"progressToken":1,"message":{text},"progress":{progress}{more}}}}}"#);
            if let Some(found) = progress_in(said.as_bytes()) {
                prop_assert!(matches!(relayed(said.as_bytes()), Relayed::Progress { progress, .. } if progress == found), "{}", said);
            }
        }

        #[test]
        fn both_readers_say_the_same(
            progress in r#"-?[0-9]{1,3}(\.[0-9]{1,2})?(e[+-]?[0-9])?|null|"[a-z\\"]{0,3}"|\{\}"#,
            token in r#"-?[0-9]{1,3}|"[a-z]{1,3}"|1\.5|null"#,
            method in "notifications/progress|notifications/message|x",
            more in r#"|,"total":[0-9]|,"message":"[a-z\\"]{0,3}"|,"progress":1|,"x":1|,"_meta":\{"a":[0-9]\}"#,
            outside in r#"|,"jsonrpc":"2.0"|,"id":1|,"result":1|,"method":"x""#,
        ) {
            let text = format!(r#"{{"method":"{method}","params":{{"progressToken":{token},"progress":{progress}{more}}}{outside}}}"#);
            if let Some(said) = everyday(&text) {
                prop_assert_eq!(Some(said), thorough(&text), "{}", text);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), text in "[\\[\\]{}\",:a-z0-9 ]{0,60}") {
            let _ = relayed(&bytes);
            let _ = relayed(text.as_bytes());
            let _ = (progress_in(&bytes), progress_in(text.as_bytes()));
        }
    }
}
