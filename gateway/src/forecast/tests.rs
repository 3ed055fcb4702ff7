//! Do pasts outlive the process that saw them, and only as far as they should?

use super::view::TelemetryView;
use super::{Recorder, Telemetry, records};
use crate::snapshot::Snapshot;
use crate::snapshot::tests::snapshot;
use crate::store::Store;
use mcphub_health::{Evidence, Outcome};
use mcphub_predictor::Policy;
use mcphub_predictor::telemetry::{KEPT, Signal};
use mcphub_routing::{HubId, MonoTime};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
const NOON: u64 = 1_795_435_200;
const HUBS: [(&str, u16); 2] = [("a", 1), ("b", 2)];

fn hub(name: &str) -> HubId {
    HubId::new(name).expect("a name")
}

/// A process that looks at its hubs once a second, as the control task does, and the two clocks.
struct Process {
    telemetry: Telemetry,
    present: Snapshot,
    store: Store,
    seconds: u64,
    unix_s: u64,
}

impl Process {
    /// Starts at this second since 1970.
    fn start(directory: &Path, store: Store, hubs: &[(&str, u16)], unix_s: u64) -> Self {
        let present = snapshot(directory, hubs, None);
        let mut telemetry = Telemetry::new(store.clone());
        let seconds = 3_600;
        telemetry.follow(&present, MonoTime::from_millis(seconds * 1_000));
        telemetry.adopt(unix_s);
        Self { telemetry, present, store, seconds, unix_s }
    }

    fn now(&self) -> MonoTime {
        MonoTime::from_millis(self.seconds * 1_000)
    }

    /// So many looks, one a second; each hub answers two requests between them. `b` answers no probe.
    fn look(&mut self, seconds: u64) {
        for _ in 0..seconds {
            let now = self.now();
            let mut evidence = BTreeMap::new();
            for (settings, upstream) in self.present.settings.hubs.iter().zip(self.present.upstreams.iter()) {
                let mut found = Evidence::none(now);
                found.probes.last_end = Some(now);
                if settings.id == hub("b") {
                    (found.probes.fails, found.probes.unanswered) = (9, 3);
                    found.probes.last = Some(Outcome::ConnectError);
                }
                evidence.insert(settings.id.clone(), found);
                for _ in 0..2 {
                    upstream.recorder.record(Outcome::Ok, Duration::from_millis(5), None, now);
                }
            }
            self.telemetry.adopt(self.unix_s);
            if self.telemetry.look(&self.present, &evidence, &Policy::default(), (now, self.unix_s))
                && let Some(round) = self.telemetry.due(now)
            {
                round.write();
            }
            (self.seconds, self.unix_s) = (self.seconds + 1, self.unix_s + 1);
        }
    }

    fn view(&self, name: &str) -> TelemetryView {
        TelemetryView::of(name, self.telemetry.history(&hub(name)).expect("there"), 480)
    }

    /// How many samples are known of a hub, and how many are missing.
    fn known(&self, name: &str) -> (usize, usize) {
        let view = self.view(name);
        (view.known, view.missing)
    }

