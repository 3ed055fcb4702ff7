//! Is this the same question?
//!
//! A key is a SHA-256 over everything that an answer may depend on: the method and its parameters, as the specification
//! says, and besides them all that a hub gets to see of a request and a client could have chosen. What is not in the key
//! could otherwise be used by one client to have another's answer look as it likes. Left out is only what the gateway
//! writes itself from what it knows, what belongs to one request alone, and what the operator has named.

use mcphub_http1::{Fields, Known};
use mcphub_mcp::cache::Question;
use ring::digest::{SHA256, digest};

/// A question, or a question of one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key([u8; 32]);

/// Who asks, without saying who: a hash of the whole `Authorization` header. Not of the subject in it, which nobody here
/// has verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller(u64);

/// Where the answer to a question may lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    /// Everybody's answer.
    pub(crate) shared: Key,
    /// This caller's, where answers are kept for single callers and this one has a credential.
    pub(crate) own: Option<(Key, Caller)>,
}

/// What a question is asked with, besides its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The header fields.
    pub(crate) fields: &'a Fields,
    /// The path below the endpoint, and the query.
    pub(crate) target: (&'a str, &'a str),
    /// What hubs are told of how the client has reached us: scheme and host.
    pub(crate) origin: (&'a str, Option<&'a [u8]>),
    /// Under which residency it may be answered; empty for none.
    pub(crate) residency: &'a str,
}

impl Caller {
    /// The caller with this `Authorization` header; `None` for one without.
    pub(crate) fn of(authorization: Option<&[u8]>) -> Option<Self> {
        let credential = authorization?.trim_ascii();
        if credential.is_empty() {
            return None;
        }
        let hash = digest(&SHA256, credential);
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_ref()[..8]);
        Some(Self(u64::from_be_bytes(first)))
    }

    /// A number below `most` for it.
    pub(crate) fn number(self, most: usize) -> usize {
        (self.0 % most.max(1) as u64) as usize
    }
}

impl Key {
    fn of(material: &[u8]) -> Self {
        let hash = digest(&SHA256, material);
        let mut key = [0; 32];
        key.copy_from_slice(hash.as_ref());
        Self(key)
    }
}

impl Keys {
    /// Of this question. `ignored`: headers that no answer depends on. `private`: whether answers are kept for single
    /// callers.
    pub(crate) fn of(question: &Question<'_>, asked: &Asked<'_>, ignored: &[String], private: bool) -> Self {
        let mut material = Vec::with_capacity(1_024);
        question.feed(|part| material.extend_from_slice(part));
        for part in [
            asked.target.0.as_bytes(),
            asked.target.1.as_bytes(),
            asked.origin.0.as_bytes(),
            asked.origin.1.unwrap_or_default(),
            asked.residency.as_bytes(),
        ] {
            put(&mut material, part);
        }
        let mut counted: Vec<_> = asked
            .fields
            .end_to_end()
            .filter(|(name, _, known)| counts(name, *known, ignored))
            .map(|(name, value, _)| (name, value))
            .collect();
        // Of fields with one name the order matters, of others it does not.
        counted.sort_by(|(one, _), (other, _)| lower(one).cmp(lower(other)));
        for (name, value) in counted {
            let start = material.len();
            put(&mut material, name);
            material[start..].make_ascii_lowercase();
            put(&mut material, value);
        }
        let authorization = asked.fields.get(Known::Authorization);
        let caller = Caller::of(authorization);
        // Whoever shows no credential is answered as such: a hub may want to ask for one.
        material.push(u8::from(caller.is_some()));
        let shared = Key::of(&material);
        let own = caller.filter(|_| private).map(|caller| {
            put(&mut material, authorization.unwrap_or_default().trim_ascii());
            (Key::of(&material), caller)
        });
        Self { shared, own }
    }

    /// Whether an answer under this key may be given to the asker.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.shared == *key || self.own.is_some_and(|(own, _)| own == *key)
    }
}

/// Every part comes after its length, so that none runs into the next.
fn put(material: &mut Vec<u8>, part: &[u8]) {
    material.extend_from_slice(&(part.len() as u64).to_be_bytes());
    material.extend_from_slice(part);
}

fn lower(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().map(u8::to_ascii_lowercase)
}

