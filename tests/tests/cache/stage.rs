//! A hub whose answers declare how long they are good, an edge in front of it, and clients that ask.

use std::time::Duration;

use mcphub_tests::mcp::{Modern, Reply};
use mcphub_tests::raw_edge::plain_config;
use mcphub_tests::raw_hub::{RawHub, Script, Seen, Step};
use mcphub_tests::raw_script::{json_answer, mcp_but, result};
use mcphub_tests::{Gateway, until};
use serde_json::{Value, json};

/// What the protocol lets be cached, each with parameters to ask for it.
pub(crate) fn cacheable() -> [(&'static str, Value); 6] {
    [
        ("server/discover", json!({})),
        ("tools/list", json!({})),
        ("prompts/list", json!({})),
        ("resources/list", json!({ "cursor": "2" })),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({ "uri": "file:///a" })),
    ]
}

/// A minute, for everybody.
pub(crate) fn public() -> Value {
    json!({ "ttlMs": 60_000, "cacheScope": "public" })
}

/// Whether this is a request for something cacheable.
pub(crate) fn is_cacheable(seen: &Seen) -> bool {
    let method = seen.json()["method"].clone();
    cacheable().iter().any(|(name, _)| method == *name)
}

/// A result that shows what was asked, by whom, with these hints.
pub(crate) fn answer_to(seen: &Seen, hints: &Value) -> Value {
    let message = seen.json();
    let mut answer = json!({
        "resultType": "complete",
        "asked": { "method": message["method"], "cursor": message["params"]["cursor"], "uri": message["params"]["uri"] },
        "caller": seen.field("authorization"),
        "prefix": seen.field("x-forwarded-prefix"),
    });
    for (name, value) in hints.as_object().into_iter().flatten() {
        answer[name] = value.clone();
    }
    result(&message["id"], answer)
}

/// A hub that answers everything cacheable at once, with these hints.
pub(crate) fn hinting(hints: Value) -> Script {
    playing(move |seen| vec![Step::Send(json_answer("200 OK", "", &answer_to(seen, &hints)))])
}

/// A hub that answers everything cacheable by these steps.
pub(crate) fn playing(steps: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Script {
    mcp_but("hub", move |seen| is_cacheable(seen).then(|| steps(seen)))
}

/// How often something cacheable has reached a hub.
pub(crate) fn asked(hub: &RawHub) -> usize {
    hub.log().requests.iter().filter(|seen| is_cacheable(seen)).count()
}

/// A hub and an edge with these lines in its `[cache]`.
pub(crate) async fn scene(script: Script, lines: &str) -> (RawHub, Gateway) {
    let hub = RawHub::start(script).await.expect("a hub on loopback");
    let config = plain_config(&hub).section(&format!("[cache]\n{lines}"));
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    (hub, gateway)
}

/// A client without a credential.
pub(crate) fn client(gateway: &Gateway) -> Modern {
    Modern::new(gateway.listener())
}

/// A client with this credential.
pub(crate) fn caller(gateway: &Gateway, credential: &str) -> Modern {
    let mut client = client(gateway);
    client.peer = client.peer.with("Authorization", credential);
    client
}

/// Asks, and gives the result and how it came about.
pub(crate) async fn ask(client: &mut Modern, method: &str, params: Value) -> (Value, String) {
    let (id, reply) = client.request(method, params).await.expect(method);
    (reply.result(&id).expect("a result"), status(&reply))
}

/// What `Cache-Status` says besides our name; empty without one.
pub(crate) fn status(reply: &Reply) -> String {
    let said = reply.head.field("cache-status").unwrap_or_default();
    assert!(said.is_empty() || said.starts_with("mcphub-edge; "), "{said}");
    said.trim_start_matches("mcphub-edge; ").to_owned()
}

/// Asks again and again until `Cache-Status` begins with this.
pub(crate) async fn ask_until(client: &mut Modern, method: &str, begins: &str) -> (Value, String) {
    for _ in 0..200 {
        let (result, said) = ask(client, method, json!({})).await;
        if said.starts_with(begins) {
            return (result, said);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never is {begins}");
}

/// Waits until a sample of `/metrics` is this.
pub(crate) async fn sample_is(gateway: &Gateway, sample: &str, expected: f64) {
    let look = async || match gateway.metric(sample).await {
        Ok(Some(value)) if value >= expected => Ok(()),
        other => Err(format!("{sample} is {other:?}")),
    };
    until(sample, look).await.expect(sample);
}

/// A JSON POST as bytes.
pub(crate) fn post(host: std::net::SocketAddr, fields: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{fields}\r\n{body}",
        body.len()
    )
    .into_bytes()
}
