//! What do we know, and what of it is not on disk yet?
//!
//! Reads are answered from here. What is to be written is a set of names, not a queue of values: it is as long as
//! there are different things to write and no longer, however often each of them changes while the disk is away, and
//! what is written in the end is the newest. One commit takes them all.

use super::record::{FailoverRecord, WishRecord};
use super::sessions::{Kept, RecordBatch, Row, Shelf, Text};
use mcphub_routing::HubId;
use mcphub_session::{Revision, SessionKey, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Failovers kept; the oldest goes first. At one in ten minutes that is ten weeks, and a file of some 5 MB.
pub const FAILOVERS_MAX: usize = 10_000;

/// Hubs about which a wish may stand or wait to be written: far more than one gateway serves. A bound on memory, no
/// limit that anybody should meet.
pub const WISHES_MAX: usize = 100_000;

/// Hubs whose telemetry is kept, at up to 56 KB each. A bound on memory and on the file.
pub const TELEMETRY_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Memory {
    wishes: BTreeMap<HubId, WishRecord>,
    failovers: BTreeMap<u64, FailoverRecord>,
    telemetry: BTreeMap<HubId, Arc<[u8]>>,
    alarms: Option<Arc<[u8]>>,
    trial: Option<Arc<[u8]>>,
    unwritten: BTreeSet<Name>,
    records: Kept,
    /// Changes so far. What is written up to here is what [`Batch::upto`] says.
    changes: u64,
    last_id: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Wish(HubId),
    Failover(u64),
    Telemetry(HubId),
    Alarms,
    Trial,
}

/// What goes to disk in one commit.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// `None`: there is no wish any more.
    pub(super) wishes: Vec<(HubId, Option<WishRecord>)>,
    pub(super) failovers: Vec<FailoverRecord>,
    /// `None`: nothing is kept of it any more.
    pub(super) telemetry: Vec<(HubId, Option<Arc<[u8]>>)>,
    /// `None`: nothing about them has changed.
    pub(super) alarms: Option<Arc<[u8]>>,
    /// `None`: nothing about it has changed; `Some(None)`: there is none any more.
    pub(super) trial: Option<Option<Arc<[u8]>>>,
    pub(super) records: RecordBatch,
    /// When this is on disk, the first so many changes are.
    pub(super) upto: u64,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) wishes: BTreeMap<HubId, WishRecord>,
    pub(super) failovers: BTreeMap<u64, FailoverRecord>,
    pub(super) telemetry: BTreeMap<HubId, Arc<[u8]>>,
    pub(super) alarms: Option<Arc<[u8]>>,
    pub(super) trial: Option<Arc<[u8]>>,
    pub(super) records: BTreeMap<SessionKey, Row>,
}

impl Memory {
    pub(super) fn wishes(&self) -> &BTreeMap<HubId, WishRecord> {
        &self.wishes
    }

    /// Changes so far.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// What has become of sessions.
    pub(super) fn records(&self) -> &Shelf {
        self.records.shelf()
    }

    /// Decides about a write. Tells its revision, and the number of the change.
    pub(super) fn write_record(
        &mut self,
        key: SessionKey,
        of: Revision,
        text: Text,
        now_unix_ms: u64,
    ) -> Result<(Revision, u64), StoreError> {
        let change = self.changes + 1;
        let revision = self.records.write(key, of, text, change, now_unix_ms)?;
        self.changes = change;
        Ok((revision, change))
    }

    /// Forgets those of the next `looks` records that may be forgotten at `now`, in seconds since 1970.
    pub(super) fn sweep_records(&mut self, now: u64, looks: usize, holds_file: bool) -> usize {
        self.records.sweep(now, looks, holds_file)
    }

    pub(super) fn newest(&self, count: usize) -> Vec<FailoverRecord> {
        self.failovers.values().rev().take(count).cloned().collect()
    }

    /// `false`: there is no room.
    pub(super) fn set_wish(&mut self, hub: &HubId, wish: Option<WishRecord>) -> bool {
        let name = Name::Wish(hub.clone());
        let known = self.wishes.contains_key(hub) || self.unwritten.contains(&name);
        if !known && self.wishes.len().max(self.unwritten.len()) >= WISHES_MAX {
            return false;
        }
        match wish {
            Some(wish) => self.wishes.insert(hub.clone(), wish),
            None => self.wishes.remove(hub),
        };
        self.note(name);
        true
    }

    pub(super) fn put_failover(&mut self, record: FailoverRecord) {
        self.last_id = self.last_id.max(record.id);
        self.note(Name::Failover(record.id));
        self.failovers.insert(record.id, record);
        self.shorten();
    }

    pub(super) fn telemetry(&self) -> &BTreeMap<HubId, Arc<[u8]>> {
        &self.telemetry
    }

    /// `false`: there is no room.
    pub(super) fn put_telemetry(&mut self, hub: &HubId, bytes: Option<Arc<[u8]>>) -> bool {
        let full = self.telemetry.len() >= TELEMETRY_MAX && !self.telemetry.contains_key(hub);
        match bytes {
            Some(_) if full => return false,
            Some(bytes) => drop(self.telemetry.insert(hub.clone(), bytes)),
            None => drop(self.telemetry.remove(hub)),
        }
        self.note(Name::Telemetry(hub.clone()));
        true
    }

    pub(super) fn alarms(&self) -> Option<&Arc<[u8]>> {
        self.alarms.as_ref()
    }

    pub(super) fn put_alarms(&mut self, bytes: Arc<[u8]>) {
        self.alarms = Some(bytes);
        self.note(Name::Alarms);
    }

    pub(super) fn trial(&self) -> Option<&Arc<[u8]>> {
        self.trial.as_ref()
    }

