//! Small fleets, and evidence about them, for tests.
#![allow(dead_code, unreachable_pub)]

use std::time::Duration;

use mcphub_health::*;
use mcphub_predictor::model::Kind;
use mcphub_predictor::*;
use mcphub_routing::*;

/// An instant with enough past before it.
pub const NOW: MonoTime = MonoTime::from_millis(1_000_000);

pub fn id(name: &str) -> HubId {
    HubId::new(name).unwrap()
}

pub fn ago(seconds: u64) -> MonoTime {
    NOW.before(Duration::from_secs(seconds))
}

/// Hubs as `name@location`, in these states.
pub fn table(hubs: &[(&str, HubState)]) -> RoutingTable {
    let hub = |(name, state): &(&str, HubState)| {
        let (name, location) = name.split_once('@').unwrap_or((name, "here"));
        HubSpec {
            state: *state,
            ..HubSpec::new(id(name), HubType::Primary, LocationName::new(location).unwrap())
        }
    };
    let reach = vec![Reach { cost_ms: 1, within_radius: false }; hubs.len()];
    let place = PlaceSpec { name: "here".into(), residency: PlaceResidency::Anywhere, reach };
    let spec = TableSpec {
        algorithm: Algorithm::Geographic,
        hubs: hubs.iter().map(hub).collect(),
        residencies: vec![],
        places: vec![place],
    };
    RoutingTable::build(&spec, Generation::new(7)).unwrap()
}

pub fn state(table: &RoutingTable, hub: &str) -> HubState {
    table.hub(table.find(hub).unwrap()).unwrap().state
}

pub const SERVING: HubState = HubState::SERVING;
pub const DRAINED: HubState = HubState::Drained { cause: Cause::Operator };

pub fn draining() -> HubState {
    HubState::Draining { deadline: NOW.after(Duration::from_secs(60)), cause: Cause::Operator }
}

pub fn ejected() -> HubState {
    HubState::Ejected { retry_at: NOW.after(Duration::from_secs(30)), strikes: 1 }
}

/// A hub that answers probes and requests.
pub fn well() -> Evidence {
    let mut evidence = Evidence::none(NOW);
    evidence.probes.passes = 9;
    evidence.probes.last = Some(Outcome::Ok);
    evidence.probes.last_pass = Some(ago(1));
    evidence.probes.last_end = Some(ago(1));
    evidence.passive.last_answer = Some(NOW);
    evidence.passive.short = Window::of(&[(Outcome::Ok, 500)]);
    evidence.passive.long = Window::of(&[(Outcome::Ok, 3000)]);
    evidence
}

/// A hub that refuses every connection.
pub fn refusing() -> Evidence {
    let mut evidence = Evidence::none(NOW);
    (evidence.probes.fails, evidence.probes.unanswered) = (3, 3);
    evidence.probes.last = Some(Outcome::ConnectError);
    evidence.probes.last_end = Some(ago(0));
    evidence.passive.last_answer = Some(ago(2));
    evidence
}

/// A hub so many of whose requests (‰) fail.
pub fn failing(rate: u32) -> Evidence {
    let mut evidence = well();
    evidence.passive.short = Window::of(&[(Outcome::Ok, 1000 - rate), (Outcome::Http5xx, rate)]);
    evidence.passive.last_failure = Some(NOW);
    evidence
}

/// A hub that is so many times slower than its 20 ms of before.
pub fn slow(times: u32) -> Evidence {
    let mut evidence = well();
    let quantiles = |times: u32| {
        let p50 = Duration::from_millis(20) * times;
        Quantiles { count: 500, p50, p90: p50, p95: p50 }
    };
    (evidence.latency.answer, evidence.latency.answer_past) = (quantiles(times), quantiles(1));
    evidence
}

pub fn forecast(probability: u16) -> Forecast {
    let failure_type = FailureType::Known(Kind::Overload);
    Forecast { failure_type, ..Forecast::new(Share::saturating(probability), Duration::from_secs(600)) }
}

/// A policy by which forecasts act, and no alarm is held out.
pub fn acting() -> Policy {
    let mut policy = Policy::default();
    (policy.forecast.mode, policy.forecast.hold_out) = (ForecastUse::Act, Share::NONE);
    policy
}

pub fn inputs(evidence: Vec<(&str, Evidence)>) -> Inputs {
    Inputs { evidence: evidence.into_iter().map(|(name, e)| (id(name), e)).collect(), ..Inputs::default() }
}

pub fn drain() -> Wish {
    Wish { out: Some(Leave::Drain { deadline: None }), weight: None }
}
