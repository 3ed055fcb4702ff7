//! The rows of one entity, made once and asked for many times: by each fold, for each horizon.

use std::sync::{Arc, Mutex, PoisonError};

use super::unfit;
use crate::backtest::{Entity, Span, Unfit};
use crate::model::{Rows, RowsError};

/// The rows of an entity at some of its samples, ascending.
#[derive(Debug)]
pub(super) struct Table {
    at: Vec<usize>,
    rows: Rows,
}

impl Table {
    pub(super) fn new(at: Vec<usize>, rows: Rows) -> Self {
        debug_assert_eq!(at.len(), rows.len(), "a row for each sample");
        Self { at, rows }
    }

    /// The row of this sample.
    pub(super) fn row(&self, at: usize) -> Option<&[f32]> {
        self.rows.row(self.at.binary_search(&at).ok()?)
    }

    pub(super) fn width(&self) -> usize {
        self.rows.width()
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
    /// The table of this span's entity, for rows that depend on this horizon (0: on none), made by `make` for these samples if it is not known yet, or not for all of them.
    pub(super) fn of(
        &self,
        span: &Span<'_>,
        horizon: usize,
        make: impl FnOnce(&Entity, &[usize]) -> Result<Rows, Unfit>,
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
