//! What about a table stays the same while hubs come and go? Who the hubs are, and in which order each place likes
//! them. Laid out once per configuration, shared by every generation that differs in states only.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::balance::hash_text;
use crate::pool::{Members, Vitals};
use crate::rank::{HubSet, Rows};
use crate::spec::{Algorithm, HubSpec, PlaceResidency, TableSpec};
use crate::{
    Hub, HubId, HubIndex, HubType, LocationName, PlaceIndex, PlaceName, ResidencyId, ResidencyIndex, Tier,
    Weight,
};

/// What never changes about a hub.
#[derive(Debug)]
pub(crate) struct HubFacts {
    pub(crate) id: HubId,
    pub(crate) hub_type: HubType,
    pub(crate) location: LocationName,
    pub(crate) weight: Weight,
    /// A hash of the id, so that affinity follows the hub and not its position.
    pub(crate) seed: u64,
    /// Bit r: residency r allows this hub. Bit 0 is always set.
    pub(crate) allowed: u64,
}

#[derive(Debug)]
struct PlaceLayout {
    name: PlaceName,
    residency: PlaceResidency,
    /// Where each tier ends within the place's order.
    ends: [u32; Tier::COUNT],
}

/// The hubs that a residency allows: who they are, and where each place has them in its order.
#[derive(Debug)]
struct Allowed {
    hubs: HubSet,
    rows: Rows,
}

/// See the module. `order` and `cost` hold one row of all hubs per place (5,000 hubs × 250 places: 7.5 MB, and 160 KB of
/// bits for each residency), since any hub may become somebody's last resort; the sets they fall into are stored once,
/// however many places share them.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) algorithm: Algorithm,
    pub(crate) hubs: Vec<HubFacts>,
    by_id: BTreeMap<HubId, HubIndex>,
    residencies: Vec<ResidencyId>,
    places: Vec<PlaceLayout>,
    order: Vec<u16>,
    cost: Vec<u32>,
    /// For each residency, whom it allows.
    allowed: Vec<Allowed>,
    pub(crate) pools: Vec<Members>,
    /// `(place × (residencies + 1) + residency) × tiers + tier` → position in `pools`.
    pool_of: Vec<u32>,
}

impl Layout {
    /// Lays out a spec that was checked.
    pub(crate) fn new(spec: &TableSpec) -> Self {
        let hubs: Vec<HubFacts> = spec.hubs.iter().map(|hub| facts(hub, spec)).collect();
        let by_id = hubs.iter().zip(0..).map(|(hub, i)| (hub.id.clone(), HubIndex(i))).collect();
        let mut layout = Self {
            algorithm: spec.algorithm,
            hubs,
            by_id,
            residencies: spec.residencies.iter().map(|r| r.id.clone()).collect(),
            places: Vec::with_capacity(spec.places.len()),
            order: Vec::with_capacity(spec.places.len() * spec.hubs.len()),
            cost: Vec::with_capacity(spec.places.len() * spec.hubs.len()),
            allowed: Vec::new(),
            pools: Vec::new(),
            pool_of: Vec::new(),
        };
        let mut interned = BTreeMap::new();
        for place in &spec.places {
            let mut row: Vec<(Tier, u32, u16)> = place
                .reach
                .iter()
                .zip(&layout.hubs)
                .zip(0..)
                .map(|((reach, hub), i)| (Tier::of(hub.hub_type, reach.within_radius), reach.cost_ms, i))
                .collect();
            row.sort_unstable();
            let ends = Tier::ALL.map(|tier| row.partition_point(|&(t, ..)| t <= tier));
            layout.intern_pools(&row, ends, &mut interned);
            layout.order.extend(row.iter().map(|&(.., hub)| hub));
            layout.cost.extend(row.iter().map(|&(_, cost, _)| cost));
            // At most 65,535 hubs, so the cast is exact.
            let ends = ends.map(|end| end as u32);
            layout.places.push(PlaceLayout { name: place.name.clone(), residency: place.residency, ends });
        }
        let allowed = |residency: usize| {
            let facts = |hub: u16| &layout.hubs[usize::from(hub)];
            let hubs = HubSet::of(layout.hubs.len(), |hub| facts(hub).allowed >> residency & 1 == 1);
            Allowed { rows: layout.rows(&hubs), hubs }
        };
        layout.allowed = (1..=spec.residencies.len()).map(allowed).collect();
        layout
    }

    /// Where each place has these hubs in its order.
    pub(crate) fn rows(&self, hubs: &HubSet) -> Rows {
        Rows::new(&self.order, self.hubs.len(), hubs)
    }

    #[inline]
    fn allowed(&self, residency: ResidencyIndex) -> Option<&Allowed> {
        self.allowed.get(usize::from(residency.0).checked_sub(1)?)
    }

    /// Where each place has the hubs that a residency allows; `None` where it allows all.
    #[inline]
    pub(crate) fn allowed_rows(&self, residency: ResidencyIndex) -> Option<&Rows> {
        self.allowed(residency).map(|allowed| &allowed.rows)
    }

