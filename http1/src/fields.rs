//! Header fields as offsets into the bytes they came in, and field lines on their way out.

use crate::known::Kind;
use crate::{Known, Refusal};
use bytes::Bytes;

/// Where one field stands in the raw head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Span {
    pub(crate) fn of(part: &[u8], whole: &[u8]) -> Self {
        // Both are slices of one head, whose length is bounded far below u32::MAX.
        let start = part.as_ptr() as usize - whole.as_ptr() as usize;
        Self { start: start as u32, len: part.len() as u32 }
    }

    pub(crate) fn in_bytes(self, raw: &[u8]) -> &[u8] {
        &raw[self.start as usize..(self.start + self.len) as usize]
    }
}

#[derive(Debug, Clone, Copy)]
struct Field {
    name: Span,
    value: Span,
    known: Option<Known>,
}

/// The fields of one head. Looking up a [`Known`] field is one index, not a search.
///
/// Small, since heads are moved from hand to hand; what grows with the number of fields is on the heap.
#[derive(Debug, Clone)]
pub struct Fields {
    raw: Bytes,
    /// Where the last line ends in it. The lines stand one after the other, in order, each ended by CRLF.
    end: u32,
    all: Vec<Field>,
    /// 1 + position of the first occurrence; 0 = absent.
    index: [u8; Known::COUNT],
}

impl Fields {
    /// None yet of the `count` whose lines end at `end` of `raw`.
    pub(crate) fn new(raw: Bytes, end: usize, count: usize) -> Self {
        Self { raw, end: end as u32, all: Vec::with_capacity(count), index: [0; Known::COUNT] }
    }

    /// Adds a field whose parts are slices of the raw head.
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        let known = Known::of(name);
        let (name, value) = (Span::of(name, &self.raw), Span::of(value, &self.raw));
        self.push_span(name, value, known)
    }

    fn push_span(&mut self, name: Span, value: Span, known: Option<Known>) -> Result<(), Refusal> {
        if self.all.len() >= crate::FIELDS_MAX {
            return Err(Refusal::HeadTooLarge);
        }
        if let Some(known) = known {
            let slot = &mut self.index[known as usize];
            if *slot == 0 {
                *slot = self.all.len() as u8 + 1;
            } else if known.kind() == Kind::Once {
                return Err(Refusal::Repeated(known.name()));
            }
        }
        self.all.push(Field { name, value, known });
        Ok(())
    }

    /// Fields given as name and value, such as HTTP/2's.
    ///
    /// # Errors
    /// A field that may come once came twice, or there are more than [`crate::FIELDS_MAX`].
    pub fn from_pairs<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<Self, Refusal> {
        let mut raw = Vec::with_capacity(512);
        let mut spans = Vec::with_capacity(16);
        for (name, value) in pairs {
            let start = raw.len() as u32;
            let name_span = Span { start, len: name.len() as u32 };
            let value_span = Span { start: start + name_span.len + 2, len: value.len() as u32 };
            crate::write::field(&mut raw, name, value);
            spans.push((name_span, value_span, Known::of(name)));
        }
        let end = raw.len();
        let mut fields = Self::new(raw.into(), end, spans.len());
        for (name, value, known) in spans {
            fields.push_span(name, value, known)?;
        }
        Ok(fields)
    }

    /// The value of a known field; the first one where it may be repeated.
    #[must_use]
    pub fn get(&self, known: Known) -> Option<&[u8]> {
        let slot = self.index[known as usize];
        (slot != 0).then(|| self.all[slot as usize - 1].value.in_bytes(&self.raw))
    }

    /// The value of a known field where it is valid UTF-8.
    #[must_use]
    pub fn text(&self, known: Known) -> Option<&str> {
        std::str::from_utf8(self.get(known)?).ok()
    }

    /// Every value of a known field, in order.
    pub fn values(&self, known: Known) -> impl DoubleEndedIterator<Item = &[u8]> {
        let first = match self.index[known as usize] {
            0 => self.all.len(),
            slot => usize::from(slot) - 1,
        };
        self.all[first..]
            .iter()
            .filter(move |field| field.known == Some(known))
            .map(|field| field.value.in_bytes(&self.raw))
    }

    /// Every field in order: name as received, value, and which known field it is.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8], Option<Known>)> {
        self.all
            .iter()
            .map(|field| (field.name.in_bytes(&self.raw), field.value.in_bytes(&self.raw), field.known))
    }

    /// The lines of the fields that may travel on, as [`end_to_end`](Self::end_to_end) has them, and that `keep` wants: as
    /// they stand in the head, those that follow each other in one piece.
    pub fn copy_lines(&self, out: &mut Vec<u8>, keep: impl Fn(Option<Known>) -> bool) {
        let nominates = self.nominates();
        let mut run = 0..0;
        for (at, field) in self.all.iter().enumerate() {
            if self.is_hop(field, nominates) || !keep(field.known) {
                continue;
            }
            let start = field.name.start as usize;
            if run.end != start {
                out.extend_from_slice(&self.raw[run]);
                run = start..start;
            }
            run.end = self.all.get(at + 1).map_or(self.end, |next| next.name.start) as usize;
        }
        out.extend_from_slice(&self.raw[run]);
    }

    /// The fields that may travel on: all but those of one connection (RFC 9110 section 7.6.1), including
    /// those that `Connection` names. Never `Content-Length`, which belongs to the framing written anew.
    pub fn end_to_end(&self) -> impl Iterator<Item = (&[u8], &[u8], Option<Known>)> {
        let nominates = self.nominates();
        self.all
            .iter()
            .filter(move |field| !self.is_hop(field, nominates))
            .map(|field| (field.name.in_bytes(&self.raw), field.value.in_bytes(&self.raw), field.known))
    }

    fn nominates(&self) -> bool {
        self.values(Known::Connection).any(nominates_more)
    }

    /// Whether a field stays behind. `nominates`: the head names others than those that always do.
    fn is_hop(&self, field: &Field, nominates: bool) -> bool {
        match field.known {
            Some(known) => known.kind() == Kind::Hop || known == Known::ContentLength,
            None => nominates && self.nominated(field.name.in_bytes(&self.raw)),
        }
    }

    fn nominated(&self, name: &[u8]) -> bool {
        self.connection_options().any(|option| option.eq_ignore_ascii_case(name))
    }

    /// The options of every `Connection` field.
    pub fn connection_options(&self) -> impl Iterator<Item = &[u8]> {
        self.values(Known::Connection).flat_map(list)
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Refuses a head whose lines do not all end with CRLF, the first one included. The parser takes neither CR nor LF as
    /// a part of a name or value: what stands before a name is the end of the line before.
    pub(crate) fn check_lines(&self) -> Result<(), Refusal> {
        let mut ends = self.all.iter().map(|field| field.name.start).chain([self.end]);
        let whole = ends.all(|end| self.raw[..end as usize].ends_with(b"\r\n"));
        if whole { Ok(()) } else { Err(Refusal::LineEnd) }
    }

    /// Refuses names that imitate known ones, and `Connection` options that would strip end-to-end fields.
    pub(crate) fn check_names(&self) -> Result<(), Refusal> {
        for field in self.all.iter().filter(|field| field.known.is_none()) {
            if let Some(imitated) = Known::imitated_by(field.name.in_bytes(&self.raw)) {
                return Err(Refusal::Alias(imitated.name()));
            }
        }
        let strips = |option: &[u8]| Known::of(option).is_some_and(|known| known.kind() != Kind::Hop);
        if self.connection_options().any(strips) { Err(Refusal::Nominated) } else { Ok(()) }
    }
}

