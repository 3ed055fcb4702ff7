//! However a stream is cut, the same whole events come out, and rewriting an id changes nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcphub_mcp::sse::{answer_of, copy_with_id, events};
use mcphub_mcp::{Event, EventSplitter, EventTooLarge, RawId};

fuzz_target!(|input: &[u8]| {
    let [step, limit, stream @ ..] = input else { return };
    let (step, limit) = (usize::from(*step).max(1), usize::from(*limit) * 8 + 1);
    let (at_once, in_pieces) = (feed(stream, usize::MAX, limit), feed(stream, step, limit));
    assert_eq!(at_once, in_pieces);
    let length = |bytes| events(bytes).map(<[u8]>::len).sum::<usize>();
    if let Ok(whole) = &at_once {
        assert_eq!(whole.len(), length(stream), "not all that is whole, or more");
    }
    let whole = at_once.unwrap_or_else(|whole| whole);
    assert!(stream.starts_with(&whole));
    assert_eq!(length(&whole), whole.len());

    let id = RawId::parse("1").expect("an integer");
    for block in events(&whole) {
        let event = Event::parse(block);
        let _ = event.data.as_deref().map(|data| answer_of(data, &id));
        let mut copy = Vec::new();
        copy_with_id(&mut copy, block, Some(b"7"));
        assert_eq!(events(&copy).count(), 1);
        let again = Event::parse(&copy);
        // An id with NUL is no id, but its line is one.
        let replaced = event.id.is_some() || again.id == Some(b"7");
        assert_eq!(again, Event { id: again.id.filter(|_| replaced), ..event.clone() });
        assert!(event.id.is_none() || again.id == Some(b"7"));
    }
});

/// The whole events of a stream that arrives `step` bytes at a time; as the error, those before one that is too large.
fn feed(stream: &[u8], step: usize, limit: usize) -> Result<Vec<u8>, Vec<u8>> {
    let (mut splitter, mut buffer, mut out) = (EventSplitter::new(limit), Vec::new(), Vec::new());
    for piece in stream.chunks(step.min(stream.len().max(1))) {
        buffer.extend_from_slice(piece);
        match splitter.whole(&buffer) {
            Ok(whole) => out.extend(buffer.drain(..whole)),
            Err(EventTooLarge { whole, .. }) => {
                out.extend(buffer.drain(..whole));
                return Err(out);
            }
        }
    }
    Ok(out)
}
