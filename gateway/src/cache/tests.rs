use super::*;
use crate::cache::entry::tests::{kept, secs};
use crate::cache::entry::{About, Bounds, Times};
use crate::cache::judge::tests::settings;
use crate::cache::key::Asked;
use crate::observe::metrics::Metrics;
use mcphub_http1::Fields;
use mcphub_mcp::RawId;
use mcphub_mcp::cache::{Cacheable, Kept, Question};

/// The keys of a plain question of this caller.
pub(crate) fn keys(authorization: Option<&str>) -> Keys {
    keys_of(authorization, "")
}

fn keys_of(authorization: Option<&str>, cursor: &str) -> Keys {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"cursor":"{cursor}","_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}}}}"#
    );
    let question = Question::read(body.as_bytes(), Cacheable::Tools).expect("a question");
    let pairs = authorization.map(|value| (&b"authorization"[..], value.as_bytes()));
    let fields = Fields::from_pairs(pairs.into_iter()).expect("sound");
    let asked = Asked { fields: &fields, target: ("", ""), origin: ("http", Some(b"edge")), residency: "" };
    Keys::of(&question, &asked, &[], true)
}

fn cache() -> Cache {
    Cache::new(settings(), Metrics::new().expect("names are unique").cache)
}

fn entry_of(kept: Kept, caller: Option<Caller>, at: u64) -> Entry {
    let about = About { method: Cacheable::Tools, resource: None };
    let times = Times { asked: secs(at), received: secs(at) };
    Entry::new(kept, about, caller, times, Bounds { fresh: secs(600), stale: secs(30) })
}

fn entry(caller: Option<Caller>, at: u64) -> Entry {
    entry_of(kept(5_000, "public"), caller, at)
}

/// `fresh`, `stale`, `apart` or `nothing`.
fn seen(cache: &Cache, keys: &Keys, now: u64) -> &'static str {
    match cache.look(keys, secs(now)) {
        Looked::Fresh(_) => "fresh",
        Looked::Apart => "apart",
        Looked::Missing { stale: Some(_) } => "stale",
        Looked::Missing { stale: None } => "nothing",
    }
}

#[test]
fn everybodys_answer_is_found_by_all_until_its_time_is_over() {
    let (cache, one, other) = (cache(), keys(Some("Bearer a")), keys(Some("Bearer b")));
    assert_eq!(seen(&cache, &one, 10), "nothing");
    assert!(cache.keep(&one, entry(None, 10), secs(10)).is_some());
    assert_eq!([seen(&cache, &one, 14), seen(&cache, &other, 14)], ["fresh", "fresh"]);
    assert_eq!(seen(&cache, &keys(None), 14), "nothing", "who shows no credential is somebody else");
    assert_eq!([seen(&cache, &one, 15), seen(&cache, &other, 44)], ["stale", "stale"]);
    assert_eq!(cache.held().1, 1);
    assert_eq!(seen(&cache, &one, 45), "nothing");
    assert_eq!(cache.held(), (0, 0), "what is spent does not stay");
}

#[test]
fn one_callers_answer_is_found_by_that_caller_alone() {
    let (cache, one, other) = (cache(), keys(Some("Bearer a")), keys(Some("Bearer b")));
    let caller = one.own.map(|(_, caller)| caller);
    assert!(cache.keep(&one, entry(caller, 10), secs(10)).is_some());
    assert_eq!(seen(&cache, &one, 11), "fresh");
    assert_eq!(seen(&cache, &other, 11), "apart", "nor need the other wait to learn so");
    cache.refused(caller.expect("a caller"), secs(12));
    assert_eq!(seen(&cache, &one, 13), "apart");
    assert!(cache.keep(&keys(None), entry(caller, 14), secs(14)).is_none(), "nobody to keep it for");
}

#[test]
fn what_was_taken_back_is_not_kept_either() {
    let (cache, keys) = (cache(), keys(None));
    cache.changed(&Changed::Tools, secs(11));
    assert!(cache.keep(&keys, entry(None, 10), secs(12)).is_none(), "it was under way");
    assert!(cache.keep(&keys, entry(None, 12), secs(12)).is_some());
    assert_eq!(seen(&cache, &keys, 13), "fresh");
    cache.changed(&Changed::Tools, secs(13));
    assert_eq!(seen(&cache, &keys, 13), "nothing", "and is not stale but wrong");
}

#[test]
fn only_a_result_makes_an_answer_forgotten() {
    let (cache, keys) = (cache(), keys(None));
    cache.set_apart(&keys, secs(10), false);
    assert_eq!([seen(&cache, &keys, 19), seen(&cache, &keys, 20)], ["apart", "nothing"]);
    cache.keep(&keys, entry(None, 20), secs(20));
    // Somebody was refused, or a hub has failed: that says nothing about the others' answer.
    cache.set_apart(&keys, secs(21), false);
    assert_eq!(seen(&cache, &keys, 22), "fresh");
    cache.set_apart(&keys, secs(23), true);
    assert_eq!(seen(&cache, &keys, 24), "apart");
}

#[test]
fn the_bytes_are_bounded_and_what_all_want_stays() {
    let cache = cache();
    let text = "x".repeat(2_000);
    let large = || {
        let message = format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"x":"{text}","ttlMs":60000,"cacheScope":"public"}}}}"#
        );
        let id = RawId::parse("1").expect("an id");
        entry_of(Kept::read(message.as_bytes(), &id).expect("kept"), None, 10)
    };
    let wanted = keys_of(None, "wanted");
    cache.keep(&wanted, large(), secs(10));
    for number in 0..3_000 {
        assert_eq!(seen(&cache, &wanted, 11), "fresh", "after {number}");
        cache.keep(&keys_of(None, &number.to_string()), large(), secs(10));
        assert!(cache.held().0 <= 1 << 20, "{:?}", cache.held());
    }
    assert!(cache.held().1 > 300, "{:?}", cache.held());
    assert!(cache.metrics.evicted.get() > 2_000);
    let largest = "x".repeat(255 << 10);
    let message = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"x":"{largest}","ttlMs":60000,"cacheScope":"public"}}}}"#
    );
    let id = RawId::parse("1").expect("an id");
    cache.keep(&keys(None), entry_of(Kept::read(message.as_bytes(), &id).expect("kept"), None, 10), secs(10));
    assert_eq!(seen(&cache, &keys(None), 11), "fresh", "the largest fits into the smallest");
}
