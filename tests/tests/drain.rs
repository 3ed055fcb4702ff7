//! What do clients notice when an operator drains a hub in the middle of the day, and when the gateway dies meanwhile?
//!
//! Four real hubs, 200 modern calls a second, and legacy sessions: some call ten times a second each, some only listen,
//! some do nothing at all.

#![allow(clippy::print_stdout, reason = "the figures are the point")]
#![allow(clippy::disallowed_methods, reason = "measures what really happened, when it happened")]

use std::process::Output;
use std::time::{Duration, Instant};

use mcphub_tests::admin::{Desk, operate};
use mcphub_tests::chaos::{Call, Crowd, End, FLEET, Fleet, Life, Listener, Sessions, Slowness};
use mcphub_tests::mcp::Legacy;
use mcphub_tests::{Config, Gateway, until};
use serde_json::{Value, json};

/// Legacy sessions that call, about as many on each hub as on the others.
const SESSIONS: usize = 6 * FLEET;

/// Sessions that listen.
const LISTENERS: usize = 4 * FLEET;

/// Sessions that do nothing, on each of two hubs.
const QUIET: usize = 2;

/// So that calls are always in flight at every hub: 15 or so.
const USUAL: Slowness = Slowness::Calls(Duration::from_millis(300));

/// A drain's length by default, and so how soon after its start the gateway takes a hub's sessions to be those it has seen.
const DRAIN: &str = "[failover]\ndrain_deadline = \"2s\"";

struct Stage {
    fleet: Fleet,
    gateway: Gateway,
    desk: Desk,
}

impl Stage {
    async fn set() -> Self {
        Self::set_with(DRAIN).await
    }

    async fn set_with(failover: &str) -> Self {
        let fleet = Fleet::start(USUAL).await.expect("four hubs");
        let config = Config::new()
            .section("[routing]\nalgorithm = \"round-robin\"\nsticky_sessions = false\n[log]\naccess = false")
            .section(failover);
        let config = fleet.hubs().iter().fold(config, |config, hub| config.hub(hub, "primary"));
        let gateway = Gateway::start(config).await.expect("the gateway starts");
        let desk = Desk::open(&gateway, None).await.expect("a document");
        Self { fleet, gateway, desk }
    }

    fn hub(&self, number: usize) -> &str {
        self.fleet.hubs()[number].id()
    }

    /// `drain HUB --wait`, and its answer in JSON.
    async fn drain(&self, number: usize, deadline: &str) -> Value {
        let verb = ["drain", self.hub(number), "--deadline", deadline, "--wait", "--yes", "--json"];
        said(&operate(&self.gateway, &verb).await.expect("an end"))
    }

