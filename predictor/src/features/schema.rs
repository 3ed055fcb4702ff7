//! Which features, in which order?

use crate::telemetry::Signal;

use super::{Feature, Span};

/// A list of features: the columns of a learner's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema(Vec<Feature>);

impl Schema {
    /// Of these features, in this order.
    pub fn new(features: Vec<Feature>) -> Self {
        Self(features)
    }

    /// What a gateway sees of a hub and what the hub tells of itself, without its past failures: the model of a fleet
    /// must not learn how often the hubs fail that it happened to be taught with.
    pub fn telemetry() -> Self {
        let mut features = Vec::new();
        for signal in [
            Signal::ProbeMs,
            Signal::P50Ms,
            Signal::P95Ms,
            Signal::ConnectMs,
            Signal::InFlight,
            Signal::Rate,
            Signal::Cpu,
            Signal::Memory,
            Signal::Queue,
        ] {
            let spans = [Span::S15, Span::M1, Span::M5, Span::M30];
            features.extend(spans.map(|span| Feature::Deviation(signal, span)));
            features.extend([Span::M5, Span::M30, Span::M120].map(|span| Feature::Rise(signal, span)));
            features.push(Feature::Unrest(signal));
        }
        for signal in [Signal::P95Ms, Signal::Cpu] {
            let spans = [Span::M1, Span::M5, Span::M30];
            features.extend(spans.map(|span| Feature::Residual(signal, span)));
        }
        for signal in [Signal::ProbeFail, Signal::Errors, Signal::Timeouts, Signal::Refused] {
            let spans = [Span::S15, Span::M1, Span::M5, Span::M30];
            features.extend(spans.map(|span| Feature::Mean(signal, span)));
        }
        features.extend([Signal::Cpu, Signal::Memory].map(|signal| Feature::Mean(signal, Span::M5)));
        features.extend([Feature::Known(Signal::Cpu), Feature::Strain, Feature::Slow, Feature::Backlog]);
        features.extend([Feature::Neighbours, Feature::Kin]);
        Self(features)
    }

    /// As [`telemetry`](Self::telemetry), and when the hub failed before: for a model taught by the fleet it serves.
    pub fn with_history() -> Self {
        let Self(mut features) = Self::telemetry();
        features.extend([Feature::SinceEpisode, Feature::EpisodesDay, Feature::EpisodesWeek]);
        features.extend([1, 3, 7].map(Feature::SameTime));
        Self(features)
    }

    /// The features in order.
    pub fn features(&self) -> &[Feature] {
        &self.0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their names in order.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// A number that changes when a name or the order does.
    pub fn hash(&self) -> u64 {
        hash_of(self.names())
    }
}

/// FNV-1a, 64 bits, over names, each ended by a zero. It guards against mistakes, not against forgery.
pub(super) fn hash_of(names: impl IntoIterator<Item = impl AsRef<str>>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for name in names {
        for byte in name.as_ref().bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_feature_has_a_name_of_its_own() {
        let schema = Schema::with_history();
        let names: BTreeSet<_> = schema.names().into_iter().collect();
        assert_eq!(names.len(), schema.len());
        assert!(schema.names().starts_with(&Schema::telemetry().names()));
    }

    #[test]
    fn the_hash_tells_names_and_their_order() {
        let of = |features: &[Feature]| Schema::new(features.to_vec()).hash();
        let (a, b) = (Feature::Strain, Feature::Slow);
        assert_eq!(of(&[a, b]), of(&[a, b]));
        let hashes = [of(&[]), of(&[a]), of(&[a, b]), of(&[b, a])];
        assert_eq!(hashes.iter().collect::<BTreeSet<_>>().len(), 4);
        // The offset basis of FNV-1a: a hash that changed would turn every model file away.
        assert_eq!(of(&[]), 0xcbf2_9ce4_8422_2325);
    }
}
