//! Which requests could be read two ways, or should not be read at all, and what is the right answer to each?
//!
//! **Owns** the table of hostile HTTP/1.1 requests and the one function that plays a case and judges it. It **does
//! not know** which gateway it talks to: [`play`] takes an address and the hub behind it, so that the table can be
//! shown to fail against a gateway that forwards everything.
//!
//! Classes of answers (sections of RFC 9112 and RFC 9110 in the tables):
//! *refused*, the framing cannot be trusted, so one error answer and the end of the connection; *declined*, the
//! request was read and is not wanted; *dropped*, not HTTP at all, so a 400 or just the end; *passed*, exactly one
//! well-formed request upstream. None but *passed* ever sends a byte to a hub.

pub mod chunks;
pub mod fields;
pub mod framing;
pub mod line;

use std::net::SocketAddr;
use std::time::Duration;

use crate::raw_http::{Answer, Broken, Cut, Ending, PATIENCE, RawClient};
use crate::raw_hub::{Log, RawHub, Seen};
use crate::raw_script::{modern_body, modern_fields};

/// Stands in a case for the host name that the gateway listens as.
pub const HOST: &str = "{H}";

/// What must hold for the request that reached the hub.
pub type Check = fn(&Seen) -> Result<(), String>;

/// The right answer to a case.
#[derive(Clone, Copy)]
pub enum Expect {
    /// One of these statuses, then the end of the connection.
    Refused(&'static [u16]),
    /// One of these statuses; the connection may serve on.
    Declined(&'static [u16]),
    /// A 400 or nothing, then the end of the connection.
    Dropped,
    /// Answered with 200 after one good request upstream, for which the check holds.
    Passed(Check),
    /// Either `Passed`, or `Declined` with one of these: the RFC leaves it to the server.
    Either(&'static [u16], Check),
}

/// A request and its right answer.
#[derive(Clone)]
pub struct Case {
    /// What is odd about it.
    pub name: String,
    /// The request; [`HOST`] in it is replaced.
    pub bytes: Vec<u8>,
    /// The right answer.
    pub expect: Expect,
    /// Whether the client says that nothing follows, for requests that are cut short.
    pub eof: bool,
}

impl Case {
    /// A case with these bytes.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>, expect: Expect) -> Self {
        Self { name: name.into(), bytes: bytes.into(), expect, eof: false }
    }

    /// The same, with the client's end of the connection closed after the last byte.
    pub fn then_eof(self) -> Self {
        Self { eof: true, ..self }
    }
}

/// The only right answer to broken framing.
pub const BAD: Expect = Expect::Refused(&[400]);

/// Asks nothing of the request upstream beyond its being one and well-formed.
pub const FINE: Expect = Expect::Passed(|_| Ok(()));

/// The whole table.
pub fn all() -> Vec<Case> {
    [framing::cases(), chunks::cases(), line::cases(), fields::cases()].concat()
}

/// The body of a good request.
pub fn good_body() -> String {
    modern_body(1, "tools/list", serde_json::json!({}))
}

/// The header block of a good request but for Host and framing, each line with its end.
pub fn good_fields() -> String {
    let accept = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
    format!("{accept}{}", modern_fields("tools/list", ""))
}

/// A POST with these lines between the usual ones and the end of the header block, and this body.
pub fn post(lines: &str, body: &str) -> Vec<u8> {
    format!("POST /mcp HTTP/1.1\r\nHost: {HOST}\r\n{}{lines}\r\n{body}", good_fields()).into_bytes()
}

/// A good POST with extra lines; framed by its length.
pub fn post_with(lines: &str) -> Vec<u8> {
    let body = good_body();
    post(&format!("Content-Length: {}\r\n{lines}", body.len()), &body)
}

/// A good POST.
pub fn good() -> Vec<u8> {
    post_with("")
}

/// Replaces every [`HOST`].
pub fn with_host(bytes: &[u8], host: &str) -> Vec<u8> {
    let mut whole = Vec::with_capacity(bytes.len() + host.len());
    let mut rest = bytes;
    while let Some(at) = crate::raw_http::find(&rest[..rest.len().min(1 << 16)], HOST.as_bytes()) {
        whole.extend_from_slice(&rest[..at]);
        whole.extend_from_slice(host.as_bytes());
        rest = &rest[at + HOST.len()..];
    }
    whole.extend_from_slice(rest);
    whole
}

/// Plays one case, cut up as told, and says what is wrong with the outcome.
pub async fn play(
    case: &Case,
    cut: Cut,
    gateway: SocketAddr,
    host: &str,
    hub: &RawHub,
) -> Result<(), String> {
    hub.take();
    let mut client = RawClient::connect(gateway).await.map_err(|e| format!("no connection: {e}"))?;
    // A gateway that has seen enough may end the connection before the last piece: the answer tells.
    let _ = client.send_cut(&with_host(&case.bytes, host), cut).await;
    if case.eof {
        client.finish().await;
    }
    let answer = client.answer().await;
    let outcome = match case.expect {
        Expect::Refused(statuses) => match status(answer, statuses).and(untouched(hub)) {
            Ok(()) => ended(&mut client).await,
            wrong => wrong,
        },
        Expect::Declined(statuses) => status(answer, statuses).and(untouched(hub)),
        Expect::Dropped => match answer {
            Err(Broken::NoAnswer(Ending::Closed)) => untouched(hub),
            other => match status(other, &[400]).and(untouched(hub)) {
                Ok(()) => ended(&mut client).await,
                wrong => wrong,
            },
        },
        Expect::Passed(check) => status(answer, &[200]).and_then(|_| reached(hub, check)),
        Expect::Either(statuses, check) => match answer {
            Ok(answer) if answer.status == 200 => reached(hub, check),
            other => status(other, statuses).and(untouched(hub)),
        },
    };
    outcome.map_err(|e| format!("{} ({cut:?}): {e}", case.name))
}

fn status(answer: Result<Answer, Broken>, allowed: &[u16]) -> Result<Answer, String> {
    match answer {
        Ok(answer) if allowed.contains(&answer.status) => Ok(answer),
        Ok(answer) => Err(format!("answered {} {:?}, wanted {allowed:?}", answer.status, short(&answer))),
        Err(broken) => Err(format!("{broken:?}, wanted {allowed:?}")),
    }
}

fn short(answer: &Answer) -> String {
    answer.text().chars().take(120).collect()
}

/// Nothing may have reached the hub: neither a request nor a part of one.
pub fn untouched(hub: &RawHub) -> Result<(), String> {
    let log = hub.log();
    if log.bytes == 0 { Ok(()) } else { Err(format!("{} bytes reached the hub: {}", log.bytes, told(&log))) }
}

fn reached(hub: &RawHub, check: Check) -> Result<(), String> {
    let log = hub.log();
    match (log.requests.as_slice(), log.strays.as_slice()) {
        ([one], []) => check(one).map_err(|e| format!("{e}; the hub saw {}", told(&log))),
        _ => Err(format!("the hub wanted one request and saw {}", told(&log))),
    }
}

fn told(log: &Log) -> String {
    let line = |seen: &Seen| {
        format!("{} {} {:?} + {} bytes", seen.method, seen.target, seen.fields, seen.body.len())
    };
    let seen: Vec<_> = log.requests.iter().map(line).collect();
    format!("{seen:?}, strays {:?}", log.strays)
}

/// The connection must end by itself and not by a reset, which could destroy the answer on its way.
async fn ended(client: &mut RawClient) -> Result<(), String> {
    match client.ending(PATIENCE).await {
        Ending::Closed => Ok(()),
        Ending::Reset => Err("the connection was reset behind the answer".into()),
        Ending::Open => Err(format!("the connection is still open after {PATIENCE:?}")),
    }
}

/// Says whether a good request on a new connection works, as it must after every bad one.
pub async fn follow_up(gateway: SocketAddr, host: &str, hub: &RawHub) -> Result<(), String> {
    let clean = Case::new("the clean request after it", good(), FINE);
    tokio::time::timeout(PATIENCE + Duration::from_secs(1), play(&clean, Cut::Whole, gateway, host, hub))
        .await
        .unwrap_or_else(|_| Err("the clean request after it hangs".into()))
}

/// A check that the hub saw none of these fields.
pub fn absent(seen: &Seen, names: &[&str]) -> Result<(), String> {
    match names.iter().find(|name| seen.field(name).is_some()) {
        Some(name) => Err(format!("{name} reached the hub")),
        None => Ok(()),
    }
}

/// A check that the hub saw the good body.
pub fn body_whole(seen: &Seen) -> Result<(), String> {
    if seen.body == good_body().as_bytes() { Ok(()) } else { Err("another body reached the hub".into()) }
}
