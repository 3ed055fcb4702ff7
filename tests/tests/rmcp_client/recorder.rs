//! An HTTP client for rmcp that remembers which session it was given, how often it opened the stream, and whether it
//! ended it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use futures::stream::BoxStream;
use http::{HeaderName, HeaderValue};
use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use serde_json::Value;
use sse_stream::Sse;

/// What has passed by.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The session ids of all answers: that of the `initialize` answer, and hopefully no other.
    pub(super) ids: BTreeSet<String>,
    /// How often the GET stream was opened.
    pub(super) streams: usize,
    /// The progress that came in answers, by token, in the order of the wire: the SDK hands notifications to tasks of
    /// their own, which overtake each other.
    pub(super) progress: BTreeMap<String, Vec<f64>>,
    /// Whether a DELETE succeeded.
    pub(super) deleted: bool,
}

impl Seen {
    fn look_at(&mut self, event: &Result<Sse, SseError>) {
        let Some(data) = event.as_ref().ok().and_then(|event| event.data.as_deref()) else { return };
        let message: Value = serde_json::from_str(data).unwrap_or_default();
        let params = &message["params"];
        if let (Some("notifications/progress"), Some(progress)) =
            (message["method"].as_str(), params["progress"].as_f64())
        {
            self.progress.entry(params["progressToken"].to_string()).or_default().push(progress);
        }
    }
}

/// `reqwest`, as rmcp uses it by default, with a memory.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    inner: reqwest::Client,
    seen: Arc<Mutex<Seen>>,
}

impl Recorder {
    pub(super) fn new(seen: Arc<Mutex<Seen>>) -> Self {
        Self { inner: reqwest::Client::new(), seen }
    }
}

type Failure = StreamableHttpError<reqwest::Error>;

impl StreamableHttpClient for Recorder {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let answer = self.inner.post_message(uri, message, session_id, auth_header, custom_headers).await?;
        if let StreamableHttpPostResponse::Json(_, Some(id)) | StreamableHttpPostResponse::Sse(_, Some(id)) =
            &answer
        {
            self.seen.lock().expect("not poisoned").ids.insert(id.clone());
        }
        Ok(match answer {
            StreamableHttpPostResponse::Sse(stream, id) => {
                let seen = self.seen.clone();
                let stream = stream.inspect(move |event| seen.lock().expect("not poisoned").look_at(event));
                StreamableHttpPostResponse::Sse(stream.boxed(), id)
            }
            other => other,
        })
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failure> {
        self.inner.delete_session(uri, session_id, auth_header, custom_headers).await?;
        self.seen.lock().expect("not poisoned").deleted = true;
        Ok(())
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
        let stream =
            self.inner.get_stream(uri, session_id, last_event_id, auth_header, custom_headers).await?;
        self.seen.lock().expect("not poisoned").streams += 1;
        Ok(stream)
    }
}
