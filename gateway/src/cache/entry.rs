//! May this answer be given now?

use super::key::Caller;
use mcphub_mcp::RawId;
use mcphub_mcp::cache::{Cacheable, Kept, Question};
use std::time::Duration;

/// What an answer is about, as far as a hub can take it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct About {
    /// The method that was asked.
    pub(crate) method: Cacheable,
    /// A hash of the resource that was read.
    pub(crate) resource: Option<u64>,
}

impl About {
    /// What a question is about.
    pub(crate) fn of(question: &Question<'_>) -> Self {
        Self { method: question.method, resource: question.uri.as_deref().map(resource) }
    }
}

/// A number for a resource: FNV-1a. Two that share one are taken back together, which costs a request and nothing else.
pub(crate) fn resource(uri: &str) -> u64 {
    uri.bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Whether an answer may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// It may.
    Fresh,
    /// Only if no hub can be asked.
    Stale,
    /// Not any more.
    Spent,
}

/// Header lines that are given with an answer: name and value.
pub(crate) type Lines = Box<[(Box<[u8]>, Box<[u8]>)]>;

/// When an answer was asked for, and when it came; moments of [`crate::clock::since_start`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// When the request had arrived. What a hub takes back later than that may not be in the answer yet.
    pub(crate) asked: Duration,
    /// When the answer was here.
    pub(crate) received: Duration,
}

/// How long an answer may be given, whatever its hub says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// As fresh.
    pub(crate) fresh: Duration,
    /// After that, if no hub can be asked.
    pub(crate) stale: Duration,
}

/// An answer, and what is to be known before it is given.
#[derive(Debug)]
pub(crate) struct Entry {
    kept: Kept,
    lines: Lines,
    about: About,
    caller: Option<Caller>,
    times: Times,
    fresh_until: Duration,
    stale_until: Duration,
}

impl Entry {
    /// `caller`: whom it belongs to, if not everybody.
    pub(crate) fn new(
        kept: Kept,
        about: About,
        caller: Option<Caller>,
        times: Times,
        bounds: Bounds,
    ) -> Self {
        let fresh_until = times.received.saturating_add(kept.ttl.min(bounds.fresh));
        Self {
            kept,
            lines: Lines::default(),
            about,
            caller,
            times,
            fresh_until,
            stale_until: fresh_until.saturating_add(bounds.stale),
        }
    }

    /// The same, given with these header lines.
    pub(crate) fn with_lines(self, lines: Lines) -> Self {
        Self { lines, ..self }
    }

    /// The header lines that it is given with.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whom it belongs to, if not everybody.
    pub(crate) fn caller(&self) -> Option<Caller> {
        self.caller
    }

    /// What it is about.
    pub(crate) fn about(&self) -> About {
        self.about
    }

    /// When it was asked for.
    pub(crate) fn asked(&self) -> Duration {
        self.times.asked
    }

    /// Bytes of its result and its lines.
    pub(crate) fn size(&self) -> usize {
        self.kept.size() + self.lines().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }

    /// Whether it may be given now, as far as time goes.
    pub(crate) fn freshness(&self, now: Duration) -> Freshness {
        if now < self.fresh_until {
            Freshness::Fresh
        } else if now < self.stale_until {
            Freshness::Stale
        } else {
            Freshness::Spent
        }
    }

    /// How long ago it came.
    pub(crate) fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.times.received)
    }

    /// Seconds for which we will give it, negative for how long it has been stale.
    pub(crate) fn ttl_seconds(&self, now: Duration) -> i64 {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        match self.fresh_until.checked_sub(now) {
            Some(left) => seconds(left),
            None => -seconds(now.saturating_sub(self.fresh_until)),
        }
    }

    /// The answer to the request `id`. What its client is told of its time is what its hub has said, less what has passed.
    pub(crate) fn answer(&self, id: &RawId<'_>, now: Duration) -> Vec<u8> {
        self.kept.answer(id, self.kept.ttl.saturating_sub(self.age(now)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    pub(crate) fn kept(ttl_ms: u64, scope: &str) -> Kept {
        let message = format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[],"ttlMs":{ttl_ms},"cacheScope":"{scope}"}}}}"#
        );
        Kept::read(message.as_bytes(), &RawId::parse("1").expect("an id")).expect("kept")
    }

    #[test]
    fn an_answer_is_fresh_then_stale_then_spent() {
        let about = About { method: Cacheable::Tools, resource: None };
        let times = Times { asked: secs(100), received: secs(101) };
        let bounds = Bounds { fresh: secs(60), stale: secs(5) };
        let entry = Entry::new(kept(10_000, "public"), about, None, times, bounds);
        let check = |now: u64, expected, left: i64| {
            assert_eq!((entry.freshness(secs(now)), entry.ttl_seconds(secs(now))), (expected, left), "{now}");
        };
        check(101, Freshness::Fresh, 10);
        check(110, Freshness::Fresh, 1);
        check(111, Freshness::Stale, 0);
        check(115, Freshness::Stale, -4);
        check(116, Freshness::Spent, -5);
        let said = |now: Duration| {
            let id = RawId::parse("\"x\"").expect("an id");
            let body: serde_json::Value = serde_json::from_slice(&entry.answer(&id, now)).expect("JSON");
            assert_eq!(body["id"], "x");
            body["result"]["ttlMs"].as_u64()
        };
        assert_eq!(said(Duration::from_millis(104_250)), Some(6_750));
        assert_eq!(said(secs(113)), Some(0));
    }

    /// The gateway may ask again sooner than the client needs to.
    #[test]
    fn our_bound_is_ours_and_not_the_clients() {
        let about = About { method: Cacheable::Tools, resource: None };
        let times = Times { asked: secs(100), received: secs(100) };
        let bounds = Bounds { fresh: secs(2), stale: Duration::ZERO };
        let entry = Entry::new(kept(10_000, "public"), about, None, times, bounds);
        assert_eq!(entry.freshness(secs(101)), Freshness::Fresh);
        assert_eq!(entry.freshness(secs(102)), Freshness::Spent);
        let id = RawId::parse("1").expect("an id");
        assert!(String::from_utf8_lossy(&entry.answer(&id, secs(101))).contains("\"ttlMs\":9000"));
    }
}
