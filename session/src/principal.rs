//! *The same caller as before?* A session opened with one credential is of no use with another.
//!
//! The credential is read, not verified: that is the hub's office, which gets it on every request. Here it only has to
//! be the same one, or the same subject's.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest, hmac};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

/// Largest JWT payload looked into, bytes of Base64. A larger token is bound as a whole.
const PAYLOAD_MAX: usize = 8 * 1024;

/// What binds a session to its caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Bind {
    /// Issuer and subject of a JWT, so that a refreshed token is the same caller; any other credential as a whole.
    #[default]
    Subject,
    /// The credential as a whole: a refreshed token is another caller.
    Token,
    /// Nothing: who has the session id has the session.
    None,
}

impl Bind {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Subject => 1,
            Self::Token => 2,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Subject),
            2 => Some(Self::Token),
            _ => None,
        }
    }
}

/// A caller, without saying who: 16 bytes of a keyed hash. Equality takes the same time wherever they differ.
#[derive(Clone, Copy, Eq)]
pub struct Fingerprint(pub(crate) [u8; 16]);

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl Fingerprint {
    /// Reads what `Display` wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = if digits { u128::from_str_radix(text, 16).ok()? } else { return None };
        Some(Self(number.to_be_bytes()))
    }

    /// Of the caller with this `Authorization` header; without one, of the anonymous caller, which is one and the same.
    pub(crate) fn of(key: &hmac::Key, bind: Bind, authorization: Option<&[u8]>) -> Self {
        let mut hash = hmac::Context::with_key(key);
        Caller::read(bind, authorization).feed(|part| hash.update(part));
        let tag = hash.sign();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&tag.as_ref()[..16]);
        Self(bytes)
    }
}

/// A number that is the same for all requests of one caller, for soft affinity; `None` for an anonymous caller, who is
/// many. It protects nothing: it is not keyed.
#[must_use]
pub fn affinity(bind: Bind, authorization: Option<&[u8]>) -> Option<u64> {
    let caller = match Caller::read(bind, authorization) {
        Caller::Anonymous => return None,
        caller => caller,
    };
    let mut hash = digest::Context::new(&digest::SHA256);
    caller.feed(|part| hash.update(part));
    let digest = hash.finish();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest.as_ref()[..8]);
    Some(u64::from_be_bytes(bytes))
}

/// A name for a task of one caller: another caller's task of the same id has another name. Anonymous callers are one and
/// the same here; what keeps their tasks apart is that hubs make ids that cannot be guessed.
#[must_use]
pub fn task_name(bind: Bind, authorization: Option<&[u8]>, task: &str) -> [u8; 16] {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&(task.len() as u64).to_be_bytes());
    hash.update(task.as_bytes());
    Caller::read(bind, authorization).feed(|part| hash.update(part));
    let digest = hash.finish();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    bytes
}

/// Who calls, as far as the header says.
enum Caller<'a> {
    Anonymous,
    Subject(Subject),
    Credential(&'a [u8]),
}

/// The claims that name a subject. A payload with either of them twice, empty, or not a string is not read.
#[derive(Deserialize)]
struct Subject {
    iss: String,
    sub: String,
}

impl<'a> Caller<'a> {
    fn read(bind: Bind, authorization: Option<&'a [u8]>) -> Self {
        let credential = authorization.map_or(&b""[..], <[u8]>::trim_ascii);
        match bind {
            Bind::None => Self::Anonymous,
            _ if credential.is_empty() => Self::Anonymous,
            Bind::Subject => Subject::read(credential).map_or(Self::Credential(credential), Self::Subject),
            Bind::Token => Self::Credential(credential),
        }
    }

    /// Hands out what to hash. The first byte keeps the kinds apart, the length keeps issuer and subject apart.
    fn feed(&self, mut update: impl FnMut(&[u8])) {
        match self {
            Self::Anonymous => update(&[0]),
            Self::Subject(Subject { iss, sub }) => {
                update(&[1]);
                update(&(iss.len() as u64).to_be_bytes());
                update(iss.as_bytes());
                update(sub.as_bytes());
            }
            Self::Credential(credential) => {
                let (scheme, token) = split(credential);
                update(&[2]);
                update(&scheme.to_ascii_lowercase());
                update(b" ");
                update(token);
            }
        }
    }
}

