//! How are the sessions, by number only, and what does it take to move some by hand? No answer names a session, a token
//! or an address.

use super::reply::{Problem, Reply};
use super::verbs::find;
use super::words::HubName;
use crate::clock::{self, Rfc3339};
use crate::control::view::HubView;
use crate::edge::Edge;
use crate::migrate::shepherd::{self, Marked};
use crate::sessions::{Bucket, Census, HubCensus, SESSIONS_MAX};
use crate::snapshot::Snapshot;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// The legacy sessions, counted.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SessionsView {
    /// When this process began, RFC 3339. Only sessions that it has seen since are counted: one that was opened before
    /// is seen when it next calls.
    seen_since: String,
    /// Sessions that are not over.
    sessions: u64,
    /// Those of them with a request in flight; an open GET stream is none.
    busy: u64,
    /// Those of them with an open GET stream.
    listening: u64,
    /// Those of them that live on another hub than the one that opened them.
    moved: u64,
    /// Those of them that an operator wants elsewhere and that have not left yet.
    leaving: u64,
    /// Open GET streams.
    streams_open: u64,
    /// By the hub that they live on, every hub that was seen since the start.
    by_hub: Vec<HubSessions>,
    /// By where their clients were when they were placed, most first.
    by_place: Vec<PlaceSessions>,
    /// By the time since they were opened.
    by_age: Vec<BucketView>,
    /// By the time since they were last used; none while a request is in flight.
    by_idle: Vec<BucketView>,
    /// What was counted since the start.
    since_start: Totals,
}

/// The sessions of one hub.
#[derive(Debug, Serialize, JsonSchema)]
struct HubSessions {
    /// The hub.
    hub: String,
    /// Sessions that live on it.
    sessions: u64,
    /// Those of them with a request in flight.
    busy: u64,
    /// Those of them with an open GET stream.
    listening: u64,
    /// Those of them that another hub has opened.
    moved: u64,
    /// Those of them that an operator wants elsewhere.
    leaving: u64,
    /// Sessions that have moved to it since the start.
    came: u64,
    /// Sessions that have moved away from it since the start.
    left: u64,
}

/// The sessions placed from one place.
#[derive(Debug, Serialize, JsonSchema)]
struct PlaceSessions {
    /// The place, such as `DE`; `null` for nowhere known, `other` for what is one too many.
    place: Option<String>,
    /// How many.
    sessions: u64,
}

/// Sessions up to some time.
#[derive(Debug, Serialize, JsonSchema)]
struct BucketView {
    /// They have less than this, and at least what the bucket before has; `null` for the last.
    under_ms: Option<u64>,
    /// How many.
    sessions: u64,
}

/// What was counted since the start.
#[derive(Debug, Serialize, JsonSchema)]
struct Totals {
    /// Sessions opened.
    opened: u64,
    /// Sessions moved to another hub.
    moved: u64,
    /// Sessions followed to where another gateway has moved them.
    followed: u64,
    /// Requests that could not be served since their session could not move.
    requests_refused: u64,
    /// The same by reason.
    requests_refused_by_reason: BTreeMap<&'static str, u64>,
    /// Requests that were lost with their hub and may not be done twice: their clients were told so.
    requests_lost: u64,
}

/// Move sessions away from a hub.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MigrateUserSessions {
    /// The hub that they leave.
    from_hub_id: HubName,
    /// The hub they shall go to; without it, each goes by the order of preference of its client.
    #[serde(default)]
    to_hub_id: Option<HubName>,
    /// So many at most, those with an open stream first; all, where nothing is said.
    #[serde(default)]
    sessions: Option<Most>,
}

/// How many sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Most(usize);

impl<'de> Deserialize<'de> for Most {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // To JSON, 5.0 is a whole number as well.
        let most = f64::deserialize(from)?;
        if most.fract() == 0.0 && (1.0..=SESSIONS_MAX as f64).contains(&most) {
            return Ok(Self(most as usize));
        }
        Err(D::Error::custom(format!("a number of sessions is whole, 1 to {SESSIONS_MAX}")))
    }
}

