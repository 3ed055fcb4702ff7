//! However a request head trickles in, it is read in one way or refused.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use mcphub_http1::head::HeadScan;
use mcphub_http1::{Framing, HeadLimits, Known, RequestHead};

fuzz_target!(|input: &[u8]| {
    let limits = HeadLimits { head: 2_048, line: 512, fields: 32 };
    let (at_once, in_pieces) = (read(input, input.len().max(1), &limits), read(input, 3, &limits));
    // Refusals may differ in their reason: a limit can be met before or after a flaw.
    match (&at_once, &in_pieces) {
        (Some((one, left)), Some((other, left_again))) => {
            assert_eq!((one.path(), one.query(), one.framing), (other.path(), other.query(), other.framing));
            assert_eq!((&one.method, one.keep_alive, left), (&other.method, other.keep_alive, left_again));
        }
        (None, None) => {}
        _ => panic!("accepted or refused, depending on how it arrived"),
    }
    let Some((head, _)) = at_once else { return };
    assert!(head.path().starts_with('/') || head.path() == "*");
    assert!(!head.path().split('/').any(|part| part == "." || part == ".."));
    let lengths = head.fields.values(Known::ContentLength).count();
    let codings = head.fields.values(Known::TransferEncoding).count();
    assert!(lengths + codings <= 1, "two framings");
    match head.framing {
        Framing::Length(_) => assert_eq!(lengths, 1),
        Framing::Chunked => assert_eq!(codings, 1),
        Framing::None => assert_eq!(codings, 0),
        Framing::UntilClose => panic!("a request body ends before the connection does"),
    }
    for (name, value, _) in head.fields.iter() {
        assert!(!name.is_empty() && !name.iter().any(u8::is_ascii_whitespace));
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
});

/// The head and how many bytes are left after it, if it was accepted; `None` if refused or incomplete.
fn read(input: &[u8], step: usize, limits: &HeadLimits) -> Option<(RequestHead, usize)> {
    let (mut buffer, mut scan, mut fed) = (BytesMut::new(), HeadScan::default(), 0);
    for piece in input.chunks(step) {
        buffer.extend_from_slice(piece);
        fed += piece.len();
        if let Some(head) = RequestHead::take(&mut buffer, &mut scan, limits).ok()? {
            return Some((head, buffer.len() + input.len() - fed));
        }
    }
    None
}
