//! Within a session: what are a hub's events and requests called?
//!
//! A client that lives through several hubs must be able to tell them apart without knowing of them. So the ids of events
//! and of hubs' requests are ours: they say in which stay they were given, and what the hub called them. Everything else
//! of an event goes on byte for byte. After a request was sent again, its progress goes on where the client last heard
//! of it.

use bytes::BytesMut;
use mcphub_mcp::sse::{copy_with_id, events, replace_data};
use mcphub_mcp::{Event, Relayed, progress_in, relayed};
use mcphub_session::event_id::{About, EventIds};
use mcphub_session::{Mark, ProgressFilter, foreign_id};
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// Words the events of one client stream.
#[derive(Debug, Default)]
pub(super) struct Wording {
    /// Of a request that may be sent again: how far it has told that it is.
    progress: Option<ProgressFilter>,
    /// What events and requests are called, once something has come that needs it.
    pub(super) names: Option<Names>,
}

/// What the events and requests of hubs are called in one stream.
#[derive(Debug)]
pub(super) struct Names {
    stay: Mark,
    about: About,
    ids: Option<EventIds>,
    /// The hub's own id of the last event that had one, in this stay.
    cursor: Option<Box<[u8]>>,
}

impl Names {
    /// For a stream about this from a hub of this stay.
    pub(super) fn new(stay: Mark, about: About) -> Self {
        Self { stay, ids: EventIds::new(stay, &about), about, cursor: None }
    }

    /// The stream goes on at a hub of this stay.
    pub(super) fn goes_on(&mut self, stay: Mark) {
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
}

impl Wording {
    /// `repeats`: the request may be sent again, so its progress is watched. `names`: if it is known already that they
    /// are needed.
    pub(super) fn new(repeats: bool, names: Option<Names>) -> Self {
        Self { progress: repeats.then(ProgressFilter::default), names }
    }

    /// The id of an event after which nothing follows, if there are names.
    pub(super) fn end(&self) -> Option<&[u8]> {
        self.names.as_ref()?.ids.as_ref().map(|ids| ids.end().as_bytes())
    }

    /// The request was sent again, to a hub of this stay.
    pub(super) fn goes_on(&mut self, stay: Mark) {
        if let Some(progress) = &mut self.progress {
            progress.resent();
        }
        if let Some(names) = &mut self.names {
            names.goes_on(stay);
        }
    }

    /// These whole events in our words; `name` gives the names, where they are needed for the first time.
    pub(super) fn put(&mut self, said: BytesMut, name: impl Fn() -> Names) -> BytesMut {
        // Nearly all are answers and notifications without ids, and this is all they cost.
        let concerns = Concerns::of(&said, self.progress.is_some());
        if concerns == Concerns::default() {
            return said;
        }
        // What is said otherwise than the hub has, and how far the hub's words have gone.
        let mut out: Option<BytesMut> = None;
        let mut at = 0;
        for event in events(&said) {
            let before = at;
            at += event.len();
            match (self.told(event, concerns, &name), &mut out) {
                (Said::AsItIs, None) => {}
                (Said::AsItIs, Some(out)) => out.extend_from_slice(event),
                (told, out) => {
                    let out = out.get_or_insert_with(|| {
                        let mut out = BytesMut::with_capacity(said.len() + 256);
                        out.extend_from_slice(&said[..before]);
                        out
                    });
                    if let Said::Otherwise(event) = told {
                        out.extend_from_slice(&event);
                    }
                }
            }
        }
        out.unwrap_or(said)
    }

    /// One of several events that together have these concerns: it may have some of them, or none.
    fn told(&mut self, event: &[u8], all: Concerns, name: impl Fn() -> Names) -> Said {
        let Concerns { ids, requests, progress } = Concerns::among(all, event);
        if ids || requests {
            self.names.get_or_insert_with(name);
            return self.one(event);
        }
        match &mut self.progress {
            Some(filter) if progress => match progress_in(event) {
                Some(progress) if filter.passes(progress) => Said::AsItIs,
                Some(_) => Said::Nothing,
                None => self.one(event),
            },
            _ => Said::AsItIs,
        }
    }

    /// One event.
    fn one(&mut self, block: &[u8]) -> Said {
        let event = Event::parse(block);
        let data = match event.data.as_deref() {
            Some(data) if names_request(data) || (self.progress.is_some() && has(&PROGRESS, data)) => {
                match self.message(data) {
                    Said::AsItIs => None,
                    Said::Otherwise(data) => Some(data),
                    Said::Nothing => {
                        self.note(event.id);
                        return Said::Nothing;
                    }
                }
            }
            _ => None,
        };
        self.note(event.id);
        let id = event.id.map(|id| self.names.as_ref().and_then(|names| names.ids.as_ref()?.of(id)));
        if id.is_none() && data.is_none() {
            return Said::AsItIs;
        }
        let mut out = Vec::with_capacity(block.len() + 256);
        match (id, data) {
            (None, None) => {}
            (None, Some(data)) => replace_data(&mut out, block, &data),
            (Some(id), None) => copy_with_id(&mut out, block, id.as_deref().map(str::as_bytes)),
            (Some(id), Some(data)) => {
                let mut named = Vec::with_capacity(block.len() + 128);
                copy_with_id(&mut named, block, id.as_deref().map(str::as_bytes));
                replace_data(&mut out, &named, &data);
            }
        }
        Said::Otherwise(out)
    }

