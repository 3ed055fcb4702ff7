//! What does one generation say? The immutable table that every choice of that generation is made from.

use std::fmt;
use std::sync::Arc;

use crate::layout::Layout;
use crate::pool::{Live, Members, Vitals};
use crate::rank::Standing;
use crate::spec::{Algorithm, PlaceResidency, SpecError, TableSpec};
use crate::{
    Era, EraSet, Generation, Generational, HubId, HubIndex, HubState, HubType, LocationName, PlaceIndex,
    PlaceName, Refusal, Residency, ResidencyId, ResidencyIndex, RouteQuery, Share, Weight,
};

/// The groups a place prefers, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    /// Edge hubs within the edge radius of the client.
    NearEdge,
    /// Primaries.
    Primary,
    /// Secondaries.
    Secondary,
    /// Edge hubs beyond the edge radius.
    FarEdge,
}

impl Tier {
    pub(crate) const COUNT: usize = 4;
    /// Best first.
    pub const ALL: [Self; Self::COUNT] = [Self::NearEdge, Self::Primary, Self::Secondary, Self::FarEdge];

    pub(crate) fn of(hub_type: HubType, within_radius: bool) -> Self {
        match (hub_type, within_radius) {
            (HubType::Edge, true) => Self::NearEdge,
            (HubType::Primary, _) => Self::Primary,
            (HubType::Secondary, _) => Self::Secondary,
            (HubType::Edge, false) => Self::FarEdge,
        }
    }

    /// The words used in explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NearEdge => "edges nearby",
            Self::Primary => "primaries",
            Self::Secondary => "secondaries",
            Self::FarEdge => "edges far away",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A hub as one table has it.
#[derive(Debug, Clone, Copy)]
pub struct Hub<'t> {
    /// Its position in this table.
    pub index: HubIndex,
    /// Its lasting name.
    pub id: &'t HubId,
    /// The part it plays.
    pub hub_type: HubType,
    /// Where it stands.
    pub location: &'t LocationName,
    /// How much it takes beside its peers.
    pub weight: Weight,
    /// The eras it serves.
    pub eras: EraSet,
    /// What traffic may do with it.
    pub state: HubState,
    /// Its health score.
    pub health: Share,
}

/// One generation: who the hubs are, what they may take, and in which order each place likes them. Immutable.
#[derive(Debug)]
pub struct RoutingTable {
    generation: Generation,
    panic: bool,
    pub(crate) layout: Arc<Layout>,
    vitals: Vec<Vitals>,
    pub(crate) standing: Standing,
    /// For each era, legacy then modern, each pool; the same twice where the eras agree.
    live: [Arc<Vec<Live>>; 2],
}

impl RoutingTable {
    /// Lays out a table, not in panic.
    ///
    /// # Errors
    /// [`SpecError`] with everything that makes the spec impossible.
    pub fn build(spec: &TableSpec, generation: Generation) -> Result<Self, SpecError> {
        spec.check()?;
        let vitals: Vec<Vitals> =
            spec.hubs.iter().map(|h| Vitals { state: h.state, health: h.health, eras: h.eras }).collect();
        let layout = Arc::new(Layout::new(spec));
        let standing = Standing::new(&layout, &vitals, false, None);
        Ok(Self::assemble(layout, vitals, standing, generation, false))
    }

    fn assemble(
        layout: Arc<Layout>,
        vitals: Vec<Vitals>,
        standing: Standing,
        generation: Generation,
        panic: bool,
    ) -> Self {
        let live = |era| {
            let live = |pool: &Members| Live::new(pool, &layout.hubs, &vitals, era, layout.algorithm);
            Arc::new(layout.pools.iter().map(live).collect())
        };
        let legacy: Arc<Vec<Live>> = live(Era::Legacy);
        let modern = if standing.eras_agree() { Arc::clone(&legacy) } else { live(Era::Modern) };
        Self { generation, panic, layout, vitals, standing, live: [legacy, modern] }
    }