impl JsonSchema for Most {
    fn schema_name() -> Cow<'static, str> {
        "Most".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "integer", "minimum": 1, "maximum": SESSIONS_MAX,
            "description": "A number of sessions.",
        })
    }
}

/// What came of moving sessions. The numbers are those of the moment: sessions come and go.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionsMigrated {
    /// The hub that they leave.
    from_hub_id: String,
    /// The hub they shall go to, where one was named. A session that it cannot have (residency, capabilities) goes to
    /// another.
    to_hub_id: Option<String>,
    /// Sessions on the hub that were seen since the start.
    sessions_on_hub: usize,
    /// Of those that shall leave: they have an open stream and are led away now, so many a second.
    leaving_now: usize,
    /// Of those that shall leave: they move before their next request, since only that brings their client's
    /// credential.
    on_next_use: usize,
    /// How many with an open stream are led away in a second.
    moves_per_second: u32,
    /// The same in words.
    message: String,
    /// The generation of the routing table in force.
    generation: u64,
}

pub(super) async fn sessions(edge: &Edge) -> Result<Reply, Problem> {
    let (sessions, now_unix) = (Arc::clone(&edge.sessions), clock::unix_seconds());
    let census = off_traffic(move || sessions.census(clock::since_start(), now_unix)).await?;
    let moves = edge.metrics.moves.totals();
    let totals = Totals {
        opened: edge.sessions.opened(),
        moved: moves.moved,
        followed: moves.followed,
        requests_refused: moves.refused.values().sum(),
        requests_refused_by_reason: moves.refused,
        requests_lost: moves.lost,
    };
    Ok(Reply::json(200, &view(census, totals)))
}

fn view(census: Census, since_start: Totals) -> SessionsView {
    let HubCensus { sessions, busy, listening, moved, leaving, .. } = census.all;
    let began = Duration::from_millis(clock::unix_millis()).saturating_sub(clock::since_start());
    let mut by_place: Vec<_> = census
        .places
        .into_iter()
        .map(|(name, sessions)| PlaceSessions { place: (!name.is_empty()).then(|| name.into()), sessions })
        .collect();
    by_place.sort_by_key(|place| std::cmp::Reverse(place.sessions));
    SessionsView {
        seen_since: Rfc3339(UNIX_EPOCH + began).to_string(),
        sessions,
        busy,
        listening,
        moved,
        leaving,
        streams_open: census.streams,
        by_hub: census.hubs.iter().map(|(hub, census)| HubSessions::of(hub.as_str(), census)).collect(),
        by_place,
        by_age: census.ages.map(BucketView::of).into(),
        by_idle: census.idle.map(BucketView::of).into(),
        since_start,
    }
}

impl HubSessions {
    fn of(hub: &str, census: &HubCensus) -> Self {
        let &HubCensus { sessions, busy, listening, moved, leaving, received, left } = census;
        Self { hub: hub.to_owned(), sessions, busy, listening, moved, leaving, came: received, left }
    }
}

impl BucketView {
    fn of(Bucket { under, sessions }: Bucket) -> Self {
        Self { under_ms: under.map(|seconds| seconds * 1000), sessions }
    }
}

pub(super) async fn migrate(edge: &Edge, order: MigrateUserSessions) -> Result<Reply, Problem> {
    let hubs = edge.control.hubs().await?;
    let from = find(&hubs, &order.from_hub_id, "fromHubId")?;
    let to = order.to_hub_id.as_ref().map(|to| find(&hubs, to, "toHubId")).transpose()?;
    may_leave(&hubs, &from, to.as_ref())?;
    let snapshot = edge.snapshots.load_full();
    let (sessions, hub) = (Arc::clone(&edge.sessions), order.from_hub_id.0);
    let (wanted, most) = (order.to_hub_id.map(|to| to.0), order.sessions.map_or(usize::MAX, |most| most.0));
    let marked = off_traffic(move || shepherd::mark(&sessions, &hub, wanted.as_ref(), most)).await?;
    tracing::info!(
        from = from.id,
        to = to.as_ref().map(|to| &*to.id),
        leaving_now = marked.now,
        on_next_use = marked.on_next_use,
        "an operator moves sessions"
    );
    Ok(Reply::json(200, &migrated(&from, to.as_ref(), marked, &snapshot)))
}