    /// An event with this id has passed, or would have.
    fn note(&mut self, id: Option<&[u8]>) {
        if let (Some(id), Some(names)) = (id, &mut self.names) {
            names.cursor = (!id.is_empty()).then(|| id.into());
        }
    }

    fn message(&mut self, data: &[u8]) -> Said {
        match (relayed(data), &self.names) {
            (Relayed::Request { id, progress_token }, Some(names)) => {
                names.request(data, &id, progress_token.is_some())
            }
            (Relayed::Cancelled { id }, Some(names)) => names.renamed(data, &id),
            (Relayed::Progress { progress, .. }, _) => {
                let passes = self.progress.as_mut().is_none_or(|filter| filter.passes(progress));
                if passes { Said::AsItIs } else { Said::Nothing }
            }
            // What names a request has made that there are names.
            (Relayed::Request { .. } | Relayed::Cancelled { .. }, None) => Said::AsItIs,
            (Relayed::Answer { .. } | Relayed::Other, _) => self.batch(data),
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

/// What there may be to be said otherwise in events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Concerns {
    /// Events have ids.
    ids: bool,
    /// Requests of the hub are named.
    requests: bool,
    /// Progress is told, and watched.
    progress: bool,
}

impl Concerns {
    /// Of these events; `watched`: whether progress is.
    fn of(said: &[u8], watched: bool) -> Self {
        Self::among(Self { ids: true, requests: true, progress: watched }, said)
    }

    /// Which of `all` these events have.
    fn among(all: Self, said: &[u8]) -> Self {
        Self {
            ids: all.ids && has_event_id(said),
            requests: all.requests && names_request(said),
            progress: all.progress && has(&PROGRESS, said),
        }
    }
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

    fn named(stay: u32, about: About, repeats: bool) -> Wording {
        Wording::new(repeats, Some(Names::new(mark(stay), about)))
    }

    fn put(wording: &mut Wording, said: &str) -> String {
        let nobody = || panic!("there are names");
        let out = wording.put(BytesMut::from(said.as_bytes()), nobody);
        String::from_utf8(out.to_vec()).expect("text")
    }

    fn cursor(wording: &Wording, stay: u32) -> Option<&[u8]> {
        wording.names.as_ref().and_then(|names| names.cursor(mark(stay)))
    }

    #[test]
    fn ids_of_events_and_requests_are_ours_and_nothing_else_changes() {
        let mut wording = named(3, one("7"), false);
        let answer = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n: c\n\n";
        assert_eq!(put(&mut wording, answer), answer);
        assert_eq!(put(&mut wording, "id: a_b\ndata: \n\n"), "id: mcphub1.3-86f9f0e9.Nw.YV9i\ndata: \n\n");
        assert_eq!(cursor(&wording, 3), Some(&b"a_b"[..]));
        assert_eq!(cursor(&wording, 4), None);
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
        let mut wording = named(0, one("1"), true);
        for progress in [1, 2] {
            assert_eq!(put(&mut wording, &said(progress)), said(progress));
        }
        wording.goes_on(mark(1));
        assert_eq!(put(&mut wording, &[said(1), said(2), said(3)].concat()), said(3));
    }

    #[test]
    fn names_are_made_where_they_are_needed_first() {
        let progress = "data: {\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\n";
        let answer = "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"x\":\"\\\"method\\\"\"}}\n\n";
        let ask = "id: 1\ndata: {\"id\":0,\"method\":\"ping\"}\n\n";
        let mut wording = Wording::new(true, None);
        assert_eq!(put(&mut wording, &[progress, answer].concat()), [progress, answer].concat());
        assert!(wording.names.is_none());
        let said = [progress, ask, progress].concat();
        let out = wording.put(BytesMut::from(said.as_bytes()), || Names::new(mark(3), one("7")));
        let ours =
            "id: mcphub1.3-86f9f0e9.Nw.MQ\ndata: {\"id\":\"mcphub1.3-86f9f0e9.MA\",\"method\":\"ping\"}\n\n";
        assert_eq!(out, [progress, ours, progress].concat().as_bytes());
        assert_eq!(cursor(&wording, 3), Some(&b"1"[..]));
    }

    #[test]
    fn a_new_stay_gives_other_ids() {
        let mut wording = named(3, About::Nothing, false);
        let before = put(&mut wording, "id: 1\ndata: x\n\n");
        wording.goes_on(mark(4));
        assert_ne!(put(&mut wording, "id: 1\ndata: x\n\n"), before);
    }
}
