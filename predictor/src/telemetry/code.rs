//! How is a value kept in two bytes?
//!
//! As a floating-point number without a sign: five bits of exponent and eleven of fraction, so that it is kept to within
//! 0.025 % of itself from 6·10⁻⁵ to 262,143. That is finer than anything we measure (quantiles are known to an eighth,
//! what hubs say of themselves to a thousandth), reaches from one request in 16,000 to 262 s in milliseconds, and halves
//! what a day of a hub takes. IEEE's half precision does not fit: it ends at 65,504, and spends a bit on a sign that no
//! signal has.

use super::{SIGNALS, Sample};

/// A value in two bytes: 0 is unknown, 1 is zero, and larger codes are larger values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Code(pub(super) u16);

/// Bits of an `f32` that are rounded away: it has 23 of fraction, a code has 11.
const CUT: u32 = 12;
/// What is taken from the rest, so that the least value, 2⁻¹⁴ and a bit, becomes code 2.
const BASE: u32 = (127 - 14) << 11;

impl Code {
    pub(super) const UNKNOWN: Self = Self(0);
    const ZERO: Self = Self(1);

    /// The nearest code. What is below zero counts as zero, what is above the greatest as the greatest, and what is not a
    /// number is unknown.
    pub(super) fn of(value: f32) -> Self {
        if value.is_nan() {
            return Self::UNKNOWN;
        }
        let rounded = (value.max(0.0).to_bits() + (1 << (CUT - 1))) >> CUT;
        match rounded.saturating_sub(BASE) {
            0 | 1 => Self::ZERO,
            code => Self(u16::try_from(code).unwrap_or(u16::MAX)),
        }
    }

    /// What it stands for; unknown is NaN.
    pub(super) fn value(self) -> f32 {
        match self {
            Self::UNKNOWN => f32::NAN,
            Self::ZERO => 0.0,
            Self(code) => f32::from_bits((BASE + u32::from(code)) << CUT),
        }
    }
}

/// A sample in two bytes for each signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row(pub(super) [Code; SIGNALS]);

impl Row {
    /// Nothing is known: a gap.
    pub(super) const GAP: Self = Self([Code::UNKNOWN; SIGNALS]);

    pub(super) fn of(sample: &Sample) -> Self {
        Self(sample.values().map(Code::of))
    }

    /// `None` for a gap.
    pub(super) fn sample(&self) -> Option<Sample> {
        (*self != Self::GAP).then(|| Sample::new(self.0.map(Code::value)))
    }

    /// The mean of each signal over the rows in which it is known.
    pub(super) fn mean<'r>(rows: impl Iterator<Item = &'r Self>) -> Self {
        let mut sums = [(0.0f32, 0.0f32); SIGNALS];
        for row in rows {
            for ((count, sum), code) in sums.iter_mut().zip(row.0).filter(|(_, code)| *code != Code::UNKNOWN)
            {
                *count += 1.0;
                *sum += code.value();
            }
        }
        // Of none it is 0 / 0, which is unknown.
        Self(sums.map(|(count, sum)| Code::of(sum / count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ends_are_kept() {
        let check = |value: f32, expected: f32| {
            let kept = Code::of(value).value();
            assert!(kept == expected || kept.is_nan() && expected.is_nan(), "{value} becomes {kept}");
        };
        check(f32::NAN, f32::NAN);
        check(-f32::NAN, f32::NAN);
        check(0.0, 0.0);
        check(-0.0, 0.0);
        check(-5.0, 0.0);
        check(1e-9, 0.0);
        check(1.0, 1.0);
        check(0.5, 0.5);
        check(10_000.0, 10_000.0);
        let greatest = Code(u16::MAX).value();
        assert!((262_000.0..262_144.0).contains(&greatest), "{greatest}");
        check(f32::MAX, greatest);
        check(f32::INFINITY, greatest);
    }

    #[test]
    fn every_code_stands_for_itself() {
        for code in 0..=u16::MAX {
            assert_eq!(Code::of(Code(code).value()), Code(code));
        }
    }

    #[test]
    fn a_mean_is_that_of_what_is_known() {
        let row = |first: f32, second: f32| {
            let mut row = Row::GAP;
            (row.0[0], row.0[1]) = (Code::of(first), Code::of(second));
            row
        };
        let nan = f32::NAN;
        assert_eq!(Row::mean([row(1.0, nan), row(3.0, 8.0), Row::GAP].iter()), row(2.0, 8.0));
        assert_eq!(Row::mean([Row::GAP; 4].iter()), Row::GAP);
        assert_eq!(Row::GAP.sample(), None);
    }

    proptest! {
        #[test]
        fn values_are_kept_to_a_quarter_per_mille(value in 7e-5f32..262_000.0) {
            let off = (Code::of(value).value() - value).abs() / value;
            prop_assert!(off <= 0.000_25, "{value}: {off}");
        }

        #[test]
        fn more_is_never_less(a in -1.0f32..3e5, b in -1.0f32..3e5) {
            prop_assert!(Code::of(a.min(b)).0 <= Code::of(a.max(b)).0);
        }
    }
}
