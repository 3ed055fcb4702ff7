//! What is expected of the fleet, and what may be done about it before any step is taken?

use mcphub_routing::{Hub, HubIndex, HubState, MonoTime, RoutingTable};

use crate::alarms::Sight;
use crate::precaution::successors;
use crate::rails::{is_draining, is_out_by_forecast};
use crate::verdict::Verdict;
use crate::{Band, Forecast, ForecastUse, HubMemory, Inputs, Measure, Outlook, Plan, Policy, Precaution};

/// Hubs whose successors are looked for in one plan: that costs a choice for each place.
const BACKED_MAX: usize = 16;

/// Judges the alarms that are open and raises new ones, in the plan's memory.
///
/// They are kept where forecasts only advise, too: what they are worth should be known before they may act.
pub(crate) fn raise(
    plan: &mut Plan,
    table: &RoutingTable,
    verdicts: &[Verdict],
    inputs: &Inputs,
    policy: &Policy,
) {
    let looked_at = policy.forecast.mode != ForecastUse::Off;
    let ledger = &mut plan.memory.alarms;
    ledger.retain(|hub| looked_at && table.find(hub.as_str()).is_some(), &mut plan.alarms);
    // Where nothing is foretold, nothing is missed.
    if !looked_at || (inputs.forecasts.is_empty() && ledger.is_empty()) {
        return;
    }
    for (hub, verdict) in table.hubs().zip(verdicts) {
        let sight = sight(&hub, verdict, plan.panic, inputs, (policy, plan.at));
        ledger.look(hub.id, sight, (&policy.forecast, inputs.seed), plan.at, &mut plan.alarms);
    }
}

/// Depends on nothing that the plan's own steps change, but that a hub has just come to another state: so looking again
/// after them finds the same.
fn sight(
    hub: &Hub<'_>,
    verdict: &Verdict,
    panic: bool,
    inputs: &Inputs,
    (policy, now): (&Policy, MonoTime),
) -> Sight {
    let wished_out = inputs.wishes.get(hub.id).is_some_and(|wish| wish.out.is_some());
    let serves = hub.state.takes().is_some();
    let changed = inputs.memory.of(hub.id).changed;
    let forecast = inputs.forecasts.get(hub.id);
    let strong = forecast.filter(|f| policy.forecast.band(f, verdict.confirms) >= Band::Relieve);
    Sight {
        known: verdict.known,
        ill: verdict.ill.is_some(),
        well: verdict.well.is_some(),
        panic,
        present: !wished_out && (serves || is_out_by_forecast(hub.state)),
        settled: !serves || changed.is_none_or(|changed| now.since(changed) >= policy.dwell()),
        expected: strong.map(Forecast::outlook),
    }
}

/// Names the precautions and notes what is done about alarms, going by what the fleet is after the plan's steps: what
/// one alarm began may go on under the next.
pub(crate) fn take_care(
    plan: &mut Plan,
    table: &RoutingTable,
    verdicts: &[Verdict],
    inputs: &Inputs,
    policy: &Policy,
) {
    let touched = |memory: &HubMemory| memory.watched || memory.relieved;
    if inputs.forecasts.is_empty() && !plan.memory.hubs.values().any(touched) {
        return;
    }
    let mut states: Vec<HubState> = table.hubs().map(|hub| hub.state).collect();
    for step in &plan.steps {
        if let Some(index) = table.find(step.hub.as_str()) {
            states[index.get()] = step.to;
        }
    }
    let acts = policy.forecast.mode == ForecastUse::Act;
    let mut backed: Vec<(Hub<'_>, Option<Outlook>)> = Vec::new();
    for (hub, (verdict, state)) in table.hubs().zip(verdicts.iter().zip(states)) {
        let outlook = inputs.forecasts.get(hub.id).map(Forecast::outlook);
        let watched = acts && watches(&hub, state, verdict, inputs, (plan, policy));
        let memory = plan.memory.of(hub.id);
        if watched != memory.watched {
            plan.memory.hubs.entry(hub.id.clone()).or_default().watched = watched;
        }
        if watched {
            plan.precautions.push(Precaution { hub: hub.id.clone(), measure: Measure::ProbeMore, outlook });
        }
        let leaves = is_draining(state) && is_out_by_forecast(state);
        let relieved = memory.relieved && matches!(state, HubState::Serving { .. });
        if relieved || is_out_by_forecast(state) {
            plan.memory.alarms.acted(hub.id, if relieved { Band::Relieve } else { Band::Leave });
        }
        if acts && backed.len() < BACKED_MAX && (leaves || relieved) {
            backed.push((hub, outlook));
        }
    }
    let spoken_against: Vec<HubIndex> = backed.iter().map(|(hub, _)| hub.index).collect();
    for (hub, outlook) in &backed {
        for successor in successors(table, hub, &spoken_against) {
            let measure = Measure::KeepReady { instead_of: hub.id.clone() };
            plan.precautions.push(Precaution { hub: successor, measure, outlook: *outlook });
        }
    }
}

/// Is it probed more often? A held-out alarm leaves even that undone.
fn watches(
    hub: &Hub<'_>,
    state: HubState,
    verdict: &Verdict,
    inputs: &Inputs,
    (plan, policy): (&Plan, &Policy),
) -> bool {
    let Some(forecast) = inputs.forecasts.get(hub.id) else { return false };
    let held_out = plan.memory.alarms.open(hub.id).is_some() && !plan.memory.alarms.calls(hub.id);
    if held_out || !(state.takes().is_some() || is_out_by_forecast(state)) {
        return false;
    }
    if inputs.memory.of(hub.id).watched {
        return !policy.forecast.releases(forecast, Band::Watch);
    }
    policy.forecast.band(forecast, verdict.confirms) >= Band::Watch
}
