//! Which hubs are probed now?

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcphub_routing::{HubId, MonoTime};

use crate::{ProbeId, ProbeLedger, ProbeOrder, ProbeReport, ProbeSettings};

/// Between two looks, and the least that any interval counts for: a hundred looks a second are enough for anything, and
/// with thousands of hubs each costs something.
const GRAIN: Duration = Duration::from_millis(10);
/// Whoever asks this much later than asked to was away (suspended, starved): silence meanwhile may be our own.
const AWAY_MIN: Duration = Duration::from_secs(1);
/// Probes to new hubs are spread over so much for each hub there is, up to their interval.
const SPREAD: Duration = Duration::from_millis(20);
/// No more than half the hubs, or [`PACE_ORDERS_MIN`], are probed within this. Everything due at once, after a pause or
/// when we are cut off, goes out over 0.1 to 0.2 s.
const PACE: Duration = Duration::from_millis(50);
const PACE_ORDERS_MIN: usize = 16;
/// A hub that is watched closely is probed so many times as often.
const CLOSELY: u32 = 4;

/// The schedule of probes, and what came of them. It sends nothing: it is asked what is [`due`](Self::due), and told
/// what [`ended`](Self::ended). Ask at [`wake_at`](Self::wake_at), and before evidence is
/// gathered; who asks more than a second late is taken to have been away, and no silence of that time counts.
///
/// Each hub is probed at its interval, at a time of its own. When a probe fails or is silent for long, or a request
/// failed ([`suspect`](Self::suspect)), a burst of probes follows at once, without waiting for each other; one burst for
/// each doubt, and at most one in an interval. So within any interval at most `burst + 2` probes go to one hub, or
/// `burst + 6` where it is [watched closely](Self::watch).
#[derive(Debug)]
pub struct Schedule {
    seed: u64,
    hubs: BTreeMap<HubId, Entry>,
    /// When each hub is to be looked at next, the soonest first: with thousands of hubs nothing may look at all of them
    /// for each probe of one.
    agenda: BTreeSet<(MonoTime, HubId)>,
    /// How many hubs were doubted when they were last looked at.
    doubted: usize,
    next_id: u64,
    last_look: Option<MonoTime>,
    /// When we asked to be asked again.
    awaited: Option<MonoTime>,
    /// Since when orders are counted for [`PACE`], and how many there were.
    pace: (MonoTime, usize),
}

#[derive(Debug)]
struct Entry {
    settings: ProbeSettings,
    ledger: ProbeLedger,
    /// When the next regular probe is due.
    next: MonoTime,
    burst: Option<Burst>,
    /// Has the present doubt had its burst? Until a probe passes.
    burst_spent: bool,
    /// No burst before.
    burst_after: MonoTime,
    /// When a request failed, if no probe sent since has passed.
    suspected: Option<MonoTime>,
    /// Is it expected to fail, and probed more often?
    closely: bool,
    /// When it is to be looked at next, as the agenda has it.
    noted: MonoTime,
    /// Was it doubted then?
    doubted: bool,
    /// What the lots are drawn from.
    lots: u64,
}

#[derive(Debug)]
struct Burst {
    next: MonoTime,
    left: u32,
}

