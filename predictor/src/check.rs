//! Does a plan keep to the guard rails, however clever it is?
//!
//! This counts for itself: of the judgement it shares only the question whether a hub answers anything at all.

use std::collections::BTreeSet;
use std::time::Duration;

use mcphub_health::Evidence;
use mcphub_routing::{Hub, HubId, HubState, LocationName, MonoTime, Revision, RoutingTable};

use crate::rails::{Tally, gone_hubs, in_service, is_change, is_draining, is_out_by_forecast, is_relieved};
use crate::{ApplyError, Course, ForecastUse, Inputs, Leave, Outlook, Plan, Policy, Reason, Step};

/// A plan that keeps to the guard rails, and the only kind that can be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPlan(Plan);

impl CheckedPlan {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.0
    }

    /// Makes the next table. All steps are taken or none.
    ///
    /// # Errors
    /// [`ApplyError`] when the plan does not fit the table: it is not the one that it was checked against.
    pub fn apply(&self, table: &RoutingTable) -> Result<RoutingTable, ApplyError> {
        self.0.apply(table)
    }
}

/// How a plan breaks a guard rail. [`crate::decide`] makes no such plan: this is our own mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It does not fit the table: it is stale, or speaks of other hubs or states.
    #[error("the plan does not fit the table")]
    Misfit(#[source] ApplyError),
    /// It takes hubs out that need not go, and leaves too few in service.
    #[error("the plan leaves {serving} hubs serving, fewer than the floor of {floor}")]
    Floor {
        /// How many would serve.
        serving: usize,
        /// How many must.
        floor: usize,
    },
    /// It takes hubs out that need not go, and leaves too many out.
    #[error("the plan leaves {out} of {hubs} hubs out, more than {most}")]
    MaxOut {
        /// How many would be out.
        out: usize,
        /// Of how many.
        hubs: usize,
        /// How many may.
        most: usize,
    },
    /// It begins a drain in a location where another hub drains.
    #[error("the plan drains a second hub in {0}")]
    LocationDraining(LocationName),
    /// It changes a hub that has not been in its state for long enough.
    #[error("the plan changes hub {hub} {elapsed:?} after its last change")]
    Dwell {
        /// The hub.
        hub: HubId,
        /// How long ago its last change was.
        elapsed: Duration,
    },
    /// It ejects a hub that is only expected to fail.
    #[error("the plan ejects hub {0} for a forecast alone")]
    ForecastEjects(HubId),
    /// It drains a hub for a forecast that is too weak for that, or relieves one.
    #[error("the plan acts on hub {0} for a forecast that is too weak")]
    ForecastTooWeak(HubId),
    /// It acts on a hub for a forecast without an alarm, or although the alarm is held out, or forecasts may not act.
    #[error("the plan acts on hub {0} for a forecast that nothing may be done about")]
    ForecastMayNot(HubId),
    /// It takes too many hubs out for forecasts.
    #[error("the plan leaves {out} of {hubs} hubs out for forecasts, more than {most}")]
    ForecastShare {
        /// How many would be out.
        out: usize,
        /// Of how many.
        hubs: usize,
        /// How many may.
        most: usize,
    },
    /// It relieves so many hubs that too few are left alone.
    #[error("the plan leaves {untouched} hubs alone, fewer than the floor of {floor}, or touches too many")]
    ForecastTouches {
        /// How many would serve with all of their weight.
        untouched: usize,
        /// How many must.
        floor: usize,
    },
    /// It ejects a hub that answers something while most of the fleet looks bad.
    #[error("the plan ejects hub {0} in panic")]
    PanicEjects(HubId),
    /// It keeps a hub in service that answers nothing, while another can serve.
    #[error("the plan keeps hub {0} in service, which answers nothing")]
    KeepsGone(HubId),
    /// It takes the last hub that is in service out, without another to serve.
    #[error("the plan takes out hub {0} and leaves none that can serve")]
    NobodyLeft(HubId),
    /// It says that the operator asked for what the operator did not ask for.
    #[error("the plan takes out hub {0} for an operator who did not ask for it")]
    NoSuchWish(HubId),
}

