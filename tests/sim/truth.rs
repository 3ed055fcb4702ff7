//! How are the hubs really? Only the simulation knows; the gateway has to find out.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use mcphub_health::{Outcome, Recorder};
use mcphub_routing::{EraSet, HubId, HubType, LocationName, MonoTime};

use crate::dice::Dice;
use crate::script::{Happening, HubLine, Probing};

/// How long a request waits for its answer. (Five minutes in the gateway; less here, or a hang would never end.)
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(4);
/// How long it waits for a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// After this a lost SYN is sent again, and after twice as long once more.
const SYN_AGAIN: Duration = Duration::from_secs(1);
/// After this and a round trip a lost packet is sent again, and after twice as long once more.
const DATA_AGAIN: Duration = Duration::from_millis(200);
/// Loss up to this (‰) is life, not a fault.
const LOSS_USUAL: u16 = 10;

/// What the gateway keeps about the requests to one hub, for as long as that hub is configured.
#[derive(Debug, Default)]
pub struct Meter {
    pub recorder: Recorder,
    pub in_flight: Cell<u32>,
}

/// One hub.
pub struct Hub {
    pub id: HubId,
    pub location: LocationName,
    pub kind: HubType,
    pub eras: EraSet,
    /// Is it configured?
    pub present: bool,
    pub meter: Rc<Meter>,
    up: bool,
    silent: bool,
    cut: bool,
    slow: u32,
    errors: u16,
    loss: u16,
    probing: Probing,
    /// How many times its process was started.
    pub boot: u32,
    /// Since when it answers nothing.
    pub dead_since: Option<MonoTime>,
    /// For how long it had had no fault then.
    pub clean_before: Duration,
    /// When it last had any fault.
    faulty_until: Option<MonoTime>,
    /// When it last was anything but well or dead: slow, losing packets, erring, lying.
    odd_until: Option<MonoTime>,
    round_trip: Duration,
    work: Duration,
}

/// What will come of something sent to a hub.
#[derive(Debug, Clone, Copy)]
pub struct Fate {
    pub outcome: Outcome,
    /// From its beginning to its end.
    pub took: Duration,
    /// How long it took to open a connection, if it needed one.
    pub connect: Option<Duration>,
}

impl Hub {
    pub fn new(line: &HubLine, dice: &mut Dice) -> Self {
        Self {
            id: HubId::new(&line.name).unwrap(),
            location: LocationName::new(&line.location).unwrap(),
            kind: line.kind,
            eras: line.eras,
            present: !line.later,
            meter: Rc::default(),
            up: true,
            silent: false,
            cut: false,
            slow: 1,
            errors: 0,
            loss: 0,
            probing: Probing::Honest,
            boot: 1,
            dead_since: None,
            clean_before: Duration::ZERO,
            faulty_until: None,
            odd_until: None,
            round_trip: Duration::from_millis(dice.between(1, 40)),
            work: Duration::from_millis(dice.between(2, 15)),
        }
    }

    /// Something happens to it. True if what is on its way there now comes to something else.
    pub fn happens(&mut self, what: Happening, now: MonoTime) -> bool {
        let clean = self.clean_for(now);
        self.touch(now);
        let dead = self.is_dead();
        match what {
            Happening::Crash => self.up = false,
            Happening::Hang => self.silent = true,
            Happening::Cut => self.cut = true,
            Happening::Slow(times) => self.slow = times.max(1),
            Happening::Errors(share) => self.errors = share,
            Happening::Loss(share) => self.loss = share,
            Happening::Probes(probing) => self.probing = probing,
            Happening::Mend => {
                self.boot += u32::from(!self.up);
                (self.up, self.silent, self.cut) = (true, false, false);
                (self.slow, self.errors, self.loss, self.probing) = (1, 0, 0, Probing::Honest);
            }
            _ => {}
        }
        if self.is_dead() && !dead {
            self.clean_before = clean;
        }
        self.dead_since = if self.is_dead() { self.dead_since.or(Some(now)) } else { None };
        self.touch(now);
        dead != self.is_dead() || what == Happening::Crash
    }

    fn touch(&mut self, now: MonoTime) {
        if self.is_faulty() {
            self.faulty_until = Some(now);
        }
        if self.is_odd() {
            self.odd_until = Some(now);
        }
    }

