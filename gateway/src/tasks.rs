//! Which hub holds a task?
//!
//! A hub that answers a call with a task is the only one that knows it: whoever asks for the task later must be led
//! there. Only this process remembers that, and only for so long and so many: a task that is asked for after that, or
//! at another gateway, goes where its caller's other requests go.
//!
//! Requests that are about no task never come here, and answers only if they hand one out.

use mcphub_routing::HubId;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Tasks remembered at a time, at some 150 bytes each. Beyond that, the one that ends first is forgotten.
const TASKS_MAX: usize = 100_000;

/// How long a task is remembered whose hub sets no limit.
const TTL_UNSAID: Duration = Duration::from_secs(24 * 3_600);

/// The longest that a task is remembered, whatever its hub says.
const TTL_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A task of one caller ([`mcphub_session::task_name`]).
type Name = [u8; 16];

/// The tasks whose hubs are known.
#[derive(Debug, Default)]
pub struct Tasks(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    hubs: HashMap<Name, (HubId, Duration)>,
    by_end: BTreeSet<(Duration, Name)>,
}

impl Tasks {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers where a task is. `now` is a moment of [`crate::clock::since_start`].
    pub fn learn(&self, name: Name, hub: &HubId, ttl: Option<Duration>, now: Duration) {
        let end = now.saturating_add(ttl.unwrap_or(TTL_UNSAID).min(TTL_MAX));
        let mut known = self.known();
        if let Some((_, before)) = known.hubs.insert(name, (hub.clone(), end)) {
            known.by_end.remove(&(before, name));
        }
        known.by_end.insert((end, name));
        while let Some(&(end, first)) = known.by_end.first()
            && (end <= now || known.by_end.len() > TASKS_MAX)
        {
            known.by_end.pop_first();
            known.hubs.remove(&first);
        }
    }

    /// Where a task is.
    #[must_use]
    pub fn find(&self, name: Name, now: Duration) -> Option<HubId> {
        let known = self.known();
        known.hubs.get(&name).filter(|(_, end)| *end > now).map(|(hub, _)| hub.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(name: &str) -> HubId {
        HubId::new(name).expect("a name")
    }

    fn sizes(tasks: &Tasks) -> (usize, usize) {
        let known = tasks.known();
        (known.hubs.len(), known.by_end.len())
    }

    fn name(number: usize) -> Name {
        let mut name = [0; 16];
        name[..8].copy_from_slice(&number.to_be_bytes());
        name
    }

    #[test]
    fn a_task_is_remembered_for_as_long_as_its_hub_keeps_it() {
        let (tasks, second) = (Tasks::default(), Duration::from_secs(1));
        tasks.learn(name(1), &hub("a"), Some(second), Duration::ZERO);
        tasks.learn(name(2), &hub("b"), None, Duration::ZERO);
        tasks.learn(name(3), &hub("b"), Some(Duration::MAX), Duration::ZERO);
        assert_eq!(tasks.find(name(1), Duration::from_millis(999)), Some(hub("a")));
        assert_eq!(tasks.find(name(1), second), None);
        assert_eq!(tasks.find(name(2), TTL_UNSAID - second), Some(hub("b")));
        assert_eq!(tasks.find(name(3), TTL_MAX), None);
        // Told again, it lives on, perhaps elsewhere; what is over makes room.
        tasks.learn(name(2), &hub("c"), None, second);
        assert_eq!(tasks.find(name(2), TTL_UNSAID), Some(hub("c")));
        assert_eq!(sizes(&tasks), (2, 2));
    }

    #[test]
    fn memory_is_bounded() {
        let tasks = Tasks::default();
        for number in 0..=TASKS_MAX {
            tasks.learn(name(number), &hub("a"), None, Duration::from_millis(number as u64));
        }
        assert_eq!(sizes(&tasks), (TASKS_MAX, TASKS_MAX));
        assert_eq!(tasks.find(name(0), Duration::ZERO), None);
        assert_eq!(tasks.find(name(1), Duration::ZERO), Some(hub("a")));
    }
}
