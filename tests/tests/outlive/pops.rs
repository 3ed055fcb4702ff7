//! Two gateways share one NATS server and their keys; clients go to the one and to the other, request by request.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcphub_tests::admin::Desk;
use mcphub_tests::chaos::{FLEET, Fleet};
use mcphub_tests::outlive::{Crowd, Ledger, Nats, Verdict};
use mcphub_tests::{Config, Gateway, until};
use std::sync::Arc;
use tempfile::TempDir;

use crate::kills::check;
use crate::stage::{BRISK, config, executions, fleet, kill, serve, sessions_at, tell};

const SESSIONS: usize = 80;

/// Hubs killed.
const KILLS: usize = 4;

struct Pops {
    ledger: Arc<Ledger>,
    fleet: Fleet,
    gateways: [Gateway; 2],
    desks: [Desk; 2],
    nats: Nats,
    crowd: Crowd,
    directory: TempDir,
}

impl Pops {
    async fn set() -> Self {
        let (directory, ledger) = (TempDir::new().expect("a directory"), Ledger::open());
        let fleet = fleet(BRISK, &directory).await;
        let nats = Nats::start().await.expect("NATS");
        let key = directory.path().join("session.key");
        let shared = format!(
            "[session]\nkey_files = [{key:?}]\n[state]\nbackend = \"nats\"\nurl = \"{}\"",
            nats.url()
        );
        let pop = async |place: &str| {
            // One after the other: the first makes the key.
            let gateway = Gateway::start(self::pop(&fleet, place, &shared)).await.expect("a gateway");
            let desk = Desk::open(&gateway, None).await.expect("a document");
            (gateway, desk)
        };
        let (here, here_desk) = pop("us-east").await;
        let (there, there_desk) = pop("eu-central").await;
        let doors = [here.listener(), there.listener()];
        let mut crowd = Crowd::open(&ledger, &doors, SESSIONS).await.expect("sessions");
        crowd.begin(BRISK).await.expect("all begin");
        tokio::time::sleep(Duration::from_secs(3)).await;
        println!("\n{SESSIONS} sessions by hub: {:?}", crowd.by_hub());
        let (gateways, desks) = ([here, there], [here_desk, there_desk]);
        Self { ledger, fleet, gateways, desks, nats, crowd, directory }
    }

    async fn kill(&mut self, number: usize) {
        let hub = self.fleet.hubs()[number].id().to_owned();
        println!("  kill of {hub}: {}", self.crowd.in_flight(&hub));
        kill(&mut self.fleet, &self.ledger, number, Some(&self.crowd)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.fleet.restart(number).await.expect("it starts again");
        for desk in &self.desks {
            serve(&self.fleet, desk, FLEET - 1).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }

    /// Lets everybody come to rest; what came of it.
    async fn rest(&mut self, title: &str) -> Verdict {
        tokio::time::sleep(Duration::from_secs(8)).await;
        self.crowd.rest().await;
        let verdict = Verdict::of(&self.ledger.close(), &executions(&self.directory));
        println!("{title}\n{verdict}");
        if !verdict.is_clean() {
            self.gateways.iter().for_each(tell);
        }
        verdict
    }

    /// Each session lives on one hub, whichever gateway is asked, and hubs hold no others.
    async fn no_orphans(&mut self) {
        let mut lives = BTreeSet::new();
        let mut by_hub: BTreeMap<String, u64> = BTreeMap::new();
        for (name, found) in self.crowd.whereabouts().await {
            let found = found.unwrap_or_else(|error| panic!("{name}: {error:#}"));
            assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{name} lives at {found:?}");
            *by_hub.entry(found[0][0].clone()).or_default() += 1;
            assert!(lives.insert(found[0].clone()), "two sessions live as {:?}", found[0]);
        }
        println!("  {} sessions live at {by_hub:?}", lives.len());
        let mut initialized = BTreeMap::new();
        for number in 0..FLEET {
            let counters = self.fleet.hubs()[number].counters().await.expect("counters");
            initialized.insert(self.fleet.hubs()[number].id().to_owned(), counters["initialize"].clone());
        }
        println!("  initialize since each hub's last start: {initialized:?}");
        until("hubs to hold no orphans", async || {
            let mut held = BTreeMap::new();
            for number in 0..FLEET {
                let count = sessions_at(&self.fleet, number).await;
                if count > 0 {
                    held.insert(self.fleet.hubs()[number].id().to_owned(), count);
                }
            }
            if held == by_hub { Ok(()) } else { Err(format!("they hold {held:?}, and {by_hub:?} live")) }
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
    }
}

fn pop(fleet: &Fleet, place: &str, shared: &str) -> Config {
    config(fleet).location(place).section(shared)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_seen_by_two_gateways_moves_to_one_hub() {
    let mut pops = Pops::set().await;
    for number in 0..KILLS {
        pops.kill(number % FLEET).await;
    }
    let verdict = pops.rest("two gateways, hubs killed").await;
    check(&verdict);
    pops.no_orphans().await;
    let statuses = pops.crowd.end().await;
    println!("  ended: {statuses:?}");
    assert!(statuses.keys().all(|status| status.starts_with("20")), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_seconds_without_nats_lose_no_session() {
    let mut pops = Pops::set().await;
    pops.kill(0).await;
    pops.nats.kill().await.expect("killed");
    println!("  NATS is gone");
    tokio::time::sleep(Duration::from_secs(10)).await;
    pops.nats.restart().await.expect("NATS starts again");
    for gateway in &mut pops.gateways {
        gateway.wait_until_ready().await.expect("it heals");
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    pops.kill(1).await;
    let verdict = pops.rest("two gateways, NATS gone for ten seconds, a hub killed before and after").await;
    check(&verdict);
    pops.no_orphans().await;
}
