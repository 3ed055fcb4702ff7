//! Has a hub taken back what it said?
//!
//! Nothing is searched for and dropped when a hub says that something has changed: the moment is written down, and an
//! answer that was asked for before it is not given any more. So an answer that is still under way at that moment is
//! covered too, and a notification costs one store, however much is kept.

use super::entry::{About, Entry, resource};
use super::key::Caller;
use mcphub_mcp::cache::{Cacheable, Changed};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Resources, and callers, are told apart as far as this; more share a place and are taken back together.
const PLACES: usize = 4_096;

/// A notification about a resource with more `/` than this takes back every resource.
const PARTS_MAX: usize = 64;

/// The last moment of each kind, nanoseconds of [`crate::clock::since_start`]; 0: never.
#[derive(Debug)]
pub(crate) struct Changes {
    tools: AtomicU64,
    prompts: AtomicU64,
    resources: AtomicU64,
    reads: AtomicU64,
    each: Box<[AtomicU64]>,
    callers: Box<[AtomicU64]>,
}

impl Default for Changes {
    fn default() -> Self {
        let places = || (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self {
            tools: AtomicU64::new(0),
            prompts: AtomicU64::new(0),
            resources: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            each: places(),
            callers: places(),
        }
    }
}

impl Changes {
    /// A hub says that this has changed.
    pub(crate) fn note(&self, changed: &Changed<'_>, now: Duration) {
        let now = nanos(now);
        match changed {
            Changed::Tools => raise(&self.tools, now),
            Changed::Prompts => raise(&self.prompts, now),
            // What is no longer in the list may not be there to be read either.
            Changed::Resources => [&self.resources, &self.reads].into_iter().for_each(|at| raise(at, now)),
            Changed::Resource(Some(uri)) => self.note_resource(uri, now),
            Changed::Resource(None) => raise(&self.reads, now),
        }
    }

    /// A hub may tell of a part of what was subscribed to: each resource that the path of this one begins with counts.
    fn note_resource(&self, uri: &str, now: u64) {
        let ends = || uri.match_indices('/').map(|(at, _)| at);
        if ends().count() > PARTS_MAX {
            return raise(&self.reads, now);
        }
        for end in ends() {
            for part in [&uri[..end], &uri[..=end]] {
                self.note_place(part, now);
            }
        }
        self.note_place(uri, now);
    }

    fn note_place(&self, uri: &str, now: u64) {
        raise(&self.each[place(resource(uri))], now);
    }

    /// A hub has refused this caller.
    pub(crate) fn refuse(&self, caller: Caller, now: Duration) {
        raise(&self.callers[caller.number(PLACES)], nanos(now));
    }

    /// Whether an answer was taken back after it had been asked for.
    pub(crate) fn took_back(&self, entry: &Entry) -> bool {
        let asked = nanos(entry.asked());
        let since = |at: &AtomicU64| {
            let at = at.load(Ordering::Acquire);
            at != 0 && asked <= at
        };
        let About { method, resource } = entry.about();
        let changed = match method {
            Cacheable::Discover => false,
            Cacheable::Tools => since(&self.tools),
            Cacheable::Prompts => since(&self.prompts),
            Cacheable::Resources | Cacheable::Templates => since(&self.resources),
            Cacheable::Read => {
                since(&self.reads) || resource.is_some_and(|hash| since(&self.each[place(hash)]))
            }
        };
        changed || entry.caller().is_some_and(|caller| since(&self.callers[caller.number(PLACES)]))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn place(hash: u64) -> usize {
    (hash % PLACES as u64) as usize
}

/// A moment never goes back: two streams may tell of changes at once.
fn raise(at: &AtomicU64, now: u64) {
    at.fetch_max(now, Ordering::AcqRel);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::entry::tests::{kept, secs};
    use crate::cache::entry::{Bounds, Times};

    fn entry(method: Cacheable, uri: Option<&str>, caller: Option<&str>, asked: u64) -> Entry {
        let about = About { method, resource: uri.map(resource) };
        let times = Times { asked: secs(asked), received: secs(asked + 1) };
        let bounds = Bounds { fresh: secs(1_000), stale: secs(0) };
        let caller = Caller::of(caller.map(str::as_bytes));
        Entry::new(kept(1_000_000, "public"), about, caller, times, bounds)
    }

    /// Which of these a change takes back: the lists, templates, the self-description, and two resources.
    fn check(changed: &Changed<'_>, expected: &str) {
        let changes = Changes::default();
        changes.note(changed, secs(10));
        let all = [
            ("tools", Cacheable::Tools, None),
            ("prompts", Cacheable::Prompts, None),
            ("resources", Cacheable::Resources, None),
            ("templates", Cacheable::Templates, None),
            ("discover", Cacheable::Discover, None),
            ("a/b", Cacheable::Read, Some("x://a/b")),
            ("a", Cacheable::Read, Some("x://a")),
            ("c", Cacheable::Read, Some("x://c")),
        ];
        let back = |at: u64| {
            let hit =
                all.iter().filter(|(_, method, uri)| changes.took_back(&entry(*method, *uri, None, at)));
            hit.map(|(name, ..)| *name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(back(9), expected, "{changed:?}");
        assert_eq!(back(10), expected, "at the same moment: {changed:?}");
        assert_eq!(back(11), "", "asked for later: {changed:?}");
    }

    #[test]
    fn each_notification_takes_back_what_it_is_about() {
        check(&Changed::Tools, "tools");
        check(&Changed::Prompts, "prompts");
        check(&Changed::Resources, "resources templates a/b a c");
        check(&Changed::Resource(Some("x://c".into())), "c");
        check(&Changed::Resource(Some("x://a/b".into())), "a/b a");
        check(&Changed::Resource(Some("x://a/b/c?d".into())), "a/b a");
        check(&Changed::Resource(Some("x://a".into())), "a");
        check(&Changed::Resource(None), "a/b a c");
        check(&Changed::Resource(Some("/".repeat(PARTS_MAX + 1).into())), "a/b a c");
    }

    #[test]
    fn a_caller_who_was_refused_is_given_nothing_from_before() {
        let changes = Changes::default();
        changes.refuse(Caller::of(Some(b"Bearer a")).expect("a caller"), secs(10));
        let back = |caller, at| changes.took_back(&entry(Cacheable::Tools, None, caller, at));
        assert!(back(Some("Bearer a"), 9) && !back(Some("Bearer a"), 11));
        assert!(!back(Some("Bearer b"), 9) && !back(None, 9));
    }

    #[test]
    fn moments_do_not_go_back() {
        let changes = Changes::default();
        changes.note(&Changed::Tools, secs(20));
        changes.note(&Changed::Tools, secs(10));
        assert!(changes.took_back(&entry(Cacheable::Tools, None, None, 15)));
    }
}