impl Schedule {
    /// A schedule without hubs. Two gateways should have two seeds.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            hubs: BTreeMap::new(),
            agenda: BTreeSet::new(),
            doubted: 0,
            next_id: 0,
            last_look: None,
            awaited: None,
            pace: (MonoTime::ZERO, 0),
        }
    }

    /// Probes this hub from now on, the first time soon; or, if it is known, probes it in this way from now on.
    pub fn add(&mut self, hub: HubId, settings: ProbeSettings, now: MonoTime) {
        let settings = ProbeSettings {
            interval: settings.interval.max(GRAIN),
            timeout: settings.timeout.max(GRAIN),
            burst_gap: settings.burst_gap.max(GRAIN),
            ..settings
        };
        if let Some(entry) = self.hubs.get_mut(&hub) {
            entry.settings = settings;
            entry.next = entry.next.min(now.after(settings.interval));
            entry.ledger.adopt(settings);
            return self.note(&hub, now, None);
        }
        let count = u32::try_from(self.hubs.len()).unwrap_or(u32::MAX);
        let spread = SPREAD.saturating_mul(count).min(settings.interval);
        let name = hub.as_str().bytes().fold(self.seed, |lots, byte| mix(lots ^ u64::from(byte)));
        let mut entry = Entry {
            settings,
            ledger: ProbeLedger::new(settings),
            next: now,
            burst: None,
            burst_spent: false,
            burst_after: now,
            suspected: None,
            closely: false,
            noted: now,
            doubted: false,
            lots: name,
        };
        entry.next = now.after(part(spread, entry.lot()));
        entry.noted = entry.next;
        self.agenda.insert((entry.noted, hub.clone()));
        self.hubs.insert(hub, entry);
    }

    /// Probes this hub no more, and forgets what is known about it.
    pub fn remove(&mut self, hub: &HubId) {
        if let Some(entry) = self.hubs.remove(hub) {
            self.agenda.remove(&(entry.noted, hub.clone()));
            self.doubted -= usize::from(entry.doubted);
        }
    }

    /// The hubs that are probed.
    pub fn hubs(&self) -> impl Iterator<Item = &HubId> {
        self.hubs.keys()
    }

    /// What came of the probes of this hub.
    pub fn ledger(&self, hub: &HubId) -> Option<&ProbeLedger> {
        self.hubs.get(hub).map(|entry| &entry.ledger)
    }

    /// The same, to note down what was learned elsewhere.
    pub fn ledger_mut(&mut self, hub: &HubId) -> Option<&mut ProbeLedger> {
        self.hubs.get_mut(hub).map(|entry| &mut entry.ledger)
    }

    /// Is there something to look into: did a request fail, a probe fail, or is one silent for too long?
    pub fn is_doubted(&self, hub: &HubId, now: MonoTime) -> bool {
        self.hubs.get(hub).is_some_and(|entry| entry.is_doubted(now))
    }

    /// The same of any hub.
    pub fn doubts(&self, now: MonoTime) -> bool {
        self.doubted > 0 || self.ripe(now).any(|hub| self.is_doubted(hub, now))
    }

    /// A request to this hub failed: look closer, unless that was just done.
    pub fn suspect(&mut self, hub: &HubId, now: MonoTime) {
        if let Some(entry) = self.hubs.get_mut(hub) {
            entry.suspected.get_or_insert(now);
            self.note(hub, now, None);
        }
    }

    /// Probes this hub four times as often from now on, since it may fail soon; or as often as others again.
    pub fn watch(&mut self, hub: &HubId, closely: bool, now: MonoTime) {
        let Some(entry) = self.hubs.get_mut(hub).filter(|entry| entry.closely != closely) else { return };
        entry.closely = closely;
        entry.next = entry.next.min(now.after(entry.interval()));
        self.note(hub, now, None);
    }

    /// Takes the report of a probe. One that was not ordered, or is reported twice, is passed over.
    pub fn ended(&mut self, hub: &HubId, report: &ProbeReport) {
        let Some(entry) = self.hubs.get_mut(hub) else { return };
        let Some(sent) = entry.ledger.ended(report) else { return };
        if !report.outcome.is_failure() {
            entry.burst_spent = false;
            entry.suspected = entry.suspected.filter(|&since| since > sent);
        }
        // A doubt that begins or may end is looked at at once. Nothing else changes before the time that was noted.
        let last = self.last_look.unwrap_or(MonoTime::ZERO);
        let stirred = report.outcome.is_failure() || entry.doubted;
        self.note(hub, last, stirred.then_some(last));
    }

    /// The probes to send now, those that waited longest first. They count as sent.
    pub fn due(&mut self, now: MonoTime) -> Vec<ProbeOrder> {
        let away = self.awaited.is_some_and(|awaited| now.since(awaited) > AWAY_MIN);
        let ripe: Vec<HubId> = if away {
            self.hubs.values_mut().for_each(|entry| entry.ledger.excuse(now));
            self.hubs.keys().cloned().collect()
        } else {
            self.ripe(now).cloned().collect()
        };
        let mut waiting = Vec::new();
        for hub in &ripe {
            let Some(entry) = self.hubs.get_mut(hub) else { continue };
            entry.look(now);
            let due = entry.due_at();
            if due <= now {
                waiting.push((due, hub.clone()));
            }
        }
        waiting.sort();
        if now.since(self.pace.0) >= PACE {
            self.pace = (now, 0);
        }
        let orders_max = (self.hubs.len() / 2).max(PACE_ORDERS_MIN).saturating_sub(self.pace.1);
        let orders: Vec<_> =
            waiting.into_iter().take(orders_max).filter_map(|(_, hub)| self.order(hub, now)).collect();
        self.pace.1 += orders.len();
        for hub in &ripe {
            self.note(hub, now, None);
        }
        self.last_look = Some(now);
        self.awaited = self.wake_at();
        orders
    }

    /// When to ask again, or to look at the evidence again since silence has come to mean something; `None` without
    /// hubs.
    pub fn wake_at(&self) -> Option<MonoTime> {
        let &(wake, _) = self.agenda.first()?;
        Some(self.last_look.map_or(wake, |last| wake.max(last.after(GRAIN))))
    }

    /// The hubs that are to be looked at by now.
    fn ripe(&self, now: MonoTime) -> impl Iterator<Item = &HubId> {
        self.agenda.iter().take_while(move |(at, _)| *at <= now).map(|(_, hub)| hub)
    }

    /// Notes when this hub is to be looked at next: at `at`, or else when something will be due, or its silence will have
    /// come to mean something, after `now`.
    fn note(&mut self, hub: &HubId, now: MonoTime, at: Option<MonoTime>) {
        let Some(entry) = self.hubs.get_mut(hub) else { return };
        let (wake, doubted) = (at.unwrap_or_else(|| entry.wake_at(now)), entry.is_doubted(now));
        self.doubted = self.doubted + usize::from(doubted) - usize::from(entry.doubted);
        entry.doubted = doubted;
        let before = (std::mem::replace(&mut entry.noted, wake), hub.clone());
        self.agenda.remove(&before);
        self.agenda.insert((wake, before.1));
    }

    fn order(&mut self, hub: HubId, now: MonoTime) -> Option<ProbeOrder> {
        let entry = self.hubs.get_mut(&hub)?;
        let id = ProbeId(self.next_id);
        let timeout = entry.settings.timeout;
        entry.advance(now);
        if !entry.ledger.sent(id, now) {
            return None;
        }
        self.next_id += 1;
        Some(ProbeOrder { hub, id, timeout })
    }
}

