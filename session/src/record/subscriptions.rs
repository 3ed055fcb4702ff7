//! What does the client want to hear of? A bounded set of resources.

use std::collections::BTreeSet;

/// Most subscriptions remembered of one session. The official examples and SDK tests have a handful.
pub const SUBSCRIPTIONS_MAX: usize = 512;

/// Longest URI remembered, bytes.
pub const URI_MAX: usize = 2 * 1024;

/// Most bytes of URIs remembered of one session: every change writes them all.
pub const SUBSCRIPTIONS_BYTES_MAX: usize = 64 * 1024;

/// A subscription that cannot be remembered, and so would be lost with its hub, without anybody's noticing. It is
/// refused in words before it reaches the hub: one that was never made is better than one that falls silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// The session has [`SUBSCRIPTIONS_MAX`] already.
    #[error("a session keeps {SUBSCRIPTIONS_MAX} subscriptions at most")]
    TooMany,
    /// The URI is empty or longer than [`URI_MAX`], or together they exceed [`SUBSCRIPTIONS_BYTES_MAX`].
    #[error(
        "the URIs of a session's subscriptions have {URI_MAX} bytes each and {SUBSCRIPTIONS_BYTES_MAX} in all at most"
    )]
    TooLong,
}

/// The resources a client is subscribed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscriptions {
    uris: BTreeSet<Box<str>>,
    bytes: usize,
}

impl Subscriptions {
    /// Whether there is room for this one, or it is there already. To be asked before a `resources/subscribe` goes to
    /// its hub.
    pub fn admit(&self, uri: &str) -> Result<(), NoRoom> {
        if self.uris.contains(uri) {
            return Ok(());
        }
        if self.uris.len() >= SUBSCRIPTIONS_MAX {
            return Err(NoRoom::TooMany);
        }
        let fits = (1..=URI_MAX).contains(&uri.len()) && self.bytes + uri.len() <= SUBSCRIPTIONS_BYTES_MAX;
        if fits { Ok(()) } else { Err(NoRoom::TooLong) }
    }

    /// Adds one that a hub has accepted. `true` if it is new.
    pub fn insert(&mut self, uri: &str) -> Result<bool, NoRoom> {
        self.admit(uri)?;
        let new = self.uris.insert(uri.into());
        if new {
            self.bytes += uri.len();
        }
        Ok(new)
    }

    /// Takes one away. `true` if it was there.
    pub fn remove(&mut self, uri: &str) -> bool {
        let was = self.uris.remove(uri);
        if was {
            self.bytes -= uri.len();
        }
        was
    }

    /// Is this one there?
    #[must_use]
    pub fn contains(&self, uri: &str) -> bool {
        self.uris.contains(uri)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.uris.len()
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.uris.is_empty()
    }

    /// The URIs, in the order of their bytes.
    pub fn iter(&self) -> impl Iterator<Item = &str> + '_ {
        self.uris.iter().map(|uri| &**uri)
    }
}
