//! Cutting: lines end in LF, CRLF or CR, in any mixture; an empty line ends the event.

use memchr::memchr2;

/// An event, or the torn beginning of one, is larger than the limit. The stream cannot be trusted any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than {limit} bytes")]
pub struct EventTooLarge {
    /// How many bytes of whole events come before it; they may still go out.
    pub whole: usize,
    /// The limit, bytes.
    pub limit: usize,
}

/// Finds whole events in a buffer that grows at its end.
///
/// ```
/// # use mcphub_mcp::EventSplitter;
/// let mut splitter = EventSplitter::new(1024);
/// let mut buffer = b"data: 1\n\ndata".to_vec();
/// let whole = splitter.whole(&buffer).unwrap();
/// assert_eq!(buffer.drain(..whole).as_slice(), b"data: 1\n\n"); // forward these
/// buffer.extend_from_slice(b": 2\n\n");
/// assert_eq!(splitter.whole(&buffer), Ok(9));
/// ```
#[derive(Debug)]
pub struct EventSplitter {
    limit: usize,
    /// How much of the present buffer has been looked at.
    scanned: usize,
    /// Where the event that is being read begins in the present buffer.
    start: usize,
    line: Line,
}

/// Where the scan stands between two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// At the beginning of a line.
    Fresh,
    /// Inside a line.
    Begun,
    /// After a CR that ended a line; an LF still belongs to it. `ended` if that line was empty, and so ended an event.
    AfterCr { ended: bool },
}

impl EventSplitter {
    /// A splitter at the start of a stream, for events of at most `limit` bytes including their empty line.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, scanned: 0, start: 0, line: Line::Fresh }
    }

    /// The length of the part of `buffer` that is whole events, possibly 0.
    ///
    /// The caller takes exactly that part off the front before the next call, and only ever appends to the rest. Each
    /// byte is looked at once, however it arrives. An LF that completes a CR LF whose CR has already gone out is
    /// whole by itself.
    pub fn whole(&mut self, buffer: &[u8]) -> Result<usize, EventTooLarge> {
        while let Some(rest) = buffer.get(self.scanned..).filter(|rest| !rest.is_empty()) {
            let Some(at) = memchr2(b'\n', b'\r', rest) else {
                self.scanned = buffer.len();
                self.line = Line::Begun;
                break;
            };
            self.terminator(rest[at], at)?;
        }
        if buffer.len() - self.start > self.limit {
            return Err(EventTooLarge { whole: self.start, limit: self.limit });
        }
        let whole = std::mem::take(&mut self.start);
        self.scanned -= whole;
        Ok(whole)
    }

    /// Whether the stream stands between two events: what a stream must be for a clean end or a word of our own.
    #[must_use]
    pub fn between_events(&self) -> bool {
        self.scanned == 0
    }

    /// Takes in one CR or LF, `at` bytes beyond what was scanned.
    fn terminator(&mut self, byte: u8, at: usize) -> Result<(), EventTooLarge> {
        self.scanned += at + 1;
        if let (b'\n', 0, Line::AfterCr { ended }) = (byte, at, self.line) {
            self.line = Line::Fresh;
            return if ended { self.end() } else { Ok(()) };
        }
        let ended = at == 0 && self.line != Line::Begun;
        self.line = if byte == b'\r' { Line::AfterCr { ended } } else { Line::Fresh };
        if ended { self.end() } else { Ok(()) }
    }

    /// Ends the event at what has been scanned.
    fn end(&mut self) -> Result<(), EventTooLarge> {
        if self.scanned - self.start > self.limit {
            return Err(EventTooLarge { whole: self.start, limit: self.limit });
        }
        self.start = self.scanned;
        Ok(())
    }
}

/// The whole events in `bytes`, each with its empty line; a torn one at the end is left out.
#[must_use]
pub fn events(bytes: &[u8]) -> Events<'_> {
    Events { rest: bytes }
}

/// The last of the whole events in `bytes`, which ends where they end. From behind, since most are asked for the last.
#[must_use]
pub fn last_event(bytes: &[u8]) -> Option<&[u8]> {
    let body = bytes.strip_suffix(b"\n\n").filter(|body| !matches!(body.last(), Some(b'\n' | b'\r')));
    let Some(body) = body else { return events(bytes).last() };
    let mut end = body.len();
    // The empty line before: where two LF stand together, whatever came before them.
    while let Some(at) = memchr::memrchr(b'\n', &body[..end]) {
        if at > 0 && body[at - 1] == b'\n' {
            let event = &bytes[at + 1..];
            // Other ends of lines may be ends of events too, and an empty line alone is one.
            let plain = event[0] != b'\n' && memchr::memchr(b'\r', event).is_none();
            return if plain { Some(event) } else { events(bytes).last() };
        }
        end = at;
    }
    events(bytes).last()
}

/// See [`events`].
#[derive(Clone, Debug)]
pub struct Events<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Events<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut at = 0;
        loop {
            let (length, terminator) = line(&self.rest[at..])?;
            at += length + terminator;
            if length == 0 {
                let (event, rest) = self.rest.split_at(at);
                self.rest = rest;
                return Some(event);
            }
        }
    }
}

/// The length of the first line and of its terminator; `None` if the line does not end here.
fn line(bytes: &[u8]) -> Option<(usize, usize)> {
    let at = memchr2(b'\n', b'\r', bytes)?;
    let pair = bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n');
    Some((at, if pair { 2 } else { 1 }))
}

/// The lines of `block` without their terminators, the last one terminated or not.
pub(super) fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (length, terminator) = line(rest).unwrap_or((rest.len(), 0));
        let (this, next) = (&rest[..length], &rest[length + terminator..]);
        rest = next;
        Some(this)
    })
}

/// A line's field name and value; one space after the colon belongs to neither.
pub(super) fn field(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = memchr::memchr(b':', line) else { return (line, b"") };
    let value = &line[colon + 1..];
    (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
}
