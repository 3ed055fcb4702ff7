//! Who brings changes to the file, and what when it cannot be had?
//!
//! One thread. It sleeps until there is something to write, or until it is time to try the file again.

use super::Condition;
use super::file::{self, FILE_NAME, File, Trouble};
use super::memory::{Batch, Contents, Memory};
use crate::clock;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How soon a file that another process holds is tried again: what a successor does not know yet of operators' wishes
/// it does not heed, and trying costs some 20 µs.
const HELD_RETRY: Duration = Duration::from_millis(100);
/// How soon a file in trouble is tried again; doubled each time up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_secs(1);
/// How long after the last try at the latest: an operator who has made room does not wait longer.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// From the start of one commit to that of the next at least. A commit costs a flush of the disk whether it holds one
/// change or a thousand, so where changes come thick, those of this time share one. A change that comes alone does not
/// wait.
const COMMIT_EVERY: Duration = Duration::from_millis(5);
/// Records that are taken over from a file under one lock: some 100 µs.
const MERGED_AT_ONCE: usize = 500;
/// A predecessor lets go within seconds. Whoever holds the file longer is somebody else.
const HELD_LONG: Duration = Duration::from_secs(60);

/// What the handles and the thread share.
pub(super) struct Shared {
    inside: Mutex<Inside>,
    wake: Condvar,
    progress: watch::Sender<Progress>,
    /// Records have changed.
    news: watch::Sender<()>,
}

pub(super) struct Inside {
    pub(super) state: Memory,
    orders: Orders,
    nudged: bool,
}

/// What the handles want of the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Orders {
    /// Have the file open.
    Hold,
    /// Leave it to somebody else.
    LetGo,
    /// Nobody is left who could want something.
    End,
}

/// What the thread has achieved.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) condition: Condition,
    /// What the file holds is known.
    pub(super) loaded: bool,
    /// How many changes are on disk; all there ever will be where there is no file.
    pub(super) durable: u64,
    /// The file is open.
    pub(super) holds_file: bool,
    /// The last change that somebody has waited for in vain, as long as it is not on disk.
    pub(super) late: u64,
}

impl Progress {
    pub(super) fn begun() -> Self {
        Self { condition: Condition::Waiting, loaded: false, durable: 0, holds_file: false, late: 0 }
    }

    pub(super) fn without_file() -> Self {
        Self { condition: Condition::Ready, loaded: true, durable: u64::MAX, holds_file: false, late: 0 }
    }

    pub(super) fn is_without_file(&self) -> bool {
        self.durable == u64::MAX
    }

    pub(super) fn is_degraded(&self) -> bool {
        matches!(self.condition, Condition::Degraded { .. })
    }
}

impl Shared {
    pub(super) fn new(progress: Progress) -> Self {
        let inside = Inside { state: Memory::default(), orders: Orders::Hold, nudged: false };
        Self {
            inside: Mutex::new(inside),
            wake: Condvar::new(),
            progress: watch::Sender::new(progress),
            news: watch::Sender::new(()),
        }
    }

    /// The memory, for as long as it takes to look something up: no disk is ever touched under this lock.
    pub(super) fn memory(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        let changed = change(&mut self.memory().state);
        self.wake.notify_one();
        changed
    }

