//! Which tools does this hub have of its own?
//!
//! They exist to be called through a gateway: to see which hub answers, to run long, to count what was really
//! executed, and to be large. Their annotations are true: `act` alone has none.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, LoggingLevel, ProgressNotificationParam, Tool,
    ToolAnnotations,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, Outcome, done, failed, no_arguments, object, tool};
use crate::state::TEXT_MAX;

/// Longest run of `slow` and `act`, in seconds.
const SECONDS_MAX: f64 = 3_600.0;

/// Largest answer of `blob`, in bytes (32 MiB).
const BLOB_MAX: usize = 32 << 20;

/// Most progress notifications of one call.
const EVENTS_MAX: u32 = 10_000;

/// What `put` and `act` say when they remember as many keys as they may.
const NO_ROOM: &str = "there is no room for another key";

pub(super) fn tools() -> Vec<Tool> {
    let read_only = || ToolAnnotations::new().read_only(true).open_world(false);
    let key = json!({ "type": "string", "maxLength": TEXT_MAX });
    vec![
        tool("whoami", "Tells which hub answers, since which start, and which session it sees.", no_arguments())
            .with_raw_output_schema(object(whoami_schema()).into())
            .with_annotations(read_only()),
        tool(
            "echo",
            "Gives the text back.",
            json!({ "type": "object", "properties": { "text": { "type": "string" } } }),
        )
        .with_annotations(read_only()),
        tool(
            "slow",
            "Takes its time, with a progress notification after each step.",
            json!({
                "type": "object",
                "properties": {
                    "seconds": { "type": "number", "minimum": 0, "maximum": SECONDS_MAX },
                    "steps": { "type": "integer", "minimum": 1, "maximum": EVENTS_MAX, "default": 10 },
                },
                "required": ["seconds"],
            }),
        )
        .with_annotations(read_only()),
        tool("count", "Counts its calls within one session; fails where there are none.", no_arguments())
            .with_annotations(ToolAnnotations::new().read_only(false).destructive(false).open_world(false)),
        tool(
            "lookup",
            "Reads the value `put` has stored under a key.",
            json!({ "type": "object", "properties": { "key": key }, "required": ["key"] }),
        )
        .with_annotations(read_only()),
        tool(
            "put",
            "Stores a value under a key. Doing it twice is doing it once.",
            json!({
                "type": "object",
                "properties": { "key": key, "value": { "type": "string", "maxLength": TEXT_MAX } },
                "required": ["key", "value"],
            }),
        )
        .with_annotations(ToolAnnotations::new().read_only(false).idempotent(true).open_world(false)),
        tool(
            "act",
            "Does something that cannot be undone: adds one to a counter of the hub, then takes its time.",
            json!({
                "type": "object",
                "properties": {
                    "key": key,
                    "seconds": { "type": "number", "minimum": 0, "maximum": SECONDS_MAX, "default": 0 },
                    "steps": { "type": "integer", "minimum": 1, "maximum": EVENTS_MAX, "default": 10 },
                },
                "required": ["key"],
            }),
        ),
        tool(
            "blob",
            "Answers with a text of so many bytes.",
            json!({
                "type": "object",
                "properties": { "bytes": { "type": "integer", "minimum": 0, "maximum": BLOB_MAX } },
                "required": ["bytes"],
            }),
        )
        .with_annotations(read_only()),
        tool(
            "burst",
            "Sends so many progress notifications at once, then the result. Without a progress token they are logs.",
            json!({
                "type": "object",
                "properties": { "events": { "type": "integer", "minimum": 0, "maximum": EVENTS_MAX } },
                "required": ["events"],
            }),
        )
        .with_annotations(read_only()),
        tool(
            "place",
            "Gives the region back, which modern clients also mirror in a header.",
            json!({
                "type": "object",
                "properties": { "region": { "type": "string", "x-mcp-header": "Region" } },
            }),
        )
        .with_annotations(read_only()),
        tool("touch", "Changes the resource hub://clock.", no_arguments())
            .with_annotations(ToolAnnotations::new().read_only(false).destructive(false).open_world(false)),
    ]
}

fn whoami_schema() -> Value {
    let text = json!({ "type": "string" });
    let maybe = json!({ "type": ["string", "null"] });
    json!({
        "type": "object",
        "properties": {
            "hub": text, "location": text, "boot": text, "version": text,
            "session": maybe, "protocolVersion": maybe,
        },
        "required": ["hub", "location", "boot", "version", "session", "protocolVersion"],
    })
}

