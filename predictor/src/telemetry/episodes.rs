//! When did a hub fail, over the last 30 days?
//!
//! An *episode* is a stretch of time in which a hub fails, period after period; stretches less than ten minutes apart are
//! one, since a hub that returns for a moment has not recovered. What failing is, the collector says. Times are of the
//! wall clock, in seconds since 1970: episodes outlive processes, and recur at hours of the day.

use std::collections::VecDeque;
use std::time::Duration;

use crate::FailureType;

/// Episodes kept; the oldest goes first. 17 a day for 30 days, six times what the worst mix of faults that we simulate has.
pub const EPISODES_MAX: usize = 512;
/// How long episodes are kept: long enough for what recurs weekly to have come back four times.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Stretches of failing that are closer than this are one episode. 10 min, the merge gap of the evaluation, so that a
/// live episode is what a labelled one is.
pub const MERGE_GAP: Duration = Duration::from_secs(600);

/// One stretch of time in which a hub failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Episode {
    /// When it began, in seconds since 1970.
    pub start: u64,
    /// The end of the last period in which it failed, in seconds since 1970; after `start`.
    pub end: u64,
    /// How it failed, where that is known.
    pub failure_type: Option<FailureType>,
    /// A forecast had led to something being done about the hub before: what the failure would have been like
    /// otherwise, nobody knows.
    pub acted: bool,
    /// The hub was started again in it or shortly before: a deploy, or somebody's remedy.
    pub restarted: bool,
    /// Most hubs looked bad at that time, so our own eyes are the likelier fault.
    pub common: bool,
}

/// What is known beside the fact that a hub fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// See [`Episode::acted`].
    pub acted: bool,
    /// See [`Episode::restarted`].
    pub restarted: bool,
    /// See [`Episode::common`].
    pub common: bool,
}

/// The failures of one hub, oldest first, apart from each other by [`MERGE_GAP`] at least.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Episodes(VecDeque<Episode>);

impl Episodes {
    /// The hub failed from `start` to `end`. An end that is not after the start, and what is before the last episode's
    /// start, is passed over.
    pub fn fail(&mut self, (start, end): (u64, u64), marks: Marks) {
        if end <= start {
            return;
        }
        match self.0.back_mut() {
            Some(last) if start < last.start => return,
            Some(last) if start < last.end.saturating_add(MERGE_GAP.as_secs()) => {
                last.end = last.end.max(end);
                last.acted |= marks.acted;
                last.restarted |= marks.restarted;
                last.common |= marks.common;
            }
            _ => {
                let Marks { acted, restarted, common } = marks;
                self.0.push_back(Episode { start, end, failure_type: None, acted, restarted, common });
            }
        }
        self.forget(end);
    }

    /// Says how the hub failed in its last episode.
    pub fn classify(&mut self, failure_type: FailureType) {
        if let Some(last) = self.0.back_mut() {
            last.failure_type = Some(failure_type);
        }
    }

    /// The hub was started again at this time: the episode that is going on then, if any, had that in it.
    pub fn restart(&mut self, now: u64) {
        if self.is_going_on(now)
            && let Some(last) = self.0.back_mut()
        {
            last.restarted = true;
        }
    }

    /// Forgets what ended more than [`KEPT`] before now.
    pub fn forget(&mut self, now: u64) {
        let oldest = now.saturating_sub(KEPT.as_secs());
        while self.0.len() > EPISODES_MAX || self.0.front().is_some_and(|episode| episode.end < oldest) {
            self.0.pop_front();
        }
    }

    /// No episode lies in the future: those that seem to, because the clock has been set back, end now at the latest,
    /// the earlier ones before them as they were to each other.
    pub fn not_after(&mut self, now: u64) {
        let ahead = self.0.back().map_or(0, |last| last.end.saturating_sub(now));
        if ahead > 0 {
            self.0.retain(|episode| episode.start >= ahead);
            for episode in &mut self.0 {
                episode.start -= ahead;
                episode.end -= ahead;
            }
        }
    }

    /// Whether the hub is failing at this time, or has failed less than [`MERGE_GAP`] ago.
    pub fn is_going_on(&self, now: u64) -> bool {
        self.0.back().is_some_and(|last| now < last.end.saturating_add(MERGE_GAP.as_secs()))
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Episode> + ExactSizeIterator + Clone + '_ {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it never failed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of memory that they hold, themselves included.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.0.capacity() * size_of::<Episode>()
    }

