//! *What does a modern client listen to?* The request `subscriptions/listen`, what a hub says on its stream, and what a
//! client must be told that may have missed something.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::id::{Id, RawId};

/// The name that the notifications of a stream carry in their `_meta`: the id of the request that opened it.
const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// A hub's first word on a stream.
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// Which notifications: those a client asks for, or those a hub grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Filter {
    tools_list_changed: Option<bool>,
    prompts_list_changed: Option<bool>,
    resources_list_changed: Option<bool>,
    resource_subscriptions: Option<Vec<String>>,
}

impl Filter {
    /// The three lists, each with the notification that tells of its change.
    fn lists(&self) -> [(bool, &'static str); 3] {
        [
            (self.tools_list_changed == Some(true), "notifications/tools/list_changed"),
            (self.prompts_list_changed == Some(true), "notifications/prompts/list_changed"),
            (self.resources_list_changed == Some(true), "notifications/resources/list_changed"),
        ]
    }

    fn uris(&self) -> &[String] {
        self.resource_subscriptions.as_deref().unwrap_or_default()
    }

    /// What is in both.
    #[must_use]
    pub fn both(&self, other: &Self) -> Self {
        let all =
            |one: Option<bool>, two: Option<bool>| (one == Some(true) && two == Some(true)).then_some(true);
        let theirs: HashSet<&String> = other.uris().iter().collect();
        let uris: Vec<String> = self.uris().iter().filter(|uri| theirs.contains(uri)).cloned().collect();
        Self {
            tools_list_changed: all(self.tools_list_changed, other.tools_list_changed),
            prompts_list_changed: all(self.prompts_list_changed, other.prompts_list_changed),
            resources_list_changed: all(self.resources_list_changed, other.resources_list_changed),
            resource_subscriptions: (!uris.is_empty()).then_some(uris),
        }
    }

    /// Whether it holds all that `other` does.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let lists =
            self.lists().into_iter().zip(other.lists()).all(|((ours, _), (theirs, _))| ours || !theirs);
        let ours: HashSet<&String> = self.uris().iter().collect();
        lists && other.uris().iter().all(|uri| ours.contains(uri))
    }

    /// The notifications that tell of a change of everything in it, for the stream that the request `id` has opened.
    pub fn changes(&self, id: &Id) -> impl Iterator<Item = Vec<u8>> {
        let lists = self.lists().into_iter().filter(|(wanted, _)| *wanted).map(|(_, method)| (method, None));
        let uris = self.uris().iter().map(|uri| ("notifications/resources/updated", Some(uri)));
        let id = id.as_raw().as_json().to_owned();
        lists.chain(uris).map(move |(method, uri)| notification(method, uri.map(String::as_str), &id))
    }
}

fn notification(method: &str, uri: Option<&str>, id: &str) -> Vec<u8> {
    let uri = uri.map(|uri| format!(r#""uri":{},"#, serde_json::Value::from(uri))).unwrap_or_default();
    format!(
        r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{uri}"_meta":{{"{SUBSCRIPTION_ID}":{id}}}}}}}"#
    )
    .into_bytes()
}

/// The result by which a stream ends gracefully: nothing broke, and the client may listen again.
#[must_use]
pub fn graceful_end(id: &RawId<'_>) -> Vec<u8> {
    let id = id.as_json();
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","_meta":{{"{SUBSCRIPTION_ID}":{id}}}}}}}"#
    )
    .into_bytes()
}

/// A request to listen, read from its body.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// Its id, which names the subscription.
    pub id: Id,
    /// What it asks for.
    pub wanted: Filter,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Params {
    #[serde(default)]
    notifications: Filter,
}

impl Listen {
    /// Reads a body; `None` if it is no sound request to listen.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let message: Message<'_> = serde_json::from_slice(body).ok()?;
        if message.method.as_deref() != Some("subscriptions/listen") {
            return None;
        }
        let Params { notifications } = serde_json::from_str(message.params?.get()).ok()?;
        Some(Self { id: RawId::parse(message.id?.get())?.to_id(), wanted: notifications })
    }
}

/// What a hub says on the stream of one request to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// That it listens, and to what.
    Acknowledged(Filter),
    /// Its last word: a result.
    Result,
    /// Its last word: an error.
    Error,
    /// Anything else.
    Other,
}

