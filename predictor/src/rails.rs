//! How many hubs are in service, out, and draining where?

use std::collections::{BTreeMap, BTreeSet};

use mcphub_routing::{Cause, HubId, HubState, LocationName, MonoTime, RoutingTable, Share};

use crate::verdict::gone;
use crate::{Inputs, Memory, Policy, Wish};

/// Does it take a share of new placements?
pub(crate) fn in_service(state: HubState) -> bool {
    state.takes().is_some_and(|share| share.per_mille() > 0)
}

/// May it have less weight for a forecast? One that returns has less anyhow, and one without a share nothing to lose.
pub(crate) fn is_relievable(state: HubState) -> bool {
    matches!(state, HubState::Serving { .. }) && in_service(state)
}

/// Is it draining?
pub(crate) fn is_draining(state: HubState) -> bool {
    matches!(state, HubState::Draining { .. })
}

/// Is it out of service for a forecast?
pub(crate) fn is_out_by_forecast(state: HubState) -> bool {
    let (HubState::Draining { cause, .. } | HubState::Drained { cause }) = state else { return false };
    cause == Cause::Forecast
}

/// Is this another state, and not merely another share of service?
pub(crate) fn is_change(from: HubState, to: HubState) -> bool {
    match (from, to) {
        (
            HubState::Serving { .. } | HubState::Recovering { .. },
            HubState::Serving { .. } | HubState::Recovering { .. },
        ) => false,
        _ => from != to,
    }
}

/// Has it less weight for a forecast, by this memory? One that the operator wants to take nothing is not counted: it
/// may lose its share at any step, or keep it against the operator's word.
pub(crate) fn is_relieved(hub: &HubId, memory: &Memory, inputs: &Inputs) -> bool {
    let nothing = |wish: &Wish| wish.weight == Some(Share::NONE);
    memory.of(hub).relieved && !inputs.wishes.get(hub).is_some_and(nothing)
}

/// The hubs that answer nothing.
pub(crate) fn gone_hubs<'t>(
    table: &'t RoutingTable,
    inputs: &Inputs,
    policy: &Policy,
    now: MonoTime,
) -> BTreeSet<&'t HubId> {
    let is_gone = |id: &&HubId| inputs.evidence.get(*id).is_some_and(|e| gone(e, policy, now).is_some());
    table.hubs().map(|hub| hub.id).filter(is_gone).collect()
}

/// What the states of a fleet amount to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    /// In service, and answering.
    pub(crate) serving: usize,
    /// Could take a request: as above, or with no share.
    pub(crate) able: usize,
    /// Not in service.
    pub(crate) out: usize,
    /// All.
    pub(crate) hubs: usize,
    /// In service, answering, and with less weight for a forecast.
    pub(crate) relieved: usize,
    /// Out for a forecast.
    pub(crate) out_by_forecast: usize,
    /// How many drain in each location.
    pub(crate) draining: BTreeMap<LocationName, usize>,
}

impl Tally {
    pub(crate) fn add(&mut self, state: HubState, location: &LocationName, gone: bool, relieved: bool) {
        self.hubs += 1;
        self.serving += usize::from(in_service(state) && !gone);
        self.able += usize::from(state.takes().is_some() && !gone);
        self.out += usize::from(!in_service(state));
        self.relieved += usize::from(relieved && is_relievable(state) && !gone);
        self.out_by_forecast += usize::from(is_out_by_forecast(state));
        if is_draining(state) {
            *self.draining.entry(location.clone()).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, state: HubState, location: &LocationName, gone: bool, relieved: bool) {
        self.hubs -= 1;
        self.serving -= usize::from(in_service(state) && !gone);
        self.able -= usize::from(state.takes().is_some() && !gone);
        self.out -= usize::from(!in_service(state));
        self.relieved -= usize::from(relieved && is_relievable(state) && !gone);
        self.out_by_forecast -= usize::from(is_out_by_forecast(state));
        if is_draining(state) {
            self.draining.entry(location.clone()).and_modify(|count| *count -= 1);
        }
    }

    pub(crate) fn draining_at(&self, location: &LocationName) -> usize {
        self.draining.get(location).copied().unwrap_or(0)
    }
}
