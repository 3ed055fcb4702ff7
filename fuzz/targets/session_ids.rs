//! Ids that come back: whatever is read as one of ours is exactly what was given, and the names in a message are
//! replaced without a change to anything else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcphub_mcp::{RawId, Relayed, relayed};
use mcphub_session::Record;
use mcphub_session::event_id::{EventId, EventIds};
use mcphub_session::foreign_id::{ForeignId, to_client};

fuzz_target!(|input: &[u8]| {
    if let Some(id) = EventId::parse(input) {
        let again = EventIds::new(id.stay, &id.about).and_then(|ids| ids.of(&id.hub)).expect("as long as before");
        assert_eq!(EventId::parse(again.as_bytes()), Some(id));
    }
    if let Some(id) = std::str::from_utf8(input).ok().and_then(RawId::parse).and_then(ForeignId::parse) {
        let again = to_client(id.stay, id.hub.as_raw()).expect("as long as before");
        let again = RawId::parse(&again).expect("a JSON string");
        assert_eq!(ForeignId::parse(again), Some(id));
    }
    let named = match relayed(input) {
        Relayed::Request { id, .. } | Relayed::Cancelled { id } | Relayed::Answer { id } => Some(id),
        Relayed::Progress { token, .. } => Some(token),
        Relayed::Other => None,
    };
    if let Some(name) = named {
        assert_eq!(name.replaced(input, name.id.as_json()), input);
    }
    if let Ok(record) = Record::from_bytes(input) {
        let bytes = record.to_bytes().expect("what was read can be written");
        assert_eq!(Record::from_bytes(&bytes).expect("what was written can be read"), record);
    }
});
