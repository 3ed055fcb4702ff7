//! Which hub?

use crate::walk::{Silent, decide};
use crate::{Choice, RouteQuery, RoutingTable};

/// Chooses the hub of one request.
///
/// Pure: the same table and query always give the same choice. It allocates nothing and, however many hubs there are,
/// looks at few of them as long as the preferred ones serve.
///
/// * A pin to a hub that may keep it is kept. A hard pin holds while its hub serves, recovers or drains (in panic,
///   also while it is ejected); a soft one while its hub takes placements. Otherwise the request moves.
/// * Edges within their radius come first, then primaries, secondaries and the other edges; within the first of these
///   groups that can serve, the table's algorithm decides, or the key.
/// * A hub in part service takes its share of what would have been its own, and the rest spills to the next. Nothing
///   is refused because of a share.
/// * Residency is never broken, not even in panic.
#[inline]
pub fn select(table: &RoutingTable, query: &RouteQuery<'_>) -> Choice {
    decide(table, query, &mut Silent)
}
