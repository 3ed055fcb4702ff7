//! Which records are known here, in what order did they change, and is there room for more?
//!
//! A shelf knows no file and no server. Both stores keep one: the embedded store decides on it who wins, for the store
//! on NATS it is the mirror that reads are answered from.
//!
//! Each record has the number of its last change, and stands in the list of changes once, under that number. Whoever
//! watches remembers how far down the list they have read: nothing queues up for them, and of a record that changes
//! often they meet the last writing only.

use mcphub_session::record::RecordError;
use mcphub_session::{Change, Found, Record, Revision, SessionKey, StoreError};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Records known at a time, as many as sessions are followed. Tombstones may have all of them, living records seven
/// eighths: that a session has ended matters more than where it lives, and an end that finds no room would be no end.
pub const RECORDS_MAX: usize = 1_000_000;

/// Bytes of records known at a time, as they are written down: a million usual ones (400 bytes) take 400 MB, and one
/// may have a megabyte. In memory they take about twice as much.
pub const RECORDS_BYTES_MAX: usize = 512 * 1024 * 1024;

/// What one record may cost beside its own bytes: its name, its numbers, its places in two lists.
const OVERHEAD: usize = 128;

#[derive(Debug)]
pub(in crate::store) struct Shelf {
    entries: BTreeMap<SessionKey, Entry>,
    /// Whose last change has which number.
    order: BTreeMap<u64, SessionKey>,
    bytes: usize,
    max: Bounds,
    /// How often everything has been read anew.
    era: u64,
    /// Whether all there is has been read in this era.
    complete: bool,
    /// Where the next sweep begins.
    broom: Option<SessionKey>,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Bounds {
    pub(in crate::store) records: usize,
    pub(in crate::store) bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { records: RECORDS_MAX, bytes: RECORDS_BYTES_MAX }
    }
}

/// One record, as it stands on the shelf.
#[derive(Debug, Clone)]
pub(in crate::store) struct Entry {
    pub(in crate::store) text: Text,
    pub(in crate::store) revision: Revision,
    /// The number of its last change.
    pub(in crate::store) change: u64,
    /// When it was last known to be there.
    era: u64,
}

/// What a record says, where that can be read.
#[derive(Debug, Clone)]
pub(in crate::store) enum Text {
    Record {
        record: Arc<Record>,
        bytes: usize,
    },
    /// Most likely a later version's. It is left as it is: what is not understood would be lost in writing it again.
    Unread {
        bytes: Arc<[u8]>,
        expires_at: Option<u64>,
    },
}

impl Text {
    /// Reads what a store has given back.
    pub(in crate::store) fn read(bytes: &[u8]) -> Self {
        match Record::from_bytes(bytes) {
            Ok(record) => Self::Record { record: Arc::new(record), bytes: bytes.len() },
            Err(_) => {
                // Every version says when a record may be forgotten, or it stays for good.
                let fields = serde_json::from_slice::<serde_json::Value>(bytes).ok();
                let expires_at = fields.and_then(|fields| fields.get("expires_at")?.as_u64());
                Self::Unread { bytes: bytes.into(), expires_at }
            }
        }
    }

    /// A record that is to be kept, once it is clear that it can be written down.
    pub(in crate::store) fn of(record: &Record) -> Result<Self, RecordError> {
        let bytes = record.to_bytes()?.len();
        Ok(Self::Record { record: Arc::new(record.clone()), bytes })
    }

    /// What a store is given to keep.
    pub(in crate::store) fn to_bytes(&self) -> Result<Cow<'_, [u8]>, RecordError> {
        match self {
            Self::Record { record, .. } => record.to_bytes().map(Cow::Owned),
            Self::Unread { bytes, .. } => Ok(Cow::Borrowed(bytes)),
        }
    }

    pub(in crate::store) fn record(&self) -> Option<&Arc<Record>> {
        match self {
            Self::Record { record, .. } => Some(record),
            Self::Unread { .. } => None,
        }
    }

    fn has_ended(&self) -> bool {
        self.record().is_some_and(|record| record.has_ended())
    }

    pub(in crate::store) fn says_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Record { record, .. }, Self::Record { record: other, .. }) => record == other,
            (Self::Unread { bytes, .. }, Self::Unread { bytes: other, .. }) => bytes == other,
            _ => false,
        }
    }

    fn is_over(&self, now: u64) -> bool {
        match self {
            Self::Record { record, .. } => record.is_over(now),
            Self::Unread { expires_at, .. } => expires_at.is_some_and(|at| now > at),
        }
    }

    /// How many it is written down in.
    pub(in crate::store) fn bytes(&self) -> usize {
        match self {
            Self::Record { bytes, .. } => *bytes,
            Self::Unread { bytes, .. } => bytes.len(),
        }
    }
}

impl Entry {
    /// One that stands on no shelf.
    pub(in crate::store) fn new(text: Text, revision: Revision) -> Self {
        Self { text, revision, change: 0, era: 0 }
    }

    /// What those who asked for it are told.
    pub(in crate::store) fn found(&self) -> Result<Found, StoreError> {
        match &self.text {
            Text::Record { record, .. } => {
                Ok(Found { record: Record::clone(record), revision: self.revision })
            }
            Text::Unread { bytes, .. } => match Record::from_bytes(bytes) {
                Ok(record) => Ok(Found { record, revision: self.revision }),
                Err(error) => Err(error.into()),
            },
        }
    }
}

/// How far somebody has read.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::store) struct Bookmark {
    era: Option<u64>,
    change: u64,
    told_complete: bool,
}

