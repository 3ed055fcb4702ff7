//! How is the control plane told to an operator? In JSON: names in snake case, times in milliseconds, ages counted back
//! from now, shares from 0 to 1.

use super::alarms::AlarmView;
use crate::store::FailoverRecord;
use mcphub_health::{Evidence, Passive, Probes, PublicHealth, Quantiles, Window};
use mcphub_predictor::{Leave, Wish};
use mcphub_routing::{Hub, HubState, MonoTime, Share};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

mod forecasts;

pub use forecasts::{EndedView, ForecastView, ForecastsView, LearningView, ModelView};

/// One hub as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct HubView {
    /// Its lasting name.
    pub id: String,
    /// `primary`, `secondary` or `edge`.
    #[serde(rename = "type")]
    pub hub_type: &'static str,
    /// Where it stands.
    pub location: String,
    /// Its endpoint.
    pub url: String,
    /// The eras it serves: `legacy`, `modern`.
    pub eras: Vec<&'static str>,
    /// Whether the eras were learned by probing rather than configured.
    pub eras_learned: bool,
    /// `healthy`, `degraded` or `unhealthy`.
    pub health: &'static str,
    /// What traffic may do with it.
    pub state: StateView,
    /// Why it came into this state, where anything was decided since the start.
    pub reason: Option<String>,
    /// What the operator wants of it.
    pub wish: Option<WishView>,
    /// Legacy sessions pinned to it that were seen since the start.
    pub sessions: u64,
    /// Whether these are all. Sessions from before the start are seen when they next call; after a drain's usual length,
    /// or a minute, all are taken to have been seen.
    pub sessions_complete: bool,
    /// Requests that wait for it now, open streams included.
    pub in_flight: u32,
    /// What is known about it.
    pub evidence: EvidenceView,
    /// What the last probe that failed met; kept until one passes.
    pub probe_error: Option<String>,
    /// What is expected of it; `null` where nothing is, or forecasts are off.
    pub forecast: Option<ForecastView>,
    /// The alarm about it that is open.
    pub alarm: Option<AlarmView>,
}

/// What traffic may do with a hub.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StateView {
    /// `serving`, `draining`, `drained`, `ejected` or `recovering`.
    pub name: &'static str,
    /// What part of its new placements it takes, 0 to 1.
    pub share: f64,
    /// Of *draining*: time left until the deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_in_ms: Option<u64>,
    /// Of *ejected*: time left until it may return.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_in_ms: Option<u64>,
    /// Of *ejected*: how many times in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strikes: Option<u32>,
    /// Of *draining* and *drained*: who or what wants it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
}

/// What an operator wants of a hub.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WishView {
    /// `drain` (its sessions may leave first) or `now`; absent where it may serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<&'static str>,
    /// Longest time for the sessions to leave, where the operator gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// What part of its placements it shall take, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// What the operator said about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When, RFC 3339.
    pub since: String,
}

/// What is known about a hub.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EvidenceView {
    /// How old it is.
    pub age_ms: u64,
    /// What came of probes.
    pub probes: ProbesView,
    /// What came of requests.
    pub requests: RequestsView,
    /// How long it takes.
    pub latency: LatencyView,
    /// What it says of its own load.
    pub exported: Option<ExportedView>,
    /// How many times it was seen to restart, since the start.
    pub restarts: u32,
}

/// What came of probes.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProbesView {
    /// Passed in a row.
    pub passes: u32,
    /// Failed in a row.
    pub fails: u32,
    /// Without an answer for longer than a healthy hub takes.
    pub stalled: u32,
    /// What the last one came to.
    pub last: Option<&'static str>,
    /// How long ago one passed.
    pub passed_ms_ago: Option<u64>,
    /// How long a passing one takes, lately.
    pub latency_ms: Option<f64>,
}

/// What came of requests.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RequestsView {
    /// Failed since one was last answered.
    pub failed_in_row: u32,
    /// How long ago one was answered.
    pub answered_ms_ago: Option<u64>,
    /// How long ago one failed.
    pub failed_ms_ago: Option<u64>,
    /// The last 10 s.
    pub last_10s: WindowView,
    /// The last 60 s.
    pub last_60s: WindowView,
}

/// What came of the requests in a stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WindowView {
    /// How many ended.
    pub total: u32,
    /// How many came to nothing.
    pub failures: u32,
    /// What part came to nothing, 0 to 1; `null` when none ended.
    pub error_rate: Option<f64>,
    /// What most failures came to.
    pub worst: Option<&'static str>,
}

/// How long it takes.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LatencyView {
    /// From a request on an open connection to its answer, lately.
    pub answer: QuantilesView,
    /// The same over the last 10 min.
    pub answer_past: QuantilesView,
    /// To open a connection, over the last minute.
    pub connect: QuantilesView,
}

/// The middle and the slow end of some durations.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct QuantilesView {
    /// How many; where 0, the others mean nothing.
    pub count: u32,
    /// Half were shorter, ms.
    pub p50_ms: f64,
    /// Nine of ten were shorter, ms.
    pub p90_ms: f64,
}

/// What a hub says of its own load.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ExportedView {
    /// How long ago.
    pub age_ms: u64,
    /// How busy its processors are, 0 to 1.
    pub cpu: Option<f64>,
    /// How full its memory is, 0 to 1.
    pub memory: Option<f64>,
    /// Requests that wait there.
    pub queue: Option<u32>,
}

