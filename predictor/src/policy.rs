//! Where do the lines lie between well and unwell, and how far may the control loop go?

use std::time::Duration;

use mcphub_routing::Share;

/// What forecasts may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ForecastUse {
    /// They are not looked at.
    Off,
    /// They are reported and change nothing.
    #[default]
    Advise,
    /// They may relieve and drain a hub, and never eject one.
    Act,
}

/// Shortest dwell, whatever the policy says: two steps at one instant would undo each other.
pub const DWELL_MIN: Duration = Duration::from_secs(1);
/// Shortest drain, whatever its deadline: what was placed by the table before must have time to be counted.
pub const DRAIN_MIN: Duration = Duration::from_secs(2);

/// Every threshold of the control loop. A pair `…_out`, `…_in` is one threshold with its hysteresis: a hub crosses the
/// first to leave, and must be back behind the second to return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Unanswered requests in a row, or probes failed in a row, that take a hub out; 1 or more. Default 3, as `fall` of
    /// HAProxy. One probe more where probes get no answer, nothing is refused, and a request was answered lately.
    pub fall: u32,
    /// Probes passed in a row that let a hub return; 1 or more. Default 2, as `rise` of HAProxy.
    pub rise: u32,
    /// Requests in a row that were answered with an error and take a hub out; 1 or more. Default 5, as Envoy's
    /// `consecutive_5xx`: an answered error may be the request's own fault.
    pub errors_in_row: u32,
    /// When the evidence of requests says too little to act on.
    pub errors: ErrorPolicy,
    /// When a hub is slow.
    pub latency: LatencyPolicy,
    /// When a hub has too much to do.
    pub overload: OverloadPolicy,
    /// How long a hub stays out.
    pub ejection: EjectionPolicy,
    /// Time over which a returning hub regains its weight; zero for at once. Default 30 s.
    pub slow_start: Duration,
    /// What a returning hub begins with, 1 to 1000 ‰. Default 100 ‰, as Envoy's `min_weight_percent`.
    pub slow_start_from: Share,
    /// Shortest stay in any state, unless the hub answers nothing or the operator asks; [`DWELL_MIN`] or more. Default
    /// 10 s: any shorter than a few rounds of probes (2 s each), and one bad round makes a hub flap.
    pub dwell: Duration,
    /// Longest time a draining hub keeps its sessions; [`DRAIN_MIN`] or more. Default 60 s.
    pub drain_deadline: Duration,
    /// Hubs that stay in service whatever the cleverness or the operator says; none counts as one, since nothing that
    /// is served at all may be emptied by decision. Default 1.
    pub min_serving_hubs: u32,
    /// Largest share of the hubs out at once; one may always be. Default 500 ‰. (Envoy's `max_ejection_percent` is
    /// 10 %, for clusters much larger than ours.)
    pub max_out: Share,
    /// Panic begins when more than this share of the hubs looks bad. Default 500 ‰, as Envoy's panic threshold.
    pub panic_enter: Share,
    /// Panic ends when at most this share looks bad, after [`Policy::dwell`]; not above `panic_enter`. Default 500 ‰.
    pub panic_leave: Share,
    /// Older outcomes of requests say nothing about now. Default 10 s, the short window.
    pub requests_stale: Duration,
    /// Older probes, and older evidence as a whole, say nothing about now. Default 30 s: fifteen rounds of probes.
    pub probes_stale: Duration,
    /// Without an answered request for this long, failing probes are believed alone. Default 1 s.
    pub silence: Duration,
    /// What forecasts may do, and from when.
    pub forecast: ForecastPolicy,
}

/// When requests fail too often. The hub's rate is held against the threshold and against twice the median of its
/// peers: what all have in common is nobody's own sickness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPolicy {
    /// Default 50 ‰: a hub with 10 % errors is out within its first full sample.
    pub rate_out: Share,
    /// Default 20 ‰.
    pub rate_in: Share,
    /// Fewest requests in a window that make a rate. Default 50.
    pub sample_min: u32,
    /// Fewest errors that make a rate. Default 5: a healthy hub with 1 % errors shows that in one sample of 50 in
    /// five thousand.
    pub errors_min: u32,
}

/// When a hub is slow: its median answer against its own past, and that ratio against the ratio of its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencyPolicy {
    /// Fewest answers, now and in the past, that make a ratio. Default 20.
    pub sample_min: u32,
    /// Slower by less than this is not slow, whatever the ratio. Default 50 ms.
    pub extra_min: Duration,
    /// From so many times its past (‰) on, a hub keeps only this share. Rising. Default 3, 6 and 12 times; half,
    /// a quarter and 40 ‰: a hub that is 20 times slower gets less than 5 % of its traffic.
    pub levels: [(u32, Share); 3],
    /// From so many times its past (‰) on, and `eject_min`, a hub is ejected. Default 20 times.
    pub eject_times: u32,
    /// A hub whose median answer is faster than this is never ejected for slowness. Default 1 s.
    pub eject_min: Duration,
    /// What part of a threshold the ratio must fall below to be better again. Default 750 ‰; quantiles are a quarter
    /// coarse.
    pub hysteresis: Share,
}

/// When a hub has too much to do, and keeps half of its share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverloadPolicy {
    /// Processors busier than this. Default 950 ‰.
    pub cpu_out: Share,
    /// Default 850 ‰.
    pub cpu_in: Share,
    /// More of its connections refused than this. Default 100 ‰.
    pub refused_out: Share,
    /// Default 50 ‰.
    pub refused_in: Share,
    /// Fewest connection attempts that make a share. Default 20.
    pub connects_min: u32,
}

