//! Entities for tests.

use std::time::Duration;

use super::{Entity, Episode, Failure, Label, Rules, Settings, Timeline};
use crate::telemetry::{SIGNALS, Sample};

/// Hubs of a sample each 15 s, judged ten minutes ahead, of whom every sample counts.
pub(super) const OF_HUBS: Settings = Settings {
    sample: Duration::from_secs(15),
    horizon: 40,
    rules: Rules { merge_gap: 1, guard: 0, warm_up: 0 },
    cool_down: 40,
    score_every: 2,
    train_share: 0.5,
};

/// An entity of one column, whose value at each sample is the number of the sample. `#` is down, all else is up.
pub(super) fn entity(name: &str, downs: &str, kind: &str, rules: &Rules) -> Entity {
    let label = |c| if c == '#' { Label::Down } else { Label::Up };
    let labels: Vec<_> = downs.chars().map(label).collect();
    let timeline = Timeline::new(&labels, rules);
    let failure = |Episode { start, end }: &Episode| Failure {
        start: *start,
        end: *end,
        kind: kind.to_owned(),
        class: String::new(),
    };
    let failures = timeline.episodes().iter().map(failure).collect();
    let values = (0..labels.len()).map(|at| at as f32).collect();
    Entity { name: name.to_owned(), timeline, failures, cut: labels.len() / 2, labels, width: 1, values }
}

/// A hub: as [`entity`], with these samples, one for each label, and these kinds and classes of its failures in turn.
pub(super) fn hub(
    name: &str,
    downs: &str,
    failures: &[(&str, &str)],
    samples: &[Sample],
    rules: &Rules,
) -> Entity {
    let mut hub = entity(name, downs, "", rules);
    for (failure, (kind, class)) in hub.failures.iter_mut().zip(failures.iter().cycle()) {
        (failure.kind, failure.class) = ((*kind).to_owned(), (*class).to_owned());
    }
    assert_eq!(samples.len(), hub.len(), "a sample for each label");
    hub.values = samples.iter().flat_map(Sample::values).copied().collect();
    Entity { width: SIGNALS, ..hub }
}
