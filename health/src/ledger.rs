//! What came of the probes of one hub?

use std::time::Duration;

use mcphub_routing::{EraSet, MonoTime};

use crate::{Boot, BootId, Exported, Outcome, ProbeId, ProbeReport, ProbeSettings, ProbeSum, Probes};

/// Probes on their way to one hub at once; more are not sent.
pub(crate) const FLIGHTS_MAX: usize = 8;
/// Ended probes kept in order, so that one that ends late finds its place. Twice what can be on its way.
const ENDS_MAX: usize = 2 * FLIGHTS_MAX;
/// Lives remembered, so that several processes behind one address do not look like one that restarts all the time.
const LIVES_MAX: usize = 4;
/// How much longer than it usually takes a probe must be silent to mean anything.
const USUAL_TIMES: u32 = 3;
/// How long after its time-out a probe that nobody reports on counts as failed. Its driver has failed, not the hub, but
/// a hub that cannot be probed must not look well.
const LOST_AFTER: Duration = Duration::from_secs(1);

/// What came of one hub's probes. Probes may overlap, and may end in any order: they are judged in the order in which
/// they were sent.
#[derive(Debug)]
pub struct ProbeLedger {
    settings: ProbeSettings,
    flights: Vec<Flight>,
    /// By id.
    ends: Vec<End>,
    /// The row that `ends` continues: whether they passed, and how many.
    before: (bool, u32),
    /// The last probe that passed.
    passed: Option<ProbeId>,
    last_pass: Option<MonoTime>,
    last_end: Option<MonoTime>,
    /// How long a passing probe takes: the middle one of those in `ends`.
    usual: Option<Duration>,
    eras: Told<EraSet>,
    boot: Boot,
    lives: Vec<BootId>,
    boot_told_by: Option<ProbeId>,
    exported: Option<Exported>,
    sum: ProbeSum,
}

/// A probe on its way.
#[derive(Debug, Clone, Copy)]
struct Flight {
    id: ProbeId,
    sent: MonoTime,
    /// Silence counts from here: later than `sent` if we were not looking for a while.
    silent_since: MonoTime,
}

impl Flight {
    /// Were we away while it was on its way? Then its silence may be ours.
    fn excused(&self) -> bool {
        self.silent_since > self.sent
    }
}

#[derive(Debug, Clone, Copy)]
struct End {
    id: ProbeId,
    sent: MonoTime,
    outcome: Outcome,
    latency: Duration,
}

/// Something told by probes: what the latest one said, even if an earlier one says otherwise later.
#[derive(Debug)]
struct Told<T>(Option<(ProbeId, T)>);

impl<T: Copy> Told<T> {
    fn tell(&mut self, id: ProbeId, what: T) {
        if self.0.is_none_or(|(by, _)| by < id) {
            self.0 = Some((id, what));
        }
    }
}

impl ProbeLedger {
    /// A hub that was never probed.
    pub fn new(settings: ProbeSettings) -> Self {
        Self {
            settings,
            flights: Vec::with_capacity(FLIGHTS_MAX),
            ends: Vec::with_capacity(ENDS_MAX + 1),
            before: (true, 0),
            passed: None,
            last_pass: None,
            last_end: None,
            usual: None,
            eras: Told(None),
            boot: Boot::default(),
            lives: Vec::with_capacity(LIVES_MAX),
            boot_told_by: None,
            exported: None,
            sum: ProbeSum::default(),
        }
    }

    /// What came of the probes, up to now.
    pub fn probes(&self, now: MonoTime) -> Probes {
        let (passing, row) = self.row();
        let patience = self.silence_max(self.settings.stall);
        let stalled = || self.suspects().filter(|flight| now.since(flight.silent_since) >= patience);
        let stalled_since = stalled().map(|flight| flight.sent).min();
        let failing = self.ends.iter().rev().take_while(|end| end.outcome.is_failure());
        let unanswered = failing.clone().take_while(|end| !end.outcome.is_answer()).count();
        Probes {
            passes: if passing { row } else { 0 },
            fails: if passing { 0 } else { row },
            unanswered: unanswered as u32,
            against_since: failing.map(|end| end.sent).chain(stalled_since).min(),
            stalled: stalled().count() as u32,
            stalled_since,
            last: self.ends.last().map(|end| end.outcome),
            last_pass: self.last_pass,
            last_end: self.last_end,
            latency: self.usual,
            sum: self.sum,
        }
    }

    /// What the hub last said of its load.
    pub fn exported(&self) -> Option<Exported> {
        self.exported
    }

    /// Which life of the hub this is.
    pub fn boot(&self) -> Boot {
        self.boot
    }

    /// The eras it answered to, by the last probe that told.
    pub fn eras(&self) -> Option<EraSet> {
        self.eras.0.map(|(_, eras)| eras)
    }

    /// Notes what the hub says of its load, unless something newer is known.
    pub fn note_exported(&mut self, exported: Exported) {
        if self.exported.is_none_or(|known| known.at <= exported.at) {
            self.exported = Some(exported);
        }
    }

    /// Notes which life of the hub answered a request at this time.
    pub fn note_boot(&mut self, id: BootId, now: MonoTime) {
        if self.boot.id.is_some() && !self.lives.contains(&id) {
            self.boot.restarts = self.boot.restarts.saturating_add(1);
            self.boot.restarted_at = Some(now);
        }
        if !self.lives.contains(&id) {
            if self.lives.len() == LIVES_MAX {
                self.lives.remove(0);
            }
            self.lives.push(id);
        }
        self.boot.id = Some(id);
    }

