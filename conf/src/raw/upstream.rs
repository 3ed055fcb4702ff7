//! `[upstream]`.

use crate::field::default;
use crate::reader::At;
use crate::section::section;
use crate::settings::UpstreamSettings;
use mcphub_routing::Share;
use std::time::Duration;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

section! {
    /// Waits, pools and retries towards hubs.
    RawUpstream {
        /// Longest wait for a connection to a hub, TLS included.
        connect_deadline: At<Duration> = default(secs(2)).within(ms(10), secs(60)),
        /// Request written to the head of its answer. Tools may work this long.
        answer_deadline: At<Duration> = default(secs(300)).within(ms(100), secs(3_600)),
        /// Longest silence within a JSON body.
        idle_deadline: At<Duration> = default(secs(300)).within(ms(100), secs(3_600)),
        /// An unused connection to a hub is closed after this. Keep it shorter than the hubs do.
        pool_idle: At<Duration> = default(secs(60)).within(Duration::ZERO, secs(3_600)),
        /// Most unused connections kept per hub.
        pool_per_hub: At<usize> = default(256).within(0, 65_536),
        /// Most hubs tried for one request, the first included.
        attempts: At<u32> = default(3).within(1, 10),
        /// Retries allowed at once as a share of the requests in flight: retries must not finish off what is
        /// left of a fleet.
        retry_budget: At<Share> = default(Share::saturating(200)).within(Share::NONE, Share::FULL),
        /// Retries that are allowed at once whatever the budget says.
        retry_floor: At<u32> = default(3).within(0, 1000),
        /// Time between two comments that keep a silent event stream open through proxies.
        stream_keepalive: At<Duration> = default(secs(15)).within(ms(100), secs(300)),
        /// When a legacy client has left, which does not cancel its request, the hub's answer is read on for
        /// this long.
        leave_read: At<Duration> = default(secs(30)).within(Duration::ZERO, secs(600)),
    }
    instead {
        "timeout" => "unknown key", "write connect_deadline, answer_deadline or idle_deadline";
        "retries" => "unknown key", "write attempts, which counts the first try too";
    }
}

pub(super) fn lower(raw: &RawUpstream) -> UpstreamSettings {
    UpstreamSettings {
        connect_deadline: raw.connect_deadline.value,
        answer_deadline: raw.answer_deadline.value,
        idle_deadline: raw.idle_deadline.value,
        pool_idle: raw.pool_idle.value,
        pool_per_hub: raw.pool_per_hub.value,
        attempts: raw.attempts.value,
        retry_budget: raw.retry_budget.value,
        retry_floor: raw.retry_floor.value,
        stream_keepalive: raw.stream_keepalive.value,
        leave_read: raw.leave_read.value,
    }
}
