//! Does one process take over from another without anybody being refused, cut or forgotten?

use std::time::Duration;

use mcphub_tests::load::{Kind, Load, StreamEnd, Streams};
use mcphub_tests::raw_edge::{hub_table, quiet_config};
use mcphub_tests::raw_http::{Broken, Ending, RawClient};
use mcphub_tests::raw_hub::{RawHub, Script, Step};
use mcphub_tests::raw_mcp::{Request, open_session};
use mcphub_tests::raw_script::{LEGACY, json_answer, legacy_call, mcp, mcp_but};
use mcphub_tests::{Config, Gateway, Signal, until};
use serde_json::json;

/// Streams that are open while the process changes.
const STREAMS: usize = 40;

async fn hub(script: Script) -> RawHub {
    RawHub::start(script).await.expect("a hub on loopback")
}

fn config(hub: &RawHub) -> Config {
    quiet_config().section(&hub_table("raw", "primary", "us-east", &hub.url()))
}

/// Each stream ends between two events, in words: a GET says when to come back, a listen gets its result.
#[track_caller]
fn assert_said_goodbye(ends: &[(Kind, StreamEnd)], expected: usize) {
    assert_eq!(ends.len(), expected, "streams that ended");
    for (kind, end) in ends {
        let StreamEnd::Proper(tail) = end else {
            panic!("a {kind:?} stream was not ended properly: {end:?}")
        };
        let last = tail.trim_end().rsplit("\n\n").next().unwrap_or_default();
        match kind {
            Kind::Get => {
                assert!(last.lines().any(|line| line.starts_with("retry:")), "no retry: in {last:?}");
            }
            Kind::Listen => {
                assert!(
                    last.contains("\"result\"") && last.contains("subscriptionId"),
                    "no result in {last:?}"
                );
            }
        }
    }
}

async fn all_ended(streams: &Streams) {
    until("every stream to end", async || {
        let ended = streams.ends().len();
        if ended == streams.count() { Ok(()) } else { Err(ended) }
    })
    .await
    .expect("the streams of a process that stops end");
}

/// Two processes share the port; one goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_beside_a_second_instance_is_not_noticed() {
    let hub = hub(mcp("raw")).await;
    let keys = tempfile::TempDir::new().expect("a folder");
    let shared = format!("[session]\nkey_files = [{:?}]\n", keys.path().join("session.key"));
    let listener = "trusted_proxies = []\nreuse_port = true\n";
    let config = || config(&hub).listener_keys(listener).section(&shared);
    let mut old = Gateway::start(config()).await.expect("the gateway starts");
    let address = old.listener();
    let load = Load::start(address).await.expect("traffic");
    let streams = Streams::open(address, STREAMS).await.expect("streams");

    let new = Gateway::start(config().listen_at(address)).await.expect("the second instance starts");
    load.after(50).await.expect("both serve");
    old.process.signal(Signal::TERM).expect("SIGTERM");
    all_ended(&streams).await;
    assert_said_goodbye(&streams.ends(), STREAMS);
    let status = old.process.exited().await.expect("the old one exits");
    assert!(status.success(), "{status}");
    load.after(100).await.expect("the new one serves");
    load.finish().await.assert_clean(200);
    drop(new);
}

/// A new binary takes the listeners over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigquit_hands_the_listeners_to_the_successor() {
    let hub = hub(mcp("raw")).await;
    let mut old = Gateway::start(config(&hub)).await.expect("the gateway starts");
    let address = old.listener();
    let load = Load::start(address).await.expect("traffic");
    let streams = Streams::open(address, STREAMS).await.expect("streams");
    for generation in 0..3 {
        let mut new = old.spawn_successor(&["--upgrade"]).expect("the successor starts");
        wait_until_waiting(&new).await;
        old.process.signal(Signal::QUIT).expect("SIGQUIT");
        let status = old.process.exited().await.expect("the old one exits");
        assert!(status.success(), "generation {generation}: {status}");
        if generation == 0 {
            all_ended(&streams).await;
            assert_said_goodbye(&streams.ends(), STREAMS);
        }
        new.wait_until_ready().await.expect("the new one is ready");
        load.after(50).await.expect("the new one serves");
        old = new;
    }
    load.finish().await.assert_clean(200);
}