    pub(super) fn put_trial(&mut self, bytes: Option<Arc<[u8]>>) {
        self.trial = bytes;
        self.note(Name::Trial);
    }

    /// The clock gives the number, so that two processes of which one cannot see the other's journal yet do not give
    /// the same; the journal gives it where the clock has gone back.
    pub(super) fn next_id(&mut self, now_unix_ms: u64) -> u64 {
        self.last_id = now_unix_ms.max(self.last_id.saturating_add(1));
        self.last_id
    }

    /// What is not on disk, which then counts as being there until [`Self::take_back`]: everything, apart from records
    /// of which there are too many for one commit.
    pub(super) fn take(&mut self) -> Option<Batch> {
        if self.unwritten.is_empty() && !self.records.has_unwritten() {
            return None;
        }
        let (records, all) = self.records.take();
        let taken = records.rows.last().map_or(0, |(change, ..)| *change);
        let upto = if all { self.changes } else { taken };
        let mut batch = Batch { upto, records, ..Batch::default() };
        for name in std::mem::take(&mut self.unwritten) {
            match name {
                Name::Wish(hub) => {
                    let wish = self.wishes.get(&hub).cloned();
                    batch.wishes.push((hub, wish));
                }
                Name::Failover(id) => batch.failovers.extend(self.failovers.get(&id).cloned()),
                Name::Telemetry(hub) => {
                    let bytes = self.telemetry.get(&hub).map(Arc::clone);
                    batch.telemetry.push((hub, bytes));
                }
                Name::Alarms => batch.alarms = self.alarms.as_ref().map(Arc::clone),
                Name::Trial => batch.trial = Some(self.trial.as_ref().map(Arc::clone)),
            }
        }
        Some(batch)
    }

    /// This was not written after all.
    pub(super) fn take_back(&mut self, batch: Batch) {
        self.unwritten.extend(batch.wishes.into_iter().map(|(hub, _)| Name::Wish(hub)));
        let kept = |record: &FailoverRecord| self.failovers.contains_key(&record.id);
        let failovers: Vec<_> = batch.failovers.iter().filter(|record| kept(record)).collect();
        self.unwritten.extend(failovers.into_iter().map(|record| Name::Failover(record.id)));
        self.unwritten.extend(batch.telemetry.into_iter().map(|(hub, _)| Name::Telemetry(hub)));
        self.unwritten.extend(batch.alarms.map(|_| Name::Alarms));
        self.unwritten.extend(batch.trial.map(|_| Name::Trial));
        self.records.take_back(batch.records);
    }

    /// Takes over what a file says, apart from what has been changed here and is not in it yet, and from records.
    pub(super) fn merge(&mut self, contents: Contents) {
        let Contents { mut wishes, mut failovers, mut telemetry, mut alarms, mut trial, .. } = contents;
        for name in &self.unwritten {
            match name {
                Name::Wish(hub) => match self.wishes.remove(hub) {
                    Some(wish) => drop(wishes.insert(hub.clone(), wish)),
                    None => drop(wishes.remove(hub)),
                },
                Name::Failover(id) => failovers.extend(self.failovers.remove(id).map(|record| (*id, record))),
                Name::Telemetry(hub) => match self.telemetry.remove(hub) {
                    Some(bytes) => drop(telemetry.insert(hub.clone(), bytes)),
                    None => drop(telemetry.remove(hub)),
                },
                Name::Alarms => alarms = self.alarms.take(),
                Name::Trial => trial = self.trial.take(),
            }
        }
        (self.wishes, self.failovers, self.telemetry) = (wishes, failovers, telemetry);
        (self.alarms, self.trial) = (alarms, trial);
        self.last_id = self.last_id.max(self.failovers.keys().next_back().copied().unwrap_or(0));
        self.shorten();
    }

    /// Has the file get those of `most` records after `from` that it does not have. Says where to go on.
    pub(super) fn keep_missing(
        &mut self,
        file: &BTreeMap<SessionKey, Row>,
        from: Option<SessionKey>,
        most: usize,
    ) -> Option<SessionKey> {
        let last = self.records.keep_missing(file, from, most);
        // Who waits for everything to be written waits for these.
        self.changes += u64::from(self.records.has_unwritten());
        last
    }

    /// Changes so far, if all of them are on disk already.
    pub(super) fn all_written(&self) -> Option<u64> {
        let written = self.unwritten.is_empty() && !self.records.has_unwritten();
        written.then_some(self.changes)
    }

    /// Takes over what the file says of some sessions, where that wins.
    pub(super) fn merge_records(
        &mut self,
        rows: impl IntoIterator<Item = (SessionKey, Row)>,
        now_unix_ms: u64,
    ) {
        for (key, row) in rows {
            self.changes += 1;
            self.records.merge(key, row, self.changes, now_unix_ms);
        }
    }

    /// The file has gone: everything is to be written again.
    pub(super) fn forget_written(&mut self) {
        self.changes += 1;
        let wishes = self.wishes.keys().cloned().map(Name::Wish);
        self.unwritten.extend(wishes.chain(self.failovers.keys().copied().map(Name::Failover)));
        self.unwritten.extend(self.telemetry.keys().cloned().map(Name::Telemetry));
        self.unwritten.extend(self.alarms.iter().map(|_| Name::Alarms));
        self.unwritten.extend(self.trial.iter().map(|_| Name::Trial));
        self.records.forget_written();
    }

    fn note(&mut self, name: Name) {
        self.changes += 1;
        self.unwritten.insert(name);
    }

    fn shorten(&mut self) {
        while self.failovers.len() > FAILOVERS_MAX
            && let Some((id, _)) = self.failovers.pop_first()
        {
            self.unwritten.remove(&Name::Failover(id));
        }
    }
}
