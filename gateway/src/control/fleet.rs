//! What is known about every hub, and what was decided about it? The control loop without sockets, files and clock.

use super::journal::Journal;
use super::view::{EvidenceView, HubView, StateView, WishView, health_of};
use crate::clock::Rfc3339;
use crate::probe::Scraped;
use crate::sessions::{PinCount, Sessions};
use crate::snapshot::Snapshot;
use crate::store::{Store, WishRecord};
use crate::upstream::Upstream;
use mcphub_health::{Evidence, Outcome, ProbeOrder, Schedule};
use mcphub_predictor::{Inputs, Leave, Measure, Memory, Plan, Policy, Precaution, Wish};
use mcphub_routing::{Era, EraSet, Hub, HubId, MonoTime, RoutingTable};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Whose evidence is gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every hub's: on each tick.
    All,
    /// That of hubs that something is odd about, at once.
    Doubted,
}

/// What the control task knows of the hubs.
pub(super) struct Fleet {
    /// When they are probed, and what came of it.
    pub(super) schedule: Schedule,
    /// What decisions are drawn from.
    pub(super) inputs: Inputs,
    /// How they are drawn.
    pub(super) policy: Policy,
    /// Which hubs went out of service, and what became of it.
    pub(super) journal: Journal,
    watched: BTreeMap<HubId, Watched>,
    /// The hubs whose evidence speaks against them.
    troubled: BTreeSet<HubId>,
    sessions: Arc<Sessions>,
    wishes: BTreeMap<HubId, WishRecord>,
    began: MonoTime,
}

/// One hub, as far as a table has no room for it.
struct Watched {
    upstream: Arc<Upstream>,
    pins: Arc<PinCount>,
    /// The configured eras, which no probe may change.
    eras: Option<EraSet>,
    /// When its metrics are read next.
    scrape_at: MonoTime,
    /// Why it is in its state.
    reason: Option<String>,
    probe_error: Option<String>,
}

impl Fleet {
    /// Nothing is known yet. `seed` keeps the probes of several gateways apart.
    pub(super) fn new(seed: u64, store: &Store, sessions: &Arc<Sessions>, now: MonoTime) -> Self {
        Self {
            schedule: Schedule::new(seed),
            inputs: Inputs { seed, ..Inputs::default() },
            policy: Policy::default(),
            journal: Journal::new(store.clone()),
            watched: BTreeMap::new(),
            troubled: BTreeSet::new(),
            sessions: Arc::clone(sessions),
            wishes: BTreeMap::new(),
            began: now,
        }
    }

    /// Takes over what the operator wanted before. What an earlier process had begun of it is not begun anew: a drain
    /// has what is left of its time, and a hub that was out is out at once.
    pub(super) fn adopt_wishes(&mut self, now_unix_ms: u64) {
        self.wishes = self.journal.store().wishes();
        let Self { wishes, journal, policy, .. } = self;
        let rest = |(hub, record): (&HubId, &WishRecord)| {
            let begun = record.wish.out.and_then(|_| journal.adopt(hub, record.at_unix_ms));
            let Some(begun) = begun else { return (hub.clone(), record.wish) };
            let over = begun.ended_unix_ms.is_some();
            let gone = Duration::from_millis(now_unix_ms.saturating_sub(begun.at_unix_ms));
            let out = record.wish.out.map(|out| match out {
                Leave::Drain { deadline } => {
                    match deadline.unwrap_or(policy.drain_deadline).checked_sub(gone) {
                        Some(rest) if !over => Leave::Drain { deadline: Some(rest) },
                        _ => Leave::Now,
                    }
                }
                Leave::Now => Leave::Now,
            });
            (hub.clone(), Wish { out, ..record.wish })
        };
        self.inputs.wishes = wishes.iter().map(rest).collect();
    }

    /// Takes what the operator wants now.
    pub(super) fn wish(&mut self, hub: &HubId, record: Option<WishRecord>) {
        match record.filter(|record| record.wish != Wish::default()) {
            Some(record) => {
                self.inputs.wishes.insert(hub.clone(), record.wish);
                self.wishes.insert(hub.clone(), record);
            }
            None => {
                self.inputs.wishes.remove(hub);
                self.wishes.remove(hub);
            }
        }
    }

    /// What the operator wants of this hub.
    pub(super) fn wish_of(&self, hub: &HubId) -> Wish {
        self.inputs.wishes.get(hub).copied().unwrap_or_default()
    }