    /// What nobody has written down is lost, and the store with it.
    async fn killed(self) {
        assert!(self.store.release(PATIENCE).await, "{:?}", self.store);
    }
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

async fn opened(directory: &Path) -> Store {
    let store = Store::open(directory);
    assert!(store.loaded(PATIENCE).await, "{store:?}");
    store
}

#[tokio::test]
async fn a_hubs_past_outlives_the_process_that_saw_it() {
    let directory = directory();
    let mut first = Process::start(directory.path(), opened(directory.path()).await, &HUBS, NOON);
    first.look(121);
    assert_eq!((first.known("a"), first.known("b")), ((8, 0), (8, 0)));
    let rate = first.telemetry.history(&hub("a")).and_then(mcphub_predictor::telemetry::History::latest);
    assert_eq!(rate.and_then(|sample| sample.get(Signal::Rate)), Some(2.0));
    assert_eq!(first.telemetry.waited(first.now()), Duration::from_secs(46), "since the second round");
    first.killed().await;

    // Three minutes later. What was kept ends 75 s after noon.
    let mut second = Process::start(directory.path(), opened(directory.path()).await, &HUBS, NOON + 300);
    assert_eq!(second.known("a"), (5, 0));
    second.look(16);
    assert_eq!(second.known("a"), (6, 15));
    let episodes = second.view("b").episodes;
    let [one] = &episodes[..] else { panic!("one, since both stretches are close: {episodes:?}") };
    assert!(one.start.ends_with("T12:00:00.000Z") && one.end.ends_with("T12:05:15.000Z"), "{one:?}");
    assert!(second.view("a").episodes.is_empty());
    let newest = &second.view("a").samples[0];
    assert!(newest.start.ends_with("T12:05:00.000Z") && newest.values["rps"] == 2.0, "{newest:?}");

    // An orderly end loses nothing.
    second.look(15);
    second.telemetry.rest(second.now()).expect("something").write();
    assert!(second.telemetry.rest(second.now()).is_none() && second.telemetry.waited(second.now()).is_zero());
    second.killed().await;
    let third = Process::start(directory.path(), opened(directory.path()).await, &HUBS, NOON + 400);
    assert_eq!(third.known("a"), (7, 15));
}

#[tokio::test]
async fn a_store_that_opens_late_is_listened_to_and_not_written_over() {
    let directory = directory();
    let mut old = Process::start(directory.path(), opened(directory.path()).await, &HUBS, NOON);
    old.look(61);
    old.telemetry.rest(old.now()).expect("something").write();
    assert!(old.store.flushed(PATIENCE).await);

    let store = Store::open(directory.path());
    assert!(!store.loaded(Duration::from_millis(300)).await, "its predecessor has the file");
    let mut new = Process::start(directory.path(), store, &HUBS, NOON + 90);
    new.look(91);
    assert_eq!(new.known("a"), (6, 0));
    assert!(new.store.telemetry().is_empty(), "nothing is written before the past is known");
    old.killed().await;
    assert!(new.store.loaded(PATIENCE).await);
    new.look(15);
    assert_eq!(new.known("a"), (4 + 7, 2), "four of before, two that nobody saw, six and one of ours");
}

#[test]
fn without_a_file_a_past_outlives_its_hub() {
    let directory = directory();
    let mut process = Process::start(directory.path(), Store::in_memory(), &HUBS, NOON);
    process.look(61);
    let all = process.present;
    process.present = snapshot(directory.path(), &[("a", 1)], Some(&all));
    let now = MonoTime::from_millis(process.seconds * 1_000);
    process.telemetry.follow(&process.present, now);
    assert!(process.telemetry.history(&hub("b")).is_none());
    process.look(30);
    process.present = all;
    process.telemetry.follow(&process.present, process.now());
    assert_eq!((process.known("a"), process.known("b")), ((6, 0), (4, 0)));
    process.look(30);
    assert_eq!((process.known("a"), process.known("b")), ((8, 0), (6, 2)));

    // Another address is another hub.
    process.present = snapshot(directory.path(), &[("a", 3), ("b", 2)], None);
    process.telemetry.follow(&process.present, process.now());
    assert_eq!((process.known("a"), process.known("b")), ((0, 0), (6, 2)));
}

#[tokio::test]
async fn what_hubs_are_like_is_recorded_hour_by_hour_and_at_the_end() {
    let (directory, state) = (directory(), directory());
    let mut process = Process::start(directory.path(), Store::in_memory(), &HUBS, NOON);
    let mut recorder = Recorder::new(state.path());
    assert!(recorder.due(&process.telemetry).is_none());
    process.look(3_600 - 15);
    recorder.acted(&hub("b"), NOON + 900);
    assert!(recorder.due(&process.telemetry).is_none(), "not yet an hour");
    process.look(31);
    recorder.due(&process.telemetry).expect("an hour of both").write();
    process.look(150);
    recorder.rest(&process.telemetry).expect("ten periods").write();
    assert!(recorder.rest(&process.telemetry).is_none());
    // `b` is down all the time.
    let told = records(&state.path().join("record"), 0, 9).expect("a folder");
    assert_eq!(
        told.iter().map(|record| (record.len(), record.failures())).collect::<Vec<_>>(),
        [(251, 1), (251, 0)]
    );
    assert_eq!(told[0].pupil().acted.len(), 1);
    assert_eq!(records(&state.path().join("record"), 0, 1).expect("a folder").len(), 1);
    assert!(records(&state.path().join("record"), NOON + 86_400, 9).expect("a folder").is_empty());
    assert!(records(&state.path().join("nowhere"), 0, 9).is_err());

    // Files that cannot be written harm nobody.
    let mut lost = Recorder::new(&state.path().join("record").join("a.record"));
    assert!(lost.due(&process.telemetry).is_none());
    process.look(3_616);
    lost.due(&process.telemetry).expect("an hour of both").write();
}

#[test]
fn bytes_that_are_no_past_are_passed_over_and_old_ones_forgotten() {
    let directory = directory();
    let store = Store::in_memory();
    let mut process = Process::start(directory.path(), store.clone(), &HUBS, NOON);
    process.look(61);
    process.telemetry.rest(process.now()).expect("something").write();
    store.put_telemetry(vec![(hub("a"), b"MCHT\x01 is where it ends".to_vec())]);

    let only = [("a", 1)];
    let next = Process::start(directory.path(), store.clone(), &only, NOON + 100);
    assert_eq!(next.known("a"), (0, 0));
    assert!(store.telemetry_of(&hub("b")).is_some(), "it may come back");
    let later = NOON + 100 + KEPT.as_secs();
    let _next = Process::start(directory.path(), store.clone(), &only, later);
    assert!(store.telemetry_of(&hub("b")).is_none(), "nothing of it is of use any more");
}
