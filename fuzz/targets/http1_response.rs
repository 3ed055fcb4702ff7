//! However a hub's response head trickles in, it is read in one way or refused.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use mcphub_http1::head::HeadScan;
use mcphub_http1::{Framing, HeadLimits, Known, ResponseHead};

fuzz_target!(|input: &[u8]| {
    let limits = HeadLimits { head: 2_048, line: 512, fields: 32 };
    let (at_once, in_pieces) = (read(input, input.len().max(1), &limits), read(input, 3, &limits));
    let facts = |head: &ResponseHead| (head.status, head.framing, head.keep_alive, head.is_event_stream());
    assert_eq!(at_once.as_ref().map(facts), in_pieces.as_ref().map(facts));
    let Some(head) = at_once else { return };
    assert!((100..600).contains(&head.status));
    // Interim and empty answers have no body, whatever their fields say.
    if matches!(head.framing, Framing::Length(_) | Framing::Chunked) {
        let lengths = head.fields.values(Known::ContentLength).count();
        let codings = head.fields.values(Known::TransferEncoding).count();
        assert_eq!(lengths + codings, 1, "not one framing");
    }
    for (_, value, _) in head.fields.iter() {
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
});

fn read(input: &[u8], step: usize, limits: &HeadLimits) -> Option<ResponseHead> {
    let (mut buffer, mut scan) = (BytesMut::new(), HeadScan::default());
    for piece in input.chunks(step) {
        buffer.extend_from_slice(piece);
        if let Some(head) = ResponseHead::take(&mut buffer, &mut scan, limits).ok()? {
            return Some(head);
        }
    }
    None
}
