//! How does a new snapshot reach every request at once?
//!
//! One [`Publisher`], many [`Reader`]s, one pointer between them. This is the only file that names the pointer's type:
//! whoever needs another swapped snapshot (the gateway's runtime, a geographic database) makes a [`channel`] of it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::Generation;

/// A snapshot that knows its generation, so that a plan drawn from an older one can be refused.
pub trait Generational {
    /// The number of this snapshot; greater in each later one.
    fn generation(&self) -> Generation;
}

/// A plan came too late, or led backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the plan was drawn from generation {seen} and makes {next}, but {current} is published")]
pub struct Stale {
    /// The generation the plan was drawn from.
    pub seen: Generation,
    /// The generation it would publish.
    pub next: Generation,
    /// The generation that is published.
    pub current: Generation,
}

/// Makes the one writing end and the first reading end of a snapshot.
pub fn channel<T>(initial: T) -> (Publisher<T>, Reader<T>) {
    let slot = Arc::new(ArcSwap::from_pointee(initial));
    (Publisher { slot: Arc::clone(&slot), retired: Vec::new() }, Reader { slot })
}

/// Old snapshots kept for those who still hold them. Whoever holds an older one frees it: requests that live through so
/// many publications are few.
const RETIRED_MAX: usize = 16;

/// The one writing end. It cannot be cloned and publishes through `&mut`, so that there is one writer at a time.
pub struct Publisher<T> {
    slot: Arc<ArcSwap<T>>,
    /// Readers would be the last to hold them. Freeing a table of thousands of hubs takes long, and may wait for the kernel: the
    /// publisher has time for that, and a request has not.
    retired: Vec<Arc<T>>,
}

impl<T> Publisher<T> {
    /// Swaps in the next snapshot. Whoever holds the old one keeps it until done.
    pub fn publish(&mut self, next: T) {
        self.retired.push(self.slot.swap(Arc::new(next)));
        self.retired.retain(|old| Arc::strong_count(old) > 1);
        if self.retired.len() > RETIRED_MAX {
            self.retired.remove(0);
        }
    }

    /// What is published now.
    pub fn current(&self) -> Arc<T> {
        self.slot.load_full()
    }

    /// One more reading end.
    pub fn reader(&self) -> Reader<T> {
        Reader { slot: Arc::clone(&self.slot) }
    }
}

impl<T: Generational> Publisher<T> {
    /// Swaps in `next` if it was drawn from the snapshot that is still published.
    ///
    /// # Errors
    /// [`Stale`] when another snapshot was published since `seen`, or when `next` is not newer; nothing changes then.
    pub fn publish_after(&mut self, seen: Generation, next: T) -> Result<(), Stale> {
        let current = self.slot.load().generation();
        if seen != current || next.generation() <= current {
            return Err(Stale { seen, next: next.generation(), current });
        }
        self.publish(next);
        Ok(())
    }
}

impl<T> fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

/// A reading end. Cheap to clone; loading never waits for the writer.
pub struct Reader<T> {
    slot: Arc<ArcSwap<T>>,
}

impl<T> Reader<T> {
    /// The snapshot of this moment, for the length of a short, non-waiting piece of work. Do not hold a guard across
    /// an await: take [`Reader::load_full`] there.
    pub fn load(&self) -> Guard<T> {
        Guard(self.slot.load())
    }

    /// The snapshot of this moment, to keep for as long as a request lives.
    pub fn load_full(&self) -> Arc<T> {
        self.slot.load_full()
    }
}

impl<T> Clone for Reader<T> {
    fn clone(&self) -> Self {
        Self { slot: Arc::clone(&self.slot) }
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// A borrowed snapshot; see [`Reader::load`].
pub struct Guard<T>(arc_swap::Guard<Arc<T>>);

impl<T> Deref for Guard<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Guard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::thread::ThreadId;

    struct Numbered(u64);
    impl Generational for Numbered {
        fn generation(&self) -> Generation {
            Generation::new(self.0)
        }
    }

    #[test]
    fn readers_see_the_next_snapshot_and_keep_the_old() {
        let (mut publisher, reader) = channel(1);
        let held = reader.load_full();
        let second = reader.clone();
        publisher.publish(2);
        assert_eq!((*held, *reader.load(), *second.load(), *publisher.reader().load()), (1, 2, 2, 2));
    }

    /// Notes the thread that frees it.
    struct Freed(Arc<Mutex<Vec<ThreadId>>>);
    impl Drop for Freed {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(std::thread::current().id());
        }
    }

    #[test]
    fn the_publisher_frees_what_readers_held() {
        let freed = Arc::default();
        let next = || Freed(Arc::clone(&freed));
        let count = || freed.lock().unwrap().len();
        let (mut publisher, reader) = channel(next());
        let held = reader.load_full();
        publisher.publish(next());
        std::thread::scope(|scope| _ = scope.spawn(|| drop(held)));
        assert_eq!(count(), 0, "the reader was the last to hold it, and did not free it");
        publisher.publish(next());
        assert_eq!(count(), 2, "nobody held the second");
        let me = std::thread::current().id();
        assert!(freed.lock().unwrap().iter().all(|thread| *thread == me));
        // However many are held for long, the publisher keeps but some.
        let held: Vec<_> =
            (0..3 * RETIRED_MAX).map(|_| (reader.load_full(), publisher.publish(next())).0).collect();
        assert_eq!(publisher.retired.len(), RETIRED_MAX);
        drop(held);
        publisher.publish(next());
        assert_eq!((publisher.retired.len(), count()), (0, 3 + 3 * RETIRED_MAX));
    }

    #[test]
    fn a_stale_plan_is_refused_and_changes_nothing() {
        let (mut publisher, reader) = channel(Numbered(5));
        let number = Generation::new;
        assert_eq!(
            publisher.publish_after(number(4), Numbered(6)),
            Err(Stale { seen: number(4), next: number(6), current: number(5) })
        );
        assert!(publisher.publish_after(number(5), Numbered(5)).is_err(), "a plan must lead forwards");
        assert_eq!(reader.load_full().0, 5);
        assert_eq!(publisher.publish_after(number(5), Numbered(7)), Ok(()));
        assert_eq!(reader.load_full().0, 7);
    }
}
