//! Which hub of a pool? The four ways, each given only numbers, each answering the same for the same numbers.
//!
//! Every way takes an `open` test, since a request may have tried some hubs already; a handful of misses costs a few
//! more draws, and then the pool is searched in order, so that an open hub is always found.

use crate::pool::{BRANCHES, FLAT_MAX, Live, Lot, Members};
use crate::{HubIndex, Loads};

/// Draws before the pool is searched in order. A request excludes at most eight hubs.
const DRAWS_MAX: u64 = 16;
/// Draws of a key whose home is closed. With a tenth of the pool live, all but one key in a thousand find a hub; with 33
/// live hubs among 2,500, a little more than half of them. A draw is two or three reads.
const KEY_DRAWS_MAX: u64 = 64;
/// Up to this many hubs, least-connections compares all; beyond, the better of two by dice, which is nearly as even
/// and never reads more than two counters.
const COMPARE_ALL_MAX: usize = 8;

/// Spreads the bits of a number over all of it (the finisher of SplitMix64).
#[inline]
pub(crate) fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

/// A hash of a text that is the same on every machine (FNV-1a, spread).
pub(crate) fn hash_text(text: &str) -> u64 {
    mix(text.bytes().fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3)))
}

/// The dice of one placement and one hub: 0 to 999.
#[inline]
pub(crate) fn dice(placement: u64, seed: u64) -> u16 {
    // Salted, so that it tells nothing about the rendezvous of the same two numbers.
    let spread = mix(placement ^ seed ^ 0x5E11_1D1C_E000_0000);
    ((u128::from(spread) * 1000) >> 64) as u16
}

pub(crate) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A step near the golden section of `total` that shares no factor with it.
pub(crate) fn coprime_step(total: u32) -> u32 {
    let golden = (u64::from(total) * 618_034 / 1_000_000).max(1) as u32;
    (golden..=total).find(|&step| gcd(u64::from(step), u64::from(total)) == 1).unwrap_or(1)
}

/// In turn.
pub(crate) fn in_turn(live: &Live, turn: u64, open: impl Fn(u16) -> bool) -> Option<HubIndex> {
    let first = live.hubs().get(live.in_turn(turn))?;
    if open(*first) {
        return Some(HubIndex(*first));
    }
    search(live, |draw| live.drawn(mix(turn).wrapping_add(draw)), open)
}

/// The least loaded for its weight; of equals, the one whose turn it is.
pub(crate) fn least_loaded(
    live: &Live,
    turn: u64,
    loads: &dyn Loads,
    open: impl Fn(u16) -> bool,
) -> Option<HubIndex> {
    let hubs = live.hubs();
    // One more than now: what the load would be with this request. Otherwise all idle hubs were equal.
    let load = |at: usize| u64::from(loads.in_flight(HubIndex(hubs[at]))) + 1;
    if hubs.len() <= COMPARE_ALL_MAX {
        let begin = if hubs.is_empty() { 0 } else { live.in_turn(turn) };
        let round = (begin..hubs.len()).chain(0..begin).filter(|&at| open(hubs[at]));
        let least =
            round.reduce(
                |best, at| {
                    if load(at) * live.weight(best) < load(best) * live.weight(at) { at } else { best }
                },
            );
        return least.map(|at| HubIndex(hubs[at]));
    }
    let dice = mix(turn);
    let mut drawn = (0..DRAWS_MAX).map(|n| live.drawn(dice.wrapping_add(n))).filter(|&at| open(hubs[at]));
    let Some(one) = drawn.next() else { return search(live, |_| 0, open) };
    let other = drawn.find(|&at| at != one).unwrap_or(one);
    // The draw was by weight already: compare bare loads.
    Some(HubIndex(hubs[if load(other) < load(one) { other } else { one }]))
}

/// Draws until a hub is open, then looks at all of them.
fn search(live: &Live, draw: impl Fn(u64) -> usize, open: impl Fn(u16) -> bool) -> Option<HubIndex> {
    let hubs = live.hubs();
    let drawn = (0..DRAWS_MAX).map(|n| hubs[draw(n)]).find(|&hub| open(hub));
    drawn.or_else(|| hubs.iter().copied().find(|&hub| open(hub))).map(HubIndex)
}

/// The hub of a pool of one leaf that a key belongs to: weighted rendezvous. A hub that closes gives up its own keys and no
/// others; one that opens takes its own back.
pub(crate) fn by_key_flat(members: &Members, key: u64, open: impl Fn(u16) -> bool) -> Option<HubIndex> {
    rendezvous(key, members.even, members.leaf(0).filter(|&(hub, _)| open(hub))).map(HubIndex)
}

/// The same for a pool with a tree. A key that finds its home closed draws others from the whole pool until one is open, so
/// that the keys of a closed hub spread over all and stay where they are whoever else closes. Where few hubs are live,
/// it has its lot with each of these.
///
/// `accepts` asks whether a hub takes this key for its share, `untried` whether it may be asked at all. A live hub that
/// may is always found.
pub(crate) fn by_key_tree(
    members: &Members,
    live: &Live,
    key: u64,
    accepts: impl Fn(u16) -> bool,
    untried: impl Fn(u16) -> bool,
) -> Option<HubIndex> {
    let key = mix(key);
    let home = home(members, key)?;
    if accepts(home) {
        return Some(HubIndex(home));
    }
    if live.hubs().len() <= FLAT_MAX {
        return few(live, key, untried);
    }
    let drawn = (1..=KEY_DRAWS_MAX).map(|n| members.drawn(mix(key.wrapping_add(n))));
    // Most of the pool is closed: whoever is live, by the same key.
    drawn.into_iter().find(|&hub| accepts(hub)).map(HubIndex).or_else(|| {
        let draw = |n| live.drawn(key.wrapping_add(n));
        search(live, draw, untried)
    })
}

