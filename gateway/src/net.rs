//! How do bytes move, whatever carries them?
//!
//! A [`Wire`] is one TCP or TLS connection, towards a client or a hub. Cleartext stays a plain socket, so that a
//! request costs one read and one write; TLS is Pingora's stream.

use bytes::BytesMut;
use pingora::protocols::Stream;
use rustix::net::SendFlags;
use std::future::{Future as _, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Bytes asked for in one read. Most MCP messages fit; a larger body takes a few reads.
pub const READ_SIZE: usize = 8 * 1024;

/// Parts are joined before they are written, as long as a copy of this many bytes costs less than what the kernel takes
/// for a second part: half a microsecond (Linux 6, `sendto` beside `writev`).
pub const JOINED_MAX: usize = 4 * 1024;

/// Room for one read where there is none left.
fn make_room(buf: &mut BytesMut) {
    if buf.capacity() == 0 {
        *buf = BytesMut::with_capacity(READ_SIZE);
    } else if buf.capacity() == buf.len() {
        buf.reserve(READ_SIZE);
    }
}

/// Reads what is here. Without a buffer until there is something to put into it: idle connections stay small.
fn poll_read(tcp: &mut TcpStream, context: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
    if buf.is_empty() && buf.capacity() > 0 {
        *buf = BytesMut::new();
    }
    if let Err(error) = ready!(tcp.poll_read_ready(context)) {
        return Poll::Ready(Err(error));
    }
    make_room(buf);
    // The runtime takes a read that did not fill its buffer for the last for now, and spares the one that would say so.
    let read = pin!(tcp.read_buf(buf)).poll(context);
    if read.is_pending() && buf.is_empty() {
        *buf = BytesMut::new();
    }
    read
}

fn try_write(tcp: &TcpStream, parts: &[&[u8]]) -> io::Result<usize> {
    if let [only] = parts {
        // Past the C library, which makes a point of cancellation of each call: 0.1 us for two threads and more.
        let send = || Ok(rustix::net::send(tcp, only, SendFlags::NOSIGNAL)?);
        return tcp.try_io(Interest::WRITABLE, send);
    }
    let mut slices = [IoSlice::new(&[]); 4];
    let count = parts.len().min(slices.len());
    for (slice, part) in slices.iter_mut().zip(parts) {
        *slice = IoSlice::new(part);
    }
    tcp.try_write_vectored(&slices[..count])
}

/// One connection.
#[derive(Debug)]
pub enum Wire {
    /// Cleartext.
    Tcp(TcpStream),
    /// TLS.
    Tls(Stream),
}

impl Wire {
    /// Appends what has arrived to `buf`, waiting for at least one byte; 0 is the end. Cancel-safe. An empty buffer is
    /// given back while it waits: of ten thousand idle connections none holds one.
    ///
    /// # Errors
    /// Whatever the socket says.
    pub async fn read(&mut self, buf: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => poll_fn(|context| poll_read(tcp, context, buf)).await,
            Self::Tls(tls) => {
                buf.reserve(READ_SIZE);
                tls.read_buf(buf).await
            }
        }
    }

    /// As [`read`](Self::read), without waiting: `None` where nothing is here yet.
    ///
    /// # Errors
    /// Whatever the socket says.
    pub fn read_now(&mut self, buf: &mut BytesMut) -> io::Result<Option<usize>> {
        let mut context = Context::from_waker(Waker::noop());
        let read = match self {
            Self::Tcp(tcp) => match poll_read(tcp, &mut context, buf) {
                Poll::Pending => return Ok(None),
                Poll::Ready(read) => read,
            },
            Self::Tls(tls) => {
                let mut scratch = [0; READ_SIZE];
                let mut target = ReadBuf::new(&mut scratch);
                match tokio::io::AsyncRead::poll_read(Pin::new(tls), &mut context, &mut target) {
                    Poll::Pending => return Ok(None),
                    Poll::Ready(Err(error)) => Err(error),
                    Poll::Ready(Ok(())) => {
                        buf.extend_from_slice(target.filled());
                        Ok(target.filled().len())
                    }
                }
            }
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            other => other.map(Some),
        }
    }

    /// Whether the other side has neither sent anything nor closed, as far as the runtime knows. What it has sent may be
    /// lost: nobody waits for it.
    pub fn is_quiet(&mut self) -> bool {
        let read = match self {
            Self::Tcp(tcp) => tcp.try_read(&mut [0]),
            Self::Tls(_) => return matches!(self.read_now(&mut BytesMut::new()), Ok(None)),
        };
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Writes all parts, in one call where the socket takes them, within `deadline`.
    ///
    /// First whatever else is ready has its turn: requests that came together are all read before the first is passed
    /// on. Writing in between wakes the other side for each of them, and a third of the kernel's time goes into that.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when the other side does not take the bytes; else what the socket says.
    pub async fn write(&mut self, parts: &[&[u8]], deadline: Duration) -> io::Result<()> {
        tokio::task::yield_now().await;
        let written = match self {
            Self::Tcp(tcp) => match try_write(tcp, parts) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            },
            Self::Tls(_) => 0,
        };
        let total: usize = parts.iter().map(|part| part.len()).sum();
        if written == total && matches!(self, Self::Tcp(_)) {
            return Ok(());
        }
        // On the heap: sockets take nearly everything at once, and what stands open for long pays for all that might be.
        match tokio::time::timeout(deadline, Box::pin(self.write_rest(parts, written))).await {
            Ok(result) => result,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Writes what is in `first` and then `more`, in one part where a copy costs less than a second one: see [`JOINED_MAX`].
    /// What is in `first` afterwards does not matter.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_joined(
        &mut self,
        first: &mut Vec<u8>,
        more: [&[u8]; 2],
        deadline: Duration,
    ) -> io::Result<()> {
        let [second, third] = more;
        if second.len() + third.len() > JOINED_MAX {
            return self.write(&[first, second, third], deadline).await;
        }
        first.extend_from_slice(second);
        first.extend_from_slice(third);
        self.write(&[first], deadline).await
    }

    async fn write_rest(&mut self, parts: &[&[u8]], mut skip: usize) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => {
                for part in parts {
                    let from = skip.min(part.len());
                    skip -= from;
                    tcp.write_all(&part[from..]).await?;
                }
                Ok(())
            }
            Self::Tls(tls) => {
                // One record for head and body.
                let joined: Vec<u8>;
                let bytes = if let [only] = parts {
                    *only
                } else {
                    joined = parts.concat();
                    &joined
                };
                tls.write_all(bytes).await?;
                tls.flush().await
            }
        }
    }

    /// Ends our side of the connection; errors no longer matter.
    pub async fn shut(&mut self) {
        let _ = match self {
            Self::Tcp(tcp) => tcp.shutdown().await,
            Self::Tls(tls) => tls.shutdown().await,
        };
    }
}
