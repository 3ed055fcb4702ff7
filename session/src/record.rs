//! *What has become of a session since its id was handed out?*
//!
//! The token says how a session began; it cannot be changed any more. What changes is kept beside it, in a store,
//! under the session's short name: the hub the session lives on now, its log level, its subscriptions, and that it has
//! ended. A session of which nothing has changed has no record, and needs none.
//!
//! Owns: what a record holds, the bounds on every field, its bytes and their version. Does not know: where records are
//! kept, or who else writes them. A record is changed by compare-and-set: whoever writes says which [`Revision`] the
//! change was made of, and loses if there is a newer one.
//!
//! A record never holds a credential, only the fingerprint of the caller that the token holds as well.

use std::fmt;

use mcphub_routing::{HubId, ResidencyId};

use crate::principal::Fingerprint;
use crate::upstream::UpstreamIdBuf;

mod level;
mod offer;
mod subscriptions;
mod wire;

pub use level::LogLevel;
pub use offer::{CAPABILITIES_MAX, CAPABILITY_MAX, Capabilities, Catalogue, ListDigest, Offer};
pub use subscriptions::{NoRoom, SUBSCRIPTIONS_BYTES_MAX, SUBSCRIPTIONS_MAX, Subscriptions, URI_MAX};
pub use wire::{RECORD_MAX, RecordError, SCHEMA};

/// Longest protocol version in a record, bytes. Versions are dates, 10 characters.
pub const VERSION_MAX: usize = 32;

/// Longest name of a place in a record, bytes: as in a token.
pub const PLACE_MAX: usize = 64;

/// Largest `initialize` parameters kept in a record, bytes. What is larger than [`crate::INIT_PARAMS_MAX`] and at most
/// this goes to the record and makes the session depend on it for the day it must move; a session whose parameters
/// are larger still works, and cannot move.
pub const INIT_STORED_MAX: usize = 64 * 1024;

/// Which writing of a record this is. The store gives the number; only equality means anything, and it is not part of
/// the record's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Revision(pub u64);

impl Revision {
    /// There is no record yet: the revision to compare with when the first one is written.
    pub const NONE: Self = Self(0);
}

/// A record as it was found in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it says.
    pub record: Record,
    /// Which writing of it this is; never [`Revision::NONE`].
    pub revision: Revision,
}

/// What has become of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The caller that the session's token was sealed for, as the token has it. A record under the name of a session
    /// of another caller is not that session's.
    pub caller: Fingerprint,
    /// When the token is too old to be opened, in seconds since 1970: until then a record must not be forgotten, and
    /// afterwards it may. A tombstone that went sooner would let an ended session come back.
    pub expires_at: u64,
    /// Whether it lives, and how.
    pub life: Life,
}

/// Whether a session lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// It does.
    Live(Box<Live>),
    /// It has ended and never comes back: a tombstone, kept until the token would be too old anyway.
    Ended {
        /// When, in seconds since 1970.
        at: u64,
        /// What ended it.
        why: Ended,
    },
}

/// What ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Its client, by DELETE.
    ByClient,
    /// Its hub, which is alive and has forgotten it.
    Expired,
    /// It was idle for too long.
    Idle,
    /// An operator.
    ByOperator,
}

impl Ended {
    /// A word for logs, metrics and the record itself.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ByClient => "client",
            Self::Expired => "expired",
            Self::Idle => "idle",
            Self::ByOperator => "operator",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::ByClient, Self::Expired, Self::Idle, Self::ByOperator]
            .into_iter()
            .find(|ended| ended.as_str() == word)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A living session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Where it lives now.
    pub stay: Stay,
    /// The protocol version that client and hubs agreed on, such as `2025-11-25`; at most [`VERSION_MAX`] bytes.
    pub version: Box<str>,
    /// Where the client was at placement, as in the token; at most [`PLACE_MAX`] bytes, empty for nowhere known.
    pub place: Box<str>,
    /// The residency that was sealed into the token: it holds for every move.
    pub residency: Option<ResidencyId>,
    /// The last log level the client set, if it did.
    pub level: Option<LogLevel>,
    /// What the client is subscribed to.
    pub subscriptions: Subscriptions,
    /// What the client was last offered, as far as it is known.
    pub offer: Offer,
    /// The `params` of the client's `initialize`, where they are too large for the token; at most [`INIT_STORED_MAX`]
    /// bytes of JSON.
    pub init: Option<Box<str>>,
    /// When it was last used, in seconds since 1970. Coarse: whoever writes a record brings it up to date, and nobody
    /// writes for its sake alone more than once in a while.
    pub last_used: u64,
}

/// One stretch of a session's life: the hub it lives on and what that hub calls it. The token's own hub is stay 0, and
/// every move begins another.
///
/// The number is told to clients and hubs, inside ids of events and requests, so that what comes late is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// Which stay this is: 0 in the token, one more with each move.
    pub number: u32,
    /// The hub.
    pub hub: HubId,
    /// The hub's own id for the session.
    pub upstream: UpstreamIdBuf,
}

impl Record {
    /// The living session, unless it has ended.
    #[must_use]
    pub fn live(&self) -> Option<&Live> {
        match &self.life {
            Life::Live(live) => Some(live),
            Life::Ended { .. } => None,
        }
    }

    /// Has it ended?
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.life, Life::Ended { .. })
    }

    /// The tombstone that takes this record's place.
    #[must_use]
    pub fn ended(&self, at: u64, why: Ended) -> Self {
        Self { life: Life::Ended { at, why }, ..self.clone() }
    }

    /// Whether this record may be forgotten: nobody can open the session's token any more.
    #[must_use]
    pub fn is_over(&self, now: u64) -> bool {
        now > self.expires_at
    }
}

#[cfg(test)]
mod tests;
