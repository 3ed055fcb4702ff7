//! One hub after another is killed under a thousand sessions, ten times.

use std::time::Duration;

use mcphub_tests::chaos::FLEET;
use mcphub_tests::outlive::{Crowd, Flaw, Load, Pace, Script, Sdk, Verdict};
use mcphub_tests::until;

use crate::rust_sdk::RustSessions;
use crate::stage::{BRISK, Stage};

/// Sessions of our own client.
const RAW: usize = 1_040;

/// Sessions of each SDK.
const EACH: usize = 8;

/// Hubs killed.
const KILLS: usize = 10;

/// What must be under way of each class at a hub that is killed.
const IN_FLIGHT: usize = 50;

/// Longer than it need be, so that nearly every session has something under way at any moment while the machine, which
/// has two cores, is not busy.
const PACE: Pace = Pace {
    read: Duration::from_secs(2),
    call: Duration::from_secs(4),
    steps: 6,
    act: Duration::from_secs(2),
    pause: Duration::from_secs(3),
};

/// Between the kill and the start of the next process.
const DEAD: Duration = Duration::from_millis(1_500);

/// Between that and the next kill: long enough for sessions that moved to have something under way again.
const UP: Duration = Duration::from_secs(4);

/// Long enough that a subscription that fell silent is found out.
const AFTERWARDS: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_under_a_thousand_sessions_are_not_noticed() {
    let mut stage = Stage::set(PACE).await;
    let (url, address) = (stage.gateway.url(), stage.gateway.listener());
    let mut crowd = Crowd::open(&stage.ledger, &[address], RAW).await.expect("sessions");
    let mut scripts = Vec::new();
    for sdk in Sdk::ALL {
        scripts.push(Script::start(sdk, &url, EACH, PACE, &stage.ledger).await.expect("a script"));
    }
    let rust = RustSessions::start(&url, EACH, PACE, &stage.ledger).await.expect("sessions of rmcp");
    crowd.begin(PACE).await.expect("all begin");
    println!("\n{} sessions, by hub: {:?}", RAW + 5 * EACH, crowd.by_hub());
    let everything = |stage: &Stage, scripts: &[Script]| {
        let mut processes = stage.processes();
        processes.extend(scripts.iter().map(Script::pid));
        processes
    };
    let load = Load::begin(&everything(&stage, &scripts));

    for number in 0..KILLS {
        let victim = number % FLEET;
        let hub = stage.hub(victim).to_owned();
        let in_flight = until(&format!("enough in flight at {hub}"), async || {
            let found = crowd.in_flight(&hub);
            if found.least() >= IN_FLIGHT { Ok(found) } else { Err(found.to_string()) }
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
        stage.kill(victim, Some(&crowd)).await;
        println!("  kill {}: {hub}, {in_flight}", number + 1);
        tokio::time::sleep(DEAD).await;
        stage.bring_back(victim).await;
        tokio::time::sleep(UP).await;
    }
    tokio::time::sleep(AFTERWARDS).await;
    let used = load.used(&everything(&stage, &scripts), stage.gateway.process.pid());

    crowd.rest().await;
    for script in scripts {
        for complaint in script.finish().await.expect("an end").into_iter().take(3) {
            println!("  {complaint}");
        }
    }
    rust.finish().await;
    let verdict = stage.judge("ten kills");
    println!("  {used}\n  sessions by hub at the end: {:?}", crowd.by_hub());
    check(&verdict);
    assert!(verdict.lost > 0 && verdict.moves.len() > KILLS * IN_FLIGHT, "kills were noticed by nobody");
}

/// What is found fault with above is not found where nobody is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_amiss_where_nobody_is_killed() {
    let stage = Stage::set(BRISK).await;
    let (url, address) = (stage.gateway.url(), stage.gateway.listener());
    let mut crowd = Crowd::open(&stage.ledger, &[address], 40).await.expect("sessions");
    let mut scripts = Vec::new();
    for sdk in Sdk::ALL {
        scripts.push(Script::start(sdk, &url, 2, BRISK, &stage.ledger).await.expect("a script"));
    }
    let rust = RustSessions::start(&url, 2, BRISK, &stage.ledger).await.expect("sessions of rmcp");
    crowd.begin(BRISK).await.expect("all begin");
    tokio::time::sleep(AFTERWARDS).await;
    for number in 0..FLEET {
        let in_flight = crowd.in_flight(stage.hub(number));
        println!("  {}: {in_flight}", stage.hub(number));
        assert!(in_flight.sessions > 0 && in_flight.streams > 0, "{in_flight}");
    }
    crowd.rest().await;
    for script in scripts {
        let complaints = script.finish().await.expect("an end");
        assert_eq!(complaints, Vec::<String>::new());
    }
    rust.finish().await;
    let verdict = stage.judge("no kill");
    check(&verdict);
    assert_eq!(verdict.lost, 0);
    assert_eq!(verdict.answered.len(), 3);
    assert!(verdict.updates > 100, "{}", verdict.updates);
    let statuses = crowd.end().await;
    assert!(statuses.keys().all(|status| status.starts_with("20")), "{statuses:?}");
}

/// Every promise by its name, so that a red run says which one it was.
pub(crate) fn check(verdict: &Verdict) {
    let kept = |flaw: Flaw, promise: &str| {
        let words = verdict.flaws.get(&flaw);
        assert!(words.is_none(), "{promise}: {} times not, at first {:?}", verdict.count(flaw), words);
    };
    kept(Flaw::IdChanged, "no session id changes");
    kept(Flaw::Twice, "what may not be repeated is executed once");
    kept(Flaw::Undone, "what was answered was done");
    kept(Flaw::Cut, "every request is answered in words of JSON-RPC");
    kept(Flaw::SafeLost, "what may be repeated is answered with its result");
    kept(Flaw::Refused, "only what was lost with its hub is refused, and with -32603");
    kept(Flaw::RefusedLate, "it is refused within 2 s");
    kept(Flaw::Hung, "nothing hangs");
    kept(Flaw::Backwards, "progress grows");
    kept(Flaw::StreamClosed, "streams stay open");
    kept(Flaw::Deaf, "subscriptions go on");
}
