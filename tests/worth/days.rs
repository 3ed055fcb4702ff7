//! What happens to the hubs, and what is foretold of it?
//!
//! Failures come at random, so many per hub and day. A good quarter is abrupt; the others are announced by a ramp of
//! errors, most of them too few to act on. One ramp in four comes to nothing. The source of forecasts has the quality
//! that a random forest had on simulated hubs that took no part in its making: at 0.8 false alarms per hub and day it
//! finds 0.6 of the gradual failures and no abrupt one, 1.5 to 2 minutes ahead (median). Its probabilities are
//! calibrated, and shifted to the failures that there are, as those of the real one are: by Bayes' rule in odds.

/// Hubs in the fleet.
pub const HUBS: usize = 6;
/// Days in a stretch: long enough for a budget of alarms.
pub const DAYS: u64 = 10;
pub const DAY_MS: u64 = 86_400_000;
/// How far ahead forecasts look.
pub const HORIZON_MS: u64 = 600_000;

/// What part of the failures has no ramp.
const ABRUPT: f64 = 0.28;
/// What part of the ramps comes to nothing.
const NEAR_MISSES: f64 = 0.25;
/// What part of the gradual failures is foretold.
const RECALL: f64 = 0.6;
/// False alarms per hub and day.
const FALSE_ALARMS: f64 = 0.8;
/// Failures per hub and day where the forecasts were learned.
const LEARNED_AT: f64 = 2.7;
/// Alarms were raised with probabilities between these there; the middle is the precision that was measured, .6.
const LIKELY: (f64, f64) = (0.25, 0.95);

/// Something that befalls a hub.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub hub: usize,
    /// When the first error is, and how many there are at the end of the ramp (of 1).
    pub ramp: (u64, f64),
    /// When it fails; a near miss ends there.
    pub onset: u64,
    pub end: u64,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It answers nothing.
    Hangs,
    /// It takes no connections: what was to go there goes elsewhere, by whatever proxy.
    Refuses,
    NearMiss,
}

/// A hub is thought likelier to fail than usual.
#[derive(Debug, Clone, Copy)]
pub struct Foretold {
    pub hub: usize,
    pub from: u64,
    pub until: u64,
    /// In ‰, of a failure within the horizon.
    pub probability: u16,
}

/// Ten days.
pub struct Stretch {
    pub faults: Vec<Fault>,
    pub foretold: Vec<Foretold>,
    /// The probability of a failure within the horizon of a hub of which nothing is known, in ‰.
    pub base_rate: u16,
    /// When anything begins or ends, in order.
    pub turns: Vec<u64>,
}

/// Numbers that look random and follow from the seed (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xA24B_AED4_963E_E407))
    }

    /// From 0 to 1.
    pub fn part(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let n = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((n ^ (n >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, least: f64, most: f64) -> f64 {
        least + self.part() * (most - least)
    }

    /// The wait for the next of so many a day, in milliseconds.
    fn wait(&mut self, a_day: f64) -> u64 {
        (-(1.0 - self.part()).ln() / a_day * DAY_MS as f64) as u64
    }
}

const MINUTE: f64 = 60_000.0;

impl Stretch {
    pub fn new(seed: u64, rate: f64) -> Self {
        let mut dice = Dice::new(seed);
        let (mut faults, mut foretold) = (vec![], vec![]);
        for hub in 0..HUBS {
            faults_of(hub, rate, &mut dice, &mut faults);
        }
        for fault in &faults {
            foretold.extend(forewarned(fault, rate, &mut dice));
        }
        for hub in 0..HUBS {
            false_alarms(hub, rate, &mut dice, &mut foretold);
        }
        let within = 1.0 - (-rate * HORIZON_MS as f64 / DAY_MS as f64).exp();
        let of_faults = faults.iter().flat_map(|fault| [fault.ramp.0, fault.onset, fault.end]);
        let mut turns: Vec<u64> = of_faults.chain(foretold.iter().flat_map(|f| [f.from, f.until])).collect();
        turns.sort_unstable();
        turns.dedup();
        Self { faults, foretold, base_rate: per_mille(within), turns }
    }
}

fn faults_of(hub: usize, rate: f64, dice: &mut Dice, faults: &mut Vec<Fault>) {
    // Near misses come besides the failures, as many as make a quarter of all ramps.
    let ramps = rate * (1.0 - ABRUPT) / (1.0 - NEAR_MISSES);
    let all = ramps + rate * ABRUPT;
    let mut at = 0;
    loop {
        at += dice.wait(all);
        if at > DAYS * DAY_MS - HORIZON_MS {
            return;
        }
        let gradual = dice.part() * all < ramps;
        let kind = match (gradual && dice.part() < NEAR_MISSES, dice.part() < 0.5) {
            (true, _) => Kind::NearMiss,
            (false, true) => Kind::Hangs,
            (false, false) => Kind::Refuses,
        };
        let length = if gradual { dice.between(3.0 * MINUTE, 15.0 * MINUTE) as u64 } else { 0 };
        // Errors come late: few ramps reach the line at which requests alone eject.
        let errors = if dice.part() < 0.2 { 0.15 } else { 0.04 };
        let onset = at + length;
        let end = if kind == Kind::NearMiss {
            onset
        } else {
            onset + dice.between(3.0 * MINUTE, 25.0 * MINUTE) as u64
        };
        faults.push(Fault { hub, ramp: (at, errors), onset, end, kind });
        at = end + HORIZON_MS;
    }
}

/// The forecast of a failure, if it is foretold.
fn forewarned(fault: &Fault, rate: f64, dice: &mut Dice) -> Option<Foretold> {
    let gradual = fault.onset > fault.ramp.0;
    if !gradual || fault.kind == Kind::NearMiss || dice.part() >= RECALL {
        return None;
    }
    // A lead of 1.75 min in the middle, within a factor of 1.6 in two of three cases.
    let normal = (0..12).map(|_| dice.part()).sum::<f64>() - 6.0;
    let lead = (1.75 * MINUTE * (0.47 * normal).exp()) as u64;
    let from = fault.onset.saturating_sub(lead.min(fault.onset - fault.ramp.0));
    let probability = likely(dice, true);
    Some(Foretold {
        hub: fault.hub,
        from,
        until: fault.onset + 60_000,
        probability: shifted(probability, rate),
    })
}

fn false_alarms(hub: usize, rate: f64, dice: &mut Dice, foretold: &mut Vec<Foretold>) {
    let mut at = 0;
    loop {
        at += dice.wait(FALSE_ALARMS);
        if at > DAYS * DAY_MS - HORIZON_MS {
            return;
        }
        let until = at + dice.between(MINUTE, 6.0 * MINUTE) as u64;
        let probability = shifted(likely(dice, false), rate);
        foretold.push(Foretold { hub, from: at, until, probability });
        at = until + HORIZON_MS;
    }
}

/// A probability that comes true so often, of an alarm that does or does not.
fn likely(dice: &mut Dice, comes_true: bool) -> f64 {
    loop {
        let probability = dice.between(LIKELY.0, LIKELY.1);
        if (dice.part() < probability) == comes_true {
            return probability;
        }
    }
}

/// The same evidence where failures are rarer or more frequent, in ‰.
fn shifted(probability: f64, rate: f64) -> u16 {
    let odds = |a_day: f64| (a_day * HORIZON_MS as f64 / DAY_MS as f64).exp() - 1.0;
    let odds = probability / (1.0 - probability) * odds(rate) / odds(LEARNED_AT);
    per_mille(odds / (1.0 + odds))
}

fn per_mille(part: f64) -> u16 {
    (part * 1000.0).round() as u16
}
