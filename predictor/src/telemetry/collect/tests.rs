//! A fleet of two, looked at second by second.

use super::*;
use crate::telemetry::{Sample, Signal};
use mcphub_health::{Boot, Outcome};
use mcphub_routing::*;

const NOON: u64 = 1_795_435_200;
const SERVING: HubState = HubState::SERVING;
const OUT: HubState = HubState::Drained { cause: Cause::Operator };
const FORECAST: HubState = HubState::Drained { cause: Cause::Forecast };

fn id(name: &str) -> HubId {
    HubId::new(name).unwrap()
}

fn ejected() -> HubState {
    HubState::Ejected { retry_at: MonoTime::ZERO, strikes: 1 }
}

/// A world in which `a` is as it is told to be, and `b` is always well.
struct World {
    collector: Collector,
    /// Seconds of the monotonic clock.
    now: u64,
    /// Of the wall clock.
    wall: u64,
    state: HubState,
    panic: bool,
    boot: Boot,
    /// Whether probes of `a` pass.
    passes: bool,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            collector: Collector::default(),
            now: 3_600,
            wall: NOON,
            state: SERVING,
            panic: false,
            boot: Boot::default(),
            passes: true,
        };
        for name in ["a", "b"] {
            world.collector.appear(id(name), History::default(), world.mono());
        }
        world
    }

    fn mono(&self) -> MonoTime {
        MonoTime::from_millis(self.now * 1_000 + 300)
    }

    fn table(&self) -> RoutingTable {
        let hub = |name: &str, state| HubSpec {
            state,
            ..HubSpec::new(id(name), HubType::Primary, LocationName::new("here").unwrap())
        };
        let reach = vec![Reach { cost_ms: 1, within_radius: false }; 2];
        let place = PlaceSpec { name: "here".into(), residency: PlaceResidency::Anywhere, reach };
        let spec = TableSpec {
            algorithm: Algorithm::Geographic,
            hubs: vec![hub("a", self.state), hub("b", SERVING)],
            residencies: vec![],
            places: vec![place],
        };
        let table = RoutingTable::build(&spec, Generation::FIRST).unwrap();
        table.revise().panic(self.panic).build(Generation::FIRST)
    }

    fn evidence(&self, passes: bool) -> Evidence {
        let now = self.mono();
        let mut evidence = Evidence::none(now);
        evidence.probes.last_end = Some(now);
        if passes {
            (evidence.probes.passes, evidence.probes.last) = (9, Some(Outcome::Ok));
            evidence.probes.last_pass = Some(now);
            evidence.passive.last_answer = Some(now);
        } else {
            (evidence.probes.fails, evidence.probes.unanswered) = (9, 9);
            evidence.probes.last = Some(Outcome::ConnectError);
            evidence.probes.against_since = Some(now.before(Duration::from_secs(3)));
        }
        evidence
    }

    /// So many looks, one a second.
    fn look(&mut self, seconds: u64) {
        for _ in 0..seconds {
            let mut a = self.evidence(self.passes);
            a.boot = self.boot;
            let evidence = BTreeMap::from([(id("a"), a), (id("b"), self.evidence(true))]);
            let (table, policy) = (self.table(), Policy::default());
            let look = Look {
                table: &table,
                evidence: &evidence,
                policy: &policy,
                now: self.mono(),
                unix_s: self.wall,
            };
            // Ten requests a second, so the rate tells whether each second is counted once.
            let ended = |_: &HubId, span: Span| {
                let seconds = span.until.since(span.from).as_secs() as u32;
                Window::of(&[(Outcome::Ok, 10 * seconds)])
            };
            self.collector.look(&look, ended);
            self.sleep(1);
        }
    }

    fn sleep(&mut self, seconds: u64) {
        (self.now, self.wall) = (self.now + seconds, self.wall + seconds);
    }

    fn history(&self) -> &History {
        self.collector.history(&id("a")).unwrap()
    }

    /// Since noon.
    fn episodes(&self) -> Vec<(u64, u64)> {
        self.history().episodes().iter().map(|episode| (episode.start - NOON, episode.end - NOON)).collect()
    }

    /// Which periods are known.
    fn known(&self) -> Vec<bool> {
        self.history().samples().map(|(_, slot)| slot.sample.is_some()).collect()
    }
}

#[test]
fn a_period_makes_a_sample_when_it_is_over() {
    let mut world = World::new();
    world.look(15);
    assert!(world.known().is_empty());
    world.look(1);
    assert_eq!(world.known(), [true]);
    world.look(60);
    assert_eq!(world.known(), [true; 5]);
    for (start, slot) in world.history().samples() {
        assert_eq!(start % 15, NOON % 15);
        let rate = slot.sample.and_then(|sample| sample.get(Signal::Rate)).unwrap();
        assert_eq!(rate, 10.0);
    }
    assert!(world.episodes().is_empty());
}

#[test]
fn periods_that_nobody_looked_at_are_gaps() {
    let mut world = World::new();
    world.look(31);
    assert_eq!(world.known(), [true; 2]);
    // The third is looked at thrice, the fourth and fifth not at all, the sixth for its last ten seconds.
    world.look(2);
    world.sleep(47);
    world.look(12);
    assert_eq!(world.known(), [true, true, false, false, false, true]);
    // Suspended for a night: what was seen before it is lost, as requests are counted for a minute only.
    world.look(13);
    world.sleep(8 * 3_600);
    world.look(30);
    let known = world.known();
    // By now, minutes: the first has two samples in it, the second one.
    assert!(known.starts_with(&[true, true, false]) && known.ends_with(&[false, true]), "{known:?}");
    assert_eq!(known.iter().filter(|known| **known).count(), 3);
}