    /// The hubs that a residency allows; `None` for all.
    pub(crate) fn allowed_hubs(&self, residency: ResidencyIndex) -> Option<&HubSet> {
        self.allowed(residency).map(|allowed| &allowed.hubs)
    }

    /// Notes for one place which pool each of its tiers is, under each residency.
    fn intern_pools(
        &mut self,
        row: &[(Tier, u32, u16)],
        ends: [usize; Tier::COUNT],
        interned: &mut BTreeMap<Vec<u16>, u32>,
    ) {
        let mut begin = 0;
        let tiers = ends.map(|end| {
            let mut tier: Vec<u16> = row[begin..end].iter().map(|&(.., hub)| hub).collect();
            tier.sort_unstable();
            begin = end;
            tier
        });
        for residency in 0..=self.residencies.len() {
            for tier in &tiers {
                let allowed = |hub: &u16| self.hubs[usize::from(*hub)].allowed >> residency & 1 == 1;
                let set: Vec<u16> = tier.iter().copied().filter(allowed).collect();
                let pool = *interned.entry(set).or_insert_with_key(|set| {
                    self.pools.push(Members::new(set, &self.hubs));
                    (self.pools.len() - 1) as u32
                });
                self.pool_of.push(pool);
            }
        }
    }

    /// The hub at this position, with what now holds of it.
    pub(crate) fn hub(&self, at: usize, vitals: &Vitals) -> Hub<'_> {
        let facts = &self.hubs[at];
        Hub {
            // A table has at most 65,535 hubs.
            index: HubIndex(at as u16),
            id: &facts.id,
            hub_type: facts.hub_type,
            location: &facts.location,
            weight: facts.weight,
            eras: vitals.eras,
            state: vitals.state,
            health: vitals.health,
        }
    }

    pub(crate) fn find(&self, id: &str) -> Option<HubIndex> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn place_name(&self, place: PlaceIndex) -> Option<&PlaceName> {
        self.places.get(place.get()).map(|p| &p.name)
    }

    pub(crate) fn place_count(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn place_residency(&self, place: PlaceIndex) -> Option<PlaceResidency> {
        self.places.get(place.get()).map(|p| p.residency)
    }

    pub(crate) fn residency_id(&self, residency: ResidencyIndex) -> Option<&ResidencyId> {
        self.residencies.get(usize::from(residency.0).checked_sub(1)?)
    }

    pub(crate) fn find_residency(&self, id: &str) -> Option<ResidencyIndex> {
        let position = self.residencies.iter().position(|r| r.as_str() == id)?;
        Self::residency_at(position)
    }

    /// The index of the residency at this position of the spec.
    pub(crate) fn residency_at(position: usize) -> Option<ResidencyIndex> {
        u8::try_from(position + 1).ok().map(ResidencyIndex)
    }

    pub(crate) fn knows(&self, residency: ResidencyIndex) -> bool {
        usize::from(residency.0) <= self.residencies.len()
    }

    /// The set of hubs of a place's tier that a residency allows, as a position in `pools`. The place and the
    /// residency are known ones.
    #[inline]
    pub(crate) fn pool(&self, place: PlaceIndex, residency: ResidencyIndex, tier: Tier) -> usize {
        let row = place.get() * (self.residencies.len() + 1) + usize::from(residency.0);
        self.pool_of[row * Tier::COUNT + tier as usize] as usize
    }

    /// Where a tier lies in its place's order.
    #[inline]
    pub(crate) fn span(&self, place: PlaceIndex, tier: Tier) -> Range<usize> {
        let ends = &self.places[place.get()].ends;
        let begin = if tier as usize == 0 { 0 } else { ends[tier as usize - 1] };
        begin as usize..ends[tier as usize] as usize
    }

    #[inline]
    fn row(&self, place: PlaceIndex) -> Range<usize> {
        place.get() * self.hubs.len()..(place.get() + 1) * self.hubs.len()
    }

    /// All hubs as a place likes them, tier by tier, cheapest first, whatever their residency.
    #[inline]
    pub(crate) fn order(&self, place: PlaceIndex) -> &[u16] {
        &self.order[self.row(place)]
    }

    /// What each hub of [`Layout::order`] costs, in milliseconds.
    pub(crate) fn costs(&self, place: PlaceIndex) -> &[u32] {
        &self.cost[self.row(place)]
    }
}

fn facts(hub: &HubSpec, spec: &TableSpec) -> HubFacts {
    let mut allowed = 1;
    for (residency, bit) in spec.residencies.iter().zip(1..) {
        if residency.hubs_in.contains(&hub.location) {
            allowed |= 1 << bit;
        }
    }
    HubFacts {
        id: hub.id.clone(),
        hub_type: hub.hub_type,
        location: hub.location.clone(),
        weight: hub.weight,
        seed: hash_text(hub.id.as_str()),
        allowed,
    }
}
