//! `[failover]`.

use crate::field::default;
use crate::reader::At;
use crate::section::section;
use crate::settings::FailoverSettings;
use crate::site::Site;
use mcphub_routing::Share;
use std::time::Duration;

section! {
    /// How far the gateway goes when hubs fail.
    RawFailover {
        /// Whether hubs that look bad are taken out and brought back by themselves. If not, only operators' wishes are
        /// granted; hubs are watched and reported all the same.
        automatic: At<bool> = default(true),
        /// The gateway never leaves fewer hubs than this in service by its own doing.
        min_serving_hubs: At<u32> = default(1).within(0, 1000),
        /// Largest share of the hubs that may be drained or ejected at once.
        max_out: At<Share> = default(Share::saturating(500)).within(Share::NONE, Share::FULL),
        /// Longest time a draining hub keeps its sessions; what is left then moves.
        drain_deadline: At<Duration> =
            default(Duration::from_secs(60)).within(Duration::ZERO, Duration::from_secs(86_400)),
        /// Sessions a second that are led away from a hub that drains while their clients listen and ask nothing. The
        /// others move when they are used next.
        moves_per_second: At<u32> = default(200).within(1, 100_000),
        /// Time over which a hub that came back regains its full weight.
        slow_start: At<Duration> =
            default(Duration::from_secs(30)).within(Duration::ZERO, Duration::from_secs(3_600)),
        /// Shortest stay of a hub in any state, unless it answers nothing or an operator asks.
        dwell: At<Duration> =
            default(Duration::from_secs(10)).within(Duration::from_secs(1), Duration::from_secs(3_600)),
        /// How long a hub stays ejected, for each time in a row.
        ejection: At<Duration> =
            default(Duration::from_secs(30)).within(Duration::from_secs(1), Duration::from_secs(3_600)),
        /// How long it stays ejected at most.
        ejection_max: At<Duration> =
            default(Duration::from_secs(300)).within(Duration::from_secs(1), Duration::from_secs(86_400)),
        /// When more than this share of the hubs looks bad, the gateway doubts itself: none is taken out but those that
        /// answer nothing, and ejected ones are tried before a request is refused.
        panic_threshold: At<Share> = default(Share::saturating(500)).within(Share::NONE, Share::FULL),
    }
    instead {
        "min_hubs" => "unknown key", "did you mean `min_serving_hubs`?";
        "drain_timeout" => "unknown key", "did you mean `drain_deadline`?";
    }
}

pub(super) fn lower(raw: &RawFailover, hubs: usize, site: &Site<'_>) -> FailoverSettings {
    let floor = &raw.min_serving_hubs;
    let too_many = usize::try_from(floor.value).is_ok_and(|floor| floor > hubs);
    if floor.written && too_many && hubs > 0 {
        let what = format!("{} hubs can never serve: there are {hubs}", floor.value);
        site.book.mistake(&floor.place, what, format!("write 0 to {hubs}"));
    }
    let (first, longest) = (&raw.ejection, &raw.ejection_max);
    if first.sound && longest.sound && longest.value < first.value {
        let at = if longest.written { longest } else { first };
        let what = "ejection_max is shorter than ejection";
        site.book.mistake(&at.place, what, "write an ejection_max not below ejection");
    }
    FailoverSettings {
        automatic: raw.automatic.value,
        min_serving_hubs: floor.value,
        max_out: raw.max_out.value,
        drain_deadline: raw.drain_deadline.value,
        moves_per_second: raw.moves_per_second.value,
        slow_start: raw.slow_start.value,
        dwell: raw.dwell.value,
        ejection: raw.ejection.value,
        ejection_max: longest.value,
        panic_threshold: raw.panic_threshold.value,
    }
}
