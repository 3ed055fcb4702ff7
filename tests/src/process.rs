//! How does a process under test start, hear signals, and never outlive its test?

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow};
pub use rustix::process::Signal;
use tokio::process::{Child, Command};

use crate::wait::PATIENCE;

/// How often it is looked whether a killed process has ended, and the pause between two looks: five seconds at most.
const LOOKS: u32 = 5_000;
const PAUSE: Duration = Duration::from_millis(1);

/// How many closing bytes of a log a report shows.
const TAIL: usize = 8 << 10;

/// A child process whose output goes to two files.
///
/// It is killed when dropped, and gone then: its port is free for the next. When the test is failing by then (it
/// panics), the ends of the logs are printed; so a test that uses processes says `expect` rather than returning an error.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    pid: i32,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command`, with its output in `<name>.stdout` and `<name>.stderr` under `directory`.
    pub fn spawn(name: &str, directory: &Path, mut command: Command) -> anyhow::Result<Self> {
        let stdout = directory.join(format!("{name}.stdout"));
        let stderr = directory.join(format!("{name}.stderr"));
        command.stdin(Stdio::null()).stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
        let child = command.kill_on_drop(true).spawn().with_context(|| format!("start {name}"))?;
        let pid = child.id().context("a child just started has an id")?;
        Ok(Self { name: name.to_owned(), child, pid: pid.try_into()?, stdout, stderr })
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends a signal. An error when the process has exited.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if let Some(status) = self.exit_status() {
            return Err(anyhow!("{} has exited already: {status}", self.name));
        }
        let pid = rustix::process::Pid::from_raw(self.pid).context("a process id is positive")?;
        rustix::process::kill_process(pid, signal)
            .with_context(|| format!("send {signal:?} to {}", self.name))
    }

    /// How the process exited, if it has; looks without waiting.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for the end of the process.
    pub async fn exited(&mut self) -> anyhow::Result<ExitStatus> {
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => Err(anyhow!("{} runs on after {PATIENCE:?}\n{}", self.name, self.tail())),
        }
    }

    /// `kill -9`, and waits until the process is gone.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    /// What the process has printed so far.
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// What the process has printed to its error output so far.
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// The ends of both logs, for a message.
    pub fn tail(&self) -> String {
        let mut text = String::new();
        for (what, log) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
            let log = log.trim_end();
            if !log.is_empty() {
                let start = log.ceil_char_boundary(log.len().saturating_sub(TAIL));
                text += &format!("--- {what} of {} ---\n{}\n", self.name, &log[start..]);
            }
        }
        text
    }
}

impl Drop for Process {
    #[expect(clippy::print_stdout, reason = "a failing test's report")]
    #[expect(
        clippy::disallowed_methods,
        reason = "nothing can be awaited in a drop, and a killed process ends soon"
    )]
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        for _ in 0..LOOKS {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        if std::thread::panicking() {
            print!("{}", self.tail());
        }
    }
}

fn read(log: &Path) -> String {
    std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
