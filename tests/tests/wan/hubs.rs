//! What happens to clients when the way to a hub is bad, or gone?
//!
//! The POP has its clients and one hub beside it. Two more hubs are far away, each over a link of its own: 40±20 ms each
//! way, so round trips are 40 to 120 ms. Health is judged by the settings of the product.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use mcphub_tests::wan::{Conditions, Site, Way};
use mcphub_tests::{Config, Gateway, Hub, exchange};
use serde_json::Value;
use tokio::time::sleep;

use crate::on_two_threads;
use crate::traffic::{Asked, Count, Traffic, Watch, sent, under_way};

/// Only bounds a test that is failing: an ejection lasts 30 s, and the machine may be busy.
const RETURN: Duration = Duration::from_secs(90);

/// Longer than this, and a request is counted among those that suffered. Far hubs answer in 0.1 to 0.4 s.
const SUFFERED: Duration = Duration::from_secs(1);

/// A POP with a hub beside it and two far away.
struct Pop {
    east: Site,
    west: Site,
    hubs: [Hub; 3],
    gateway: Gateway,
}

impl Pop {
    /// The hubs `east` and `west` (far) and `near`, of these types.
    async fn open(types: [&str; 3], sections: &str) -> Self {
        let (east, west) = (Site::new().expect("a site"), Site::new().expect("a site"));
        for site in [&east, &west] {
            site.set(Conditions::delay(40, 20));
        }
        let hubs = [
            Hub::start_in(&east, "east", "us-east", &[]).await.expect("a hub"),
            Hub::start_in(&west, "west", "us-west", &[]).await.expect("a hub"),
            Hub::start("near", "eu-west", &[]).await.expect("a hub"),
        ];
        let mut config = Config::new().location("eu-central").section(sections);
        for (hub, kind) in hubs.iter().zip(types) {
            config = config.hub(hub, kind);
        }
        let gateway = Gateway::start(config).await.expect("the gateway starts");
        Self { east, west, hubs, gateway }
    }

    /// How often each request that must not be done twice was done, by what the hubs themselves say. Asked on the spot,
    /// since the link may be cut.
    fn acts(&self) -> [BTreeMap<String, u64>; 3] {
        let runtime = tokio::runtime::Handle::current();
        let ask = |hub: &Hub| {
            let answer = runtime.block_on(exchange(hub.address(), "GET", "/counters", ""));
            let counters: Value = answer.expect("the hub answers").json();
            serde_json::from_value(counters["act"].clone()).expect("counts by key")
        };
        let [east, west, near] = &self.hubs;
        let elsewhere = std::thread::scope(|scope| scope.spawn(|| ask(near)).join()).expect("asked");
        [self.east.inside(|| ask(east)), self.west.inside(|| ask(west)), Ok(elsewhere)]
            .map(|counts| counts.expect("the site"))
    }

    /// The generation of the table in force.
    async fn generation(&self) -> u64 {
        let told = self.gateway.metric("mcphub_table_generation").await.expect("metrics");
        told.expect("the generation is told") as u64
    }

    /// Panics unless every request of these generations was tried once, and elsewhere: a hub that is out is not even
    /// tried. What clients notice tells less, since what is tried in vain is saved by another hub.
    #[track_caller]
    fn assert_not_tried(&self, hub: &str, generations: RangeInclusive<u64>) {
        let log = self.gateway.process.stdout();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let of_these = |line: &Value| line["generation"].as_u64().is_some_and(|it| generations.contains(&it));
        let lines: Vec<_> = lines.filter(of_these).collect();
        let tried: Vec<_> = lines.iter().filter(|line| line["hub"] == hub || line["attempts"] != 1).collect();
        println!("requests of generations {generations:?}: {}, tried in vain: {}", lines.len(), tried.len());
        assert!(!lines.is_empty(), "no requests of generations {generations:?} in the log");
        assert!(tried.is_empty(), "{tried:#?}");
    }

