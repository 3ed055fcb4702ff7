//! Which hubs went out of service, what did it cost, and when were they back?
//!
//! What is written down was measured: from the first sign of trouble that anybody saw to the table without the hub, and
//! requests as they were counted in between.

use crate::clock;
use crate::sessions::PinCount;
use crate::store::{FailoverRecord, Store, Trigger};
use crate::upstream::{Impact, Upstream};
use mcphub_health::{Evidence, Outcome};
use mcphub_predictor::{Reason, Step};
use mcphub_routing::{
    Choice, Era, Excluded, HubId, HubState, MonoTime, NoLoads, PlaceIndex, RouteQuery, RoutingTable,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Past outages of a hub that its next recovery is estimated from.
const PAST_OUTAGES: usize = 1_000;

/// What happened to the hubs, as far as it must be told.
pub(super) struct Journal {
    store: Store,
    hubs: BTreeMap<HubId, Course>,
}

/// What clients met because of a hub, and what was moved so that they would not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Cost {
    impact: Impact,
    /// Sessions that left it.
    sessions: u64,
}

impl Cost {
    fn of(upstream: &Upstream, pins: &PinCount) -> Self {
        Self { impact: upstream.impact(), sessions: pins.moved() }
    }

    /// What was added to `calm`, and to what was there `before`.
    fn since(self, calm: Self, before: Self) -> Self {
        let impact = Impact {
            failed: before.impact.failed + self.impact.failed.saturating_sub(calm.impact.failed),
            moved: before.impact.moved + self.impact.moved.saturating_sub(calm.impact.moved),
        };
        Self { impact, sessions: before.sessions + self.sessions.saturating_sub(calm.sessions) }
    }

    fn in_record(record: &FailoverRecord) -> Self {
        let impact = Impact { failed: record.requests_failed, moved: record.requests_moved };
        Self { impact, sessions: record.sessions_moved }
    }

    fn write_to(self, record: &mut FailoverRecord) {
        (record.requests_failed, record.requests_moved) = (self.impact.failed, self.impact.moved);
        record.sessions_moved = self.sessions;
    }
}

/// One hub's affairs since it was last well.
#[derive(Default)]
struct Course {
    /// What it had cost when nothing was wrong with it.
    calm: Cost,
    /// What this outage had cost before this process began.
    before: Cost,
    /// When something first was.
    doubted: Option<MonoTime>,
    /// It is out, and this is its record.
    open: Option<FailoverRecord>,
}

impl Journal {
    pub(super) fn new(store: Store) -> Self {
        Self { store, hubs: BTreeMap::new() }
    }

    /// Where the journal is kept.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Looks at what is known about a hub: it is well, something is wrong, or its outage goes on.
    pub(super) fn watch(
        &mut self,
        hub: &HubId,
        evidence: &Evidence,
        (upstream, pins): (&Upstream, &PinCount),
        now: MonoTime,
    ) {
        let failing = evidence.passive.short.failures() > 0 || evidence.probes.against() > 0;
        if !self.hubs.contains_key(hub) {
            self.hubs.insert(hub.clone(), Course::default());
        }
        let Some(course) = self.hubs.get_mut(hub) else { return };
        let present = Cost::of(upstream, pins);
        if let Some(record) = &mut course.open {
            let cost = present.since(course.calm, course.before);
            if cost != Cost::in_record(record) {
                cost.write_to(record);
                self.store.put_failover(record.clone());
            }
        } else if failing {
            let passive = evidence.passive.last_failure.filter(|_| evidence.passive.short.failures() > 0);
            let probes = evidence.probes.stalled_since.or(evidence.probes.last_end);
            let first = passive.into_iter().chain(probes.filter(|_| evidence.probes.against() > 0)).min();
            course.doubted.get_or_insert(first.unwrap_or(now));
        } else {
            (course.calm, course.doubted) = (present, None);
        }
    }

    /// Follows one step of a plan that was published as this table.
    pub(super) fn step(
        &mut self,
        step: &Step,
        (upstream, pins): (&Upstream, &PinCount),
        table: &RoutingTable,
        now: MonoTime,
    ) {
        let (was, is) = (serves(step.from), serves(step.to));
        let course = self.hubs.entry(step.hub.clone()).or_default();
        if was && !is && course.open.is_none() {
            course.open = Some(begin(&self.store, step, course, (upstream, pins), table, now));
        }
        let Some(record) = &mut course.open else { return };
        let stays = matches!(step.to, HubState::Draining { .. });
        if !stays && record.ended_unix_ms.is_none() {
            record.ended_unix_ms = Some(clock::unix_millis());
            record.ended_because = Some(step.reason.to_string());
        }
        if is {
            record.back_unix_ms = Some(clock::unix_millis());
        }
        self.store.put_failover(record.clone());
        if is {
            *course = Course { calm: Cost::of(upstream, pins), ..Course::default() };
        }
    }

