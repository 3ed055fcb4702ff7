//! *Where are records kept, and who wins when two want to change one?*
//!
//! A [`SessionStore`] keeps the [`Record`] of each session of which something has changed, for all gateways that share
//! it. Reads are answered from what this process knows, and cost no wait that matters; a write is decided in one place
//! by compare-and-set, so that of any number of writers who have seen the same revision exactly one wins.
//!
//! What a caller may count on:
//!
//! - **A write that returned its revision has won.** It outlives this process as long as the store is
//!   [`StoreCondition::Ready`]; while it is `Degraded`, it may not.
//! - **A tombstone is final.** No write replaces one, whatever revision it names, until the token is too old anyway.
//! - **What is read may be old** ([`SessionStore::get`]), by as much as a change takes to travel between gateways. It
//!   was true, though, and a write made of it loses where it no longer is. Who must know now asks
//!   [`SessionStore::latest`].
//! - **Nobody waits for long.** Each call ends within the store's own deadline, about a second, and at once when the
//!   store is known to be out of reach.
//!
//! While the store cannot be reached, records that are known here can still be read. A session without a record lives
//! where its token says, and goes on. Whoever needs a write has a choice: to refuse what the write was for, which is
//! always safe, or, where this gateway is the only one, to go ahead without. After
//! [`StoreError::Unreachable`] with `may_be_written`, the outcome shows in the next [`SessionStore::latest`], or in the
//! [`StoreError::Conflict`] of the next attempt: a caller knows its own record by the hub's session id in it.
//!
//! This module owns the promise. It does not know how it is kept, and needs no particular runtime.

use std::future::Future;

use crate::principal::Fingerprint;
use crate::record::{Ended, Found, Life, Record, RecordError, Revision};
use crate::token::SessionKey;

/// How often [`SessionStore::end`] tries again when somebody else was faster. Each time, somebody else has succeeded.
const END_TRIES: usize = 16;

/// How a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreCondition {
    /// What is written is kept.
    Ready,
    /// It works, but what is written may not be kept, or what is known here may be old.
    Degraded {
        /// What is wrong, for operators; never a secret.
        why: String,
    },
    /// Nothing can be written. What is known here can be read.
    Unreachable {
        /// What is wrong, for operators; never a secret.
        why: String,
    },
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The record is not, or no longer, the one that the write was made of; or it is a tombstone.
    #[error("the record of the session has been changed meanwhile")]
    Conflict {
        /// The record that is there; `None` if there is none.
        found: Option<Found>,
    },
    /// The store cannot be reached, or did not answer in time.
    #[error("the session store cannot be reached: {why}")]
    Unreachable {
        /// What is wrong, for operators; never a secret.
        why: String,
        /// Whether a write may have happened, or may still happen, all the same.
        may_be_written: bool,
    },
    /// The store takes no record of this size.
    #[error("a record of {bytes} bytes is too large for the session store, which takes {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What is taken.
        max: usize,
    },
    /// The store has no room for another record.
    #[error("the session store is full: {what}")]
    Full {
        /// Which bound has been reached.
        what: String,
    },
    /// A record that cannot be written down, or one that is there and cannot be read, such as a later version's.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl StoreError {
    /// Out of reach, and certainly nothing was written.
    pub fn unreachable(why: impl Into<String>) -> Self {
        Self::Unreachable { why: why.into(), may_be_written: false }
    }
}

/// What a [`SessionStore`] tells those who watch it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Everything that is known is told from here on. What was told before counts no longer, unless it is told again
    /// before [`Change::Complete`].
    Begin,
    /// One record, as it is now.
    Record {
        /// Whose.
        key: SessionKey,
        /// What it says.
        found: Found,
    },
    /// That was all there is; what follows is news.
    Complete,
}

/// A view of what changes in a store.
///
/// It begins with [`Change::Begin`], every record, and [`Change::Complete`]. Then it tells what changes, by whomever.
/// Of one session, later writings follow earlier ones, and the last one always comes; writings in between may be passed
/// over. So nothing queues up for a slow watcher, and none can lag so far behind that it misses something: whatever has
/// changed since it last looked is told, once. Where the store itself has lost the thread (it had to be read anew), it
/// begins again with [`Change::Begin`].
///
/// That a record was forgotten is not told: it happens after `expires_at` only, by when the watcher may forget it too.
pub trait Changes: Send {
    /// Waits for the next one. Nothing is lost when the wait is given up.
    fn next(&mut self) -> impl Future<Output = Change> + Send;
}

/// What a tombstone says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The caller that the session's token was sealed for.
    pub caller: Fingerprint,
    /// When the token is too old to be opened, in seconds since 1970.
    pub expires_at: u64,
    /// When it ended, in seconds since 1970.
    pub at: u64,
    /// What ended it.
    pub why: Ended,
}

impl From<Ending> for Record {
    fn from(ending: Ending) -> Self {
        let Ending { caller, expires_at, at, why } = ending;
        Self { caller, expires_at, life: Life::Ended { at, why } }
    }
}

/// Keeps session records. See the module for what it promises.
pub trait SessionStore: Send + Sync {
    /// A view of what changes.
    type Changes: Changes;

    /// The record of a session as far as it is known here; `None` where nothing has changed since its token was
    /// sealed.
    fn get(&self, key: SessionKey) -> impl Future<Output = Result<Option<Found>, StoreError>> + Send;

    /// The record as the store itself has it now. Ask before a session is called lost or over.
    fn latest(&self, key: SessionKey) -> impl Future<Output = Result<Option<Found>, StoreError>> + Send;

    /// Writes a record in place of revision `of`; [`Revision::NONE`] where there must be none yet. Tells the new
    /// revision.
    fn write(
        &self,
        key: SessionKey,
        of: Revision,
        record: &Record,
    ) -> impl Future<Output = Result<Revision, StoreError>> + Send;

    /// Ends a session, whatever its record says now. One that has ended stays as it is, and that counts as done.
    fn end(
        &self,
        key: SessionKey,
        ending: Ending,
    ) -> impl Future<Output = Result<Revision, StoreError>> + Send {
        async move {
            let tombstone = Record::from(ending);
            let mut found = self.get(key).await?;
            for _ in 0..END_TRIES {
                let of = match found {
                    Some(Found { record, revision }) if record.has_ended() => return Ok(revision),
                    Some(Found { revision, .. }) => revision,
                    None => Revision::NONE,
                };
                match self.write(key, of, &tombstone).await {
                    Err(StoreError::Conflict { found: now }) => found = now,
                    written => return written,
                }
            }
            Err(StoreError::unreachable("the record is changed faster than it can be ended"))
        }
    }

    /// A view of what changes, from everything there is now on.
    fn watch(&self) -> Self::Changes;

    /// How it is.
    fn condition(&self) -> StoreCondition;

    /// Forgets some of the records that may be forgotten at `now` (seconds since 1970), and tells how many. To be
    /// called now and then, and again soon while it tells more than 0. One that is written meanwhile stays.
    fn sweep(&self, now: u64) -> impl Future<Output = Result<usize, StoreError>> + Send;
}