    /// Follows a snapshot to its hubs: new ones are watched from now on, those that are gone are forgotten. A hub that
    /// has another address is another hub.
    pub(super) fn follow(&mut self, snapshot: &Snapshot, now: MonoTime) {
        let settings = &snapshot.settings;
        self.policy = super::policy::of(settings);
        let probes = super::policy::probes(&settings.health);
        let stays = |id: &HubId, watched: &Watched| {
            snapshot
                .table
                .find(id.as_str())
                .and_then(|index| snapshot.upstreams.get(index.get()))
                .is_some_and(|upstream| Arc::ptr_eq(upstream, &watched.upstream))
        };
        let gone: Vec<HubId> = self
            .watched
            .iter()
            .filter(|(id, watched)| !stays(id, watched))
            .map(|(id, _)| id.clone())
            .collect();
        for hub in gone {
            self.watched.remove(&hub);
            self.schedule.remove(&hub);
            self.troubled.remove(&hub);
            self.inputs.evidence.remove(&hub);
            self.inputs.pins.remove(&hub);
            self.inputs.memory.hubs.remove(&hub);
            self.journal.forget(&hub, "it left the configuration, or moved to another address");
        }
        for (hub, upstream) in settings.hubs.iter().zip(snapshot.upstreams.iter()) {
            self.schedule.add(hub.id.clone(), probes, now);
            let fresh = || Watched {
                upstream: Arc::clone(upstream),
                pins: self.sessions.pins_of(&hub.id),
                eras: None,
                scrape_at: now,
                reason: None,
                probe_error: None,
            };
            self.watched.entry(hub.id.clone()).or_insert_with(fresh).eras = hub.eras;
        }
    }

    /// Do hubs serve different eras, as far as that is configured or learned? Sessions and requests of an era can then be
    /// placed on some of them only.
    pub(super) fn has_mixed_eras(&self) -> bool {
        let learned = |hub: &HubId| self.inputs.evidence.get(hub).and_then(|evidence| evidence.eras);
        let mut eras = self.watched.iter().filter_map(|(hub, watched)| watched.eras.or_else(|| learned(hub)));
        let first = eras.next();
        eras.any(|eras| Some(eras) != first)
    }

    /// Looks which hubs something is odd about, as far as requests tell.
    pub(super) fn take_suspicions(&mut self, now: MonoTime) {
        for (hub, watched) in &self.watched {
            if watched.upstream.take_suspicion() {
                self.schedule.suspect(hub, now);
            }
        }
    }

    /// Has this hub probed soon. `false` if there is none of that name.
    pub(super) fn suspect(&mut self, hub: &HubId, now: MonoTime) -> bool {
        self.schedule.suspect(hub, now);
        self.watched.contains_key(hub)
    }

    /// The probes to send now.
    pub(super) fn due(&mut self, now: MonoTime) -> Vec<ProbeOrder> {
        self.schedule.due(now)
    }

    /// What the last failing probe of a hub met; `None` when one passes.
    pub(super) fn note_probe(&mut self, hub: &HubId, outcome: Outcome, why: Option<String>) {
        let boot = self.schedule.ledger(hub).map(mcphub_health::ProbeLedger::boot);
        if let Some(watched) = self.watched.get_mut(hub) {
            if let Some(boot) = boot {
                watched.upstream.note_boot(boot);
            }
            if outcome.is_failure() {
                watched.upstream.note_failed(crate::clock::since_start());
            }
            watched.probe_error =
                outcome.is_failure().then(|| why.unwrap_or_else(|| outcome.as_str().to_owned()));
        }
    }

    /// The hubs whose metrics are to be read now.
    pub(super) fn scrapes_due(&mut self, interval: Duration, now: MonoTime) -> Vec<HubId> {
        let due = self.watched.iter_mut().filter(|(_, watched)| watched.scrape_at <= now);
        due.map(|(hub, watched)| {
            watched.scrape_at = now.after(interval);
            hub.clone()
        })
        .collect()
    }

    /// What a hub's metrics say.
    pub(super) fn note_scrape(&mut self, hub: &HubId, scraped: &Scraped, now: MonoTime) {
        let Some(ledger) = self.schedule.ledger_mut(hub) else { return };
        ledger.note_exported(scraped.exported);
        if let Some(boot) = scraped.boot {
            ledger.note_boot(boot, now);
        }
    }

