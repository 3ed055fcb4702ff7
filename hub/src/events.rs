//! What can a client that lost its stream still get?
//!
//! The store behind resumption: the last events of every legacy stream, in memory, bounded by number, bytes and
//! age. An event id names its stream by a random token, so that nobody can guess his way into another session's
//! stream, and ids of another hub, or of this one before its restart, are simply unknown.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::stream;
use rmcp::{
    model::ServerJsonRpcMessage,
    transport::streamable_http_server::session::{
        EventStore, EventStoreError, EventStream, ServerSseMessage,
    },
};
use tokio::sync::watch;
use uuid::Uuid;

use crate::state::lock;

/// Most events kept over all streams.
const EVENTS_MAX: usize = 16_384;

/// Most bytes of messages kept over all streams (16 MiB): four of the largest results a gateway lets pass.
const BYTES_MAX: usize = 16 << 20;

/// How long an event can be asked for. A client is told to come back after one second.
const AGE_MAX: Duration = Duration::from_secs(60);

/// How long a stream that has been silent is remembered although its answer never came: its session may be gone.
const SILENCE_MAX: Duration = Duration::from_secs(30 * 60);

/// The token by which event ids name a stream.
type Token = u128;

/// Events of legacy streams, for `Last-Event-ID`.
#[derive(Debug, Default)]
pub(crate) struct Events {
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    streams: BTreeMap<Token, Stream>,
    /// The SDK's name of a stream → its token.
    tokens: BTreeMap<Arc<str>, Token>,
    /// Stream of each kept event, oldest first.
    order: VecDeque<(Instant, Token, usize)>,
    /// Streams that have no answer and no event left, in the order they fell silent.
    silent: VecDeque<(Instant, Token)>,
    bytes: usize,
}

#[derive(Debug)]
struct Stream {
    name: Arc<str>,
    kept: VecDeque<ServerSseMessage>,
    /// Sequence number of the first kept event.
    first: u64,
    last: Instant,
    /// Set once the answer is in; a common stream ends with its session.
    ended: bool,
    /// Wakes those who replay and wait for more.
    news: watch::Sender<()>,
}

#[derive(Debug)]
struct Unknown;

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no such event is kept here")
    }
}

impl std::error::Error for Unknown {}

impl Events {
    /// Ends a stream that no answer ends, and with it every replay that waits for more of it.
    pub(crate) fn end(&self, name: &str) {
        let mut shelf = lock(&self.shelf);
        if let Some(token) = shelf.tokens.get(name).copied() {
            shelf.end(token);
        }
    }

    fn store(&self, name: &str, event: &ServerSseMessage, now: Instant) -> String {
        let mut shelf = lock(&self.shelf);
        let token = shelf.token(name, now);
        let size = size_of_message(event);
        let ends = matches!(
            event.message.as_deref(),
            Some(ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_))
        );
        let mut id = String::with_capacity(44);
        if let Some(stream) = shelf.streams.get_mut(&token) {
            let _ = write!(id, "{token:032x}-{:x}", stream.first + stream.kept.len() as u64);
            let mut event = event.clone();
            event.event_id = Some(id.clone());
            stream.kept.push_back(event);
            stream.ended |= ends;
            stream.last = now;
            stream.news.send_replace(());
        }
        shelf.order.push_back((now, token, size));
        shelf.bytes += size;
        shelf.trim(now);
        id
    }

    fn replay(self: &Arc<Self>, last: &str) -> Result<EventStream, Unknown> {
        let (token, seen) = parse(last).ok_or(Unknown)?;
        let news = {
            let shelf = lock(&self.shelf);
            let stream = shelf.streams.get(&token).ok_or(Unknown)?;
            // An event that has been dropped since leaves a gap nobody may paper over.
            if seen + 1 < stream.first || seen >= stream.first + stream.kept.len() as u64 {
                return Err(Unknown);
            }
            stream.news.subscribe()
        };
        let store = Arc::clone(self);
        Ok(Box::pin(stream::unfold((store, news, seen + 1), move |(store, mut news, next)| async move {
            loop {
                match store.at(token, next) {
                    Next::Event(event) => return Some((event, (store, news, next + 1))),
                    Next::Over => return None,
                    Next::Wait => news.changed().await.ok()?,
                }
            }
        })))
    }

    fn at(&self, token: Token, number: u64) -> Next {
        let shelf = lock(&self.shelf);
        let Some(stream) = shelf.streams.get(&token) else { return Next::Over };
        let Some(index) = number.checked_sub(stream.first) else { return Next::Over };
        match usize::try_from(index).ok().and_then(|index| stream.kept.get(index)) {
            Some(event) => Next::Event(event.clone()),
            None if stream.ended => Next::Over,
            None => Next::Wait,
        }
    }
}

enum Next {
    Event(ServerSseMessage),
    Wait,
    Over,
}

impl Shelf {
    fn token(&mut self, name: &str, now: Instant) -> Token {
        if let Some(token) = self.tokens.get(name) {
            return *token;
        }
        let (token, name) = (Uuid::new_v4().as_u128(), Arc::<str>::from(name));
        self.tokens.insert(Arc::clone(&name), token);
        let (kept, news) = (VecDeque::new(), watch::Sender::new(()));
        self.streams.insert(token, Stream { name, kept, first: 0, last: now, ended: false, news });
        token
    }

    fn end(&mut self, token: Token) {
        let Some(stream) = self.streams.get_mut(&token) else { return };
        stream.ended = true;
        stream.news.send_replace(());
        if stream.kept.is_empty() {
            self.forget(token);
        }
    }

