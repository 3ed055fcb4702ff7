//! Entities for tests.

use super::{Entity, Episode, Failure, Label, Rules, Timeline};

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
