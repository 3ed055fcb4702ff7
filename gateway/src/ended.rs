//! Which sessions has their client ended?
//!
//! A sealed id stays authentic for as long as its key; what ended it must be remembered. This memory is that of one
//! process: bounded, and gone with a restart, after which it is up to the hub to say that it does not know the session.

use mcphub_session::SessionKey;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{PoisonError, RwLock};

/// Sessions remembered. The oldest is forgotten first; at ten endings a second that is after nearly three hours, when
/// hubs have long forgotten it too.
const REMEMBERED: usize = 100_000;

/// The sessions that were ended here.
#[derive(Debug, Default)]
pub struct Ended(RwLock<Memory>);

#[derive(Debug, Default)]
struct Memory {
    keys: BTreeSet<SessionKey>,
    order: VecDeque<SessionKey>,
}

impl Ended {
    /// Remembers that this session is over.
    pub fn insert(&self, session: SessionKey) {
        let mut memory = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if memory.keys.insert(session) {
            memory.order.push_back(session);
        }
        if memory.order.len() > REMEMBERED
            && let Some(oldest) = memory.order.pop_front()
        {
            memory.keys.remove(&oldest);
        }
    }

    /// Whether it is.
    #[must_use]
    pub fn contains(&self, session: &SessionKey) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys.contains(session)
    }
}