/// Down the tree, blind to who is open: a hub keeps its keys while others come and go.
#[inline]
fn home(members: &Members, key: u64) -> Option<u16> {
    let mut node = 0;
    for level in members.levels() {
        let ways = (node * BRANCHES..(node + 1) * BRANCHES).map(|way| (way, level[way]));
        node = rendezvous(key, false, ways.filter(|(_, lot)| lot.lightness > 0))?;
    }
    rendezvous(key, members.even, members.leaf(node))
}

/// The rendezvous of a key with the few that are live, by what they weigh now.
fn few(live: &Live, key: u64, untried: impl Fn(u16) -> bool) -> Option<HubIndex> {
    let lots = live.hubs().iter().enumerate().filter(|&(_, &hub)| untried(hub));
    // Salted by the hub and not by its place among the live, so that others may come and go.
    let lots = lots.map(|(at, &hub)| (hub, rarity(mix(key ^ mix(u64::from(hub)))), live.weight(at)));
    let rarest = lots.min_by(|(_, a, weight), (_, b, other)| (a * other).cmp(&(b * weight)));
    rarest.map(|(hub, ..)| HubIndex(hub))
}

/// The winner of the lots that the key draws with each candidate. With lot u in (0, 1), the smallest -log(u)/weight
/// wins in exact proportion to weight; among equal weights that is the largest u, and no logarithm is taken.
#[inline]
fn rendezvous<T: Copy>(key: u64, even: bool, candidates: impl Iterator<Item = (T, Lot)>) -> Option<T> {
    let draw = |lot: &Lot| mix(key ^ lot.seed);
    let winner = if even {
        candidates.max_by_key(|(_, lot)| draw(lot))
    } else {
        candidates.min_by_key(|(_, lot)| rarity(draw(lot)) * lot.lightness)
    };
    winner.map(|(item, _)| item)
}

/// The bits after the point in [`rarity`].
const POINT: u32 = 24;

/// How rare a lot as high as this is: -log2(u), u being the number as a part of 2^64, with 24 bits after the point; below
/// 2^31. In whole numbers, since gateways must agree to the last bit, and since it is several times as fast.
#[inline]
fn rarity(lot: u64) -> u64 {
    let lot = lot | 1;
    let zeros = lot.leading_zeros();
    // The first bit that is set, then 8 bits to look up, then 24 to find the way to the next entry.
    let shifted = lot << zeros;
    let (entry, way) = ((shifted >> 55 & 0xFF) as usize, shifted >> 31 & ((1 << POINT) - 1));
    let (low, high) = (u64::from(LOG2[entry]), u64::from(LOG2[entry + 1]));
    (u64::from(zeros + 1) << POINT) - (low + (((high - low) * way) >> POINT))
}

/// log2(1 + n/256), with 24 bits after the point.
static LOG2: [u32; 257] = {
    let mut table = [1 << POINT; 257];
    let mut n = 0;
    while n < 256 {
        // Bit by bit: squaring a number doubles its logarithm.
        let (mut x, mut log, mut bit) = ((256 + n as u64) << 22, 0, 0);
        while bit < POINT {
            x = ((x as u128 * x as u128) >> 30) as u64;
            log <<= 1;
            if x >= 2 << 30 {
                x >>= 1;
                log |= 1;
            }
            bit += 1;
        }
        table[n] = log;
        n += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_meets_every_point() {
        for total in 1u32..200 {
            let step = u64::from(coprime_step(total));
            let met: std::collections::BTreeSet<u64> =
                (0..u64::from(total)).map(|t| t * step % u64::from(total)).collect();
            assert_eq!(met.len(), total as usize, "total {total} step {step}");
        }
    }

    #[test]
    fn dice_are_even() {
        let below = (0..100_000u64).filter(|&turn| dice(turn, 42) < 300).count();
        assert!((29_000..31_000).contains(&below), "{below}");
        assert!((0..100_000u64).all(|turn| dice(turn, 7) < 1000));
    }

    #[test]
    fn rarity_is_a_logarithm() {
        let spread = (0..20_000u64).map(mix);
        for lot in spread.chain((0..64).map(|n| u64::MAX >> n)).chain([0, 1, 2, u64::MAX - 1, 1 << 63]) {
            let truth = 64.0 - ((lot | 1) as f64).log2();
            let found = rarity(lot) as f64 / f64::from(1 << POINT);
            assert!((found - truth).abs() < 4e-6, "{lot}: {found}, not {truth}");
        }
    }

    #[test]
    fn rendezvous_is_proportional_to_weight() {
        let wins = |weights: [u32; 3]| {
            let mut wins = [0; 3];
            for key in 0..60_000u64 {
                let lots = weights
                    .iter()
                    .enumerate()
                    .map(|(i, &weight)| (i, Lot::new(hash_text(&i.to_string()), weight)));
                wins[rendezvous(key, weights == [1; 3], lots).unwrap()] += 1;
            }
            wins
        };
        let check = |wins: [i32; 3], expected: [i32; 3]| {
            assert!(wins.iter().zip(expected).all(|(w, e)| (w - e).abs() < 800), "{wins:?} {expected:?}");
        };
        check(wins([1, 1, 1]), [20_000; 3]);
        check(wins([1, 2, 3]), [10_000, 20_000, 30_000]);
    }
}
