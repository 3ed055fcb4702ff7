//! What looks like trouble and is none?
//!
//! Each of these moves a signal that some failure moves too, and brings no hub down: without them a forecast would
//! learn that whatever moves is about to break.

use super::TICKS_PER_DAY;
use super::dice::Dice;
use super::strain::Strain;
use super::traits::Traits;

/// Most of its capacity that a burst or a shift of demand takes a hub to on an ordinary day.
const BUSY_MAX: f64 = 0.85;

/// Most of all memory that a cache fills: a cache that made its hub page would be a leak.
const FULL_MAX: f64 = 0.8;

/// How long the nightly job takes, in ticks: ten minutes.
const NIGHTLY_TICKS: u32 = 40;

/// What kind of thing.
#[derive(Debug, Clone, Copy)]
enum Sort {
    /// More demand for a while.
    Burst,
    /// Some loss for a while.
    Loss,
    /// A release: a few errors, cold caches.
    Deploy,
    /// A cache fills, and stays full for a while: a leak, to look at.
    Warming,
    /// Demand finds another level.
    Shift,
}

/// Each sort, and how many there are a day: assumptions, a few things to see every day.
const PER_DAY: [(Sort, f64); 5] =
    [(Sort::Burst, 3.0), (Sort::Loss, 2.0), (Sort::Deploy, 0.7), (Sort::Warming, 0.8), (Sort::Shift, 0.3)];

/// One of them.
#[derive(Debug, Clone, Copy)]
struct Event {
    sort: Sort,
    start: u32,
    /// The first tick after it.
    end: u32,
    /// How much, in the unit of its sort.
    size: f64,
}

impl Event {
    fn draw(sort: Sort, start: u32, traits: &Traits, dice: &mut Dice) -> Self {
        let busiest = traits.utilisation * (1.0 + traits.swing);
        let room = (BUSY_MAX / busiest).max(1.0);
        let unused = (FULL_MAX - traits.memory - traits.garbage).max(0.0);
        let (ticks, size) = match sort {
            Sort::Burst => (dice.log_between(4.0, 40.0), dice.between(1.1, 1.8).min(room)),
            Sort::Loss => (dice.log_between(2.0, 20.0), dice.between(0.02, 0.1)),
            Sort::Deploy => (dice.between(1.0, 4.0), dice.between(0.02, 0.15)),
            Sort::Warming => (dice.log_between(80.0, 700.0), dice.between(0.05, 0.2).min(unused)),
            Sort::Shift => (f64::from(TICKS_PER_DAY), dice.between(0.75, 1.3).min(room)),
        };
        Self { sort, start, end: start + (ticks as u32).max(1), size }
    }

    /// `through` is how much of it is over, 0 to 1.
    fn strain(&self, through: f64) -> Strain {
        match self.sort {
            Sort::Burst | Sort::Shift => Strain { demand: self.size, ..Strain::NONE },
            Sort::Loss => Strain { loss: self.size, bad: 0.7, ..Strain::NONE },
            Sort::Deploy => Strain { errors: self.size, disk: 1.2, ..Strain::NONE },
            Sort::Warming => Strain { memory: self.size * (2.0 * through).min(1.0), ..Strain::NONE },
        }
    }
}

/// All of them, for one hub.
#[derive(Debug)]
pub(super) struct Benign {
    /// By start.
    events: Vec<Event>,
    /// How many of them have started; those that are over are dropped from `current`.
    begun: usize,
    current: Vec<Event>,
    nightly: u32,
    nightly_size: f64,
}

impl Benign {
    pub(super) fn draw(traits: &Traits, ticks: u32, dice: &mut Dice) -> Self {
        let mut events = Vec::new();
        for (sort, per_day) in PER_DAY {
            let gap = f64::from(TICKS_PER_DAY) / per_day;
            let mut at = dice.exponential(gap);
            while at < f64::from(ticks) {
                events.push(Event::draw(sort, at as u32, traits, dice));
                at += dice.exponential(gap).max(1.0);
            }
        }
        events.sort_by_key(|event| event.start);
        let nightly_size = dice.between(1.1, 1.5);
        Self { events, begun: 0, current: Vec::new(), nightly: traits.nightly, nightly_size }
    }

    /// What they put a hub under in this tick; ticks must be asked for in order.
    pub(super) fn step(&mut self, tick: u32) -> Strain {
        while let Some(event) = self.events.get(self.begun).filter(|event| event.start <= tick) {
            self.current.push(*event);
            self.begun += 1;
        }
        self.current.retain(|event| tick < event.end);
        let since = (tick + TICKS_PER_DAY - self.nightly) % TICKS_PER_DAY;
        let night = if since < NIGHTLY_TICKS {
            Strain { disk: self.nightly_size, ..Strain::NONE }
        } else {
            Strain::NONE
        };
        self.current.iter().fold(night, |strain, event| {
            let through = f64::from(tick - event.start) / f64::from(event.end - event.start);
            strain.and(event.strain(through))
        })
    }
}
