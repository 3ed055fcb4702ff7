//! How does a new binary take over without one refused connection?
//!
//! The listening sockets change hands over a Unix socket, as descriptors; the kernel's queue of waiting
//! connections belongs to the socket and is never without an owner.
//!
//! ```text
//! new (run --upgrade)                         old (on SIGQUIT)
//! validate the whole configuration
//! Waiting::bind: upgrade.sock, mode 0600
//! Waiting::accept ...                         send: connect, names as JSON, then descriptors
//! bind what is new, close what is not wanted
//! start serving
//! ReadyGuard::ready: "R"              ──►     Handed::wait_ready
//! go on serving                       ◄──     "A": stop accepting, drain
//! ```
//!
//! If the new process dies or dawdles before `R`, the old one has only lent copies and serves on. If the old one
//! does not answer `A`, the new one must stop: two owners of one state are worse than none new.
//!
//! Whoever holds these descriptors receives our clients' requests. So the socket lives in a directory that only we
//! may enter, and each side asks the kernel who the other is.
//!
//! Owns: the protocol, the checks of the directory, sockets passed by a service manager.
//! Does not know: what is behind a name, signals, what draining means.
//!
//! Everything here blocks, with deadlines: call it from a thread that may wait.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::clock;

mod place;
mod wire;

/// Listeners in one hand-over. Far more than a sensible configuration has; a bound on what a faulty
/// peer can make us hold.
pub const LISTENERS_MAX: usize = 1024;

/// How long the new process waits for the old one's `A` after its `R`. The old one only has to write a byte.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(5);

/// Why listeners did not change hands.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// No successor has its socket open.
    #[error("nobody is waiting at {path} to take over; start the new binary with `run --upgrade` first")]
    NobodyWaiting {
        /// The socket we tried.
        path: PathBuf,
    },
    /// Another process is already waiting there.
    #[error("another process is already waiting at {path}")]
    AlreadyWaiting {
        /// The socket.
        path: PathBuf,
    },
    /// The directory of the socket could be entered by others.
    #[error("{path} is not a safe place for the upgrade socket: {flaw}")]
    Unsafe {
        /// The directory, or the file that stands where the socket belongs.
        path: PathBuf,
        /// What is wrong with it, and the remedy.
        flaw: &'static str,
    },
    /// The process at the other end belongs to somebody else.
    #[error("the process at the other end runs as user {theirs}, not as {ours}")]
    Stranger {
        /// Their user id.
        theirs: u32,
        /// Our effective user id.
        ours: u32,
    },
    /// The other process ended, or closed the connection, before it was done.
    #[error("the other process went away while {doing}")]
    Gone {
        /// What we were doing.
        doing: &'static str,
    },
    /// The new process declined and said why.
    #[error("the new process declined: {why}")]
    Refused {
        /// Its words, at most 1 KiB.
        why: String,
    },
    /// The deadline passed.
    #[error("the deadline passed while {doing}")]
    TimedOut {
        /// What we were doing.
        doing: &'static str,
    },
    /// The other end does not speak this protocol, or not this version.
    #[error("the other process does not speak our hand-over protocol: {0}")]
    Protocol(&'static str),
    /// The operating system refused.
    #[error("{doing}")]
    Io {
        /// What we were doing.
        doing: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

impl HandoverError {
    /// Names the reason of a failed system call on a socket with a timeout.
    fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TimedOut { doing },
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                Self::Gone { doing }
            }
            _ => Self::Io { doing, source },
        }
    }
}

/// Lends our listeners to the process that waits at `path`. We go on serving; see [`Handed::wait_ready`].
///
/// `within` bounds the whole conversation up to the successor's *ready*; a minute is plenty.
///
/// # Errors
/// In every case nothing has changed for us.
pub fn send(
    path: &Path,
    listeners: &[(String, BorrowedFd<'_>)],
    within: Duration,
) -> Result<Handed, HandoverError> {
    let deadline = clock::instant() + within;
    if let Some(directory) = path.parent() {
        place::check_directory(directory).or_else(|error| match error {
            // No directory: then nobody waits in it either.
            HandoverError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Ok(()),
            other => Err(other),
        })?;
    }
    let stream = UnixStream::connect(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            HandoverError::NobodyWaiting { path: path.to_owned() }
        }
        _ => HandoverError::Io { doing: "connecting to the process that wants to take over", source },
    })?;
    let pid = place::check_peer(&stream)?;
    wire::send_listeners(&stream, listeners, deadline)?;
    Ok(Handed { stream, pid, deadline })
}

/// Our listeners are lent; the successor has not said yet that it serves.
#[derive(Debug)]
pub struct Handed {
    stream: UnixStream,
    pid: u32,
    deadline: Instant,
}

