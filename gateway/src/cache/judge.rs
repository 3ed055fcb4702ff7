//! May this answer be kept, and for whom?

use super::entry::{About, Bounds, Entry, Lines, Times};
use super::key::{Caller, Keys};
use mcphub_conf::settings::CacheSettings;
use mcphub_http1::{ResponseHead, fields::list};
use mcphub_mcp::RawId;
use mcphub_mcp::cache::{CacheScope, Kept, Unkept};
use std::time::Duration;

/// Longest time that an answer is given to the one caller it belongs to: a credential that was withdrawn is good for so
/// long here, and no longer. Shorter than the life of any access token.
const PRIVATE_MAX: Duration = Duration::from_secs(60);

/// What an answer is judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    /// Where it may lie.
    pub(crate) keys: &'a Keys,
    /// The request's id.
    pub(crate) id: RawId<'a>,
    /// What was asked.
    pub(crate) about: About,
    /// When.
    pub(crate) times: Times,
}

impl Case<'_> {
    /// What is kept of the answer whose body, or whose one event, holds this message.
    ///
    /// # Errors
    /// Nothing may be kept of it.
    pub(crate) fn entry(
        &self,
        settings: &CacheSettings,
        head: &ResponseHead,
        message: &[u8],
    ) -> Result<Entry, Unkept> {
        if head.status != 200 {
            return Err(Unkept::NoResult);
        }
        if message.len() > settings.entry_size || !head_allows(head) {
            return Err(Unkept::of(message));
        }
        let kept = Kept::read(message, &self.id)?;
        let (caller, bounds) = match kept.scope {
            CacheScope::Public => (None, Bounds { fresh: settings.ttl_max, stale: settings.stale_if_error }),
            CacheScope::Private => (Some(self.caller().ok_or(Unkept::Result)?), private(settings)),
        };
        Ok(Entry::new(kept, self.about, caller, self.times, bounds).with_lines(lines(head)))
    }

    fn caller(&self) -> Option<Caller> {
        self.keys.own.map(|(_, caller)| caller)
    }
}

fn private(settings: &CacheSettings) -> Bounds {
    Bounds { fresh: settings.ttl_max.min(PRIVATE_MAX), stale: Duration::ZERO }
}

/// How the headers of cross-origin resource sharing begin (Fetch, section 3.3).
const CORS: &[u8] = b"access-control-";

/// What of a hub's head is given with its answer: what lets a page in a browser read it (the page's `Origin` is in the
/// key). The rest of a head is about one answer, or one hub.
fn lines(head: &ResponseHead) -> Lines {
    let readable = |name: &[u8]| name.len() > CORS.len() && name[..CORS.len()].eq_ignore_ascii_case(CORS);
    let all = head.fields.iter().filter(|(name, ..)| readable(name));
    all.map(|(name, value, _)| (name.into(), value.into())).collect()
}

