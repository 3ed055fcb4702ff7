//! The bytes and descriptors of a hand-over.
//!
//! ```text
//! old → new   u32 (big endian) length, then JSON {"version":1,"listeners":["...", ...]}
//! old → new   per batch of up to 32: one byte, its count, with that many descriptors attached
//! new → old   "R" serving, or "N", u16 length, words: declined
//! old → new   "A" agreed, after "R"
//! ```

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize};

use super::{HandoverError, LISTENERS_MAX, is_listening};
use crate::clock;

/// Changes when an older binary could no longer understand a newer one.
const VERSION: u32 = 1;

/// Descriptors in one message. The kernel takes 253; small batches keep the buffers on the stack.
const BATCH: usize = 32;

/// Length of the JSON list in bytes: [`LISTENERS_MAX`] names of 250 bytes.
const LIST_BYTES_MAX: usize = 256 * 1024;

/// Length of the words of one who declines, in bytes.
const WORDS_BYTES_MAX: usize = 1024;

const READY: u8 = b'R';
const NO: u8 = b'N';
const AGREED: u8 = b'A';

#[derive(Serialize, Deserialize)]
struct List {
    version: u32,
    listeners: Vec<String>,
}

/// Lets reads and writes on `stream` wait until `deadline` and no longer.
///
/// Set before each call: a timeout of the socket counts from the call, a deadline does not.
fn arm(stream: &UnixStream, deadline: Instant, doing: &'static str) -> Result<(), HandoverError> {
    let left = left(deadline, doing)?;
    stream
        .set_read_timeout(Some(left))
        .and_then(|()| stream.set_write_timeout(Some(left)))
        .map_err(HandoverError::io(doing))
}

fn left(deadline: Instant, doing: &'static str) -> Result<Duration, HandoverError> {
    let left = deadline.saturating_duration_since(clock::instant());
    if left.is_zero() { Err(HandoverError::TimedOut { doing }) } else { Ok(left) }
}

/// Waits for a visitor until `deadline`.
pub(super) fn accept(listener: &UnixListener, deadline: Instant) -> Result<UnixStream, HandoverError> {
    let doing = "waiting for the old process (send it SIGQUIT)";
    loop {
        // Linux lets accept(2) time out like a read; that spares a poll.
        set_socket_timeout(listener, Timeout::Recv, Some(left(deadline, doing)?))
            .map_err(|errno| HandoverError::Io { doing, source: errno.into() })?;
        match listener.accept() {
            Ok((stream, _)) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(HandoverError::io(doing)(error)),
        }
    }
}

/// Sends the list of names and the descriptors in the same order.
pub(super) fn send_listeners(
    stream: &UnixStream,
    listeners: &[(String, BorrowedFd<'_>)],
    deadline: Instant,
) -> Result<(), HandoverError> {
    let doing = "passing the listeners on";
    let (names, sockets): (Vec<_>, Vec<_>) = listeners.iter().map(|(name, fd)| (name.clone(), *fd)).unzip();
    let list = serde_json::to_vec(&List { version: VERSION, listeners: names })
        .map_err(|error| HandoverError::Io { doing, source: error.into() })?;
    if sockets.len() > LISTENERS_MAX || list.len() > LIST_BYTES_MAX {
        return Err(HandoverError::Protocol("too many listeners for one hand-over"));
    }
    let length = u32::try_from(list.len()).unwrap_or(u32::MAX).to_be_bytes();
    arm(stream, deadline, doing)?;
    (&*stream).write_all(&[&length, list.as_slice()].concat()).map_err(HandoverError::io(doing))?;
    for batch in sockets.chunks(BATCH) {
        arm(stream, deadline, doing)?;
        send_batch(stream, batch).map_err(HandoverError::io(doing))?;
    }
    Ok(())
}

fn send_batch(stream: &UnixStream, batch: &[BorrowedFd<'_>]) -> io::Result<()> {
    let count = [u8::try_from(batch.len()).unwrap_or(u8::MAX)];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(batch)) {
        return Err(io::Error::other("the batch does not fit its buffer"));
    }
    rustix::io::retry_on_intr(|| {
        rustix::net::sendmsg(stream, &[IoSlice::new(&count)], &mut control, SendFlags::NOSIGNAL)
    })?;
    Ok(())
}

/// Takes the list and its descriptors; each must be a listening socket.
pub(super) fn receive_listeners(
    stream: &UnixStream,
    deadline: Instant,
) -> Result<BTreeMap<String, OwnedFd>, HandoverError> {
    let doing = "receiving the listeners";
    let mut length = [0; 4];
    arm(stream, deadline, doing)?;
    (&*stream).read_exact(&mut length).map_err(HandoverError::io(doing))?;
    let length = u32::from_be_bytes(length) as usize;
    if length > LIST_BYTES_MAX {
        return Err(HandoverError::Protocol("the list of listeners is too long"));
    }
    let mut list = vec![0; length];
    arm(stream, deadline, doing)?;
    // To the byte: what follows carries descriptors, which an ordinary read would drop.
    (&*stream).read_exact(&mut list).map_err(HandoverError::io(doing))?;
    let list: List = serde_json::from_slice(&list)
        .map_err(|_| HandoverError::Protocol("the list of listeners cannot be read"))?;
    if list.version != VERSION {
        return Err(HandoverError::Protocol("the old process speaks another version of it"));
    }
    if list.listeners.len() > LISTENERS_MAX {
        return Err(HandoverError::Protocol("the list of listeners is too long"));
    }
    let mut sockets = Vec::with_capacity(list.listeners.len());
    while sockets.len() < list.listeners.len() {
        arm(stream, deadline, doing)?;
        sockets.extend(receive_batch(stream)?);
    }
    if sockets.len() != list.listeners.len() || !sockets.iter().all(|socket| is_listening(socket.as_fd())) {
        return Err(HandoverError::Protocol("the descriptors do not match the list"));
    }
    let count = sockets.len();
    let named: BTreeMap<_, _> = list.listeners.into_iter().zip(sockets).collect();
    if named.len() != count {
        return Err(HandoverError::Protocol("two listeners have one name"));
    }
    Ok(named)
}

fn receive_batch(stream: &UnixStream) -> Result<Vec<OwnedFd>, HandoverError> {
    let doing = "receiving the listeners";
    let mut count = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut count)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
    })
    .map_err(|errno| HandoverError::io(doing)(errno.into()))?;
    if message.bytes == 0 {
        return Err(HandoverError::Gone { doing });
    }
    let mut sockets = Vec::with_capacity(BATCH);
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = part {
            sockets.extend(passed);
        }
    }
    // The kernel cuts the list short when this process may not open more files.
    if message.flags.contains(ReturnFlags::CTRUNC)
        || sockets.is_empty()
        || sockets.len() != usize::from(count[0])
    {
        return Err(HandoverError::Protocol("descriptors were lost on the way (is the file limit too low?)"));
    }
    Ok(sockets)
}

