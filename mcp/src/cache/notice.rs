//! *What has changed?* The notifications by which a hub takes back what it has said before.

use crate::json::decode;
use crate::relayed::Message;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What a hub says has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed<'a> {
    /// The list of its tools.
    Tools,
    /// The list of its prompts.
    Prompts,
    /// The list of its resources, templates included.
    Resources,
    /// What this resource holds, or one that is part of it; `None` where the notification does not say which.
    Resource(Option<Cow<'a, str>>),
}

/// How the names of all of them end, in a message. Some servers write their slashes as `\/`.
static ENDS: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [Finder::new("list_changed\""), Finder::new("updated\"")]);

/// How both of these end, and nearly nothing else that hubs say. To make ready for a search costs as much as to search a
/// usual event.
static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("ed\""));

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    uri: Option<&'a RawValue>,
}

/// Whether these bytes may hold such a notification. Nearly nothing that hubs say does, and this is all that it costs.
#[must_use]
pub fn may_tell_of_changes(bytes: &[u8]) -> bool {
    END.find(bytes).is_some_and(|first| {
        let rest = &bytes[first.saturating_sub(ENDS[0].needle().len())..];
        ENDS.iter().any(|end| end.find(rest).is_some())
    })
}

/// Hands out what a message says has changed: the `data` of an event, one message or, as 2025-03-26 allows, several.
pub fn changes_in(data: &[u8], mut each: impl FnMut(Changed<'_>)) {
    if data.trim_ascii_start().first() != Some(&b'[') {
        if let Some(changed) = changed(data) {
            each(changed);
        }
        return;
    }
    let Ok(messages) = serde_json::from_slice::<Vec<&RawValue>>(data) else { return };
    messages.iter().filter_map(|message| changed(message.get().as_bytes())).for_each(each);
}

fn changed(message: &[u8]) -> Option<Changed<'_>> {
    let Message { id: None, method: Some(method), params } = serde_json::from_slice(message).ok()? else {
        return None;
    };
    match &*decode(method.get())? {
        "notifications/tools/list_changed" => Some(Changed::Tools),
        "notifications/prompts/list_changed" => Some(Changed::Prompts),
        "notifications/resources/list_changed" => Some(Changed::Resources),
        "notifications/resources/updated" => {
            let params = params.and_then(|params| serde_json::from_str::<Params<'_>>(params.get()).ok());
            Some(Changed::Resource(params.and_then(|params| decode(params.uri?.get()))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(data: &str, expected: &[Changed<'_>]) {
        let mut seen = Vec::new();
        changes_in(data.as_bytes(), |changed| {
            seen.push(match changed {
                Changed::Resource(uri) => Changed::Resource(uri.map(|uri| Cow::Owned(uri.into_owned()))),
                Changed::Tools => Changed::Tools,
                Changed::Prompts => Changed::Prompts,
                Changed::Resources => Changed::Resources,
            });
        });
        assert_eq!(seen, expected, "{data}");
        assert!(expected.is_empty() || may_tell_of_changes(data.as_bytes()), "{data}");
    }

    #[test]
    fn changes_are_heard_in_every_spelling() {
        check(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#, &[Changed::Tools]);
        check(r#"{"method":"notifications\/prompts\/list_changed","params":{}}"#, &[Changed::Prompts]);
        check(
            r#"{ "params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}},"method" : "notifications/resources/list_changed"}"#,
            &[Changed::Resources],
        );
        check(
            r#"{"method":"notifications/resources/updated","params":{"uri":"file:\/\/\/a"}}"#,
            &[Changed::Resource(Some("file:///a".into()))],
        );
        for unsaid in ["", r#","params":{}"#, r#","params":{"uri":1}"#, r#","params":[]"#] {
            let data = format!(r#"{{"method":"notifications/resources/updated"{unsaid}}}"#);
            check(&data, &[Changed::Resource(None)]);
        }
        check(
            r#"[{"method":"notifications/tools/list_changed"},{"id":1,"result":{}},{"method":"notifications/resources/updated","params":{"uri":"a"}}]"#,
            &[Changed::Tools, Changed::Resource(Some("a".into()))],
        );
    }

    #[test]
    fn what_only_speaks_of_changes_is_none() {
        for other in [
            r#"{"id":1,"method":"notifications/tools/list_changed"}"#,
            r#"{"id":1,"result":{"text":"notifications/tools/list_changed"}}"#,
            r#"{"method":"notifications/roots/list_changed"}"#,
            r#"{"method":"notifications/message","params":{"method":"notifications/tools/list_changed"}}"#,
            r#"{"method":"notifications/tools/list_changed""#,
            "",
        ] {
            check(other, &[]);
        }
        assert!(!may_tell_of_changes(
            br#"{"method":"notifications/progress","params":{"status":"finished"}}"#
        ));
        assert!(!may_tell_of_changes(b""));
        assert!(may_tell_of_changes(br#"{"a":"started","method":"notifications/tools/list_changed"}"#));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), text in "[\\[\\]{}\",:a-z0-9 ]{0,60}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                changes_in(bytes, |_| {});
                let _ = may_tell_of_changes(bytes);
            }
        }
    }
}