    /// Gathers what is known now.
    pub(super) fn gather(&mut self, scope: Scope, now: MonoTime) {
        let counted = self.counts_all(now);
        for (hub, watched) in &self.watched {
            let Some(ledger) = self.schedule.ledger(hub) else { continue };
            if scope == Scope::Doubted && !self.troubled.contains(hub) && !self.schedule.is_doubted(hub, now)
            {
                continue;
            }
            let in_flight = watched.upstream.in_flight();
            let mut evidence = Evidence::gather(&watched.upstream.recorder, ledger, in_flight, now);
            if watched.eras.is_some() {
                evidence.eras = None;
            }
            self.journal.watch(hub, &evidence, (&watched.upstream, &watched.pins), now);
            if evidence.speaks_against() {
                self.troubled.insert(hub.clone());
            } else {
                self.troubled.remove(hub);
            }
            self.inputs.evidence.insert(hub.clone(), evidence);
            // A drain waits for modern clients' streams too.
            let pins = watched.pins.sessions() + u64::from(watched.upstream.listening());
            if counted || pins > 0 {
                self.inputs.pins.insert(hub.clone(), pins);
            } else {
                self.inputs.pins.remove(hub);
            }
        }
    }

    /// Whether something is odd about any hub: it is doubted, or what is known of it speaks against it.
    pub(super) fn is_odd(&self, now: MonoTime) -> bool {
        self.schedule.doubts(now) || !self.troubled.is_empty()
    }

    /// Have all sessions been seen by now? Those from before we began are seen when they next call, so for as long as a
    /// drain may take nobody can say that a hub has none.
    fn counts_all(&self, now: MonoTime) -> bool {
        now.since(self.began) >= self.policy.drain_deadline.min(COUNTED_AFTER)
    }

    /// Remembers what a plan remembers: it is published, or changes nothing.
    pub(super) fn remember(&mut self, memory: Memory) {
        self.inputs.memory = memory;
    }

    /// Does what a plan asks for besides changing the table, each time anew: hubs that may fail are probed more often.
    /// Gives back the hubs that connections are to be opened to, since they would take over.
    pub(super) fn take_care(&mut self, plan: &Plan, now: MonoTime) -> BTreeMap<HubId, Arc<Upstream>> {
        for hub in self.watched.keys() {
            self.schedule.watch(hub, plan.memory.of(hub).watched, now);
        }
        let ready = |precaution: &Precaution| match precaution.measure {
            Measure::KeepReady { .. } => {
                let watched = self.watched.get(&precaution.hub)?;
                Some((precaution.hub.clone(), Arc::clone(&watched.upstream)))
            }
            Measure::ProbeMore => None,
        };
        plan.precautions.iter().filter_map(ready).collect()
    }

    /// Follows a plan that was published.
    pub(super) fn published(&mut self, plan: &Plan, table: &RoutingTable, now: MonoTime) {
        for step in &plan.steps {
            let Some(watched) = self.watched.get_mut(&step.hub) else { continue };
            watched.reason = Some(step.reason.to_string());
            self.journal.step(step, (&watched.upstream, &watched.pins), table, now);
            if step.from.takes().is_none() && step.to.takes().is_some() {
                watched.upstream.recorder.forget_failures(now);
            }
            if super::journal::answers_nothing(step) {
                watched.upstream.give_up(crate::clock::instant());
            }
        }
    }

    /// One hub as it is now.
    pub(super) fn view(&self, hub: &Hub<'_>, now: MonoTime) -> Option<HubView> {
        let watched = self.watched.get(hub.id)?;
        let nothing = Evidence::none(now);
        let evidence = self.inputs.evidence.get(hub.id).unwrap_or(&nothing);
        let record = self.wishes.get(hub.id);
        let wish = record.and_then(|record| {
            let since = UNIX_EPOCH + Duration::from_millis(record.at_unix_ms);
            WishView::of(&record.wish, record.note.as_deref(), Rfc3339(since).to_string())
        });
        let eras = [(Era::Legacy, "legacy"), (Era::Modern, "modern")];
        Some(HubView {
            id: hub.id.to_string(),
            hub_type: hub.hub_type.as_str(),
            location: hub.location.to_string(),
            url: watched.upstream.url.to_string(),
            eras: eras.iter().filter(|(era, _)| hub.eras.contains(*era)).map(|(_, name)| *name).collect(),
            eras_learned: watched.eras.is_none() && evidence.eras.is_some(),
            health: health_of(hub),
            state: StateView::of(hub.state, now),
            reason: watched.reason.clone(),
            wish,
            sessions: watched.pins.sessions(),
            sessions_complete: self.counts_all(now),
            in_flight: watched.upstream.in_flight(),
            evidence: EvidenceView::of(evidence, now),
            probe_error: watched.probe_error.clone(),
            forecast: None,
            alarm: None,
        })
    }
}

/// Sessions that call less often than this are as good as gone when a drain begins right after a start.
const COUNTED_AFTER: Duration = Duration::from_secs(60);
