//! Which alarms were raised, what was done about them, and were they right?
//!
//! An alarm is a forecast that it would pay to act on. Each one is counted against a budget, open until its horizon has
//! passed, and then judged: right if the hub failed, false if it did not, unknown if we acted (who knows what would
//! have been) or if nobody could see. A small share is *held out*: nothing is done about it, so that what forecasts are
//! worth stays measurable after we began to act on them.
//!
//! A ledger in memory of at most one open alarm for each hub, and counts. It keeps no history: whoever wants one
//! collects the [`AlarmEvent`]s of published plans.

mod kept;

pub use kept::{BothClocks, KeptAlarms};

use std::collections::BTreeMap;
use std::time::Duration;

use mcphub_routing::{HubId, MonoTime, Share};

use crate::{Band, ForecastPolicy, Outlook};

/// Shortest and longest life of an alarm, whatever its horizon: it must outlive the plan that raised it, and be judged.
const LIFE_MIN: Duration = Duration::from_secs(60);
const LIFE_MAX: Duration = Duration::from_secs(86_400);
/// Alarms that may be wrong in a row before the budget refuses: one bad hour must not silence the next good alarm.
const BURST: u32 = 2;

/// What was done about an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Course {
    /// Nothing, to see what comes of it.
    HeldOut,
    /// Nothing, since forecasts only advise or the guard rails objected.
    Idle,
    /// The hub got less, or nothing more, to do.
    Acted(Band),
}

/// An alarm that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Alarm {
    /// Counted for each hub, from 1.
    pub number: u32,
    /// Judged then at the latest.
    pub until: MonoTime,
    /// What was expected when it was raised.
    pub outlook: Outlook,
    /// What was done about it.
    pub course: Course,
}

/// What became of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AlarmVerdict {
    /// The hub failed within the horizon.
    Right,
    /// It did not.
    False,
    /// It did not, but we acted; or the hub left, or nobody could see it.
    Unknown,
}

impl AlarmVerdict {
    /// The word used in logs, metrics and the admin interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::False => "false",
            Self::Unknown => "unknown",
        }
    }
}

/// An alarm was raised or judged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AlarmEvent {
    /// The hub.
    pub hub: HubId,
    /// The alarm.
    pub alarm: Alarm,
    /// `None`: it was raised just now.
    pub verdict: Option<AlarmVerdict>,
}

/// How many alarms came to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Verdicts {
    /// The hub failed.
    pub right: u64,
    /// It did not.
    pub wrong: u64,
    /// Nobody can tell.
    pub unknown: u64,
}

impl Verdicts {
    /// What part of those that could be judged was right; `None` before the first.
    pub fn precision(&self) -> Option<f64> {
        let judged = self.right + self.wrong;
        (judged > 0).then(|| self.right as f64 / judged as f64)
    }

    fn count(&mut self, verdict: AlarmVerdict) {
        match verdict {
            AlarmVerdict::Right => self.right += 1,
            AlarmVerdict::False => self.wrong += 1,
            AlarmVerdict::Unknown => self.unknown += 1,
        }
    }
}

/// What all alarms came to so far, by what was done about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AlarmTally {
    /// Nothing, to see what comes of it.
    pub held_out: Verdicts,
    /// Nothing, for other reasons.
    pub idle: Verdicts,
    /// Something.
    pub acted: Verdicts,
    /// Failures of hubs that no alarm was open for.
    pub missed: u64,
}

impl AlarmTally {
    /// What part of all failures was foretold, going by the alarms that nothing was done about; each held-out one
    /// stands for the `1 / hold_out` that were raised beside it while we acted. `None` before the first failure, or
    /// while the hold-out is too small to tell anything.
    pub fn recall(&self, hold_out: Share) -> Option<f64> {
        let acting = self.acted != Verdicts::default();
        let foretold = match (acting, hold_out.per_mille()) {
            (true, 0) => return None,
            (true, share) => self.held_out.right as f64 * 1000.0 / f64::from(share),
            (false, _) => (self.held_out.right + self.idle.right) as f64,
        };
        let failures = foretold + self.missed as f64;
        (failures > 0.0).then(|| foretold / failures)
    }
}

/// What is to be known of a hub to judge its alarms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    /// Can anything be seen of it?
    pub(crate) known: bool,
    /// Has it failed, by its probes or requests?
    pub(crate) ill: bool,
    /// Is it behind every line that leads back into service?
    pub(crate) well: bool,
    /// Does so much look bad at once that our own eyes are the likelier fault?
    pub(crate) panic: bool,
    /// Is it in service, or out for a forecast alone?
    pub(crate) present: bool,
    /// Has it been in its state for long enough for an alarm about it?
    pub(crate) settled: bool,
    /// What is expected, if it would pay to act on it.
    pub(crate) expected: Option<Outlook>,
}

/// The alarms of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlarmLedger {
    hubs: BTreeMap<HubId, Entry>,
    tally: AlarmTally,
}

/// One hub's alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Entry {
    raised: u32,
    open: Option<Alarm>,
    /// Has it failed, and is not well since?
    failing: bool,
    /// Until when alarms are paid for: each moves it by the time in which one may be wrong, and back if it was right.
    spent_until: MonoTime,
}

impl AlarmLedger {
    /// The open alarm of this hub.
    pub fn open(&self, hub: &HubId) -> Option<&Alarm> {
        self.hubs.get(hub)?.open.as_ref()
    }

    /// What part of a hub's budget of alarms is spent, 0 to 1; 0 where there is no budget.
    pub fn spent(&self, hub: &HubId, policy: &ForecastPolicy, now: MonoTime) -> f64 {
        let most = policy.alarm_every.saturating_mul(BURST).as_secs_f64();
        let spent = self.hubs.get(hub).map_or(Duration::ZERO, |entry| entry.spent_until.since(now));
        if most > 0.0 { (spent.as_secs_f64() / most).min(1.0) } else { 0.0 }
    }