/// Whether HTTP has anything against it: a hub, or what stands before it, may say so in headers only. A cookie is given to
/// one client; and what depends on a header that is not in our keys depends on something that others do not share.
///
/// Of an event stream, the SDKs say `no-cache` or `no-store` as a matter of course: no buffer on the way may hold the
/// stream back. Of the result in it, the result speaks.
fn head_allows(head: &ResponseHead) -> bool {
    let forbidding: &[&[u8]] =
        if head.is_event_stream() { &[b"private"] } else { &[b"private", b"no-store", b"no-cache"] };
    head.fields.iter().all(|(name, value, _)| {
        if name.eq_ignore_ascii_case(b"set-cookie") {
            return false;
        }
        if name.eq_ignore_ascii_case(b"cache-control") {
            let forbids = |directive: &[u8]| {
                let name = directive.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
                forbidding.iter().any(|word| name.eq_ignore_ascii_case(word))
            };
            return !list(value).any(forbids);
        }
        if name.eq_ignore_ascii_case(b"vary") {
            let unshared = |field: &[u8]| {
                [&b"*"[..], b"authorization", b"x-forwarded-for", b"forwarded", b"x-real-ip"]
                    .iter()
                    .any(|word| field.eq_ignore_ascii_case(word))
            };
            return !list(value).any(unshared);
        }
        true
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cache::entry::{Freshness, tests::secs};
    use bytes::BytesMut;
    use mcphub_http1::HeadLimits;
    use mcphub_http1::head::HeadScan;
    use mcphub_mcp::cache::Cacheable;

    pub(crate) fn settings() -> CacheSettings {
        CacheSettings {
            enabled: true,
            size: 1 << 20,
            entry_size: 4_096,
            ttl_max: secs(600),
            stale_if_error: secs(30),
            private: true,
            ignored_headers: Vec::new(),
        }
    }

    pub(crate) fn head(status: u16, lines: &str) -> ResponseHead {
        let text = format!("HTTP/1.1 {status} x\r\ncontent-length: 1\r\n{lines}\r\n");
        let limits = HeadLimits { head: 4_096, line: 4_096, fields: 100 };
        let taken =
            ResponseHead::take(&mut BytesMut::from(text.as_bytes()), &mut HeadScan::default(), &limits);
        taken.expect("sound").expect("whole")
    }

    pub(crate) fn message(hints: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[],{hints}}}}}"#)
    }

    fn judged(keys: &Keys, head: &ResponseHead, hints: &str) -> Option<Entry> {
        let times = Times { asked: secs(10), received: secs(10) };
        let about = About { method: Cacheable::Tools, resource: None };
        let id = RawId::parse("1").expect("an id");
        Case { keys, id, about, times }.entry(&settings(), head, message(hints).as_bytes()).ok()
    }

    const PUBLIC: &str = r#""ttlMs":5000,"cacheScope":"public""#;
    const PRIVATE: &str = r#""ttlMs":500000,"cacheScope":"private""#;

    #[test]
    fn http_may_forbid_what_mcp_allows() {
        let keys = crate::cache::tests::keys(Some("Bearer a"));
        let check = |status: u16, lines: &str, expected: bool| {
            assert_eq!(judged(&keys, &head(status, lines), PUBLIC).is_some(), expected, "{status} {lines}");
        };
        check(200, "", true);
        check(200, "cache-control: max-age=60, public\r\nvary: Accept-Encoding, Origin\r\n", true);
        for lines in [
            "set-cookie: a=1\r\n",
            "Cache-Control: public, No-Store\r\n",
            "cache-control: private=\"x\"\r\n",
            "cache-control: no-cache\r\n",
            "vary: *\r\n",
            "vary: accept, Authorization\r\n",
        ] {
            check(200, lines, false);
        }
        check(200, "content-type: text/event-stream\r\ncache-control: no-cache, no-transform\r\n", true);
        check(200, "content-type: text/event-stream\r\ncache-control: private\r\n", false);
        for status in [201, 202, 204, 401, 404, 500, 503] {
            check(status, "", false);
        }
    }

    #[test]
    fn what_is_one_callers_needs_a_caller_and_is_short_lived() {
        let [with, without] = [Some("Bearer a"), None].map(crate::cache::tests::keys);
        let plain = head(200, "");
        assert_eq!(judged(&without, &plain, PRIVATE).map(|_| ()), None);
        let entry = judged(&with, &plain, PRIVATE).expect("kept");
        assert_eq!(entry.caller(), Caller::of(Some(b"Bearer a")));
        assert_eq!(entry.freshness(secs(69)), Freshness::Fresh);
        // Never beyond its time, whatever fails.
        assert_eq!(entry.freshness(secs(70)), Freshness::Spent);
        let public = judged(&without, &plain, PUBLIC).expect("kept");
        assert_eq!((public.caller(), public.freshness(secs(16))), (None, Freshness::Stale));
    }

    #[test]
    fn pages_may_read_what_is_kept() {
        let head = head(200, "Access-Control-Allow-Origin: http://a\r\nserver: x\r\naccess-control-: 1\r\n");
        let entry = judged(&crate::cache::tests::keys(None), &head, PUBLIC).expect("kept");
        let lines: Vec<_> = entry.lines().collect();
        assert_eq!(lines, [(&b"Access-Control-Allow-Origin"[..], &b"http://a"[..])]);
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let keys = crate::cache::tests::keys(None);
        let fits = |length: usize| {
            judged(&keys, &head(200, ""), &format!(r#""x":"{}",{PUBLIC}"#, "x".repeat(length))).is_some()
        };
        assert!(fits(3_900) && !fits(4_096));
    }
}