/// Says "we serve" and waits for the old process to agree.
pub(super) fn say_ready(stream: &UnixStream, deadline: Instant) -> Result<(), HandoverError> {
    let doing = "telling the old process that we serve";
    arm(stream, deadline, doing)?;
    (&*stream).write_all(&[READY]).map_err(HandoverError::io(doing))?;
    let mut answer = [0];
    arm(stream, deadline, doing)?;
    (&*stream).read_exact(&mut answer).map_err(HandoverError::io(doing))?;
    if answer[0] == AGREED { Ok(()) } else { Err(HandoverError::Protocol("unknown answer to ready")) }
}

/// Says "no" and why. Best effort: an end of the connection means no as well.
pub(super) fn refuse(stream: &UnixStream, why: &str, deadline: Instant) {
    let end = (0..=why.len().min(WORDS_BYTES_MAX)).rev().find(|end| why.is_char_boundary(*end)).unwrap_or(0);
    let length = u16::try_from(end).unwrap_or(0).to_be_bytes();
    let said = [&[NO], &length[..], &why.as_bytes()[..end]].concat();
    if arm(stream, deadline, "declining").is_ok() {
        let _ = (&*stream).write_all(&said);
    }
}

/// Waits for the successor's word.
pub(super) fn await_ready(stream: &UnixStream, deadline: Instant) -> Result<(), HandoverError> {
    let doing = "waiting for the new process to serve";
    let mut word = [0];
    arm(stream, deadline, doing)?;
    (&*stream).read_exact(&mut word).map_err(HandoverError::io(doing))?;
    match word[0] {
        READY => Ok(()),
        NO => Err(HandoverError::Refused { why: read_words(stream, deadline)? }),
        _ => Err(HandoverError::Protocol("unknown word instead of ready")),
    }
}

fn read_words(stream: &UnixStream, deadline: Instant) -> Result<String, HandoverError> {
    let doing = "hearing why the new process declined";
    let mut length = [0; 2];
    arm(stream, deadline, doing)?;
    (&*stream).read_exact(&mut length).map_err(HandoverError::io(doing))?;
    let length = usize::from(u16::from_be_bytes(length)).min(WORDS_BYTES_MAX);
    let mut words = vec![0; length];
    (&*stream).read_exact(&mut words).map_err(HandoverError::io(doing))?;
    Ok(String::from_utf8_lossy(&words).into_owned())
}

/// Agrees to go. If the successor is no longer there to hear it, we stay.
pub(super) fn acknowledge(stream: &UnixStream, deadline: Instant) -> Result<(), HandoverError> {
    let doing = "leaving the listeners to the new process";
    arm(stream, deadline, doing)?;
    (&*stream).write_all(&[AGREED]).map_err(HandoverError::io(doing))
}
