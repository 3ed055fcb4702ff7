//! Which faults will befall a hub, and when?

use super::dice::Dice;
use super::kind::Kind;
use super::traits::Traits;
use super::{Settings, Stream, TICKS_PER_DAY};

/// How unpunctual what recurs is, in ticks: about three minutes.
const RECURRING_SPREAD: f64 = 12.0;

/// Within how many ticks what befalls a location reaches all of its hubs: two minutes.
const SIBLINGS_WITHIN: f64 = 8.0;

/// What befalls whole locations: what the way there, the power, or the crowd there does.
const SHARED: [Kind; 5] =
    [Kind::Partition, Kind::LossRamp, Kind::JitterRamp, Kind::SurgeRamp, Kind::NodeCrash];

/// A fault to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    /// When it is due, in ticks. A fault waits until the one before it is over.
    pub(super) due: u32,
    pub(super) kind: Kind,
}

/// Every fault of one hub, by time.
pub(super) fn plan(settings: &Settings, traits: &Traits, dice: &mut Dice) -> Vec<Planned> {
    let habit = Habit::draw(dice);
    let ticks = settings.ticks();
    let alone = settings.faults_per_day * (1.0 - settings.siblings);
    let mut plan: Vec<Planned> = times(alone, ticks, dice)
        .into_iter()
        .map(|due| {
            if dice.chance(settings.recurring) {
                habit.on_the_day_of(due, dice)
            } else {
                Planned { due, kind: any(dice) }
            }
        })
        .collect();
    for shared in shared(settings, traits.location) {
        plan.push(Planned { due: shared.due + dice.between(0.0, SIBLINGS_WITHIN) as u32, ..shared });
    }
    plan.retain(|fault| fault.due < ticks);
    plan.sort_by_key(|fault| fault.due);
    plan
}

/// What befalls a location; every hub there works out the same.
fn shared(settings: &Settings, location: u32) -> Vec<Planned> {
    let dice = &mut Dice::new(settings.seed, Stream::Location(location).number());
    let often = settings.faults_per_day * settings.siblings;
    times(often, settings.ticks(), dice)
        .into_iter()
        .map(|due| Planned { due, kind: dice.pick(&SHARED) })
        .collect()
}

/// A Poisson process of so many a day.
fn times(per_day: f64, ticks: u32, dice: &mut Dice) -> Vec<u32> {
    let mut found = Vec::new();
    if per_day <= 0.0 {
        return found;
    }
    let gap = f64::from(TICKS_PER_DAY) / per_day;
    let mut at = dice.exponential(gap);
    while at < f64::from(ticks) {
        found.push(at as u32);
        at += dice.exponential(gap);
    }
    found
}

fn any(dice: &mut Dice) -> Kind {
    let total: u32 = Kind::FAULTS.iter().map(|kind| kind.weight()).sum();
    let mut left = (dice.unit() * f64::from(total)) as u32;
    for kind in Kind::FAULTS {
        if left < kind.weight() {
            return kind;
        }
        left -= kind.weight();
    }
    // Not reached: less is left than all weights together.
    Kind::NaturalOverload
}

/// What happens to this hub at the same time of day again and again, a job that overruns, a rush.
struct Habit {
    tick_of_day: f64,
    kind: Kind,
}

impl Habit {
    fn draw(dice: &mut Dice) -> Self {
        Self { tick_of_day: dice.between(0.0, f64::from(TICKS_PER_DAY)), kind: any(dice) }
    }

    fn on_the_day_of(&self, due: u32, dice: &mut Dice) -> Planned {
        let midnight = f64::from(due / TICKS_PER_DAY * TICKS_PER_DAY);
        let due = midnight + self.tick_of_day + RECURRING_SPREAD * dice.normal();
        Planned { due: due.max(0.0) as u32, kind: self.kind }
    }
}
