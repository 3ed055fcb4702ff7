//! How is the choice made? The one walk that `select` takes silently and `explain` takes aloud, so that they cannot
//! disagree.
//!
//! A pin comes first. Then the tiers, best first, in four rounds that ask for less and less:
//! 1. hubs that take placements, each only for its share: the rest spills to the next hub or tier;
//! 2. the same without regard to shares, for what every hub has declined;
//! 3. hubs with a share of nothing;
//! 4. in panic, ejected hubs.
//!
//! Residency, era and the hubs already tried hold in every round.

use std::ops::Range;

use crate::balance::{by_key_flat, by_key_tree, dice, in_turn, least_loaded, mix};
use crate::explain::{Step, Verdict};
use crate::rank::{Ranked, Ranks};
use crate::spec::Algorithm;
use crate::{
    Choice, HubIndex, HubState, Pin, Refusal, ResidencyIndex, RouteQuery, RoutingTable, Share, Tier,
};

/// Hubs of a place's order that are looked at one by one before bits are read, 64 at once: as a rule, one of these it is.
const NEAR_MAX: usize = 4;

/// Who listens to the walk.
pub(crate) trait Trace {
    fn step(&mut self, step: Step);
}

/// Nobody: costs nothing.
pub(crate) struct Silent;

impl Trace for Silent {
    #[inline]
    fn step(&mut self, _: Step) {}
}

impl Trace for Vec<Step> {
    fn step(&mut self, step: Step) {
        self.push(step);
    }
}

/// A query met with a table.
pub(crate) struct Walk<'a> {
    table: &'a RoutingTable,
    query: &'a RouteQuery<'a>,
    residency: ResidencyIndex,
    /// What the dice of this placement are thrown with: the key, so that a client stays where it is; else the turn.
    placement: u64,
}

/// The whole decision.
#[inline]
pub(crate) fn decide(table: &RoutingTable, query: &RouteQuery<'_>, trace: &mut impl Trace) -> Choice {
    let walk = match Walk::new(table, query) {
        Ok(walk) => walk,
        Err(why) => return Choice::Refuse(why),
    };
    if let Some(pin) = query.pin {
        if walk.keeps(pin) {
            return Choice::Keep(pin.hub());
        }
        trace.step(Step::PinLost { hub: pin.hub() });
    }
    match (walk.place(trace), query.pin) {
        // A soft pin that no longer binds may still be the best choice there is.
        (Some(to), Some(pin)) if to == pin.hub() => Choice::Keep(to),
        (Some(to), Some(pin)) => Choice::Move { from: pin.hub(), to },
        (Some(hub), None) => Choice::Place(hub),
        (None, _) => Choice::Refuse(walk.refusal()),
    }
}

impl<'a> Walk<'a> {
    pub(crate) fn new(table: &'a RoutingTable, query: &'a RouteQuery<'a>) -> Result<Self, Refusal> {
        let residency = table.residency(query)?;
        // An unknown region has no order, whatever the residency says.
        table.place_name(query.region).ok_or(Refusal::Unplaced)?;
        let placement = query.key.unwrap_or_else(|| mix(query.turn));
        Ok(Self { table, query, residency, placement })
    }

    pub(crate) fn residency(&self) -> ResidencyIndex {
        self.residency
    }

    #[inline]
    fn allowed(&self, hub: u16) -> bool {
        self.table.layout.hubs[usize::from(hub)].allowed >> self.residency.0 & 1 == 1
    }

    #[inline]
    fn untried(&self, hub: u16) -> bool {
        !self.query.excluded.contains(HubIndex(hub))
    }

    /// Residency, era and tries: what no round gives up.
    #[inline]
    fn fits(&self, hub: u16) -> bool {
        self.allowed(hub) && self.table.vitals(hub).eras.contains(self.query.era) && self.untried(hub)
    }

