//! *Which request is this about?* A JSON-RPC id, kept as the client wrote it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::decode;

/// A request id as it stands in the body: a JSON string with its quotes, or an integer.
///
/// Two ids are equal when they mean the same, however they are escaped: a hub may write `"é"` where the client wrote
/// `"\u00e9"`. The string `"1"` and the number `1` differ.
#[derive(Clone, Copy, Debug)]
pub struct RawId<'a> {
    text: &'a str,
}

impl<'a> RawId<'a> {
    /// An id from its JSON text. `None` unless it is a string, or an integer between −2⁶³ and 2⁶⁴ − 1: JSON-RPC asks
    /// for no fractions, MCP for no `null`, and beyond 64 bits parsers no longer agree on the value.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        let id = Self { text };
        let sound = if text.starts_with('"') { decode(text).is_some() } else { id.is_integer() };
        sound.then_some(id)
    }

    /// The JSON text, ready to be written into another body.
    #[must_use]
    pub fn as_json(&self) -> &'a str {
        self.text
    }

    /// The text of a string id, unescaped; `None` for a number.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'a, str>> {
        if self.text.starts_with('"') { decode(self.text) } else { None }
    }

    /// A copy that outlives the body.
    #[must_use]
    pub fn to_id(&self) -> Id {
        Id { text: self.text.into() }
    }

    pub(crate) fn from_raw(raw: &'a RawValue) -> Option<Self> {
        Self::parse(raw.get())
    }

    /// The digits of a whole number as JSON has it, of at most so many.
    fn digits(&self, most: usize) -> Option<&'a str> {
        let digits = self.text.strip_prefix('-').unwrap_or(self.text);
        let json = (1..=most).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits.len() == 1 || !digits.starts_with('0'));
        json.then_some(digits)
    }

    /// Whether it is a whole number of 64 bits. With 18 digits or fewer, any is.
    fn is_integer(&self) -> bool {
        self.digits(18).is_some() || self.number().is_some()
    }

    /// Its value, where it is a number.
    fn number(&self) -> Option<i128> {
        // `i128::from_str` takes `+1` and `01`, which are not JSON; twenty digits are the most that 64 bits need.
        self.digits(20)?;
        let value: i128 = self.text.parse().ok()?;
        (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value).then_some(value)
    }
}

impl PartialEq for RawId<'_> {
    fn eq(&self, other: &RawId<'_>) -> bool {
        match (self.number(), other.number()) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, None) => self.text == other.text || self.text() == other.text(),
            _ => false,
        }
    }
}

impl Eq for RawId<'_> {}

/// A request id that outlives the body it came in.
#[derive(Clone, Debug)]
pub struct Id {
    text: Box<str>,
}

impl Id {
    /// The id, borrowed.
    #[must_use]
    pub fn as_raw(&self) -> RawId<'_> {
        RawId { text: &self.text }
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.as_raw() == other.as_raw()
    }
}

impl Eq for Id {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, accepted: bool) {
        assert_eq!(RawId::parse(text).is_some(), accepted, "{text}");
    }

    #[test]
    fn strings_and_integers_only() {
        for text in
            ["0", "1", "-1", "18446744073709551615", "-9223372036854775808", "\"\"", "\"a\"", r#""\u00e9""#]
        {
            check(text, true);
        }
        for text in
            ["", "null", "true", "1.0", "1e3", "01", "+1", "-", "--1", "[]", "{}", "\"", "\"a", r#""\ud800""#]
        {
            check(text, false);
        }
        check("18446744073709551616", false);
        check("-9223372036854775809", false);
        check("\"a\nb\"", false);
        check("\"a\"b\"", false);
    }

    #[test]
    fn equal_when_they_mean_the_same() {
        let id = |text| RawId::parse(text).unwrap();
        assert_eq!(id(r#""é""#), id(r#""\u00e9""#));
        assert_eq!(id("-0"), id("0"));
        assert_ne!(id("1"), id("\"1\""));
        assert_ne!(id("\"a\""), id("\"b\""));
        assert_eq!(id("7").to_id().as_raw(), id("7"));
    }
}