/// Reads the `data` of an event on the stream of the request `id`.
#[must_use]
pub fn said(data: &[u8], id: &Id) -> Said {
    let Ok(message) = serde_json::from_slice::<Message<'_>>(data) else { return Said::Other };
    let ours =
        || message.id.and_then(|id| RawId::parse(id.get())).is_some_and(|theirs| theirs == id.as_raw());
    match (message.method.as_deref(), message.result, message.error) {
        (Some(ACKNOWLEDGED), None, None) => {
            let params = message.params.and_then(|params| serde_json::from_str::<Params>(params.get()).ok());
            Said::Acknowledged(params.map(|params| params.notifications).unwrap_or_default())
        }
        (None, Some(_), None) if ours() => Said::Result,
        (None, None, Some(_)) if ours() => Said::Error,
        _ => Said::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[allow(clippy::needless_pass_by_value, reason = "reads as the json! literal it is given")]
    fn filter(value: Value) -> Filter {
        serde_json::from_value(value).expect("a filter")
    }

    fn listen(id: &str, notifications: &Value) -> Listen {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"subscriptions/listen","params":{{"notifications":{notifications}}}}}"#
        );
        Listen::read(body.as_bytes()).expect("a request to listen")
    }

    #[test]
    fn a_request_says_what_it_wants() {
        let request =
            listen("7", &json!({"toolsListChanged": true, "resourceSubscriptions": ["a"], "other": 1}));
        assert_eq!(request.id.as_raw().as_json(), "7");
        assert_eq!(request.wanted, filter(json!({"toolsListChanged": true, "resourceSubscriptions": ["a"]})));
        for other in [
            r#"{"id":1,"method":"tools/list","params":{}}"#,
            r#"{"method":"subscriptions/listen","params":{}}"#,
            r#"{"id":1,"method":"subscriptions/listen"}"#,
            r#"{"id":1,"id":2,"method":"subscriptions/listen","params":{}}"#,
            "[]",
            "",
        ] {
            assert_eq!(Listen::read(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn what_a_hub_says_is_told_apart() {
        let id = listen("\"s\"", &json!({})).id;
        let check = |data: &str, expected: Said| assert_eq!(said(data.as_bytes(), &id), expected, "{data}");
        check(
            r#"{"method":"notifications/subscriptions/acknowledged","params":{"_meta":{},"notifications":{"promptsListChanged":true}}}"#,
            Said::Acknowledged(filter(json!({"promptsListChanged": true}))),
        );
        check(
            r#"{"method":"notifications/subscriptions/acknowledged"}"#,
            Said::Acknowledged(Filter::default()),
        );
        check(r#"{"id":"s","result":{}}"#, Said::Result);
        check(r#"{"id":"\u0073","error":{"code":1}}"#, Said::Error);
        check(r#"{"id":"t","result":{}}"#, Said::Other);
        check(r#"{"id":"s","method":"ping"}"#, Said::Other);
        check(r#"{"method":"notifications/tools/list_changed","params":{"result":{}}}"#, Said::Other);
        check("", Said::Other);
    }

    #[test]
    fn what_both_have_and_who_has_it_all() {
        let wanted = filter(json!({"toolsListChanged": true, "resourceSubscriptions": ["a", "b"]}));
        let granted = filter(
            json!({"toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": ["b", "c"]}),
        );
        let both = wanted.both(&granted);
        assert_eq!(both, filter(json!({"toolsListChanged": true, "resourceSubscriptions": ["b"]})));
        assert!(granted.covers(&both) && wanted.covers(&both));
        assert!(!wanted.covers(&granted) && !granted.covers(&wanted));
        assert!(
            Filter::default()
                .covers(&filter(json!({"toolsListChanged": false, "resourceSubscriptions": []})))
        );
    }

    #[test]
    fn changes_are_told_with_the_subscription_they_belong_to() {
        let told: Vec<Value> = filter(json!({"promptsListChanged": true, "resourceSubscriptions": ["a\"b"]}))
            .changes(&listen("7", &json!({})).id)
            .map(|message| serde_json::from_slice(&message).expect("JSON"))
            .collect();
        let meta = json!({"io.modelcontextprotocol/subscriptionId": 7});
        assert_eq!(
            told,
            [
                json!({"jsonrpc": "2.0", "method": "notifications/prompts/list_changed", "params": {"_meta": meta}}),
                json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "a\"b", "_meta": meta}}),
            ]
        );
        assert_eq!(Filter::default().changes(&listen("7", &json!({})).id).count(), 0);
    }
}
