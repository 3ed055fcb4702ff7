//! How much does a forecast ask for?
//!
//! The bands follow from two costs. To act on a hub with failure probability `p` costs `swap` for certain, since what
//! it served moves; not to act costs `failure` with probability `p`. So acting pays from `p = swap / (swap + failure)`
//! on. What costs next to nothing, to look closer, is done earlier; what costs most, to drain, later.

use mcphub_routing::Share;

use crate::{Forecast, ForecastPolicy};

/// What a forecast asks for. Each band asks for all of the bands below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Band {
    /// Nothing.
    #[default]
    Calm,
    /// Probe it more often.
    Watch,
    /// Give it less weight, and keep connections ready to the hub that takes over. From here on it is an alarm.
    Relieve,
    /// Drain it.
    Leave,
}

impl Band {
    /// The word used in logs, metrics and the admin interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Watch => "watch",
            Self::Relieve => "relieve",
            Self::Leave => "leave",
        }
    }
}

impl ForecastPolicy {
    /// The probability from which on it pays to act: `swap / (swap + failure)`, rounded up, 1 ‰ at least. Costs of
    /// nothing at all make it 1000 ‰.
    pub fn relieve_at(&self) -> Share {
        let (swap, failure) = (u64::from(self.cost_swap), u64::from(self.cost_failure));
        let per_mille = if swap + failure == 0 { 1000 } else { (swap * 1000).div_ceil(swap + failure) };
        Share::saturating(u16::try_from(per_mille.max(1)).unwrap_or(u16::MAX))
    }

    /// The probability from which on a forecast drains, confirmed by the hub's requests or alone.
    pub fn leave_at(&self, confirmed: bool) -> Share {
        if confirmed { self.relieve_at() } else { self.relieve_at().max(self.alone) }
    }

    /// The band of a forecast as it stands. `confirmed`: do the hub's own requests say something of the kind?
    pub(crate) fn band(&self, forecast: &Forecast, confirmed: bool) -> Band {
        self.band_from(forecast, confirmed, Share::FULL)
    }

    /// What an operator is told that a forecast asks for, before requests confirm it. What is too little to go by is
    /// worth a look, and no more.
    pub fn advised(&self, forecast: &Forecast) -> Band {
        let believed = self.band(&Forecast { confidence: Share::FULL, ..*forecast }, false);
        if forecast.confidence < self.confidence { believed.min(Band::Watch) } else { believed }
    }

    /// The same, the lines being moved down to this part of themselves, for whoever has crossed them already.
    fn band_from(&self, forecast: &Forecast, confirmed: bool, part: Share) -> Band {
        if forecast.confidence < self.confidence {
            return Band::Calm;
        }
        let reaches = |line: u32| {
            u32::from(forecast.probability.per_mille()) * 1000 >= line * u32::from(part.per_mille())
        };
        let [watch, relieve, leave] = [
            u32::from(forecast.base_rate.per_mille().max(1)) * 2,
            line(self.relieve_at()),
            line(self.leave_at(confirmed)),
        ];
        match () {
            () if reaches(leave) => Band::Leave,
            () if reaches(relieve) => Band::Relieve,
            () if reaches(watch.min(relieve)) => Band::Watch,
            () => Band::Calm,
        }
    }

    /// Does a forecast no longer hold what it began? It must fall to [`ForecastPolicy::hysteresis`] of the line.
    pub(crate) fn releases(&self, forecast: &Forecast, begun: Band) -> bool {
        self.band_from(forecast, false, self.hysteresis) < begun.min(Band::Relieve)
    }
}

fn line(share: Share) -> u32 {
    u32::from(share.per_mille())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;
    use std::time::Duration;

    fn policy() -> ForecastPolicy {
        ForecastPolicy { cost_swap: 1, cost_failure: 9, ..Policy::default().forecast }
    }

    fn forecast(probability: u16) -> Forecast {
        let base_rate = Share::saturating(20);
        Forecast { base_rate, ..Forecast::new(Share::saturating(probability), Duration::from_secs(600)) }
    }

    #[test]
    fn it_pays_to_act_from_the_ratio_of_the_costs_on() {
        let check = |cost_swap, cost_failure, expected| {
            let policy = ForecastPolicy { cost_swap, cost_failure, ..policy() };
            assert_eq!(policy.relieve_at().per_mille(), expected, "{cost_swap} {cost_failure}");
        };
        check(1, 9, 100);
        check(1, 2, 334);
        check(0, 9, 1);
        check(9, 0, 1000);
        check(0, 0, 1000);
        check(u32::MAX, u32::MAX, 500);
    }

    #[test]
    fn each_band_has_its_line() {
        let check = |probability, confirmed, expected| {
            assert_eq!(policy().band(&forecast(probability), confirmed), expected, "{probability}");
        };
        check(39, false, Band::Calm);
        check(40, false, Band::Watch);
        check(99, true, Band::Watch);
        check(100, false, Band::Relieve);
        check(100, true, Band::Leave);
        check(499, false, Band::Relieve);
        check(500, false, Band::Leave);
        let doubtful = Forecast { confidence: Share::saturating(599), ..forecast(1000) };
        assert_eq!(policy().band(&doubtful, true), Band::Calm, "too little to go by");
        assert_eq!(policy().advised(&doubtful), Band::Watch, "but worth a look");
        assert_eq!(policy().advised(&forecast(1000)), Band::Leave);
        assert_eq!(
            policy().advised(&Forecast { confidence: doubtful.confidence, ..forecast(39) }),
            Band::Calm
        );
    }

    #[test]
    fn what_has_begun_ends_further_down() {
        let policy = policy();
        assert!(!policy.releases(&forecast(60), Band::Relieve), "60 % of the line holds it");
        assert!(policy.releases(&forecast(59), Band::Relieve));
        assert!(
            !policy.releases(&forecast(60), Band::Leave),
            "who has left stays away as long as it would be relieved"
        );
        assert!(!policy.releases(&forecast(24), Band::Watch));
        assert!(policy.releases(&forecast(23), Band::Watch));
    }
}
