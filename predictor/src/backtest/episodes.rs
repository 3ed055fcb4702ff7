//! When was an entity down, at which moments may a forecast of it be judged, and what should it have said?
//!
//! An entity is one hub or one machine. Its time is counted in samples from 0.

use std::ops::Range;

/// What is known of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Label {
    /// Nobody has judged it: history that features may look back on.
    Unlabelled,
    /// It worked.
    Up,
    /// It had failed.
    Down,
}

/// A failure: a run of [`Label::Down`], from `start` up to and without `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Episode {
    /// Its first sample.
    pub start: usize,
    /// The sample after its last.
    pub end: usize,
}

/// How labels become episodes and moments to judge at; all in samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Two runs with fewer samples than this between them are one episode.
    pub merge_gap: usize,
    /// How long after an episode nothing is judged: what follows a failure is not what precedes one.
    pub guard: usize,
    /// How long after the beginning nothing is judged: features have no past to compare with yet.
    pub warm_up: usize,
}

/// The failures of one entity, and the moments at which a forecast of it may be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    episodes: Vec<Episode>,
    valid: Vec<bool>,
    /// How many valid samples come before each, and in all: one longer than `valid`.
    valid_before: Vec<usize>,
}

impl Timeline {
    /// From one label for each sample.
    pub fn new(labels: &[Label], rules: &Rules) -> Self {
        let episodes = merged(labels, rules.merge_gap);
        let mut valid: Vec<_> = labels.iter().map(|label| *label != Label::Unlabelled).collect();
        let length = valid.len();
        valid[..rules.warm_up.min(length)].fill(false);
        for Episode { start, end } in &episodes {
            valid[*start..end.saturating_add(rules.guard).min(length)].fill(false);
        }
        let mut valid_before = Vec::with_capacity(length + 1);
        valid_before.push(0);
        for (at, is_valid) in valid.iter().enumerate() {
            valid_before.push(valid_before[at] + usize::from(*is_valid));
        }
        Self { episodes, valid, valid_before }
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.valid.len()
    }

    /// Is there no sample at all?
    pub fn is_empty(&self) -> bool {
        self.valid.is_empty()
    }

    /// Its failures, in order.
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    /// The failures that start in this part, with the place of the first among all of them.
    pub fn starting_in(&self, part: &Range<usize>) -> (usize, &[Episode]) {
        let before = |bound: usize| self.episodes.partition_point(|episode| episode.start < bound);
        let first = before(part.start);
        (first, &self.episodes[first..before(part.end).max(first)])
    }

    /// May a forecast made at this sample be judged? Not while it is down, nor in the guard after that, nor in the
    /// warm-up, nor where nobody has judged the sample.
    pub fn is_valid(&self, at: usize) -> bool {
        self.valid.get(at).copied().unwrap_or(false)
    }

    /// How many valid samples there are in this part.
    pub fn valid_in(&self, part: &Range<usize>) -> usize {
        let before = |at: usize| self.valid_before[at.min(self.valid.len())];
        before(part.end).saturating_sub(before(part.start))
    }

    /// The samples of this part to be judged: the valid ones whose number is a multiple of `every` (0 counts as 1).
    pub fn rows(&self, part: &Range<usize>, every: usize) -> Vec<usize> {
        let every = every.max(1);
        (part.start..part.end.min(self.len())).filter(|at| at % every == 0 && self.valid[*at]).collect()
    }

    /// What should have been foretold at this sample: does a failure start in `(at, at + horizon]`?
    pub fn fails_within(&self, at: usize, horizon: usize) -> bool {
        let next = self.episodes.partition_point(|episode| episode.start <= at);
        self.episodes.get(next).is_some_and(|episode| episode.start - at <= horizon)
    }

    /// Could this failure have been foretold: was there at least one valid sample of this part in
    /// `[start - horizon, start)`?
    pub fn is_eligible(&self, episode: &Episode, horizon: usize, part: &Range<usize>) -> bool {
        let first = episode.start.saturating_sub(horizon).max(part.start);
        self.valid_in(&(first..episode.start.min(part.end))) > 0
    }
}