/// How long a hub stays out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EjectionPolicy {
    /// For each strike. Default 30 s, as Envoy's `base_ejection_time`. Never shorter than the dwell.
    pub base: Duration,
    /// At most. Default 300 s, as Envoy's `max_ejection_time`.
    pub max: Duration,
    /// One strike is forgotten for each such time in service. Default 300 s.
    pub forget: Duration,
}

/// What forecasts may do, and from when. [`Band`](crate::Band) says how the lines follow from the costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForecastPolicy {
    /// What they may do.
    pub mode: ForecastUse,
    /// What it costs to move a hub's traffic away in vain, in units of one's own. Default 1.
    pub cost_swap: u32,
    /// What it costs if the hub fails with its traffic, in the same units. Default 9.
    pub cost_failure: u32,
    /// A forecast alone, which no request confirms, drains from this probability on. Default 500 ‰: likelier than not.
    pub alone: Share,
    /// What part of a line the probability must fall below before what was begun ends. Default 600 ‰.
    pub hysteresis: Share,
    /// Forecasts with less confidence are not acted on. Default 600 ‰.
    pub confidence: Share,
    /// What a relieved hub keeps of its placements. Default 500 ‰.
    pub relieve_to: Share,
    /// Largest share of the hubs out for forecasts at once; one may always be. Default 200 ‰.
    pub out_share: Share,
    /// Each hub may raise one alarm in this time that does not prove right; zero for no budget. Default 2 days.
    pub alarm_every: Duration,
    /// The share of the alarms about which nothing is done. Default 50 ‰.
    pub hold_out: Share,
}

impl Default for Policy {
    fn default() -> Self {
        let share = Share::saturating;
        Self {
            fall: 3,
            rise: 2,
            errors_in_row: 5,
            errors: ErrorPolicy { rate_out: share(50), rate_in: share(20), sample_min: 50, errors_min: 5 },
            latency: LatencyPolicy {
                sample_min: 20,
                extra_min: Duration::from_millis(50),
                levels: [(3_000, share(500)), (6_000, share(250)), (12_000, share(40))],
                eject_times: 20_000,
                eject_min: Duration::from_secs(1),
                hysteresis: share(750),
            },
            overload: OverloadPolicy {
                cpu_out: share(950),
                cpu_in: share(850),
                refused_out: share(100),
                refused_in: share(50),
                connects_min: 20,
            },
            ejection: EjectionPolicy {
                base: Duration::from_secs(30),
                max: Duration::from_secs(300),
                forget: Duration::from_secs(300),
            },
            slow_start: Duration::from_secs(30),
            slow_start_from: share(100),
            dwell: Duration::from_secs(10),
            drain_deadline: Duration::from_secs(60),
            min_serving_hubs: 1,
            max_out: share(500),
            panic_enter: share(500),
            panic_leave: share(500),
            requests_stale: Duration::from_secs(10),
            probes_stale: Duration::from_secs(30),
            silence: Duration::from_secs(1),
            forecast: ForecastPolicy {
                mode: ForecastUse::default(),
                cost_swap: 1,
                cost_failure: 9,
                alone: share(500),
                hysteresis: share(600),
                confidence: share(600),
                relieve_to: share(500),
                out_share: share(200),
                alarm_every: Duration::from_secs(2 * 86_400),
                hold_out: share(50),
            },
        }
    }
}

impl Policy {
    /// The dwell that is kept.
    pub fn dwell(&self) -> Duration {
        self.dwell.max(DWELL_MIN)
    }

    /// The floor that is kept.
    pub fn floor(&self) -> usize {
        self.min_serving_hubs.max(1) as usize
    }

    /// How long a hub with so many strikes is ejected.
    pub fn ejected_for(&self, strikes: u32) -> Duration {
        self.ejection.base.saturating_mul(strikes.max(1)).min(self.ejection.max).max(self.dwell())
    }

    /// How many of so many hubs may be out at once: one, or the share.
    pub fn out_most(&self, hubs: usize) -> usize {
        (hubs * usize::from(self.max_out.per_mille()) / 1000).max(1)
    }

    /// How many of so many hubs may be out for forecasts: one, or the share.
    pub fn forecast_out_most(&self, hubs: usize) -> usize {
        (hubs * usize::from(self.forecast.out_share.per_mille()) / 1000).max(1)
    }

    /// What part of its traffic a hub keeps at this level of slowness or overload; 0 is all of it.
    pub fn level_share(&self, level: u8) -> Share {
        let level = usize::from(level).min(self.latency.levels.len());
        level.checked_sub(1).map_or(Share::FULL, |at| self.latency.levels[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_make_ejections_longer_up_to_a_limit() {
        let policy = Policy::default();
        let seconds = [0, 1, 2, 9, 10, 11, u32::MAX].map(|strikes| policy.ejected_for(strikes).as_secs());
        assert_eq!(seconds, [30, 30, 60, 270, 300, 300, 300]);
        let hasty = Policy { ejection: EjectionPolicy { base: Duration::ZERO, ..policy.ejection }, ..policy };
        assert_eq!(hasty.ejected_for(1), hasty.dwell(), "never shorter than the dwell");
    }

    #[test]
    fn one_hub_may_always_be_out_by_share() {
        let policy = Policy::default();
        assert_eq!([1, 2, 3, 4, 10].map(|hubs| policy.out_most(hubs)), [1, 1, 1, 2, 5]);
        let strict = Policy { max_out: Share::NONE, ..policy };
        assert_eq!(strict.out_most(100), 1);
    }
}