    /// What somebody wrote down; `None` if it breaks what is promised about them.
    pub(super) fn of(episodes: Vec<Episode>) -> Option<Self> {
        let whole = |episode: &Episode| episode.start < episode.end;
        let apart = |pair: &[Episode]| pair[1].start >= pair[0].end.saturating_add(MERGE_GAP.as_secs());
        let sound =
            episodes.len() <= EPISODES_MAX && episodes.iter().all(whole) && episodes.windows(2).all(apart);
        sound.then(|| Self(episodes.into()))
    }

    /// Adds those of a later process.
    pub(super) fn append(&mut self, later: Self) {
        for episode in later.0 {
            let Episode { acted, restarted, common, .. } = episode;
            self.fail((episode.start, episode.end), Marks { acted, restarted, common });
            if let Some(failure_type) = episode.failure_type {
                self.classify(failure_type);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;
    use proptest::prelude::*;

    const GAP: u64 = MERGE_GAP.as_secs();
    const NONE: Marks = Marks { acted: false, restarted: false, common: false };

    fn check(failed: &[(u64, u64)], expected: &[(u64, u64)]) {
        let mut episodes = Episodes::default();
        failed.iter().for_each(|&stretch| episodes.fail(stretch, NONE));
        let found: Vec<_> = episodes.iter().map(|episode| (episode.start, episode.end)).collect();
        assert_eq!(found, expected, "{failed:?}");
    }

    #[test]
    fn stretches_that_are_close_are_one() {
        check(&[], &[]);
        check(&[(100, 115)], &[(100, 115)]);
        check(&[(100, 115), (115, 130), (130, 145)], &[(100, 145)]);
        check(&[(100, 115), (114 + GAP, 129 + GAP)], &[(100, 129 + GAP)]);
        check(&[(100, 115), (115 + GAP, 130 + GAP)], &[(100, 115), (115 + GAP, 130 + GAP)]);
        check(&[(100, 100), (100, 90)], &[]);
        check(&[(1_000, 1_015), (100, 115)], &[(1_000, 1_015)]);
        check(&[(u64::MAX - 2, u64::MAX - 1), (u64::MAX - 1, u64::MAX)], &[(u64::MAX - 2, u64::MAX)]);
    }

    #[test]
    fn what_is_old_or_too_much_goes() {
        let day = 24 * 3600;
        check(&[(0, 15), (29 * day, 29 * day + 15)], &[(0, 15), (29 * day, 29 * day + 15)]);
        check(&[(0, 15), (31 * day, 31 * day + 15)], &[(31 * day, 31 * day + 15)]);
        let mut episodes = Episodes::default();
        (0..2_000).for_each(|n| episodes.fail((n * 700, n * 700 + 15), NONE));
        assert_eq!(episodes.len(), EPISODES_MAX);
        assert_eq!(episodes.iter().next_back().map(|last| last.start), Some(1_999 * 700));
        assert!(episodes.bytes() <= 48 * 1024, "{}", episodes.bytes());
    }

    #[test]
    fn a_clock_that_is_set_back_leaves_nothing_in_the_future() {
        let mut episodes = Episodes::default();
        for start in [1_000, 5_000, 9_000] {
            episodes.fail((start, start + 100), NONE);
        }
        episodes.not_after(9_100);
        assert_eq!(episodes.len(), 3, "nothing to do");
        episodes.not_after(6_100);
        let found: Vec<_> = episodes.iter().map(|episode| (episode.start, episode.end)).collect();
        assert_eq!(found, [(2_000, 2_100), (6_000, 6_100)], "one would lie before 1970");
        assert!(episodes.is_going_on(6_100) && !episodes.is_going_on(6_100 + GAP));
        episodes.not_after(0);
        assert!(episodes.is_empty());
    }

    #[test]
    fn marks_add_up_and_the_type_is_that_of_the_last() {
        let mut episodes = Episodes::default();
        episodes.classify(FailureType::Known(Kind::Network));
        episodes.fail((100, 115), Marks { acted: true, ..NONE });
        episodes.fail((115, 130), Marks { restarted: true, ..NONE });
        episodes.classify(FailureType::Known(Kind::Software));
        let expected = Episode {
            start: 100,
            end: 130,
            failure_type: Some(FailureType::Known(Kind::Software)),
            acted: true,
            restarted: true,
            common: false,
        };
        assert!(episodes.iter().eq([&expected]));
    }

    proptest! {
        #[test]
        fn whatever_is_noted_they_stay_in_order(
            stretches in proptest::collection::vec((0u64..4_000_000, 0u64..2_000), 0..80),
        ) {
            let mut episodes = Episodes::default();
            for (start, long) in stretches {
                episodes.fail((start, start + long), NONE);
                let kept: Vec<_> = episodes.iter().copied().collect();
                prop_assert_eq!(Episodes::of(kept), Some(episodes.clone()));
            }
        }
    }
}
