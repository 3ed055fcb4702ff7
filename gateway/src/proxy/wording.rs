//! Within a session: what are a hub's events and requests called?
//!
//! A client that lives through several hubs must be able to tell them apart without knowing of them. So the ids of events
//! and of hubs' requests are ours: they say in which stay they were given, and what the hub called them. Everything else
//! of an event goes on byte for byte. After a request was sent again, its progress goes on where the client last heard
//! of it.

use bytes::BytesMut;
use mcphub_mcp::sse::{copy_with_id, events, replace_data};
use mcphub_mcp::{Event, Relayed, relayed};
use mcphub_session::event_id::{About, EventIds};
use mcphub_session::{Mark, ProgressFilter, foreign_id};
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// Names the events of one client stream.
#[derive(Debug)]
pub(super) struct Wording {
    stay: Mark,
    about: About,
    ids: Option<EventIds>,
    progress: Option<ProgressFilter>,
    /// The hub's own id of the last event that had one, in this stay.
    cursor: Option<Box<[u8]>>,
}

impl Wording {
    /// For a stream about this from a hub of this stay. `repeats`: its request may be sent again, so progress is watched.
    pub(super) fn new(stay: Mark, about: About, repeats: bool) -> Self {
        let progress = repeats.then(ProgressFilter::default);
        Self { stay, ids: EventIds::new(stay, &about), about, progress, cursor: None }
    }

    /// The stream goes on at a hub of this stay.
    pub(super) fn goes_on(&mut self, stay: Mark) {
        if let Some(progress) = &mut self.progress {
            progress.resent();
        }
        if self.stay != stay {
            self.cursor = None;
        }
        self.stay = stay;
        self.ids = EventIds::new(stay, &self.about);
    }

    /// What the stream is about.
    pub(super) fn about(&self) -> &About {
        &self.about
    }

    /// The hub's own id of the last event, if the next connection leads to a hub of this stay.
    pub(super) fn cursor(&self, stay: Mark) -> Option<&[u8]> {
        self.cursor.as_deref().filter(|_| self.stay == stay)
    }

    /// These whole events in our words.
    pub(super) fn put(&mut self, said: BytesMut) -> BytesMut {
        if !concerns(&said, self.progress.is_some()) {
            return said;
        }
        let mut out = Vec::with_capacity(said.len() + 256);
        let progress = self.progress.is_some();
        for event in events(&said) {
            // One event may name a request, or none though all of them together hold the words.
            if concerns(event, progress) {
                self.put_one(event, &mut out);
            } else {
                out.extend_from_slice(event);
            }
        }
        BytesMut::from(&out[..])
    }

    fn put_one(&mut self, block: &[u8], out: &mut Vec<u8>) {
        let event = Event::parse(block);
        if let Some(id) = event.id {
            self.cursor = (!id.is_empty()).then(|| id.into());
        }
        let data = match event.data.as_deref() {
            Some(data) if names_request(data) || (self.progress.is_some() && has(&PROGRESS, data)) => {
                match self.message(data) {
                    Said::AsItIs => None,
                    Said::Otherwise(data) => Some(data),
                    Said::Nothing => return,
                }
            }
            _ => None,
        };
        let id = event.id.map(|id| self.ids.as_ref().and_then(|ids| ids.of(id)));
        match (id, data) {
            (None, None) => out.extend_from_slice(block),
            (None, Some(data)) => replace_data(out, block, &data),
            (Some(id), data) => {
                let mut named = Vec::with_capacity(block.len() + 128);
                copy_with_id(&mut named, block, id.as_deref().map(str::as_bytes));
                match data {
                    Some(data) => replace_data(out, &named, &data),
                    None => out.extend_from_slice(&named),
                }
            }
        }
    }

    fn message(&mut self, data: &[u8]) -> Said {
        match relayed(data) {
            Relayed::Request { id, progress_token } => self.request(data, &id, progress_token.is_some()),
            Relayed::Cancelled { id } => self.renamed(data, &id),
            Relayed::Progress { progress, .. } => {
                let passes = self.progress.as_mut().is_none_or(|filter| filter.passes(progress));
                if passes { Said::AsItIs } else { Said::Nothing }
            }
            Relayed::Answer { .. } | Relayed::Other => self.batch(data),
        }
    }

    fn request(&self, data: &[u8], id: &mcphub_mcp::Named<'_>, has_token: bool) -> Said {
        let Said::Otherwise(named) = self.renamed(data, id) else { return Said::Nothing };
        if !has_token {
            return Said::Otherwise(named);
        }
        match relayed(&named) {
            Relayed::Request { progress_token: Some(token), .. } => self.renamed(&named, &token),
            _ => Said::Otherwise(named),
        }
    }

    fn renamed(&self, data: &[u8], name: &mcphub_mcp::Named<'_>) -> Said {
        match foreign_id::to_client(self.stay, name.id) {
            Ok(ours) => Said::Otherwise(name.replaced(data, &ours)),
            Err(error) => {
                tracing::warn!(%error, "a hub's request is not passed on");
                Said::Nothing
            }
        }
    }

