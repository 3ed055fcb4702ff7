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

use crate::balance::{by_key, dice, in_turn, least_loaded, mix};
use crate::explain::{Step, Verdict};
use crate::spec::Algorithm;
use crate::{
    Choice, HubIndex, HubState, Pin, Refusal, ResidencyIndex, RouteQuery, RoutingTable, Share, Tier,
};

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

    /// Residency, era and tries: what no round gives up.
    #[inline]
    fn fits(&self, hub: u16) -> bool {
        self.allowed(hub)
            && self.table.vitals(hub).eras.contains(self.query.era)
            && !self.query.excluded.contains(HubIndex(hub))
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
        found.or_else(|| self.first(|hub| self.open(hub).is_some(), Step::ShareOfNothing, trace)).or_else(
            || {
                let ejected =
                    |hub| matches!(self.table.vitals(hub).state, HubState::Ejected { .. }) && self.fits(hub);
                let panic = self.table.panic();
                panic.then(|| self.first(ejected, Step::Panic, trace)).flatten()
            },
        )
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
        let accepts = |hub| self.open(hub).is_some_and(|share| self.accepts(hub, share));
        let chosen = match self.query.key {
            Some(key) => by_key(&layout.pools[pool], live, key, accepts),
            None if dice(self.placement, tier as u64) >= live.kept => {
                trace.step(Step::TierSpilled { tier, kept: Share::saturating(live.kept) });
                return None;
            }
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
        for &hub in self.table.layout.order(self.query.region, tier) {
            let Some(share) = self.open(hub).filter(|&share| share > Share::NONE) else { continue };
            if self.accepts(hub, share) {
                trace.step(Step::Chosen { tier, hub: HubIndex(hub), by_key: false });
                return Some(HubIndex(hub));
            }
            trace.step(Step::HubDeclined { hub: HubIndex(hub), share });
        }
        trace.step(Step::TierTried { tier });
        None
    }

    /// The table's algorithm among those that serve, by weight and share.
    #[inline]
    fn balance(&self, pool: usize) -> Option<HubIndex> {
        let live = self.table.live(pool, self.query.era);
        // A live view holds allowed hubs of the right era only; what is left to ask is whether one was tried.
        let open = |hub| !self.query.excluded.contains(HubIndex(hub));
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
    fn first(&self, open: impl Fn(u16) -> bool, round: Step, trace: &mut impl Trace) -> Option<HubIndex> {
        trace.step(round);
        Tier::ALL.into_iter().find_map(|tier| {
            let order = self.table.layout.order(self.query.region, tier);
            let hub = order.iter().copied().find(|&hub| open(hub)).map(HubIndex)?;
            trace.step(Step::Chosen { tier, hub, by_key: false });
            Some(hub)
        })
    }

    /// Why could nobody have it? Looks at every hub: a refusal may take its time.
    pub(crate) fn refusal(&self) -> Refusal {
        let any = |blocked: Verdict| self.hubs().any(|hub| self.verdicts(hub).eq([blocked]));
        if any(Verdict::Residency) {
            Refusal::Residency
        } else if any(Verdict::Era) {
            Refusal::EraUnsupported
        } else if any(Verdict::Tried) {
            Refusal::AllTried
        } else {
            Refusal::NoneServing
        }
    }

    fn hubs(&self) -> impl Iterator<Item = u16> {
        0..self.table.hubs().len() as u16
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
