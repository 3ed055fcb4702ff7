//! What is there to say about each thing that can be asked? In the order of the document.

use super::openapi::Schemas;
use super::reads::{ALARMS_MAX, FAILOVERS_MAX, HubDetail, HubsView, ReportView, SAMPLES_MAX, StatusView};
use super::routes::{PATHS, Route};
use super::sessions::{MigrateUserSessions, SessionsMigrated, SessionsView};
use super::table::TableView;
use super::words::{
    AboutHub, Drain, Drained, ExecuteFailover, FailoverResult, FailurePatterns, FailurePrediction,
    PredictFailure, PreventiveActions, RiskScore, SwitchTraffic, TrafficSwitched, Undrain, ValidateFailover,
    Validation,
};
use crate::control::Reloaded;
use crate::control::view::{Failovers, ForecastsView};
use crate::forecast::view::TelemetryView;
use schemars::Schema;
use serde_json::{Value, json};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

/// One thing that can be asked.
pub(super) struct Operation {
    pub(super) path: &'static str,
    pub(super) route: Route<'static>,
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: Option<&'static str>,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Schema>,
    pub(super) answers: Vec<Answer>,
    /// What may speak against it, beside what may against any.
    pub(super) problems: Vec<(u16, &'static str)>,
}

/// One answer to it that is no [`super::reply::Problem`].
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) what: &'static str,
    pub(super) media_type: &'static str,
    /// `None` for a text.
    pub(super) schema: Option<Schema>,
}

