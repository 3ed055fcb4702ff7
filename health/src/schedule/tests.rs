use super::*;
use crate::{Outcome, Probes};
use proptest::prelude::*;

const SETTINGS: ProbeSettings = ProbeSettings {
    interval: Duration::from_secs(2),
    timeout: Duration::from_secs(1),
    doubt: Duration::from_millis(100),
    stall: Duration::from_millis(300),
    burst: 3,
    burst_gap: Duration::from_millis(150),
};

fn at(millis: u64) -> MonoTime {
    MonoTime::from_millis(millis)
}

fn id(n: usize) -> HubId {
    HubId::new(&format!("hub-{n}")).unwrap()
}

/// What a hub does with a probe that comes at this millisecond.
#[derive(Debug, Clone, Copy)]
enum Does {
    Answer(u64),
    Refuse,
    Nothing,
}

/// A schedule, its hubs, and what is on its way to and fro, in virtual time.
struct World {
    schedule: Schedule,
    now: u64,
    /// Milliseconds between being due and being asked.
    lag: u64,
    coming: Vec<(u64, HubId, ProbeReport)>,
    sent: Vec<(u64, HubId)>,
}

impl World {
    fn new(hubs: usize, seed: u64) -> Self {
        let mut schedule = Schedule::new(seed);
        (0..hubs).for_each(|n| schedule.add(id(n), SETTINGS, at(0)));
        Self { schedule, now: 0, lag: 0, coming: vec![], sent: vec![] }
    }

    /// Runs until this millisecond, or until `done` says so after something happened.
    fn run(&mut self, until: u64, does: impl Fn(u64) -> Does, mut done: impl FnMut(&Self) -> bool) {
        while self.now <= until {
            let (back, rest) = self.coming.drain(..).partition(|(when, ..)| *when <= self.now);
            self.coming = rest;
            let back: Vec<(u64, HubId, ProbeReport)> = back;
            back.iter().for_each(|(_, hub, report)| self.schedule.ended(hub, report));
            for order in self.schedule.due(at(self.now)) {
                self.sent.push((self.now, order.hub.clone()));
                let (outcome, took) = match does(self.now) {
                    Does::Answer(millis) => (Outcome::Ok, millis),
                    Does::Refuse => (Outcome::ConnectError, 1),
                    Does::Nothing => (Outcome::Timeout, order.timeout.as_millis() as u64),
                };
                let latency = Duration::from_millis(took);
                let report = ProbeReport { id: order.id, outcome, latency, eras: None, boot: None };
                self.coming.push((self.now + took, order.hub, report));
            }
            if done(self) {
                return;
            }
            let wake = self.schedule.wake_at().map(|wake| wake.as_nanos().div_ceil(1_000_000));
            let next = self.coming.iter().map(|(when, ..)| *when).chain(wake).min();
            let next = next.map_or(until + 1, |next| next.max(self.now + 1) + self.lag);
            self.now = next.min(until + 1);
        }
    }

    fn probes(&self, n: usize) -> Probes {
        self.schedule.ledger(&id(n)).unwrap().probes(at(self.now))
    }

    /// The most probes to one hub within one interval.
    fn rate_max(&self) -> usize {
        let within = |(n, (from, hub)): (usize, &(u64, HubId))| {
            let later = self.sent[n..].iter().take_while(|(when, _)| *when < from + 2_000);
            later.filter(|(_, other)| other == hub).count()
        };
        self.sent.iter().enumerate().map(within).max().unwrap_or(0)
    }
}

#[test]
fn a_healthy_hub_is_probed_at_its_interval() {
    let mut world = World::new(4, 7);
    world.run(60_000, |_| Does::Answer(5), |_| false);
    for n in 0..4 {
        let times: Vec<_> = world.sent.iter().filter(|(_, hub)| *hub == id(n)).map(|(t, _)| *t).collect();
        assert!(times[0] <= 80, "the first goes out soon: {times:?}");
        let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (1_800..=2_001).contains(gap)), "{gaps:?}");
        assert!(gaps.iter().min() < gaps.iter().max(), "by lot: {gaps:?}");
        assert_eq!(world.probes(n).passes as usize, times.len());
    }
}

#[test]
fn nobody_looks_where_nothing_is_due() {
    let mut world = World::new(3, 5);
    let mut looks = 0;
    world.run(
        60_000,
        |_| Does::Answer(5),
        |_| {
            looks += 1;
            false
        },
    );
    // Once for each probe that goes out, and once for each that comes back.
    assert!(looks <= 2 * world.sent.len() + 1, "{looks} looks for {} probes", world.sent.len());
    assert!(world.schedule.ripe(at(world.now)).count() <= 1);
}

#[test]
fn a_failed_request_is_looked_into_at_once_and_once() {
    let mut world = World::new(1, 1);
    world.run(5_000, |_| Does::Answer(5), |_| false);
    let before = world.sent.len();
    (0..100).for_each(|_| world.schedule.suspect(&id(0), at(world.now)));
    let began = world.now;
    world.run(began + 100, |_| Does::Answer(5), |_| false);
    assert_eq!(world.sent.len() - before, 1, "one that passes is enough");
    assert!(world.sent[before].0 <= began + 10);
    // The next suspicion waits for its turn, but is not forgotten.
    world.schedule.suspect(&id(0), at(world.now));
    world.run(began + 4_000, |_| Does::Answer(5), |_| false);
    assert!(world.rate_max() <= 3);
}

