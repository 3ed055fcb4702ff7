//! Lines that wait to be written, and the thread that writes them.
//!
//! Whole lines are gathered in one buffer and leave in one write; the writer takes a few milliseconds between two
//! writes, so that a busy gateway makes hundreds of system calls for its log in a second and not tens of thousands.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock;

/// Bytes that may wait: some thousand lines, a second of a busy gateway.
const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// How long the writer gathers lines before it writes them. Below what a person sees as delay.
const GATHER: Duration = Duration::from_millis(5);

/// How long the end of the process waits for the last lines.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);

/// A bounded queue of log lines. Cloning gives another way into the same queue.
#[derive(Clone)]
pub struct LogQueue {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is something for the writer, or the end has come.
    work: Condvar,
    /// Everything has been written.
    idle: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Lines lost for want of room, ever.
    dropped: u64,
    /// Of these, how many a line in the log has told of.
    confessed: u64,
    /// The writer sleeps until it is told.
    asleep: bool,
    /// The writer holds lines that are not out yet.
    writing: bool,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Every critical section leaves whole lines behind, even one that ends early.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LogQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogQueue").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

impl LogQueue {
    /// Starts the thread that writes to `out`. Keep the guard until the end of the process: dropping it writes
    /// what is left, for at most a second.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(out: impl Write + Send + 'static) -> std::io::Result<(Self, LogGuard)> {
        let shared = Arc::new(Shared::default());
        let writer = std::thread::Builder::new().name("log".into()).spawn({
            let shared = Arc::clone(&shared);
            move || write_out(&shared, out)
        })?;
        Ok((Self { shared: Arc::clone(&shared) }, LogGuard { shared, writer: Some(writer) }))
    }

    /// Adds a line (without its newline, and without any inside). Never waits for the reader of the log: where
    /// there is no room, the line is dropped and counted.
    pub fn push(&self, line: &[u8]) {
        let mut waiting = self.shared.lock();
        if waiting.ended || waiting.bytes.len() + line.len() + 1 > WAITING_BYTES_MAX {
            waiting.dropped += 1;
            return;
        }
        waiting.bytes.extend_from_slice(line);
        waiting.bytes.push(b'\n');
        if std::mem::take(&mut waiting.asleep) {
            drop(waiting);
            self.shared.work.notify_one();
        }
    }

    /// Lines lost so far because nobody took them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }
}

/// Writes the last lines when dropped.
#[must_use = "the last lines are lost without it"]
pub struct LogGuard {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl fmt::Debug for LogGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogGuard").finish_non_exhaustive()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let mut waiting = self.shared.lock();
        waiting.ended = true;
        waiting.asleep = false;
        self.shared.work.notify_one();
        let deadline = clock::instant() + LAST_LINES_WITHIN;
        while waiting.writing || !waiting.bytes.is_empty() {
            let left = deadline.saturating_duration_since(clock::instant());
            if left.is_zero() {
                // Nobody reads. The thread ends with the process.
                return;
            }
            waiting = self.shared.idle.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(waiting);
        if let Some(writer) = self.writer.take() {
            // It has nothing left to do, and so nothing to wait for.
            let _ = writer.join();
        }
    }
}

fn write_out(shared: &Shared, mut out: impl Write) {
    let mut batch = Vec::with_capacity(64 * 1024);
    let mut waiting = shared.lock();
    loop {
        waiting.writing = false;
        if waiting.bytes.is_empty() {
            shared.idle.notify_all();
            if waiting.ended {
                return;
            }
            waiting.asleep = true;
            waiting = shared.work.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        if !waiting.ended {
            // Not asleep: whoever adds a line meanwhile need not wake us.
            waiting = shared.work.wait_timeout(waiting, GATHER).unwrap_or_else(PoisonError::into_inner).0;
        }
        batch.clear();
        std::mem::swap(&mut batch, &mut waiting.bytes);
        waiting.writing = true;
        let lost = waiting.dropped - waiting.confessed;
        waiting.confessed = waiting.dropped;
        drop(waiting);
        if lost > 0 {
            confess(&mut batch, lost);
        }
        // Nobody to tell when it fails: this is where we tell things.
        let _ = out.write_all(&batch).and_then(|()| out.flush());
        waiting = shared.lock();
    }
}

/// Adds a line about lines that are missing, in the shape of the line before it.
fn confess(batch: &mut Vec<u8>, lost: u64) {
    let now = clock::Rfc3339::now();
    let line = if batch.first() == Some(&b'{') {
        format!(r#"{{"timestamp":"{now}","level":"WARN","message":"log lines dropped","dropped":{lost}}}"#)
    } else {
        format!("{now}  WARN log lines dropped dropped={lost}")
    };
    batch.extend_from_slice(line.as_bytes());
    batch.push(b'\n');
}
