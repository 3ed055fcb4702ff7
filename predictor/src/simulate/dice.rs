//! Where does chance come from, and the same chance on every machine?
//!
//! PCG64 is integer arithmetic; all else is the five exactly rounded operations of IEEE 754 and the functions of
//! `libm`, which are written with them. The mathematics of the standard library is the platform's own, and that of
//! `rand_distr` is the standard library's as soon as any crate of a build asks for `std`: either could differ in the
//! last bit, and one bit is enough to send a simulated week another way.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::Rng as _;

/// Where the normal approximation takes over from multiplying uniforms (mean of a Poisson draw): its error in the
/// distribution function is below 0.03 there, and the cost no longer grows with the mean.
const POISSON_NORMAL_FROM: f64 = 30.0;

/// A stream of chance.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    generator: Pcg64,
    /// Normal draws come in pairs.
    spare: Option<f64>,
}

impl Dice {
    /// The stream of this number under this seed. Different numbers make independent streams.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        // PCG's own streams are alike where the states are, so the state differs too.
        let state =
            u128::from(scatter(seed ^ scatter(stream))) << 64 | u128::from(scatter(stream ^ scatter(seed)));
        Self { generator: Pcg64::new(state, u128::from(stream)), spare: None }
    }

    /// Uniform in `0.0..1.0`.
    pub(super) fn unit(&mut self) -> f64 {
        // 53 bits fill a double's fraction exactly.
        (self.generator.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in `low..high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// In `low..high`, uniform in the logarithm: each octave is as likely as the next.
    pub(super) fn log_between(&mut self, low: f64, high: f64) -> f64 {
        libm::exp(self.between(libm::log(low), libm::log(high)))
    }

    /// Whether something of this probability happens.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of these, all alike.
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[((self.unit() * from.len() as f64) as usize).min(from.len() - 1)]
    }

    /// Exponential, of this mean.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        // 1 - unit is never zero.
        -mean * libm::log(1.0 - self.unit())
    }

    /// Normal, of mean 0 and deviation 1: Marsaglia's polar method.
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let scale = (-2.0 * libm::log(square) / square).sqrt();
                self.spare = Some(y * scale);
                return x * scale;
            }
        }
    }

    /// Lognormal, of this median and deviation of the logarithm.
    pub(super) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    /// Poisson, of this mean; zero where the mean is not above zero.
    pub(super) fn poisson(&mut self, mean: f64) -> u32 {
        if mean >= POISSON_NORMAL_FROM {
            return (mean + mean.sqrt() * self.normal() + 0.5).max(0.0) as u32;
        }
        let floor = libm::exp(-mean);
        let (mut count, mut product) = (0, self.unit());
        while product > floor {
            product *= self.unit();
            count += 1;
        }
        count
    }
}

/// The finaliser of SplitMix64: neighbouring numbers come out unlike.
fn scatter(number: u64) -> u64 {
    let z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(mut draw: impl FnMut(&mut Dice) -> f64) -> (f64, f64) {
        let mut dice = Dice::new(7, 0);
        let draws: Vec<f64> = (0..40_000).map(|_| draw(&mut dice)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        (mean, draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / draws.len() as f64)
    }

    /// Within 4 % of the mean and 6 % of the variance: five standard errors and more for all that are asked.
    fn check((mean, variance): (f64, f64), expected: (f64, f64)) {
        let near =
            |found: f64, wanted: f64, part: f64| (found - wanted).abs() <= part * wanted.abs().max(0.5);
        assert!(near(mean, expected.0, 0.04), "mean {mean}, expected {}", expected.0);
        assert!(near(variance, expected.1, 0.06), "variance {variance}, expected {}", expected.1);
    }

    #[test]
    fn draws_have_the_moments_of_their_distributions() {
        check(moments(Dice::unit), (0.5, 1.0 / 12.0));
        check(moments(Dice::normal), (0.0, 1.0));
        check(moments(|dice| dice.exponential(3.0)), (3.0, 9.0));
        check(moments(|dice| f64::from(dice.poisson(4.0))), (4.0, 4.0));
        check(moments(|dice| f64::from(dice.poisson(400.0))), (400.0, 400.0));
        // Mean exp(s²/2), variance (exp(s²) - 1) exp(s²), at s = 0.3.
        check(moments(|dice| dice.lognormal(1.0, 0.3)), (1.0460, 0.1030));
    }

    #[test]
    fn the_stream_is_this_one_on_every_platform() {
        let mut dice = Dice::new(1, 2);
        let bits: Vec<u64> = (0..2).map(|_| dice.unit().to_bits()).collect();
        let (normal, lognormal) = (dice.normal().to_bits(), dice.lognormal(2.0, 0.5).to_bits());
        let found = (bits, normal, lognormal);
        assert_eq!(
            found,
            (
                vec![4_595_443_706_242_123_864, 4_603_363_069_957_471_557],
                13_816_320_498_020_415_882,
                4_608_430_259_823_507_971
            )
        );
    }

    #[test]
    fn neighbouring_streams_are_unlike() {
        let (mut a, mut b) = (Dice::new(1, 0), Dice::new(1, 1));
        let product: f64 = (0..10_000).map(|_| a.normal() * b.normal()).sum();
        assert!((product / 10_000.0).abs() < 0.05, "correlated: {product}");
    }
}
