//! How is a program started on its core, watched, and ended?

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::load;

/// Longest wait for a first good answer. The gateway may want to probe its hub first, and programs of Python take long to
/// load and longer to prepare their databases.
const READY_MAX: Duration = Duration::from_secs(180);
/// Longest wait for a program to end after SIGTERM.
const STOP_MAX: Duration = Duration::from_secs(5);

/// A started process, ended when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts `command` pinned to `core`, with its output in `log_path`. It is told to end if this process dies.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &[String], core: usize, folder: &Path, log_path: &Path) -> Result<Self> {
        let log = fs::File::create(log_path).with_context(|| format!("creating {}", log_path.display()))?;
        let errors = log.try_clone().context("sharing the log file")?;
        let child = Command::new("taskset")
            .args(["-c", &core.to_string(), "setpriv", "--pdeathsig", "TERM"])
            .args(command)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .context("running taskset (package util-linux)")?;
        Ok(Self { child })
    }

    /// Its process id. `taskset` and `setpriv` hand theirs on to the program.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until an MCP handshake through `address` works.
    ///
    /// # Errors
    /// When the process ends, or [`READY_MAX`] passes; then with the last reason.
    pub fn wait_ready(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + READY_MAX;
        loop {
            let Err(error) = load::probe(address) else { return Ok(()) };
            if let Some(status) = self.child.try_wait().context("asking for the process's end")? {
                bail!("it ended at once: {status}");
            }
            ensure!(Instant::now() < deadline, "not ready after {READY_MAX:?}: {error:#}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + STOP_MAX;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