async fn wait_until_waiting(new: &Gateway) {
    until("the successor to wait for the listeners", async || {
        let log = new.process.stderr();
        if log.contains("SIGQUIT") { Ok(()) } else { Err(log) }
    })
    .await
    .expect("it says so");
}

/// Whatever becomes of a successor that cannot start, the old one serves on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_that_fails_leaves_the_old_one_serving() {
    let hub = hub(mcp("raw")).await;
    let mut old = Gateway::start(config(&hub)).await.expect("the gateway starts");
    let text = old.config().text(old.directory());
    let load = Load::start(old.listener()).await.expect("traffic");
    let streams = Streams::open(old.listener(), 10).await.expect("streams");

    // Nobody is waiting.
    old.process.signal(Signal::QUIT).expect("SIGQUIT");
    load.after(100).await.expect("the old one serves on");

    // Its configuration is wrong.
    old.write_config(&format!("{text}\n[nonsense]\n")).expect("written");
    let mut wrong = old.spawn_successor(&["--upgrade"]).expect("it starts");
    let status = wrong.process.exited().await.expect("it exits");
    assert!(!status.success(), "{status}");
    old.write_config(&text).expect("written");
    old.process.signal(Signal::QUIT).expect("SIGQUIT");
    load.after(100).await.expect("the old one serves on");

    // It dies while it waits.
    let mut dead = old.spawn_successor(&["--upgrade"]).expect("it starts");
    wait_until_waiting(&dead).await;
    dead.process.kill().await.expect("killed");
    old.process.signal(Signal::QUIT).expect("SIGQUIT");
    load.after(100).await.expect("the old one serves on");

    // It is stopped in the middle: it has the listeners and never says that it serves.
    let mut stuck = old.spawn_successor(&["--upgrade"]).expect("it starts");
    wait_until_waiting(&stuck).await;
    stuck.process.signal(Signal::STOP).expect("SIGSTOP");
    old.process.signal(Signal::QUIT).expect("SIGQUIT");
    load.after(100).await.expect("the old one serves on");
    stuck.process.kill().await.expect("killed");
    load.after(100).await.expect("the old one serves on");

    assert_eq!(old.process.exit_status(), None, "the old one runs");
    streams.after_events(2).await.expect("its streams stand");
    assert_eq!(streams.ends(), []);

    // And after all that, one that works still takes over.
    let mut new = old.spawn_successor(&["--upgrade"]).expect("it starts");
    wait_until_waiting(&new).await;
    old.process.signal(Signal::QUIT).expect("SIGQUIT");
    assert!(old.process.exited().await.expect("the old one exits").success());
    new.wait_until_ready().await.expect("the new one is ready");
    load.after(50).await.expect("the new one serves");
    load.finish().await.assert_clean(300);
}

fn slow_hub() -> Script {
    mcp_but("raw", |seen| {
        let id = seen.json()["id"].clone();
        let answer =
            json_answer("200 OK", "", &json!({"jsonrpc": "2.0", "id": id, "result": {"slow": true}}));
        match seen.json()["params"]["name"].as_str()? {
            "slow" => Some(vec![Step::Wait(Duration::from_secs(2)), Step::Send(answer)]),
            "never" => Some(vec![Step::Hang]),
            _ => None,
        }
    })
}

async fn in_flight(hub: &RawHub, tool: &str) {
    until("the hub to read the call", async || {
        let seen = hub.log().requests.iter().any(|seen| seen.json()["params"]["name"] == tool);
        if seen { Ok(()) } else { Err("nothing yet") }
    })
    .await
    .expect("it arrives");
}

