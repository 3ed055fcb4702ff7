//! What should change now, going by everything that is known?

use std::cmp::Reverse;

use mcphub_health::Evidence;
use mcphub_routing::{Algorithm, Hub, HubState, MonoTime, RoutingTable, Share};

use crate::rails::{Tally, in_service, is_change, is_draining, is_out_by_forecast, is_relieved};
use crate::verdict::{Peers, Verdict};
use crate::want::{Affairs, Rank, Want};
use crate::{Declined, HubMemory, Inputs, Memory, Objection, Plan, Policy, Reason, Step, Tuning};

/// Health scores that differ by less than this are the same, in ‰: a new table for each per mille helps nobody.
const HEALTH_STEP: u16 = 100;

/// Draws the plan for this instant.
///
/// Pure and deterministic. Deciding twice changes nothing: drawn again from the table that the plan makes, with the
/// memory that the plan gives and all else as it was, the plan has no step.
///
/// Every hub's affairs are looked at alone first; what they ask for is then granted or declined against the whole
/// fleet, in this order: returns, what merely settles, hubs that answer nothing, the operator, sick hubs (worst first),
/// forecasts (likeliest first), weights. Before that the alarms are looked after, since without one nothing is done for
/// a forecast.
pub fn decide(table: &RoutingTable, inputs: &Inputs, policy: &Policy, now: MonoTime) -> Plan {
    // Looked up once: with thousands of hubs, finding it costs more than judging it.
    let known: Vec<Option<&Evidence>> = table.hubs().map(|hub| inputs.evidence.get(hub.id)).collect();
    let peers = Peers::of(known.iter().copied().flatten(), policy, now);
    let judge = |evidence: &Evidence| Verdict::of(evidence, &peers, policy, now);
    let verdicts: Vec<Verdict> =
        known.iter().map(|known| known.map_or_else(Verdict::unknown, judge)).collect();
    let mut plan = begin(table, inputs, &verdicts, policy, now);
    crate::expect::raise(&mut plan, table, &verdicts, inputs, policy);
    let relieved: Vec<bool> = table.hubs().map(|hub| is_relieved(hub.id, &inputs.memory, inputs)).collect();
    let mut fleet = Fleet { verdicts: &verdicts, relieved: &relieved, tally: Tally::default(), policy };
    for (hub, verdict) in table.hubs().zip(&verdicts) {
        fleet.tally.add(hub.state, hub.location, is_gone(verdict), relieved[hub.index.get()]);
    }
    let mut wants: Vec<(Hub<'_>, Want)> = Vec::new();
    for (hub, verdict) in table.hubs().zip(&verdicts) {
        let affairs = Affairs::gather(hub, verdict, inputs, policy, (&plan, now));
        wants.extend(affairs.wants().into_iter().map(|want| (hub, want)));
    }
    // Who returns of right may make the last resort needless.
    wants.sort_by_key(|(hub, want)| (want.rank, want.last_resort, Reverse(severity(want.reason)), hub.id));
    let mut done = vec![false; verdicts.len()];
    for (hub, want) in wants {
        if done[hub.index.get()] || want.last_resort && fleet.tally.able > 0 {
            continue;
        }
        let step = Step { hub: hub.id.clone(), from: hub.state, to: want.to, reason: want.reason };
        let objection = want.objection.filter(|objection| !fleet.needs(&want, objection));
        match objection.or_else(|| fleet.objection(hub, &want)) {
            Some(objection) if step.from != step.to => plan.declined.push(Declined { step, objection }),
            Some(_) => {}
            None => {
                done[hub.index.get()] = true;
                fleet.take(hub, &want);
                remember(&mut plan.memory, &step, &want, now);
                plan.steps.extend((step.from != step.to).then_some(step));
            }
        }
    }
    crate::expect::take_care(&mut plan, table, &verdicts, inputs, policy);
    let judged = table.hubs().zip(verdicts.iter().zip(&known));
    plan.tunings = judged.filter_map(|(hub, (verdict, known))| tune(table, hub, verdict, *known)).collect();
    plan
}

fn is_gone(verdict: &Verdict) -> bool {
    verdict.ill.is_some_and(|ill| ill.gone)
}

/// A plan without steps yet: is this panic?
fn begin(
    table: &RoutingTable,
    inputs: &Inputs,
    verdicts: &[Verdict],
    policy: &Policy,
    now: MonoTime,
) -> Plan {
    let wished_out = |hub: &Hub<'_>| inputs.wishes.get(hub.id).is_some_and(|wish| wish.out.is_some());
    let looks_bad = |(hub, verdict): &(Hub<'_>, &Verdict)| match hub.state {
        HubState::Ejected { .. } => verdict.there.is_none() || verdict.ill.is_some(),
        _ => verdict.ill.is_some(),
    };
    let counted: Vec<_> = table.hubs().zip(verdicts).filter(|(hub, _)| !wished_out(hub)).collect();
    let bad = counted.iter().filter(|pair| looks_bad(pair)).count();
    let more_than = |share: Share| bad * 1000 > usize::from(share.per_mille()) * counted.len();
    let mut memory = inputs.memory.clone();
    let stays = memory.panic_since.is_some_and(|since| now.since(since) < policy.dwell());
    let panic = if table.panic() {
        stays || more_than(policy.panic_leave.min(policy.panic_enter))
    } else {
        more_than(policy.panic_enter)
    };
    memory.panic_since = match (table.panic(), panic) {
        (false, true) => Some(now),
        (true, true) => memory.panic_since,
        (_, false) => None,
    };
    if table.panic() && !panic {
        memory.panic_ended = Some(now);
    }
    memory.hubs.retain(|id, _| table.find(id.as_str()).is_some());
    let strangers = inputs.wishes.keys().filter(|id| table.find(id.as_str()).is_none()).cloned().collect();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let (bad, counted) = (count(bad), count(counted.len()));
    Plan { at: now, panic, bad, counted, strangers, memory, ..Plan::nothing(table) }
}

/// The fleet as it would be after the steps taken so far.
struct Fleet<'a> {
    verdicts: &'a [Verdict],
    relieved: &'a [bool],
    tally: Tally,
    policy: &'a Policy,
}