/// One plan: what was decided, and why.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PlanView {
    /// When, RFC 3339.
    pub at: String,
    /// The generation that it was drawn from.
    pub drawn_from: u64,
    /// The generation that it made; `null` where nothing was published.
    pub published: Option<u64>,
    /// So much looks bad at once that our own eyes are the likelier fault.
    pub panic: bool,
    /// How many hubs look bad, of `counted`.
    pub bad: u32,
    /// All hubs but those that the operator wants out.
    pub counted: u32,
    /// What is done.
    pub steps: Vec<StepView>,
    /// What was wanted and is not done.
    pub declined: Vec<StepView>,
    /// The whole in words, as an operator would tell it.
    pub text: String,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StepView {
    /// The hub.
    pub hub: String,
    /// The state it was in.
    pub from: &'static str,
    /// The state it comes, or would come, into.
    pub to: &'static str,
    /// What part of its new placements it takes then, 0 to 1.
    pub share: f64,
    /// Why.
    pub reason: String,
    /// Of a declined step: why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objection: Option<String>,
}

/// What came of a wish at once.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Wished {
    /// The hub as it is now.
    pub hub: HubView,
    /// What was done for the wish; `null` where nothing was, or nothing was needed.
    pub step: Option<StepView>,
    /// What holds it up. It stays, and is granted when this is over.
    pub held_up: Option<StepView>,
    /// The generation in force now.
    pub generation: u64,
    /// From the asking to the publication, ms.
    pub took_ms: u64,
    /// The failover that this began, where it took a hub out of service.
    pub failover: Option<u64>,
    /// The hub that new clients nearest to this gateway go to now.
    pub receives: Option<String>,
}

/// The journal of failovers.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Failovers {
    /// Newest first.
    pub failovers: Vec<FailoverRecord>,
    /// `ready`, `waiting` or `degraded`: whether they will survive a restart.
    pub store: &'static str,
    /// Why it is not `ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_error: Option<String>,
}

pub(super) fn share(share: Share) -> f64 {
    f64::from(share.per_mille()) / 1000.0
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn fine_millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}

fn ago(at: Option<MonoTime>, now: MonoTime) -> Option<u64> {
    at.map(|at| millis(now.since(at)))
}

impl StateView {
    pub(super) fn of(state: HubState, now: MonoTime) -> Self {
        let mut view = Self {
            name: state.as_str(),
            share: share(state.takes().unwrap_or(Share::NONE)),
            deadline_in_ms: None,
            retry_in_ms: None,
            strikes: None,
            cause: None,
        };
        match state {
            HubState::Serving { .. } | HubState::Recovering { .. } => {}
            HubState::Draining { deadline, cause } => {
                view.deadline_in_ms = Some(millis(deadline.since(now)));
                view.cause = Some(cause.as_str());
            }
            HubState::Drained { cause } => view.cause = Some(cause.as_str()),
            HubState::Ejected { retry_at, strikes } => {
                view.retry_in_ms = Some(millis(retry_at.since(now)));
                view.strikes = Some(strikes);
            }
        }
        view
    }
}

impl WishView {
    pub(super) fn of(wish: &Wish, note: Option<&str>, since: String) -> Option<Self> {
        if *wish == Wish::default() {
            return None;
        }
        let deadline = match wish.out {
            Some(Leave::Drain { deadline }) => deadline,
            _ => None,
        };
        Some(Self {
            out: wish.out.map(|out| match out {
                Leave::Drain { .. } => "drain",
                Leave::Now => "now",
            }),
            deadline_ms: deadline.map(millis),
            weight: wish.weight.map(share),
            note: note.map(str::to_owned),
            since,
        })
    }
}

impl EvidenceView {
    pub(super) fn of(evidence: &Evidence, now: MonoTime) -> Self {
        Self {
            age_ms: millis(now.since(evidence.at)),
            probes: ProbesView::of(&evidence.probes, now),
            requests: RequestsView::of(&evidence.passive, now),
            latency: LatencyView {
                answer: QuantilesView::of(&evidence.latency.answer),
                answer_past: QuantilesView::of(&evidence.latency.answer_past),
                connect: QuantilesView::of(&evidence.latency.connect),
            },
            exported: evidence.load.exported.map(|exported| ExportedView {
                age_ms: millis(now.since(exported.at)),
                cpu: exported.cpu.map(share),
                memory: exported.memory.map(share),
                queue: exported.queue,
            }),
            restarts: evidence.boot.restarts,
        }
    }
}

impl ProbesView {
    fn of(probes: &Probes, now: MonoTime) -> Self {
        Self {
            passes: probes.passes,
            fails: probes.fails,
            stalled: probes.stalled,
            last: probes.last.map(mcphub_health::Outcome::as_str),
            passed_ms_ago: ago(probes.last_pass, now),
            latency_ms: probes.latency.map(fine_millis),
        }
    }
}

impl RequestsView {
    fn of(passive: &Passive, now: MonoTime) -> Self {
        Self {
            failed_in_row: passive.consecutive_failures,
            answered_ms_ago: ago(passive.last_answer, now),
            failed_ms_ago: ago(passive.last_failure, now),
            last_10s: WindowView::of(&passive.short),
            last_60s: WindowView::of(&passive.long),
        }
    }
}

impl WindowView {
    fn of(window: &Window) -> Self {
        Self {
            total: window.total(),
            failures: window.failures(),
            error_rate: window.error_rate().map(share),
            worst: window.worst().map(mcphub_health::Outcome::as_str),
        }
    }
}

impl QuantilesView {
    fn of(quantiles: &Quantiles) -> Self {
        Self {
            count: quantiles.count,
            p50_ms: fine_millis(quantiles.p50),
            p90_ms: fine_millis(quantiles.p90),
        }
    }
}

/// `healthy`, `degraded` or `unhealthy`.
pub(super) fn health_of(hub: &Hub<'_>) -> &'static str {
    PublicHealth::of(hub.state).as_str()
}
