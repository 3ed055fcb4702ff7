//! From which score on is it worth an alarm, if so many false ones a day may be raised?

use super::{Scored, Watch};

/// The lowest score at which the false alarms of all these entities together keep within `budget`, in false alarms
/// for each day of valid samples; `None` if not even the highest score does, or there is no score.
///
/// The scores must come from models that have not seen the entity they score, and from the part that models are
/// fitted on: a threshold chosen on the part that is reported would flatter it.
pub fn threshold_for(
    entities: &[Scored<'_>],
    budget: f64,
    watch: &Watch,
    samples_per_day: f64,
) -> Option<f64> {
    let mut candidates: Vec<_> = entities.iter().flat_map(Scored::scores).copied().collect();
    candidates.sort_unstable_by(f64::total_cmp);
    candidates.dedup();
    let valid: usize = entities.iter().map(|entity| entity.timeline().valid_in(entity.part())).sum();
    let within = |false_alarms: usize| false_alarms as f64 / valid as f64 * samples_per_day <= budget;

    // A higher threshold may raise more false alarms: an alarm that falls away may let a later one through. So the
    // lowest threshold cannot be found by halving. But it never raises more alarms, since taking each as soon as the
    // cool-down allows is the way to the most; and only so many of them can be right. That tells where to begin.
    let right_most = |entity: &Scored<'_>| {
        let (_, episodes) = entity.timeline().starting_in(&(entity.part().start..usize::MAX));
        episodes.len() * watch.horizon.div_ceil(watch.cool_down.max(1))
    };
    let right: usize = entities.iter().map(right_most).sum();
    let hopeless = |threshold: &f64| {
        let alarms = |entity: &Scored<'_>| entity.alarms(*threshold, watch.cool_down).len();
        !within(entities.iter().map(alarms).sum::<usize>().saturating_sub(right))
    };
    let mut next = candidates.partition_point(hopeless);
    let mut threshold = *candidates.get(next)?;
    let mut raised: Vec<_> = entities.iter().map(|entity| Raised::at(threshold, entity, watch)).collect();
    while !within(raised.iter().map(|raised| raised.false_alarms).sum()) {
        // Nothing changes until the lowest alarm of all falls away.
        let lowest = raised.iter().map(|raised| raised.lowest).min_by(f64::total_cmp)?;
        next += candidates[next..].partition_point(|score| *score <= lowest);
        threshold = *candidates.get(next)?;
        for (raised, entity) in raised.iter_mut().zip(entities) {
            if raised.lowest <= lowest {
                *raised = Raised::at(threshold, entity, watch);
            }
        }
    }
    Some(threshold)
}

/// The alarms of one entity at some threshold.
struct Raised {
    false_alarms: usize,
    /// The lowest score among all its alarms: up to it, the threshold may rise without a change. Infinite without one.
    lowest: f64,
}

impl Raised {
    fn at(threshold: f64, entity: &Scored<'_>, watch: &Watch) -> Self {
        let mut raised = Self { false_alarms: 0, lowest: f64::INFINITY };
        for (at, score) in entity.raised(threshold, watch.cool_down) {
            raised.false_alarms += usize::from(!entity.timeline().fails_within(at, watch.horizon));
            raised.lowest = raised.lowest.min(score);
        }
        raised
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::{Label, Rules, Timeline};
    use proptest::prelude::*;

    fn timeline(labels: &[bool]) -> Timeline {
        let label = |down: &bool| if *down { Label::Down } else { Label::Up };
        let labels: Vec<_> = labels.iter().map(label).collect();
        Timeline::new(&labels, &Rules { merge_gap: 2, guard: 1, warm_up: 0 })
    }

    fn scored<'a>(timeline: &'a Timeline, scores: &[u8]) -> Scored<'a> {
        let part = 0..timeline.len();
        let rows = timeline.rows(&part, 1);
        let scores = rows.iter().map(|at| f64::from(scores[*at])).collect();
        Scored::new(timeline, part, rows, scores).expect("made of valid rows")
    }

    #[test]
    fn the_lowest_score_within_the_budget() {
        // Ten samples make a day; nothing fails, so each alarm is false, and none can be nearer than 2.
        let quiet = timeline(&[false; 10]);
        let entity = [scored(&quiet, &[1, 2, 3, 4, 5, 5, 4, 3, 2, 1])];
        let watch = Watch { horizon: 2, cool_down: 2 };
        let threshold = |budget| threshold_for(&entity, budget, &watch, 10.0);
        assert_eq!(threshold(5.0), Some(1.0));
        assert_eq!(threshold(4.9), Some(2.0));
        assert_eq!(threshold(1.0), Some(5.0));
        assert_eq!(threshold(0.9), None);
        assert_eq!(threshold_for(&[], 1.0, &watch, 10.0), None);
    }

    #[test]
    fn an_alarm_that_is_right_costs_nothing() {
        let fails = timeline(&[false, false, false, true, false]);
        let entity = [scored(&fails, &[1, 1, 9, 0, 0])];
        assert_eq!(threshold_for(&entity, 0.0, &Watch { horizon: 3, cool_down: 1 }, 5.0), Some(1.0));
        assert_eq!(threshold_for(&entity, 0.0, &Watch { horizon: 1, cool_down: 1 }, 5.0), Some(9.0));
    }

    proptest! {
        /// Against trying every score from the lowest on.
        #[test]
        fn no_lower_score_would_do(
            days in prop::collection::vec(prop::collection::vec((0..9u8, prop::bool::weighted(0.1)), 0..50), 1..4),
            budget in 0..12u8, horizon in 1..6usize, cool_down in 0..6usize,
        ) {
            let timelines: Vec<_> =
                days.iter().map(|day| timeline(&day.iter().map(|(_, down)| *down).collect::<Vec<_>>())).collect();
            let entities: Vec<_> = timelines.iter().zip(&days).map(|(timeline, day)| {
                scored(timeline, &day.iter().map(|(score, _)| *score).collect::<Vec<_>>())
            }).collect();
            let watch = Watch { horizon, cool_down };
            let valid: usize = entities.iter().map(|entity| entity.rows().len()).sum();
            let keeps = |threshold: f64| {
                let judge = |entity: &Scored<'_>| entity.judge(Some(threshold), &watch).false_alarms;
                entities.iter().map(judge).sum::<usize>() as f64 / valid as f64 * 20.0 <= f64::from(budget)
            };
            let there = |score: f64| entities.iter().any(|entity| entity.scores().contains(&score));
            let slow = (0..9u8).map(f64::from).find(|score| there(*score) && keeps(*score));
            prop_assert_eq!(threshold_for(&entities, f64::from(budget), &watch, 20.0), slow);
        }
    }
}
