//! What do clients notice when an operator drains a hub in the middle of the day, and when the gateway dies meanwhile?
//!
//! Four real hubs, 200 modern calls a second, and legacy sessions that call ten times a second each.

#![allow(clippy::print_stdout, reason = "the figures are the point")]
#![allow(clippy::disallowed_methods, reason = "measures what really happened, when it happened")]

use std::process::Output;
use std::time::{Duration, Instant};

use mcphub_tests::admin::{Desk, operate};
use mcphub_tests::chaos::{Call, Crowd, End, FLEET, Fleet, Life, Sessions, Slowness};
use mcphub_tests::{Config, Gateway, until};
use serde_json::{Value, json};

/// Legacy sessions, about as many on each hub as on the others.
const SESSIONS: usize = 6 * FLEET;

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
        let fleet = Fleet::start(USUAL).await.expect("four hubs");
        let config = Config::new()
            .section("[routing]\nalgorithm = \"round-robin\"\nsticky_sessions = false\n[log]\naccess = false")
            .section(DRAIN);
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
    let (answered, failed) = lives.iter().fold((0, 0), |(a, f), life| (a + life.answered, f + life.failed));
    println!("  {} {what}: {answered} calls answered, {failed} failed", lives.len());
    for told in lives.iter().flat_map(|life| &life.told).take(3) {
        println!("    {told}");
    }
}

/// One drain whose sessions all end in time, and one that two sessions outstay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_a_drain_but_who_outstays_it() {
    let stage = Stage::set().await;
    let address = stage.gateway.listener();
    let crowd = Crowd::start(address);
    let mut sessions = Sessions::open(address, SESSIONS).await.expect("sessions");
    println!("\nsessions by hub: {:?}", sessions.by_hub());
    // Those with the most: by chance, one of the others may have hardly any.
    let mut busiest: Vec<usize> = (0..FLEET).collect();
    busiest.sort_by_key(|&number| std::cmp::Reverse(sessions.by_hub().get(stage.hub(number)).copied()));
    let [one, two] = [busiest[0], busiest[1]];
    let (first, second) = (stage.hub(one).to_owned(), stage.hub(two).to_owned());

    let (drained, (since, ended)) = tokio::join!(stage.drain(one, "60s"), async {
        let since = stage.wait_for(one, "draining").await;
        // The first session does not end before a drain may: a drain that ended early would show.
        tokio::time::sleep(Duration::from_secs(2)).await;
        (since, sessions.end_at(&first, 0, Duration::from_millis(200)).await)
    });
    let (words, took) = (&drained["waited"]["words"], since.elapsed());
    println!("drain of {first}: {words}, within {:.1} s", took.as_secs_f64());
    print("sessions that ended in time", &ended);
    assert!(!ended.is_empty() && ended.iter().all(|life| life.answered > 0 && life.failed == 0), "{ended:?}");
    let all_gone = words.as_str().is_some_and(|words| words.contains("its last session is gone"));
    assert!(all_gone && drained["waited"]["reached"] == true, "{drained}");

    let begun = Instant::now();
    let (outstayed, (since_second, left_in_time)) = tokio::join!(stage.drain(two, "4s"), async {
        let since = stage.wait_for(two, "draining").await;
        (since, sessions.end_at(&second, 2, Duration::from_millis(100)).await)
    });
    let words = &outstayed["waited"]["words"];
    println!("drain of {second}: {words}, within {:.1} s", begun.elapsed().as_secs_f64());
    print("sessions that ended in time", &left_in_time);
    assert!(left_in_time.iter().all(|life| life.answered > 0 && life.failed == 0), "{left_in_time:?}");
    let told =
        words.as_str().is_some_and(|words| words.contains("deadline") && words.contains("2 sessions left"));
    assert!(told, "{outstayed}");

    // Long enough for the two to call once more, and for stragglers.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (outstaying, elsewhere): (Vec<_>, Vec<_>) =
        sessions.finish().await.into_iter().partition(|life| life.hub == second);
    print("sessions that outstayed it", &outstaying);
    print("sessions on other hubs", &elsewhere);
    assert!(elsewhere.iter().all(|life| life.answered > 0 && life.failed == 0), "{elsewhere:?}");
    assert!(outstaying.iter().all(|life| life.answered > 0 && life.failed > 0), "{outstaying:?}");
    let (calls, _) = crowd.finish().await;
    let (failures, first_failure) = failed(&calls);
    println!("  {} modern calls, {failures} failed", calls.len());
    assert_eq!((failures, first_failure), (0, None));
    assert_eq!((placed(&calls, since, &first), placed(&calls, since_second, &second)), (0, 0));

    let journal = stage.failovers().await;
    let record = |hub: &str| journal.iter().find(|record| record["hub"] == hub).expect("a record");
    assert_eq!(record(&first)["ended_because"], "its last session is gone", "{journal:?}");
    let outstayed = record(&second)["ended_because"].as_str().expect("over");
    assert!(outstayed.contains("2 sessions left"), "{journal:?}");
    let costs = [&first, &second].map(|hub| record(hub)["requests_failed"].clone());
    println!("  requests failed, by the journal: {} and {}", costs[0], costs[1]);
    let failed: u64 = outstaying.iter().map(|life| life.failed).sum();
    assert_eq!(costs[0], 0, "{journal:?}");
    assert!(costs[1].as_u64().is_some_and(|cost| cost > 0 && cost <= failed), "{journal:?}");
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