    /// Waits until a hub is in this state, and says when it was seen so.
    async fn wait_for(&self, number: usize, state: &str) -> Instant {
        until(&format!("{} to be {state}", self.hub(number)), async || {
            let seen = self.desk.hub(self.hub(number)).await.map_err(|error| format!("{error:#}"))?;
            if seen["state"]["name"] == state { Ok(Instant::now()) } else { Err(seen["state"].to_string()) }
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}"))
    }

    async fn failovers(&self) -> Vec<Value> {
        let (status, said) = self.desk.get("/v1/failovers").await.expect("the journal");
        assert_eq!(status, 200, "{said}");
        said["failovers"].as_array().expect("a list").clone()
    }

    /// Sessions that a hub holds itself, and GET streams that are open there.
    async fn held_by(&self, number: usize) -> (u64, u64) {
        let counters = self.fleet.hubs()[number].counters().await.expect("counters");
        let count = |name: &str| counters[name].as_u64().expect("a number");
        (count("sessions_open"), count("get_streams"))
    }

    /// Waits until a hub holds so many sessions, and no stream: what leaves is ended there soon after.
    async fn wait_until_held(&self, number: usize, sessions: u64) {
        until(&format!("{} to hold {sessions} sessions", self.hub(number)), async || {
            let held = self.held_by(number).await;
            if held == (sessions, 0) { Ok(()) } else { Err(held) }
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
    }

    async fn moved(&self) -> f64 {
        let moved = self.gateway.metric("mcphub_sessions_moved_total").await.expect("metrics");
        moved.expect("it is among them")
    }
}

fn said(output: &Output) -> Value {
    let (out, error) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(out)
        .unwrap_or_else(|flaw| panic!("{flaw}: {}{error}", String::from_utf8_lossy(out)))
}

/// How many calls failed, and the first of them.
fn failed(calls: &[Call]) -> (usize, Option<&Call>) {
    let mut failed = calls.iter().filter(|call| matches!(call.end, End::Failed(_)));
    let first = failed.next();
    (failed.count() + usize::from(first.is_some()), first)
}

/// Calls that were asked after this moment and answered by this hub.
fn placed(calls: &[Call], after: Instant, hub: &str) -> usize {
    let here = End::Answered(hub.to_owned());
    calls.iter().filter(|call| call.asked > after && call.end == here).count()
}

fn print(what: &str, lives: &[Life]) {
    let (answered, failed, moves) =
        lives.iter().fold((0, 0, 0), |(a, f, m), life| (a + life.answered, f + life.failed, m + life.moves));
    println!("  {} {what}: {answered} calls answered, {failed} failed, {moves} moves", lives.len());
    for told in lives.iter().flat_map(|life| &life.told).take(3) {
        println!("    {told}");
    }
}

/// Sessions that nobody uses, on this hub.
async fn quiet_on(stage: &Stage, hub: &str) -> Vec<Legacy> {
    let mut quiet = Vec::new();
    while quiet.len() < QUIET {
        let mut client = Legacy::initialize(stage.gateway.listener()).await.expect("a session");
        if whoami(&mut client).await == hub {
            quiet.push(client);
        } else {
            end(&mut client).await;
        }
    }
    quiet
}

/// What stays behind would be counted by the next drain.
async fn end(client: &mut Legacy) {
    let status = client.delete().await.expect("an answer");
    assert!((200..300).contains(&status), "{status}");
}

async fn whoami(client: &mut Legacy) -> String {
    let said = client.tool("whoami", json!({})).await.expect("it is answered");
    said["hub"].as_str().expect("a hub").to_owned()
}

/// Every stream stands, and hears of what its client has subscribed to.
async fn all_hear(listeners: &[Listener]) {
    let before: Vec<u64> = listeners.iter().map(Listener::updates).collect();
    until("every listener to hear something new", async || {
        let deaf = listeners.iter().zip(&before).filter(|(listener, before)| listener.updates() <= **before);
        let deaf: Vec<_> = deaf.map(|(listener, _)| (&listener.hub, listener.end())).collect();
        if deaf.is_empty() { Ok(()) } else { Err(format!("{deaf:?}")) }
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}"));
    let ended: Vec<_> = listeners.iter().filter_map(Listener::end).collect();
    assert!(ended.is_empty(), "{ended:?}");
}

/// One drain that all sessions leave in time, and one that two outstay because nobody uses them. Nobody notices either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_a_drain() {
    let stage = Stage::set().await;
    let address = stage.gateway.listener();
    let crowd = Crowd::start(address);
    let sessions = Sessions::open(address, SESSIONS).await.expect("sessions");
    let mut listeners = Vec::new();
    for _ in 0..LISTENERS {
        listeners.push(Listener::open(address).await.expect("a listener"));
    }
    println!("\nsessions by hub: {:?}", sessions.by_hub());
    // Those with the most: by chance, one of the others may have hardly any.
    let mut busiest: Vec<usize> = (0..FLEET).collect();
    busiest.sort_by_key(|&number| std::cmp::Reverse(sessions.by_hub().get(stage.hub(number)).copied()));
    let [one, two] = [busiest[0], busiest[1]];
    let (first, second) = (stage.hub(one).to_owned(), stage.hub(two).to_owned());
    let mut quiet = quiet_on(&stage, &first).await;

    let (drained, since) = tokio::join!(stage.drain(one, "60s"), async {
        let since = stage.wait_for(one, "draining").await;
        // Used once during the drain, a session moves. Nothing else would move these.
        tokio::time::sleep(Duration::from_secs(1)).await;
        for client in &mut quiet {
            assert_ne!(whoami(client).await, first);
            end(client).await;
        }
        since
    });
    let (words, took) = (&drained["waited"]["words"], since.elapsed());
    println!("drain of {first}: {words}, within {:.1} s", took.as_secs_f64());
    let all_gone = words.as_str().is_some_and(|words| words.contains("its last session is gone"));
    assert!(all_gone && drained["waited"]["reached"] == true, "{drained}");
    stage.wait_until_held(one, 0).await;
    all_hear(&listeners).await;

    let mut unused = quiet_on(&stage, &second).await;
    let begun = Instant::now();
    let outstayed = stage.drain(two, "4s").await;
    let words = &outstayed["waited"]["words"];
    println!("drain of {second}: {words}, within {:.1} s", begun.elapsed().as_secs_f64());
    let left = format!("with {QUIET} sessions left");
    let told = words.as_str().is_some_and(|words| words.contains("deadline") && words.contains(&left));
    assert!(told, "{outstayed}");
    let since_second = Instant::now();
    stage.wait_until_held(two, QUIET as u64).await;
    all_hear(&listeners).await;
    for client in &mut unused {
        let now = whoami(client).await;
        assert!(![&first, &second].contains(&&now), "{now}");
    }
    stage.wait_until_held(two, 0).await;

    for listener in &mut listeners {
        let now = listener.hub_now().await.expect("it is answered");
        assert!(![&first, &second].contains(&&now), "{now}");
    }
    let lives = sessions.finish().await;
    let (left, stayed): (Vec<_>, Vec<_>) =
        lives.into_iter().partition(|life| [&first, &second].contains(&&life.hub));
    print("calling sessions that had to leave", &left);
    print("calling sessions on other hubs", &stayed);
    for life in left.iter().chain(&stayed) {
        assert!(life.answered > 0 && life.failed == 0, "{life:?}");
        assert!(![&first, &second].contains(&&life.last), "{life:?}");
    }
    assert!(left.len() > 2 && left.iter().all(|life| life.moves > 0), "{left:?}");
    let (calls, _) = crowd.finish().await;
    let (failures, first_failure) = failed(&calls);
    println!("  {} modern calls, {failures} failed", calls.len());
    assert_eq!((failures, first_failure), (0, None));
    assert_eq!((placed(&calls, since, &first), placed(&calls, since_second, &second)), (0, 0));
    told_by_the_journal(&stage, &first, &second).await;
}

async fn told_by_the_journal(stage: &Stage, first: &str, second: &str) {
    // It is brought up to date each second.
    let journal = until("the journal to have counted who left", async || {
        let journal = stage.failovers().await;
        let left = |record: &Value| record["sessions_moved"].as_u64() >= record["sessions_pinned"].as_u64();
        if journal.iter().all(left) { Ok(journal) } else { Err(format!("{journal:?}")) }
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}"));
    let record = |hub: &str| journal.iter().find(|record| record["hub"] == hub).expect("a record");
    assert_eq!(record(first)["ended_because"], "its last session is gone", "{journal:?}");
    let outstayed = record(second)["ended_because"].as_str().expect("over");
    assert!(outstayed.contains(&format!("with {QUIET} sessions left")), "{journal:?}");
    for hub in [first, second] {
        let count = |name: &str| record(hub)[name].as_u64().expect("a number");
        let (pinned, moved) = (count("sessions_pinned"), count("sessions_moved"));
        println!("  by the journal: of {pinned} sessions on {hub}, {moved} moved");
        // What a drain waits for is not lost; and all that were there have moved.
        assert_eq!((count("requests_failed"), moved >= pinned), (0, true), "{journal:?}");
    }
    let (status, counts) = stage.desk.get("/v1/sessions").await.expect("counts");
    let of =
        |hub: &str| counts["by_hub"].as_array().into_iter().flatten().find(|row| row["hub"] == hub).cloned();
    assert_eq!(status, 200);
    for hub in [first, second] {
        let row = of(hub).expect("a row");
        assert_eq!((&row["sessions"], &row["listening"]), (&json!(0), &json!(0)), "{counts}");
        assert!(row["left"].as_u64() > Some(0), "{counts}");
    }
    assert_eq!(counts["since_start"]["requests_refused"], 0, "{counts}");
    assert_eq!(counts["since_start"]["requests_lost"], 0, "{counts}");
}

/// Sessions that only listen have no next use: they are led away, so many a second, and their streams stay open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_leave_at_a_bounded_rate_and_keep_their_streams() {
    const RATE: f64 = 5.0;
    const ALL: usize = 60;
    let stage = Stage::set_with(&format!("{DRAIN}\nmoves_per_second = {RATE}")).await;
    let mut listeners = Vec::new();
    for _ in 0..ALL {
        listeners.push(Listener::open(stage.gateway.listener()).await.expect("a listener"));
    }
    let here = |number: usize| listeners.iter().filter(|listener| listener.hub == stage.hub(number)).count();
    let most = (0..FLEET).max_by_key(|&number| here(number)).expect("four hubs");
    let (leaving, hub) = (here(most), stage.hub(most).to_owned());
    let order = json!({ "hub": hub, "deadlineMs": 60_000 });
    let begun = Instant::now();
    let (status, said) = stage.desk.post("/v1/drain", &order).await.expect("an answer");
    assert_eq!((status, &said["state"]), (200, &json!("draining")), "{said}");
    let mut seen = Vec::new();
    until("all listeners to have left", async || {
        let moved = stage.moved().await;
        // Read before, so that the time is never less than it was.
        let elapsed = begun.elapsed().as_secs_f64();
        seen.push((elapsed, moved));
        // What a second allows, and one look more at either end.
        assert!(moved <= RATE * (elapsed + 0.4) + 1.0, "{moved} after {elapsed:.2} s: {seen:?}");
        if moved as usize == leaving { Ok(()) } else { Err(moved) }
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}"));
    let took = begun.elapsed().as_secs_f64();
    println!(
        "\n{leaving} listeners left {hub} within {took:.1} s, of 60 s, at {:.1} a second",
        leaving as f64 / took
    );
    assert!(leaving as f64 > RATE * 1.5, "too few to see a rate: {leaving}");
    stage.wait_until_held(most, 0).await;
    all_hear(&listeners).await;
    for listener in &mut listeners {
        let stays = listener.hub != hub;
        let now = listener.hub_now().await.expect("it is answered");
        assert_eq!(now == listener.hub, stays, "it began on {} and is on {now}", listener.hub);
    }
    stage.wait_for(most, "drained").await;
}

/// What an operator wanted holds from the first request of the next process on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_outlives_the_sudden_death_of_the_gateway() {
    let mut stage = Stage::set().await;
    let (gone, going) = (stage.hub(1).to_owned(), stage.hub(2).to_owned());
    let crowd = Crowd::start(stage.gateway.listener());
    let out = said(&operate(&stage.gateway, &["failover", &gone, "--yes", "--json"]).await.expect("an end"));
    assert_eq!(out["success"], true, "{out}");
    let order = json!({ "hub": going, "deadlineMs": 60_000, "note": "new disk" });
    let (status, draining) = stage.desk.post("/v1/drain", &order).await.expect("an answer");
    assert_eq!((status, &draining["state"]), (200, &json!("draining")), "{draining}");
    let since = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = stage.failovers().await;

    let killed = Instant::now();
    stage.gateway.process.kill().await.expect("killed");
    stage.gateway = stage.gateway.spawn_successor(&[]).expect("a process");
    stage.gateway.wait_until_ready().await.expect("it starts again");
    let ready = Instant::now();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (calls, _) = crowd.finish().await;
    let (of_old, of_new): (Vec<_>, Vec<_>) = calls.into_iter().partition(|call| call.over < killed);
    let first = of_new.iter().filter(|call| matches!(call.end, End::Answered(_))).map(|call| call.over).min();
    let first = first.expect("the next process answers").saturating_duration_since(killed);
    println!(
        "\nkilled; ready after {:.2} s, first answer after {:.2} s; {} calls failed meanwhile",
        ready.saturating_duration_since(killed).as_secs_f64(),
        first.as_secs_f64(),
        failed(&of_new).0
    );
    assert_eq!(failed(&of_old), (0, None));
    let answered: Vec<_> = of_new.iter().filter(|call| matches!(call.end, End::Answered(_))).collect();
    println!("  {} calls answered by the next process", answered.len());
    assert!(answered.len() > 100, "{}", answered.len());
    for hub in [&gone, &going] {
        assert_eq!(placed(&of_new, since, hub), 0, "{hub} was out");
    }

    let seen = [stage.desk.hub(&gone).await.expect("it"), stage.desk.hub(&going).await.expect("it")];
    println!("  {}: {}, {}: {}", gone, seen[0]["state"], going, seen[1]["state"]);
    let wishes = seen.each_ref().map(|hub| hub["wish"]["out"].clone());
    assert_eq!(wishes, [json!("now"), json!("drain")]);
    assert_eq!(seen[1]["wish"]["note"], "new disk");
    let after = stage.failovers().await;
    let told = |record: &Value| (record["id"].clone(), record["hub"].clone(), record["at_unix_ms"].clone());
    let [before, after] = [before, after].map(|journal| journal.iter().map(told).collect::<Vec<_>>());
    println!("  {} failovers in the journal", after.len());
    assert_eq!((after.len(), &after), (2, &before), "each outage is one, however many processes saw it");
}
