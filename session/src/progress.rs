//! *Has the client heard of this already?* Progress that never goes backwards.

/// What a request has told of its progress. MCP wants the number to grow with each notification; a request that is sent
/// again begins at the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProgressFilter {
    told: Option<f64>,
    resent: bool,
}

impl ProgressFilter {
    /// The request was sent again.
    pub fn resent(&mut self) {
        self.resent = true;
    }

    /// Whether a notification with this `progress` goes to the client. What one hub says of itself is not judged; after
    /// the request was sent again, only what is new to the client goes on.
    #[must_use]
    pub fn passes(&mut self, progress: f64) -> bool {
        let new = self.told.is_none_or(|told| progress > told);
        let passes = new || !self.resent;
        if new {
            self.told = Some(progress);
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What of these goes on, with the request sent again at each `None`.
    fn check(said: &[Option<f64>], expected: &[f64]) {
        let mut filter = ProgressFilter::default();
        let mut told = Vec::new();
        for progress in said {
            match progress {
                None => filter.resent(),
                Some(progress) if filter.passes(*progress) => told.push(*progress),
                Some(_) => {}
            }
        }
        assert_eq!(told, expected);
    }

    #[test]
    fn after_a_second_sending_only_what_is_new() {
        check(
            &[Some(1.0), Some(2.0), None, Some(1.0), Some(2.0), Some(2.5), Some(3.0)],
            &[1.0, 2.0, 2.5, 3.0],
        );
        check(&[Some(1.0), None, Some(0.5), None, Some(1.0), Some(1.5)], &[1.0, 1.5]);
        check(&[None, Some(0.0), Some(0.0)], &[0.0]);
        // A hub's own ways are its own.
        check(&[Some(2.0), Some(1.0), Some(1.0), None, Some(1.5), Some(3.0)], &[2.0, 1.0, 1.0, 3.0]);
    }

    proptest! {
        #[test]
        fn never_backwards_after_a_second_sending(
            before in prop::collection::vec(0.0..10.0, 0..8), after in prop::collection::vec(-1.0..12.0, 0..12),
        ) {
            let mut filter = ProgressFilter::default();
            let mut highest = f64::NEG_INFINITY;
            for progress in before {
                prop_assert!(filter.passes(progress));
                highest = f64::max(highest, progress);
            }
            filter.resent();
            for progress in after {
                if filter.passes(progress) {
                    prop_assert!(progress > highest);
                    highest = progress;
                }
            }
        }
    }
}