    /// Has the thread see what is to be written.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) fn order(&self, orders: Orders) {
        self.memory().orders = orders;
        self.wake.notify_one();
    }

    /// Has the thread try at once, and says how many changes there are.
    pub(super) fn nudge(&self) -> u64 {
        let mut inside = self.memory();
        inside.nudged = true;
        self.wake.notify_one();
        inside.state.changes()
    }

    /// Tells those who watch records that some have changed.
    pub(super) fn tell_news(&self) {
        self.news.send_replace(());
    }

    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Takes over what a file says. Nobody is kept waiting for the lock until all records are through.
    fn merge(&self, mut contents: Contents) {
        let file = std::mem::take(&mut contents.records);
        self.memory().state.merge(contents);
        let mut from = None;
        while let Some(last) = self.memory().state.keep_missing(&file, from, MERGED_AT_ONCE) {
            from = Some(last);
        }
        let mut rows = file.into_iter().peekable();
        while rows.peek().is_some() {
            let now = clock::unix_millis();
            self.memory().state.merge_records(rows.by_ref().take(MERGED_AT_ONCE), now);
        }
        self.tell_news();
    }

    pub(super) fn tell(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }

    pub(super) fn seen<T>(&self, look: impl FnOnce(&Progress) -> T) -> T {
        look(&self.progress.borrow())
    }

    pub(super) async fn until(&self, patience: Duration, wanted: impl FnMut(&Progress) -> bool) -> bool {
        let mut progress = self.progress.subscribe();
        matches!(tokio::time::timeout(patience, progress.wait_for(wanted)).await, Ok(Ok(_)))
    }
}

/// Starts the thread.
pub(super) fn start(shared: Arc<Shared>, directory: &Path) -> std::io::Result<()> {
    let mut keeper = Keeper {
        shared,
        directory: directory.to_owned(),
        file: None,
        next_try: clock::instant(),
        pause: RETRY_MIN,
        held: None,
        lost: None,
    };
    std::thread::Builder::new().name("store".to_owned()).spawn(move || keeper.run()).map(drop)
}

/// Lets changes gather. Not on the condition variable, where each of them would wake us.
#[expect(clippy::disallowed_methods, reason = "this thread is no runtime's")]
fn rest(pause: Duration) {
    std::thread::sleep(pause);
}

struct Keeper {
    shared: Arc<Shared>,
    directory: PathBuf,
    file: Option<File>,
    /// While there is no file: when it is tried again.
    next_try: Instant,
    pause: Duration,
    /// Since when another process has had the file, and whether that has been complained about.
    held: Option<(Instant, bool)>,
    /// What has become of a damaged file.
    lost: Option<String>,
}

enum Task {
    Open,
    Write(Batch),
    LetGo,
    End,
}

impl Keeper {
    fn run(&mut self) {
        loop {
            match self.next() {
                Task::Open => self.open(),
                Task::Write(batch) => {
                    let started = clock::instant();
                    self.write(batch);
                    rest(COMMIT_EVERY.saturating_sub(started.elapsed()));
                }
                Task::LetGo => {
                    self.write_all();
                    self.let_go();
                    self.set(Condition::Released);
                }
                Task::End => {
                    let released = self.shared.seen(|progress| progress.condition == Condition::Released);
                    // What is the successor's by now is not to be overwritten.
                    if self.file.is_none() && !released {
                        self.open();
                    }
                    self.write_all();
                    return self.let_go();
                }
            }
        }
    }