/// Why sessions may not be sent away from here, or to there.
fn may_leave(hubs: &[HubView], from: &HubView, to: Option<&HubView>) -> Result<(), Problem> {
    let serves = |hub: &HubView| hub.state.share > 0.0;
    let legacy = |hub: &HubView| hub.eras.contains(&"legacy");
    match to {
        Some(to) if to.id == from.id => {
            Err(Problem::new(409, "sessions cannot move to the hub that they are on").at("toHubId"))
        }
        Some(to) if !serves(to) => {
            let why = format!("{} is not in service: it is {}", to.id, to.state.name);
            Err(Problem::new(409, why).at("toHubId"))
        }
        Some(to) if !legacy(to) => {
            Err(Problem::new(409, format!("{} serves no legacy sessions", to.id)).at("toHubId"))
        }
        None if !hubs.iter().any(|hub| hub.id != from.id && serves(hub) && legacy(hub)) => {
            let why = format!("no other hub than {} is in service for sessions", from.id);
            Err(Problem::new(409, why).at("fromHubId"))
        }
        _ => Ok(()),
    }
}

fn migrated(from: &HubView, to: Option<&HubView>, marked: Marked, snapshot: &Snapshot) -> SessionsMigrated {
    let Marked { there, now, on_next_use } = marked;
    let per_second = snapshot.settings.failover.moves_per_second;
    let unseen = if from.sessions_complete {
        ""
    } else {
        "; those from before the gateway's start are not among them"
    };
    SessionsMigrated {
        from_hub_id: from.id.clone(),
        to_hub_id: to.map(|to| to.id.clone()),
        sessions_on_hub: there,
        leaving_now: now,
        on_next_use,
        moves_per_second: per_second,
        message: format!(
            "of {there} sessions on {}, {now} leave now, at most {per_second} a second, and {on_next_use} before \
             they are used next{unseen}",
            from.id
        ),
        generation: snapshot.table.generation().get(),
    }
}

/// Looks at every session on a thread where no request waits for it.
async fn off_traffic<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(look)
        .await
        .map_err(|_| Problem::new(503, "the sessions could not be counted; ask again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read and what the document says must agree.
    #[test]
    fn a_number_of_sessions_is_whole_and_some() {
        let schema = serde_json::to_value(schemars::schema_for!(MigrateUserSessions)).expect("JSON");
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        for (given, good) in [
            (r#"{"fromHubId":"a"}"#, true),
            (r#"{"fromHubId":"a","toHubId":"b","sessions":1}"#, true),
            (r#"{"fromHubId":"a","toHubId":null,"sessions":null}"#, true),
            (r#"{"fromHubId":"a","sessions":1000000.0}"#, true),
            (r#"{"fromHubId":"a","sessions":0}"#, false),
            (r#"{"fromHubId":"a","sessions":1.5}"#, false),
            (r#"{"fromHubId":"a","sessions":1000001}"#, false),
            (r#"{"fromHubId":"a","sessions":"1"}"#, false),
            (r#"{"toHubId":"a"}"#, false),
            (r#"{"fromHubId":"a","hub":"b"}"#, false),
        ] {
            let value = serde_json::from_str(given).expect("JSON");
            let read = serde_json::from_str::<MigrateUserSessions>(given).is_ok();
            assert_eq!((read, validator.is_valid(&value)), (good, good), "{given}");
        }
    }
}
