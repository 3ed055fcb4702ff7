//! Why that hub? The same walk as `select`, told step by step, for people.

use crate::walk::{Walk, decide};
use crate::{
    Algorithm, Choice, Generation, Hub, HubIndex, Pin, PlaceName, ResidencyId, RouteQuery, RoutingTable,
    Share, Tier,
};

/// What keeps a hub from a new placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The client's residency does not allow it.
    Residency,
    /// It does not speak the era of the request.
    Era,
    /// It keeps what is pinned, and takes nothing new.
    Draining,
    /// It is held out of service.
    Drained,
    /// It has failed, and has not yet proved itself.
    Ejected,
    /// This request has tried it already.
    Tried,
}

impl Verdict {
    /// The words used in explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Residency => "outside the client's residency",
            Self::Era => "does not speak this era",
            Self::Draining => "draining",
            Self::Drained => "drained",
            Self::Ejected => "ejected",
            Self::Tried => "tried already",
        }
    }
}

/// One step of the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The pinned hub cannot have it.
    PinLost {
        /// That hub.
        hub: HubIndex,
    },
    /// Nobody of this tier takes placements.
    TierEmpty {
        /// The tier.
        tier: Tier,
    },
    /// Every hub of this tier was tried already, or declined.
    TierTried {
        /// The tier.
        tier: Tier,
    },
    /// This tier, in part service, left the placement to the next.
    TierSpilled {
        /// The tier.
        tier: Tier,
        /// The part of its traffic that it keeps.
        kept: Share,
    },
    /// This hub, in part service, left the placement to the next.
    HubDeclined {
        /// The hub.
        hub: HubIndex,
        /// The part that it takes.
        share: Share,
    },
    /// Nobody took it by share: now without regard to shares.
    AllDeclined,
    /// Now hubs with a share of nothing.
    ShareOfNothing,
    /// Now, in panic, ejected hubs.
    Panic,
    /// Found.
    Chosen {
        /// The tier.
        tier: Tier,
        /// The hub.
        hub: HubIndex,
        /// By the key rather than by the algorithm.
        by_key: bool,
    },
}

/// A hub, seen from the client.
#[derive(Debug, Clone)]
pub struct HubView<'t> {
    /// The hub.
    pub hub: Hub<'t>,
    /// What a round trip costs, in milliseconds.
    pub cost_ms: u32,
    /// All that keeps it from this placement; empty when it could have it.
    pub verdicts: Vec<Verdict>,
}

/// One tier of the client's preference, cheapest hub first.
#[derive(Debug, Clone)]
pub struct GroupView<'t> {
    /// The tier.
    pub tier: Tier,
    /// Its hubs.
    pub hubs: Vec<HubView<'t>>,
}

/// The pin, and whether it held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinView {
    /// The pin.
    pub pin: Pin,
    /// Does the hub keep it?
    pub kept: bool,
}

/// A choice with its reasons.
#[derive(Debug, Clone)]
pub struct Explanation<'t> {
    /// The table it was made from.
    pub generation: Generation,
    /// Where the client is; `None` when the table does not know that place.
    pub place: Option<&'t PlaceName>,
    /// The residency that binds it, if one does and it is known.
    pub residency: Option<&'t ResidencyId>,
    /// Is the table in panic?
    pub panic: bool,
    /// How a hub is chosen within a group.
    pub algorithm: Algorithm,
    /// The pin, if there was one and the walk began.
    pub pin: Option<PinView>,
    /// The client's preference; empty tiers are left out.
    pub groups: Vec<GroupView<'t>>,
    /// What the walk did.
    pub steps: Vec<Step>,
    /// What [`crate::select`] answers.
    pub choice: Choice,
}

/// Chooses as [`crate::select`] does, and says why.
pub fn explain<'t>(table: &'t RoutingTable, query: &RouteQuery<'_>) -> Explanation<'t> {
    let mut steps = Vec::new();
    let choice = decide(table, query, &mut steps);
    let walk = Walk::new(table, query).ok();
    Explanation {
        generation: table.generation(),
        place: table.place_name(query.region),
        residency: walk.as_ref().and_then(|walk| table.residency_id(walk.residency())),
        panic: table.panic(),
        algorithm: table.algorithm(),
        pin: walk.as_ref().and_then(|walk| query.pin.map(|pin| PinView { pin, kept: walk.keeps(pin) })),
        groups: walk.map(|walk| groups(table, query, &walk)).unwrap_or_default(),
        steps,
        choice,
    }
}

fn groups<'t>(table: &'t RoutingTable, query: &RouteQuery<'_>, walk: &Walk<'_>) -> Vec<GroupView<'t>> {
    let view = |hub: u16, cost_ms: u32| {
        let verdicts = walk.verdicts(hub).collect();
        table.hub(HubIndex(hub)).map(|hub| HubView { hub, cost_ms, verdicts })
    };
    let group = |tier| {
        let span = table.layout.span(query.region, tier);
        let (order, costs) = (table.layout.order(query.region), table.layout.costs(query.region));
        let hubs: Vec<_> = order[span.clone()]
            .iter()
            .zip(&costs[span])
            .filter_map(|(&hub, &cost)| view(hub, cost))
            .collect();
        GroupView { tier, hubs }
    };
    Tier::ALL.into_iter().map(group).filter(|group| !group.hubs.is_empty()).collect()
}
