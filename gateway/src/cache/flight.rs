//! Is somebody asking this already?
//!
//! One request goes ahead to a hub, the others that ask the same wait for what it brings. It is an ordinary request of an
//! ordinary client: if that client leaves, the next in line goes ahead.

use super::entry::Entry;
use super::key::Key;
use std::collections::HashMap;
use std::collections::hash_map;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What came of going ahead.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// An answer that lies under this key.
    Kept(Key, Arc<Entry>),
    /// An answer that is for nobody else.
    Apart,
    /// No hub could answer.
    Failed,
    /// The client left first.
    Left,
}

type News = watch::Receiver<Option<Outcome>>;

/// Who is under way. There are never more than there are requests.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<Key, News>>);

/// What a request does.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It goes ahead.
    Lead(Lead),
    /// It waits for the one that has gone.
    Wait(Waiting),
}

/// A request that has gone ahead. Dropped without a word, it has left.
#[derive(Debug)]
pub(crate) struct Lead {
    flights: Arc<Flights>,
    key: Key,
    news: watch::Sender<Option<Outcome>>,
}

/// A request that waits.
#[derive(Debug)]
pub(crate) struct Waiting(News);

impl Flights {
    fn open(&self) -> MutexGuard<'_, HashMap<Key, News>> {
        // Nothing is left half-changed by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes ahead if nobody has. Look again into the store then: the one before may have come back just now.
    pub(crate) fn join(flights: &Arc<Self>, key: Key) -> Turn {
        match flights.open().entry(key) {
            hash_map::Entry::Occupied(under_way) => Turn::Wait(Waiting(under_way.get().clone())),
            hash_map::Entry::Vacant(place) => {
                let (news, receiver) = watch::channel(None);
                place.insert(receiver);
                Turn::Lead(Lead { flights: Arc::clone(flights), key, news })
            }
        }
    }
}

impl Lead {
    /// Tells those who wait.
    pub(crate) fn land(self, outcome: Outcome) {
        self.tell(outcome);
    }

    fn tell(&self, outcome: Outcome) {
        self.flights.open().remove(&self.key);
        self.news.send_replace(Some(outcome));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if self.news.borrow().is_none() {
            self.tell(Outcome::Left);
        }
    }
}

impl Waiting {
    /// What came of it. Cancel-safe.
    pub(crate) async fn outcome(&mut self) -> Outcome {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Outcome::Left),
            Err(_) => Outcome::Left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::tests::keys;

    fn flights() -> (Arc<Flights>, Key) {
        (Arc::default(), keys(None).shared)
    }

    fn lead(flights: &Arc<Flights>, key: Key) -> Lead {
        match Flights::join(flights, key) {
            Turn::Lead(lead) => lead,
            Turn::Wait(_) => panic!("somebody is under way"),
        }
    }

    fn wait(flights: &Arc<Flights>, key: Key) -> Waiting {
        match Flights::join(flights, key) {
            Turn::Wait(waiting) => waiting,
            Turn::Lead(_) => panic!("nobody is under way"),
        }
    }

    #[tokio::test]
    async fn one_goes_and_the_others_wait_for_it() {
        let (flights, key) = flights();
        let first = lead(&flights, key);
        let mut waiting: Vec<_> = (0..3).map(|_| wait(&flights, key)).collect();
        let other = keys(Some("Bearer a")).shared;
        drop(lead(&flights, other));
        first.land(Outcome::Apart);
        for waiting in &mut waiting {
            assert!(matches!(waiting.outcome().await, Outcome::Apart));
        }
        assert!(flights.open().is_empty());
        drop(lead(&flights, key));
    }

    #[tokio::test]
    async fn who_leaves_is_followed_by_the_next() {
        let (flights, key) = flights();
        let first = lead(&flights, key);
        let (mut second, mut third) = (wait(&flights, key), wait(&flights, key));
        drop(first);
        assert!(matches!(second.outcome().await, Outcome::Left));
        let next = lead(&flights, key);
        assert!(matches!(third.outcome().await, Outcome::Left));
        let mut third = wait(&flights, key);
        next.land(Outcome::Failed);
        assert!(matches!(third.outcome().await, Outcome::Failed));
        assert!(flights.open().is_empty());
    }
}
