//! How far out is far?

/// The row with each number on a logarithmic scale on both sides of zero: for a sum of weights, from 10 to 20 spreads
/// out is a shorter way than from 0 to 5. What is finite stays finite.
pub(super) fn tempered(row: &[f32]) -> impl Iterator<Item = f32> {
    row.iter().map(|value| value.signum() * value.abs().ln_1p())
}