impl Shelf {
    /// An empty one that is all there is.
    pub(in crate::store) fn new(max: Bounds) -> Self {
        let (entries, order) = (BTreeMap::new(), BTreeMap::new());
        Self { entries, order, bytes: 0, max, era: 0, complete: true, broom: None }
    }

    pub(in crate::store) fn entry(&self, key: SessionKey) -> Option<&Entry> {
        self.entries.get(&key)
    }

    pub(in crate::store) fn entries_from(
        &self,
        from: Bound<SessionKey>,
    ) -> impl Iterator<Item = (SessionKey, &Entry)> {
        self.entries.range((from, Bound::Unbounded)).map(|(key, entry)| (*key, entry))
    }

    /// Every record by the number of its last change.
    pub(in crate::store) fn changes(&self) -> BTreeMap<u64, SessionKey> {
        self.order.clone()
    }

    pub(in crate::store) fn get(&self, key: SessionKey) -> Result<Option<Found>, StoreError> {
        self.entry(key).map(Entry::found).transpose()
    }

    /// Whether a record may be written in place of revision `of`.
    pub(in crate::store) fn may_write(&self, key: SessionKey, of: Revision) -> Result<(), StoreError> {
        let found = self.get(key)?;
        let stands = found.as_ref().map_or(Revision::NONE, |found| found.revision);
        if stands == of && !found.as_ref().is_some_and(|found| found.record.has_ended()) {
            Ok(())
        } else {
            Err(StoreError::Conflict { found })
        }
    }

    /// Whether there is room for this in place of what stands there.
    pub(in crate::store) fn has_room(&self, key: SessionKey, text: &Text) -> Result<(), StoreError> {
        let old = self.entry(key).map_or(0, |entry| entry.text.bytes() + OVERHEAD);
        let (records, bytes) = if text.has_ended() {
            (self.max.records, self.max.bytes)
        } else {
            (self.max.records / 8 * 7, self.max.bytes / 8 * 7)
        };
        let full = |what: String| Err(StoreError::Full { what });
        let new = text.bytes() + OVERHEAD;
        if old == 0 && self.entries.len() >= records {
            return full(format!("it holds {} records of at most {records}", self.entries.len()));
        }
        if new > old && self.bytes - old + new > bytes {
            return full(format!("its records have {} bytes of at most {bytes}", self.bytes));
        }
        Ok(())
    }

    /// Puts a record there, as change number `change`, which must be greater than any before.
    pub(in crate::store) fn put(&mut self, key: SessionKey, text: Text, revision: Revision, change: u64) {
        self.bytes += text.bytes() + OVERHEAD;
        let entry = Entry { text, revision, change, era: self.era };
        if let Some(old) = self.entries.insert(key, entry) {
            self.bytes -= old.text.bytes() + OVERHEAD;
            self.order.remove(&old.change);
        }
        self.order.insert(change, key);
    }

    pub(in crate::store) fn remove(&mut self, key: SessionKey) -> Option<Entry> {
        let entry = self.entries.remove(&key)?;
        self.order.remove(&entry.change);
        self.bytes -= entry.text.bytes() + OVERHEAD;
        Some(entry)
    }

    /// Looks at the next `looks` records and names `most` of those that may be forgotten; the next sweep goes on there.
    pub(in crate::store) fn over(
        &mut self,
        now: u64,
        looks: usize,
        most: usize,
    ) -> Vec<(SessionKey, Revision)> {
        let from = self.broom.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.entries.range((from, Bound::Unbounded)).take(looks).peekable();
        let mut over = Vec::new();
        let mut last = None;
        while let (Some((key, entry)), true) = (rest.peek(), over.len() < most) {
            last = Some(**key);
            if entry.text.is_over(now) {
                over.push((**key, entry.revision));
            }
            rest.next();
        }
        let is_end = |last| self.entries.range((Bound::Excluded(last), Bound::Unbounded)).next().is_none();
        self.broom = last.filter(|last| !is_end(*last));
        over
    }

    /// Everything is going to be read anew. Says how that is called; until [`Self::finish`], not all that there is may
    /// be here, and what is here may be gone.
    pub(in crate::store) fn begin(&mut self) -> u64 {
        self.era += 1;
        self.complete = false;
        self.era
    }

    /// Everything has been read: what was not seen again is gone.
    pub(in crate::store) fn finish(&mut self) {
        self.complete = true;
        let gone: Vec<_> =
            self.entries.iter().filter(|(_, entry)| !self.is_confirmed(entry)).map(|(key, _)| *key).collect();
        for key in gone {
            self.remove(key);
        }
    }

    pub(in crate::store) fn era(&self) -> u64 {
        self.era
    }

    pub(in crate::store) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(in crate::store) fn len(&self) -> usize {
        self.entries.len()
    }

    /// It was seen again, as it is here.
    pub(in crate::store) fn confirm(&mut self, key: SessionKey) {
        let era = self.era;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.era = era;
        }
    }

    pub(in crate::store) fn is_confirmed(&self, entry: &Entry) -> bool {
        entry.era == self.era
    }

    /// What to tell somebody who has read so far; `None` where there is no news.
    pub(in crate::store) fn next(&self, mark: &mut Bookmark) -> Option<Change> {
        if mark.era != Some(self.era) {
            *mark = Bookmark { era: Some(self.era), change: 0, told_complete: false };
            return Some(Change::Begin);
        }
        for (change, key) in self.order.range((Bound::Excluded(mark.change), Bound::Unbounded)) {
            mark.change = *change;
            // What this version cannot read, nobody here can act on.
            if let Some(Ok(found)) = self.entry(*key).map(Entry::found) {
                return Some(Change::Record { key: *key, found });
            }
        }
        if self.complete && !mark.told_complete {
            mark.told_complete = true;
            return Some(Change::Complete);
        }
        None
    }
}
