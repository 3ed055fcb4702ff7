//! *Where was this stream?* The ids of events that a client sees, and brings back as `Last-Event-ID` to go on.
//!
//! A hub's own event ids mean nothing to another hub, and not even to the same one after a restart. So the client is
//! given ids of ours, which hold all that is needed to go on, or to say why not: the stay, the request that the stream
//! answers, and the hub's own id. `mcphub1.<stay>.<request>.<hub's id>`, the last two in Base64.
//!
//! Ids are given only to events that have one: an id is a promise that the stream can be gone on with, and that is the
//! hub's to make. The one exception is an answer that we put at the end of a stream, nearly always the error that its hub
//! is lost: where the client could go on, an id without the hub's part tells that nothing follows. The TypeScript SDK 1
//! takes an error for no answer, and goes on all the same.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcphub_mcp::{Asked, Id, RawId};
use serde_json::value::RawValue;

use crate::mark::Mark;

/// Longest event id taken of a hub, bytes. SDKs have some 80.
pub const HUB_EVENT_ID_MAX: usize = 512;

/// Most bytes of JSON that name the requests a stream answers. An id has a few; a batch some more.
pub const ABOUT_MAX: usize = 512;

/// Longest event id looked at, bytes: the longest given is shorter.
pub const EVENT_ID_MAX: usize = 1_536;

const HEAD: &str = "mcphub1.";

/// What a stream is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// Nothing that was asked: a GET stream.
    Nothing,
    /// The answer to one request.
    One(Id),
    /// The answers to a batch.
    Many(Vec<Id>),
}

impl About {
    /// Whose answer a failure must be.
    pub fn with_asked<T>(&self, using: impl FnOnce(Asked<'_>) -> T) -> T {
        match self {
            Self::Nothing => using(Asked::Unknown),
            Self::One(id) => using(Asked::One(id.as_raw())),
            Self::Many(ids) => {
                let ids: Vec<_> = ids.iter().map(Id::as_raw).collect();
                using(Asked::Many(&ids))
            }
        }
    }

    fn to_json(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::One(id) => id.as_raw().as_json().to_owned(),
            Self::Many(ids) => {
                let ids: Vec<_> = ids.iter().map(|id| id.as_raw().as_json()).collect();
                format!("[{}]", ids.join(","))
            }
        }
    }

    fn from_json(json: &str) -> Option<Self> {
        if json.is_empty() {
            return Some(Self::Nothing);
        }
        if !json.starts_with('[') {
            return RawId::parse(json).map(|id| Self::One(id.to_id()));
        }
        let ids: Vec<&RawValue> = serde_json::from_str(json).ok()?;
        let ids: Option<Vec<_>> = ids.into_iter().map(|id| Some(RawId::parse(id.get())?.to_id())).collect();
        ids.map(Self::Many)
    }
}

/// Gives ids to the events of one stream.
#[derive(Clone, Debug)]
pub struct EventIds {
    head: String,
}

impl EventIds {
    /// For the stream that a hub of this stay answers these requests with. `None` if they are named too long: its
    /// events go out without ids, and cannot be gone on with.
    #[must_use]
    pub fn new(stay: Mark, about: &About) -> Option<Self> {
        let about = about.to_json();
        let fits = about.len() <= ABOUT_MAX;
        fits.then(|| Self { head: format!("{HEAD}{stay}.{}.", URL_SAFE_NO_PAD.encode(about)) })
    }

    /// The id to give to an event that has this one from its hub. `None` if that is too long: then the event has none.
    /// An empty one, which tells a client to forget the last, stays empty.
    #[must_use]
    pub fn of(&self, hub: &[u8]) -> Option<String> {
        if hub.is_empty() {
            return Some(String::new());
        }
        let fits = hub.len() <= HUB_EVENT_ID_MAX;
        fits.then(|| format!("{}{}", self.head, URL_SAFE_NO_PAD.encode(hub)))
    }

    /// The id of an event of ours after which nothing follows.
    #[must_use]
    pub fn end(&self) -> &str {
        &self.head
    }
}

/// An id that a client has brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventId {
    /// The stay that the event came from.
    pub stay: Mark,
    /// What its stream was about.
    pub about: About,
    /// The hub's own id: up to [`HUB_EVENT_ID_MAX`] bytes without NUL or line breaks, fit for a header only if they are
    /// visible ASCII, which is the caller's to check. Empty: nothing follows.
    pub hub: Vec<u8>,
}