    /// A hub is watched no more.
    pub(super) fn forget(&mut self, hub: &HubId, why: &str) {
        if let Some(mut record) = self.hubs.remove(hub).and_then(|course| course.open)
            && record.ended_unix_ms.is_none()
        {
            record.ended_unix_ms = Some(clock::unix_millis());
            record.ended_because = Some(why.to_owned());
            self.store.put_failover(record);
        }
    }

    /// Goes on with what an earlier process wrote of an outage that the operator wanted at this time or later, and that
    /// is not over: one outage is one record, however many processes live through it.
    pub(super) fn adopt(&mut self, hub: &HubId, wished_unix_ms: u64) -> Option<FailoverRecord> {
        let course = self.hubs.entry(hub.clone()).or_default();
        if course.open.is_none() {
            let newest = self.store.failovers(PAST_OUTAGES).into_iter().find(|r| r.hub == hub.as_str())?;
            let goes_on = newest.by == Trigger::Operator && newest.back_unix_ms.is_none();
            course.open = (goes_on && newest.at_unix_ms >= wished_unix_ms).then_some(newest);
            course.before = course.open.as_ref().map(Cost::in_record).unwrap_or_default();
        }
        course.open.clone()
    }

    /// The record of the outage that a hub is in.
    pub(super) fn open(&self, hub: &HubId) -> Option<u64> {
        self.hubs.get(hub)?.open.as_ref().map(|record| record.id)
    }
}

fn begin(
    store: &Store,
    step: &Step,
    course: &Course,
    (upstream, pins): (&Upstream, &PinCount),
    table: &RoutingTable,
    now: MonoTime,
) -> FailoverRecord {
    let cost = Cost::of(upstream, pins).since(course.calm, Cost::default());
    let by = if step.reason == Reason::Operator { Trigger::Operator } else { Trigger::Automatic };
    let noticed =
        course.doubted.filter(|_| by == Trigger::Automatic).map_or(Duration::ZERO, |at| now.since(at));
    FailoverRecord {
        id: store.next_failover_id(),
        at_unix_ms: clock::unix_millis(),
        hub: step.hub.to_string(),
        backup: receives(table),
        by,
        reason: step.reason.to_string(),
        noticed_to_published_ms: u64::try_from(noticed.as_millis()).unwrap_or(u64::MAX),
        sessions_pinned: pins.sessions(),
        requests_failed: cost.impact.failed,
        requests_moved: cost.impact.moved,
        sessions_moved: cost.sessions,
        ended_unix_ms: None,
        back_unix_ms: None,
        // The operator alone knows when a hub comes back that the operator took out.
        expected_recovery_ms: if by == Trigger::Automatic { usual_outage(store, &step.hub) } else { None },
        how: if matches!(step.to, HubState::Ejected { .. }) { "ejected" } else { "drained" }.to_owned(),
        ended_because: None,
    }
}

/// How long this hub's outages were that nobody asked for: the middle one. `None` before the first.
fn usual_outage(store: &Store, hub: &HubId) -> Option<u64> {
    let past = store.failovers(PAST_OUTAGES);
    let of_hub = past.iter().filter(|record| record.hub == hub.as_str() && record.by == Trigger::Automatic);
    let mut spans: Vec<u64> =
        of_hub.filter_map(|record| Some(record.back_unix_ms?.saturating_sub(record.at_unix_ms))).collect();
    spans.sort_unstable();
    spans.get(spans.len() / 2).copied()
}

/// The hub that a new client right here goes to.
pub(super) fn receives(table: &RoutingTable) -> Option<String> {
    let modern = table.hubs().any(|hub| hub.eras.contains(Era::Modern));
    let era = if modern { Era::Modern } else { Era::Legacy };
    let query =
        RouteQuery { excluded: Excluded::none(), ..RouteQuery::new(PlaceIndex::new(0), era, &NoLoads) };
    match mcphub_routing::select(table, &query) {
        Choice::Keep(hub) | Choice::Place(hub) | Choice::Move { to: hub, .. } => {
            table.hub(hub).map(|hub| hub.id.to_string())
        }
        Choice::Refuse(_) => None,
    }
}

/// Does it take a share of new placements?
fn serves(state: HubState) -> bool {
    state.takes().is_some_and(|share| share.per_mille() > 0)
}

/// Is the hub ejected because it answers nothing, so that nobody need wait for it?
pub(super) fn answers_nothing(step: &Step) -> bool {
    let silent = match step.reason {
        Reason::ProbesFailed { .. } => true,
        Reason::RequestsFailed { outcome, .. } => {
            matches!(outcome, Outcome::ConnectError | Outcome::Timeout | Outcome::Reset)
        }
        _ => false,
    };
    silent && matches!(step.to, HubState::Ejected { .. } | HubState::Drained { .. })
}
