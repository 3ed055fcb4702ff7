//! What the control loop notes down, without its task.

use super::fleet::{Fleet, Scope};
use super::journal::answers_nothing;
use super::plans::Plans;
use super::{Control, Parts, read};
use crate::observe::metrics::Metrics;
use crate::sessions::Sessions;
use crate::snapshot::Snapshot;
use crate::snapshot::tests::snapshot;
use crate::store::{Store, Trigger, WishRecord};
use crate::watch::{Timing, Watch};
use mcphub_health::Outcome;
use mcphub_predictor::{Declined, Leave, Objection, Plan, Reason, Step, Wish};
use mcphub_routing::{Cause, HubId, HubState, MonoTime};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const SECOND: Duration = Duration::from_secs(1);
const DRAINED: HubState = HubState::Drained { cause: Cause::Operator };

fn hub(name: &str) -> HubId {
    HubId::new(name).expect("a name")
}

fn now() -> MonoTime {
    crate::clock::now()
}

/// Two hubs and all that the control task knows of them.
struct World {
    fleet: Fleet,
    present: Snapshot,
    store: Store,
    directory: TempDir,
    sessions: Arc<Sessions>,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let present = snapshot(directory.path(), &[("a", 1), ("b", 2)], None);
        let store = Store::in_memory();
        let sessions = Arc::new(Sessions::default());
        let mut fleet = Fleet::new(1, &store, &sessions, now());
        fleet.follow(&present, now());
        Self { fleet, present, store, directory, sessions }
    }

    /// As a process that begins where another has ended, so long ago.
    fn restart(&mut self, away: Duration) {
        let present = snapshot(self.directory.path(), &[("a", 1), ("b", 2)], None);
        self.sessions = Arc::new(Sessions::default());
        self.fleet = Fleet::new(1, &self.store, &self.sessions, now());
        self.fleet.follow(&present, now());
        let away = u64::try_from(away.as_millis()).expect("short");
        self.fleet.adopt_wishes(crate::clock::unix_millis() + away);
        self.present = present;
    }

    fn fail(&self, times: u32) {
        for _ in 0..times {
            let at = crate::clock::instant();
            self.present.upstreams[0].note(Outcome::Reset, at, at, None);
            self.present.upstreams[0].failed_one();
        }
    }

    /// Decides, and makes the next table of it, as the task does.
    fn decide(&mut self) -> Plan {
        let at = now();
        self.fleet.gather(Scope::All, at);
        let plan = mcphub_predictor::decide(&self.present.table, &self.fleet.inputs, &self.fleet.policy, at);
        let checked = mcphub_predictor::check(
            plan.clone(),
            &self.present.table,
            &self.fleet.inputs,
            &self.fleet.policy,
        );
        let table = checked.expect("within the rails").apply(&self.present.table).expect("fits");
        self.present = self.present.with_table(table);
        self.fleet.remember(plan.memory.clone());
        self.fleet.published(&plan, &self.present.table, at);
        plan
    }

    fn state(&self, name: &str) -> HubState {
        let table = &self.present.table;
        table.find(name).and_then(|index| table.hub(index)).expect("there").state
    }

    fn wish(&mut self, out: Option<Leave>) {
        let wish = Wish { out, weight: None };
        let record = WishRecord { wish, at_unix_ms: crate::clock::unix_millis(), note: None };
        self.fleet.wish(&hub("a"), Some(record.clone()));
        self.store.set_wish(&hub("a"), Some(record));
    }
}

#[test]
fn a_hub_that_loses_requests_is_out_at_once_and_the_journal_says_what_it_cost() {
    let mut world = World::new();
    world.fleet.gather(Scope::All, now());
    world.fail(3);
    assert!(world.present.upstreams[0].take_suspicion(), "the first failure asks for a look");
    world.present.upstreams[1].moved_one();
    let plan = world.decide();
    assert!(matches!(world.state("a"), HubState::Ejected { strikes: 1, .. }), "{plan:?}");
    let records = world.store.failovers(10);
    let [record] = &records[..] else { panic!("{records:?}") };
    assert_eq!((record.hub.as_str(), record.backup.as_deref()), ("a", Some("b")));
    assert_eq!((record.by, record.how.as_str()), (Trigger::Automatic, "ejected"));
    assert_eq!((record.requests_failed, record.requests_moved), (3, 0), "b's are not a's");
    assert!(record.reason.contains("3 requests"), "{}", record.reason);
    assert!(record.ended_unix_ms.is_some() && record.back_unix_ms.is_none());

    // What fails of it later still counts.
    world.fail(2);
    world.fleet.gather(Scope::All, now());
    assert_eq!(world.store.failovers(1)[0].requests_failed, 5);
    assert_eq!(world.store.failovers(10).len(), 1, "one outage, one record");
}

