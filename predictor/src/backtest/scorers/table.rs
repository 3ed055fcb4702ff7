//! The rows of one entity, made once and asked for many times: by each fold, for each horizon.

use std::sync::{Arc, Mutex, PoisonError};

use super::unfit;
use crate::backtest::{Entity, Span, Unfit};
use crate::features::Restraint;
use crate::model::{Rows, RowsError};

/// What is known of an entity at some of its samples: a row for each, and whether the load had just jumped.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) rows: Rows,
    pub(super) jumped: Vec<bool>,
}

impl From<Rows> for Known {
    /// Rows of what has no load that could jump.
    fn from(rows: Rows) -> Self {
        Self { jumped: vec![false; rows.len()], rows }
    }
}

/// The rows of an entity at some of its samples, ascending.
#[derive(Debug)]
pub(super) struct Table {
    at: Vec<usize>,
    known: Known,
}

impl Table {
    pub(super) fn new(at: Vec<usize>, known: Known) -> Self {
        debug_assert_eq!(
            (at.len(), at.len()),
            (known.rows.len(), known.jumped.len()),
            "a row for each sample"
        );
        Self { at, known }
    }

    /// The row of this sample.
    pub(super) fn row(&self, at: usize) -> Option<&[f32]> {
        self.known.rows.row(self.at.binary_search(&at).ok()?)
    }

    fn has_jumped(&self, at: usize) -> bool {
        self.at.binary_search(&at).is_ok_and(|place| self.known.jumped[place])
    }

    pub(super) fn width(&self) -> usize {
        self.known.rows.width()
    }

    /// What a model says at each of these samples, which ascend. Where the load has just jumped it is no more than was
    /// said before, as in service.
    pub(super) fn said(
        &self,
        at: &[usize],
        say: impl Fn(&[f32]) -> Result<f64, Unfit>,
    ) -> Result<Vec<f64>, Unfit> {
        let (mut restraint, mut last) = (Restraint::default(), None);
        let said = at.iter().map(|at| {
            let now = say(row_of(self, *at)?)?;
            let held = restraint.holds(*at as u64, self.has_jumped(*at));
            let before = last.filter(|_| held);
            Ok(*last.insert(before.map_or(now, |before: f64| before.min(now))))
        });
        said.collect()
    }
}

/// The tables of all entities that were met.
#[derive(Debug, Default)]
pub(super) struct Tables(Mutex<Vec<(Key, Arc<Table>)>>);

/// Whose rows, and of which horizon. Two folders may name two entities alike: they are told apart by where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    name: String,
    place: usize,
    horizon: usize,
}

impl Tables {
    /// The table of this span's entity, for rows that depend on this horizon (0: on none), made by `make` for these
    /// samples if it is not known yet, or not for all of them.
    pub(super) fn of(
        &self,
        span: &Span<'_>,
        horizon: usize,
        make: impl FnOnce(&Entity, &[usize]) -> Result<Known, Unfit>,
    ) -> Result<Arc<Table>, Unfit> {
        let Span { entity, rows, .. } = span;
        let place = std::ptr::from_ref::<Entity>(entity) as usize;
        let key = Key { name: entity.name.clone(), place, horizon };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, table)) = known.iter().find(|(found, _)| *found == key)
            && rows.iter().all(|at| table.row(*at).is_some())
        {
            return Ok(Arc::clone(table));
        }
        // Whoever asks for a part asks for the rest soon.
        let beat = rows.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or(1).max(1);
        let mut all = entity.timeline.rows(&(0..entity.len()), beat);
        if !rows.iter().all(|at| all.binary_search(at).is_ok()) {
            all.clone_from(rows);
        }
        let made = make(entity, &all)?;
        let table = Arc::new(Table::new(all, made));
        known.retain(|(found, _)| *found != key);
        known.push((key, Arc::clone(&table)));
        Ok(table)
    }
}

/// The row that a span asks for.
pub(super) fn row_of(table: &Table, at: usize) -> Result<&[f32], Unfit> {
    table.row(at).ok_or_else(|| unfit(RowsError::Length { expected: table.width(), found: 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::STANDS_FOR;

    /// A table whose rows are the numbers of their samples.
    fn table(at: &[usize], jumped: impl Fn(usize) -> bool) -> Table {
        let mut rows = Rows::new(1).unwrap();
        at.iter().for_each(|at| rows.push(&[*at as f32]).unwrap());
        let jumped = at.iter().map(|at| jumped(*at)).collect();
        Table::new(at.to_vec(), Known { rows, jumped })
    }

    #[test]
    fn from_a_jump_no_more_is_said_than_before_for_a_while() {
        let at: Vec<_> = (0..40).collect();
        let said = |jumped: fn(usize) -> bool, at: &[usize]| {
            let table = table(&(0..40).collect::<Vec<_>>(), jumped);
            table.said(at, |row| Ok(f64::from(row[0]))).unwrap()
        };
        let own: Vec<_> = at.iter().map(|at| *at as f64).collect();
        assert_eq!(said(|_| false, &at), own);
        let held = said(|at| (5..9).contains(&at), &at);
        assert_eq!((&held[..5], held[5..9].to_vec(), &held[9..]), (&own[..5], vec![4.0; 4], &own[9..]));
        // Of the samples that nobody asks about nothing was said.
        assert_eq!(said(|at| at == 8, &[3, 8, 9]), [3.0, 3.0, 9.0]);
        let fallen = table(&at, |at| at > 2).said(&at[..4], |row| Ok([0.5, 0.5, 0.9, 0.2][row[0] as usize]));
        assert_eq!(fallen.unwrap(), [0.5, 0.5, 0.9, 0.2], "less may be said");
        // Whose load jumps for ever is asked about again, and so is one of which nothing was said lately.
        let stands = STANDS_FOR as usize;
        let for_ever = said(|_| true, &at);
        assert_eq!(for_ever[..=stands + 1], [vec![0.0; stands + 1], vec![(stands + 1) as f64]].concat());
        assert_eq!(said(|at| at == 39, &[1, 39]), [1.0, 39.0]);
    }
}
