//! `[limits]`.

use crate::field::default;
use crate::reader::At;
use crate::section::section;
use crate::settings::LimitSettings;
use crate::site::Site;
use crate::value::Bytes;
use std::time::Duration;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

section! {
    /// Bounds on what clients and hubs may send.
    RawLimits {
        /// Largest request body; above it 413.
        request_body: At<Bytes> = default(Bytes(4 * MIB)).within(Bytes(KIB), Bytes(KIB * MIB)),
        /// Largest request head, request line included; above it 431.
        request_head: At<Bytes> = default(Bytes(64 * KIB)).within(Bytes(KIB), Bytes(MIB)),
        /// Longest request line; above it 414. Not above request_head.
        request_line: At<Bytes> = default(Bytes(8 * KIB)).within(Bytes(KIB), Bytes(MIB)),
        /// Most header fields in one head; above it 431.
        header_count: At<usize> = default(100).within(8, 1000),
        /// First byte of a request head to its end.
        header_deadline: At<Duration> = default(secs(10)).within(ms(100), secs(300)),
        /// End of a request's head to the end of its body.
        body_deadline: At<Duration> = default(secs(30)).within(ms(100), secs(3_600)),
        /// A client connection without a request for this long is closed. Keep it longer than clients keep
        /// idle connections (reqwest: 90 s), or a request may meet the closing.
        keepalive_idle: At<Duration> = default(secs(120)).within(ms(100), secs(3_600)),
        /// Longest wait for a client to take bytes.
        write_deadline: At<Duration> = default(secs(60)).within(ms(100), secs(3_600)),
        /// Most client connections at once, over all listeners.
        connections: At<usize> = default(10_000).within(1, 1_000_000),
        /// Most requests at once on one HTTP/2 connection.
        streams_per_connection: At<u32> = default(100).within(1, 10_000),
        /// Deepest nesting of a JSON body.
        json_depth: At<usize> = default(64).within(8, 512),
        /// Largest head of a hub's answer.
        hub_head: At<Bytes> = default(Bytes(64 * KIB)).within(Bytes(KIB), Bytes(MIB)),
        /// Largest JSON body of a hub that must be held whole; what is only passed on is not bounded by it.
        hub_body: At<Bytes> = default(Bytes(64 * MIB)).within(Bytes(KIB), Bytes(KIB * MIB)),
        /// Largest single event of a hub's stream.
        sse_event: At<Bytes> = default(Bytes(4 * MIB)).within(Bytes(KIB), Bytes(KIB * MIB)),
    }
    instead {
        "max_body" => "unknown key", "did you mean `request_body`?";
        "timeout" => "unknown key", "write header_deadline, body_deadline, keepalive_idle or write_deadline";
    }
}

pub(super) fn lower(raw: &RawLimits, site: &Site<'_>) -> LimitSettings {
    let (line, head) = (&raw.request_line, &raw.request_head);
    if line.sound && head.sound && line.value > head.value {
        let at = if line.written { line } else { head };
        let what = "request_line is larger than request_head, which includes it";
        site.book.mistake(&at.place, what, "write a request_line not above request_head");
    }
    LimitSettings {
        request_body: raw.request_body.value.0,
        request_head: head.value.0,
        request_line: line.value.0,
        header_count: raw.header_count.value,
        header_deadline: raw.header_deadline.value,
        body_deadline: raw.body_deadline.value,
        keepalive_idle: raw.keepalive_idle.value,
        write_deadline: raw.write_deadline.value,
        connections: raw.connections.value,
        streams_per_connection: raw.streams_per_connection.value,
        json_depth: raw.json_depth.value,
        hub_head: raw.hub_head.value.0,
        hub_body: raw.hub_body.value.0,
        sse_event: raw.sse_event.value.0,
    }
}
