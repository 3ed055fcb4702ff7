//! Who takes over from a hub? Asked of `select` itself, for every place that prefers the hub.

use super::words::Successor;
use mcphub_routing::{
    Era, Excluded, HubIndex, HubState, NoLoads, PlaceIndex, RouteQuery, RoutingTable, select,
};
use std::collections::BTreeMap;

/// Placements tried for each place: enough to see hubs in part service, and peers that take turns, in their turn.
const TURNS: u64 = 8;

/// Who would serve the new clients of this hub, were it out, largest part first. A hub that nobody prefers has none.
pub(super) fn successors(table: &RoutingTable, from: HubIndex) -> Vec<Successor> {
    // As if it were in service: asked of a hub that is out, the answer is who serves in its place now.
    let well = table.revise().state(from, HubState::SERVING).build(table.generation());
    let Some(hub) = well.hub(from) else { return Vec::new() };
    let era = if hub.eras.contains(Era::Modern) { Era::Modern } else { Era::Legacy };
    let mut counts: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let places = (0..well.place_count()).filter_map(|at| u16::try_from(at).ok());
    for (place, turn) in places.flat_map(|place| (0..TURNS).map(move |turn| (place, turn))) {
        let query = RouteQuery { turn, ..RouteQuery::new(PlaceIndex::new(place), era, &NoLoads) };
        if select(&well, &query).hub() == Some(from) {
            let mut excluded = Excluded::none();
            excluded.insert(from);
            let next = select(&well, &RouteQuery { excluded, ..query }).hub().and_then(|hub| well.hub(hub));
            *counts.entry(next.map(|hub| hub.id.as_str())).or_default() += 1;
        }
    }
    let total: usize = counts.values().sum();
    let mut parts: Vec<_> = counts.into_iter().collect();
    parts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let share = |count: usize| (count as f64 / total as f64 * 1000.0).round() / 1000.0;
    parts
        .into_iter()
        .map(|(hub, count)| Successor { hub: hub.map(str::to_owned), share: share(count) })
        .collect()
}
