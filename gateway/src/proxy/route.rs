//! To which hub, and where next if it cannot be reached?

use super::exchange::Job;
use crate::upstream::Upstream;
use mcphub_mcp::{Failure, ProtocolVersion};
use mcphub_routing::{
    Choice, Excluded, HubId, HubIndex, Loads, NoLoads, Pin, Refusal, ResidencyIndex, RouteQuery,
    RoutingTable, select,
};
use std::sync::Arc;

/// The present load of each hub, read where it is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InFlight<'a>(&'a [Arc<Upstream>]);

impl<'a> InFlight<'a> {
    /// Of these, in the order of their table.
    pub(crate) fn of(upstreams: &'a [Arc<Upstream>]) -> Self {
        Self(upstreams)
    }
}

impl Loads for InFlight<'_> {
    fn in_flight(&self, hub: HubIndex) -> u32 {
        self.0.get(hub.get()).map_or(0, |upstream| upstream.in_flight())
    }
}

/// Asks the table.
pub(super) fn choose(job: &Job<'_>, excluded: Excluded, turn: u64) -> Choice {
    let loads = InFlight(&job.snapshot.upstreams);
    select(&job.snapshot.table, &RouteQuery { excluded, turn, ..query(job, &loads) })
}

/// The residency that a session is sealed with.
pub(super) fn residency(job: &Job<'_>) -> Option<ResidencyIndex> {
    job.snapshot.table.residency(&query(job, &NoLoads)).ok()
}

fn query<'a>(job: &Job<'_>, loads: &'a dyn Loads) -> RouteQuery<'a> {
    let context = job.context;
    let pinned = job.lodging.map(|lodging| lodging.hub).or(context.task.as_ref().map(HubId::as_str));
    RouteQuery {
        pin: pinned.and_then(|hub| job.snapshot.table.find(hub)).map(Pin::Hard),
        key: context.key,
        residency: context.residency,
        ..RouteQuery::new(context.place, job.admitted.era, loads)
    }
}

/// What a refusal means to the client.
pub(super) fn failure_of(refusal: Refusal, table: &RoutingTable) -> Failure<'static> {
    match refusal {
        Refusal::Unplaced => Failure::ResidencyRefused,
        // Whether because of a residency rule is the operator's business; the log says it.
        Refusal::Residency | Refusal::NoneServing => Failure::NoHub,
        Refusal::AllTried => Failure::HubUnreachable,
        Refusal::EraUnsupported => Failure::EraNotServed { supported: versions_served(table) },
    }
}

/// The versions that the fleet speaks, newest first. A fleet has one era set; where hubs differ, the widest counts.
fn versions_served(table: &RoutingTable) -> &'static [ProtocolVersion] {
    let all = &ProtocolVersion::ALL;
    let legacy_from = all.iter().position(|version| !version.is_modern()).unwrap_or(all.len());
    if table.hubs().any(|hub| hub.eras.contains(mcphub_routing::Era::Modern)) {
        &all[..legacy_from]
    } else {
        &all[legacy_from..]
    }
}