    /// Does it answer nothing?
    pub fn is_dead(&self) -> bool {
        !self.up || self.silent || self.cut
    }

    /// Are connections to it refused?
    pub fn refuses(&self) -> bool {
        !self.up && !self.cut
    }

    fn is_odd(&self) -> bool {
        self.slow > 1 || self.loss > 0 || self.errors > 0 || self.probing != Probing::Honest
    }

    fn is_faulty(&self) -> bool {
        let lies = self.probing != Probing::Honest;
        self.is_dead() || self.slow > 1 || self.errors > 0 || self.loss > LOSS_USUAL || lies
    }

    /// For how long it has had no fault.
    pub fn clean_for(&self, now: MonoTime) -> Duration {
        if self.is_faulty() {
            return Duration::ZERO;
        }
        self.faulty_until.map_or(Duration::MAX, |until| now.since(until))
    }

    /// For how long it has been well, or dead.
    pub fn plain_for(&self, now: MonoTime) -> Duration {
        if self.is_odd() {
            return Duration::ZERO;
        }
        self.odd_until.map_or(Duration::MAX, |until| now.since(until))
    }

    /// Is nothing wrong but that it answers no probe?
    pub fn is_only_deaf(&self) -> bool {
        let well = !self.is_dead() && self.slow == 1 && self.errors == 0 && self.loss == 0;
        well && self.probing == Probing::Silent
    }

    /// Do its probes tell what its requests tell?
    pub fn is_honest(&self) -> bool {
        self.probing == Probing::Honest
    }

    /// What comes of a probe that is sent now.
    pub fn probe(&self, timeout: Duration, dice: &mut Dice) -> Fate {
        let fate = match self.probing {
            Probing::Honest => self.fate(true, timeout, self.errors, dice),
            Probing::Pass => Fate { outcome: Outcome::Ok, ..self.well(true, dice) },
            Probing::Silent => never(timeout),
            Probing::Denied => self.fate(true, timeout, 1000, dice),
        };
        // A probe has one time for everything.
        if fate.took >= timeout { never(timeout) } else { fate }
    }

    /// What comes of a request that is sent now.
    pub fn request(&self, dice: &mut Dice) -> Fate {
        let fresh = dice.chance(200);
        self.fate(fresh, ANSWER_DEADLINE, self.errors, dice)
    }

    fn fate(&self, fresh: bool, deadline: Duration, errors: u16, dice: &mut Dice) -> Fate {
        let unreached = |took| Fate { outcome: Outcome::ConnectError, took, connect: Some(took) };
        if self.cut {
            return if fresh { unreached(CONNECT_DEADLINE) } else { never(deadline) };
        }
        if !self.up {
            return unreached(self.round_trip);
        }
        let fate = self.well(fresh, dice);
        if fate.connect.is_some_and(|took| took >= CONNECT_DEADLINE) {
            return unreached(CONNECT_DEADLINE);
        }
        let waited = fate.connect.unwrap_or_default();
        if self.silent || fate.took - waited >= deadline {
            return Fate { outcome: Outcome::Timeout, took: waited + deadline, ..fate };
        }
        let outcome = if dice.chance(errors) { Outcome::Http5xx } else { Outcome::Ok };
        Fate { outcome, ..fate }
    }

    /// An answer, and how long it takes.
    fn well(&self, fresh: bool, dice: &mut Dice) -> Fate {
        let connect = fresh.then(|| self.round_trip + self.resent(SYN_AGAIN, dice));
        let answer = dice.about(self.work) * self.slow + self.round_trip;
        let answer = answer + self.resent(DATA_AGAIN + self.round_trip, dice);
        Fate { outcome: Outcome::Ok, took: answer + connect.unwrap_or_default(), connect }
    }

    /// The time lost because a packet, or the answer to it, was.
    fn resent(&self, first: Duration, dice: &mut Dice) -> Duration {
        let (mut wait, mut lost) = (first, Duration::ZERO);
        while (dice.chance(self.loss) || dice.chance(self.loss)) && lost < ANSWER_DEADLINE {
            lost += wait;
            wait *= 2;
        }
        lost
    }
}

fn never(deadline: Duration) -> Fate {
    Fate { outcome: Outcome::Timeout, took: deadline, connect: None }
}
