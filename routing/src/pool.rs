//! Who competes for a placement? A pool is one set of hubs: its [`Members`] stand for as long as the layout, its
//! [`Live`] view is made anew for each generation and era and holds only those that take placements now.

use crate::balance::{coprime_step, gcd, mix};
use crate::layout::HubFacts;
use crate::spec::Algorithm;
use crate::{Era, EraSet, HubState, Share};

/// Up to this many members, rendezvous looks at each; beyond, it first picks a bucket. 32 looks take about 150 ns.
const FLAT_MAX: usize = 32;
/// Up to this many members there are 16 buckets, beyond 64, so that buckets and members stay about as many. Crossing
/// a limit re-deals the keys of the pool once.
const FEW_BUCKETS_MAX: usize = 512;

/// A set of hubs, sorted into buckets by the hash of their ids.
#[derive(Debug)]
pub(crate) struct Members {
    /// By bucket, then by index.
    hubs: Vec<u16>,
    /// One more than there are buckets.
    starts: Vec<u32>,
    /// The weight in each bucket, whatever the states: a bucket keeps its keys while its hubs come and go.
    weights: Vec<u32>,
}

impl Members {
    /// From hub positions in ascending order.
    pub(crate) fn new(set: &[u16], facts: &[HubFacts]) -> Self {
        let bits = if set.len() <= FLAT_MAX {
            0
        } else if set.len() <= FEW_BUCKETS_MAX {
            4
        } else {
            6
        };
        let bucket = |hub: u16| (facts[usize::from(hub)].seed.rotate_left(bits) & ((1 << bits) - 1)) as usize;
        let mut hubs = set.to_vec();
        hubs.sort_by_key(|&hub| bucket(hub));
        let buckets = 0..1usize << bits;
        let starts = buckets.clone().chain([buckets.end]);
        let starts: Vec<u32> = starts.map(|b| hubs.partition_point(|&h| bucket(h) < b) as u32).collect();
        let weight = |hub: &u16| u32::from(facts[usize::from(*hub)].weight.get());
        let weights =
            starts.windows(2).map(|w| hubs[w[0] as usize..w[1] as usize].iter().map(weight).sum()).collect();
        Self { hubs, starts, weights }
    }

    pub(crate) fn hubs(&self) -> &[u16] {
        &self.hubs
    }

    /// The weight of each bucket; a single one for small pools.
    pub(crate) fn bucket_weights(&self) -> &[u32] {
        &self.weights
    }

    pub(crate) fn bucket(&self, bucket: usize) -> &[u16] {
        &self.hubs[self.starts[bucket] as usize..self.starts[bucket + 1] as usize]
    }
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
