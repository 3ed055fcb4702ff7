//! *What is in an everyday message?* A reader for JSON that is spelt as nearly everybody spells it, at a quarter of the
//! price of one for all.
//!
//! Everyday means: objects with members that are expected, each once at most, none of them spelt with escapes. Whatever is
//! else, good or bad, makes [`Reader`] give up, and is left to the thorough readers, which alone know the reasons for
//! refusing. What it does read is checked as strictly as there, to the last byte: the two must never differ on a message
//! that both take.

use crate::envelope::DEPTH_MAX;

/// Where a reader stands in a text. Every method gives `None` where the text is not an everyday one.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// How many brackets are open, never more than the limit.
    depth: usize,
    depth_limit: usize,
    /// Whether there are control characters, which may stand between strings but not in them.
    has_control: bool,
}

/// What `read` makes of the whole of `text`, nested at most `depth_limit` deep.
pub(crate) fn read<'a, T>(
    text: &'a str,
    depth_limit: usize,
    read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
) -> Option<T> {
    let has_control = text.as_bytes().iter().fold(u8::MAX, |least, byte| least.min(*byte)) < 0x20;
    let mut reader = Reader { text, at: 0, depth: 0, depth_limit, has_control };
    let found = read(&mut reader)?;
    reader.blank();
    (reader.at == text.len()).then_some(found)
}

/// The members of an answer, as they stand there.
#[derive(Default)]
pub(crate) struct Answer<'a> {
    pub(crate) id: Option<&'a str>,
    pub(crate) result: Option<&'a str>,
    pub(crate) error: Option<&'a str>,
}

/// An everyday answer, or what has no other members than one.
pub(crate) fn answer(text: &str) -> Option<Answer<'_>> {
    read(text, DEPTH_MAX, |reader| {
        let mut answer = Answer::default();
        reader.members(&["jsonrpc", "id", "result", "error"], |reader, key| {
            let value = Some(reader.raw()?);
            match key {
                "id" => answer.id = value,
                "result" => answer.result = value,
                "error" => answer.error = value,
                _ => {}
            }
            Some(())
        })?;
        Some(answer)
    })
}

impl<'a> Reader<'a> {
    /// An object with these `familiar` members only, each at most once.
    pub(crate) fn members(
        &mut self,
        familiar: &[&str],
        mut member: impl FnMut(&mut Self, &'a str) -> Option<()>,
    ) -> Option<()> {
        let mut seen = 0_u32;
        self.object(|reader, key| {
            let bit = 1 << familiar.iter().position(|known| *known == key)?;
            if seen & bit != 0 {
                return None;
            }
            seen |= bit;
            member(reader, key)
        })
    }

    /// An object whose keys have no escapes; `member` reads the value of each.
    pub(crate) fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.list(b'{', b'}', |reader| {
            let key = reader.string()?;
            reader.take(b':')?;
            member(reader, key)
        })
    }

    /// What stands between two brackets, with commas in between.
    fn list(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(open)?;
        self.depth += 1;
        if self.depth > self.depth_limit {
            return None;
        }
        if self.peek()? != close {
            loop {
                item(self)?;
                match self.peek()? {
                    b',' => self.at += 1,
                    end if end == close => break,
                    _ => return None,
                }
            }
        }
        self.at += 1;
        self.depth -= 1;
        Some(())
    }

    /// What `read` reads, and its text as it stands there.
    pub(crate) fn noting<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<(T, &'a str)> {
        self.peek()?;
        let from = self.at;
        let found = read(self)?;
        Some((found, self.text.get(from..self.at)?))
    }

    /// Any value, as it stands there.
    pub(crate) fn raw(&mut self) -> Option<&'a str> {
        self.noting(Self::value).map(|((), text)| text)
    }

    /// Any value, checked and passed over. Recursion is bounded by the limit of depth.
    pub(crate) fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.skip_string(),
            b'{' => self.list(b'{', b'}', |reader| {
                reader.peek()?;
                reader.skip_string()?;
                reader.take(b':')?;
                reader.value()
            }),
            b'[' => self.list(b'[', b']', Self::value),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let here = self.text.as_bytes().get(self.at..)?.starts_with(word.as_bytes());
        self.at += word.len();
        here.then_some(())
    }

    /// A number by JSON's grammar: no leading zeros, digits on both sides of the point.
    fn number(&mut self) -> Option<()> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte()? {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    /// The text of a string without escapes.
    pub(crate) fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let from = self.at;
        let (end, byte) = self.stretch()?;
        self.at = end + 1;
        if byte == b'"' { self.text.get(from..end) } else { None }
    }

    /// A string of any kind, which begins here.
    fn skip_string(&mut self) -> Option<()> {
        if self.byte() != Some(b'"') {
            return None;
        }
        self.at += 1;
        loop {
            let (end, byte) = self.stretch()?;
            self.at = end + 1;
            if byte == b'"' {
                return Some(());
            }
            match self.byte()? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                b'u' => {
                    let digits = self.text.as_bytes().get(self.at + 1..self.at + 5)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    self.at += 5;
                }
                _ => return None,
            }
        }
    }

    /// Where the plain text from here ends, and with which of `"` and `\`.
    fn stretch(&self) -> Option<(usize, u8)> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let length = memchr::memchr2(b'"', b'\\', rest)?;
        if self.has_control && rest[..length].iter().any(|byte| *byte < 0x20) {
            return None;
        }
        Some((self.at + length, rest[length]))
    }

    /// Passes over blanks and this byte.
    fn take(&mut self, wanted: u8) -> Option<()> {
        let here = self.peek()? == wanted;
        self.at += 1;
        here.then_some(())
    }

    /// The next byte that is no blank; it is here then.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        match self.byte()? {
            b' ' | b'\t' | b'\n' | b'\r' => {
                self.blank();
                self.byte()
            }
            byte => Some(byte),
        }
    }

    fn blank(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}
