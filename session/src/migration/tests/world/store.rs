//! The one store of all gateways, and writings that arrive late or never.

use super::super::*;
use super::{Dice, World, name_of};
use crate::record::Found;

impl World {
    pub(super) fn write(&mut self, expected: Revision, record: &Record) -> Result<Revision, Option<Found>> {
        let present = self.store.as_ref().map_or(Revision::NONE, |found| found.revision);
        if present != expected {
            return Err(self.store.clone());
        }
        Ok(self.put(record))
    }

    pub(super) fn put(&mut self, record: &Record) -> Revision {
        let was_ended = self.store.as_ref().is_some_and(|found| found.record.has_ended());
        assert!(!was_ended || record.has_ended(), "an ended session came back");
        if let Some(live) = record.live() {
            self.won.insert(name_of(&live.stay));
        }
        self.revisions += 1;
        let revision = Revision(self.revisions);
        self.store = Some(Found { record: record.clone(), revision });
        revision
    }

    /// The client changes a setting by way of a gateway that is not looked at.
    pub(super) fn set_level(&mut self) {
        let Some(Found { record, .. }) = &self.store else { return };
        let mut record = record.clone();
        let Life::Live(live) = &mut record.life else { return };
        if !live.subscriptions.remove("x:1") {
            live.subscriptions.insert("x:1").unwrap();
        }
        let _ = self.put(&record);
    }

    pub(super) fn notice(&mut self, pop: usize) {
        if let Some(found) = self.store.clone()
            && self.store_up
        {
            self.tell(pop, Event::Noticed { found });
        }
    }

    /// A writing that nobody waits for arrives after all, or never.
    pub(super) fn float(&mut self, dice: &mut dyn Dice) {
        if self.afloat.is_empty() || !self.store_up {
            return;
        }
        let (pop, action) = self.afloat.remove(dice.below(self.afloat.len()));
        let Action::Write { ticket, expected, record } = action else { unreachable!() };
        let done = self.write(expected, &record);
        // And perhaps its answer.
        if let Ok(revision) = done
            && dice.below(2) == 1
        {
            self.tell(pop, Event::Written { ticket, revision });
        }
    }

    pub(super) fn pay(&mut self, pop: usize) {
        if let Some(record) = self.pops[pop].owed.take() {
            let ended = self.store.as_ref().is_some_and(|found| found.record.has_ended());
            let later =
                self.store.as_ref().and_then(|found| found.record.live()).map_or(0, |live| live.stay.number);
            let left =
                self.store.as_ref().and_then(|found| found.record.live()).map(|live| live.stay.clone());
            if let Some(stay) = left.filter(|_| record.has_ended()) {
                self.delete(&stay);
            }
            if record.has_ended() || !ended && record.live().is_some_and(|live| live.stay.number >= later) {
                let _ = self.put(&record);
            }
        }
    }
}
