//! What can be looked at? Names in snake case, times in milliseconds, shares from 0 to 1.

use super::ask::Parameters;
use super::reply::{Problem, Reply};
use super::successors::successors;
use super::table::{Place, TableView};
use super::words::Successor;
use crate::control::lifecycle::Phase;
use crate::control::view::{HubView, PlanView};
use crate::control::{LastReload, Unasked};
use crate::edge::Edge;
use crate::snapshot::Snapshot;
use mcphub_health::PublicHealth;
use mcphub_routing::HubId;
use mcphub_session::{SessionStore as _, StoreCondition};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many failovers are told where nobody says how many.
const FAILOVERS: u16 = 100;
/// The most that may be asked for.
pub(super) const FAILOVERS_MAX: u16 = 1000;
/// How many alarms are told where nobody says how many.
const ALARMS: u16 = 50;
/// The most that may be asked for: all that are kept.
pub(super) const ALARMS_MAX: u16 = 500;
/// How many samples of a hub are told where nobody says how many: five minutes.
const SAMPLES: u16 = 20;
/// The most that may be asked for: those of 15 s.
pub(super) const SAMPLES_MAX: u16 = 480;
/// How long a status waits for the control task, which may be building a large table.
const STATUS_WITHIN: Duration = Duration::from_secs(1);

/// How the gateway is.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StatusView {
    /// As configured.
    name: String,
    /// Where it stands.
    location: String,
    /// Of this binary.
    version: &'static str,
    /// Of this process.
    pid: u32,
    /// `serving`, `draining` or `ending`: how far this process is from its end.
    phase: &'static str,
    /// Which accepted configuration is in force, counted from 1.
    config_revision: u64,
    /// Of the configuration in force.
    config_fingerprint: String,
    /// The last attempt to reload.
    last_reload: Option<LastReload>,
    /// Of the routing table in force.
    generation: u64,
    /// So many hubs look bad at once that our own eyes are the likelier fault.
    panic: bool,
    /// How many hubs there are.
    hubs: usize,
    /// How many hubs are `healthy`, `degraded` and `unhealthy`.
    hubs_by_health: BTreeMap<&'static str, usize>,
    /// How many hubs are in each state.
    hubs_by_state: BTreeMap<&'static str, usize>,
    /// Whether wishes and failovers are kept on disk.
    store: StoreView,
    /// Whether what becomes of sessions is kept: `ready`, `degraded` or `unreachable`.
    session_records: StoreView,
    /// Client connections open now.
    connections: i64,
    /// Requests in flight now, open streams included.
    requests_in_flight: i64,
    /// Event streams open now.
    streams_open: i64,
}

/// Whether wishes and failovers are kept on disk.
#[derive(Debug, Serialize, JsonSchema)]
struct StoreView {
    /// `ready`, `waiting`, `degraded`, `unreachable`, or `unknown` while the control task is busy.
    condition: String,
    /// Why it is not ready.
    error: Option<String>,
}

/// Every hub.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HubsView {
    /// In the order of the configuration.
    hubs: Vec<HubView>,
}

/// One hub, and who takes over from it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HubDetail {
    #[serde(flatten)]
    hub: HubView,
    /// Who would serve its new clients if it were out now, largest part first.
    successors: Vec<Successor>,
}

/// What was decided lately.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ReportView {
    /// The last plans that changed or declined something, newest first.
    plans: Vec<PlanView>,
}

/// A store that is not well stops no traffic: the gateway is ready, and says what is wrong.
pub(super) fn ready(phase: Phase, records: &StoreCondition) -> Reply {
    match (phase, records) {
        (Phase::Draining | Phase::Ending, _) => Reply::text(503, "stopping"),
        (Phase::Serving, StoreCondition::Ready) => Reply::text(200, "ready"),
        (Phase::Serving, StoreCondition::Degraded { why } | StoreCondition::Unreachable { why }) => {
            Reply::text(200, &format!("degraded: session records: {why}"))
        }
    }
}

pub(super) fn metrics(edge: &Edge) -> Reply {
    edge.show();
    edge.metrics.access_dropped.set(i64::try_from(edge.access.dropped()).unwrap_or(i64::MAX));
    Reply::metrics(edge.metrics.render())
}

pub(super) async fn status(edge: &Edge, snapshot: &Snapshot) -> Reply {
    let (settings, table, control) = (&snapshot.settings, &snapshot.table, edge.control.status());
    let mut by_health = BTreeMap::from(HEALTHS.map(|health| (health.as_str(), 0)));
    let mut by_state = BTreeMap::new();
    for hub in table.hubs() {
        *by_health.entry(PublicHealth::of(hub.state).as_str()).or_default() += 1;
        *by_state.entry(hub.state.as_str()).or_default() += 1;
    }
    let view = StatusView {
        name: settings.gateway.name.clone(),
        location: settings.gateway.location.to_string(),
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        phase: match edge.lifecycle.phase() {
            Phase::Serving => "serving",
            Phase::Draining => "draining",
            Phase::Ending => "ending",
        },
        config_revision: snapshot.revision,
        config_fingerprint: control.fingerprint,
        last_reload: control.last_reload,
        generation: table.generation().get(),
        panic: table.panic(),
        hubs: snapshot.upstreams.len(),
        hubs_by_health: by_health,
        hubs_by_state: by_state,
        store: store(edge).await,
        session_records: records(edge),
        connections: edge.metrics.connections.get(),
        requests_in_flight: edge.metrics.in_flight.get(),
        streams_open: edge.metrics.streams.get(),
    };
    Reply::json(200, &view)
}

