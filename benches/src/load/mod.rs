//! How many right answers does this endpoint give, and what do they cost the processes behind it?
//!
//! Owns the load generator, from prebuilt bytes and on one thread. Keep-alive connections are driven in a closed loop, a
//! write and a read per request, or at a fixed rate ([`drive`]); other modules make new TLS connections ([`handshakes`]), speak HTTP/2
//! ([`http2`]) or hold what is idle ([`hold`]). Each connection is a client of its own: in the legacy era it makes
//! a real handshake and keeps its own session id. Every answer is checked: status 200, the body byte by byte, the
//! request's own id.
//!
//! Does not know what it measures: it is given an address and the process ids whose CPU time counts. It reads that
//! CPU time itself, at the very beginning and end of its window, so that start-up and warm-up stay outside.

mod client;
mod drive;
mod handshakes;
pub mod hold;
mod http2;
mod tally;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::case::{Case, Way};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the endpoint listens.
    pub target: SocketAddr,
    /// What is sent.
    pub case: Case,
    /// Keep-alive connections.
    pub connections: usize,
    /// Most requests in flight at once; the connections take turns where they are more.
    pub in_flight: usize,
    /// Load before the window opens.
    pub warmup: Duration,
    /// Length of the window. New TLS connections are counted instead.
    pub window: Duration,
    /// The certificate that an endpoint with TLS shows.
    pub certificate: Option<PathBuf>,
    /// The proxy's process, where there is one: its CPU time and that of its children is read.
    pub proxy: Option<u32>,
    /// The hub's process.
    pub hub: u32,
}

/// What one run found. Counts and times are those of the window alone, except `errors`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Right answers.
    pub answers: u64,
    /// Wrong or missing answers, warm-up included.
    pub errors: u64,
    /// The first error, in words.
    pub first_error: Option<String>,
    /// Length of the window in seconds, as it really was.
    pub seconds: f64,
    /// CPU seconds of the proxy; 0 without one.
    pub proxy_cpu: f64,
    /// CPU seconds of the hub.
    pub hub_cpu: f64,
    /// CPU seconds of the load generator.
    pub load_cpu: f64,
    /// Median latency in microseconds.
    pub p50: u64,
    /// 99th percentile of the latency in microseconds.
    pub p99: u64,
}

/// Runs `plan` and ends the sessions it opened.
///
/// # Errors
/// When no connection or session can be had, or a watched process is gone. Wrong answers are counted instead.
pub fn run(plan: &Plan) -> Result<Run> {
    match plan.case.way() {
        Way::Closed => drive::run(plan, None),
        Way::Rate(rate) => drive::run(plan, Some(rate)),
        Way::Http2 => http2::run(plan),
        Way::Handshakes => handshakes::run(plan),
    }
}

/// Makes one handshake, to see whether the endpoint serves.
///
/// # Errors
/// When it does not, and why.
pub fn probe(target: SocketAddr) -> Result<()> {
    let stream = client::open(target)?;
    let session = client::handshake(&stream, &target.to_string())?;
    let _ = client::end(target, &session);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::hold::{Kind, hold};
    use super::*;
    use crate::wire::answers;
    use crate::wire::step::Step;

    fn plan(case: Case, target: SocketAddr) -> Plan {
        let (warmup, window) = (Duration::from_millis(20), Duration::from_millis(100));
        Plan {
            target,
            case,
            connections: 4,
            in_flight: 3,
            warmup,
            window,
            certificate: None,
            proxy: None,
            hub: std::process::id(),
        }
    }

    fn hub() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let target = listener.local_addr().expect("an address");
        thread::spawn(move || crate::hub::serve(&listener));
        target
    }

    #[test]
    fn the_bench_hub_gives_only_right_answers_in_every_case() {
        let target = hub();
        probe(target).expect("the hub serves");
        let cleartext = |case: &&Case| matches!(case.way(), Way::Closed | Way::Rate(_));
        for &case in Case::all().iter().filter(cleartext) {
            // A machine too busy for an answer within the window is no fault of the hub's: then ask again.
            let answered = (0..20).any(|_| {
                let run = run(&plan(case, target)).expect("a run");
                let wrong = run.first_error.filter(|error| !error.starts_with("no answer"));
                assert_eq!(wrong, None, "{case:?}");
                run.answers > 0
            });
            assert!(answered, "{case:?}");
        }
    }

    #[test]
    fn what_is_held_is_open_as_long_as_it_is_held() {
        let target = hub();
        for (kind, open) in [(Kind::Sessions, 0), (Kind::Streams, 120), (Kind::Connections, 120)] {
            let held = hold(target, kind, 120).expect("open");
            assert_eq!(held.len(), open, "{kind:?}");
            for stream in &held {
                stream.set_nonblocking(true).expect("a socket");
                let error = { stream }.read(&mut [0]).expect_err("neither words nor an end");
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{kind:?}");
            }
        }
    }

    /// Serves each connection with the same bytes for every read, after a pause.
    fn parrot(answer: Vec<u8>, pause: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let target = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = answer.clone();
                thread::spawn(move || {
                    let mut stream = stream;
                    let mut buffer = [0; 4096];
                    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                        thread::sleep(pause);
                        if stream.write_all(&answer).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        target
    }

    #[test]
    fn a_wrong_id_and_a_wrong_status_are_errors() {
        let failed = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n".to_vec();
        for (answer, words) in [(answers::answer(Step::Call), "not the hub's"), (failed, "status 502")] {
            // Given up after too many errors, or the window was over before: either way the first one is told.
            let told = match run(&plan(Case::JsonModern, parrot(answer, Duration::ZERO))) {
                Ok(run) => {
                    assert!(run.answers == 0 && run.errors > 0, "{run:?}");
                    run.first_error.unwrap_or_default()
                }
                Err(error) => format!("{error:#}"),
            };
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn at_a_fixed_rate_latency_counts_from_when_a_request_was_due() {
        // Four connections and 20 ms an answer: 200 a second of the 6,000 that are due. Whoever counts from the moment of
        // sending finds 20 ms each.
        let wrong = parrot(answers::answer(Step::Call), Duration::from_millis(20));
        let mut plan = plan(Case::RateModern, wrong);
        plan.window = Duration::from_millis(300);
        let mut stage = drive::Stage::new(&plan, Some(6_000)).expect("connections");
        stage.expect_anything();
        let run = stage.run().expect("a run");
        assert!(run.answers > 0 && run.p50 > 60_000, "{run:?}");
    }
}