impl Fleet<'_> {
    /// Is a hub that has proved itself wanted back before its time? So much is out, or so little serves, that nobody
    /// would have taken it out by choice; and if nobody else could take a request, it need not even dwell.
    fn needs(&self, want: &Want, objection: &Objection) -> bool {
        // Hubs that answer nothing count as out already: whether their own step comes before or after changes nothing.
        let (serving, hubs) = (self.tally.serving, self.tally.hubs);
        let short = serving < self.policy.floor() || hubs - serving > self.policy.out_most(hubs);
        want.rank == Rank::Return
            && match objection {
                Objection::Ejected { .. } => short,
                Objection::Dwell { .. } => self.tally.able == 0,
                _ => false,
            }
    }

    /// What the rest of the fleet has against a step. The guard rails say the same again in their own words.
    fn objection(&self, hub: Hub<'_>, want: &Want) -> Option<Objection> {
        let leaves = in_service(hub.state) && !in_service(want.to);
        let disabled = hub.state.takes().is_some() && want.to.takes().is_none();
        if want.rank == Rank::Gone {
            return (disabled && self.tally.able == 0).then_some(Objection::LastOne);
        }
        if disabled && self.tally.able <= 1 {
            return Some(Objection::Floor); // Though it has no share, it is the last that could take a request.
        }
        if leaves {
            // A hub that answers nothing is not counted as serving, and does not leave by a lower rank.
            if self.tally.serving <= self.policy.floor() {
                return Some(Objection::Floor);
            }
            if self.tally.out >= self.policy.out_most(self.tally.hubs) {
                return Some(Objection::MaxOut);
            }
        }
        let forecast = if want.rank == Rank::Forecast { self.forecast_objection(hub, want) } else { None };
        if forecast.is_some() {
            return forecast;
        }
        let drains = is_draining(want.to) && !is_draining(hub.state);
        (drains && self.tally.draining_at(hub.location) > 0).then_some(Objection::LocationDraining)
    }

    /// However many forecasts there are: most of the fleet is left alone, and so is the floor.
    fn forecast_objection(&self, hub: Hub<'_>, want: &Want) -> Option<Objection> {
        let mut after = self.tally.clone();
        self.move_in(&mut after, hub, want);
        if is_out_by_forecast(want.to) && after.out_by_forecast > self.policy.forecast_out_most(after.hubs) {
            return Some(Objection::ForecastShare);
        }
        if after.relieved + after.out_by_forecast > self.policy.out_most(after.hubs) {
            return Some(Objection::MaxOut);
        }
        (after.serving.saturating_sub(after.relieved) < self.policy.floor()).then_some(Objection::Floor)
    }

    fn take(&mut self, hub: Hub<'_>, want: &Want) {
        let mut after = std::mem::take(&mut self.tally);
        self.move_in(&mut after, hub, want);
        self.tally = after;
    }

    fn move_in(&self, tally: &mut Tally, hub: Hub<'_>, want: &Want) {
        let gone = is_gone(&self.verdicts[hub.index.get()]);
        tally.remove(hub.state, hub.location, gone, self.relieved[hub.index.get()]);
        tally.add(want.to, hub.location, gone, want.relieves());
    }
}

