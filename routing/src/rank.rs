//! Who is the first in a place's order of all hubs of one kind? Bits in the order of each place, so that a choice reads
//! 64 hubs at once and passes over those that are out, or not allowed, without looking at them.

use std::ops::Range;
use std::sync::Arc;

use crate::layout::Layout;
use crate::pool::Vitals;
use crate::spec::Algorithm;
use crate::{Era, HubIndex, HubState, PlaceIndex, Share};

/// Some of the hubs: a bit for each, by position in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HubSet(Vec<u64>);

impl HubSet {
    pub(crate) fn of(hubs: usize, has: impl Fn(u16) -> bool) -> Self {
        let mut words = vec![0; hubs.div_ceil(64)];
        // A table has at most 65,535 hubs.
        (0..hubs).filter(|&hub| has(hub as u16)).for_each(|hub| words[hub / 64] |= 1 << (hub % 64));
        Self(words)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    #[inline]
    pub(crate) fn contains(&self, hub: u16) -> bool {
        self.0[usize::from(hub) / 64] >> (hub % 64) & 1 == 1
    }

    /// The hubs of this set that are in one other and not in a third, where these are given.
    pub(crate) fn within<'a>(
        &'a self,
        also: Option<&'a Self>,
        but: Option<&'a Self>,
    ) -> impl Iterator<Item = HubIndex> + 'a {
        let word = move |at: usize| {
            let (also, but) = (also.map_or(u64::MAX, |set| set.0[at]), but.map_or(0, |set| set.0[at]));
            self.0[at] & also & !but
        };
        (0..self.0.len()).flat_map(move |at| ones(word(at)).map(move |bit| HubIndex((at * 64 + bit) as u16)))
    }
}

fn ones(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros() as usize;
        word &= word.wrapping_sub(1);
        (bit < 64).then_some(bit)
    })
}

/// A bit for each hub in each place's order.
#[derive(Debug)]
pub(crate) struct Rows {
    /// Words in a row; there is one row for each place.
    width: usize,
    words: Vec<u64>,
}

impl Rows {
    /// From the places' orders, one after the other, of so many hubs each.
    pub(crate) fn new(order: &[u16], hubs: usize, set: &HubSet) -> Self {
        let word =
            |ranks: &[u16]| ranks.iter().rev().fold(0, |word, &hub| word << 1 | u64::from(set.contains(hub)));
        let words = order.chunks(hubs.max(1)).flat_map(|row| row.chunks(64)).map(word).collect();
        Self { width: hubs.div_ceil(64), words }
    }

    #[inline]
    fn row(&self, place: PlaceIndex) -> &[u64] {
        &self.words[place.get() * self.width..(place.get() + 1) * self.width]
    }
}

/// The positions in one place's order, within a span, that are set in one row or two.
pub(crate) struct Ranks<'a> {
    row: &'a [u64],
    also: Option<&'a [u64]>,
    /// What is left of the word being read.
    word: u64,
    at: usize,
    end: usize,
}

impl<'a> Ranks<'a> {
    #[inline]
    pub(crate) fn new(rows: &'a Rows, also: Option<&'a Rows>, place: PlaceIndex, span: Range<usize>) -> Self {
        let (row, also) = (rows.row(place), also.map(|rows| rows.row(place)));
        let mut ranks = Self { row, also, word: 0, at: span.start / 64, end: span.end };
        if span.start < span.end {
            ranks.word = ranks.read() & (u64::MAX << (span.start % 64));
        }
        ranks
    }

    #[inline]
    fn read(&self) -> u64 {
        self.row[self.at] & self.also.map_or(u64::MAX, |also| also[self.at])
    }
}

impl Iterator for Ranks<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.word == 0 {
            self.at += 1;
            if self.at * 64 >= self.end {
                self.at -= 1; // However often it is asked.
                return None;
            }
            self.word = self.read();
        }
        let rank = self.at * 64 + self.word.trailing_zeros() as usize;
        self.word &= self.word - 1;
        (rank < self.end).then_some(rank)
    }
}

/// The hubs of one kind and era.
#[derive(Debug)]
pub(crate) struct Ranked {
    pub(crate) hubs: HubSet,
    /// `None` where nobody is, or nobody asks.
    pub(crate) rows: Option<Rows>,
}

/// For each era, legacy then modern; the same twice where all hubs serve both.
type ByEra = [Arc<Ranked>; 2];

/// Who might take a request, by what the table's states allow.
#[derive(Debug)]
pub(crate) struct Standing {
    /// Takes placements.
    open: ByEra,
    /// Takes what nobody else does: a share of nothing.
    idle: ByEra,
    /// In panic, the ejected.
    last: ByEra,
    /// All of these, whatever era they serve.
    pub(crate) able: HubSet,
    able_by_era: [HubSet; 2],
}