    /// How often a hub changed its state, by the counters of the gateway.
    async fn changes(&self, hub: &str) -> BTreeMap<String, u64> {
        let text = self.gateway.ask("GET", "/metrics", "").await.expect("metrics").text();
        let prefix = format!("mcphub_hub_state_changes_total{{hub=\"{hub}\",state=\"");
        let sample = |line: &str| {
            let (state, count) = line.strip_prefix(&prefix)?.split_once("\"} ")?;
            Some((state.to_owned(), count.parse().ok()?))
        };
        text.lines().filter_map(sample).collect()
    }
}

/// Nothing that must not be done twice was.
#[track_caller]
fn assert_done_once(acts: &[BTreeMap<String, u64>; 3]) {
    let mut times: BTreeMap<&str, u64> = BTreeMap::new();
    for (key, count) in acts.iter().flatten() {
        *times.entry(key).or_default() += count;
    }
    times.retain(|_, count| *count > 1);
    assert!(times.is_empty(), "done more than once: {times:?}");
}

/// Tells of the last request that noticed a fault which began at `cut`.
fn print_suffering(asked: &[Asked], cut: Instant) {
    let suffered = |one: &&Asked| one.end() >= cut && (one.answer.is_err() || one.took >= SUFFERED);
    let all: Vec<_> = asked.iter().filter(suffered).collect();
    let Some(last) = all.iter().max_by_key(|one| one.at) else {
        return println!("no request suffered");
    };
    let ended = all.iter().map(|one| one.end()).max().unwrap_or(cut);
    println!(
        "{} requests suffered; the last was sent {:.1?} after the cut, the last ended {:.1?} after it",
        all.len(),
        last.at.saturating_duration_since(cut),
        ended.saturating_duration_since(cut)
    );
}

/// Loss costs time, and neither answers nor hubs.
pub(crate) fn loss_ejects_nobody() {
    on_two_threads(async {
        let routing = "[routing]\nalgorithm = \"round-robin\"\nsticky_sessions = false\n";
        let pop = Pop::open(["primary"; 3], routing).await;
        let watch = Watch::start(&pop.gateway).await;
        let traffic = Traffic::start(&pop.gateway);
        let mut marks = vec![Instant::now()];
        for (share, seconds) in [(0.0, 3), (0.01, 15), (0.05, 12)] {
            for site in [&pop.east, &pop.west] {
                site.set(Conditions::delay(40, 20).loss(share));
            }
            sleep(Duration::from_secs(seconds)).await;
            marks.push(Instant::now());
        }
        let asked = traffic.finish().await;
        for (site, name) in [(&pop.east, "east"), (&pop.west, "west")] {
            println!("the link to {name}: {:?}", site.traffic());
        }
        let before_five =
            |hub: &str| watch.seen().iter().filter(|seen| seen.hub == hub && seen.at < marks[2]).count();
        for hub in &pop.hubs {
            assert_eq!(before_five(hub.id()), 1, "{} changed at 1 %: {:?}", hub.id(), watch.seen());
        }
        let phases = ["no loss", "1 % lost each way", "5 % lost each way"];
        for (phase, time) in phases.into_iter().zip(marks.windows(2)) {
            let count = Count::of(sent(&asked, time[0]..time[1]));
            count.print(phase);
            let rate = (count.all_answered() + count.acted) as f64 / (time[1] - time[0]).as_secs_f64();
            assert!(rate > 50.0, "{phase}: {rate} requests a second");
            assert_eq!(count.answered.len(), 3, "{phase}: every hub serves");
            if phase.starts_with('5') {
                assert!(count.failed.is_empty(), "{phase}: safe requests can be saved: {:#?}", count.failed);
            } else {
                count.assert_clean(phase);
            }
        }
        assert_done_once(&pop.acts());
        let ejected = watch.seen().into_iter().filter(|seen| seen.state == "ejected").count();
        println!("ejected at 5 %: {ejected}");
    });
}

