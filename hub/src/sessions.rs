//! How many legacy sessions may there be, and when do they go?
//!
//! The SDK's session manager in memory, with a bound on their number and an end for the event streams of those
//! that close.

use std::{sync::Arc, time::Duration};

use futures_util::Stream;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        EventStore, RestoreOutcome, ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, LocalSessionManagerError, SessionConfig},
    },
};

use crate::events::{EventShelf, Events};

/// When a client may come back for the rest of a closed stream.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// The sessions of one hub.
#[derive(Debug)]
pub(crate) struct Sessions {
    local: LocalSessionManager,
    events: Arc<Events>,
    max: usize,
}

/// Why a session cannot do what is asked of it.
#[derive(Debug)]
pub(crate) enum SessionsError {
    /// As many as may be are open.
    Full,
    Local(LocalSessionManagerError),
}

impl std::fmt::Display for SessionsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full => f.write_str("too many sessions are open"),
            Self::Local(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SessionsError {}

impl From<LocalSessionManagerError> for SessionsError {
    fn from(error: LocalSessionManagerError) -> Self {
        Self::Local(error)
    }
}

impl Sessions {
    pub(crate) fn new(max: usize, idle: Duration) -> Self {
        let events = Arc::new(Events::default());
        let mut config = SessionConfig::default();
        config.keep_alive = Some(idle);
        config.sse_retry = Some(RETRY);
        let mut local =
            LocalSessionManager::default().with_event_store(Arc::new(EventShelf(Arc::clone(&events))));
        local.session_config = config;
        Self { local, events, max }
    }

    pub(crate) async fn open(&self) -> usize {
        self.local.sessions.read().await.len()
    }

    /// Whether the next `initialize` would be one too many.
    pub(crate) async fn full(&self) -> bool {
        self.open().await >= self.max
    }
}

impl SessionManager for Sessions {
    type Error = SessionsError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        if self.full().await {
            return Err(SessionsError::Full);
        }
        Ok(self.local.create_session().await?)
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        Ok(self.local.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        Ok(self.local.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.events.end(&format!("{id}:common"));
        Ok(self.local.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.local.create_stream(id, message).await?)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        Ok(self.local.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.local.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.local.resume(id, last_event_id).await?)
    }

    async fn restore_session(&self, _: SessionId) -> Result<RestoreOutcome<Self::Transport>, Self::Error> {
        Ok(RestoreOutcome::NotSupported)
    }

    fn event_store(&self) -> Option<Arc<dyn EventStore>> {
        Some(Arc::new(EventShelf(Arc::clone(&self.events))))
    }
}
