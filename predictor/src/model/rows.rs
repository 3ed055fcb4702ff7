//! What does a learner learn from?

use thiserror::Error;

/// Most cells of a matrix: 2³⁰, 4 GiB of them.
pub const CELLS_MAX: usize = 1 << 30;

/// A matrix of finite numbers, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    width: usize,
    cells: Vec<f32>,
}

/// Why a row is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RowsError {
    /// Nothing can be learnt from no features.
    #[error("a matrix needs 1 to 65535 columns, not {0}")]
    Width(usize),
    /// The row is of another schema.
    #[error("a row of {found} features where {expected} are expected")]
    Length {
        /// The width of the matrix.
        expected: usize,
        /// The length of the row.
        found: usize,
    },
    /// Trees would learn from NaN without a word, and so would the regression.
    #[error("feature {0} of the row is not finite")]
    NotFinite(usize),
    /// There is no room left.
    #[error("a matrix holds at most {CELLS_MAX} cells")]
    Full,
}

impl Rows {
    /// No rows yet, of this many features each, 1 to 65,535.
    pub fn new(width: usize) -> Result<Self, RowsError> {
        if width == 0 || width > usize::from(u16::MAX) {
            return Err(RowsError::Width(width));
        }
        Ok(Self { width, cells: Vec::new() })
    }

    /// Adds a row.
    pub fn push(&mut self, row: &[f32]) -> Result<(), RowsError> {
        check_row(self.width, row)?;
        if self.cells.len() + row.len() > CELLS_MAX {
            return Err(RowsError::Full);
        }
        self.cells.extend_from_slice(row);
        Ok(())
    }

    /// How many features a row has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.cells.len() / self.width
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Row `at`, if there is one.
    pub fn row(&self, at: usize) -> Option<&[f32]> {
        let start = at.checked_mul(self.width)?;
        self.cells.get(start..start.checked_add(self.width)?)
    }

    /// All rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.cells.chunks_exact(self.width)
    }

    /// The cells column by column: what smartcore walks fastest.
    pub(super) fn by_column(&self) -> Vec<f32> {
        (0..self.width).flat_map(|column| self.iter().map(move |row| row[column])).collect()
    }
}

/// Whether a row has this width and nothing in it is NaN or infinite.
pub(super) fn check_row(width: usize, row: &[f32]) -> Result<(), RowsError> {
    if row.len() != width {
        return Err(RowsError::Length { expected: width, found: row.len() });
    }
    match row.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(RowsError::NotFinite(at)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_another_width_or_with_gaps_are_refused() {
        assert_eq!(Rows::new(0), Err(RowsError::Width(0)));
        assert_eq!(Rows::new(70_000), Err(RowsError::Width(70_000)));
        let mut rows = Rows::new(2).unwrap();
        assert_eq!(rows.push(&[1.0]), Err(RowsError::Length { expected: 2, found: 1 }));
        assert_eq!(rows.push(&[1.0, f32::NAN]), Err(RowsError::NotFinite(1)));
        assert_eq!(rows.push(&[f32::INFINITY, 1.0]), Err(RowsError::NotFinite(0)));
        assert!(rows.is_empty());
        rows.push(&[1.0, 2.0]).unwrap();
        rows.push(&[3.0, 4.0]).unwrap();
        assert_eq!(rows.row(1), Some(&[3.0, 4.0][..]));
        assert_eq!(rows.row(2), None);
        assert_eq!(rows.row(usize::MAX), None);
        assert_eq!(rows.by_column(), [1.0, 3.0, 2.0, 4.0]);
    }
}