/// Holds a plan against the guard rails.
///
/// # Errors
/// [`Flaw`], the first that is found. Keep the old table then.
pub fn check(
    plan: Plan,
    table: &RoutingTable,
    inputs: &Inputs,
    policy: &Policy,
) -> Result<CheckedPlan, Flaw> {
    let next = plan.revise(table).map_err(Flaw::Misfit)?;
    let gone = gone_hubs(table, inputs, policy, plan.at);
    let nobody = table.hubs().all(|hub| hub.state.takes().is_none() || gone.contains(hub.id));
    for step in &plan.steps {
        let is_gone = gone.contains(&step.hub);
        by_right(&plan, step, is_gone, inputs)?;
        if let Reason::Forecast(outlook) = step.reason {
            foretold(&plan, step, outlook, inputs, policy)?;
        }
        if !(nobody && step.to.takes().is_some()) {
            dwell(step, is_gone, inputs, policy, plan.at)?;
        }
    }
    fleet(&plan, (table, &next), &gone, inputs, policy)?;
    Ok(CheckedPlan(plan))
}

/// Does the reason allow the step?
fn by_right(plan: &Plan, step: &Step, is_gone: bool, inputs: &Inputs) -> Result<(), Flaw> {
    let ejects = matches!(step.to, HubState::Ejected { .. });
    if ejects && matches!(step.reason, Reason::Forecast(_)) {
        return Err(Flaw::ForecastEjects(step.hub.clone()));
    }
    if ejects && plan.panic && !is_gone && in_service(step.from) {
        return Err(Flaw::PanicEjects(step.hub.clone()));
    }
    if step.reason == Reason::Operator && leaves(step) {
        let wish = inputs.wishes.get(&step.hub).copied().unwrap_or_default();
        let asked = match step.to {
            HubState::Draining { .. } => wish.out.is_some(),
            HubState::Drained { .. } => wish.out == Some(Leave::Now),
            _ => wish.weight.is_some(),
        };
        if !asked {
            return Err(Flaw::NoSuchWish(step.hub.clone()));
        }
    }
    Ok(())
}

/// Is the forecast strong enough for the step, and may anything be done about it?
fn foretold(
    plan: &Plan,
    step: &Step,
    outlook: Outlook,
    inputs: &Inputs,
    policy: &Policy,
) -> Result<(), Flaw> {
    let forecasts = &policy.forecast;
    let spoken = inputs.evidence.get(&step.hub).is_some_and(something_is_odd);
    let line = if leaves(step) { forecasts.leave_at(spoken) } else { forecasts.relieve_at() };
    if outlook.probability < line || outlook.confidence < forecasts.confidence {
        return Err(Flaw::ForecastTooWeak(step.hub.clone()));
    }
    let alarm = plan.memory.alarms.open(&step.hub);
    let called = alarm.is_some_and(|alarm| alarm.course != Course::HeldOut);
    if called && forecasts.mode == ForecastUse::Act && !plan.panic {
        return Ok(());
    }
    Err(Flaw::ForecastMayNot(step.hub.clone()))
}

/// Do its requests, or its own word, say anything at all that could confirm a forecast?
fn something_is_odd(evidence: &Evidence) -> bool {
    let (passive, answer) = (&evidence.passive, &evidence.latency);
    let busy = evidence.load.exported.is_some_and(|exported| exported.cpu.is_some());
    passive.short.failures() + passive.long.failures() > 0
        || answer.answer.p50 > answer.answer_past.p50
        || busy
}

