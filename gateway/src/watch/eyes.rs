//! The watching thread.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Instant, SystemTime};

use notify::event::ModifyKind;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::trail::{Trail, walk};
use super::{Shared, Timing};
use crate::clock;

/// Why the thread wakes.
#[derive(Debug)]
pub(super) enum Wake {
    /// The set of files changed, or the watch ended.
    Refocus,
    /// Something happened to these names.
    Happened {
        paths: Vec<PathBuf>,
        /// Content or a directory entry changed; otherwise only attributes, or the kernel does not know.
        content: bool,
    },
}

/// Device, inode, and time of birth: an inode number alone is given to the next directory at once.
type DirectoryId = (u64, u64, Option<SystemTime>);

/// A change that waits for quiet.
#[derive(Debug)]
struct Burst {
    began: Instant,
    last: Instant,
    files: BTreeSet<PathBuf>,
}

pub(super) struct Eyes {
    shared: Arc<Shared>,
    timing: Timing,
    kernel: Option<RecommendedWatcher>,
    /// Directories the kernel watches for us, and which directory each was then.
    directories: BTreeMap<PathBuf, DirectoryId>,
    seen: BTreeMap<PathBuf, Trail>,
    burst: Option<Burst>,
}

impl Eyes {
    pub(super) fn new(shared: Arc<Shared>, timing: Timing) -> Self {
        let (directories, seen) = (BTreeMap::new(), BTreeMap::new());
        Self { shared, timing, kernel: None, directories, seen, burst: None }
    }

    /// Asks for the kernel's events; without them the poll has to do.
    pub(super) fn listen_to_kernel(&mut self, inbox: SyncSender<Wake>) {
        let shared = Arc::clone(&self.shared);
        let handler = move |event: notify::Result<Event>| {
            let wake = match event {
                // We and others read these files all day; that is no change.
                Ok(event) if matches!(event.kind, EventKind::Access(_)) => return,
                Ok(event) if event.need_rescan() => None,
                Ok(event) => {
                    let content = !matches!(event.kind, EventKind::Modify(ModifyKind::Metadata(_)));
                    Some(Wake::Happened { paths: event.paths, content })
                }
                Err(_) => None,
            };
            let delivered = wake.is_some_and(|wake| inbox.try_send(wake).is_ok());
            if !delivered {
                shared.overflowed.store(true, Ordering::Release);
                let _ = inbox.try_send(Wake::Happened { paths: Vec::new(), content: false });
            }
        };
        match notify::recommended_watcher(handler) {
            Ok(kernel) => self.kernel = Some(kernel),
            Err(error) => tracing::warn!(%error, "no file events from the kernel; polling instead"),
        }
    }

