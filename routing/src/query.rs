//! What does a request say about itself, and what can be answered?

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Era, HubIndex, PlaceIndex, ResidencyIndex};

/// The work a hub has now. Read by the caller's counters while a choice is made; a value a moment old is good enough.
pub trait Loads {
    /// Requests in flight at this hub, of this gateway. A hub that is not known has none.
    fn in_flight(&self, hub: HubIndex) -> u32;
}

/// Nobody counts: every hub looks idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoLoads;

impl Loads for NoLoads {
    fn in_flight(&self, _: HubIndex) -> u32 {
        0
    }
}

/// One counter per hub, in the order of the table.
impl Loads for [AtomicU32] {
    fn in_flight(&self, hub: HubIndex) -> u32 {
        self.get(hub.get()).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

/// One number per hub, in the order of the table.
impl Loads for [u32] {
    fn in_flight(&self, hub: HubIndex) -> u32 {
        self.get(hub.get()).copied().unwrap_or(0)
    }
}

impl<L: Loads + ?Sized> Loads for &L {
    fn in_flight(&self, hub: HubIndex) -> u32 {
        (**self).in_flight(hub)
    }
}

impl<L> Loads for Vec<L>
where
    [L]: Loads,
{
    fn in_flight(&self, hub: HubIndex) -> u32 {
        self.as_slice().in_flight(hub)
    }
}

/// The hub that a session, a task or a habit is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pin {
    /// State lives there: a legacy session, a task. Stays even while the hub drains.
    Hard(HubIndex),
    /// A preference: stays while the hub takes new placements.
    Soft(HubIndex),
}

impl Pin {
    /// The hub.
    pub fn hub(self) -> HubIndex {
        match self {
            Self::Hard(hub) | Self::Soft(hub) => hub,
        }
    }
}

/// Under which residency a request is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Residency {
    /// That of the query's own region.
    OfRegion,
    /// That of another place: the client's country, where the region is a finer place within it.
    OfPlace(PlaceIndex),
    /// The one that was sealed into the session when it was placed.
    Sealed(ResidencyIndex),
}

/// Hubs that this request has tried already; at most eight. A request that has failed at eight hubs has failed.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Excluded {
    hubs: [u16; Self::MOST],
    len: u8,
}

impl Excluded {
    /// How many fit.
    pub const MOST: usize = 8;

    /// None yet.
    pub const fn none() -> Self {
        Self { hubs: [0; Self::MOST], len: 0 }
    }

    /// Adds a hub. `false` when there is no room left: give up then.
    pub fn insert(&mut self, hub: HubIndex) -> bool {
        if self.contains(hub) {
            return true;
        }
        let Some(slot) = self.hubs.get_mut(usize::from(self.len)) else { return false };
        *slot = hub.0;
        self.len += 1;
        true
    }

    /// Was this hub tried?
    #[inline]
    pub fn contains(&self, hub: HubIndex) -> bool {
        self.len > 0 && self.iter().any(|tried| tried == hub)
    }

    /// The hubs in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = HubIndex> + '_ {
        self.hubs.iter().take(usize::from(self.len)).map(|&hub| HubIndex(hub))
    }

    /// How many were tried.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Was none tried?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Debug for Excluded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// All that a choice depends on, besides the table.
#[derive(Clone, Copy)]
pub struct RouteQuery<'a> {
    /// Where the client is.
    pub region: PlaceIndex,
    /// The era of the request.
    pub era: Era,
    /// What it is bound to. A pin to a hub that has left the table is no pin: pass `None`, and the
    /// [`Choice::Place`] that comes back is where the session must move.
    pub pin: Option<Pin>,
    /// A hash of who asks, for soft affinity: the same key goes to the same hub while that hub serves. It takes the
    /// place of the turn under every algorithm but `geographic`, whose order is affinity enough. `None` spreads by
    /// the algorithm, as a new session should.
    pub key: Option<u64>,
    /// Under which residency.
    pub residency: Residency,
    /// Hubs that this request has tried already.
    pub excluded: Excluded,
    /// The number of this placement, one more for each: the dice of round-robin, and of hubs in part service.
    pub turn: u64,
    /// The present load of each hub.
    pub loads: &'a dyn Loads,
}

impl<'a> RouteQuery<'a> {
    /// A first, unbound request of turn 0 from here, in this era.
    pub fn new(region: PlaceIndex, era: Era, loads: &'a dyn Loads) -> Self {
        Self {
            region,
            era,
            pin: None,
            key: None,
            residency: Residency::OfRegion,
            excluded: Excluded::none(),
            turn: 0,
            loads,
        }
    }
}

impl fmt::Debug for RouteQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteQuery")
            .field("region", &self.region)
            .field("era", &self.era)
            .field("pin", &self.pin)
            .field("key", &self.key)
            .field("residency", &self.residency)
            .field("excluded", &self.excluded)
            .field("turn", &self.turn)
            .finish_non_exhaustive()
    }
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Choice {
    /// To the hub it is pinned to.
    Keep(HubIndex),
    /// To this hub; it was bound to none.
    Place(HubIndex),
    /// Away from the hub it was pinned to, which cannot have it.
    Move {
        /// The hub that cannot.
        from: HubIndex,
        /// The hub that can.
        to: HubIndex,
    },
    /// Nowhere.
    Refuse(Refusal),
}

impl Choice {
    /// The hub, if there is one.
    pub fn hub(self) -> Option<HubIndex> {
        match self {
            Self::Keep(hub) | Self::Place(hub) | Self::Move { to: hub, .. } => Some(hub),
            Self::Refuse(_) => None,
        }
    }
}

/// Why a request goes nowhere. The first that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The client has no known place, and a residency rule might bind it.
    #[error("a residency rule might bind this client, and its place is not known")]
    Unplaced,
    /// A hub could serve it, but not one that its residency allows.
    #[error("no hub that this client's residency allows can serve now")]
    Residency,
    /// A hub could serve it, but not in its era.
    #[error("no hub that can serve now speaks this era of MCP")]
    EraUnsupported,
    /// Every hub that could serve it was tried already.
    #[error("every hub that can serve was tried already")]
    AllTried,
    /// Every hub is draining, drained or ejected.
    #[error("no hub is in service")]
    NoneServing,
}

impl Refusal {
    /// The word used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unplaced => "unplaced",
            Self::Residency => "residency",
            Self::EraUnsupported => "era_unsupported",
            Self::AllTried => "all_tried",
            Self::NoneServing => "none_serving",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tried_hubs_are_a_set_of_at_most_eight() {
        let mut tried = Excluded::none();
        for hub in 0..8 {
            assert!(tried.insert(HubIndex(hub)) && tried.insert(HubIndex(hub)));
        }
        assert!(!tried.insert(HubIndex(8)));
        assert!(tried.contains(HubIndex(7)) && !tried.contains(HubIndex(8)));
        assert_eq!(tried.len(), 8);
        assert!(!Excluded::none().contains(HubIndex(0)), "an empty slot is not hub 0");
    }

    #[test]
    fn loads_of_unknown_hubs_are_zero() {
        let counters: Vec<AtomicU32> = vec![AtomicU32::new(3)];
        assert_eq!(counters.as_slice().in_flight(HubIndex(0)), 3);
        assert_eq!(counters.as_slice().in_flight(HubIndex(1)), 0);
        assert_eq!([7u32, 8][..].in_flight(HubIndex(1)), 8);
        assert_eq!(NoLoads.in_flight(HubIndex(0)), 0);
    }
}
