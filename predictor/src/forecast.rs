//! What is expected of one hub?

use std::fmt;
use std::time::Duration;

use mcphub_routing::Share;

use crate::model::Kind;

/// What is said to be at fault when a hub fails: the [`Kind`] that is clearly ahead of the others, or that none is. A kind is
/// what fails; this is the answer to the question for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureType {
    /// This one.
    Known(Kind),
    /// It will fail, but nothing tells how.
    Unknown,
}

impl FailureType {
    /// The answer, given the kind that is clearly ahead, if one is.
    pub fn of(kind: Option<Kind>) -> Self {
        kind.map_or(Self::Unknown, Self::Known)
    }

    /// The word used in logs, metrics, the admin interface and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Known(kind) => kind.as_str(),
            Self::Unknown => "unknown",
        }
    }

    /// The answer of this word.
    pub fn named(word: &str) -> Option<Self> {
        let kind = Kind::named(word).map(Self::Known);
        kind.or_else(|| (word == Self::Unknown.as_str()).then_some(Self::Unknown))
    }
}

impl fmt::Display for FailureType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Horizons that one forecast may speak of, besides the one that is acted on.
pub const HORIZONS_MAX: usize = 4;
/// Features that are named as evidence. Who reads more of them at three in the morning?
pub const EVIDENCE_MAX: usize = 4;

/// How likely a failure is within one horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AtHorizon {
    /// From now on, this long.
    pub horizon: Duration,
    /// How likely it fails within it.
    pub probability: Share,
}

/// A feature that moved a forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Influence {
    /// Its name.
    pub feature: &'static str,
    /// By how much it moved the probability, in ‰ of the whole, −1000 to 1000; below zero it speaks for the hub.
    pub by: i16,
}

/// What is expected of one hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Forecast {
    /// How likely it fails within the horizon.
    pub probability: Share,
    /// How far ahead this looks.
    pub horizon: Duration,
    /// How likely it would be, were nothing known of its present: what its history alone says, over the same horizon.
    pub base_rate: Share,
    /// How much evidence of the needed kind there was: 1000 ‰ is all of it.
    pub confidence: Share,
    /// How it will fail.
    pub failure_type: FailureType,
    /// How long until it fails, if it does; `None` when that cannot be told.
    pub time_to_failure: Option<Duration>,
    /// The same probability over other horizons, for who reads it; nothing is done for them.
    pub others: [Option<AtHorizon>; HORIZONS_MAX],
    /// What moved it, the strongest first.
    pub evidence: [Option<Influence>; EVIDENCE_MAX],
}

impl Forecast {
    /// A forecast that is sure of itself, of a hub of which nothing else is known; the rest is for the maker to fill.
    pub fn new(probability: Share, horizon: Duration) -> Self {
        Self {
            probability,
            horizon,
            base_rate: Share::NONE,
            confidence: Share::FULL,
            failure_type: FailureType::Unknown,
            time_to_failure: None,
            others: [None; HORIZONS_MAX],
            evidence: [None; EVIDENCE_MAX],
        }
    }

    /// What of it a decision goes by.
    pub fn outlook(&self) -> Outlook {
        let Self { probability, horizon, confidence, failure_type, .. } = *self;
        Outlook { probability, horizon, confidence, failure_type }
    }
}

/// What of a forecast stands as the reason of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Outlook {
    /// How likely the hub fails within the horizon.
    pub probability: Share,
    /// How far ahead this looks.
    pub horizon: Duration,
    /// How much evidence there was.
    pub confidence: Share,
    /// How it will fail.
    pub failure_type: FailureType,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_a_word_that_leads_back_to_it() {
        let all = Kind::ALL.map(Some).into_iter().chain([None]).map(FailureType::of);
        let words: Vec<_> = all.map(|answer| (answer, FailureType::named(answer.as_str()))).collect();
        assert!(words.iter().all(|(answer, named)| *named == Some(*answer)), "{words:?}");
        assert_eq!((FailureType::of(None), FailureType::named("weather")), (FailureType::Unknown, None));
        assert_eq!(FailureType::of(Some(Kind::Network)).to_string(), "network");
    }
}