#[test]
fn a_hub_known_to_be_down_is_not_hammered() {
    let mut world = World::new(1, 3);
    world.run(120_000, |_| Does::Refuse, |_| false);
    assert!((60..=60 * 10 / 9 + 4).contains(&world.sent.len()), "{}", world.sent.len());
}

#[test]
fn a_long_pause_is_caught_up_with_once_and_not_held_against_the_hubs() {
    let mut world = World::new(100, 5);
    world.run(10_000, |now| if now < 9_950 { Does::Answer(5) } else { Does::Nothing }, |_| false);
    assert!(!world.coming.is_empty(), "some are on their way");
    world.coming.clear();
    let before = world.sent.len();
    world.now = 3_610_000;
    world.run(3_610_000, |_| Does::Answer(5), |_| false);
    assert_eq!(world.sent.len() - before, 50, "half of them in the first moment");
    assert!((0..100).all(|n| world.probes(n).against() == 0));
    world.run(3_611_500, |_| Does::Answer(5), |_| false);
    assert_eq!(world.sent.len() - before, 100, "and each once");
}

#[test]
fn hubs_come_and_go() {
    let mut world = World::new(1, 9);
    assert_eq!(world.schedule.due(at(0)).len(), 1);
    world.schedule.remove(&id(0));
    assert_eq!((world.schedule.wake_at(), world.schedule.hubs().count()), (None, 0));
    // The name comes back; the report of the old one's probe is not for the new one.
    world.schedule.add(id(0), SETTINGS, at(1));
    let old = ProbeReport {
        id: ProbeId(0),
        outcome: Outcome::Reset,
        latency: Duration::ZERO,
        eras: None,
        boot: None,
    };
    let orders = world.schedule.due(at(20));
    assert_eq!(orders.len(), 1);
    world.schedule.ended(&id(0), &old);
    assert_eq!(world.schedule.ledger(&id(0)).unwrap().probes(at(20)).fails, 0);
    // A shorter interval is kept to from the next probe on.
    let quick = ProbeSettings { interval: Duration::from_millis(50), ..SETTINGS };
    world.schedule.add(id(0), quick, at(30));
    assert_eq!(world.schedule.due(at(80)).len(), 1);
}

#[test]
fn settings_of_zero_do_not_spin() {
    let none = Duration::ZERO;
    let zero = ProbeSettings {
        interval: none,
        timeout: none,
        doubt: none,
        stall: none,
        burst: u32::MAX,
        burst_gap: none,
    };
    let mut schedule = Schedule::new(0);
    schedule.add(id(0), zero, at(0));
    let sent: usize = (0..1_000).map(|ms| schedule.due(at(ms)).len()).sum();
    assert!(sent <= 250, "{sent}");
    assert!(schedule.wake_at() > Some(at(999)));
}

proptest! {
    #[test]
    fn a_dead_hub_is_known_within_three_seconds(
        seed: u64, hubs in 1usize..30, usual in 1u64..=95, lag in 0u64..=3,
        died in 10_000u64..14_000, silent: bool,
    ) {
        let mut world = World::new(hubs, seed);
        world.lag = lag;
        let dead = if silent { Does::Nothing } else { Does::Refuse };
        // It dies, comes back 10 s later, and dies again 10 s after that.
        let does = |now| if now >= died && (now - died) % 20_000 < 10_000 { dead } else { Does::Answer(usual) };
        for died in [died, died + 20_000] {
            world.run(died - 5_000, does, |_| false);
            let mut false_alarms = 0;
            world.run(died - 1, does, |world| {
                false_alarms += (0..hubs).filter(|&n| world.probes(n).against() > 0).count();
                false
            });
            prop_assert_eq!(false_alarms, 0);
            world.run(died + 9_000, does, |world| (0..hubs).all(|n| world.probes(n).against() >= 4));
            prop_assert!(world.now < died + 3_000, "known after {} ms", world.now - died);
        }
        prop_assert!(world.rate_max() <= 5, "{}", world.rate_max());
    }

    #[test]
    fn the_rate_is_kept_whatever_happens(
        seed: u64,
        moods in proptest::collection::vec((0u64..3, 1u64..1_500), 30),
        suspicions in proptest::collection::vec(0u64..30_000, 0..30),
    ) {
        let mut world = World::new(2, seed);
        let does = |now: u64| match moods[(now / 1_000) as usize % moods.len()] {
            (0, _) => Does::Refuse,
            (1, _) => Does::Nothing,
            (_, took) => Does::Answer(took.min(999)),
        };
        let mut suspicions = suspicions;
        suspicions.sort_unstable();
        for when in suspicions {
            world.run(when, does, |_| false);
            world.schedule.suspect(&id(0), at(world.now));
        }
        world.run(30_000, does, |_| false);
        prop_assert!(world.rate_max() <= 5, "{}", world.rate_max());
    }
}

#[test]
fn a_hub_that_is_watched_closely_is_probed_four_times_as_often() {
    let mut world = World::new(2, 1);
    let probes = |world: &mut World, until| {
        world.sent.clear();
        world.run(until, |_| Does::Answer(5), |_| false);
        [id(0), id(1)].map(|hub| world.sent.iter().filter(|(_, sent)| *sent == hub).count())
    };
    probes(&mut world, 10_000);
    world.schedule.watch(&id(0), true, at(10_000));
    let [closely, otherwise] = probes(&mut world, 110_000);
    assert!((200..225).contains(&closely) && (50..57).contains(&otherwise), "{closely} {otherwise}");
    world.schedule.watch(&id(0), false, at(110_000));
    let [again, _] = probes(&mut world, 210_000);
    assert!((50..57).contains(&again), "{again}");
}
