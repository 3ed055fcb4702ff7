//! `[shutdown]`.

use crate::field::default;
use crate::reader::At;
use crate::section::section;
use crate::settings::ShutdownSettings;
use std::time::Duration;

section! {
    /// How the gateway stops.
    RawShutdown {
        /// Longest time from SIGTERM to exit while requests finish; an idle gateway exits at once.
        deadline: At<Duration> =
            default(Duration::from_secs(30)).within(Duration::ZERO, Duration::from_secs(3_600)),
        /// How soon clients of open event streams are told to come back (the retry: of server-sent events).
        sse_retry: At<Duration> =
            default(Duration::from_secs(1)).within(Duration::ZERO, Duration::from_secs(60)),
    }
    instead {}
}

pub(super) fn lower(raw: &RawShutdown) -> ShutdownSettings {
    ShutdownSettings { deadline: raw.deadline.value, sse_retry: raw.sse_retry.value }
}