    /// Has nothing ever happened?
    pub(crate) fn is_empty(&self) -> bool {
        self.hubs.is_empty()
    }

    /// What alarms came to so far.
    pub fn tally(&self) -> &AlarmTally {
        &self.tally
    }

    /// May something be done about this hub: is there an alarm, and is it not held out?
    pub(crate) fn calls(&self, hub: &HubId) -> bool {
        self.open(hub).is_some_and(|alarm| alarm.course != Course::HeldOut)
    }

    /// Follows one hub to this instant: judges its alarm, raises the next. Looking twice changes nothing.
    pub(crate) fn look(
        &mut self,
        hub: &HubId,
        sight: Sight,
        (policy, seed): (&ForecastPolicy, u64),
        now: MonoTime,
        events: &mut Vec<AlarmEvent>,
    ) {
        let mut entry = self.hubs.get(hub).copied().unwrap_or_default();
        let before = entry;
        let failed = sight.ill && !entry.failing;
        entry.failing = (entry.failing || sight.ill) && !sight.well;
        if let Some((alarm, verdict)) =
            entry.open.and_then(|alarm| Some((alarm, judge(&alarm, sight, failed, now)?)))
        {
            entry.open = None;
            if verdict == AlarmVerdict::Right {
                entry.spent_until = entry.spent_until.before(policy.alarm_every);
            }
            self.tally.of(alarm.course).count(verdict);
            events.push(AlarmEvent { hub: hub.clone(), alarm, verdict: Some(verdict) });
        } else if failed && sight.present && !sight.panic {
            self.tally.missed += 1;
        }
        let raises = sight.present && sight.settled && !sight.ill && !entry.failing && !sight.panic;
        if let Some(outlook) = sight.expected.filter(|_| raises && entry.open.is_none())
            && entry.pay(policy.alarm_every, now)
        {
            entry.raised = entry.raised.wrapping_add(1);
            let held_out = lot(seed, hub, entry.raised) < policy.hold_out.per_mille();
            let course = if held_out { Course::HeldOut } else { Course::Idle };
            let until = now.after(outlook.horizon.clamp(LIFE_MIN, LIFE_MAX));
            let alarm = Alarm { number: entry.raised, until, outlook, course };
            entry.open = Some(alarm);
            events.push(AlarmEvent { hub: hub.clone(), alarm, verdict: None });
        }
        if entry != before {
            self.hubs.insert(hub.clone(), entry);
        }
    }

    /// Notes that something was done about the open alarm of a hub.
    pub(crate) fn acted(&mut self, hub: &HubId, band: Band) {
        let open = self.hubs.get_mut(hub).and_then(|entry| entry.open.as_mut());
        // What is held out stays so: whoever acts on it all the same is refused.
        if let Some(alarm) = open.filter(|alarm| alarm.course != Course::HeldOut) {
            alarm.course = alarm.course.max(Course::Acted(band));
        }
    }

    /// Forgets hubs that are gone, and all alarms that are open if forecasts are not looked at any more.
    pub(crate) fn retain(&mut self, stays: impl Fn(&HubId) -> bool, events: &mut Vec<AlarmEvent>) {
        let leave: Vec<HubId> = self.hubs.keys().filter(|hub| !stays(hub)).cloned().collect();
        for hub in leave {
            let open = self.hubs.remove(&hub).and_then(|entry| entry.open);
            if let Some(alarm) = open {
                self.tally.of(alarm.course).count(AlarmVerdict::Unknown);
                events.push(AlarmEvent { hub, alarm, verdict: Some(AlarmVerdict::Unknown) });
            }
        }
    }
}

impl AlarmTally {
    fn of(&mut self, course: Course) -> &mut Verdicts {
        match course {
            Course::HeldOut => &mut self.held_out,
            Course::Idle => &mut self.idle,
            Course::Acted(_) => &mut self.acted,
        }
    }
}

/// The verdict on an open alarm, once there is one.
fn judge(alarm: &Alarm, sight: Sight, failed: bool, now: MonoTime) -> Option<AlarmVerdict> {
    if failed {
        return Some(if sight.panic { AlarmVerdict::Unknown } else { AlarmVerdict::Right });
    }
    if !sight.present {
        return Some(AlarmVerdict::Unknown);
    }
    let acted = matches!(alarm.course, Course::Acted(_));
    let verdict = if acted || !sight.known { AlarmVerdict::Unknown } else { AlarmVerdict::False };
    (now >= alarm.until).then_some(verdict)
}

impl Entry {
    /// Takes the price of one alarm from the budget, if it is there: at most [`BURST`] alarms at once that were not
    /// right, and one more for each `every`. Zero is no budget at all: every alarm is free.
    fn pay(&mut self, every: Duration, now: MonoTime) -> bool {
        if every.is_zero() {
            return true;
        }
        let paid = self.spent_until.max(now).after(every);
        let affordable = paid <= now.after(every.saturating_mul(BURST));
        if affordable {
            self.spent_until = paid;
        }
        affordable
    }
}

/// A number from 0 to 999 for one alarm of one hub, the same each time: FNV-1a over the name, spread by the finisher of
/// SplitMix64.
fn lot(seed: u64, hub: &HubId, number: u32) -> u16 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    let name = hub.as_str().bytes().fold(0xCBF2_9CE4_8422_2325 ^ seed, step);
    let mut n = number.to_le_bytes().into_iter().fold(name, step).wrapping_add(0x9E37_79B9_7F4A_7C15);
    n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((n ^ (n >> 31)) % 1000) as u16
}

#[cfg(test)]
mod tests;