impl Handed {
    /// The process id of the successor.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the successor serves. `Ok`: stop accepting (close the listeners, do not shut them down: the
    /// successor holds the same sockets), and drain.
    ///
    /// # Errors
    /// The successor died, declined or dawdled: keep serving.
    pub fn wait_ready(self) -> Result<(), HandoverError> {
        wire::await_ready(&self.stream, self.deadline)?;
        wire::acknowledge(&self.stream, self.deadline)
    }
}

/// What the old process lent us.
#[derive(Debug)]
pub struct Received {
    /// Listening TCP sockets by the names the old process gave them. Dropping one closes our copy.
    pub listeners: BTreeMap<String, OwnedFd>,
    /// The process id of the old process.
    pub pid: u32,
    /// To be told when we serve.
    pub ready: ReadyGuard,
}

/// The old process waits at the other end of this. Dropped, it keeps serving.
#[derive(Debug)]
pub struct ReadyGuard {
    stream: UnixStream,
}

impl ReadyGuard {
    /// Tells the old process that we serve, and waits until it has agreed to go.
    ///
    /// # Errors
    /// It did not agree (it gave up waiting, or died): we are not its successor, and must stop.
    pub fn ready(self) -> Result<(), HandoverError> {
        wire::say_ready(&self.stream, clock::instant() + ACKNOWLEDGED_WITHIN)
    }

    /// Tells the old process why we shall not take over; it keeps serving and logs `why`.
    pub fn refuse(self, why: &str) {
        wire::refuse(&self.stream, why, clock::instant() + ACKNOWLEDGED_WITHIN);
    }
}

/// A new process, its socket open, waiting for the old one.
#[derive(Debug)]
pub struct Waiting {
    listener: UnixListener,
    // Removes the file when the wait is over, whatever its end.
    socket: place::SocketFile,
}

impl Waiting {
    /// Opens the socket at `path`. Its directory is created with mode 0700 where missing, and must be ours and
    /// closed to everybody else. A socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// The directory is not safe, or somebody else is waiting there.
    pub fn bind(path: &Path) -> Result<Self, HandoverError> {
        let (listener, socket) = place::bind(path)?;
        Ok(Self { listener, socket })
    }

    /// Waits for the old process and takes its listeners. A visitor who says nothing sensible is sent away, and
    /// the wait goes on.
    ///
    /// # Errors
    /// Nobody came `within` the time.
    pub fn accept(self, within: Duration) -> Result<Received, HandoverError> {
        let deadline = clock::instant() + within;
        let mut last_failure = None;
        let received = loop {
            let stream = match wire::accept(&self.listener, deadline) {
                Ok(stream) => stream,
                // What the last visitor did wrong tells more than that time has passed.
                Err(error) => return Err(last_failure.unwrap_or(error)),
            };
            let taken = place::check_peer(&stream)
                .and_then(|pid| Ok((pid, wire::receive_listeners(&stream, deadline)?)));
            match taken {
                Ok((pid, listeners)) => break Received { listeners, pid, ready: ReadyGuard { stream } },
                Err(failure) => last_failure = Some(failure),
            }
        };
        drop(self.socket);
        Ok(received)
    }
}

/// [`Waiting::bind`], then [`Waiting::accept`].
///
/// # Errors
/// Those of the two.
pub fn receive(path: &Path, within: Duration) -> Result<Received, HandoverError> {
    Waiting::bind(path)?.accept(within)
}

/// The TCP listeners that a service manager opened for us (`LISTEN_FDS`), with the addresses they are bound to.
/// Call it once, first thing in `main`: it takes the variables out of the environment.
///
/// # Errors
/// A passed descriptor is not a listening TCP socket.
pub fn take_activated() -> Result<Vec<(SocketAddr, TcpListener)>, HandoverError> {
    const DOING: &str = "taking the sockets that the service manager passed (LISTEN_FDS)";
    let failed = |source| HandoverError::Io { doing: DOING, source };
    let mut passed = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..passed.len().min(LISTENERS_MAX) {
        let Some(listener) = passed.take_tcp_listener(index).map_err(failed)? else { continue };
        if !is_listening(listener.as_fd()) {
            return Err(failed(io::Error::other("one of them is not a listening socket")));
        }
        listeners.push((listener.local_addr().map_err(failed)?, listener));
    }
    Ok(listeners)
}

fn is_listening(socket: BorrowedFd<'_>) -> bool {
    rustix::net::sockopt::socket_acceptconn(socket).unwrap_or(false)
}

#[cfg(test)]
mod tests;
