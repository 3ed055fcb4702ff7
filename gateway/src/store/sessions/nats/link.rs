//! How does a connection come about, and what is it for?
//!
//! A connection is made once and not mended: when it is lost, another one takes its place, with credentials that are read
//! anew, and nothing that was meant for the old one is sent over it later.

use super::super::shelf::{Entry, Text};
use super::DEADLINE;
use async_nats::connection::State;
use async_nats::header::{HeaderMap, HeaderValue, NATS_EXPECTED_LAST_SUBJECT_SEQUENCE};
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::{Ordered, OrderedConfig};
use async_nats::jetstream::context::{ContextBuilder, GetStreamErrorKind, PublishError, PublishErrorKind};
use async_nats::jetstream::stream::{
    self, DiscardPolicy, LastRawMessageErrorKind, PurgeErrorKind, StorageType, Stream,
};
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{Client, ConnectOptions, Event};
use mcphub_conf::settings::NatsSettings;
use mcphub_session::{Found, Revision, SessionKey, StoreError};
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;

/// What a bucket forgets by itself, should nobody sweep: the longest `session.max_age` there can be, and a day.
pub(super) const AGE_MAX: Duration = Duration::from_secs(366 * 86_400);

/// How long a connection may take, and each request that prepares it. A cluster that must elect a leader for a new bucket
/// takes some seconds.
const PREPARE_DEADLINE: Duration = Duration::from_secs(5);

/// How often a silent connection is asked whether it lives. The second time without an answer it counts as lost.
const PING: Duration = Duration::from_secs(2);

/// A header that says that the message is no value, but that there is none any more.
const OPERATION: &str = "KV-Operation";

/// A connection, and the bucket behind it.
#[derive(Clone)]
pub(super) struct Link {
    client: Client,
    /// For requests that somebody waits for.
    context: Context,
    stream: Stream,
    /// What every subject of the bucket begins with.
    prefix: String,
    lost: watch::Receiver<bool>,
}

/// What came of a write.
pub(super) enum Sent {
    Stored(Revision),
    /// What is there is something else.
    Refused,
}

/// The last message of a session.
#[derive(Clone)]
pub(super) enum Last {
    None,
    /// That there is none, and which message says so.
    Marker(Revision),
    Record(Revision, Text),
}

impl Last {
    /// What those who asked for the record are told.
    pub(super) fn found(&self) -> Result<Option<Found>, StoreError> {
        match self {
            Self::Record(revision, text) => Entry::new(text.clone(), *revision).found().map(Some),
            Self::None | Self::Marker(_) => Ok(None),
        }
    }

    pub(super) fn marker(&self) -> Option<Revision> {
        match self {
            Self::Marker(revision) => Some(*revision),
            Self::None | Self::Record(..) => None,
        }
    }

    /// Of a message in the bucket.
    pub(super) fn read(revision: u64, headers: Option<&HeaderMap>, payload: &[u8]) -> Self {
        let revision = Revision(revision);
        match headers.and_then(|headers| headers.get(OPERATION)).map(HeaderValue::as_str) {
            Some("DEL" | "PURGE") => Self::Marker(revision),
            _ => Self::Record(revision, Text::read(payload)),
        }
    }
}

impl Link {
    /// Connects, and makes the bucket where there is none. Says what is wrong, never with what it tried to log in.
    pub(super) async fn open(settings: &NatsSettings) -> Result<Self, String> {
        let (tell, lost) = watch::channel(false);
        let options = log_in(settings.credentials_file.as_deref()).await?;
        let client = options
            .name("mcphub-edge")
            .connection_timeout(PREPARE_DEADLINE)
            .request_timeout(Some(PREPARE_DEADLINE))
            .ping_interval(PING)
            // It is not to connect again by itself; see the module.
            .max_reconnects(settings.urls.len())
            .event_callback(move |event| {
                if matches!(event, Event::Disconnected | Event::Closed) {
                    tell.send_replace(true);
                }
                std::future::ready(())
            })
            .connect(&settings.urls[..])
            .await
            .map_err(|error| format!("cannot connect to {}: {}", settings.urls.join(", "), chain(&error)))?;
        let prepare = ContextBuilder::new().timeout(PREPARE_DEADLINE).build(client.clone());
        let stream = bucket(&prepare, settings)
            .await
            .map_err(|error| format!("cannot use the bucket {}: {error}", settings.bucket))?;
        let context = ContextBuilder::new().timeout(DEADLINE).build(client.clone());
        Ok(Self { client, context, stream, prefix: prefix(&settings.bucket), lost })
    }

    pub(super) fn is_up(&self) -> bool {
        !*self.lost.borrow() && self.client.connection_state() == State::Connected
    }

    /// Waits until the connection is lost.
    pub(super) async fn lost(&self) {
        let _ = self.lost.clone().wait_for(|lost| *lost).await;
    }

    /// The longest message that the server takes.
    pub(super) fn payload_max(&self) -> usize {
        self.client.max_payload()
    }

    fn subject(&self, key: SessionKey) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Whose message this is.
    pub(super) fn key_of(&self, subject: &str) -> Option<SessionKey> {
        SessionKey::parse(subject.strip_prefix(&self.prefix)?)
    }

