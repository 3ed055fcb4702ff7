//! What may an operator ask? Plain HTTP, by default on loopback only.
//!
//! | request | answer |
//! |---|---|
//! | `GET /livez` | 200 while the process works |
//! | `GET /readyz` | 200 when it serves, with a word on what is degraded; 503 while it stops |
//! | `GET /metrics` | Prometheus text |
//! | `GET /v1/openapi.json` | all that follows, for programs |
//! | `GET /v1/status` | phase, configuration, hubs by health, store, load |
//! | `GET /v1/hubs`, `/v1/hubs/{id}` | the hubs: state, reason, evidence |
//! | `GET /v1/hubs/{id}/telemetry` | what a hub has been like, and when it failed; `?limit=` |
//! | `GET /v1/table` | the routing table; `?place=DE` for one place |
//! | `GET /v1/report` | the last plans with their reasons; `?format=text` for people |
//! | `GET /v1/failovers` | the journal; `?limit=` |
//! | `GET /v1/forecasts` | what forecasts are made by, and what became of alarms; `?limit=` |
//! | `GET /v1/sessions` | how many sessions there are, by hub, place and age |
//! | `POST /v1/reload` | reads the configuration again |
//! | `POST /v1/revertModel` | has the model speak again that spoke before the one that was learnt last |
//! | `POST /v1/drain`, `/v1/undrain` | takes a hub out gently, and back |
//! | `POST /v1/executeFailover` | takes a hub out at once |
//! | `POST /v1/switchTraffic` | moves part of its placements |
//! | `POST /v1/migrateUserSessions` | moves sessions away from a hub |
//! | `POST /v1/validateFailover` | says whether a failover would go well |
//!
//! **Owns** the paths, who may ask, how strictly questions are read, the words of the answers, and the document about
//! all that. **Does not know** how anything is decided or done: it asks the control task, or reads the published
//! snapshot.

mod ask;
mod auth;
mod failover;
mod forecasts;
mod openapi;
mod operations;
mod reads;
mod reply;
mod routes;
mod sessions;
mod successors;
mod table;
#[cfg(test)]
mod tests;
mod validate;
mod verbs;
mod words;

use crate::edge::Edge;
use crate::http::Downstream;
use crate::http::h1::Connection;
use crate::proxy::Arrival;
use crate::snapshot::Snapshot;
use ask::{BODY_MAX, Parameters};
use mcphub_http1::{FieldLines, RequestHead};
use mcphub_mcp::Failure;
use mcphub_session::SessionStore as _;
use reply::{Problem, Reply};
use routes::Route;
use std::sync::Arc;

/// One question, read to its end.
struct Question<'a> {
    edge: &'a Edge,
    snapshot: &'a Snapshot,
    head: &'a RequestHead,
    body: &'a [u8],
}

/// Answers one request of an operator.
pub async fn serve(
    edge: &Arc<Edge>,
    snapshot: &Arc<Snapshot>,
    arrival: &Arrival<'_>,
    mut down: Downstream<'_>,
) {
    // Read before anything is done: half a request changes nothing.
    let reply = match down.body(BODY_MAX).await {
        Ok(body) => answer(&Question { edge, snapshot, head: arrival.head, body: &body }).await,
        Err(flaw) => match ask::flaw(&flaw) {
            Some(problem) => problem.into(),
            None => return,
        },
    };
    let mut lines = FieldLines::new();
    lines.push("content-type", reply.media_type.as_bytes());
    lines.push("cache-control", b"no-store");
    if reply.status == 401 {
        lines.push("www-authenticate", b"Bearer");
    }
    if let Some(allow) = reply.allow {
        lines.push("allow", allow.as_bytes());
    }
    let _ = down.answer(reply.status, &lines, reply.body.as_bytes()).await;
}

/// Answers bytes that are no request, in the words of this interface and not in those of MCP.
pub async fn refuse(connection: &mut Connection, status: u16, failure: &Failure<'_>) {
    let reply: Reply = Problem::new(status, failure.message()).into();
    let mut lines = FieldLines::new();
    lines.push("content-type", reply.media_type.as_bytes());
    connection.refuse(reply.status, &lines, reply.body.as_bytes()).await;
}

async fn answer(question: &Question<'_>) -> Reply {
    let head = question.head;
    let route = Route::find(head.path());
    if !route.is_some_and(Route::is_public)
        && let Err(problem) = auth::authorize(question.snapshot.settings.admin.token.as_ref(), head)
    {
        return problem.into();
    }
    match route {
        None => Problem::new(404, "there is nothing here").into(),
        Some(route) if !route.takes(head.method) => Reply::not_allowed(route.methods()),
        Some(route) => match Box::pin(dispatch(route, question)).await {
            Ok(reply) => reply,
            Err(problem) => problem.into(),
        },
    }
}

async fn dispatch(route: Route<'_>, question: &Question<'_>) -> Result<Reply, Problem> {
    let &Question { edge, snapshot, head, body } = question;
    let control = &edge.control;
    let parameters = match route {
        // Probes of balancers and scrapers may carry parameters of their own; nobody else may.
        Route::Live | Route::Ready | Route::Metrics => Parameters::default(),
        _ => Parameters::read(head.query(), route.parameters())?,
    };
    match route {
        Route::Live => Ok(Reply::text(200, "live")),
        Route::Ready => Ok(reads::ready(edge.lifecycle.phase(), &edge.records.condition())),
        Route::Metrics => Ok(reads::metrics(edge)),
        Route::Document => Ok(Reply::json(200, &openapi::document(snapshot.settings.admin.token.is_some()))),
        Route::Status => Ok(reads::status(edge, snapshot).await),
        Route::Hubs => reads::hubs(edge).await,
        Route::Hub(id) => reads::hub(edge, id).await,
        Route::Telemetry(id) => reads::telemetry(edge, id, &parameters).await,
        Route::Table => reads::table(snapshot, &parameters),
        Route::Report => reads::report(edge, &parameters).await,
        Route::Failovers => reads::failovers(edge, &parameters).await,
        Route::Forecasts => reads::forecasts(edge, &parameters).await,
        Route::Sessions => sessions::sessions(edge).await,
        Route::Reload => {
            ask::no_body(body)?;
            verbs::reload(control).await
        }
        Route::RevertModel => {
            ask::no_body(body)?;
            forecasts::revert(control).await
        }
        Route::Drain => verbs::drain(control, ask::body(head, body)?).await,
        Route::Undrain => verbs::undrain(control, ask::body(head, body)?).await,
        Route::ExecuteFailover => failover::execute(edge, ask::body(head, body)?).await,
        Route::SwitchTraffic => verbs::switch(edge, ask::body(head, body)?).await,
        Route::MigrateUserSessions => sessions::migrate(edge, ask::body(head, body)?).await,
        Route::ValidateFailover => failover::check(edge, &ask::body(head, body)?).await,
        Route::PredictFailure => forecasts::predict(control, ask::body(head, body)?).await,
        Route::AnalyzeFailurePatterns => forecasts::patterns(control, ask::body(head, body)?).await,
        Route::SuggestPreventiveActions => forecasts::suggest(control, ask::body(head, body)?).await,
        Route::CalculateRiskScore => forecasts::risk(control, ask::body(head, body)?).await,
    }
}