#[derive(Deserialize)]
struct Echo {
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct Slow {
    seconds: f64,
    #[serde(default = "ten")]
    steps: u32,
}

#[derive(Deserialize)]
struct Key {
    key: String,
}

#[derive(Deserialize)]
struct Put {
    key: String,
    value: String,
}

#[derive(Deserialize)]
struct Act {
    key: String,
    #[serde(default)]
    seconds: f64,
    #[serde(default = "ten")]
    steps: u32,
}

#[derive(Deserialize)]
struct Blob {
    bytes: usize,
}

#[derive(Deserialize)]
struct Burst {
    events: u32,
}

#[derive(Deserialize)]
struct Place {
    region: Option<String>,
}

fn ten() -> u32 {
    10
}

/// What a tool answers, or what the model should read of why it does not.
type Answer = Result<CallToolResponse, String>;

/// Answers a call of one of these tools.
pub(super) async fn call(call: &Call<'_>) -> Option<Outcome> {
    let answer = match call.name {
        "whoami" => Ok(CallToolResult::structured(whoami(call)).into()),
        "echo" => call.arguments().map(|Echo { text }| done(text)),
        "slow" => match call.arguments() {
            Ok(Slow { seconds, steps }) => spend(call, seconds, steps).await,
            Err(why) => Err(why),
        },
        "count" => count(call),
        "lookup" => call.arguments().and_then(|Key { key }| lookup(call, &key)),
        "put" => call.arguments().and_then(|Put { key, value }| put(call, &key, &value)),
        "act" => match call.arguments() {
            Ok(act) => self::act(call, act).await,
            Err(why) => Err(why),
        },
        "blob" => call.arguments().and_then(|Blob { bytes }| blob(bytes)),
        "burst" => match call.arguments() {
            Ok(Burst { events }) => burst(call, events).await,
            Err(why) => Err(why),
        },
        "place" => call.arguments().map(|Place { region }| done(region.unwrap_or_default())),
        "touch" => Ok(CallToolResult::structured(json!({ "tick": call.offer.state.touch() })).into()),
        _ => return None,
    };
    // A refusal is a result too: the model is to read it, and the request itself was in order.
    Some(Ok(answer.unwrap_or_else(failed)))
}

fn whoami(call: &Call<'_>) -> Value {
    let args = &call.offer.state.args;
    let session = call
        .context
        .extensions
        .get::<http::request::Parts>()
        .and_then(|parts| parts.headers.get("mcp-session-id"))
        .and_then(|id| id.to_str().ok());
    json!({
        "hub": args.id,
        "location": args.location,
        "boot": call.offer.state.boot,
        "version": env!("CARGO_PKG_VERSION"),
        "session": session,
        "protocolVersion": call.context.protocol_version(),
    })
}

fn count(call: &Call<'_>) -> Answer {
    let session = call.offer.session.as_ref().ok_or("this revision has no sessions to count in")?;
    let count = session.count.fetch_add(1, Ordering::Relaxed) + 1;
    Ok(CallToolResult::structured(json!({ "count": count })).into())
}

fn lookup(call: &Call<'_>, key: &str) -> Answer {
    call.offer.state.lookup.fetch_add(1, Ordering::Relaxed);
    Ok(CallToolResult::structured(json!({ "key": key, "value": call.offer.state.value(key) })).into())
}

fn put(call: &Call<'_>, key: &str, value: &str) -> Answer {
    if key.len() > TEXT_MAX || value.len() > TEXT_MAX {
        return Err(format!("keys and values have at most {TEXT_MAX} bytes"));
    }
    let times = call.offer.state.put(key, value).ok_or(NO_ROOM)?;
    Ok(CallToolResult::structured(json!({ "key": key, "times": times })).into())
}

async fn act(call: &Call<'_>, Act { key, seconds, steps }: Act) -> Answer {
    if key.len() > TEXT_MAX {
        return Err(format!("a key has at most {TEXT_MAX} bytes"));
    }
    let times = call.offer.state.act(&key).ok_or(NO_ROOM)?;
    if seconds > 0.0 {
        spend(call, seconds, steps).await?;
    }
    Ok(CallToolResult::structured(json!({ "key": key, "times": times })).into())
}

fn blob(bytes: usize) -> Answer {
    if bytes > BLOB_MAX {
        return Err(format!("at most {BLOB_MAX} bytes"));
    }
    Ok(CallToolResult::success(vec![ContentBlock::text("x".repeat(bytes))]).into())
}

async fn burst(call: &Call<'_>, events: u32) -> Answer {
    if events > EVENTS_MAX {
        return Err(format!("at most {EVENTS_MAX} events"));
    }
    let reports = call.context.meta.get_progress_token().is_some();
    for event in 1..=events {
        if reports {
            progress(call, event, events).await;
        } else {
            call.log(LoggingLevel::Info, &format!("event {event} of {events}")).await;
        }
    }
    Ok(done(format!("{events} events")))
}

/// Takes so many seconds in so many steps, each reported.
async fn spend(call: &Call<'_>, seconds: f64, steps: u32) -> Answer {
    if !(0.0..=SECONDS_MAX).contains(&seconds) || !(1..=EVENTS_MAX).contains(&steps) {
        return Err(format!("at most {SECONDS_MAX} seconds, in 1 to {EVENTS_MAX} steps"));
    }
    let mut interrupted = Interrupted(Some(&call.offer.state.cancelled));
    let step = Duration::from_secs_f64(seconds / f64::from(steps));
    for done in 1..=steps {
        tokio::select! {
            () = tokio::time::sleep(step) => {}
            () = call.context.ct.cancelled() => return Err("cancelled".to_owned()),
        }
        progress(call, done, steps).await;
    }
    interrupted.0 = None;
    Ok(done(format!("took {seconds} seconds")))
}

async fn progress(call: &Call<'_>, done: u32, of: u32) {
    if let Some(token) = call.context.meta.get_progress_token() {
        let report = ProgressNotificationParam::new(token, f64::from(done))
            .with_total(f64::from(of))
            .with_message(format!("{done} of {of}"));
        // A client that has left misses nothing.
        let _ = call.context.peer.notify_progress(report).await;
    }
}

/// Counts a call that ends before its end, whether it was told to or simply dropped.
struct Interrupted<'a>(Option<&'a AtomicU64>);

impl Drop for Interrupted<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.0 {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}