/// SIGTERM lets a request finish, refuses new ones, and ends when the last is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_lets_requests_finish_and_takes_no_new_ones() {
    let hub = hub(slow_hub()).await;
    let mut gateway = Gateway::start(config(&hub)).await.expect("the gateway starts");
    let (address, host) = (gateway.listener(), gateway.listener().to_string());
    let session = open_session(address, LEGACY, "").await.expect("a session");
    let mut legacy = RawClient::connect(address).await.expect("a connection");
    let mut modern = RawClient::connect(address).await.expect("a connection");
    let mut idle = RawClient::connect(address).await.expect("a connection");
    let echo = Request::modern(&host, 1, "tools/call", "echo", json!({"name": "echo"})).bytes();
    idle.send(&echo).await.expect("room");
    assert_eq!(idle.answer().await.map(|answer| answer.status), Ok(200));
    legacy
        .send(&Request::legacy(&host, &session, legacy_call(2, "slow", &json!({}))).bytes())
        .await
        .expect("room");
    modern
        .send(&Request::modern(&host, 3, "tools/call", "slow", json!({"name": "slow"})).bytes())
        .await
        .expect("room");
    in_flight(&hub, "slow").await;
    gateway.process.signal(Signal::TERM).expect("SIGTERM");
    until("new connections to be refused", async || match RawClient::connect(address).await {
        Ok(_) => Err("still accepted"),
        Err(_) => Ok(()),
    })
    .await
    .expect("a process that stops accepts nobody");
    let readiness = gateway.ask("GET", "/readyz", "").await.map(|answer| answer.status);
    assert!(!matches!(readiness, Ok(200)), "{readiness:?}: a process that stops is not ready");
    for (client, id) in [(&mut legacy, 2), (&mut modern, 3)] {
        let answer = client.answer().await.expect("requests in flight are answered");
        assert_eq!((answer.status, &answer.json()["id"]), (200, &json!(id)), "{}", answer.text());
        assert_eq!(client.ending(mcphub_tests::raw_http::PATIENCE).await, Ending::Closed);
    }
    assert_eq!(idle.ending(mcphub_tests::raw_http::PATIENCE).await, Ending::Closed);
    let status = gateway.process.exited().await.expect("it exits");
    assert!(status.success(), "{status}");
}

/// What never ends is ended at the deadline, in words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_at_the_deadline_in_words() {
    let hub = hub(slow_hub()).await;
    let config = config(&hub).section("[shutdown]\ndeadline = \"2s\"\n");
    let mut gateway = Gateway::start(config).await.expect("the gateway starts");
    let (address, host) = (gateway.listener(), gateway.listener().to_string());
    let session = open_session(address, LEGACY, "").await.expect("a session");
    let mut legacy = RawClient::connect(address).await.expect("a connection");
    let mut modern = RawClient::connect(address).await.expect("a connection");
    legacy
        .send(&Request::legacy(&host, &session, legacy_call(2, "never", &json!({}))).bytes())
        .await
        .expect("room");
    in_flight(&hub, "never").await;
    hub.take();
    modern
        .send(&Request::modern(&host, 3, "tools/call", "never", json!({"name": "never"})).bytes())
        .await
        .expect("room");
    in_flight(&hub, "never").await;
    // A client that does nothing at all cannot hold the process either.
    let mut half = RawClient::connect(address).await.expect("a connection");
    half.send(b"POST /mcp HTTP/1.1\r\n").await.expect("room");
    gateway.process.signal(Signal::TERM).expect("SIGTERM");
    let answer = legacy.answer().await.expect("not a bare cut");
    assert_eq!(
        (answer.status, &answer.json()["id"], &answer.json()["error"]["code"]),
        (200, &json!(2), &json!(-32603))
    );
    let answer = modern.answer().await.expect("not a bare cut");
    assert_eq!((answer.status, &answer.json()["id"]), (503, &json!(3)), "{}", answer.text());
    let status = gateway.process.exited().await.expect("it exits");
    assert!(status.success(), "{status}");
}

/// An idle gateway does not wait for anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_gateway_exits_long_before_the_deadline() {
    let hub = hub(mcp("raw")).await;
    let config = config(&hub).section("[shutdown]\ndeadline = \"1h\"\n");
    let mut gateway = Gateway::start(config).await.expect("the gateway starts");
    let mut kept = RawClient::connect(gateway.listener()).await.expect("a connection");
    let host = gateway.listener().to_string();
    let echo = Request::modern(&host, 1, "tools/call", "echo", json!({"name": "echo"})).bytes();
    kept.send(&echo).await.expect("room");
    assert_eq!(kept.answer().await.map(|answer| answer.status), Ok(200));
    gateway.process.signal(Signal::TERM).expect("SIGTERM");
    let status = gateway.process.exited().await.expect("it exits, kept-alive connections or not");
    assert!(status.success(), "{status}");
    assert_eq!(kept.answer().await.map(|answer| answer.status), Err(Broken::NoAnswer(Ending::Closed)));
}