    /// Every record there is, then what changes; and how many there are.
    pub(super) async fn follow(&self) -> Result<(Ordered, u64), String> {
        let config = OrderedConfig {
            deliver_subject: self.client.new_inbox(),
            deliver_policy: DeliverPolicy::LastPerSubject,
            filter_subject: format!("{}>", self.prefix),
            ..OrderedConfig::default()
        };
        let consumer = self.stream.create_consumer(config).await.map_err(|error| chain(&error))?;
        let pending = consumer.cached_info().num_pending;
        let messages = consumer.messages().await.map_err(|error| chain(&error))?;
        Ok((messages, pending))
    }

    /// Whether somebody answers for the bucket.
    pub(super) async fn answers(&self) -> bool {
        let asked = self.stream.get_info();
        matches!(tokio::time::timeout(DEADLINE, asked).await, Ok(Ok(_)))
    }

    /// Asks whoever leads the bucket, never one who merely follows.
    pub(super) async fn last(&self, key: SessionKey) -> Result<Last, StoreError> {
        match self.stream.get_last_raw_message_by_subject(&self.subject(key)).await {
            Ok(message) => Ok(Last::read(message.sequence, Some(&message.headers), &message.payload)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(Last::None),
            Err(error) => Err(StoreError::unreachable(chain(&error))),
        }
    }

    /// Writes in place of this revision.
    pub(super) async fn publish(
        &self,
        key: SessionKey,
        of: Revision,
        bytes: Vec<u8>,
    ) -> Result<Sent, StoreError> {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, HeaderValue::from(of.0));
        let sent = self.context.publish_with_headers(self.subject(key), headers, bytes.into()).await;
        let answer = match sent {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(stored) => Ok(Sent::Stored(Revision(stored.sequence))),
            Err(error) => refusal(&error),
        }
    }

    /// Removes this writing of a record, and not what has been written since.
    pub(super) async fn remove(&self, key: SessionKey, revision: Revision) -> Result<(), StoreError> {
        let purge = self.stream.purge().filter(self.subject(key)).sequence(revision.0 + 1);
        purge.await.map(drop).map_err(|error| StoreError::Unreachable {
            may_be_written: !matches!(error.kind(), PurgeErrorKind::JetStream(_)),
            why: chain(&error),
        })
    }
}

/// What a publication that did not succeed means.
fn refusal(error: &PublishError) -> Result<Sent, StoreError> {
    use std::error::Error as _;
    let server = error.source().and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>());
    let code = server.map(async_nats::jetstream::Error::error_code);
    match (error.kind(), code) {
        (PublishErrorKind::WrongLastSequence | PublishErrorKind::WrongLastMessageId, _) => Ok(Sent::Refused),
        // Limits of the bucket, of the account, of the server's disk.
        (
            _,
            Some(
                ErrorCode::STREAM_STORE_FAILED
                | ErrorCode::INSUFFICIENT_RESOURCES
                | ErrorCode::STORAGE_RESOURCES_EXCEEDED
                | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
            ),
        ) => Err(StoreError::Full { what: chain(error) }),
        // Nobody answers for the bucket: it has gone, or its leader has.
        (PublishErrorKind::StreamNotFound | PublishErrorKind::MaxPayloadExceeded, _) => {
            Err(StoreError::unreachable(chain(error)))
        }
        _ => Err(StoreError::Unreachable { why: chain(error), may_be_written: true }),
    }
}

/// Reads what to log in with.
async fn log_in(file: Option<&Path>) -> Result<ConnectOptions, String> {
    let Some(file) = file else { return Ok(ConnectOptions::new()) };
    let shown = file.display();
    let text =
        tokio::fs::read_to_string(file).await.map_err(|error| format!("cannot read {shown}: {error}"))?;
    if text.contains("-----BEGIN NATS USER JWT-----") {
        // What is wrong with it might show it.
        return ConnectOptions::with_credentials(&text)
            .map_err(|_| format!("{shown} has no usable credentials"));
    }
    let line = text.trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.contains(['\r', '\n']) {
        return Err(format!("{shown} is neither a .creds file nor one line"));
    }
    Ok(match line.split_once(':') {
        Some((user, password)) => {
            ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
        }
        None => ConnectOptions::with_token(line.to_owned()),
    })
}

/// The bucket; made where there is none, as every client of JetStream makes one. (The client's own way asks for figures of
/// the account first, which it cannot read from servers of version 2.9.)
async fn bucket(context: &Context, settings: &NatsSettings) -> Result<Stream, String> {
    let name = format!("KV_{}", settings.bucket);
    match context.get_stream(&name).await {
        Ok(stream) => return Ok(stream),
        Err(error) if error.kind() == GetStreamErrorKind::Request => return Err(chain(&error)),
        // There is none; or what else is wrong will show.
        Err(_) => {}
    }
    let config = stream::Config {
        name: name.clone(),
        description: Some("Session records of MCPHub Edge".to_owned()),
        subjects: vec![format!("{}>", prefix(&settings.bucket))],
        max_messages_per_subject: 1,
        max_age: AGE_MAX,
        storage: StorageType::File,
        num_replicas: settings.replicas.into(),
        // What is full says so, and forgets nothing.
        discard: DiscardPolicy::New,
        allow_rollup: true,
        allow_direct: true,
        deny_delete: true,
        ..stream::Config::default()
    };
    match context.create_stream(config).await {
        Ok(stream) => {
            tracing::info!(bucket = settings.bucket, replicas = settings.replicas, "the bucket was made");
            Ok(stream)
        }
        // Another gateway may have been faster.
        Err(error) => context.get_stream(&name).await.map_err(|_| chain(&error)),
    }
}

/// What every subject of a bucket begins with.
fn prefix(bucket: &str) -> String {
    format!("$KV.{bucket}.")
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}
