//! *What may be routed on without reading the body?* The mirrored headers of the modern era.
//!
//! `Mcp-Method` and `Mcp-Name` repeat what the body says; the hub compares the two and refuses a difference, so a
//! gateway may route and count by them. They are **not** to be trusted for anything that protects: until the hub has
//! looked, they are whatever a stranger wrote. Never read them on a legacy request, where nobody compares.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::methods::{Class, MethodName, Target};

/// Longest `Mcp-Method`, bytes. The longest name in the specification has 34; extensions have longer ones.
pub const METHOD_MAX: usize = 256;

/// Longest `Mcp-Name`, bytes as sent. Resource URIs are the long ones; 8 KiB is what HTTP servers take of a URI.
pub const NAME_MAX: usize = 8 * 1024;

/// The headers of a modern request, read and decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModernHeaders<'a> {
    /// `Mcp-Method`.
    pub method: MethodName<'a>,
    /// `Mcp-Name`, decoded: the tool or prompt, the resource's URI, or the task's id. Carry the header itself to the
    /// hub as it came.
    pub name: Option<Cow<'a, str>>,
}

/// What is wrong with the headers of a modern request. All are answered as [`crate::Failure::HeaderMismatch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFlaw {
    /// No `Mcp-Method`. Wrong of a request; a *notification* may lack it, and only the body tells which it is. Leave
    /// the verdict to the hub, or [`crate::peek`] first.
    #[error("Mcp-Method is missing")]
    MethodMissing,
    /// Empty, too long, or not visible ASCII.
    #[error("Mcp-Method is not a method name")]
    MethodMalformed,
    /// The method has a target, and `Mcp-Name` does not say which.
    #[error("Mcp-Name is missing")]
    NameMissing,
    /// Empty, too long, or with bytes that have no place in a header.
    #[error("Mcp-Name has invalid characters")]
    NameMalformed,
    /// `=?base64?…?=` around something that is not Base64 of UTF-8.
    #[error("Mcp-Name is not valid Base64 of UTF-8")]
    NameUndecodable,
}

impl<'a> ModernHeaders<'a> {
    /// Reads the values of `Mcp-Method` and `Mcp-Name`; `None` where the header is absent. A header given twice is the
    /// caller's to refuse.
    pub fn read(method: Option<&'a [u8]>, name: Option<&'a [u8]>) -> Result<Self, HeaderFlaw> {
        let method = method.ok_or(HeaderFlaw::MethodMissing)?.trim_ascii();
        if method.is_empty() || method.len() > METHOD_MAX || !method.iter().all(u8::is_ascii_graphic) {
            return Err(HeaderFlaw::MethodMalformed);
        }
        let method = std::str::from_utf8(method).map_err(|_| HeaderFlaw::MethodMalformed)?;
        let name = name.map(decode).transpose()?;
        let method = MethodName::new(Cow::Borrowed(method));
        if method.target() != Target::None && name.is_none() {
            return Err(HeaderFlaw::NameMissing);
        }
        Ok(Self { method, name })
    }

    /// What the method does.
    #[must_use]
    pub fn class(&self) -> Class {
        self.method.class()
    }

    /// The task this request is about, which pins it to the hub that holds the task.
    #[must_use]
    pub fn task_id(&self) -> Option<&str> {
        let about_task = matches!(self.class(), Class::Task(_));
        if about_task { self.name.as_deref() } else { None }
    }
}