const HEALTHS: [PublicHealth; 3] = [PublicHealth::Healthy, PublicHealth::Degraded, PublicHealth::Unhealthy];

/// A status is wanted most when the control task is in trouble: it waits for it a moment, and no longer.
async fn store(edge: &Edge) -> StoreView {
    let told = match tokio::time::timeout(STATUS_WITHIN, edge.control.failovers(0)).await {
        Ok(told) => told,
        Err(_) => Err(Unasked::Busy),
    };
    match told {
        Ok(told) => StoreView { condition: told.store.to_owned(), error: told.store_error },
        Err(unasked) => StoreView { condition: "unknown".to_owned(), error: Some(unasked.to_string()) },
    }
}

fn records(edge: &Edge) -> StoreView {
    let (condition, error) = match edge.records.condition() {
        StoreCondition::Ready => ("ready", None),
        StoreCondition::Degraded { why } => ("degraded", Some(why)),
        StoreCondition::Unreachable { why } => ("unreachable", Some(why)),
    };
    StoreView { condition: condition.to_owned(), error }
}

pub(super) async fn hubs(edge: &Edge) -> Result<Reply, Problem> {
    Ok(Reply::json(200, &HubsView { hubs: edge.control.hubs().await? }))
}

pub(super) async fn hub(edge: &Edge, id: &str) -> Result<Reply, Problem> {
    let hubs = edge.control.hubs().await?;
    let hub = hubs.into_iter().find(|hub| hub.id == id).ok_or_else(|| Problem::unknown_hub(id).at("id"))?;
    let table = &edge.snapshots.load_full().table;
    let successors = table.find(id).map(|index| successors(table, index)).unwrap_or_default();
    Ok(Reply::json(200, &HubDetail { hub, successors }))
}

pub(super) async fn telemetry(edge: &Edge, id: &str, parameters: &Parameters) -> Result<Reply, Problem> {
    let most = parameters.number("limit", (1, SAMPLES_MAX))?.unwrap_or(SAMPLES);
    let unknown = || Problem::unknown_hub(id).at("id");
    let hub = HubId::new(id).map_err(|_| unknown())?;
    match edge.control.telemetry(hub, usize::from(most)).await {
        Err(Unasked::UnknownHub) => Err(unknown()),
        told => Ok(Reply::json(200, &told?)),
    }
}

pub(super) fn table(snapshot: &Snapshot, parameters: &Parameters) -> Result<Reply, Problem> {
    let place = parameters.get("place").map(|name| {
        Place::find(&snapshot.table, name)
            .ok_or_else(|| Problem::new(404, format!("there is no place {name}")).at("place"))
    });
    Ok(Reply::json(200, &TableView::of(snapshot.revision, &snapshot.table, place.transpose()?)))
}

pub(super) async fn report(edge: &Edge, parameters: &Parameters) -> Result<Reply, Problem> {
    let format = parameters.get("format").unwrap_or("json");
    if !["json", "text"].contains(&format) {
        return Err(Problem::new(400, "`format` must be json or text").at("format"));
    }
    let plans = edge.control.plans().await?;
    if format == "json" {
        return Ok(Reply::json(200, &ReportView { plans }));
    }
    Ok(Reply::text(200, &as_text(&plans)))
}

fn as_text(plans: &[PlanView]) -> String {
    if plans.is_empty() {
        return "nothing was changed or declined since the start".to_owned();
    }
    let told: Vec<String> =
        plans.iter().map(|plan| format!("{}\n{}", plan.at, plan.text.trim_end())).collect();
    told.join("\n\n")
}

pub(super) async fn failovers(edge: &Edge, parameters: &Parameters) -> Result<Reply, Problem> {
    let most = parameters.number("limit", (1, FAILOVERS_MAX))?.unwrap_or(FAILOVERS);
    Ok(Reply::json(200, &edge.control.failovers(usize::from(most)).await?))
}

pub(super) async fn forecasts(edge: &Edge, parameters: &Parameters) -> Result<Reply, Problem> {
    let most = parameters.number("limit", (1, ALARMS_MAX))?.unwrap_or(ALARMS);
    Ok(Reply::json(200, &edge.control.forecasts(usize::from(most)).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_not_well_is_told_and_stops_nothing() {
        let why = || "the disk is full".to_owned();
        let told = |phase, condition| {
            let Reply { status, body, .. } = ready(phase, &condition);
            (status, body)
        };
        let degraded = "degraded: session records: the disk is full\n".to_owned();
        assert_eq!(told(Phase::Serving, StoreCondition::Ready), (200, "ready\n".to_owned()));
        assert_eq!(told(Phase::Serving, StoreCondition::Degraded { why: why() }), (200, degraded.clone()));
        assert_eq!(told(Phase::Serving, StoreCondition::Unreachable { why: why() }), (200, degraded));
        assert_eq!(told(Phase::Draining, StoreCondition::Degraded { why: why() }).0, 503);
    }
}
