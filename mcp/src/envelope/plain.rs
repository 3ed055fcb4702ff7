//! *Is it an everyday message?* The envelopes that nearly all clients send, read at a quarter of the price.
//!
//! Everyday means: the members that JSON-RPC and MCP name, each once at most, none of them spelt with escapes. Whatever
//! is else, good or bad, is left to the thorough reader, which alone knows the reasons for refusing. What is read here
//! is checked as strictly as there, to the last byte: the two must never differ on a message that both take.

use std::borrow::Cow;

use crate::id::RawId;
use crate::methods::MethodName;

use super::{Envelope, Kind, MEMBERS, PARAMETERS};

/// The envelope of `text`; `None` leaves it to the thorough reader.
pub(super) fn read(text: &str, depth_limit: usize) -> Option<Envelope<'_>> {
    let has_control = text.as_bytes().iter().fold(u8::MAX, |least, byte| least.min(*byte)) < 0x20;
    let mut reader = Reader { text, at: 0, depth: 0, depth_limit, has_control };
    let message = reader.message()?;
    reader.blank();
    (reader.at == text.len()).then_some(message)
}

/// What `params` tell.
#[derive(Default)]
struct About<'a> {
    name: Option<&'a str>,
    uri: Option<&'a str>,
    task_id: Option<&'a str>,
    progress_token: Option<RawId<'a>>,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// How many brackets are open, never more than the limit.
    depth: usize,
    depth_limit: usize,
    /// Whether there are control characters, which may stand between strings but not in them.
    has_control: bool,
}

impl<'a> Reader<'a> {
    fn message(&mut self) -> Option<Envelope<'a>> {
        let (mut version, mut id, mut method, mut answers) = (None, None, None, 0_u8);
        let mut about = About::default();
        self.members(&MEMBERS, |reader, key| {
            match key {
                "jsonrpc" => version = Some(reader.string()?),
                "id" => id = Some(RawId::parse(reader.raw()?)?),
                "method" => method = Some(reader.string()?),
                "params" if reader.peek()? == b'{' => about = reader.about()?,
                "result" | "error" => {
                    answers += 1;
                    reader.value()?;
                }
                // `null`, or what the thorough reader refuses.
                _ => return None,
            }
            Some(())
        })?;
        let method = method.map(|method| MethodName::new(Cow::Borrowed(method)));
        let kind = match (version? == "2.0", method, id, answers) {
            (true, Some(method), Some(id), 0) => Kind::Request { id, method },
            (true, Some(method), None, 0) => Kind::Notification { method },
            (true, None, Some(id), 1) => Kind::Response { id },
            _ => return None,
        };
        let text = |text: Option<&'a str>| text.map(Cow::Borrowed);
        let About { name, uri, task_id, progress_token } = about;
        Some(Envelope { kind, name: text(name), uri: text(uri), task_id: text(task_id), progress_token })
    }

    fn about(&mut self) -> Option<About<'a>> {
        let mut about = About::default();
        self.members(&PARAMETERS, |reader, key| {
            let text = match key {
                "name" => &mut about.name,
                "uri" => &mut about.uri,
                "taskId" => &mut about.task_id,
                "_meta" if reader.peek()? == b'{' => {
                    about.progress_token = reader.progress_token()?;
                    return Some(());
                }
                _ => return reader.value(),
            };
            // What is no string there is the hub's affair.
            if reader.peek()? != b'"' {
                return reader.value();
            }
            *text = Some(reader.string()?);
            Some(())
        })?;
        Some(about)
    }

    /// The progress token of `_meta`, which else may have any members, and any of them twice.
    fn progress_token(&mut self) -> Option<Option<RawId<'a>>> {
        let mut found = None;
        self.object(|reader, key| {
            if key != "progressToken" {
                return reader.value();
            }
            found.replace(reader.raw()?).is_none().then_some(())
        })?;
        Some(found.and_then(RawId::parse))
    }

    /// An object with these `familiar` members only, each at most once.
    fn members(
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
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
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

    /// Any value, as it stands there.
    fn raw(&mut self) -> Option<&'a str> {
        self.peek()?;
        let from = self.at;
        self.value()?;
        self.text.get(from..self.at)
    }

    /// Any value, checked and passed over. Recursion is bounded by the limit of depth.
    fn value(&mut self) -> Option<()> {
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
    fn string(&mut self) -> Option<&'a str> {
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
    fn peek(&mut self) -> Option<u8> {
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
