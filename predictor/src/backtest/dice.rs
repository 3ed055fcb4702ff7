//! Which numbers does a seed lead to? The same on every machine and in every version, so that a figure can be found
//! again.

/// SplitMix64: quick, and even enough to draw entities by.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number from 0 up to and without `bound`, which is more than 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        // The high half of the product is as even as the draw is fine: off by less than bound / 2^64.
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}