    /// Sleeps until there is something to do.
    fn next(&mut self) -> Task {
        let shared = Arc::clone(&self.shared);
        let mut inside = shared.memory();
        loop {
            let nudged = std::mem::take(&mut inside.nudged);
            let mut pause = None;
            match (inside.orders, &self.file) {
                (Orders::End, _) => return Task::End,
                (Orders::LetGo, None)
                    if shared.seen(|progress| progress.condition == Condition::Released) => {}
                (Orders::LetGo, _) => return Task::LetGo,
                (Orders::Hold, Some(_)) => {
                    if let Some(batch) = inside.state.take() {
                        return Task::Write(batch);
                    }
                }
                (Orders::Hold, None) => {
                    let left = self.next_try.saturating_duration_since(clock::instant());
                    if nudged || left.is_zero() {
                        return Task::Open;
                    }
                    pause = Some(left);
                }
            }
            inside = match pause {
                None => shared.wake.wait(inside).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    shared.wake.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn open(&mut self) {
        let opened = std::fs::create_dir_all(&self.directory)
            .map_err(|error| Trouble::Failed(error.to_string()))
            .and_then(|()| File::open(&self.directory));
        match opened {
            Ok((file, contents)) => {
                self.shared.merge(contents);
                self.file = Some(file);
                self.pause = RETRY_MIN;
                self.held = None;
                let written = self.shared.memory().state.all_written().unwrap_or(0);
                let lost = self.lost.clone();
                let well = lost.map_or(Condition::Ready, |why| Condition::Degraded { why });
                self.say(&well);
                // At once: who waits for the load asks for the condition next.
                self.shared.tell(|progress| {
                    let durable = progress.durable.max(written);
                    *progress =
                        Progress { condition: well, loaded: true, holds_file: true, durable, ..*progress };
                });
            }
            Err(Trouble::Damaged(what)) => self.begin_anew(&what),
            Err(trouble) => self.suffer(&trouble),
        }
    }

    fn write(&mut self, batch: Batch) {
        let Some(file) = &self.file else { return self.shared.memory().state.take_back(batch) };
        match file.write(&batch) {
            Ok(()) => {
                self.shared.tell(|progress| progress.durable = progress.durable.max(batch.upto));
            }
            Err(trouble) => {
                self.shared.memory().state.take_back(batch);
                self.let_go();
                self.suffer(&trouble);
            }
        }
    }

    fn write_all(&mut self) {
        while self.file.is_some() {
            let Some(batch) = self.shared.memory().state.take() else { return };
            self.write(batch);
        }
    }

    fn let_go(&mut self) {
        if let Some(file) = self.file.take() {
            file.close();
        }
        // Taken back, it is wanted at once.
        self.next_try = clock::instant();
        self.shared.tell(|progress| progress.holds_file = false);
    }

    /// Puts a damaged file aside. The next one gets everything that is still known.
    fn begin_anew(&mut self, what: &str) {
        match file::set_aside(&self.directory, clock::unix_seconds()) {
            Ok(kept) => {
                let kept = kept.display().to_string();
                tracing::error!(what, kept, "the store is damaged: it is kept aside, and a new one is begun");
                self.lost = Some(format!("{FILE_NAME} was damaged ({what}) and is kept as {kept}"));
                self.shared.memory().state.forget_written();
                self.next_try = clock::instant();
            }
            Err(error) => {
                let why = format!("it is damaged ({what}), and cannot be set aside: {error}");
                self.suffer(&Trouble::Failed(why));
            }
        }
    }

    /// The file cannot be had for now.
    fn suffer(&mut self, trouble: &Trouble) {
        let now = clock::instant();
        if let Trouble::Held = trouble {
            self.next_try = now + HELD_RETRY;
            let path = self.path();
            match &mut self.held {
                None => {
                    tracing::info!(path, "another process has the store: waiting for it");
                    self.held = Some((now, false));
                }
                Some((since, told)) if !*told && now.saturating_duration_since(*since) > HELD_LONG => {
                    tracing::warn!(path, "another process has had the store for more than a minute");
                    *told = true;
                }
                Some(_) => {}
            }
            return self.set(Condition::Waiting);
        }
        self.next_try = now + self.pause;
        self.pause = (self.pause * 2).min(RETRY_MAX);
        self.set(Condition::Degraded { why: format!("{}: {trouble}", self.path()) });
    }

    fn path(&self) -> String {
        self.directory.join(FILE_NAME).display().to_string()
    }

    fn set(&self, condition: Condition) {
        self.say(&condition);
        self.shared.tell(|progress| progress.condition = condition);
    }

    /// Says how we are, where that is news.
    fn say(&self, condition: &Condition) {
        if self.shared.seen(|progress| progress.condition == *condition) {
            return;
        }
        match condition {
            Condition::Ready => tracing::info!(path = self.path(), "the store is open"),
            Condition::Waiting => {}
            Condition::Released => tracing::info!(path = self.path(), "the store is let go of"),
            Condition::Degraded { why } => {
                tracing::error!(why, "the store is in trouble: what changes may not survive a restart");
            }
        }
    }
}
