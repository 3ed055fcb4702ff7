//! What does each kind of failure look like?
//!
//! Learnt from the two minutes before failures and the first 45 s of them: before, most kinds have nothing of their own
//! yet; after, they are told when an operator asks.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::model::{Kind, KindClassifier};
use crate::training::Examples;

use super::record::{Record, samples_in};
use super::{KIND_FAILURES_MIN, TeachError, Teaching};

/// From how long before a failure on its kind is learnt.
const BEFORE: Duration = Duration::from_secs(2 * 60);

/// Up to how long after its beginning.
const AFTER: Duration = Duration::from_secs(45);

/// Learns to tell kinds apart; `None` where there are too few failures of one.
pub(super) fn learn(
    records: &[Record<'_>],
    settings: &Teaching,
) -> Result<Option<KindClassifier>, TeachError> {
    let failures: Vec<_> = records.iter().map(told).collect();
    let count = |kind| failures.iter().flatten().filter(|(_, of)| *of == kind).count();
    if Kind::ALL.into_iter().any(|kind| count(kind) < KIND_FAILURES_MIN) {
        return Ok(None);
    }
    let rows = records.iter().zip(&failures).map(|(record, failures)| {
        let moments: Vec<_> = failures.iter().flat_map(|(start, _)| around(*start)).collect();
        record.rows(&settings.schema, &moments)
    });
    let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
    let rows = Examples::pooled(&rows, 1).expect("a class has hubs").expect("all rows are of one schema");
    let kinds = failures.iter().flatten().flat_map(|(start, kind)| around(*start).map(|_| *kind));
    let kinds: Vec<_> = kinds.collect();
    KindClassifier::fit(rows.rows(), &kinds, &settings.kinds).map(Some).map_err(TeachError::Kinds)
}

/// The samples around a failure. One that covers 30 to 45 s after the beginning is the third of the failure. Failures
/// are farther apart than this is long.
fn around(start: usize) -> RangeInclusive<usize> {
    start - samples_in(BEFORE)..=start + samples_in(AFTER) - 1
}

/// When the failures of a hub began whose kind is known and to whose beginning we did nothing.
fn told(record: &Record<'_>) -> Vec<(usize, Kind)> {
    let told = record.pupil.failures.iter().filter_map(|failed| Some((failed.start, failed.kind?)));
    // What begins in the warm-up looks like nothing yet; what begins while another is going on is part of that.
    let shows = |start: usize| {
        let (before, begin) = (samples_in(BEFORE), start.checked_sub(samples_in(BEFORE)));
        begin.is_some_and(|begin| {
            let whole = *around(start).end() < record.timeline.len();
            whole && record.timeline.valid_in(&(begin..start)) == before && record.is_left_alone(begin..start)
        })
    };
    told.filter(|(start, _)| shows(*start)).collect()
}