impl EventId {
    /// Whether nothing follows: what was asked has been answered.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.hub.is_empty()
    }

    /// Reads one; `None` if it is none of ours.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > EVENT_ID_MAX {
            return None;
        }
        let rest = std::str::from_utf8(text).ok()?.strip_prefix(HEAD)?;
        let mut parts = rest.split('.');
        let (stay, about, hub) = (parts.next()?, parts.next()?, parts.next()?);
        let about = String::from_utf8(URL_SAFE_NO_PAD.decode(about).ok()?).ok()?;
        let hub = URL_SAFE_NO_PAD.decode(hub).ok()?;
        let sound = parts.next().is_none()
            && about.len() <= ABOUT_MAX
            && hub.len() <= HUB_EVENT_ID_MAX
            && !(about.is_empty() && hub.is_empty())
            && !hub.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0));
        let (stay, about) = (Mark::parse(stay)?, About::from_json(&about)?);
        sound.then_some(Self { stay, about, hub })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark::tests::stay;
    use proptest::prelude::*;

    fn one(json: &str) -> About {
        About::One(RawId::parse(json).unwrap().to_id())
    }

    fn mark() -> Mark {
        Mark::of(&stay(3, "eu-1", "abc"))
    }

    fn check(about: &About, hub: &[u8], expected: &str) {
        let given = EventIds::new(mark(), about).unwrap().of(hub).unwrap();
        assert_eq!(given, expected);
        let back = EventId::parse(given.as_bytes());
        assert_eq!(back, Some(EventId { stay: mark(), about: about.clone(), hub: hub.to_vec() }));
    }

    #[test]
    fn ids_hold_all_that_is_needed_to_go_on() {
        check(&About::Nothing, b"17", "mcphub1.3-86f9f0e9..MTc");
        check(&one("7"), b"a_b", "mcphub1.3-86f9f0e9.Nw.YV9i");
        check(&one(r#""\u00e9.""#), b".", "mcphub1.3-86f9f0e9.Ilx1MDBlOS4i.Lg");
        let batch =
            About::Many(vec![RawId::parse("1").unwrap().to_id(), RawId::parse("\"x\"").unwrap().to_id()]);
        check(&batch, b"9", "mcphub1.3-86f9f0e9.WzEsIngiXQ.OQ");
        batch.with_asked(|asked| assert!(matches!(asked, Asked::Many(ids) if ids.len() == 2)));
    }

    #[test]
    fn what_is_too_long_or_empty() {
        let ids = EventIds::new(mark(), &About::Nothing).unwrap();
        assert_eq!(ids.of(b"").as_deref(), Some(""));
        assert_eq!(ids.of(&[b'x'; HUB_EVENT_ID_MAX + 1]), None);
        let long = one(&format!("\"{}\"", "x".repeat(ABOUT_MAX - 2)));
        assert!(EventIds::new(mark(), &one(&format!("\"{}\"", "x".repeat(ABOUT_MAX - 1)))).is_none());
        let longest = EventIds::new(Mark::of(&stay(u32::MAX, "h", "u")), &long).unwrap();
        let longest = longest.of(&[b'x'; HUB_EVENT_ID_MAX]).unwrap();
        assert!(longest.len() <= EVENT_ID_MAX, "{}", longest.len());
        assert!(EventId::parse(longest.as_bytes()).is_some());
    }

    #[test]
    fn after_the_end_nothing_follows() {
        let ids = EventIds::new(mark(), &one("7")).unwrap();
        assert_eq!(ids.end(), "mcphub1.3-86f9f0e9.Nw.");
        let back = EventId::parse(ids.end().as_bytes()).unwrap();
        assert_eq!((back.about.clone(), back.is_end()), (one("7"), true));
        let before = EventId::parse(ids.of(b"1").unwrap().as_bytes()).unwrap();
        assert!(!before.is_end());
    }

    #[test]
    fn other_ids_are_not_ours() {
        let good = "mcphub1.3-86f9f0e9.Nw.YV9i";
        assert!(EventId::parse(good.as_bytes()).is_some());
        for bad in [
            "",
            "17",
            "mcphub2.3-86f9f0e9.Nw.YV9i",
            "mcphub1.3.Nw.YV9i",
            "mcphub1.3-86f9f0e9.Nw",
            "mcphub1.3-86f9f0e9..",
            "mcphub1.3-86f9f0e9.Nw.YV9i.",
            "mcphub1.3-86f9f0e9.Nw==.YV9i",
            "mcphub1.3-86f9f0e9.bnVsbA.YV9i",   // null
            "mcphub1.3-86f9f0e9.W251bGxd.YV9i", // [null]
            "mcphub1.3-86f9f0e9.Nw.YQpi",       // a line break
        ] {
            assert_eq!(EventId::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(EventId::parse(&[b'x'; EVENT_ID_MAX + 1]), None);
    }

    proptest! {
        #[test]
        fn every_id_comes_back(number: u32, json in any::<String>(), hub in prop::collection::vec(any::<u8>(), 1..60)) {
            let hub: Vec<u8> = hub.into_iter().filter(|byte| !matches!(byte, b'\n' | b'\r' | 0)).collect();
            let about = one(&serde_json::to_string(&json).unwrap());
            let mark = Mark::of(&stay(number, "h", "u"));
            if let Some(ids) = EventIds::new(mark, &about) && !hub.is_empty() {
                let given = ids.of(&hub).unwrap();
                prop_assert_eq!(EventId::parse(given.as_bytes()), Some(EventId { stay: mark, about, hub }));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = EventId::parse(&bytes);
            let _ = EventId::parse(&[HEAD.as_bytes(), b"3-86f9f0e9.", &bytes].concat());
        }
    }
}