    /// Several messages at once, as 2025-03-26 allows.
    fn batch(&mut self, data: &[u8]) -> Said {
        if data.trim_ascii_start().first() != Some(&b'[') {
            return Said::AsItIs;
        }
        let Ok(messages) = serde_json::from_slice::<Vec<&serde_json::value::RawValue>>(data) else {
            return Said::AsItIs;
        };
        let mut out = Vec::with_capacity(data.len() + 128);
        for message in messages {
            let message = message.get().as_bytes();
            let said = if message.first() == Some(&b'[') { Said::AsItIs } else { self.message(message) };
            let said = match &said {
                Said::AsItIs => message,
                Said::Otherwise(other) => other,
                Said::Nothing => continue,
            };
            out.push(if out.is_empty() { b'[' } else { b',' });
            out.extend_from_slice(said);
        }
        if out.is_empty() {
            return Said::Nothing;
        }
        out.push(b']');
        Said::Otherwise(out)
    }
}

/// Whether there is anything to be said otherwise in these events; `repeats`: progress is watched. Nearly all are answers
/// and notifications without ids, and this is all they cost.
pub(super) fn concerns(said: &[u8], repeats: bool) -> bool {
    has_event_id(said) || names_request(said) || (repeats && has(&PROGRESS, said))
}

/// Whether a line of these events may be an id.
pub(super) fn has_event_id(said: &[u8]) -> bool {
    has(&EVENT_ID, said)
}

/// Whether a request of the hub may be named in this.
fn names_request(said: &[u8]) -> bool {
    has(&METHOD, said) && (has(&ID, said) || has(&REQUEST_ID, said))
}

/// What is looked for in every event. To make ready for a search costs as much as to search an event.
type Sought = LazyLock<Finder<'static>>;

static EVENT_ID: Sought = LazyLock::new(|| Finder::new("id:"));
static METHOD: Sought = LazyLock::new(|| Finder::new("\"method\""));
static ID: Sought = LazyLock::new(|| Finder::new("\"id\""));
static REQUEST_ID: Sought = LazyLock::new(|| Finder::new("\"requestId\""));
static PROGRESS: Sought = LazyLock::new(|| Finder::new("notifications/progress"));

fn has(sought: &Sought, said: &[u8]) -> bool {
    sought.find(said).is_some()
}

/// How a message goes on.
enum Said {
    AsItIs,
    Otherwise(Vec<u8>),
    /// Not at all.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcphub_mcp::RawId;
    use mcphub_routing::HubId;
    use mcphub_session::UpstreamId;
    use mcphub_session::record::Stay;

    fn mark(number: u32) -> Mark {
        let upstream = UpstreamId::new(b"abc").expect("visible").into();
        Mark::of(&Stay { number, hub: HubId::new("eu-1").expect("a name"), upstream })
    }

    fn one(id: &str) -> About {
        About::One(RawId::parse(id).expect("an id").to_id())
    }

    fn put(wording: &mut Wording, said: &str) -> String {
        let out = wording.put(BytesMut::from(said.as_bytes()));
        String::from_utf8(out.to_vec()).expect("text")
    }

    #[test]
    fn ids_of_events_and_requests_are_ours_and_nothing_else_changes() {
        let mut wording = Wording::new(mark(3), one("7"), false);
        let answer = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n: c\n\n";
        assert_eq!(put(&mut wording, answer), answer);
        assert_eq!(put(&mut wording, "id: a_b\ndata: \n\n"), "id: mcphub1.3-86f9f0e9.Nw.YV9i\ndata: \n\n");
        assert_eq!(wording.cursor(mark(3)), Some(&b"a_b"[..]));
        assert_eq!(wording.cursor(mark(4)), None);
        assert_eq!(
            put(&mut wording, "id: 1\ndata: {\"id\":0,\"method\":\"roots/list\"}\nretry: 5\n\n"),
            "id: mcphub1.3-86f9f0e9.Nw.MQ\nretry: 5\ndata: {\"id\":\"mcphub1.3-86f9f0e9.MA\",\"method\":\"roots/list\"}\n\n"
        );
        assert_eq!(
            put(
                &mut wording,
                "data: {\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":0}}\n\n"
            ),
            "data: {\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":\"mcphub1.3-86f9f0e9.MA\"}}\n\n"
        );
        assert_eq!(
            put(&mut wording, "data: [{\"id\":0,\"method\":\"ping\"}, {\"id\":7,\"result\":1}]\n\n"),
            "data: [{\"id\":\"mcphub1.3-86f9f0e9.MA\",\"method\":\"ping\"},{\"id\":7,\"result\":1}]\n\n"
        );
    }

    #[test]
    fn progress_goes_on_where_the_client_last_heard_of_it() {
        let said = |progress: u32| {
            format!(
                "data: {{\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":1,\"progress\":{progress}}}}}\n\n"
            )
        };
        let mut wording = Wording::new(mark(0), one("1"), true);
        for progress in [1, 2] {
            assert_eq!(put(&mut wording, &said(progress)), said(progress));
        }
        wording.goes_on(mark(1));
        assert_eq!(put(&mut wording, &[said(1), said(2), said(3)].concat()), said(3));
    }

    #[test]
    fn a_new_stay_gives_other_ids() {
        let mut wording = Wording::new(mark(3), About::Nothing, false);
        let before = put(&mut wording, "id: 1\ndata: x\n\n");
        wording.goes_on(mark(4));
        assert_ne!(put(&mut wording, "id: 1\ndata: x\n\n"), before);
    }
}