/// The longest runs of `Down`, those with fewer than `merge_gap` samples between them taken as one.
fn merged(labels: &[Label], merge_gap: usize) -> Vec<Episode> {
    let mut episodes: Vec<Episode> = Vec::new();
    for (at, _) in labels.iter().enumerate().filter(|(_, label)| **label == Label::Down) {
        match episodes.last_mut() {
            Some(last) if at == last.end || at - last.end < merge_gap => last.end = at + 1,
            _ => episodes.push(Episode { start: at, end: at + 1 }),
        }
    }
    episodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `.` up, `#` down, `?` unlabelled.
    fn labels(text: &str) -> Vec<Label> {
        let label = |c| match c {
            '.' => Label::Up,
            '#' => Label::Down,
            _ => Label::Unlabelled,
        };
        text.chars().map(label).collect()
    }

    /// The valid samples as `v`, all others as `-`.
    fn valid(timeline: &Timeline) -> String {
        (0..timeline.len()).map(|at| if timeline.is_valid(at) { 'v' } else { '-' }).collect()
    }

    fn check(text: &str, rules: (usize, usize, usize), episodes: &[(usize, usize)], judged: &str) {
        let (merge_gap, guard, warm_up) = rules;
        let timeline = Timeline::new(&labels(text), &Rules { merge_gap, guard, warm_up });
        let found: Vec<_> = timeline.episodes().iter().map(|episode| (episode.start, episode.end)).collect();
        assert_eq!(found, episodes, "{text}");
        assert_eq!(valid(&timeline), judged, "{text}");
    }

    #[test]
    fn runs_close_together_are_one_episode() {
        check("..##..#...", (3, 0, 0), &[(2, 7)], "vv-----vvv"); // 2 between: fewer than 3.
        check("..##...#..", (3, 0, 0), &[(2, 4), (7, 8)], "vv--vvv-vv"); // 3 between: not fewer.
        check("#.#.#", (0, 0, 0), &[(0, 1), (2, 3), (4, 5)], "-v-v-");
        check("##", (0, 0, 0), &[(0, 2)], "--");
        check("", (3, 3, 3), &[], "");
    }

    #[test]
    fn the_guard_the_warm_up_and_what_nobody_judged_are_not_valid() {
        check("....#.....", (1, 2, 0), &[(4, 5)], "vvvv---vvv");
        check("....#.....", (1, 2, 2), &[(4, 5)], "--vv---vvv");
        check("???...#...", (1, 0, 0), &[(6, 7)], "---vvv-vvv");
        check("........#", (1, 5, 0), &[(8, 9)], "vvvvvvvv-");
        check("..", (1, 5, 9), &[], "--");
    }

    #[test]
    fn a_failure_is_foretold_by_the_samples_before_its_start_only() {
        let timeline = Timeline::new(&labels("....##...."), &Rules { merge_gap: 1, guard: 0, warm_up: 0 });
        let targets: Vec<_> = (0..10).map(|at| timeline.fails_within(at, 3)).collect();
        let expected = [false, true, true, true, false, false, false, false, false, false];
        assert_eq!(targets, expected);
    }

    #[test]
    fn an_episode_without_a_valid_sample_before_it_is_not_eligible() {
        // The second starts in the guard of the first, and with a horizon of 2 nothing before it is valid.
        let timeline = Timeline::new(&labels("...#...#"), &Rules { merge_gap: 1, guard: 3, warm_up: 0 });
        let eligible = |horizon: usize, part: Range<usize>| {
            let of = |episode| timeline.is_eligible(episode, horizon, &part);
            timeline.episodes().iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(eligible(2, 0..8), [true, false]);
        assert_eq!(eligible(5, 0..8), [true, true]);
        assert_eq!(eligible(5, 3..8), [false, false]); // What is valid is not of this part.
        assert_eq!(eligible(0, 0..8), [false, false]);
    }

    #[test]
    fn rows_are_the_valid_ones_on_the_beat() {
        let timeline = Timeline::new(&labels("....##....."), &Rules { merge_gap: 1, guard: 1, warm_up: 1 });
        assert_eq!(timeline.rows(&(0..99), 2), [2, 8, 10]);
        assert_eq!(timeline.rows(&(3..9), 0), [3, 7, 8]);
        assert_eq!(timeline.valid_in(&(0..99)), 7);
        assert_eq!(timeline.valid_in(&(3..9)), 3);
        assert_eq!(timeline.starting_in(&(4..5)).1.len(), 1);
        assert_eq!(timeline.starting_in(&(5..9)).1.len(), 0);
    }

    proptest! {
        /// Against the definitions, read out sample by sample.
        #[test]
        fn the_definitions_hold(
            text in "[.#?]{0,60}", merge_gap in 0..6usize, guard in 0..6usize, warm_up in 0..9usize,
            horizon in 0..9usize,
        ) {
            let labels = labels(&text);
            let timeline = Timeline::new(&labels, &Rules { merge_gap, guard, warm_up });
            let inside = |at: usize| timeline.episodes().iter().any(|e| e.start <= at && at < e.end);
            for (at, label) in labels.iter().enumerate() {
                prop_assert!(*label != Label::Down || inside(at));
                let guarded = timeline.episodes().iter().any(|e| e.end <= at && at - e.end < guard);
                let judged = *label != Label::Unlabelled && at >= warm_up && !inside(at) && !guarded;
                prop_assert_eq!(timeline.is_valid(at), judged);
                let starts = timeline.episodes().iter().any(|e| at < e.start && e.start <= at + horizon);
                prop_assert_eq!(timeline.fails_within(at, horizon), starts);
            }
            for pair in timeline.episodes().windows(2) {
                prop_assert!(pair[1].start - pair[0].end >= merge_gap.max(1));
            }
        }
    }
}
