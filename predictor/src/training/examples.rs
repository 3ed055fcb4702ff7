//! What does a learner see of one entity?

use crate::model::{Rows, RowsError};

/// Rows, and for each what came of it: 0 or 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Examples {
    rows: Rows,
    targets: Vec<f32>,
}

impl Examples {
    /// None yet, of rows of this width.
    pub fn new(width: usize) -> Result<Self, RowsError> {
        Ok(Self { rows: Rows::new(width)?, targets: Vec::new() })
    }

    /// Adds a row, and whether the event came.
    pub fn push(&mut self, row: &[f32], came: bool) -> Result<(), RowsError> {
        self.rows.push(row)?;
        self.targets.push(f32::from(u8::from(came)));
        Ok(())
    }

    /// Says anew of each row, by its number, whether the event came.
    pub fn judge(&mut self, came: impl Fn(usize) -> bool) {
        for (row, target) in self.targets.iter_mut().enumerate() {
            *target = f32::from(u8::from(came(row)));
        }
    }

    /// The rows.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// One target a row.
    pub fn targets(&self) -> &[f32] {
        &self.targets
    }

    /// Whether the event came, for each row.
    pub fn came(&self) -> impl Iterator<Item = bool> {
        self.targets.iter().map(|target| *target > 0.5)
    }

    /// How many events there are.
    pub fn events(&self) -> usize {
        self.came().filter(|came| *came).count()
    }

    /// Every `every`-th row of each of these, together; 0 counts as 1. Neighbours in time say nearly the same: half of
    /// the rows teach as much in half the time. `None` of nothing.
    pub fn pooled<'a>(
        parts: impl IntoIterator<Item = &'a Self>,
        every: usize,
    ) -> Option<Result<Self, RowsError>> {
        let mut parts = parts.into_iter().peekable();
        let width = parts.peek()?.rows.width();
        Some(parts.try_fold(Self::new(width).ok()?, |mut all, part| {
            for (row, target) in part.rows.iter().zip(&part.targets).step_by(every.max(1)) {
                all.push(row, *target > 0.5)?;
            }
            Ok(all)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_row_of_each() {
        let of = |rows: &[f32]| {
            let mut examples = Examples::new(1).unwrap();
            rows.iter().for_each(|row| examples.push(&[*row], *row > 2.0).unwrap());
            examples
        };
        let (a, b) = (of(&[1.0, 2.0, 3.0]), of(&[4.0, 5.0]));
        assert_eq!(Examples::pooled([&a, &b], 2).unwrap(), Ok(of(&[1.0, 3.0, 4.0])));
        assert_eq!(Examples::pooled([&a, &b], 0).unwrap().unwrap().events(), 3);
        assert!(Examples::pooled([], 1).is_none());
        let mut again = of(&[1.0, 2.0, 3.0]);
        again.judge(|row| row == 1);
        assert!(again.came().eq([false, true, false]));
        let wider = Examples::new(2).unwrap();
        assert_eq!(
            Examples::pooled([&wider, &a], 1).unwrap(),
            Err(RowsError::Length { expected: 2, found: 1 })
        );
    }
}
