//! Which records are not in the file yet, and what if the file says otherwise?
//!
//! A file that was not ours for a while may say something else of a session than we do. **Both are never lost, and
//! neither wins by chance:** a tombstone wins over everything; of two living records the one with the later stay wins,
//! since the session has moved on; of two of the same stay, ours if the file does not have it yet, else the file's.
//! What we have and the file has not, it gets. What wins over ours is news to those who watch, and has another revision:
//! who has seen ours loses their next write.

use super::shelf::{Bounds, Entry, Shelf, Text};
use mcphub_session::{Revision, SessionKey, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Records written in one commit, oldest change first. A long outage leaves many to be written; who writes while that
/// is caught up with shall not wait for all of them.
pub(in crate::store) const COMMIT_MAX: usize = 2_000;

/// Bytes written in one commit, at most one record more.
const COMMIT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Removals waiting for the file. Those that find no room come back when it is opened the next time, and are swept
/// again.
const GONE_MAX: usize = 100_000;

/// A record as it stands in the file.
#[derive(Debug, Clone)]
pub(in crate::store) struct Row {
    pub(in crate::store) revision: Revision,
    pub(in crate::store) text: Text,
}

/// What of the records goes into one commit.
#[derive(Debug, Default)]
pub(in crate::store) struct RecordBatch {
    /// Rows to be removed, before the others are put in.
    pub(in crate::store) gone: Vec<SessionKey>,
    /// With the number of the change that each of them is.
    pub(in crate::store) rows: Vec<(u64, SessionKey, Row)>,
}

/// The records of the embedded store.
#[derive(Debug)]
pub(in crate::store) struct Kept {
    shelf: Shelf,
    unwritten: Unwritten,
    gone: BTreeSet<SessionKey>,
    last_revision: u64,
}

/// Whose records are to be written, and in what order: by the number of the first change that the file does not have.
/// A record that changes again keeps its turn, and is then written as it is at that time.
#[derive(Debug, Default)]
struct Unwritten {
    turns: BTreeMap<u64, SessionKey>,
    by_key: BTreeMap<SessionKey, u64>,
}

impl Unwritten {
    /// Gives it a turn no later than this.
    fn note(&mut self, key: SessionKey, change: u64) {
        let turn = self.strike(key).map_or(change, |turn| turn.min(change));
        self.by_key.insert(key, turn);
        self.turns.insert(turn, key);
    }

    fn strike(&mut self, key: SessionKey) -> Option<u64> {
        let turn = self.by_key.remove(&key)?;
        self.turns.remove(&turn);
        Some(turn)
    }

    fn first(&mut self) -> Option<(u64, SessionKey)> {
        let (turn, key) = self.turns.pop_first()?;
        self.by_key.remove(&key);
        Some((turn, key))
    }

    fn has(&self, key: SessionKey) -> bool {
        self.by_key.contains_key(&key)
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            shelf: Shelf::new(Bounds::default()),
            unwritten: Unwritten::default(),
            gone: BTreeSet::new(),
            last_revision: 0,
        }
    }
}

impl Kept {
    pub(in crate::store) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Decides about a write, and notes it as change number `change` if it has won.
    pub(in crate::store) fn write(
        &mut self,
        key: SessionKey,
        of: Revision,
        text: Text,
        change: u64,
        now_unix_ms: u64,
    ) -> Result<Revision, StoreError> {
        self.shelf.may_write(key, of)?;
        self.shelf.has_room(key, &text)?;
        let revision = self.next_revision(now_unix_ms);
        self.shelf.put(key, text, revision, change);
        self.unwritten.note(key, change);
        Ok(revision)
    }

    /// A number that no writing has had. It begins with the clock, so that two processes of which one cannot see the
    /// other's file yet do not give the same; where the clock has gone back, the file has the greatest one.
    fn next_revision(&mut self, now_unix_ms: u64) -> Revision {
        self.last_revision = (now_unix_ms << 20).max(self.last_revision.saturating_add(1));
        Revision(self.last_revision)
    }

    pub(in crate::store) fn has_unwritten(&self) -> bool {
        !self.unwritten.turns.is_empty() || !self.gone.is_empty()
    }