impl Operation {
    fn new(path: &'static str, route: Route<'static>) -> Self {
        Self {
            path,
            route,
            id: "",
            tag: "fleet",
            summary: "",
            description: None,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn named(self, id: &'static str, summary: &'static str) -> Self {
        Self { id, summary, ..self }
    }

    fn tag(self, tag: &'static str) -> Self {
        Self { tag, ..self }
    }

    fn more(self, description: &'static str) -> Self {
        Self { description: Some(description), ..self }
    }

    fn parameter(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }

    fn body(self, schema: Schema) -> Self {
        Self { body: Some(schema), tag: "orders", ..self }
    }

    fn text(mut self, status: u16, what: &'static str) -> Self {
        self.answers.push(Answer { status, what, media_type: TEXT, schema: None });
        self
    }

    fn json(mut self, status: u16, what: &'static str, schema: Schema) -> Self {
        self.answers.push(Answer { status, what, media_type: JSON, schema: Some(schema) });
        self
    }

    fn problem(mut self, status: u16, what: &'static str) -> Self {
        self.problems.push((status, what));
        self
    }
}

/// Everything that can be asked.
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    PATHS.into_iter().map(|(path, route)| operation(Operation::new(path, route), schemas)).collect()
}

fn operation(it: Operation, schemas: &mut Schemas) -> Operation {
    match it.route {
        Route::Live | Route::Ready | Route::Metrics | Route::Document => process(it),
        Route::Status
        | Route::Hubs
        | Route::Hub(_)
        | Route::Telemetry(_)
        | Route::Table
        | Route::Report
        | Route::Failovers
        | Route::Forecasts
        | Route::Sessions => read(it, schemas),
        Route::Reload | Route::RevertModel | Route::Drain | Route::Undrain => order(it, schemas),
        Route::ExecuteFailover
        | Route::SwitchTraffic
        | Route::MigrateUserSessions
        | Route::ValidateFailover => failover(it, schemas),
        Route::PredictFailure
        | Route::AnalyzeFailurePatterns
        | Route::SuggestPreventiveActions
        | Route::CalculateRiskScore => forecast(it, schemas),
    }
}

fn process(it: Operation) -> Operation {
    let it = it.tag("process");
    match it.route {
        Route::Live => it.named("live", "Whether the process works.").text(200, "It does."),
        Route::Ready => it
            .named("ready", "Whether the gateway takes new clients.")
            .text(200, "It does: `ready`, or `degraded` and what is wrong beside the traffic.")
            .text(503, "It is stopping."),
        Route::Metrics => it.named("metrics", "The numbers, for Prometheus.").text(200, "Prometheus text."),
        _ => {
            let document = Answer {
                status: 200,
                what: "OpenAPI 3.1.",
                media_type: JSON,
                schema: serde_json::from_value(json!({ "type": "object" })).ok(),
            };
            let it = it.named("document", "This document.");
            Operation { answers: vec![document], ..it }
        }
    }
}

fn read(it: Operation, schemas: &mut Schemas) -> Operation {
    match it.route {
        Route::Status => it
            .named("status", "How the gateway is.")
            .json(200, "Name, phase, configuration, hubs by health, store, load.", schemas.answered::<StatusView>()),
        Route::Hubs => it
            .named("hubs", "Every hub as it is now: state, share, why, and what is known about it.")
            .json(200, "In the order of the configuration.", schemas.answered::<HubsView>()),
        Route::Hub(_) => it
            .named("hub", "One hub as it is now, and who would take over from it.")
            .parameter(hub_name())
            .json(200, "The hub.", schemas.answered::<HubDetail>())
            .problem(404, "There is no hub of this name."),
        Route::Telemetry(_) => it
            .named("telemetry", "What a hub has been like: its last samples, and the failures of 30 days.")
            .more(
                "Every 15 s a sample is taken of what probes, requests and the hub itself tell; those of the last two \
                 hours are kept, and before that means of a minute, up to a day, also across restarts. A hub fails while \
                 it looks as if it should be taken out of service, unless an operator wants it out.",
            )
            .parameter(hub_name())
            .parameter(json!({
                "name": "limit", "in": "query", "description": "At most so many samples, the newest.",
                "schema": { "type": "integer", "minimum": 1, "maximum": SAMPLES_MAX, "default": 20 },
            }))
            .json(200, "Newest first.", schemas.answered::<TelemetryView>())
            .problem(404, "There is no hub of this name."),
        Route::Table => it
            .named("table", "The routing table in force: hubs, and which of them each place prefers.")
            .parameter(json!({
                "name": "place", "in": "query", "description":
                    "One place only: `here` (where the gateway is), a country such as `DE`, or a cell of the map.",
                "schema": { "type": "string" }, "example": "DE",
            }))
            .json(200, "The table.", schemas.answered::<TableView>())
            .problem(404, "There is no such place."),
        Route::Report => it
            .named("report", "The last plans that changed or declined something, with reasons, newest first.")
            .parameter(json!({
                "name": "format", "in": "query", "description": "`text` for people.",
                "schema": { "enum": ["json", "text"], "default": "json" },
            }))
            .json(200, "The plans.", schemas.answered::<ReportView>())
            .text(200, "The plans."),
        Route::Forecasts => it
            .named("forecasts", "What forecasts are made by, whether it still fits, and what became of alarms.")
            .parameter(json!({
                "name": "limit", "in": "query", "description": "At most so many alarms, the newest.",
                "schema": { "type": "integer", "minimum": 1, "maximum": ALARMS_MAX, "default": 50 },
            }))
            .json(200, "The model, and the alarms, newest first.", schemas.answered::<ForecastsView>()),
        Route::Sessions => it
            .named("sessions", "How many legacy sessions there are: by hub, place, age and idle time, and what moved.")
            .more("Those that this process has seen since its start. No session is named.")
            .json(200, "The counts.", schemas.answered::<SessionsView>()),
        _ => it
            .named("failovers", "The journal: which hubs went out of service, why, and what it cost.")
            .parameter(json!({
                "name": "limit", "in": "query", "description": "At most so many, the newest.",
                "schema": { "type": "integer", "minimum": 1, "maximum": FAILOVERS_MAX, "default": 100 },
            }))
            .json(200, "Newest first.", schemas.answered::<Failovers>()),
    }
}

fn hub_name() -> Value {
    json!({
        "name": "id", "in": "path", "required": true, "description": "The hub's name.",
        "schema": { "type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$" },
        "example": "us-east-1",
    })
}

fn order(it: Operation, schemas: &mut Schemas) -> Operation {
    let waits = "A guard rail objects for now: the wish stays, and is granted when the rail allows. `heldUp` says which.";
    match it.route {
        Route::Reload => it
            .named("reload", "Reads the configuration again, and takes it up whole or not at all.")
            .tag("orders")
            .json(200, "It is in force, or says what the present one says.", schemas.answered::<Reloaded>())
            .json(409, "These keys need a restart: nothing of it is in force.", schemas.answered::<Reloaded>())
            .json(422, "It cannot be used: the present one stays.", schemas.answered::<Reloaded>()),
        Route::RevertModel => it
            .named("revertModel", "Has the model speak again that spoke before the one that was learnt last.")
            .more(
                "That is the one that was learnt before it, else the configured one. Learning goes on: `predictor.learning` \
                 ends it.",
            )
            .tag("orders")
            .json(200, "What forecasts are made by now.", schemas.answered::<ForecastsView>())
            .problem(409, "No model was learnt that could be taken back.")
            .problem(500, "The files of the models cannot be changed."),
        Route::Drain => it
            .named("drain", "Takes a hub out of service gently.")
            .more(
                "New clients go elsewhere at once. Its sessions move to other hubs, and their clients do not notice: \
                 busy ones when they finish, those with an open stream so many a second, the others before they are \
                 used next; what is left follows after the deadline. The hub then stays out until `undrain`, also \
                 across a restart of the gateway.",
            )
            .body(schemas.asked::<Drain>())
            .json(200, "It is draining, or out already.", schemas.answered::<Drained>())
            .json(202, waits, schemas.answered::<Drained>()),
        _ => it
            .named("undrain", "Lets a hub serve again, after a drain or a failover by hand.")
            .more("A hub that was out comes back with a small share first, once its probes pass.")
            .body(schemas.asked::<Undrain>())
            .json(200, "It may serve.", schemas.answered::<Drained>())
            .json(202, waits, schemas.answered::<Drained>()),
    }
}

fn failover(it: Operation, schemas: &mut Schemas) -> Operation {
    match it.route {
        Route::ExecuteFailover => it
            .named("executeFailover", "Takes a hub out of service at once; its sessions move to other hubs.")
            .more(
                "With `backupHubId`, that hub is validated first as by `validateFailover`, and nothing is done unless \
                 it is fit. The order of preference decides where clients go; the answer says where. The hub stays \
                 out until `undrain`. A guard rail may hold the wish up: `success` is false then, `heldUp` says why, \
                 and it is granted when the rail allows.",
            )
            .body(schemas.asked::<ExecuteFailover>())
            .json(200, "What came of it.", schemas.answered::<FailoverResult>()),
        Route::SwitchTraffic => it
            .named("switchTraffic", "Moves part of a hub's new placements to the next hubs.")
            .more(
                "Sessions that are pinned stay; `migrateUserSessions` moves them. The order of preference decides which hub receives what moves; a \
                 warning says where that is not the one that was named.",
            )
            .body(schemas.asked::<SwitchTraffic>())
            .json(200, "What came of it.", schemas.answered::<TrafficSwitched>())
            .problem(409, "The hub that shall receive it is not in service, or the same."),
        Route::MigrateUserSessions => it
            .named("migrateUserSessions", "Moves sessions away from a hub, whatever its state.")
            .more(
                "Their clients do not notice. Those with an open stream are led away at once, at most \
                 `failover.moves_per_second`, busy ones when they finish; the others move before their next request. A \
                 session that no other hub can have stays. Asked again, the last word counts; a restart of the gateway \
                 forgets what has not moved yet. The hub goes on taking new clients: `drain` it to prevent that.",
            )
            .body(schemas.asked::<MigrateUserSessions>())
            .json(200, "How many, and when.", schemas.answered::<SessionsMigrated>())
            .problem(409, "The hub that shall have them is not in service, or the same; or there is no other."),
        _ => it
            .named("validateFailover", "Whether a failover would go well. Changes nothing.")
            .more("The backup is probed while the caller waits: at most the probe's timeout and 2 s.")
            .body(schemas.asked::<ValidateFailover>())
            .json(200, "Every check, and whether all are ok.", schemas.answered::<Validation>()),
    }
}

fn forecast(it: Operation, schemas: &mut Schemas) -> Operation {
    let it = it.tag("forecast").problem(409, "Forecasts are off, or nothing has been seen of the hub yet.");
    match it.route {
        Route::PredictFailure => it
            .named("predictFailure", "How likely a hub fails within a time, how, and what speaks for it.")
            .more(
                "Gradual failures announce themselves, abrupt ones do not: no forecast sees a crash coming. A hub that has \
                 been watched for less than a day is judged by its past alone, and that is little to go by, as \
                 `confidence` says. Changes nothing.",
            )
            .body(schemas.asked::<PredictFailure>())
            .json(200, "What is to be expected.", schemas.answered::<FailurePrediction>()),
        Route::AnalyzeFailurePatterns => it
            .named("analyzeFailurePatterns", "What the failures of a hub's last 30 days have in common.")
            .more("An hour of the day, a neighbour that fails with it, restarts before. Changes nothing.")
            .body(schemas.asked::<AboutHub>())
            .json(200, "What chance alone would hardly do.", schemas.answered::<FailurePatterns>()),
        Route::SuggestPreventiveActions => it
            .named("suggestPreventiveActions", "What should be done about a hub before it fails.")
            .more("Only what its forecast and its past speak for, each with what does. Changes nothing.")
            .body(schemas.asked::<AboutHub>())
            .json(200, "The least first.", schemas.answered::<PreventiveActions>()),
        _ => it
            .named("calculateRiskScore", "How likely a hub fails within the next 24 hours, by its past, 0 to 100.")
            .body(schemas.asked::<AboutHub>())
            .json(200, "The score.", schemas.answered::<RiskScore>()),
    }
}