#[test]
fn a_drain_is_told_from_its_beginning_to_the_return() {
    let mut world = World::new();
    world.wish(Some(Leave::Drain { deadline: Some(SECOND) }));
    world.decide();
    assert!(matches!(world.state("a"), HubState::Draining { .. }));
    let record = world.store.failovers(1).remove(0);
    assert_eq!((record.by, record.ended_unix_ms), (Trigger::Operator, None));
    assert_eq!((record.how.as_str(), record.expected_recovery_ms), ("drained", None));
    world.sessions.pins_of(&hub("a")).moved_one();
    world.sessions.pins_of(&hub("b")).moved_one();
    world.fleet.gather(Scope::All, now());
    assert_eq!(world.store.failovers(1)[0].sessions_moved, 1, "b's are not a's");
    world.wish(Some(Leave::Now));
    world.decide();
    assert_eq!(world.state("a"), DRAINED);
    let record = world.store.failovers(1).remove(0);
    assert!(record.ended_unix_ms.is_some() && record.ended_because.is_some(), "{record:?}");
    world.fleet.wish(&hub("a"), None);
    world.decide();
    assert!(world.state("a").takes().is_some(), "{:?}", world.state("a"));
    assert!(world.store.failovers(1)[0].back_unix_ms.is_some());
    assert_eq!(world.fleet.journal.open(&hub("a")), None);
}

#[test]
fn what_the_operator_wanted_goes_on_in_the_next_process_where_it_was() {
    let mut world = World::new();
    world.wish(Some(Leave::Drain { deadline: Some(60 * SECOND) }));
    world.decide();
    world.fail(1);
    world.fleet.gather(Scope::All, now());
    world.sessions.pins_of(&hub("a")).moved_one();
    world.fleet.gather(Scope::All, now());
    let record = world.store.failovers(1).remove(0);
    assert_eq!((record.requests_failed, record.sessions_moved), (1, 1));

    // In the middle of a drain: what is left of its time, in the same record.
    world.restart(20 * SECOND);
    world.decide();
    let HubState::Draining { deadline, .. } = world.state("a") else { panic!("{:?}", world.state("a")) };
    let left = deadline.since(now());
    assert!(left <= 40 * SECOND && left > 10 * SECOND, "{left:?}");
    world.fail(2);
    world.sessions.pins_of(&hub("a")).moved_one();
    world.fleet.gather(Scope::All, now());
    let [again] = &world.store.failovers(10)[..] else { panic!("one outage, one record") };
    assert_eq!((again.id, again.requests_failed, again.ended_unix_ms), (record.id, 3, None));
    assert_eq!(again.sessions_moved, 2);

    // After its time, or once it was over: out at once.
    world.restart(60 * SECOND);
    world.decide();
    assert_eq!(world.state("a"), DRAINED);
    assert!(world.store.failovers(1)[0].ended_unix_ms.is_some());
    world.restart(Duration::ZERO);
    world.decide();
    assert_eq!(world.state("a"), DRAINED, "it was over");
    assert_eq!(world.store.failovers(10).len(), 1);

    // A later wish is another outage.
    world.fleet.wish(&hub("a"), None);
    world.decide();
    assert!(world.store.failovers(1)[0].back_unix_ms.is_some());
    world.wish(Some(Leave::Drain { deadline: Some(60 * SECOND) }));
    world.decide();
    assert!(matches!(world.state("a"), HubState::Draining { .. }), "{:?}", world.state("a"));
    assert_eq!(world.store.failovers(10).len(), 2);
}