/// Which of two sick hubs is worse off, or likelier to fail?
fn severity(reason: Reason) -> u32 {
    match reason {
        Reason::ProbesFailed { count } | Reason::RequestsFailed { count, .. } => {
            count.saturating_add(1_000_000)
        }
        Reason::ErrorRate { rate, .. } => u32::from(rate.per_mille()) * 1000,
        Reason::Slow { times } => times.min(999),
        Reason::Forecast(forecast) => u32::from(forecast.probability.per_mille()),
        _ => 0,
    }
}

fn remember(memory: &mut Memory, step: &Step, want: &Want, now: MonoTime) {
    let (level, relieved) = (want.level, want.relieves());
    let hub: &mut HubMemory = memory.hubs.entry(step.hub.clone()).or_default();
    if is_change(step.from, step.to) {
        hub.changed = Some(now);
    }
    if let HubState::Ejected { strikes, .. } = step.to {
        hub.strikes = strikes;
    }
    if step.from.takes().is_none() && step.to.takes().is_some() {
        (hub.returned, hub.weighed) = (Some(now), Some(now));
        hub.level = if is_draining(step.from) { level } else { 0 };
    } else if level != hub.level || relieved != hub.relieved || is_full_again(step) || joins(step) {
        (hub.weighed, hub.level) = (Some(now), level);
    }
    hub.relieved = relieved;
}

/// Does it take new placements again without having been out? The operator had taken its share away.
fn joins(step: &Step) -> bool {
    !in_service(step.from) && in_service(step.to)
}

fn is_full_again(step: &Step) -> bool {
    matches!((step.from, step.to), (HubState::Recovering { .. }, HubState::Serving { .. }))
}

/// What the table should know better about a hub.
fn tune(table: &RoutingTable, hub: Hub<'_>, verdict: &Verdict, known: Option<&Evidence>) -> Option<Tuning> {
    if !verdict.known {
        return None;
    }
    let differs = verdict.health.per_mille().abs_diff(hub.health.per_mille()) >= HEALTH_STEP;
    let scored = table.algorithm() == Algorithm::HealthBased && differs;
    let health = if scored { verdict.health } else { hub.health };
    let told = known.and_then(|evidence| evidence.eras);
    let eras = told.filter(|eras| *eras != mcphub_routing::EraSet::NONE).unwrap_or(hub.eras);
    (health != hub.health || eras != hub.eras).then(|| Tuning { hub: hub.id.clone(), health, eras })
}
