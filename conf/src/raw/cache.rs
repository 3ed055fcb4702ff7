//! `[cache]`.

use crate::field::{List, default, default_list};
use crate::reader::At;
use crate::section::section;
use crate::settings::CacheSettings;
use crate::value::{Bytes, HeaderName};
use std::time::Duration;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What names one request and nothing else, as tracing and proxies write it.
const OF_ONE_REQUEST: [&str; 4] = ["traceparent", "tracestate", "x-request-id", "x-correlation-id"];

section! {
    /// What is answered without asking a hub: results that hubs declare cacheable (2026-07-28).
    RawCache {
        /// Whether results are kept that their hub says are everybody's (cacheScope "public") and fresh for a while
        /// (ttlMs above 0). A hub that says neither is asked every time.
        enabled: At<bool> = default(true),
        /// Most bytes kept.
        size: At<Bytes> = default(Bytes(64 * MIB)).within(Bytes(MIB), Bytes(64 * KIB * MIB)),
        /// Largest result kept. Larger ones pass as they come.
        entry_size: At<Bytes> = default(Bytes(256 * KIB)).within(Bytes(KIB), Bytes(256 * KIB)),
        /// Longest time that a result is taken for fresh, whatever its hub says: how late a change is seen at most
        /// that no notification tells of.
        ttl_max: At<Duration> = default(secs(600)).within(secs(1), secs(86_400)),
        /// How long after its time a public result is still given when no hub can be asked.
        stale_if_error: At<Duration> = default(secs(60)).within(Duration::ZERO, secs(86_400)),
        /// Whether results that are one caller's (cacheScope "private") are kept too, each for requests with the same
        /// credential, for a minute at most.
        private: At<bool> = default(false),
        /// Headers that no answer depends on. Every other header a hub gets to see, except those the gateway writes
        /// itself, is part of what a result is found by.
        ignored_headers: List<HeaderName> = default_list(OF_ONE_REQUEST.map(HeaderName::of).into()),
    }
    instead {
        "ttl" => "unknown key", "write ttl_max; how long a result is fresh, its hub says";
        "max_size" => "unknown key", "did you mean `size`?";
        "on" => "unknown key", "did you mean `enabled`?";
    }
}

pub(super) fn lower(raw: &RawCache) -> CacheSettings {
    CacheSettings {
        enabled: raw.enabled.value,
        size: raw.size.value.0,
        entry_size: raw.entry_size.value.0,
        ttl_max: raw.ttl_max.value,
        stale_if_error: raw.stale_if_error.value,
        private: raw.private.value,
        ignored_headers: raw.ignored_headers.values().into_iter().map(String::from).collect(),
    }
}
