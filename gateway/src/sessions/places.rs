//! Short numbers for the places that sessions are counted by.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// Names known at a time: every country, and every cell of ten degrees, are fewer. A token can hold any name that a
/// configuration once had, so there is an end to it.
const PLACES_MAX: usize = 1_024;

/// What sessions are counted under whose place is one too many.
const OTHER: &str = "other";

/// Names of places, each with a number for as long as the process lives. 0 is nowhere known.
#[derive(Debug, Default)]
pub(super) struct Places(RwLock<HashMap<Box<str>, u16>>);

impl Places {
    /// The number of this name.
    pub(super) fn number(&self, name: &str) -> u16 {
        if name.is_empty() {
            return 0;
        }
        if let Some(number) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return *number;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let name = if known.len() < PLACES_MAX { name } else { OTHER };
        let next = u16::try_from(known.len() + 1).unwrap_or(u16::MAX);
        *known.entry(name.into()).or_insert(next)
    }

    /// The names by their numbers.
    pub(super) fn names(&self) -> Vec<Box<str>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<Box<str>> = vec![Box::from(""); known.len() + 1];
        for (name, number) in known.iter() {
            if let Some(place) = names.get_mut(usize::from(*number)) {
                place.clone_from(name);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_and_there_is_an_end_to_names() {
        let places = Places::default();
        assert_eq!([places.number(""), places.number("DE"), places.number("JP")], [0, 1, 2]);
        assert_eq!(places.number("DE"), 1);
        for n in 0..2 * PLACES_MAX {
            places.number(&format!("cell {n}"));
        }
        let names = places.names();
        assert_eq!((names.len(), &*names[1], &*names[PLACES_MAX + 1]), (PLACES_MAX + 2, "DE", OTHER));
        assert_eq!(usize::from(places.number("one more")), PLACES_MAX + 1);
    }
}