    /// A probe goes out. False if too many are on their way: then it must not.
    pub(crate) fn sent(&mut self, id: ProbeId, now: MonoTime) -> bool {
        let room = self.flights.len() < FLIGHTS_MAX;
        if room {
            self.flights.push(Flight { id, sent: now, silent_since: now });
        }
        room
    }

    /// A probe has ended. Gives back when it was sent; `None` for one that is not on its way: reported twice, given up,
    /// or meant for a hub of that name that is no more.
    pub(crate) fn ended(&mut self, report: &ProbeReport) -> Option<MonoTime> {
        let at = self.flights.iter().position(|flight| flight.id == report.id)?;
        let flight = self.flights.swap_remove(at);
        let end = flight.sent.after(report.latency);
        if let Some(eras) = report.eras {
            self.eras.tell(report.id, eras);
        }
        if let Some(boot) = report.boot {
            self.boot_told(report.id, boot, end);
        }
        if flight.excused() && report.outcome == Outcome::Timeout {
            return Some(flight.sent);
        }
        if !report.outcome.is_failure() {
            self.passed = self.passed.max(Some(report.id));
            self.last_pass = self.last_pass.max(Some(end));
        }
        self.last_end = self.last_end.max(Some(end));
        self.sum.ended += 1;
        self.sum.failed += u64::from(report.outcome.is_failure());
        self.sum.took = self.sum.took.saturating_add(report.latency);
        let (id, outcome, latency) = (report.id, report.outcome, report.latency);
        self.insert(End { id, sent: flight.sent, outcome, latency });
        Some(flight.sent)
    }

    /// Gives up probes that nobody reports on.
    pub(crate) fn sweep(&mut self, now: MonoTime) {
        let lost_after = self.settings.timeout + LOST_AFTER;
        while let Some(&lost) = self.flights.iter().find(|f| now.since(f.silent_since) >= lost_after) {
            let (outcome, latency) = (Outcome::Timeout, now.since(lost.sent));
            self.ended(&ProbeReport { id: lost.id, outcome, latency, eras: None, boot: None });
        }
    }

    /// We were not looking for a while: what is on its way was perhaps answered long ago. Its silence counts from now,
    /// and its time-out does not count at all.
    pub(crate) fn excuse(&mut self, now: MonoTime) {
        self.flights.iter_mut().for_each(|flight| flight.silent_since = now);
    }

    pub(crate) fn adopt(&mut self, settings: ProbeSettings) {
        self.settings = settings;
    }

    /// Is there something to look into: has the last probe failed, or is one silent for longer than it should?
    pub(crate) fn doubtful(&self, now: MonoTime) -> bool {
        let patience = self.silence_max(self.settings.doubt);
        let failing = self.ends.last().is_some_and(|end| end.outcome.is_failure());
        failing || self.suspects().any(|flight| now.since(flight.silent_since) >= patience)
    }

    /// When silence next comes to mean something, after `now`.
    pub(crate) fn wake_at(&self, now: MonoTime) -> Option<MonoTime> {
        let lost_after = self.settings.timeout + LOST_AFTER;
        let waits =
            [self.silence_max(self.settings.doubt), self.silence_max(self.settings.stall), lost_after];
        let ends = |flight: &Flight| waits.map(|wait| flight.silent_since.after(wait));
        self.flights.iter().flat_map(ends).filter(|&at| at > now).min()
    }

    /// Probes on their way that were sent after the last that passed: an earlier one was only unlucky.
    fn suspects(&self) -> impl Iterator<Item = &Flight> {
        self.flights.iter().filter(|flight| Some(flight.id) > self.passed)
    }

    /// How long a probe may be silent: at least `least`, longer for a hub that takes long, never past the time-out.
    fn silence_max(&self, least: Duration) -> Duration {
        let usual = self.usual.unwrap_or(Duration::ZERO);
        least.max(usual.saturating_mul(USUAL_TIMES)).min(self.settings.timeout)
    }

    /// Whether the last probes passed, and how many in a row did likewise.
    fn row(&self) -> (bool, u32) {
        let passed = |end: &End| !end.outcome.is_failure();
        let Some(passing) = self.ends.last().map(passed) else { return self.before };
        let row = self.ends.iter().rev().take_while(|end| passed(end) == passing).count();
        let earlier = if row == self.ends.len() && self.before.0 == passing { self.before.1 } else { 0 };
        (passing, earlier.saturating_add(row as u32))
    }

    fn insert(&mut self, end: End) {
        let at = self.ends.partition_point(|other| other.id < end.id);
        self.ends.insert(at, end);
        if self.ends.len() > ENDS_MAX {
            let oldest = !self.ends.remove(0).outcome.is_failure();
            let row = if self.before.0 == oldest { self.before.1 } else { 0 };
            self.before = (oldest, row.saturating_add(1));
        }
        let passing = self.ends.iter().filter(|end| !end.outcome.is_failure());
        let mut took: Vec<_> = passing.map(|end| end.latency).collect();
        took.sort_unstable();
        // A hub that has failed for long is still held against what it was before.
        self.usual = took.get(took.len() / 2).copied().or(self.usual);
    }

    /// A probe that ends late may tell of the life before: that is no restart.
    fn boot_told(&mut self, by: ProbeId, id: BootId, end: MonoTime) {
        if self.boot_told_by < Some(by) {
            self.boot_told_by = Some(by);
            self.note_boot(id, end);
        }
    }
}

#[cfg(test)]
mod tests;