    /// Waits and looks until the watch ends.
    pub(super) fn run(mut self, wakes: &Receiver<Wake>) {
        let mut polled = clock::instant();
        loop {
            let now = clock::instant();
            let due = self.due().unwrap_or(polled + self.timing.poll).min(polled + self.timing.poll);
            let woken = wakes.recv_timeout(due.saturating_duration_since(now));
            if self.shared.slate().closed {
                return;
            }
            let overflowed = self.shared.overflowed.swap(false, Ordering::AcqRel);
            match woken {
                Ok(Wake::Refocus) => self.refocus(),
                Ok(Wake::Happened { paths, content }) => self.happened(&paths, content, overflowed),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if overflowed {
                self.refocus();
            }
            // Not only on a timeout: a busy directory must not keep the poll from its turn.
            if clock::instant() >= polled + self.timing.poll {
                self.look();
                polled = clock::instant();
            }
            self.report_when_due();
        }
    }

    /// When the burst, if there is one, must be reported.
    fn due(&self) -> Option<Instant> {
        let burst = self.burst.as_ref()?;
        Some((burst.last + self.timing.quiet).min(burst.began + self.timing.burst_max))
    }

    /// Takes the set of files as it is now, and looks at all of them.
    pub(super) fn refocus(&mut self) {
        let files = self.shared.slate().files.clone();
        self.seen.retain(|file, _| files.contains(file));
        for file in files {
            // Listen first, then look: what happens in between is then heard.
            let first = walk(&file);
            self.arm(&first);
            self.seen.entry(file).or_insert_with_key(|file| walk(file));
        }
        self.look();
    }

    /// Weighs an event: does it concern a name we look up?
    fn happened(&mut self, paths: &[PathBuf], content: bool, overflowed: bool) {
        let concerns = |trail: &Trail| paths.iter().any(|path| trail.lookups.contains(path));
        let touched: Vec<PathBuf> =
            self.seen.iter().filter(|(_, trail)| concerns(trail)).map(|(file, _)| file.clone()).collect();
        if touched.is_empty() && !overflowed {
            return;
        }
        if content {
            // The time stamps of two quick writes can be equal; the event says that there were two.
            self.note(touched);
        }
        self.look();
    }

    /// Compares every file with how it looked last.
    fn look(&mut self) {
        let mut changed = Vec::new();
        let mut trails = Vec::new();
        for (file, last) in &mut self.seen {
            let now = walk(file);
            if now.sight != last.sight {
                changed.push(file.clone());
            }
            trails.push(now.clone());
            *last = now;
        }
        for trail in &trails {
            self.arm(trail);
        }
        self.disarm();
        self.note(changed);
    }

    fn note(&mut self, files: Vec<PathBuf>) {
        if files.is_empty() {
            return;
        }
        let now = clock::instant();
        let burst = self.burst.get_or_insert_with(|| Burst { began: now, last: now, files: BTreeSet::new() });
        burst.last = now;
        burst.files.extend(files);
    }

    fn report_when_due(&mut self) {
        if self.due().is_none_or(|due| clock::instant() < due) {
            return;
        }
        // One more look: an event may have been missed since.
        self.look();
        let now = clock::instant();
        let Some(burst) = self.burst.take() else { return };
        let quiet = now.saturating_duration_since(burst.last) >= self.timing.quiet;
        let overdue = now.saturating_duration_since(burst.began) >= self.timing.burst_max;
        if !quiet && !overdue {
            self.burst = Some(burst);
            return;
        }
        if !quiet {
            // Reported in the middle of changes: the last of them must be followed by a report too.
            self.burst = Some(Burst { began: now, last: now, files: burst.files.clone() });
        }
        self.shared.report(|pending| pending.files.extend(burst.files));
    }

    /// Has the kernel watch the directories on which a name depends.
    fn arm(&mut self, trail: &Trail) {
        let Some(kernel) = &mut self.kernel else { return };
        for directory in trail.lookups.iter().filter_map(|lookup| lookup.parent()) {
            // Gone since the walk: the next look comes to another trail.
            let Ok(meta) = fs::metadata(directory) else { continue };
            let id = (meta.dev(), meta.ino(), meta.created().ok());
            match self.directories.get(directory) {
                Some(known) if *known == id => continue,
                // Another directory of that name: the kernel still watches the old one.
                Some(_) => drop(kernel.unwatch(directory)),
                None => {}
            }
            match kernel.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, directory = %directory.display(), "cannot watch; polling instead");
                }
            }
            // Remembered in either case: one warning is enough, and the poll goes on.
            self.directories.insert(directory.to_owned(), id);
        }
    }

    /// Lets go of directories that no name depends on any more.
    fn disarm(&mut self) {
        let Some(kernel) = &mut self.kernel else { return };
        let wanted: BTreeSet<&Path> =
            self.seen.values().flat_map(|trail| trail.lookups.iter().filter_map(|l| l.parent())).collect();
        self.directories.retain(|directory, _| {
            let keep = wanted.contains(directory.as_path());
            if !keep {
                // Gone already is as good.
                let _ = kernel.unwatch(directory);
            }
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_report_in_the_middle_of_changes_is_followed_by_another_at_rest() {
        let (long, none) = (Duration::from_secs(3600), Duration::ZERO);
        let shared = Arc::new(Shared::default());
        let mut eyes = Eyes::new(Arc::clone(&shared), Timing { quiet: long, burst_max: none, poll: long });
        eyes.note(vec!["file".into()]);
        eyes.report_when_due();
        assert_eq!(std::mem::take(&mut shared.slate().pending).files, BTreeSet::from(["file".into()]));
        eyes.timing = Timing { quiet: none, burst_max: long, poll: long };
        eyes.report_when_due();
        assert_eq!(shared.slate().pending.files, BTreeSet::from(["file".into()]));
        assert!(eyes.burst.is_none());
    }
}
