//! Where answers lie, within their bytes.
//!
//! `quick_cache` decides what goes when it is full: what was asked for once goes before what is asked for often, so a
//! client that asks for a thousand things does not push out what all the others want.

use super::entry::Entry;
use super::key::Key;
use crate::observe::cache::CacheMetrics;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use std::sync::Arc;
use std::time::Duration;

/// Bytes that an entry takes besides its result: its key and times, its place in the table and in what remembers keys
/// that have gone. 185 were measured at 50,000 entries; the rest is for allocations rounded up.
const ENTRY_BYTES: u64 = 384;

/// Bytes of one part of the store, which is locked by itself: enough for sixteen of the largest results.
const PART_BYTES: usize = 4 << 20;
/// Most parts. More than cores that one gateway is likely to have.
const PARTS_MAX: usize = 64;
/// A usual list of tools, bytes; from it the number of entries is guessed, which sizes what remembers keys that have gone.
const USUAL_BYTES: usize = 8 << 10;

/// What lies under a key.
#[derive(Clone, Debug)]
pub(crate) enum Slot {
    /// An answer.
    Answer(Arc<Entry>),
    /// That answers to this are not for others, for a while.
    Apart {
        /// A moment of [`crate::clock::since_start`].
        until: Duration,
    },
}

/// The store.
#[derive(Debug)]
pub(crate) struct Store(Cache<Key, Slot, Weight, DefaultHashBuilder, Counted>);

#[derive(Clone, Debug)]
struct Weight;

impl Weighter<Key, Slot> for Weight {
    fn weight(&self, _: &Key, slot: &Slot) -> u64 {
        match slot {
            Slot::Answer(entry) => ENTRY_BYTES + entry.size() as u64,
            Slot::Apart { .. } => ENTRY_BYTES,
        }
    }
}

#[derive(Clone, Debug)]
struct Counted(CacheMetrics);

impl Lifecycle<Key, Slot> for Counted {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Key, _: Slot) {
        self.0.evicted.inc();
    }
}

impl Store {
    /// One that holds `size` bytes at most.
    pub(crate) fn new(size: usize, metrics: CacheMetrics) -> Self {
        let options = OptionsBuilder::new()
            .shards((size / PART_BYTES).clamp(1, PARTS_MAX))
            .estimated_items_capacity((size / USUAL_BYTES).max(64))
            .weight_capacity(size as u64)
            .build()
            .expect("both capacities are given");
        Self(Cache::with_options(options, Weight, DefaultHashBuilder::default(), Counted(metrics)))
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Slot> {
        self.0.get(key)
    }

    pub(crate) fn put(&self, key: Key, slot: Slot) {
        self.0.insert(key, slot);
    }

    /// Removes what lies under a key, if it still is this entry.
    pub(crate) fn forget(&self, key: &Key, entry: &Arc<Entry>) {
        self.0.remove_if(key, |slot| matches!(slot, Slot::Answer(there) if Arc::ptr_eq(there, entry)));
    }

    /// Bytes and number of what is kept.
    pub(crate) fn held(&self) -> (u64, usize) {
        (self.0.weight(), self.0.len())
    }
}
