//! Whatever body comes: no panic, and what is accepted means the same to a full JSON parser.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcphub_mcp::envelope::{DEPTH_MAX, params};
use mcphub_mcp::{Asked, Failure, Kind, RawId, Scope, answer, peek};
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let envelope = match peek(body, DEPTH_MAX) {
        Ok(envelope) => envelope,
        Err(error) => {
            let answer = answer(&error.failure(), Scope::Legacy, Asked::Unknown);
            assert!(serde_json::from_slice::<Value>(&answer.body).is_ok());
            return;
        }
    };
    let answer = answer(&Failure::HubBroke, Scope::LegacySession, envelope.asked());
    if answer.status == 200 {
        assert!(serde_json::from_slice::<Value>(&answer.body).is_ok());
    }
    // A full parser also refuses numbers beyond a double and lone surrogates in places nobody here reads.
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return };
    assert!(depth(&value) <= DEPTH_MAX);
    let same = |id: &RawId<'_>| match serde_json::from_str::<Value>(id.as_json()) {
        Ok(ours) => value.get("id") == Some(&ours),
        Err(_) => false,
    };
    match &envelope.kind {
        Kind::Request { id, method } => assert!(same(id) && value["method"] == **method),
        Kind::Notification { method } => assert!(value.get("id").is_none() && value["method"] == **method),
        Kind::Response { id } => assert!(same(id) && value.get("method").is_none()),
        Kind::Batch { count, ids } => {
            let messages = value.as_array().expect("a batch is an array");
            assert_eq!(messages.len(), *count);
            let asking = messages.iter().filter(|one| one.get("id").is_some() && one.get("method").is_some());
            assert_eq!(asking.count(), ids.len());
            return;
        }
    }
    let wanted = &value["params"];
    assert_eq!(wanted["name"].as_str(), envelope.name.as_deref());
    assert_eq!(wanted["uri"].as_str(), envelope.uri.as_deref());
    assert_eq!(wanted["taskId"].as_str(), envelope.task_id.as_deref());
    let verbatim = params(body).map(|text| serde_json::from_str::<Value>(text).expect("params are JSON"));
    assert_eq!(verbatim.unwrap_or_default(), *wanted);
});

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
