//! How many calls suffered from a fault, and until when?

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::{Call, End};

/// A call answered later than usual by more than this has suffered.
pub const LATE: Duration = Duration::from_secs(1);

/// What a crowd suffered from one fault.
#[derive(Debug, Clone, Default)]
pub struct Suffering {
    /// Calls under way at the fault, or asked after it.
    pub calls: usize,
    /// Those that were not answered with their result.
    pub failed: usize,
    /// Those that were, but later than usual by more than [`LATE`].
    pub late: usize,
    /// From the fault until the last of both was asked; zero where it was under way already.
    pub last_asked: Duration,
    /// From the fault until the last of both was over.
    pub last_over: Duration,
    /// Half of the calls before the fault took no longer.
    pub usual: Duration,
    /// The longest call answered since the fault.
    pub longest: Duration,
    /// Calls that had failed before the fault: should be none.
    pub failed_before: usize,
    /// How they failed.
    pub how: BTreeMap<String, usize>,
}

impl Suffering {
    /// Counts.
    pub fn of(calls: &[Call], fault: Instant) -> Self {
        let took = |call: &Call| call.over.saturating_duration_since(call.asked);
        let (before, since): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.over < fault);
        let failed = |call: &&&Call| matches!(call.end, End::Failed(_));
        let mut times: Vec<_> = before.iter().map(|call| took(call)).collect();
        times.sort_unstable();
        let mut found = Self {
            calls: since.len(),
            usual: times.get(times.len() / 2).copied().unwrap_or_default(),
            failed_before: before.iter().filter(failed).count(),
            ..Self::default()
        };
        for call in since {
            let suffered = match &call.end {
                End::Failed(how) => {
                    found.failed += 1;
                    *found.how.entry(how.clone()).or_default() += 1;
                    true
                }
                End::Answered(_) => {
                    found.longest = found.longest.max(took(call));
                    let late = took(call) > found.usual + LATE;
                    found.late += usize::from(late);
                    late
                }
            };
            if suffered {
                found.last_asked = found.last_asked.max(call.asked.saturating_duration_since(fault));
                found.last_over = found.last_over.max(call.over.saturating_duration_since(fault));
            }
        }
        found
    }

    /// What part of the calls asked in each second since the fault this hub answered, in per cent.
    pub fn shares(calls: &[Call], fault: Instant, hub: &str) -> Vec<usize> {
        let mut seconds: Vec<(usize, usize)> = Vec::new();
        for call in calls.iter().filter(|call| call.asked >= fault) {
            let second = call.asked.saturating_duration_since(fault).as_secs();
            let second = usize::try_from(second).unwrap_or_default();
            seconds.resize(seconds.len().max(second + 1), (0, 0));
            seconds[second].0 += 1;
            seconds[second].1 += usize::from(call.end == End::Answered(hub.to_owned()));
        }
        seconds.into_iter().map(|(all, here)| here * 100 / all.max(1)).collect()
    }

    /// The names of the columns of [`Suffering`]'s display.
    pub const COLUMNS: &str = " calls  failed   late  last asked   last over     usual   longest";
}

impl fmt::Display for Suffering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |duration: Duration| format!("{:.2} s", duration.as_secs_f64());
        let end = |duration| if self.failed + self.late == 0 { "-".to_owned() } else { seconds(duration) };
        write!(
            f,
            "{:>6} {:>7} {:>6} {:>11} {:>11} {:>9} {:>9}",
            self.calls,
            self.failed,
            self.late,
            end(self.last_asked),
            end(self.last_over),
            format!("{} ms", self.usual.as_millis()),
            seconds(self.longest),
        )?;
        let how: Vec<_> = self.how.iter().map(|(how, count)| format!("{count} × {how}")).collect();
        if how.is_empty() { Ok(()) } else { write!(f, "  {}", how.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "an instant can be had no other way")]
    fn what_was_over_before_the_fault_has_not_suffered() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let call = |asked, over, failed: bool| Call {
            asked: at(asked),
            over: at(over),
            end: if failed { End::Failed("HTTP 502".to_owned()) } else { End::Answered("a".to_owned()) },
        };
        let calls = [
            call(0, 300, false),
            call(100, 400, true),
            call(900, 1_050, true),
            call(1_500, 1_800, false),
            call(1_600, 2_901, false),
            call(1_700, 2_000, true),
        ];
        let found = Suffering::of(&calls, at(1_000));
        assert_eq!((found.calls, found.failed, found.late, found.failed_before), (4, 2, 1, 1));
        assert_eq!((found.last_asked.as_millis(), found.last_over.as_millis()), (700, 1_901));
        assert_eq!(found.usual, Duration::from_millis(300));
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "an instant can be had no other way")]
    fn a_hubs_share_is_counted_by_the_second_in_which_a_call_was_asked() {
        let start = Instant::now();
        let call = |asked, hub: &str| {
            let asked = start + Duration::from_millis(asked);
            Call { asked, over: asked + Duration::from_secs(9), end: End::Answered(hub.to_owned()) }
        };
        let calls = [call(0, "a"), call(1_000, "a"), call(1_900, "b"), call(3_000, "b"), call(3_999, "b")];
        assert_eq!(Suffering::shares(&calls, start + Duration::from_secs(1), "a"), [50, 0, 0]);
    }
}