/// Decodes a mirrored value: plain visible ASCII with inner spaces and tabs, or `=?base64?…?=`.
pub fn decode(value: &[u8]) -> Result<Cow<'_, str>, HeaderFlaw> {
    let value = value.trim_ascii();
    if value.is_empty() || value.len() > NAME_MAX {
        return Err(HeaderFlaw::NameMalformed);
    }
    if !value.iter().all(|&byte| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t') {
        return Err(HeaderFlaw::NameMalformed);
    }
    let sealed = value.strip_prefix(b"=?base64?").and_then(|rest| rest.strip_suffix(b"?="));
    if let Some(encoded) = sealed {
        let bytes = STANDARD.decode(encoded).map_err(|_| HeaderFlaw::NameUndecodable)?;
        return String::from_utf8(bytes).map(Cow::Owned).map_err(|_| HeaderFlaw::NameUndecodable);
    }
    std::str::from_utf8(value).map(Cow::Borrowed).map_err(|_| HeaderFlaw::NameMalformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(method: Option<&str>, name: Option<&str>, expected: Result<Option<&str>, HeaderFlaw>) {
        let read = ModernHeaders::read(method.map(str::as_bytes), name.map(str::as_bytes));
        let seen = read.as_ref().map(|headers| headers.name.as_deref()).map_err(|flaw| *flaw);
        assert_eq!(seen, expected, "{method:?} {name:?}");
    }

    #[test]
    fn the_method_is_required_and_the_name_where_there_is_a_target() {
        check(None, None, Err(HeaderFlaw::MethodMissing));
        check(Some(""), None, Err(HeaderFlaw::MethodMalformed));
        check(Some("tools /call"), None, Err(HeaderFlaw::MethodMalformed));
        check(Some("tools/cäll"), None, Err(HeaderFlaw::MethodMalformed));
        check(Some(&"m".repeat(METHOD_MAX + 1)), None, Err(HeaderFlaw::MethodMalformed));
        for method in
            ["tools/call", "resources/read", "prompts/get", "tasks/get", "tasks/update", "tasks/cancel"]
        {
            check(Some(method), None, Err(HeaderFlaw::NameMissing));
            check(Some(method), Some("x"), Ok(Some("x")));
        }
        check(Some("tools/list"), None, Ok(None));
        check(Some("vendor/thing"), None, Ok(None));
    }

    #[test]
    fn values_are_decoded_as_the_specification_shows() {
        check(Some("tools/call"), Some("=?base64?SGVsbG8sIOS4lueVjA==?="), Ok(Some("Hello, 世界")));
        check(Some("tools/call"), Some("=?base64?IHBhZGRlZCA=?="), Ok(Some(" padded ")));
        check(
            Some("tools/call"),
            Some("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
            Ok(Some("=?base64?literal?=")),
        );
        check(Some("tools/call"), Some("=?BASE64?SGk=?="), Ok(Some("=?BASE64?SGk=?=")));
        check(Some("tools/call"), Some("  get weather "), Ok(Some("get weather")));
        check(Some("tools/call"), Some("=?base64?S?="), Err(HeaderFlaw::NameUndecodable));
        check(Some("tools/call"), Some("=?base64?//8=?="), Err(HeaderFlaw::NameUndecodable));
        check(Some("tools/call"), Some("a\r\nX: y"), Err(HeaderFlaw::NameMalformed));
        check(Some("tools/call"), Some(" "), Err(HeaderFlaw::NameMalformed));
    }

    #[test]
    fn only_task_methods_have_a_task() {
        let read = |method: &'static str| ModernHeaders::read(Some(method.as_bytes()), Some(b"t1")).unwrap();
        assert_eq!(read("tasks/get").task_id(), Some("t1"));
        assert_eq!(read("tools/call").task_id(), None);
    }

    proptest! {
        #[test]
        fn any_text_survives_its_encoding(text in any::<String>()) {
            let value = format!("=?base64?{}?=", STANDARD.encode(&text));
            prop_assume!(value.len() <= NAME_MAX);
            let decoded = decode(value.as_bytes());
            prop_assert_eq!(decoded.as_deref(), Ok(text.as_str()));
        }

        #[test]
        fn no_bytes_panic(method in prop::collection::vec(any::<u8>(), 0..40), name in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = ModernHeaders::read(Some(&method), Some(&name));
        }
    }
}
