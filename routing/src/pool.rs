//! Who competes for a placement? A pool is one set of hubs: its [`Members`] stand for as long as the layout, its
//! [`Live`] view is made anew for each generation and era and holds only those that take placements now.

use crate::balance::{coprime_step, gcd, mix};
use crate::layout::HubFacts;
use crate::spec::Algorithm;
use crate::{Era, EraSet, HubState, Share};

/// Up to this many members, rendezvous looks at each; beyond, it first goes down a tree whose every node has
/// [`BRANCHES`]. 32 looks take some 150 to 300 ns.
pub(crate) const FLAT_MAX: usize = 32;
/// Up to this many members the tree has one level, beyond it two, so that no leaf grows much beyond 32. Crossing a
/// limit re-deals the keys of the pool once.
const ONE_LEVEL_MAX: usize = 512;
/// How many ways lead down from a node of the tree.
pub(crate) const BRANCHES: usize = 16;

/// What a candidate of a rendezvous brings along.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lot {
    pub(crate) seed: u64,
    /// 2^33 / weight, so that a choice multiplies where it would divide; 0 for what weighs nothing. A pool weighs at
    /// most 65,535 × 1000, so this is never below 131, and exact to 1 %, for a fleet that large.
    pub(crate) lightness: u64,
}

impl Lot {
    pub(crate) fn new(seed: u64, weight: u32) -> Self {
        Self { seed, lightness: (1u64 << 33).checked_div(u64::from(weight)).unwrap_or(0) }
    }
}

/// A set of hubs, sorted into the leaves of a tree by the hash of their ids.
#[derive(Debug)]
pub(crate) struct Members {
    /// By leaf, then by index.
    hubs: Vec<u16>,
    /// What each of them brings along: kept here, side by side, since a rendezvous reads whole leaves.
    lots: Vec<Lot>,
    /// One more than there are leaves.
    starts: Vec<u32>,
    /// The nodes, level by level. They weigh what is under them, whatever its state: a node keeps its keys while hubs
    /// come and go.
    levels: Vec<Vec<Lot>>,
    /// All hubs weigh the same.
    pub(crate) even: bool,
    /// For each hub, what part of 2^32 of its draws it keeps, and who has the others: so a draw by weight takes two looks.
    /// Empty where all weigh the same, or nobody draws.
    draws: Vec<(u32, u16)>,
}

impl Members {
    /// From hub positions in ascending order.
    pub(crate) fn new(set: &[u16], facts: &[HubFacts]) -> Self {
        let depth = match set.len() {
            n if n <= FLAT_MAX => 0,
            n if n <= ONE_LEVEL_MAX => 1,
            _ => 2,
        };
        let leaves = BRANCHES.pow(depth);
        // A part of the hash that rendezvous does not lean on: it mixes the whole of it with the key.
        let leaf = |hub: u16| facts[usize::from(hub)].seed as usize % leaves;
        let weight = |hub: &u16| u32::from(facts[usize::from(*hub)].weight.get());
        let mut hubs = set.to_vec();
        hubs.sort_by_key(|&hub| leaf(hub));
        let starts: Vec<u32> =
            (0..=leaves).map(|l| hubs.partition_point(|&hub| leaf(hub) < l) as u32).collect();
        let level = |level: u32| {
            let nodes = BRANCHES.pow(level);
            let mut weights = vec![0; nodes];
            for hub in set {
                weights[leaf(*hub) / (leaves / nodes)] += weight(hub);
            }
            weights.into_iter().zip(0..).map(|(weight, node)| Lot::new(mix(node), weight)).collect()
        };
        let even = set.windows(2).all(|pair| weight(&pair[0]) == weight(&pair[1]));
        let lots = hubs.iter().map(|hub| Lot::new(facts[usize::from(*hub)].seed, weight(hub))).collect();
        let weights = || hubs.iter().map(weight).collect::<Vec<_>>();
        let draws = if even || depth == 0 { Vec::new() } else { draws(&weights()) };
        Self { starts, levels: (1..=depth).map(level).collect(), even, draws, hubs, lots }
    }

    /// A hub by dice, in proportion to weight, whatever its state.
    #[inline]
    pub(crate) fn drawn(&self, dice: u64) -> u16 {
        let at = (((dice >> 32) * self.hubs.len() as u64) >> 32) as usize;
        match self.draws.get(at) {
            Some(&(keeps, other)) if dice as u32 >= keeps => self.hubs[usize::from(other)],
            _ => self.hubs[at],
        }
    }

    pub(crate) fn hubs(&self) -> &[u16] {
        &self.hubs
    }

    /// The nodes of the tree, from the top; none for a pool that is but one leaf.
    pub(crate) fn levels(&self) -> &[Vec<Lot>] {
        &self.levels
    }

    pub(crate) fn leaf(&self, leaf: usize) -> impl Iterator<Item = (u16, Lot)> {
        let span = self.starts[leaf] as usize..self.starts[leaf + 1] as usize;
        self.hubs[span.clone()].iter().copied().zip(self.lots[span].iter().copied())
    }
}

/// Deals what is above the average weight to those below it (Walker's alias method, in whole numbers).
fn draws(weights: &[u32]) -> Vec<(u32, u16)> {
    let (count, total) = (weights.len() as u64, weights.iter().map(|&w| u64::from(w)).sum::<u64>());
    let mut left: Vec<u64> = weights.iter().map(|&weight| u64::from(weight) * count).collect();
    let mut draws: Vec<(u32, u16)> = (0..weights.len()).map(|at| (u32::MAX, at as u16)).collect();
    let (mut light, mut heavy): (Vec<usize>, Vec<usize>) =
        (0..weights.len()).partition(|&at| left[at] < total);
    while let (Some(small), Some(&large)) = (light.pop(), heavy.last()) {
        draws[small] = (((left[small] << 32) / total) as u32, large as u16);
        left[large] -= total - left[small];
        if left[large] < total {
            light.extend(heavy.pop());
        }
    }
    draws
}