    /// Drops the oldest events until what is left is within the bounds.
    fn trim(&mut self, now: Instant) {
        while let Some(&(at, token, size)) = self.order.front() {
            let full = self.order.len() > EVENTS_MAX || self.bytes > BYTES_MAX;
            if !full && now.duration_since(at) <= AGE_MAX {
                break;
            }
            self.order.pop_front();
            self.bytes -= size;
            let Some(stream) = self.streams.get_mut(&token) else { continue };
            stream.kept.pop_front();
            stream.first += 1;
            match (stream.kept.is_empty(), stream.ended) {
                (true, true) => self.forget(token),
                (true, false) => self.silent.push_back((now, token)),
                (false, _) => {}
            }
        }
        while let Some(&(at, token)) = self.silent.front() {
            if now.duration_since(at) <= SILENCE_MAX {
                break;
            }
            self.silent.pop_front();
            if self.streams.get(&token).is_some_and(|stream| now.duration_since(stream.last) > SILENCE_MAX) {
                self.forget(token);
            }
        }
    }

    fn forget(&mut self, token: Token) {
        if let Some(stream) = self.streams.remove(&token) {
            self.tokens.remove(&stream.name);
        }
    }
}

fn parse(id: &str) -> Option<(Token, u64)> {
    let (token, number) = id.split_once('-')?;
    Some((Token::from_str_radix(token, 16).ok()?, u64::from_str_radix(number, 16).ok()?))
}

/// Bytes of the message on the wire. Only answers are measured: notifications are small.
fn size_of_message(event: &ServerSseMessage) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(256);
    if let Some(ServerJsonRpcMessage::Response(answer)) = event.message.as_deref() {
        // A counter cannot fail to write, and what it cannot serialize is never sent.
        let _ = serde_json::to_writer(&mut count, &answer.result);
    }
    count.0
}

/// The SDK's side of the store.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventShelf(pub(crate) Arc<Events>);

#[async_trait]
impl EventStore for EventShelf {
    async fn store_event(
        &self,
        stream_id: &str,
        event: &ServerSseMessage,
    ) -> Result<String, EventStoreError> {
        Ok(self.0.store(stream_id, event, Instant::now()))
    }

    async fn replay_events_after(&self, last_event_id: &str) -> Result<EventStream, EventStoreError> {
        Ok(self.0.replay(last_event_id)?)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use rmcp::model::{EmptyResult, RequestId, ServerResult};

    use super::*;

    fn answer(id: i64) -> ServerSseMessage {
        ServerSseMessage::from_message(ServerJsonRpcMessage::response(
            ServerResult::EmptyResult(EmptyResult {}),
            RequestId::Number(id),
        ))
    }

    fn note() -> ServerSseMessage {
        ServerSseMessage::retry(Duration::from_secs(1))
    }

    #[tokio::test]
    async fn a_replay_gives_what_was_missed_and_then_what_comes() {
        let (store, now) = (Arc::new(Events::default()), Instant::now());
        let first = store.store("s", &note(), now);
        let second = store.store("s", &note(), now);
        store.store("other", &note(), now);
        let mut replay = store.replay(&first).expect("known");
        assert_eq!(replay.next().await.expect("missed").event_id, Some(second));
        let third = store.store("s", &answer(1), now);
        assert_eq!(replay.next().await.expect("live").event_id, Some(third));
        assert!(replay.next().await.is_none(), "the answer ends the stream");
    }

    #[tokio::test]
    async fn an_ended_common_stream_ends_its_replay() {
        let store = Arc::new(Events::default());
        let id = store.store("s:common", &note(), Instant::now());
        let mut replay = store.replay(&id).expect("known");
        store.end("s:common");
        assert!(replay.next().await.is_none());
    }

    #[test]
    fn ids_of_others_and_of_the_forgotten_are_unknown() {
        let (store, now) = (Arc::new(Events::default()), Instant::now());
        let id = store.store("s", &note(), now);
        for foreign in ["", "0", "x-1", "00000000000000000000000000000001-0"] {
            assert!(store.replay(foreign).is_err(), "{foreign}");
        }
        let (token, _) = id.split_once('-').expect("two parts");
        assert!(store.replay(&format!("{token}-9")).is_err(), "not yet sent");
        store.store("late", &note(), now + AGE_MAX + Duration::from_secs(1));
        store.store("s", &note(), now + AGE_MAX + Duration::from_secs(1));
        assert!(store.replay(&id).is_ok(), "nothing was missed");
        store.store("later", &note(), now + 3 * AGE_MAX);
        assert!(store.replay(&id).is_err(), "an event in between is gone");
    }

    #[test]
    fn a_stream_that_is_never_answered_is_forgotten_in_the_end() {
        let (store, now) = (Arc::new(Events::default()), Instant::now());
        store.store("stuck", &note(), now);
        store.store("x", &answer(1), now + 2 * AGE_MAX);
        assert!(lock(&store.shelf).tokens.contains_key("stuck"), "silent, but its id may still be shown");
        store.store("y", &answer(1), now + 2 * AGE_MAX + SILENCE_MAX + Duration::from_secs(1));
        assert_eq!(lock(&store.shelf).tokens.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), ["y"]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (store, now) = (Arc::new(Events::default()), Instant::now());
        for number in 0..(EVENTS_MAX + 500) {
            store.store(&number.to_string(), &answer(1), now);
        }
        let shelf = lock(&store.shelf);
        assert_eq!(shelf.order.len(), EVENTS_MAX);
        assert_eq!((shelf.streams.len(), shelf.tokens.len()), (EVENTS_MAX, EVENTS_MAX));
    }
}