    /// What is to be written next, which then counts as being written until [`Self::take_back`]. `true` beside it if
    /// that is all.
    pub(in crate::store) fn take(&mut self) -> (RecordBatch, bool) {
        let gone = std::mem::take(&mut self.gone).into_iter().collect();
        let mut batch = RecordBatch { gone, rows: Vec::new() };
        let mut bytes = 0;
        while batch.rows.len() < COMMIT_MAX && bytes < COMMIT_BYTES_MAX {
            let Some((turn, key)) = self.unwritten.first() else { return (batch, true) };
            if let Some(Entry { text, revision, .. }) = self.shelf.entry(key) {
                bytes += text.bytes();
                batch.rows.push((turn, key, Row { revision: *revision, text: text.clone() }));
            }
        }
        let all = self.unwritten.turns.is_empty();
        (batch, all)
    }

    /// This was not written after all. Removals are not noted again: the file is read before the next ones.
    pub(in crate::store) fn take_back(&mut self, batch: RecordBatch) {
        for (turn, key, _) in batch.rows {
            if self.shelf.entry(key).is_some() {
                self.unwritten.note(key, turn);
            }
        }
    }

    /// Everything is to be written again.
    pub(in crate::store) fn forget_written(&mut self) {
        let turns = self.shelf.changes();
        let by_key = turns.iter().map(|(turn, key)| (*key, *turn)).collect();
        self.unwritten = Unwritten { turns, by_key };
        self.gone.clear();
    }

    /// Of up to `most` records after `from`, those that the file does not have are to be written. Says where to go on.
    pub(in crate::store) fn keep_missing(
        &mut self,
        file: &BTreeMap<SessionKey, Row>,
        from: Option<SessionKey>,
        most: usize,
    ) -> Option<SessionKey> {
        let from = from.map_or(Bound::Unbounded, Bound::Excluded);
        let mut last = None;
        for (key, entry) in self.shelf.entries_from(from).take(most) {
            last = Some(key);
            if !file.contains_key(&key) {
                self.unwritten.note(key, entry.change);
            }
        }
        last
    }

    /// Takes over what the file says of one session, if it wins; see the module. `change` is its number then.
    pub(in crate::store) fn merge(&mut self, key: SessionKey, theirs: Row, change: u64, now_unix_ms: u64) {
        self.last_revision = self.last_revision.max(theirs.revision.0);
        let Some(ours) = self.shelf.entry(key) else {
            return self.shelf.put(key, theirs.text, theirs.revision, change);
        };
        let same_revision = ours.revision == theirs.revision;
        if same_revision && ours.text.says_the_same(&theirs.text) {
            self.unwritten.strike(key);
        } else if ours_wins(&ours.text, &theirs.text, self.unwritten.has(key)) {
            self.unwritten.note(key, ours.change);
        } else if same_revision {
            // Given by two processes in the same millisecond. Who has seen ours must not take this one for it.
            let revision = self.next_revision(now_unix_ms);
            self.shelf.put(key, theirs.text, revision, change);
            self.unwritten.note(key, change);
        } else {
            self.unwritten.strike(key);
            self.shelf.put(key, theirs.text, theirs.revision, change);
        }
    }

    /// Forgets those of the next `looks` records that may be forgotten.
    pub(in crate::store) fn sweep(&mut self, now: u64, looks: usize, holds_file: bool) -> usize {
        let over = self.shelf.over(now, looks, looks);
        for (key, _) in &over {
            self.shelf.remove(*key);
            self.unwritten.strike(*key);
            if holds_file && self.gone.len() < GONE_MAX {
                self.gone.insert(*key);
            }
        }
        over.len()
    }
}

/// Whether what we know of a session wins over what the file says.
fn ours_wins(ours: &Text, theirs: &Text, is_unwritten: bool) -> bool {
    let (Some(ours), Some(theirs)) = (ours.record(), theirs.record()) else {
        // A later version's record is not ours to replace.
        return theirs.record().is_some();
    };
    match (ours.live(), theirs.live()) {
        (None, None) => !is_unwritten,
        (None, Some(_)) => true,
        (Some(_), None) => false,
        (Some(ours), Some(theirs)) if ours.stay.number == theirs.stay.number => is_unwritten,
        (Some(ours), Some(theirs)) => ours.stay.number > theirs.stay.number,
    }
}

#[cfg(test)]
mod tests;
