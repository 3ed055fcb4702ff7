//! What every one of these tests needs: four hubs, a gateway, and somebody who kills them.

use std::collections::BTreeMap;
use std::time::Duration;

use mcphub_tests::admin::Desk;
use mcphub_tests::chaos::{FLEET, Fleet, Slowness};
use mcphub_tests::outlive::{Crowd, Executions, Kill, Ledger, Pace, Verdict, journal};
use mcphub_tests::{Config, Gateway, until};
use serde_json::Value;
use std::sync::Arc;
use tempfile::TempDir;

/// What a hub takes where little is under way.
pub(crate) const BRISK: Pace = Pace {
    read: Duration::from_millis(500),
    call: Duration::from_millis(1_600),
    steps: 8,
    act: Duration::from_millis(700),
    pause: Duration::from_millis(500),
};

/// Hubs that were killed come back as soon as they may, since one is killed every few seconds.
const FAILOVER: &str = "[failover]\nslow_start = \"1s\"\ndwell = \"1s\"\nejection = \"1s\"\n\
                        [health]\ninterval = \"1s\"\n[log]\naccess = false";

/// Sessions spread over all hubs; what tools say of themselves is believed.
const ROUTING: &str = "[routing]\nalgorithm = \"round-robin\"\ntrust_tool_annotations = true";

pub(crate) struct Stage {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) fleet: Fleet,
    pub(crate) gateway: Gateway,
    pub(crate) desk: Desk,
    directory: TempDir,
}

impl Stage {
    pub(crate) async fn set(pace: Pace) -> Self {
        Self::set_with(pace, "").await
    }

    /// With further sections of the gateway's configuration.
    pub(crate) async fn set_with(pace: Pace, sections: &str) -> Self {
        let directory = TempDir::new().expect("a directory");
        let fleet = fleet(pace, &directory).await;
        let gateway = Gateway::start(config(&fleet).section(sections)).await.expect("the gateway starts");
        let desk = Desk::open(&gateway, None).await.expect("a document");
        Self { ledger: Ledger::open(), fleet, gateway, desk, directory }
    }

    pub(crate) fn hub(&self, number: usize) -> &str {
        self.fleet.hubs()[number].id()
    }

    /// `kill -9`, and a line in the ledger.
    pub(crate) async fn kill(&mut self, number: usize, crowd: Option<&Crowd>) {
        kill(&mut self.fleet, &self.ledger, number, crowd).await;
    }

    /// Starts a killed hub again, and waits until it is safe to kill another.
    pub(crate) async fn bring_back(&mut self, number: usize) {
        self.fleet.restart(number).await.expect("it starts again");
        serve(&self.fleet, &self.desk, FLEET - 1).await;
    }

    /// Waits until the gateway gives every hub traffic.
    pub(crate) async fn all_serve(&self) {
        serve(&self.fleet, &self.desk, FLEET).await;
    }

    /// The hub with the most sessions, by its own count.
    pub(crate) async fn busiest(&self) -> usize {
        let mut most = (0, 0);
        for number in 0..FLEET {
            most = most.max((sessions_at(&self.fleet, number).await, number));
        }
        most.1
    }

    /// The gateway and the hubs that live.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let hubs = self.fleet.hubs().iter().map(|hub| hub.process.pid());
        hubs.chain([self.gateway.process.pid()]).collect()
    }

    /// What came of it, printed.
    pub(crate) fn judge(&self, title: &str) -> Verdict {
        let verdict = Verdict::of(&self.ledger.close(), &executions(&self.directory));
        println!("{title}\n{verdict}");
        if !verdict.is_clean() {
            tell(&self.gateway);
        }
        verdict
    }
}

/// What a gateway wrote into its log, each message with its reason once: why something went wrong is among it.
pub(crate) fn tell(gateway: &Gateway) {
    let log = gateway.process.stdout() + &gateway.process.stderr();
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let words = ["message", "hub", "to", "stuck", "why", "reason", "error"].map(word).join(" ");
        *told.entry(words).or_default() += 1;
    }
    println!("  the gateway's log:");
    for (words, count) in told {
        println!("    {count} × {words}");
    }
}

pub(crate) async fn fleet(pace: Pace, directory: &TempDir) -> Fleet {
    let journal = directory.path().join("journal");
    std::fs::write(&journal, "").expect("an empty journal");
    let flags = ["--journal", journal.to_str().expect("a path of text")];
    Fleet::start_with(Slowness::Calls(pace.read), &flags).await.expect("four hubs")
}

pub(crate) fn config(fleet: &Fleet) -> Config {
    let config = Config::new().section(FAILOVER).section(ROUTING);
    fleet.hubs().iter().fold(config, |config, hub| config.hub(hub, "primary"))
}

pub(crate) fn executions(directory: &TempDir) -> Executions {
    journal(&directory.path().join("journal")).expect("a journal")
}

pub(crate) async fn kill(fleet: &mut Fleet, ledger: &Ledger, number: usize, crowd: Option<&Crowd>) {
    let hub = fleet.hubs()[number].id().to_owned();
    let sessions = crowd.map(|crowd| crowd.on(&hub)).unwrap_or_default();
    let at = ledger.now();
    fleet.kill(number).await.expect("killed");
    let dead = ledger.now();
    ledger.write().kills.push(Kill { hub, at, dead, sessions });
}

/// Waits until the gateway of this desk gives so many hubs traffic. A hub that was killed is back after ten seconds or so.
pub(crate) async fn serve(fleet: &Fleet, desk: &Desk, least: usize) {
    until(&format!("{least} hubs to serve"), async || {
        let mut states = Vec::new();
        for hub in fleet.hubs() {
            let seen = desk.hub(hub.id()).await.map_err(|error| vec![format!("{error:#}")])?;
            states.push(seen["state"]["name"].as_str().unwrap_or_default().to_owned());
        }
        let serving = states.iter().filter(|state| ["serving", "recovering"].contains(&state.as_str()));
        if serving.count() >= least { Ok(()) } else { Err(states) }
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}"));
}

/// The sessions that a hub holds.
pub(crate) async fn sessions_at(fleet: &Fleet, number: usize) -> u64 {
    let counters = fleet.hubs()[number].counters().await.expect("counters");
    counters["sessions_open"].as_u64().expect("a count")
}