    /// The hubs of this kind that fit, from this span of the place's order.
    #[inline]
    fn in_order(&self, kind: &'a Ranked, span: Range<usize>) -> impl Iterator<Item = u16> {
        let (layout, place) = (&self.table.layout, self.query.region);
        let allowed = layout.allowed_rows(self.residency);
        let ranks = kind.rows.as_ref().map(|rows| Ranks::new(rows, allowed, place, span));
        let order = layout.order(place);
        ranks.into_iter().flatten().map(|rank| order[rank]).filter(|&hub| self.untried(hub))
    }

    /// Its share of placements, if it fits and takes any.
    #[inline]
    fn open(&self, hub: u16) -> Option<Share> {
        self.table.vitals(hub).state.takes().filter(|_| self.fits(hub))
    }

    /// Does a hub in part service take this placement?
    #[inline]
    fn accepts(&self, hub: u16, share: Share) -> bool {
        share == Share::FULL
            || dice(self.placement, self.table.layout.hubs[usize::from(hub)].seed) < share.per_mille()
    }

    pub(crate) fn keeps(&self, pin: Pin) -> bool {
        let Some(hub) = self.table.hub(pin.hub()) else { return false };
        let stays = match (pin, hub.state) {
            (Pin::Hard(_), HubState::Ejected { .. }) => self.table.panic(),
            (Pin::Hard(_), state) => state.keeps_pins(),
            (Pin::Soft(_), state) => state.takes().is_some_and(|share| share > Share::NONE),
        };
        stays && self.fits(pin.hub().0)
    }

    fn place(&self, trace: &mut impl Trace) -> Option<HubIndex> {
        let found = Tier::ALL.into_iter().find_map(|tier| self.by_share(tier, trace));
        let found = found.or_else(|| {
            trace.step(Step::AllDeclined);
            Tier::ALL.into_iter().find_map(|tier| self.regardless(tier, trace))
        });
        let (standing, era) = (&self.table.standing, self.query.era);
        found.or_else(|| self.first(standing.idle(era), Step::ShareOfNothing, trace)).or_else(|| {
            let panic = self.table.panic();
            panic.then(|| self.first(standing.last(era), Step::Panic, trace)).flatten()
        })
    }

    /// Round 1.
    #[inline]
    fn by_share(&self, tier: Tier, trace: &mut impl Trace) -> Option<HubIndex> {
        let pool = self.table.layout.pool(self.query.region, self.residency, tier);
        let live = self.table.live(pool, self.query.era);
        if live.is_empty() {
            trace.step(Step::TierEmpty { tier });
            return None;
        }
        let layout = &*self.table.layout;
        if layout.algorithm == Algorithm::Geographic {
            return self.nearest(tier, trace);
        }
        let (members, key) = (&layout.pools[pool], self.query.key);
        let accepts = |hub| self.open(hub).is_some_and(|share| self.accepts(hub, share));
        let chosen = match key {
            // Each of the few is asked for its share.
            Some(key) if members.levels().is_empty() => by_key_flat(members, key, accepts),
            _ if dice(self.placement, tier as u64) >= live.kept => {
                trace.step(Step::TierSpilled { tier, kept: Share::saturating(live.kept) });
                return None;
            }
            Some(key) => by_key_tree(members, live, key, accepts, |hub| self.untried(hub)),
            None => self.balance(pool),
        };
        trace.step(match chosen {
            Some(hub) => Step::Chosen { tier, hub, by_key: self.query.key.is_some() },
            None => Step::TierTried { tier },
        });
        chosen
    }

    /// Strict order, each hub for its share.
    #[inline]
    fn nearest(&self, tier: Tier, trace: &mut impl Trace) -> Option<HubIndex> {
        let (layout, place) = (&self.table.layout, self.query.region);
        let span = layout.span(place, tier);
        let near = span.end.min(span.start + NEAR_MAX);
        for &hub in &layout.order(place)[span.start..near] {
            if self.open(hub) > Some(Share::NONE) && self.taken(hub, tier, trace) {
                return Some(HubIndex(hub));
            }
        }
        for hub in self.in_order(self.table.standing.open(self.query.era), near..span.end) {
            if self.taken(hub, tier, trace) {
                return Some(HubIndex(hub));
            }
        }
        trace.step(Step::TierTried { tier });
        None
    }