/// The preferred hub is cut off without a word, and comes back.
pub(crate) fn partition_and_return() {
    on_two_threads(async {
        let quick = "[failover]\nslow_start = \"3s\"\n";
        let pop = Pop::open(["primary", "secondary", "secondary"], quick).await;
        let watch = Watch::start(&pop.gateway).await;
        let traffic = Traffic::start(&pop.gateway);
        let start = Instant::now();
        sleep(Duration::from_secs(4)).await;
        let cut = Instant::now();
        pop.east.cut(Way::Both);
        let out = watch.until("east", &["ejected"], cut, RETURN).await;
        println!("reported as ejected {:.1?} after the cut", out.at - cut);
        let first = pop.generation().await;
        sleep(Duration::from_secs(3)).await;
        let last = pop.generation().await;
        let healed = Instant::now();
        pop.east.heal();
        let back = watch.until("east", &["recovering", "serving"], healed, RETURN).await;
        println!("back {:.1?} after healing, {:.1?} after the ejection", back.at - healed, back.at - out.at);
        let whole = watch.until("east", &["serving"], healed, RETURN).await;
        sleep(Duration::from_secs(3)).await;
        let end = Instant::now();
        let asked = traffic.finish().await;

        let before = Count::of(sent(&asked, start..cut).filter(|one| one.end() < cut));
        before.print("before the cut");
        before.assert_clean("before the cut");
        assert_eq!(before.answered["east"], before.all_answered(), "the preferred hub serves all");

        print_suffering(&asked, cut);
        let during = Count::of(under_way(&asked, cut..out.at));
        during.print("under way from the cut to the report");
        assert!(during.failed.is_empty(), "safe requests can be saved: {:#?}", during.failed);

        // Its first requests may come before its return is seen.
        let gone = Count::of(sent(&asked, out.at..back.at - Duration::from_millis(500)));
        gone.print("while it was out");
        gone.assert_clean("while it was out");
        assert_eq!(gone.answered.get("east"), None, "nothing goes to an ejected hub");
        pop.assert_not_tried("east", first..=last);

        let after = Count::of(sent(&asked, whole.at..end));
        after.print("after its return");
        after.assert_clean("after its return");
        assert!(after.answered.get("east").is_some_and(|count| *count > 0), "the hub serves again");

        assert_done_once(&pop.acts());
        let changes = pop.changes("east").await;
        println!("state changes of east: {changes:?}");
        let once = ["ejected", "recovering", "serving"].map(|state| (state.to_owned(), 1));
        assert_eq!(changes, BTreeMap::from(once), "out once, back once: {:?}", watch.seen());
        assert_eq!(watch.states_of("east"), ["serving", "ejected", "recovering", "serving"]);
        for hub in ["west", "near"] {
            assert_eq!(pop.changes(hub).await, BTreeMap::new(), "{hub}: {:?}", watch.seen());
        }
    });
}

/// Requests arrive, and their answers vanish.
pub(crate) fn one_way_partition() {
    on_two_threads(async {
        let pop = Pop::open(["primary", "secondary", "secondary"], "").await;
        let watch = Watch::start(&pop.gateway).await;
        let traffic = Traffic::start(&pop.gateway);
        sleep(Duration::from_secs(4)).await;
        let cut = Instant::now();
        let before = pop.east.traffic()[0].carried;
        pop.east.cut(Way::Back);
        let out = watch.until("east", &["ejected"], cut, RETURN).await;
        println!("reported as ejected {:.1?} after the cut", out.at - cut);
        let first = pop.generation().await;
        sleep(Duration::from_secs(4)).await;
        let last = pop.generation().await;
        let asked = traffic.finish().await;

        print_suffering(&asked, cut);
        let during = Count::of(under_way(&asked, cut..out.at));
        during.print("under way from the cut to the report");
        assert!(during.failed.is_empty(), "safe requests can be saved: {:#?}", during.failed);
        let gone = Count::of(sent(&asked, out.at..Instant::now()));
        gone.print("while it was out");
        gone.assert_clean("while it was out");
        pop.assert_not_tried("east", first..=last);

        // The hub was reached all along, so it knows what it did.
        let acts = pop.acts();
        assert_done_once(&acts);
        let done = |one: &&Asked| one.key.as_ref().is_some_and(|key| acts[0].contains_key(key));
        let unanswered = under_way(&asked, cut..out.at).filter(done).filter(|one| one.answer.is_err());
        println!("done by the hub and not answered: {} of {}", unanswered.count(), during.not_acted.len());
        let arrived = pop.east.traffic()[0].carried - before;
        assert!(arrived > 0, "packets reach the hub");
        assert_eq!(watch.states_of("east"), ["serving", "ejected"]);
    });
}
