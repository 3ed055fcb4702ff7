//! Where does a head end? The same for requests and responses.

use crate::{HeadLimits, Refusal};
use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// Bytes of the line that ends a head.
pub(crate) const EMPTY_LINE: usize = b"\r\n".len();

/// What ends a head: the end of its last line, and an empty one.
const END: &[u8] = b"\r\n\r\n";
static END_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(END));

/// Looks for the end of a head, looking at each byte once however it trickles in.
#[derive(Debug, Default)]
pub struct HeadScan {
    scanned: usize,
}

/// Takes a whole head off the front of a buffer, or `None` while it is incomplete.
pub(crate) fn take_head(
    buf: &mut BytesMut,
    scan: &mut HeadScan,
    limits: &HeadLimits,
) -> Result<Option<Bytes>, Refusal> {
    let Some(end) = scan.end(buf, limits)? else { return Ok(None) };
    scan.scanned = 0;
    if buf.len() > end {
        return Ok(Some(buf.split_to(end).freeze()));
    }
    // A head that stands alone in the buffer is copied: it may be kept for as long as a stream stands open, and would
    // keep the whole buffer with it.
    let head = Bytes::copy_from_slice(buf);
    buf.clear();
    Ok(Some(head))
}

impl HeadScan {
    /// Whether nothing of the head has been looked at.
    pub(crate) fn is_fresh(&self) -> bool {
        self.scanned == 0
    }

    /// The length of the head at the front of `buf`, empty line included, once it is whole. What its lines end with is
    /// known only when it is parsed; but one whose lines would never let it be whole is refused at once.
    ///
    /// # Errors
    /// A line that is not ended by CRLF, or a head beyond its limits.
    pub fn end(&mut self, buf: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Refusal> {
        let from = self.scanned.saturating_sub(END.len() - 1);
        let found = END_FINDER.find(&buf[from..]).map(|at| from + at + END.len());
        let seen = found.unwrap_or(buf.len());
        let line = memchr::memchr(b'\n', &buf[..seen.min(limits.line + 1)]);
        if line.is_none() && seen > limits.line {
            return Err(Refusal::LineTooLong);
        }
        if seen > limits.head {
            return Err(Refusal::HeadTooLarge);
        }
        if found.is_none() {
            let bare = |at: usize| at == 0 || buf[at - 1] != b'\r';
            if memchr::memchr_iter(b'\n', &buf[self.scanned..]).any(|at| bare(self.scanned + at)) {
                return Err(Refusal::LineEnd);
            }
            self.scanned = buf.len();
        }
        Ok(found)
    }
}