impl Standing {
    /// Of these hubs now. What is as it was `before` is shared.
    pub(crate) fn new(layout: &Layout, vitals: &[Vitals], panic: bool, before: Option<&Self>) -> Self {
        let share = |hub: u16| vitals[usize::from(hub)].state.takes();
        let open = |hub| share(hub).is_some_and(|share| share > Share::NONE);
        let idle = |hub| share(hub) == Some(Share::NONE);
        let last = |hub: u16| panic && matches!(vitals[usize::from(hub)].state, HubState::Ejected { .. });
        let able = |hub| share(hub).is_some() || last(hub);
        let set = |has: &dyn Fn(u16) -> bool, era| {
            HubSet::of(vitals.len(), |hub| has(hub) && vitals[usize::from(hub)].eras.contains(era))
        };
        let by_era = |has: &dyn Fn(u16) -> bool, before: Option<&ByEra>, asked: bool| {
            let legacy = Ranked::shared(layout, set(has, Era::Legacy), before.into_iter().flatten(), asked);
            let known = before.into_iter().flatten().chain([&legacy]);
            let modern = Ranked::shared(layout, set(has, Era::Modern), known, asked);
            [legacy, modern]
        };
        Self {
            // Other algorithms ask nobody for the nearest.
            open: by_era(&open, before.map(|b| &b.open), layout.algorithm == Algorithm::Geographic),
            idle: by_era(&idle, before.map(|b| &b.idle), true),
            last: by_era(&last, before.map(|b| &b.last), true),
            able: HubSet::of(vitals.len(), able),
            able_by_era: [Era::Legacy, Era::Modern].map(|era| set(&able, era)),
        }
    }

    #[inline]
    pub(crate) fn open(&self, era: Era) -> &Ranked {
        &self.open[era.slot()]
    }

    pub(crate) fn idle(&self, era: Era) -> &Ranked {
        &self.idle[era.slot()]
    }

    pub(crate) fn last(&self, era: Era) -> &Ranked {
        &self.last[era.slot()]
    }

    /// All of these, in one era.
    pub(crate) fn able_in(&self, era: Era) -> &HubSet {
        &self.able_by_era[era.slot()]
    }

    /// Do the same hubs take placements in both eras?
    pub(crate) fn eras_agree(&self) -> bool {
        self.open[0].hubs == self.open[1].hubs
    }
}

impl Ranked {
    /// Of these hubs: as one that is known, if they are the same.
    fn shared<'a>(
        layout: &Layout,
        hubs: HubSet,
        mut known: impl Iterator<Item = &'a Arc<Self>>,
        asked: bool,
    ) -> Arc<Self> {
        let same = known.find(|ranked| ranked.hubs == hubs).map(Arc::clone);
        same.unwrap_or_else(|| {
            let rows = (asked && !hubs.is_empty()).then(|| layout.rows(&hubs));
            Arc::new(Self { hubs, rows })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranks_are_those_of_a_naive_search(
            has in proptest::collection::vec(any::<bool>(), 1..300),
            allowed in proptest::option::of(proptest::collection::vec(any::<bool>(), 300)),
            shift in 0usize..300, from in 0usize..300, length in 0usize..300, second in any::<bool>(),
        ) {
            let hubs = has.len();
            let set = HubSet::of(hubs, |hub| has[usize::from(hub)]);
            let only = allowed.as_ref().map(|allowed| HubSet::of(hubs, |hub| allowed[usize::from(hub)]));
            // Two places, with the hubs in ascending and in rotated order.
            let mut order: Vec<u16> = (0..hubs as u16).collect();
            let mut rotated = order.clone();
            rotated.rotate_left(shift % hubs);
            order.extend(rotated);
            let (place, row) = if second { (1, &order[hubs..]) } else { (0, &order[..hubs]) };
            let span = from.min(hubs)..(from + length).min(hubs);
            let naive = span.clone().filter(|&rank| {
                let hub = usize::from(row[rank]);
                has[hub] && allowed.as_ref().is_none_or(|allowed| allowed[hub])
            });
            let (rows, also) = (Rows::new(&order, hubs, &set), only.as_ref().map(|only| Rows::new(&order, hubs, only)));
            let found = Ranks::new(&rows, also.as_ref(), PlaceIndex::new(place), span.clone());
            prop_assert!(found.eq(naive), "{span:?}");
            let within = set.within(only.as_ref(), None).map(HubIndex::get);
            let but = set.within(None, only.as_ref()).map(HubIndex::get);
            prop_assert!(within.chain(but).count() >= set.within(None, None).count());
            prop_assert!(set.within(None, None).map(HubIndex::get).eq((0..hubs).filter(|&hub| has[hub])));
        }
    }
}