/// Is most of the fleet left alone, however many forecasts there are? Who leaves by the operator's word in the same plan
/// counts as here: that word is heard last, and stands.
fn forecasts(plan: &Plan, tally: &Tally, policy: &Policy) -> Result<(), Flaw> {
    let foretold = |step: &&Step| matches!(step.reason, Reason::Forecast(_));
    let steps: Vec<_> = plan.steps.iter().filter(foretold).collect();
    let (out, most) = (tally.out_by_forecast, policy.forecast_out_most(tally.hubs));
    if out > most && steps.iter().any(|step| is_out_by_forecast(step.to)) {
        return Err(Flaw::ForecastShare { out, hubs: tally.hubs, most });
    }
    let wished = plan.steps.iter().filter(|step| step.reason == Reason::Operator && leaves(step)).count();
    let untouched = (tally.serving + wished).saturating_sub(tally.relieved);
    let touched = tally.relieved + tally.out_by_forecast;
    if !steps.is_empty() && (untouched < policy.floor() || touched > policy.out_most(tally.hubs)) {
        return Err(Flaw::ForecastTouches { untouched, floor: policy.floor() });
    }
    Ok(())
}

fn leaves(step: &Step) -> bool {
    in_service(step.from) && !in_service(step.to)
}

/// Has the hub been in its state, or at its weight, for long enough? Persons and the dead need not wait, nor do drains
/// that end, nor what merely changes the way of being out, nor a hub on trial all of whose requests fail.
fn dwell(step: &Step, is_gone: bool, inputs: &Inputs, policy: &Policy, now: MonoTime) -> Result<(), Flaw> {
    let memory = inputs.memory.of(&step.hub);
    let automatic_weight =
        matches!(step.reason, Reason::Slow { .. } | Reason::Overload | Reason::KeepsUp | Reason::Untested);
    let since = if is_change(step.from, step.to) {
        let out = step.from.takes().is_none() && step.to.takes().is_none();
        let leaves = is_gone && step.to.takes().is_none();
        let trial = matches!(step.from, HubState::Recovering { .. })
            && matches!(step.to, HubState::Ejected { .. })
            && matches!(step.reason, Reason::RequestsFailed { .. });
        let free = matches!(step.reason, Reason::Operator) || out || leaves || trial;
        memory.changed.filter(|_| !free)
    } else {
        memory.weighed.filter(|_| automatic_weight || matches!(step.reason, Reason::Forecast(_)))
    };
    match since.map(|since| now.since(since)) {
        Some(elapsed) if elapsed < policy.dwell() => Err(Flaw::Dwell { hub: step.hub.clone(), elapsed }),
        _ => Ok(()),
    }
}

/// Is what is left of the fleet enough?
fn fleet(
    plan: &Plan,
    (table, next): (&RoutingTable, &Revision<'_>),
    gone: &BTreeSet<&HubId>,
    inputs: &Inputs,
    policy: &Policy,
) -> Result<(), Flaw> {
    let mut tally = Tally::default();
    for hub in next.hubs() {
        tally.add(hub.state, hub.location, gone.contains(hub.id), is_relieved(hub.id, &plan.memory, inputs));
    }
    forecasts(plan, &tally, policy)?;
    let freely = |step: &&Step| leaves(step) && !gone.contains(&step.hub);
    if plan.steps.iter().any(|step| freely(&step)) {
        let (floor, most) = (policy.floor(), policy.out_most(tally.hubs));
        if tally.serving < floor {
            return Err(Flaw::Floor { serving: tally.serving, floor });
        }
        if tally.out > most {
            return Err(Flaw::MaxOut { out: tally.out, hubs: tally.hubs, most });
        }
    }
    for step in &plan.steps {
        let Some(hub) = table.find(step.hub.as_str()).and_then(|index| next.hub(index)) else { continue };
        if is_draining(step.to) && !is_draining(step.from) && tally.draining_at(hub.location) > 1 {
            return Err(Flaw::LocationDraining(hub.location.clone()));
        }
        let disables = step.from.takes().is_some() && step.to.takes().is_none();
        if disables && gone.contains(&step.hub) && tally.able == 0 {
            return Err(Flaw::NobodyLeft(step.hub.clone()));
        }
    }
    let kept = |hub: &Hub<'_>| in_service(hub.state) && gone.contains(hub.id);
    match next.hubs().find(kept) {
        Some(hub) if tally.able > 0 => Err(Flaw::KeepsGone(hub.id.clone())),
        _ => Ok(()),
    }
}