/// Before the task runs at all: whoever has the snapshots may be serving by then.
#[tokio::test]
async fn what_the_operator_wanted_before_is_granted_before_anybody_is_served() {
    let World { present, store, directory, .. } = World::new();
    let wish = Wish { out: Some(Leave::Now), weight: None };
    store.set_wish(&hub("a"), Some(WishRecord { wish, at_unix_ms: 1, note: None }));
    let (publisher, snapshots) = mcphub_routing::channel(present);
    let config = directory.path().join("edge.toml");
    let parts = Parts {
        loaded: read(&config).expect("sound"),
        config,
        publisher,
        metrics: Metrics::new().expect("names are unique"),
        sessions: Arc::new(Sessions::default()),
        log: None,
        watch: Watch::start([], Timing::default()).expect("nothing to watch"),
        store,
    };
    let _control = Control::new(parts);
    let table = &snapshots.load_full().table;
    assert_eq!(table.find("a").and_then(|index| table.hub(index)).expect("there").state, DRAINED);
}

#[test]
fn a_hub_that_leaves_the_configuration_is_forgotten() {
    let mut world = World::new();
    world.fail(3);
    world.decide();
    let directory = tempfile::tempdir().expect("a directory");
    let next = snapshot(directory.path(), &[("b", 2)], Some(&world.present)).carrying_on(&world.present);
    world.fleet.follow(&next, now());
    assert!(!world.fleet.inputs.evidence.contains_key(&hub("a")));
    assert!(world.fleet.inputs.memory.hubs.is_empty());
    assert_eq!(world.fleet.schedule.hubs().map(HubId::as_str).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn what_is_declined_is_told_once() {
    let world = World::new();
    let table = &world.present.table;
    let mut plans = Plans::default();
    let step = Step { hub: hub("a"), from: HubState::SERVING, to: DRAINED, reason: Reason::Operator };
    let until = |millis| Objection::Dwell { until: MonoTime::from_millis(millis) };
    let declined = |objection| Declined { step: step.clone(), objection };
    let quiet = Plan::nothing(table);
    plans.note(&quiet, table, None);
    assert!(plans.newest().is_empty(), "nothing is no news");
    let waits = |millis| Plan { declined: vec![declined(until(millis))], ..Plan::nothing(table) };
    plans.note(&waits(1), table, None);
    plans.note(&waits(2), table, None);
    assert_eq!(plans.newest().len(), 1, "the same objection");
    plans.note(&Plan { declined: vec![declined(Objection::Floor)], ..Plan::nothing(table) }, table, None);
    assert_eq!(plans.newest().len(), 2);
    let objection = plans.newest()[0].declined[0].objection.clone();
    assert_eq!(objection.as_deref(), Some("too few hubs would be left serving"));
    plans.note(&quiet, table, None);
    plans.note(&waits(3), table, None);
    assert_eq!(plans.newest().len(), 3, "it was over in between");
    let steps = Plan { steps: vec![step], ..Plan::nothing(table) };
    (0..200).for_each(|_| plans.note(&steps, table, Some(table.generation().next())));
    let newest = plans.newest();
    assert_eq!(newest.len(), 128, "bounded");
    assert!(newest.iter().all(|plan| plan.steps.len() == 1 && plan.published.is_some()));
}

#[test]
fn only_a_hub_that_answers_nothing_is_given_up() {
    let check = |to, reason, expected| {
        let step = Step { hub: hub("a"), from: HubState::SERVING, to, reason };
        assert_eq!(answers_nothing(&step), expected, "{step:?}");
    };
    let ejected = HubState::Ejected { retry_at: MonoTime::ZERO, strikes: 1 };
    check(ejected, Reason::ProbesFailed { count: 3 }, true);
    check(ejected, Reason::RequestsFailed { outcome: Outcome::Timeout, count: 3 }, true);
    check(ejected, Reason::RequestsFailed { outcome: Outcome::Http5xx, count: 5 }, false);
    check(ejected, Reason::Slow { times: 20_000 }, false);
    check(DRAINED, Reason::Operator, false);
    check(DRAINED, Reason::ProbesFailed { count: 3 }, true);
}
