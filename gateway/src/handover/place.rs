//! Where the upgrade socket may live, and who may talk over it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::HandoverError;

const OPENING: &str = "opening the directory of the upgrade socket";
const BINDING: &str = "opening the upgrade socket";

/// Requires a directory of ours that nobody else may enter.
pub(super) fn check_directory(directory: &Path) -> Result<(), HandoverError> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let unsafe_for = |flaw| Err(HandoverError::Unsafe { path: directory.to_owned(), flaw });
    // Without following a symbolic link: its owner could point it elsewhere between our look and our use.
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = match rustix::fs::open(directory, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => {
            return unsafe_for("it is a symbolic link or not a directory; name the directory itself");
        }
        Err(errno) => return Err(HandoverError::Io { doing: OPENING, source: errno.into() }),
    };
    let meta =
        File::from(opened).metadata().map_err(|source| HandoverError::Io { doing: OPENING, source })?;
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return unsafe_for("it belongs to another user; give the gateway a directory of its own");
    }
    if meta.mode() & 0o077 != 0 {
        return unsafe_for("others may enter it; `chmod 700` it");
    }
    Ok(())
}

/// Opens the socket for the successor's wait: directory made and checked, stale file replaced, mode 0600.
pub(super) fn bind(path: &Path) -> Result<(UnixListener, SocketFile), HandoverError> {
    let failed = |source| HandoverError::Io { doing: BINDING, source };
    if let Some(directory) = path.parent() {
        match DirBuilder::new().mode(0o700).create(directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(HandoverError::Io { doing: OPENING, source }),
        }
        check_directory(directory)?;
    }
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
    .map_err(failed)?;
    let socket = SocketFile(path.to_owned());
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
    Ok((listener, socket))
}

/// Removes a socket file that a dead process left behind, and nothing else.
fn remove_stale(path: &Path) -> Result<(), HandoverError> {
    let failed = |source| HandoverError::Io { doing: BINDING, source };
    if !fs::symlink_metadata(path).map_err(failed)?.file_type().is_socket() {
        let flaw = "a file that is no socket stands there; move it away";
        return Err(HandoverError::Unsafe { path: path.to_owned(), flaw });
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        _ => Err(HandoverError::AlreadyWaiting { path: path.to_owned() }),
    }
}

/// The socket's file; removed when the wait is over.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A file left behind is found stale by the next one who waits.
        let _ = fs::remove_file(&self.0);
    }
}

/// Requires the other end to run as the same user as we do. Gives its process id.
pub(super) fn check_peer(stream: &UnixStream) -> Result<u32, HandoverError> {
    let doing = "asking who is at the other end";
    let peer = rustix::net::sockopt::socket_peercred(stream)
        .map_err(|errno| HandoverError::Io { doing, source: errno.into() })?;
    let (theirs, ours) = (peer.uid.as_raw(), rustix::process::geteuid().as_raw());
    if theirs != ours {
        return Err(HandoverError::Stranger { theirs, ours });
    }
    Ok(u32::try_from(peer.pid.as_raw_nonzero().get()).unwrap_or(0))
}
