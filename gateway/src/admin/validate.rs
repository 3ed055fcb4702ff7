//! Would a failover from one hub to another go well? Everything is looked at and nothing is changed.

use super::words::Check;
use crate::control::view::HubView;
use mcphub_predictor::Policy;
use mcphub_routing::{Era, Excluded, Hub, NoLoads, PlaceIndex, Refusal, RouteQuery, RoutingTable, select};
use std::collections::BTreeSet;

/// A hub whose processors are busier than this has no room for another's clients: the control loop's own line, below
/// which an overloaded hub is well again.
const BUSY: f64 = 0.85;

/// What is asked.
#[derive(Debug)]
pub(super) struct Question<'a> {
    /// The hub that would go.
    pub(super) failed: Option<&'a str>,
    /// The hub that would take its place.
    pub(super) backup: &'a str,
    /// What a fresh probe of the backup came to, in words; `None` where it could not be probed.
    pub(super) probed: Option<Result<String, String>>,
}

/// Looks at everything. Without hubs of these names, that is all there is to say. Of the policy, the floor and the
/// largest share out count.
pub(super) fn validate(
    question: &Question<'_>,
    hubs: &[HubView],
    table: &RoutingTable,
    policy: &Policy,
) -> Vec<Check> {
    let view = |id: &str| hubs.iter().find(|hub| hub.id == id);
    let hub = |id: &str| table.find(id).and_then(|index| table.hub(index));
    let exists = exists(question, &|id| view(id).is_some() && hub(id).is_some());
    let (Some(backup), true) = (view(question.backup), exists.ok) else { return vec![exists] };
    let failed = question.failed.and_then(|id| Some((view(id)?, hub(id)?)));
    let mut checks = vec![exists, in_service(backup)];
    checks.extend(failed.map(|(failed, _)| eras(failed, backup)));
    checks.push(match &question.probed {
        Some(Ok(passed)) => check("probes", true, passed.clone()),
        Some(Err(why)) => check("probes", false, format!("{}: {why}", backup.id)),
        None => check("probes", false, format!("{} could not be probed", backup.id)),
    });
    if let Some((_, hub)) = &failed {
        checks.push(residency(table, hub));
        checks.push(rails(table, hub, policy));
    }
    checks.push(load(backup));
    checks
}

fn check(name: &'static str, ok: bool, detail: impl Into<String>) -> Check {
    Check { name, ok, detail: detail.into() }
}

fn exists(question: &Question<'_>, known: &dyn Fn(&str) -> bool) -> Check {
    let named = question.failed.into_iter().chain([question.backup]);
    let unknown: Vec<&str> = named.filter(|id| !known(id)).collect();
    if question.failed == Some(question.backup) {
        return check("exists", false, format!("{} cannot take its own place", question.backup));
    }
    match unknown.as_slice() {
        [] if question.failed.is_some() => check("exists", true, "both are configured"),
        [] => check("exists", true, "it is configured"),
        ids => check("exists", false, format!("there is no hub {}", ids.join(", nor "))),
    }
}

fn in_service(backup: &HubView) -> Check {
    let HubView { id, state, .. } = backup;
    let full = state.name == "serving" && state.share >= 1.0;
    let percent = state.share * 100.0;
    check("in_service", full, format!("{id} is {}, with {percent:.0} % of its share", state.name))
}

fn eras(failed: &HubView, backup: &HubView) -> Check {
    let missing: Vec<&str> = failed.eras.iter().filter(|era| !backup.eras.contains(era)).copied().collect();
    if missing.is_empty() {
        return check("eras", true, format!("{} serves {}", backup.id, backup.eras.join(" and ")));
    }
    check("eras", false, format!("{} does not serve the {} era", backup.id, missing.join(" and ")))
}

/// Whether clients of some place would be left with nobody who may serve them.
fn residency(table: &RoutingTable, failed: &Hub<'_>) -> Check {
    let mut lost = BTreeSet::new();
    let mut excluded = Excluded::none();
    excluded.insert(failed.index);
    for place in (0..table.place_count()).filter_map(|at| u16::try_from(at).ok()).map(PlaceIndex::new) {
        for era in [Era::Legacy, Era::Modern].into_iter().filter(|era| failed.eras.contains(*era)) {
            let query = RouteQuery::new(place, era, &NoLoads);
            let serves = |query: &RouteQuery<'_>| select(table, query).hub().is_some();
            if serves(&query) && !serves(&RouteQuery { excluded, ..query }) {
                let rule = table.residency(&query).ok().and_then(|rule| table.residency_id(rule));
                lost.insert(rule.map_or_else(|| Refusal::NoneServing.to_string(), ToString::to_string));
            }
        }
    }
    if lost.is_empty() {
        return check("residency", true, "every client keeps a hub that may serve it");
    }
    let lost = lost.into_iter().collect::<Vec<_>>().join(", ");
    check("residency", false, format!("{} is the last hub for some clients: {lost}", failed.id))
}

/// Whether the guard rails would let the hub go, as the table is now.
fn rails(table: &RoutingTable, failed: &Hub<'_>, policy: &Policy) -> Check {
    let serves = |hub: &Hub<'_>| hub.state.takes().is_some_and(|share| share.per_mille() > 0);
    if !serves(failed) {
        return check("rails", true, format!("{} is out of service already", failed.id));
    }
    let hubs = table.hubs().len();
    let serving = table.hubs().filter(serves).count() - 1;
    let (out, most, floor) = (hubs - serving, policy.out_most(hubs), policy.floor());
    if serving < floor {
        return check("rails", false, format!("{serving} hubs would be left serving, and {floor} must"));
    }
    if out > most {
        return check("rails", false, format!("{out} of {hubs} hubs would be out, and {most} may"));
    }
    check("rails", true, format!("{serving} of {hubs} hubs would be left serving"))
}

fn load(backup: &HubView) -> Check {
    let HubView { id, in_flight, evidence, .. } = backup;
    let waiting = format!("{in_flight} requests wait for {id} here");
    let Some(said) = &evidence.exported else {
        return check("load", true, format!("{waiting}; it says nothing of its own load"));
    };
    let part = |name: &str, value: Option<f64>| value.map(|value| format!("{name} {:.0} %", value * 100.0));
    let parts: Vec<String> =
        [part("processors", said.cpu), part("memory", said.memory)].into_iter().flatten().collect();
    let busy = said.cpu.is_some_and(|part| part > BUSY);
    let says = if parts.is_empty() { "nothing of its load".to_owned() } else { parts.join(", ") };
    check("load", !busy, format!("{waiting}; it says: {says}"))
}
