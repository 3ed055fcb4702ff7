//! What is to be expected of a hub, what do its failures have in common, and what should be done about it?

use super::reply::{Problem, Reply};
use super::words::{
    AboutHub, FailurePattern, FailurePatterns, FailurePrediction, HubName, Influence, PredictFailure,
    PreventiveActions, RecommendedAction, RiskScore,
};
use crate::control::{Handle, Unasked};
use crate::forecast::foretold::Foretold;
use std::time::Duration;

/// What the risk score is about.
const RISK_WINDOW_MS: u64 = 24 * 60 * 60 * 1000;

pub(super) async fn predict(control: &Handle, asked: PredictFailure) -> Result<Reply, Problem> {
    let told = foretell(control, &asked.hub_id, asked.time_window.map(|window| window.0)).await?;
    let influence = |mover: &crate::forecast::foretold::ToldMover| Influence {
        feature: mover.feature.clone(),
        value: f64::from(mover.value),
        usual: f64::from(mover.usual),
        part: f64::from(mover.part),
        detail: mover.detail.clone(),
    };
    Ok(Reply::json(
        200,
        &FailurePrediction {
            hub_id: asked.hub_id.0.to_string(),
            failure_probability: told.probability,
            time_window: millis(told.window),
            base_rate: told.base_rate,
            estimated_time_to_failure: told.time_to_failure.map(millis),
            failure_type: told.failure_type.to_string(),
            confidence: told.confidence,
            past_alone: told.cold,
            load_jumped: told.stands,
            evidence: told.movers.iter().map(influence).collect(),
            recommended_actions: actions(&told),
        },
    ))
}

pub(super) async fn patterns(control: &Handle, asked: AboutHub) -> Result<Reply, Problem> {
    let told = foretell(control, &asked.hub_id, None).await?;
    let pattern = |pattern: &crate::forecast::foretold::ToldPattern| FailurePattern {
        pattern: pattern.name.to_owned(),
        detail: pattern.detail.clone(),
        chance: pattern.chance,
    };
    Ok(Reply::json(
        200,
        &FailurePatterns {
            hub_id: asked.hub_id.0.to_string(),
            failures: told.failures,
            failure_types: told.failure_types.clone(),
            watched: millis(told.watched),
            patterns: told.patterns.iter().map(pattern).collect(),
        },
    ))
}

pub(super) async fn suggest(control: &Handle, asked: AboutHub) -> Result<Reply, Problem> {
    let told = foretell(control, &asked.hub_id, None).await?;
    let hub_id = asked.hub_id.0.to_string();
    Ok(Reply::json(200, &PreventiveActions { hub_id, actions: actions(&told) }))
}

pub(super) async fn risk(control: &Handle, asked: AboutHub) -> Result<Reply, Problem> {
    let told = foretell(control, &asked.hub_id, None).await?;
    Ok(Reply::json(
        200,
        &RiskScore {
            hub_id: asked.hub_id.0.to_string(),
            risk_score: told.risk_score,
            time_window: RISK_WINDOW_MS,
            failures_per_day: told.failures_per_day,
            failures: told.failures,
            watched: millis(told.watched),
        },
    ))
}

/// Has the model speak again that spoke before the one that was learnt last.
pub(super) async fn revert(control: &Handle) -> Result<Reply, Problem> {
    match control.go_back().await? {
        Ok(true) => Ok(Reply::json(200, &control.forecasts(0).await?)),
        Ok(false) => Err(Problem::new(409, "no model was learnt that could be taken back")),
        Err(why) => Err(Problem::new(500, format!("the model's files cannot be changed: {why}"))),
    }
}

async fn foretell(control: &Handle, hub: &HubName, window: Option<Duration>) -> Result<Foretold, Problem> {
    match control.foretell(hub.0.clone(), window).await {
        Err(Unasked::UnknownHub) => Err(Problem::unknown_hub(hub.0.as_str()).at("hubId")),
        told => Ok(told?),
    }
}

fn actions(told: &Foretold) -> Vec<RecommendedAction> {
    let of = |advice: &crate::forecast::foretold::ToldAdvice| RecommendedAction {
        action: advice.action.to_string(),
        because: advice.because.clone(),
    };
    told.advice.iter().map(of).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
