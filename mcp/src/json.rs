//! Reading JSON strictly without building it: what both the envelope and the events lean on.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

/// A string, borrowed where it has no escapes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        source.deserialize_str(Reader)
    }
}

/// The keys of one object, so that none comes twice: two readers of `{"method":1,"method":2}` may differ.
///
/// `familiar` keys, 16 at most, cost a bit each; nearly all objects have no others, and then nothing is allocated.
pub(crate) struct Keys<'a> {
    familiar: &'static [&'static str],
    seen: u16,
    others: Vec<Cow<'a, str>>,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(familiar: &'static [&'static str]) -> Self {
        Self { familiar, seen: 0, others: Vec::new() }
    }

    pub(crate) fn note<E: serde::de::Error>(&mut self, key: Cow<'a, str>) -> Result<(), E> {
        let Some(at) = self.familiar.iter().take(16).position(|known| **known == *key) else {
            self.others.push(key);
            return Ok(());
        };
        let bit = 1 << at;
        if self.seen & bit != 0 {
            return Err(E::custom(DUPLICATE_KEY));
        }
        self.seen |= bit;
        Ok(())
    }

    /// Refuses the object if an unfamiliar key came twice. Sorting at the end keeps a hostile object of many keys at
    /// n·log n.
    pub(crate) fn distinct<E: serde::de::Error>(mut self) -> Result<(), E> {
        self.others.sort_unstable();
        let twice = self.others.windows(2).any(|pair| pair[0] == pair[1]);
        if twice { Err(E::custom(DUPLICATE_KEY)) } else { Ok(()) }
    }
}

/// How a duplicate key is named inside serde's error, which carries text only.
pub(crate) const DUPLICATE_KEY: &str = "duplicate key";

/// The value of a JSON string, quotes included in `text`; `None` for anything else, and for lone surrogates.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if inner.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(text).ok().map(Cow::Owned)
}

/// Whether valid JSON nests deeper than `limit`.
///
/// Few bodies have more than `limit` opening brackets in all, in strings or out, so counting those settles nearly
/// every body at the speed of `memchr`; only the rest are walked.
pub(crate) fn deeper_than(body: &[u8], limit: usize) -> bool {
    if memchr::memchr2_iter(b'{', b'[', body).take(limit.saturating_add(1)).count() <= limit {
        return false;
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for &byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, limit: usize, deeper: bool) {
        assert_eq!(deeper_than(body.as_bytes(), limit), deeper, "{body}");
    }

    #[test]
    fn depth_counts_brackets_outside_strings() {
        check("[[1]]", 2, false);
        check("[[1]]", 1, true);
        check("[[],[],[],{}]", 2, false);
        check(r#"["[[[[[[","\"[[[[", 1]"#, 1, false);
        check(r#"["\\",[[]]]"#, 2, true);
        check("[[[]],[[[]]]]", 3, true);
        check("1", 0, false);
    }
}
