//! One hub, from the first tick to the last.

use super::benign::Benign;
use super::course::{Condition, Course};
use super::dice::Dice;
use super::load::Load;
use super::network::Network;
use super::observe::{Look, tells};
use super::plan::{Planned, plan};
use super::request::Passage;
use super::server::{Server, Work};
use super::strain::{Reach, Strain};
use super::traits::Traits;
use super::truth::{DOWN_FROM, Fault, failures};
use super::{HubRun, Settings, Stream};
use crate::telemetry::Sample;

/// Ticks that an overload may feed itself, its cause gone, before somebody restarts the hub and turns retries away:
/// ten minutes.
const STUCK_TICKS: u32 = 40;

/// Ticks of calm between the end of a fault and the onset of the next: half an hour, so that each is to blame for its
/// own failure only.
const CALM_TICKS: u32 = 120;

/// Ticks that a killed process takes to start again, least and most.
const RESTART_TICKS: (f64, f64) = (4.0, 12.0);

/// A fault that is under way.
struct Active {
    course: Course,
    onset: u32,
}

/// The hub and what surrounds it.
struct World {
    traits: Traits,
    dice: Dice,
    load: Load,
    network: Network,
    server: Server,
    benign: Benign,
    /// The faults to come, the next one last.
    coming: Vec<Planned>,
    active: Option<Active>,
    calm_since: u32,
    stuck: u32,
    restarting: u32,
    seen: Condition,
    samples: Vec<Sample>,
    down: Vec<bool>,
    faults: Vec<Fault>,
}

/// The hub of this number.
pub(super) fn run(settings: &Settings, hub: u32) -> HubRun {
    let mut dice = Dice::new(settings.seed, Stream::Hub(hub).number());
    let traits = Traits::draw(&mut dice, settings.locations);
    let mut coming = plan(settings, &traits, &mut dice);
    coming.reverse();
    let ticks = settings.ticks();
    let mut world = World {
        load: Load::new(&traits, &mut dice),
        network: Network::new(&traits),
        server: Server::new(traits.clone()),
        benign: Benign::draw(&traits, ticks, &mut dice),
        coming,
        active: None,
        calm_since: 0,
        stuck: 0,
        restarting: 0,
        seen: Condition { failing: 0.0, down: false, wait: 0.0, killed: false },
        samples: Vec::with_capacity(ticks as usize),
        down: Vec::with_capacity(ticks as usize),
        faults: Vec::new(),
        traits,
        dice,
    };
    for tick in 0..ticks {
        world.step(tick);
    }
    world.finish()
}

impl World {
    fn step(&mut self, tick: u32) {
        let strain = self.strain(tick);
        let attempts = self.load.arrivals(tick, strain.demand, &mut self.dice);
        let path = self.network.step(&strain, &mut self.dice);
        let arriving = if strain.reach == Reach::Open { attempts } else { 0 };
        let work = self.server.step(arriving, &strain, &mut self.dice);
        let passage = Passage::new(&self.traits, &strain, path, work);

        let failing = passage.failing();
        let down = failing >= DOWN_FROM;
        self.load.hear(failing);
        let told = (self.traits.exports && tells(strain.reach)).then_some(&work);
        let look = Look { passage: &passage, attempts, timeout: self.traits.timeout, told };
        self.samples.push(look.sample(&mut self.dice));
        self.down.push(down);
        self.react(&work, failing, down);
    }

    /// All that the hub is under in this tick.
    fn strain(&mut self, tick: u32) -> Strain {
        let mut strain = self.benign.step(tick);
        if self.restarting > 0 {
            self.restarting -= 1;
            strain = strain.and(Strain { reach: Reach::Refusing, dead: true, ..Strain::NONE });
        }
        self.begin(tick);
        let Some(active) = &mut self.active else { return strain };
        let strain = strain.and(active.course.step(&self.seen, &mut self.dice));
        if active.course.is_over() {
            self.end_fault(tick, true);
        }
        strain
    }

    /// Begins the next fault, if it is due, the last one has been forgotten, and the hub is not down already.
    fn begin(&mut self, tick: u32) {
        let calm = self.active.is_none() && tick >= self.calm_since && !self.seen.down;
        if calm
            && self.coming.last().is_some_and(|next| next.due <= tick)
            && let Some(next) = self.coming.pop()
        {
            let busy = self.load.expected(tick) / self.traits.capacity();
            let course = Course::new(next.kind, &self.traits, busy, &mut self.dice);
            self.active = Some(Active { course, onset: tick });
        }
    }

    fn end_fault(&mut self, tick: u32, finished: bool) {
        if let Some(Active { course, onset }) = self.active.take() {
            self.faults.push(Fault::judge(course.kind(), onset, tick, &self.down, finished));
            self.calm_since = tick + CALM_TICKS;
        }
    }

    /// What people and supervisors do about what happened in a tick.
    fn react(&mut self, work: &Work, failing: f64, down: bool) {
        if work.killed {
            self.server.empty();
            self.restarting = self.dice.between(RESTART_TICKS.0, RESTART_TICKS.1) as u32;
        }
        self.stuck = if down && self.active.is_none() { self.stuck + 1 } else { 0 };
        if self.stuck >= STUCK_TICKS {
            self.server.empty();
            self.load.shed();
            self.stuck = 0;
        }
        let wait = work.backlog_wait.1 / self.traits.timeout;
        self.seen = Condition { failing, down, wait, killed: work.killed };
    }

    fn finish(mut self) -> HubRun {
        let ticks = self.down.len() as u32;
        self.end_fault(ticks, false);
        HubRun {
            failures: failures(&self.down, &self.faults),
            traits: self.traits,
            flow: self.server.flow(),
            samples: self.samples,
            down: self.down,
            faults: self.faults,
        }
    }
}