    /// Does this hub, which is open, take the placement?
    #[inline]
    fn taken(&self, hub: u16, tier: Tier, trace: &mut impl Trace) -> bool {
        let share = self.table.vitals(hub).state.takes().unwrap_or(Share::NONE);
        let (accepts, hub) = (self.accepts(hub, share), HubIndex(hub));
        trace.step(match accepts {
            true => Step::Chosen { tier, hub, by_key: false },
            false => Step::HubDeclined { hub, share },
        });
        accepts
    }

    /// The table's algorithm among those that serve, by weight and share.
    #[inline]
    fn balance(&self, pool: usize) -> Option<HubIndex> {
        let live = self.table.live(pool, self.query.era);
        // A live view holds allowed hubs of the right era only; what is left to ask is whether one was tried.
        let open = |hub| self.untried(hub);
        match self.table.algorithm() {
            Algorithm::LeastConnections => least_loaded(live, self.query.turn, self.query.loads, open),
            Algorithm::Geographic | Algorithm::RoundRobin | Algorithm::HealthBased => {
                in_turn(live, self.query.turn, open)
            }
        }
    }

    /// Round 2: what everyone declined is dealt out in proportion, even under strict order, where the nearest hub
    /// would otherwise get its share and everybody's rest.
    fn regardless(&self, tier: Tier, trace: &mut impl Trace) -> Option<HubIndex> {
        let hub = self.balance(self.table.layout.pool(self.query.region, self.residency, tier))?;
        trace.step(Step::Chosen { tier, hub, by_key: false });
        Some(hub)
    }

    /// Rounds 3 and 4: the cheapest of the best tier.
    fn first(&self, kind: &Ranked, round: Step, trace: &mut impl Trace) -> Option<HubIndex> {
        trace.step(round);
        Tier::ALL.into_iter().find_map(|tier| {
            let span = self.table.layout.span(self.query.region, tier);
            let hub = self.in_order(kind, span).next().map(HubIndex)?;
            trace.step(Step::Chosen { tier, hub, by_key: false });
            Some(hub)
        })
    }

    /// Why could nobody have it? The first thing that alone keeps some hub from it.
    pub(crate) fn refusal(&self) -> Refusal {
        let standing = &self.table.standing;
        let (able, able_now) = (&standing.able, standing.able_in(self.query.era));
        let allowed = self.table.layout.allowed_hubs(self.residency);
        let mut abroad = allowed.into_iter().flat_map(|allowed| able_now.within(None, Some(allowed)));
        if abroad.any(|hub| self.untried(hub.0)) {
            Refusal::Residency
        } else if able.within(allowed, Some(able_now)).any(|hub| self.untried(hub.0)) {
            Refusal::EraUnsupported
        } else if able_now.within(allowed, None).next().is_some() {
            Refusal::AllTried
        } else {
            Refusal::NoneServing
        }
    }

    /// Everything that keeps a hub from new placements.
    pub(crate) fn verdicts(&self, hub: u16) -> impl Iterator<Item = Verdict> {
        let now = self.table.vitals(hub);
        let state = match now.state {
            HubState::Serving { .. } | HubState::Recovering { .. } => None,
            HubState::Draining { .. } => Some(Verdict::Draining),
            HubState::Drained { .. } => Some(Verdict::Drained),
            HubState::Ejected { .. } => Some(Verdict::Ejected).filter(|_| !self.table.panic()),
        };
        let residency = (!self.allowed(hub)).then_some(Verdict::Residency);
        let era = (!now.eras.contains(self.query.era)).then_some(Verdict::Era);
        let tried = self.query.excluded.contains(HubIndex(hub)).then_some(Verdict::Tried);
        residency.into_iter().chain(era).chain(state).chain(tried)
    }
}