/// Whether a `Connection` value names anything beyond the two usual options.
fn nominates_more(value: &[u8]) -> bool {
    list(value).any(|o| !o.eq_ignore_ascii_case(b"keep-alive") && !o.eq_ignore_ascii_case(b"close"))
}

/// The elements of a comma-separated list, trimmed, empty ones left out.
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Field lines ready for the wire.
#[derive(Debug, Clone, Default)]
pub struct FieldLines(Vec<u8>);

impl FieldLines {
    /// No lines yet, room for a usual head.
    #[must_use]
    pub fn new() -> Self {
        Self(Vec::with_capacity(512))
    }

    /// Adds `name: value`. A value that could end the line early is dropped: it cannot come from a parsed
    /// head, and one made here must not become a second header. So is a name that could end early.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        self.push_bytes(name.as_bytes(), value);
    }

    /// As [`push`](Self::push), for names taken from a parsed head.
    pub fn push_bytes(&mut self, name: &[u8], value: &[u8]) {
        let breaks = |bytes: &[u8]| memchr::memchr3(b'\r', b'\n', 0, bytes).is_some();
        if breaks(value) || breaks(name) || name.is_empty() || name.contains(&b':') {
            return;
        }
        crate::write::field(&mut self.0, name, value);
    }

    /// Adds the lines of a parsed head that may travel on, as [`Fields::copy_lines`] does.
    pub fn push_onward(&mut self, fields: &Fields, keep: impl Fn(Option<Known>) -> bool) {
        fields.copy_lines(&mut self.0, keep);
    }

    /// The serialised lines.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Names and values in order, for those who do not write lines (HTTP/2).
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let end = memchr::memmem::find(rest, b"\r\n")?;
            let (line, after) = (&rest[..end], &rest[end + 2..]);
            rest = after;
            let colon = memchr::memchr(b':', line)?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hop_by_hop_fields_and_nominated_ones_stay_behind() {
        let pairs: [(&[u8], &[u8]); 6] = [
            (b"Host", b"a"),
            (b"Connection", b"close, X-Secret-Hop"),
            (b"x-secret-hop", b"1"),
            (b"X-Kept", b"2"),
            (b"Upgrade", b"h2c"),
            (b"Content-Length", b"3"),
        ];
        let fields = Fields::from_pairs(pairs.into_iter()).expect("a sound head");
        let kept: Vec<_> = fields.end_to_end().map(|(name, _, _)| name.to_vec()).collect();
        assert_eq!(kept, [b"Host".to_vec(), b"X-Kept".to_vec()]);
        let mut lines = Vec::new();
        fields.copy_lines(&mut lines, |known| known != Some(Known::Host));
        assert_eq!(lines, b"X-Kept: 2\r\n");
        assert_eq!(fields.get(Known::Host), Some(&b"a"[..]));
    }

    #[test]
    fn a_value_made_here_cannot_become_a_second_header() {
        let mut lines = FieldLines::new();
        lines.push("x-a", b"1\r\nx-b: 2");
        lines.push("x-c", b"3");
        assert_eq!(lines.as_bytes(), b"x-c: 3\r\n");
        assert_eq!(lines.iter().count(), 1);
    }

    #[test]
    fn what_may_come_once_is_refused_twice() {
        let pairs: [(&[u8], &[u8]); 2] = [(b"authorization", b"a"), (b"Authorization", b"b")];
        assert_eq!(Fields::from_pairs(pairs.into_iter()).err(), Some(Refusal::Repeated("authorization")));
    }
}
