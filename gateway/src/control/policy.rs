//! What do the settings mean to those who probe and decide?

use mcphub_conf::settings::{HealthSettings, PredictorMode, Settings};
use mcphub_health::ProbeSettings;
use mcphub_predictor::{EjectionPolicy, ErrorPolicy, ForecastPolicy, ForecastUse, Policy};
use mcphub_routing::Share;

/// The thresholds and rails of the control loop.
pub(super) fn of(settings: &Settings) -> Policy {
    let (health, failover, predictor) = (&settings.health, &settings.failover, &settings.predictor);
    let standard = Policy::default();
    let mode = match predictor.mode {
        PredictorMode::Off => ForecastUse::Off,
        PredictorMode::Advise => ForecastUse::Advise,
        PredictorMode::Act => ForecastUse::Act,
    };
    Policy {
        fall: health.failover_threshold,
        rise: health.recovery_threshold,
        slow_start: failover.slow_start,
        drain_deadline: failover.drain_deadline,
        min_serving_hubs: failover.min_serving_hubs,
        max_out: failover.max_out,
        errors_in_row: health.errors_in_row,
        errors: ErrorPolicy {
            rate_out: health.error_rate,
            // The way back is as far below as it is by default.
            rate_in: Share::saturating(health.error_rate.per_mille() * 2 / 5),
            ..standard.errors
        },
        dwell: failover.dwell,
        ejection: EjectionPolicy { base: failover.ejection, max: failover.ejection_max, ..standard.ejection },
        panic_enter: failover.panic_threshold,
        panic_leave: failover.panic_threshold,
        // Evidence lives through fifteen rounds of probes, as it does with the standard interval.
        probes_stale: standard.probes_stale.max(health.interval * 15),
        forecast: ForecastPolicy {
            mode,
            cost_swap: predictor.cost.swap,
            cost_failure: predictor.cost.failure,
            confidence: predictor.confidence,
            out_share: predictor.max_out,
            alarm_every: predictor.alarm_every,
            hold_out: predictor.hold_out,
            ..standard.forecast
        },
        ..standard
    }
}

/// How hubs are probed.
pub(super) fn probes(health: &HealthSettings) -> ProbeSettings {
    let standard = ProbeSettings::default();
    ProbeSettings {
        interval: health.interval,
        timeout: health.timeout,
        // Enough to come to a verdict with one burst.
        burst: health.failover_threshold.max(standard.burst),
        doubt: standard.doubt.min(health.timeout),
        stall: standard.stall.min(health.timeout),
        ..standard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::Duration;

    fn health(fall: u32, timeout_ms: u64) -> HealthSettings {
        HealthSettings {
            failover_threshold: fall,
            timeout: Duration::from_millis(timeout_ms),
            ..settings("").health
        }
    }

    fn settings(more: &str) -> Settings {
        let text = format!(
            "[gateway]\nname = \"a\"\nlocation = \"x\"\n[[listener]]\naddress = \"127.0.0.1:1\"\n\
             [locations]\nx = {{ latitude = 0.0, longitude = 0.0 }}\n[[hub]]\nid = \"h\"\ntype = \"primary\"\n\
             location = \"x\"\nurl = \"http://127.0.0.1:2/mcp\"\n{more}"
        );
        let loaded = mcphub_conf::parse(&text, "test", Path::new(env!("CARGO_MANIFEST_DIR")), &|_| None);
        loaded.expect("sound").settings
    }

    #[test]
    fn a_burst_is_enough_for_a_verdict_and_no_silence_is_longer_than_the_time_out() {
        let check = |fall, timeout_ms, burst, stall_ms| {
            let probes = probes(&health(fall, timeout_ms));
            assert_eq!((probes.burst, probes.stall), (burst, Duration::from_millis(stall_ms)));
            assert!(probes.doubt <= probes.timeout);
        };
        check(3, 1_000, 3, 300);
        check(1, 50, 3, 50);
        check(5, 300, 5, 300);
    }

    #[test]
    fn what_operators_write_is_what_is_decided_by() {
        let policy = of(&settings(
            "[health]\ninterval = \"10s\"\nfailover_threshold = 7\nrecovery_threshold = 4\n\
             [failover]\nmin_serving_hubs = 1\nmax_out = \"20%\"\ndrain_deadline = \"5s\"\nslow_start = \"0s\"\n\
             [predictor]\nmode = \"act\"\nalarm_every = \"1d\"\ncost = { swap = 1, failure = 3 }\n",
        ));
        assert_eq!((policy.fall, policy.rise, policy.min_serving_hubs), (7, 4, 1));
        assert_eq!((policy.max_out.per_mille(), policy.drain_deadline.as_secs()), (200, 5));
        assert_eq!((policy.slow_start.is_zero(), policy.forecast.mode), (true, ForecastUse::Act));
        let forecast = &policy.forecast;
        assert_eq!((forecast.relieve_at().per_mille(), forecast.alarm_every.as_secs()), (250, 86_400));
        assert_eq!(policy.probes_stale.as_secs(), 150, "fifteen rounds");
        assert_eq!(of(&settings("")), Policy::default(), "what is not written is what is documented");
    }
}