impl Subject {
    /// The subject of a JWT in compact form, `Bearer header.payload.signature`.
    fn read(credential: &[u8]) -> Option<Self> {
        let (scheme, token) = split(credential);
        let mut parts = token.split(|byte| *byte == b'.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || !scheme.eq_ignore_ascii_case(b"bearer") || payload.len() > PAYLOAD_MAX {
            return None;
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let subject: Self = serde_json::from_slice(&payload).ok()?;
        (!subject.iss.is_empty() && !subject.sub.is_empty()).then_some(subject)
    }
}

/// The scheme, which is case-insensitive, and what follows it.
fn split(credential: &[u8]) -> (&[u8], &[u8]) {
    let end = credential.iter().position(|byte| *byte == b' ').unwrap_or(credential.len());
    (&credential[..end], credential[end..].trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fingerprint(bind: Bind, authorization: Option<&str>) -> Fingerprint {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a key for tests");
        Fingerprint::of(&key, bind, authorization.map(str::as_bytes))
    }

    /// Whether the two headers are one caller.
    fn check(bind: Bind, one: Option<&str>, other: Option<&str>, same: bool) {
        assert_eq!(fingerprint(bind, one) == fingerprint(bind, other), same, "{bind:?} {one:?} {other:?}");
        let affinity = |header: Option<&str>| affinity(bind, header.map(str::as_bytes));
        assert_eq!(affinity(one) == affinity(other), same, "{bind:?} {one:?} {other:?}");
    }

    fn jwt(payload: &str, signature: &str) -> String {
        format!("Bearer e30.{}.{signature}", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn a_refreshed_token_is_the_same_subject() {
        let first = jwt(r#"{"iss":"https://a","sub":"u","exp":1}"#, "x");
        let second = jwt(r#"{"exp":2,"sub":"u","iss":"https:\/\/a"}"#, "y");
        check(Bind::Subject, Some(&first), Some(&second), true);
        check(Bind::Token, Some(&first), Some(&second), false);
        check(Bind::None, Some(&first), Some(&second), true);
        for other in [r#"{"iss":"https://a","sub":"v"}"#, r#"{"iss":"https://b","sub":"u"}"#] {
            check(Bind::Subject, Some(&first), Some(&jwt(other, "x")), false);
        }
    }

    #[test]
    fn what_names_no_subject_is_bound_as_a_whole() {
        for payload in [
            r#"{"sub":"u"}"#,
            r#"{"iss":"a","sub":""}"#,
            r#"{"iss":"a","sub":7}"#,
            r#"{"iss":"a","sub":"u","sub":"v"}"#,
            "[]",
            "",
        ] {
            check(Bind::Subject, Some(&jwt(payload, "x")), Some(&jwt(payload, "y")), false);
        }
        let sound = r#"{"iss":"a","sub":"u"}"#;
        let encoded = URL_SAFE_NO_PAD.encode(sound);
        check(Bind::Subject, Some(&jwt(sound, "x")), Some(&format!("Basic e30.{encoded}.x")), false);
        check(Bind::Subject, Some(&format!("Bearer e30.{encoded}")), Some(&jwt(sound, "x")), false);
        check(Bind::Subject, Some(&format!("Bearer e30.{encoded}.x.y")), Some(&jwt(sound, "x")), false);
    }

    #[test]
    fn schemes_have_no_case_and_credentials_do() {
        check(Bind::Token, Some("Bearer abc"), Some(" bearer  abc "), true);
        check(Bind::Token, Some("Bearer abc"), Some("Bearer ABC"), false);
        check(Bind::Subject, Some("Bearer abc"), Some("Basic abc"), false);
        check(Bind::Subject, Some("Bearer abc"), None, false);
        check(Bind::Subject, Some(" "), None, true);
        check(Bind::Subject, None, None, true);
    }

    #[test]
    fn tasks_of_two_callers_do_not_meet() {
        let name = |authorization: Option<&str>, task| {
            task_name(Bind::Subject, authorization.map(str::as_bytes), task)
        };
        let refreshed = |signature| jwt(r#"{"iss":"a","sub":"u"}"#, signature);
        assert_eq!(name(Some(&refreshed("x")), "t"), name(Some(&refreshed("y")), "t"));
        assert_eq!(name(None, "t"), name(None, "t"));
        let others =
            [name(Some("Bearer a"), "t"), name(Some("Bearer b"), "t"), name(None, "t"), name(None, "u")];
        assert!((1..others.len()).all(|n| !others[n..].contains(&others[n - 1])));
    }

    #[test]
    fn issuer_and_subject_do_not_run_together() {
        let (one, other) = (jwt(r#"{"iss":"ab","sub":"c"}"#, "x"), jwt(r#"{"iss":"a","sub":"bc"}"#, "x"));
        check(Bind::Subject, Some(&one), Some(&other), false);
    }

    proptest! {
        #[test]
        fn any_header_is_some_caller(header in prop::collection::vec(any::<u8>(), 0..100)) {
            let key = hmac::Key::new(hmac::HMAC_SHA256, b"a key for tests");
            for bind in [Bind::Subject, Bind::Token, Bind::None] {
                prop_assert_eq!(Fingerprint::of(&key, bind, Some(&header)), Fingerprint::of(&key, bind, Some(&header)));
            }
        }
    }
}
