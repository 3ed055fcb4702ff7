//! What is done about a forecast besides changing the table?
//!
//! Two things that cost next to nothing. They are part of the plan, and its whole: what no longer stands there is over.

use std::collections::BTreeMap;

use mcphub_routing::{
    Era, Excluded, Hub, HubId, HubIndex, NoLoads, PlaceIndex, RouteQuery, RoutingTable, select,
};

use crate::Outlook;

/// Places that are asked where their requests would go: enough for every country, and little enough for every tick.
const PLACES_MAX: usize = 256;
/// Hubs that are kept ready for one that may fail.
const READY_MAX: usize = 2;

/// Something to be done about a forecast, for as long as the plan names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Precaution {
    /// The hub that it is done to.
    pub hub: HubId,
    /// What.
    pub measure: Measure,
    /// What is expected of the hub that may fail; `None` once nothing is, and it has not come back yet.
    pub outlook: Option<Outlook>,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Measure {
    /// It is probed more often, since it may fail.
    ProbeMore,
    /// A few idle connections to it are kept open, since it would take over from this hub.
    KeepReady {
        /// The hub that may fail.
        instead_of: HubId,
    },
}

/// Those that would take over from a hub: where each place's requests would go without it and the others that forecasts
/// speak against, as many of them as a request may have tried; the most places first.
pub(crate) fn successors(table: &RoutingTable, hub: &Hub<'_>, others: &[HubIndex]) -> Vec<HubId> {
    let era = if hub.eras.contains(Era::Modern) { Era::Modern } else { Era::Legacy };
    let mut excluded = Excluded::none();
    excluded.insert(hub.index);
    others.iter().for_each(|&other| _ = excluded.insert(other));
    let mut places: BTreeMap<HubIndex, usize> = BTreeMap::new();
    for place in 0..table.place_count().min(PLACES_MAX) {
        let Ok(place) = u16::try_from(place) else { break };
        let query = RouteQuery { excluded, ..RouteQuery::new(PlaceIndex::new(place), era, &NoLoads) };
        if let Some(next) = select(table, &query).hub() {
            *places.entry(next).or_default() += 1;
        }
    }
    let mut found: Vec<_> = places.into_iter().collect();
    found.sort_by_key(|&(index, count)| (std::cmp::Reverse(count), index));
    found.into_iter().take(READY_MAX).filter_map(|(index, _)| Some(table.hub(index)?.id.clone())).collect()
}
