//! Did a file we read change?
//!
//! Editors rename over, administrators copy in pieces, Kubernetes swaps a symbolic link two directories up. So it
//! is the *directories* that are watched, one for each step at which a name is looked up, and what counts is
//! what the name leads to now. The kernel's events only wake us; a look every few seconds heals whatever they
//! miss (network file systems, a directory replaced, a full queue).
//!
//! A change is reported when the files have been quiet for a moment, so that nobody reads half a file; where they
//! are never quiet, it is reported all the same, and once more when they are.
//!
//! Owns: a thread, the kernel's watches, what each file looked like last. Does not know: what is in the files.
//! Name a file here *before* reading it, or a change between the two is nobody's.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

mod eyes;
mod trail;

use eyes::{Eyes, Wake};

/// Messages that may wait for the watching thread. More would say no more than *look*: when it is full, a flag
/// says that.
const WAKES_MAX: usize = 64;

/// How patient the watch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A change is reported after this long without another. Copying a configuration in pieces takes less
    /// between two pieces.
    pub quiet: Duration,
    /// A change is reported after this long at the latest.
    pub burst_max: Duration,
    /// How often to look without being told.
    pub poll: Duration,
}

impl Default for Timing {
    /// 200 ms, 2 s, 5 s: an operator who saves a file expects its effect at once, and heals by himself what takes
    /// longer than a few seconds.
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(200),
            burst_max: Duration::from_secs(2),
            poll: Duration::from_secs(5),
        }
    }
}

/// What made us look again. Several changes before a look are one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// The files that changed, as they were named to the watch.
    pub files: BTreeSet<PathBuf>,
    /// Whether somebody asked (SIGHUP, the admin interface).
    pub asked: bool,
}

impl Changed {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && !self.asked
    }
}

/// Between the watch, its thread, and the reader of its changes.
#[derive(Debug, Default)]
struct Shared {
    slate: Mutex<Slate>,
    changed: Notify,
    /// The thread's inbox was full; it must look at everything.
    overflowed: AtomicBool,
}

#[derive(Debug, Default)]
struct Slate {
    files: BTreeSet<PathBuf>,
    pending: Changed,
    closed: bool,
}

impl Shared {
    fn slate(&self) -> MutexGuard<'_, Slate> {
        // Nothing under this lock can leave it half done.
        self.slate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, note: impl FnOnce(&mut Changed)) {
        note(&mut self.slate().pending);
        self.changed.notify_one();
    }
}

/// Keeps the watch going. Dropping it ends the thread and the [`Changes`].
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    inbox: SyncSender<Wake>,
}

/// Where changes are read. One reader; changes it does not fetch become one, never a queue.
#[derive(Debug)]
pub struct Changes {
    shared: Arc<Shared>,
}

impl Watch {
    /// Starts to watch `files`, which need not exist yet. Without kernel events (their limit is reached, say) it
    /// polls, and logs so.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(
        files: impl IntoIterator<Item = PathBuf>,
        timing: Timing,
    ) -> std::io::Result<(Self, Changes)> {
        Self::start_with(files, timing, true)
    }

    fn start_with(
        files: impl IntoIterator<Item = PathBuf>,
        timing: Timing,
        kernel_events: bool,
    ) -> std::io::Result<(Self, Changes)> {
        let shared = Arc::new(Shared::default());
        shared.slate().files = files.into_iter().collect();
        let (inbox, wakes) = sync_channel(WAKES_MAX);
        let mut eyes = Eyes::new(Arc::clone(&shared), timing);
        if kernel_events {
            eyes.listen_to_kernel(inbox.clone());
        }
        // The first look belongs to the caller: what changes after `start` is a change.
        eyes.refocus();
        std::thread::Builder::new().name("file-watch".into()).spawn(move || eyes.run(&wakes))?;
        Ok((Self { shared: Arc::clone(&shared), inbox }, Changes { shared }))
    }

    /// Watches these files instead, from now on. A file watched before keeps the memory of how it looked.
    pub fn set_files(&self, files: impl IntoIterator<Item = PathBuf>) {
        self.shared.slate().files = files.into_iter().collect();
        self.wake(Wake::Refocus);
    }

    /// Reports a change that somebody asked for, at once.
    pub fn nudge(&self) {
        self.shared.report(|pending| pending.asked = true);
    }

    fn wake(&self, wake: Wake) {
        if self.inbox.try_send(wake).is_err() {
            self.shared.overflowed.store(true, Ordering::Release);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.slate().closed = true;
        self.shared.changed.notify_one();
        self.wake(Wake::Refocus);
    }
}

impl Changes {
    /// The next change; `None` when the [`Watch`] has been dropped. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Changed> {
        loop {
            {
                let mut slate = self.shared.slate();
                if !slate.pending.is_empty() {
                    return Some(std::mem::take(&mut slate.pending));
                }
                if slate.closed {
                    return None;
                }
            }
            self.shared.changed.notified().await;
        }
    }
}

#[cfg(test)]
mod tests;