/// Whether an answer may depend on this field.
fn counts(name: &[u8], known: Option<Known>, ignored: &[String]) -> bool {
    match known {
        Some(
            // Counted apart.
            Known::Authorization
            | Known::Host
            | Known::ForwardedHost
            | Known::ForwardedProto
            // Not forwarded, or written by us.
            | Known::SessionId
            | Known::Expect
            | Known::Forwarded
            | Known::ForwardedFor
            // Passed on from proxies that the operator trusts, else not at all.
            | Known::RealIp
            | Known::TrueClientIp,
        ) => false,
        _ => !ignored.iter().any(|ignored| ignored.as_bytes().eq_ignore_ascii_case(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcphub_mcp::cache::Cacheable;

    const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let usual = [("accept", "application/json, text/event-stream"), ("mcp-method", "tools/list")];
        let pairs = usual.iter().chain(pairs).map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        Fields::from_pairs(pairs).expect("a sound head")
    }

    fn keys_of(body: &str, pairs: &[(&str, &str)], change: impl FnOnce(&mut Asked<'_>)) -> Keys {
        let question = Question::read(body.as_bytes(), Cacheable::Tools).expect("a question");
        let fields = fields(pairs);
        let mut asked =
            Asked { fields: &fields, target: ("", ""), origin: ("http", Some(b"edge")), residency: "" };
        change(&mut asked);
        Keys::of(&question, &asked, &["traceparent".to_owned(), "x-request-id".to_owned()], true)
    }

    fn keys(pairs: &[(&str, &str)]) -> Keys {
        keys_of(BODY, pairs, |_| {})
    }

    #[test]
    fn what_belongs_to_one_request_alone_makes_no_difference() {
        let plain = keys(&[("user-agent", "a"), ("x-b", "1")]);
        for same in [
            keys(&[("X-B", "1"), ("User-Agent", "a")]),
            keys(&[("user-agent", "a"), ("x-b", "1"), ("traceparent", "00-1"), ("X-Request-Id", "7")]),
            keys(&[
                ("user-agent", "a"),
                ("x-b", "1"),
                ("x-forwarded-for", "192.0.2.1"),
                ("x-real-ip", "192.0.2.1"),
            ]),
            keys(&[("user-agent", "a"), ("x-b", "1"), ("mcp-session-id", "x"), ("host", "other")]),
            keys(&[("user-agent", "a"), ("x-b", "1"), ("connection", "close, x-hop"), ("x-hop", "1")]),
            keys_of(&BODY.replace("\"id\":1", "\"id\":\"x\""), &[("user-agent", "a"), ("x-b", "1")], |_| {}),
        ] {
            assert_eq!(plain, same);
        }
    }

    #[test]
    fn whatever_a_client_can_choose_and_a_hub_sees_makes_one() {
        let plain = keys(&[]);
        let others = [
            keys(&[("user-agent", "a")]),
            keys(&[("x-forwarded-prefix", "/evil")]),
            keys(&[("x-original-url", "/evil")]),
            keys(&[("x-tenant", "a")]),
            keys(&[("x-api-key", "a")]),
            keys(&[("cookie", "a=1")]),
            keys(&[("accept-language", "de")]),
            keys(&[("last-event-id", "1")]),
            keys(&[("x-a", "1"), ("x-a", "2")]),
            keys(&[("x-a", "2"), ("x-a", "1")]),
            keys(&[("x-a", "12")]),
            keys(&[("x-a1", "2")]),
            keys(&[("authorization", "Bearer a")]),
            keys_of(BODY, &[], |asked| asked.target.0 = "/below"),
            keys_of(BODY, &[], |asked| asked.target.1 = "/below"),
            keys_of(BODY, &[], |asked| asked.origin.0 = "https"),
            keys_of(BODY, &[], |asked| asked.origin.1 = Some(b"evil")),
            keys_of(BODY, &[], |asked| asked.residency = "eu"),
            keys_of(&BODY.replace("\"_meta\"", "\"cursor\":\"1\",\"_meta\""), &[], |_| {}),
        ];
        for (at, other) in others.iter().enumerate() {
            assert_ne!(plain.shared, other.shared, "{at}");
            assert!(others[..at].iter().all(|before| before.shared != other.shared), "{at}");
        }
    }

    #[test]
    fn callers_share_what_is_everybodys_and_nothing_else() {
        let [none, one, again, other] =
            [None, Some("Bearer a"), Some("Bearer a "), Some("Bearer b")].map(|authorization| {
                authorization.map_or_else(|| keys(&[]), |value| keys(&[("authorization", value)]))
            });
        assert_eq!(one, again);
        assert_eq!(one.shared, other.shared);
        assert_ne!(one.own, other.own);
        assert_ne!(one.shared, none.shared);
        assert_eq!(none.own, None);
        let own = one.own.expect("a caller's").0;
        assert!(one.has(&own) && one.has(&one.shared) && !other.has(&own));
        // What no one has verified binds nobody: two tokens of one subject are two callers.
        let jwt = |signature| format!("Bearer e30.eyJpc3MiOiJhIiwic3ViIjoidSJ9.{signature}");
        let [first, second] = ["x", "y"].map(|s| keys(&[("authorization", &jwt(s))]));
        assert_ne!(first.own, second.own);
    }

    #[test]
    fn single_callers_have_no_key_where_answers_are_not_kept_for_them() {
        let question = Question::read(BODY.as_bytes(), Cacheable::Tools).expect("a question");
        let fields = fields(&[("authorization", "Bearer a")]);
        let asked =
            Asked { fields: &fields, target: ("", ""), origin: ("http", Some(b"edge")), residency: "" };
        assert_eq!(Keys::of(&question, &asked, &[], false).own, None);
    }
}
