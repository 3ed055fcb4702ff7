//! How many sessions are there, where, how old, and what are they doing? Counted when somebody asks, by looking at each:
//! nothing of it is kept up to date meanwhile. No session is named.

use super::{PinCount, Sessions, seconds};
use mcphub_routing::HubId;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Upper bounds of ages, in seconds; the last bucket has none.
pub const AGES: [u64; 6] = [MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY];

/// Upper bounds of idle times, in seconds; the last bucket has none.
pub const IDLE_TIMES: [u64; 6] = [10, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY];

/// Sessions up to some age or idle time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// They have less, in seconds; and at least the bound of the bucket before. `None`: there is no upper bound.
    pub under: Option<u64>,
    /// How many.
    pub sessions: u64,
}

/// The sessions of one hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HubCensus {
    /// Those that live there.
    pub sessions: u64,
    /// Those of them with a request in flight.
    pub busy: u64,
    /// Those of them with an open GET stream.
    pub listening: u64,
    /// Those of them whose ids say that they live elsewhere.
    pub moved: u64,
    /// Those of them that an operator wants elsewhere.
    pub leaving: u64,
    /// Sessions that have moved there since the start.
    pub received: u64,
    /// Sessions that have moved away from there since the start.
    pub left: u64,
}

/// The sessions that have been seen since the start and are not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// All together.
    pub all: HubCensus,
    /// Open GET streams.
    pub streams: u64,
    /// By the hub that they live on.
    pub hubs: BTreeMap<HubId, HubCensus>,
    /// By where their clients were when they were placed; the empty name is nowhere known.
    pub places: BTreeMap<Box<str>, u64>,
    /// By the time since they were opened.
    pub ages: [Bucket; AGES.len() + 1],
    /// By the time since they were last used; none while a request is in flight.
    pub idle: [Bucket; IDLE_TIMES.len() + 1],
}

impl Sessions {
    /// Counts them all, part by part: requests go on meanwhile. `now_unix` is in seconds since 1970.
    #[must_use]
    pub fn census(&self, now: Duration, now_unix: u64) -> Census {
        let now = seconds(now);
        let pins = self.pins();
        let number = |pins: &Arc<PinCount>| Arc::as_ptr(pins).addr();
        let numbers: HashMap<usize, usize> =
            pins.iter().enumerate().map(|(at, (_, pins))| (number(pins), at)).collect();
        let mut hubs = vec![HubCensus::default(); pins.len()];
        let names = self.places.names();
        let (mut all, mut streams, mut places) = (HubCensus::default(), 0, vec![0_u64; names.len()]);
        let (mut ages, mut idle) = (buckets(AGES), buckets(IDLE_TIMES));
        for shard in &self.shards {
            for entry in shard.read().live.values() {
                let open = entry.care_if_any().map_or(0, |care| care.streams_open());
                let one = HubCensus {
                    sessions: 1,
                    busy: u64::from(entry.in_flight() > 0),
                    listening: u64::from(open > 0),
                    moved: u64::from(entry.stay_number() > 0),
                    leaving: u64::from(entry.is_wanted_away()),
                    ..HubCensus::default()
                };
                all.add(one);
                streams += u64::try_from(open).unwrap_or(0);
                if let Some(hub) = numbers.get(&number(&entry.pins)).and_then(|at| hubs.get_mut(*at)) {
                    hub.add(one);
                }
                if let Some(place) = places.get_mut(usize::from(entry.place())) {
                    *place += 1;
                }
                count(&mut ages, now_unix.saturating_sub(entry.opened().unwrap_or(now_unix)));
                count(&mut idle, entry.idle(now));
            }
        }
        for (hub, (_, pins)) in hubs.iter_mut().zip(&pins) {
            (hub.received, hub.left) = (pins.received(), pins.moved());
            (all.received, all.left) = (all.received + hub.received, all.left + hub.left);
        }
        let hubs = pins.into_iter().map(|(hub, _)| hub).zip(hubs).collect();
        let places = names.into_iter().zip(places).filter(|(_, sessions)| *sessions > 0).collect();
        Census { all, streams, hubs, places, ages, idle }
    }
}

