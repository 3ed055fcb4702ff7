//! What does the routing table say? Read from the published snapshot, and from nowhere else.

use mcphub_health::PublicHealth;
use mcphub_routing::{
    Era, HubState, NoLoads, PlaceIndex, Refusal, ResidencyIndex, RouteQuery, RoutingTable, Share, explain,
    select,
};
use schemars::JsonSchema;
use serde::Serialize;

/// The most steps of preference, hubs times places, that are told without being asked for a place. The order of 250
/// places among 5,000 hubs would be more than anybody reads.
const ORDERS_MAX: usize = 20_000;

/// The table in force.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TableView {
    /// Which table this is.
    generation: u64,
    /// Which accepted configuration it was laid out from.
    revision: u64,
    /// Whether ejected hubs may be tried before a request is refused.
    panic: bool,
    /// How a hub is chosen within the preferred group.
    algorithm: String,
    /// Every hub, in the order of the configuration.
    hubs: Vec<TableHub>,
    /// Where clients may be, *here* (where the gateway is) first; one, if one was asked for.
    places: Vec<Place>,
}

/// A hub as the table has it.
#[derive(Debug, Serialize, JsonSchema)]
struct TableHub {
    /// Its lasting name.
    id: String,
    /// `primary`, `secondary` or `edge`.
    #[serde(rename = "type")]
    hub_type: &'static str,
    /// Where it stands.
    location: String,
    /// `serving`, `draining`, `drained`, `ejected` or `recovering`.
    state: &'static str,
    /// What part of its new placements it takes, 0 to 1.
    share: f64,
    /// How much it takes beside its peers, as configured.
    weight: u32,
    /// The eras it serves: `legacy`, `modern`.
    eras: Vec<&'static str>,
    /// `healthy`, `degraded` or `unhealthy`.
    health: &'static str,
    /// How well it is next to others, 0 to 1: what `health-based` goes by.
    score: f64,
}

/// A place where clients are.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Place {
    /// `here`, a country such as `DE`, or a cell of the map.
    name: String,
    /// The residency rule that binds its clients.
    residency: Option<String>,
    /// Whether its clients are refused, because a rule might bind them and nobody knows where they are.
    refused: bool,
    /// Where a new client of the legacy era goes now, were every hub idle.
    legacy: Option<String>,
    /// Where a new client of the modern era goes now, were every hub idle.
    modern: Option<String>,
    /// Its order of preference; left out where that of all places would be too long: ask for one place then.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Vec<Tier>>,
}

/// Hubs of equal rank.
#[derive(Debug, Serialize, JsonSchema)]
struct Tier {
    /// `edges nearby`, `primaries`, `secondaries` or `edges far away`.
    tier: &'static str,
    /// Cheapest first.
    hubs: Vec<Preferred>,
}

/// A hub as a place sees it.
#[derive(Debug, Serialize, JsonSchema)]
struct Preferred {
    /// Its lasting name.
    id: String,
    /// What a round trip costs.
    cost_ms: u32,
    /// Whether the residency of the place allows it.
    allowed: bool,
}

impl TableView {
    /// The table, with one place or all.
    pub(super) fn of(revision: u64, table: &RoutingTable, place: Option<Place>) -> Self {
        let ordered = table.hubs().len() * table.place_count() <= ORDERS_MAX;
        let all = || (0..table.place_count()).filter_map(|at| Place::at(table, at, ordered)).collect();
        Self {
            generation: table.generation().get(),
            revision,
            panic: table.panic(),
            algorithm: table.algorithm().as_str().to_owned(),
            hubs: table.hubs().map(|hub| TableHub::of(&hub)).collect(),
            places: place.map_or_else(all, |place| vec![place]),
        }
    }
}

fn per_one(share: Share) -> f64 {
    f64::from(share.per_mille()) / 1000.0
}

/// The words of the eras that a hub serves.
fn eras(hub: &mcphub_routing::Hub<'_>) -> Vec<&'static str> {
    [Era::Legacy, Era::Modern].into_iter().filter(|era| hub.eras.contains(*era)).map(Era::as_str).collect()
}

impl TableHub {
    fn of(hub: &mcphub_routing::Hub<'_>) -> Self {
        Self {
            id: hub.id.to_string(),
            hub_type: hub.hub_type.as_str(),
            location: hub.location.to_string(),
            state: HubState::as_str(hub.state),
            share: per_one(hub.state.takes().unwrap_or(Share::NONE)),
            weight: hub.weight.get().into(),
            eras: eras(hub),
            health: PublicHealth::of(hub.state).as_str(),
            score: per_one(hub.health),
        }
    }
}

impl Place {
    /// The place of this name, with its order.
    pub(super) fn find(table: &RoutingTable, name: &str) -> Option<Self> {
        let named = |at: &usize| index(*at).and_then(|at| table.place_name(at)).is_some_and(|n| **n == *name);
        Self::at(table, (0..table.place_count()).find(named)?, true)
    }

    fn at(table: &RoutingTable, at: usize, ordered: bool) -> Option<Self> {
        let place = index(at)?;
        let query = |era| RouteQuery::new(place, era, &NoLoads);
        let goes = |era| {
            let hub = select(table, &query(era)).hub().and_then(|hub| table.hub(hub));
            hub.map(|hub| hub.id.to_string())
        };
        let residency = table.residency(&query(Era::Modern));
        let bound = residency.ok().filter(|residency| *residency != ResidencyIndex::ANYWHERE);
        Some(Self {
            name: table.place_name(place)?.to_string(),
            residency: bound.and_then(|bound| table.residency_id(bound)).map(ToString::to_string),
            refused: residency == Err(Refusal::Unplaced),
            legacy: goes(Era::Legacy),
            modern: goes(Era::Modern),
            order: ordered.then(|| order(table, &query(Era::Modern))),
        })
    }
}

fn index(at: usize) -> Option<PlaceIndex> {
    u16::try_from(at).ok().map(PlaceIndex::new)
}

fn order(table: &RoutingTable, query: &RouteQuery<'_>) -> Vec<Tier> {
    let preferred = |view: &mcphub_routing::HubView<'_>| Preferred {
        id: view.hub.id.to_string(),
        cost_ms: view.cost_ms,
        allowed: !view.verdicts.contains(&mcphub_routing::Verdict::Residency),
    };
    let groups = explain(table, query).groups;
    groups
        .iter()
        .map(|group| Tier { tier: group.tier.as_str(), hubs: group.hubs.iter().map(preferred).collect() })
        .collect()
}