impl Entry {
    fn is_doubted(&self, now: MonoTime) -> bool {
        self.suspected.is_some() || self.burst.is_some() || self.ledger.doubtful(now)
    }

    /// Begins a burst when there is a doubt that had none, and ends it when there is no doubt left.
    fn look(&mut self, now: MonoTime) {
        self.ledger.sweep(now);
        let doubtful = self.ledger.doubtful(now);
        if self.burst.is_some() {
            if !doubtful && self.suspected.is_none() {
                self.burst = None;
            }
            return;
        }
        let wanted = self.suspected.is_some() || (doubtful && !self.burst_spent);
        if wanted && now >= self.burst_after && self.settings.burst > 0 {
            self.burst = Some(Burst { next: now, left: self.settings.burst });
            self.burst_spent = true;
        }
    }

    /// When the next probe is due, regular or of a burst.
    fn due_at(&self) -> MonoTime {
        self.burst.as_ref().map_or(self.next, |burst| self.next.min(burst.next))
    }

    /// A probe goes out now: it serves as the regular one and as one of the burst, if both are due.
    fn advance(&mut self, now: MonoTime) {
        if self.next <= now {
            let early = part(self.interval() / 10, self.lot());
            self.next = now.after(self.interval() - early);
        }
        let Some(burst) = self.burst.as_mut().filter(|burst| burst.next <= now) else { return };
        burst.next = now.after(self.settings.burst_gap);
        burst.left -= 1;
        self.burst_after = now.after(self.settings.interval);
        if burst.left == 0 {
            self.burst = None;
            self.suspected = None;
        }
    }

    /// Between two regular probes; never shorter than [`GRAIN`].
    fn interval(&self) -> Duration {
        let interval = self.settings.interval;
        if self.closely { (interval / CLOSELY).max(GRAIN) } else { interval }
    }

    fn wake_at(&self, now: MonoTime) -> MonoTime {
        let due = self.due_at();
        let due =
            if self.suspected.is_some() && self.burst.is_none() { due.min(self.burst_after) } else { due };
        self.ledger.wake_at(now).map_or(due, |silence| due.min(silence))
    }

    fn lot(&mut self) -> u64 {
        self.lots = self.lots.wrapping_add(1);
        mix(self.lots)
    }
}

/// A part of a duration, by lot: from nothing to almost all.
fn part(whole: Duration, lot: u64) -> Duration {
    let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(((u128::from(nanos) * u128::from(lot)) >> 64) as u64)
}

/// Spreads the bits of a number over all of it (the finisher of SplitMix64).
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests;