#[test]
fn half_a_period_of_failing_makes_an_episode() {
    let check = |failing: u64, expected: &[(u64, u64)]| {
        let mut world = World::new();
        world.look(30);
        world.passes = false;
        world.look(failing);
        world.passes = true;
        world.look(60);
        assert_eq!(world.episodes(), expected, "failing for {failing} s");
    };
    check(0, &[]);
    check(7, &[]);
    check(8, &[(30, 45)]);
    check(22, &[(30, 45)]);
    check(23, &[(30, 60)]);
}

#[test]
fn failures_soon_after_each_other_are_one_episode() {
    let check = |between: u64, episodes: usize| {
        let mut world = World::new();
        for _ in 0..2 {
            world.passes = false;
            world.look(15);
            world.passes = true;
            world.look(between);
        }
        assert_eq!(world.episodes().len(), episodes, "{between} s apart");
    };
    check(300, 1);
    check(585, 1);
    check(600, 2);
}

#[test]
fn an_ejected_hub_fails_until_it_is_there_again() {
    let mut world = World::new();
    (world.state, world.passes) = (ejected(), false);
    world.look(30);
    world.passes = true;
    world.look(300);
    assert_eq!(world.episodes(), [(0, 30)], "what outlasts the failure is our caution");
}

#[test]
fn what_an_operator_takes_out_does_not_fail() {
    let mut world = World::new();
    (world.state, world.passes) = (OUT, false);
    world.look(120);
    assert!(world.episodes().is_empty());
    assert_eq!(world.known().len(), 7, "it is watched all the same");
}

#[test]
fn what_is_known_beside_a_failure_is_noted() {
    let marks = |world: &World| {
        let episode = *world.history().episodes().iter().next().unwrap();
        (episode.acted, episode.restarted, episode.common)
    };
    let fail = |world: &mut World| {
        world.passes = false;
        world.look(30);
        world.passes = true;
    };
    let mut world = World::new();
    fail(&mut world);
    assert_eq!(marks(&world), (false, false, false));
    // It comes back as a new process.
    world.boot = Boot { id: None, restarted_at: Some(world.mono()), restarts: 1 };
    world.look(15);
    assert_eq!(marks(&world), (false, true, false));
    assert_eq!(world.history().restarted_at(), Some(NOON + 30));

    let mut world = World::new();
    world.boot = Boot { id: None, restarted_at: Some(world.mono()), restarts: 1 };
    world.look(300);
    fail(&mut world);
    world.look(1);
    assert_eq!(marks(&world), (false, true, false), "a bad deploy");

    let mut world = World::new();
    world.state = FORECAST;
    world.look(15);
    world.state = SERVING;
    world.look(600);
    fail(&mut world);
    world.look(1);
    assert_eq!(marks(&world), (true, false, false));

    let mut world = World::new();
    world.collector.acted(&id("a"), world.mono());
    world.look(ACTED_WITHIN.as_secs());
    fail(&mut world);
    world.look(1);
    assert_eq!(marks(&world), (false, false, false), "that is long ago");

    let mut world = World::new();
    world.panic = true;
    fail(&mut world);
    world.look(1);
    assert_eq!(marks(&world), (false, false, true));
}

#[test]
fn a_wall_clock_that_jumps_changes_no_sample() {
    let mut world = World::new();
    world.look(100);
    world.wall += 365 * 86_400;
    world.look(100);
    world.wall -= 366 * 86_400;
    world.look(101);
    assert_eq!(world.known(), [true; 20]);
    let newest = world.history().newest().unwrap();
    assert!(newest <= world.wall && world.wall - newest < 16);
}

#[test]
fn hubs_come_and_go_with_their_past() {
    let mut world = World::new();
    world.look(61);
    let past = world.collector.vanish(&id("a")).unwrap();
    assert!(world.collector.vanish(&id("a")).is_none() && world.collector.history(&id("a")).is_none());
    world.look(45);
    assert_eq!(world.collector.histories().count(), 1);
    let kept = History::from_bytes(&past.to_bytes(7)).unwrap().1;
    let now = world.mono();
    world.collector.appear(id("a"), kept, now);
    world.look(31);
    // Three periods without it. In the one in which it came back it was looked at from the second second on.
    let known = world.known();
    assert_eq!(known, [true, true, true, true, false, false, false, true, true]);
    // Appearing twice changes nothing.
    world.collector.appear(id("a"), History::default(), now);
    assert_eq!(world.known(), known);
}

#[test]
fn hubs_without_evidence_and_tables_without_hubs_are_passed_over() {
    let mut collector = Collector::default();
    let world = World::new();
    let (table, policy, evidence) = (world.table(), Policy::default(), BTreeMap::new());
    for second in 0..40 {
        let now = MonoTime::from_millis(second * 1_000);
        let look = Look { table: &table, evidence: &evidence, policy: &policy, now, unix_s: 0 };
        collector.appear(id("c"), History::default(), now);
        collector.look(&look, |_, _| Window::default());
    }
    assert!(collector.history(&id("c")).unwrap().newest().is_none());
    assert_eq!(collector.history(&id("c")).unwrap().latest(), None::<Sample>);
}