impl HubCensus {
    fn add(&mut self, one: Self) {
        self.sessions += one.sessions;
        self.busy += one.busy;
        self.listening += one.listening;
        self.moved += one.moved;
        self.leaving += one.leaving;
    }
}

fn buckets<const BOUNDS: usize, const ALL: usize>(bounds: [u64; BOUNDS]) -> [Bucket; ALL] {
    std::array::from_fn(|at| Bucket { under: bounds.get(at).copied(), sessions: 0 })
}

fn count(buckets: &mut [Bucket], seconds: u64) {
    let fits = |bucket: &&mut Bucket| bucket.under.is_none_or(|under| seconds < under);
    if let Some(bucket) = buckets.iter_mut().find(fits) {
        bucket.sessions += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{hub, session as key};
    use super::*;
    use crate::sessions::Busy;
    use mcphub_session::UpstreamId;
    use mcphub_session::record::Stay;

    #[test]
    fn every_session_is_counted_once_in_each_way() {
        const NOW_UNIX: u64 = 1_800_000_000;
        let sessions = Sessions::default();
        let at = Duration::from_secs;
        let entries: Vec<_> = (1..=4).map(|n| sessions.open(key(n), &hub("a"), at(100))).collect();
        for (entry, (place, age)) in
            entries.iter().zip([("DE", 59), ("DE", 60), ("", 2 * HOUR), ("JP", 30 * DAY)])
        {
            sessions.describe(entry, place, NOW_UNIX - age);
        }
        let _busy = Busy::new(Arc::clone(&entries[0]));
        entries[1].want_away(Some(hub("b")));
        let stay =
            Stay { number: 1, hub: hub("b"), upstream: UpstreamId::new(b"x").expect("visible").into() };
        let moved = sessions.moved(&key(4), &stay, at(150)).expect("known");
        sessions.pins_of(&hub("a")).moved_one();
        sessions.pins_of(&hub("b")).received_one();

        let census = sessions.census(at(165), NOW_UNIX);
        let a = HubCensus { sessions: 3, busy: 1, leaving: 1, left: 1, ..HubCensus::default() };
        let b = HubCensus { sessions: 1, moved: 1, received: 1, ..HubCensus::default() };
        assert_eq!(census.hubs, BTreeMap::from([(hub("a"), a), (hub("b"), b)]));
        let all =
            HubCensus { sessions: 4, busy: 1, leaving: 1, moved: 1, left: 1, received: 1, listening: 0 };
        assert_eq!((census.all, census.streams), (all, 0));
        let places: Vec<_> = census.places.iter().map(|(name, sessions)| (&**name, *sessions)).collect();
        assert_eq!(places, [("", 1), ("DE", 2), ("JP", 1)]);
        assert_eq!(census.ages.map(|bucket| bucket.sessions), [1, 1, 0, 1, 0, 0, 1]);
        assert_eq!(census.idle.map(|bucket| bucket.sessions), [1, 1, 2, 0, 0, 0, 0]);
        assert_eq!((census.ages[6].under, census.ages[0].under), (None, Some(MINUTE)));
        assert_eq!(sessions.opened(), 4);
        drop(moved);
    }

    #[test]
    fn a_wish_to_leave_is_taken_once_and_lapses_with_the_stay() {
        let sessions = Sessions::default();
        let entry = sessions.open(key(1), &hub("a"), Duration::ZERO);
        assert_eq!((entry.is_wanted_away(), entry.take_wish()), (false, None));
        entry.want_away(None);
        entry.want_away(Some(hub("b")));
        assert!(entry.is_wanted_away());
        assert_eq!((entry.take_wish(), entry.take_wish()), (Some(Some(hub("b"))), None));
        assert!(!entry.is_wanted_away());
        entry.want_away(Some(hub("b")));
        let stay =
            Stay { number: 1, hub: hub("c"), upstream: UpstreamId::new(b"x").expect("visible").into() };
        let next = sessions.moved(&key(1), &stay, Duration::ZERO).expect("known");
        assert_eq!((next.is_wanted_away(), next.take_wish()), (false, None));
    }
}