    /// Begins the next table: the same hubs and places, other states. The layout is shared, not copied.
    pub fn revise(&self) -> Revision<'_> {
        Revision { table: self, vitals: self.vitals.clone(), panic: self.panic }
    }

    /// Which table this is.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// May ejected hubs be tried before a request is refused, and keep what is pinned to them? The control loop sets
    /// this when so much of the fleet looks bad at once that its own eyes are the likelier fault.
    pub fn panic(&self) -> bool {
        self.panic
    }

    /// How a hub is chosen within the preferred group.
    pub fn algorithm(&self) -> Algorithm {
        self.layout.algorithm
    }

    /// Every hub, in the order of the spec.
    pub fn hubs(&self) -> impl ExactSizeIterator<Item = Hub<'_>> {
        (0..self.layout.hubs.len()).map(|at| self.hub_at(at))
    }

    /// One hub; `None` when the index is from a larger table.
    pub fn hub(&self, index: HubIndex) -> Option<Hub<'_>> {
        (index.get() < self.layout.hubs.len()).then(|| self.hub_at(index.get()))
    }

    fn hub_at(&self, at: usize) -> Hub<'_> {
        self.layout.hub(at, &self.vitals[at])
    }

    /// The hub of this name.
    pub fn find(&self, id: &str) -> Option<HubIndex> {
        self.layout.find(id)
    }

    /// How many places there are.
    pub fn place_count(&self) -> usize {
        self.layout.place_count()
    }

    /// What a place is called.
    pub fn place_name(&self, place: PlaceIndex) -> Option<&PlaceName> {
        self.layout.place_name(place)
    }

    /// The residency of this name, for [`Residency::Sealed`]. `None` when the configuration no longer has it.
    pub fn find_residency(&self, id: &str) -> Option<ResidencyIndex> {
        self.layout.find_residency(id)
    }

    /// The lasting name of a residency; `None` for [`ResidencyIndex::ANYWHERE`].
    pub fn residency_id(&self, residency: ResidencyIndex) -> Option<&ResidencyId> {
        self.layout.residency_id(residency)
    }

    /// Which residency binds this request: what to seal into a session that is placed by it.
    ///
    /// # Errors
    /// [`Refusal::Unplaced`] when the client's place is unknown and a rule might bind it, [`Refusal::Residency`] when
    /// the query carries a residency of some other table.
    pub fn residency(&self, query: &RouteQuery<'_>) -> Result<ResidencyIndex, Refusal> {
        let place = match query.residency {
            Residency::Sealed(residency) if self.layout.knows(residency) => return Ok(residency),
            Residency::Sealed(_) => return Err(Refusal::Residency),
            Residency::OfRegion => query.region,
            Residency::OfPlace(place) => place,
        };
        match self.layout.place_residency(place) {
            Some(PlaceResidency::Anywhere) => Ok(ResidencyIndex::ANYWHERE),
            Some(PlaceResidency::Rule(position)) => Layout::residency_at(position).ok_or(Refusal::Residency),
            Some(PlaceResidency::Refused) | None => Err(Refusal::Unplaced),
        }
    }

    #[inline]
    pub(crate) fn vitals(&self, hub: u16) -> &Vitals {
        &self.vitals[usize::from(hub)]
    }

    #[inline]
    pub(crate) fn live(&self, pool: usize, era: Era) -> &Live {
        &self.live[era.slot()][pool]
    }
}

impl Generational for RoutingTable {
    fn generation(&self) -> Generation {
        self.generation
    }
}

/// The next table in the making.
#[derive(Debug)]
#[must_use]
pub struct Revision<'t> {
    table: &'t RoutingTable,
    vitals: Vec<Vitals>,
    panic: bool,
}

impl<'t> Revision<'t> {
    /// Every hub as the next table will have it, in the order of the spec: for who must look before it is made.
    pub fn hubs(&self) -> impl ExactSizeIterator<Item = Hub<'t>> {
        let layout = &self.table.layout;
        self.vitals.iter().enumerate().map(|(at, vitals)| layout.hub(at, vitals))
    }

    /// One of them; `None` when the index is from a larger table.
    pub fn hub(&self, index: HubIndex) -> Option<Hub<'t>> {
        self.vitals.get(index.get()).map(|vitals| self.table.layout.hub(index.get(), vitals))
    }

    /// Gives a hub another state. A hub that the table does not have is passed over, here and below.
    pub fn state(self, hub: HubIndex, state: HubState) -> Self {
        self.change(hub, |vitals| vitals.state = state)
    }

    /// Gives a hub another health score.
    pub fn health(self, hub: HubIndex, health: Share) -> Self {
        self.change(hub, |vitals| vitals.health = health)
    }

    /// Gives a hub another era set.
    pub fn eras(self, hub: HubIndex, eras: EraSet) -> Self {
        self.change(hub, |vitals| vitals.eras = eras)
    }

    /// Sets or clears [`RoutingTable::panic`].
    pub fn panic(mut self, panic: bool) -> Self {
        self.panic = panic;
        self
    }

    fn change(mut self, hub: HubIndex, change: impl FnOnce(&mut Vitals)) -> Self {
        if let Some(vitals) = self.vitals.get_mut(hub.get()) {
            change(vitals);
        }
        self
    }

    /// Makes the table.
    pub fn build(self, generation: Generation) -> RoutingTable {
        let layout = Arc::clone(&self.table.layout);
        let standing = Standing::new(&layout, &self.vitals, self.panic, Some(&self.table.standing));
        RoutingTable::assemble(layout, self.vitals, standing, generation, self.panic)
    }
}