/// What changes about a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vitals {
    pub(crate) state: HubState,
    pub(crate) health: Share,
    pub(crate) eras: EraSet,
}

impl Vitals {
    /// The share of placements it takes; nothing below 1 ‰.
    fn share(&self, era: Era) -> Option<u64> {
        let share = self.state.takes().filter(|_| self.eras.contains(era))?;
        (share > Share::NONE).then(|| u64::from(share.per_mille()))
    }
}

/// The members of a pool that take placements of one era now, with what each takes, ready to be drawn from.
#[derive(Debug, Default)]
pub(crate) struct Live {
    hubs: Vec<u16>,
    /// The weight of each hub and of all before it.
    sums: Vec<u32>,
    /// A step through the sum of all weights that meets each point once, far from the last.
    step: u32,
    /// The part of this group's traffic that stays in it, per mille: all of it once one hub is in full service.
    /// It is one minus the chance that each hub, asked in turn, declines.
    pub(crate) kept: u16,
}

impl Live {
    pub(crate) fn new(
        members: &Members,
        facts: &[HubFacts],
        vitals: &[Vitals],
        era: Era,
        algorithm: Algorithm,
    ) -> Self {
        let (mut hubs, mut weights, mut declined) = (Vec::new(), Vec::new(), 1.0f64);
        for &hub in members.hubs() {
            let now = &vitals[usize::from(hub)];
            let Some(share) = now.share(era) else { continue };
            let health = match algorithm {
                // Squared, so that a hub that fails half its requests takes a fifth of the traffic beside a sound
                // one, not a third. Never quite nothing: that is for states to say.
                Algorithm::HealthBased => u64::from(now.health.per_mille()).pow(2).max(1),
                _ => 1,
            };
            hubs.push(hub);
            weights.push(u64::from(facts[usize::from(hub)].weight.get()) * share * health);
            declined *= 1.0 - share as f64 / 1000.0;
        }
        let sums = sums(&weights);
        let step = coprime_step(sums.last().copied().unwrap_or(0));
        let kept = ((1.0 - declined) * 1000.0).round() as u16;
        Self { hubs, sums, step, kept }
    }

    #[inline]
    pub(crate) fn hubs(&self) -> &[u16] {
        &self.hubs
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.hubs.is_empty()
    }

    #[inline]
    fn total(&self) -> u64 {
        self.sums.last().map_or(1, |&sum| u64::from(sum).max(1))
    }

    /// The hub whose turn it is: over as many turns as the weights add up to, each hub is met exactly as often as it
    /// weighs, and never in clumps.
    #[inline]
    pub(crate) fn in_turn(&self, turn: u64) -> usize {
        let total = self.total();
        self.at((turn % total) * u64::from(self.step) % total)
    }

    /// A hub by dice, in proportion to weight.
    #[inline]
    pub(crate) fn drawn(&self, dice: u64) -> usize {
        self.at(mix(dice) % self.total())
    }

    #[inline]
    fn at(&self, point: u64) -> usize {
        self.sums.partition_point(|&sum| u64::from(sum) <= point)
    }

    /// What the hub at this position weighs.
    #[inline]
    pub(crate) fn weight(&self, position: usize) -> u64 {
        let before = if position == 0 { 0 } else { self.sums[position - 1] };
        u64::from(self.sums[position] - before)
    }
}

/// Running sums of the weights, in their smallest whole numbers, and small enough that the total fits 32 bits.
fn sums(weights: &[u64]) -> Vec<u32> {
    let shared = weights.iter().copied().fold(0, gcd).max(1);
    let total: u64 = weights.iter().map(|w| w / shared).sum();
    let shift = (64 - total.leading_zeros()).saturating_sub(31);
    let mut sum = 0u32;
    let add = |w: &u64| {
        // The shifted weights sum to less than 2^31; the ones lifted to 1 add at most 65,535 more.
        sum += ((w / shared) >> shift).max(1) as u32;
        sum
    };
    weights.iter().map(add).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_proportional_to_weight() {
        let check = |weights: &[u32]| {
            let draws = draws(weights);
            let mut found = vec![0.0; weights.len()];
            for (at, &(keeps, other)) in draws.iter().enumerate() {
                let keeps = f64::from(keeps) / f64::from(u32::MAX);
                found[at] += keeps;
                found[usize::from(other)] += 1.0 - keeps;
            }
            let total: u32 = weights.iter().sum();
            for (found, &weight) in found.iter().zip(weights) {
                let expected = f64::from(weight) * weights.len() as f64 / f64::from(total);
                assert!((found - expected).abs() < 1e-6, "{weights:?}: {found}, not {expected}");
            }
        };
        check(&[1, 1]);
        check(&[1, 2, 3]);
        check(&[1000, 1, 1, 1]);
        check(&(1..=700).collect::<Vec<_>>());
    }

    #[test]
    fn sums_are_the_smallest_whole_numbers() {
        assert_eq!(sums(&[100_000, 100_000, 200_000]), [1, 2, 4]);
        assert_eq!(sums(&[7]), [1]);
        assert!(sums(&[]).is_empty());
        let heavy = sums(&[1_000_000_000_000; 5000]);
        assert_eq!(heavy.last(), Some(&5000));
        let mixed: Vec<u64> = (0..5000).map(|i| 1_000_000_000_000 - i).collect();
        assert!(sums(&mixed).is_sorted());
    }
}
