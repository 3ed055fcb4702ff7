//! What is on record of one hub?

use thiserror::Error;

use crate::features::{Extractor, JUMP_TICKS, Recurrence, Schema, Surroundings, has_jumped};
use crate::model::RowsError;
use crate::telemetry::{PERIOD, Sample, Signal};

use super::Examples;

/// The record of one hub, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    /// Means of minutes, from before the samples, that rows look back on; often none.
    pub minutes: &'a [Sample],
    /// One sample every 15 s without a gap: where nothing was sampled, [`Sample::UNKNOWN`].
    pub samples: &'a [Sample],
    /// When the first of the samples was taken, in seconds of a clock that runs with the hours of the day.
    pub begin: u64,
    /// The numbers of the samples in which its episodes started, ascending.
    pub starts: &'a [usize],
    /// What parts of its neighbours and of its kin were failing at each sample; empty if nobody knows.
    pub around: &'a [(f32, f32)],
}

/// Why a record teaches nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SeriesError {
    /// Rows are made in one pass through time.
    #[error("rows are asked for out of order, or beyond the {0} samples on record")]
    Order(usize),
    /// Each sample has its surroundings or none has.
    #[error("{samples} samples and {around} surroundings")]
    Around {
        /// How many samples.
        samples: usize,
        /// How many surroundings.
        around: usize,
    },
    /// A row was not taken.
    #[error("a row of the record")]
    Row(#[source] RowsError),
}

impl Series<'_> {
    /// The rows of the moments `at`, numbers of samples in ascending order, each with whether its event came. A row is
    /// made of what was known by the end of its sample and of nothing after.
    pub fn examples(
        &self,
        schema: &Schema,
        at: impl IntoIterator<Item = (usize, bool)>,
    ) -> Result<Examples, SeriesError> {
        if !self.around.is_empty() && self.around.len() != self.samples.len() {
            return Err(SeriesError::Around { samples: self.samples.len(), around: self.around.len() });
        }
        let mut examples = Examples::new(schema.len()).map_err(SeriesError::Row)?;
        let mut extractor = Extractor::new();
        self.minutes.iter().for_each(|means| extractor.push_minute(means));
        let mut past = Recurrence::new(self.begin);
        let mut starts = self.starts.iter().peekable();
        let (mut row, mut next) = (Vec::with_capacity(schema.len()), 0);
        for (at, came) in at {
            if at < next || at >= self.samples.len() {
                return Err(SeriesError::Order(self.samples.len()));
            }
            self.samples[next..=at].iter().for_each(|sample| extractor.push(sample));
            next = at + 1;
            while let Some(start) = starts.next_if(|start| **start <= at) {
                past.started(self.time(*start));
            }
            let (neighbours, kin) = self.around.get(at).copied().unwrap_or((0.0, 0.0));
            let surroundings = Surroundings { neighbours, kin, past: Some((&past, self.time(at))) };
            extractor.vector(schema, &surroundings, &mut row);
            examples.push(&row, came).map_err(SeriesError::Row)?;
        }
        Ok(examples)
    }

    /// Had the load just jumped at this sample, as the extractor of its row would say?
    pub fn has_jumped(&self, at: usize) -> bool {
        let newest = self.samples.get(..=at).unwrap_or_default().iter().rev().take(JUMP_TICKS).enumerate();
        has_jumped(newest.filter_map(|(age, sample)| Some((age, sample.get(Signal::Rate)?))))
    }

    fn time(&self, at: usize) -> u64 {
        self.begin.saturating_add(PERIOD.as_secs().saturating_mul(at as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(count: usize) -> Vec<Sample> {
        let sample = |at: usize| {
            let mut sample = Sample::UNKNOWN;
            sample.set(Signal::P50Ms, 100.0 + (at * 37 % 11) as f32);
            sample
        };
        (0..count).map(sample).collect()
    }

    fn series<'a>(samples: &'a [Sample], starts: &'a [usize]) -> Series<'a> {
        Series { minutes: &[], samples, begin: 0, starts, around: &[] }
    }

    /// No row changes with what comes after it.
    #[test]
    fn rows_see_no_future() {
        let whole = samples(2_000);
        let schema = Schema::with_history();
        let rows = |samples: &[Sample], starts: &[usize]| {
            let at = (0..1_500).step_by(7).map(|at| (at, false));
            series(samples, starts).examples(&schema, at).unwrap().rows().clone()
        };
        let known = rows(&whole, &[100, 700]);
        assert_eq!(rows(&whole[..1_500], &[100, 700]), known);
        assert_eq!(rows(&whole, &[100, 700, 1_500, 1_800]), known);
        assert_ne!(rows(&whole, &[100, 700, 1_400]), known);
    }

    #[test]
    fn a_load_jumps_in_the_record_where_it_jumps_in_service() {
        let rate = |at: usize| if at % 90 < 45 { 30.0 + (at % 7) as f32 } else { 70.0 };
        let mut samples = samples(400);
        for (at, sample) in samples.iter_mut().enumerate().filter(|(at, _)| at % 11 > 0) {
            sample.set(Signal::Rate, rate(at));
        }
        let series = series(&samples, &[]);
        let mut extractor = Extractor::new();
        let mut jumps = 0;
        for (at, sample) in samples.iter().enumerate() {
            extractor.push(sample);
            assert_eq!(series.has_jumped(at), extractor.has_jumped(), "sample {at}");
            jumps += usize::from(extractor.has_jumped());
        }
        assert!((12..=30).contains(&jumps), "{jumps} samples after four jumps");
        assert!(!series.has_jumped(samples.len()));
    }

    #[test]
    fn what_is_out_of_order_is_refused() {
        let samples = samples(10);
        let schema = Schema::telemetry();
        let ask = |at: &[usize]| series(&samples, &[]).examples(&schema, at.iter().map(|at| (*at, true)));
        assert_eq!(ask(&[3, 3]), Err(SeriesError::Order(10)));
        assert_eq!(ask(&[10]), Err(SeriesError::Order(10)));
        assert_eq!(ask(&[3, 9]).unwrap().events(), 2);
        let short = Series { around: &[(0.0, 0.0)], ..series(&samples, &[]) };
        let found = short.examples(&schema, [(1, true)]);
        assert_eq!(found, Err(SeriesError::Around { samples: 10, around: 1 }));
        assert_eq!(series(&[], &[]).examples(&schema, []).unwrap().rows().len(), 0);
    }
}
