//! What does a fault of this severity do to a hub?

use super::dice::Dice;
use super::kind::Kind;
use super::strain::{Reach, Strain};
use super::traits::Traits;

/// How far beyond its capacity the worst of a gradual fault takes a hub, as utilisation: surely down, and soon enough
/// that most of the ramp is spent below it.
const BEYOND: f64 = 1.4;

/// Demand in a flash crowd, as utilisation: a link on a front page.
const CROWD: f64 = 2.5;

/// How far beyond its clients' patience the worst round trip is.
const LATE: f64 = 1.5;

/// Memory at the worst of a leak, as a part of all: beyond the end, so that every leak gets there.
const FULL: f64 = 1.05;

/// Loss at the worst, in bad spells: seven packets of ten.
const LOSS: f64 = 0.7;

/// A fault of one kind at one hub.
#[derive(Debug, Clone)]
pub(super) struct Harm {
    kind: Kind,
    traits: Traits,
    /// Utilisation when it began: how much harm it takes depends on how busy the hub is.
    busy: f64,
    /// Part of the requests that fail after a bad deployment, 0.6 to 0.95.
    failing: f64,
    /// A dead process whose port still accepts: four in ten.
    hangs: bool,
}

impl Harm {
    pub(super) fn new(kind: Kind, traits: &Traits, busy: f64, dice: &mut Dice) -> Self {
        let (failing, hangs) = (dice.between(0.6, 0.95), dice.chance(0.4));
        // A hub that is all but idle would need absurd demand; one that is all but full, none at all.
        Self { kind, traits: traits.clone(), busy: busy.clamp(0.1, 0.9), failing, hangs }
    }

    /// What the hub is under, at a severity of 0 (nothing) to 1 (the worst).
    pub(super) fn strain(&self, severity: f64, dice: &mut Dice) -> Strain {
        let none = Strain::NONE;
        // The factor on service that takes the hub beyond its capacity at the worst.
        let slower = 1.0 + (BEYOND / self.busy - 1.0) * severity;
        match self.kind {
            Kind::DiskDegrade => Strain { disk: 1.0 + (slower - 1.0) / self.traits.disk, ..none },
            Kind::ThrottleEcc => self.stalls(severity, dice),
            Kind::NoisyNeighbour => {
                let part = 1.0 - self.traits.disk;
                let uneven = (1.0 + 0.15 * dice.normal()).max(0.0);
                let cpu = 1.0 + (slower - 1.0) / part * uneven;
                Strain { cpu, stolen: 1.0 - 1.0 / cpu, ..none }
            }
            Kind::PoolLeak => Strain { servers: 1.0 - severity * (1.0 - self.busy / BEYOND), ..none },
            Kind::MemLeak => Strain { memory: severity * (FULL - self.traits.memory), ..none },
            Kind::BadDeployAbrupt | Kind::BadDeployRamp => Strain { errors: self.failing * severity, ..none },
            Kind::LossRamp => Strain { loss: LOSS * severity, bad: 0.9 * severity.sqrt(), ..none },
            Kind::JitterRamp => {
                let worst = (LATE * self.traits.timeout / (2.0 * self.traits.rtt)).max(1.0);
                let uneven = 0.25 * severity.min(0.8) * dice.normal();
                Strain { rtt: libm::exp(severity * libm::log(worst) + uneven), ..none }
            }
            Kind::SurgeRamp => Strain { demand: slower, ..none },
            Kind::FlashCrowd => Strain { demand: 1.0 + (CROWD / self.busy - 1.0) * severity, ..none },
            Kind::NodeCrash => Strain { reach: Reach::Silent, dead: true, ..none },
            Kind::Partition => Strain { reach: Reach::Silent, ..none },
            Kind::ProcCrash => {
                let reach = if self.hangs { Reach::Hanging } else { Reach::Refusing };
                Strain { reach, dead: true, ..none }
            }
            Kind::NaturalOverload => none,
        }
    }

    /// Short stalls at first, rare; then the clock is throttled, and the machine stands still in most ticks.
    fn stalls(&self, severity: f64, dice: &mut Dice) -> Strain {
        let often = severity * severity * severity;
        let throttle = 1.0 + 0.3 * severity;
        if dice.chance(0.9 * often) {
            let stall = self.traits.timeout * severity * dice.between(0.0, 0.8);
            Strain { cpu: throttle * (1.0 + (BEYOND / self.busy - 1.0) * severity), stall, ..Strain::NONE }
        } else {
            Strain { cpu: throttle, ..Strain::NONE }
        }
    }
}
