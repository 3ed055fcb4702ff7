//! Long-running sessions of the official Rust SDK, in this process.

#[path = "../rmcp_client/recorder.rs"]
mod recorder;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use mcphub_tests::outlive::{CLOCK, End, Kind, Ledger, Name, Operation, Pace, Watch};
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientRequest, ReadResourceRequestParams,
    ResourceUpdatedNotificationParam, ServerResult, SubscribeRequestParams,
};
use rmcp::service::{NotificationContext, PeerRequestOptions, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use recorder::{Recorder, Seen};

/// How long a client waits for an answer: longer than what is promised.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pause between two rounds.
const PAUSE: Duration = Duration::from_millis(100);

/// Sessions that go on until they are told to stop.
pub(crate) struct RustSessions {
    ledger: Arc<Ledger>,
    stop: watch::Sender<bool>,
    sessions: JoinSet<()>,
}

impl RustSessions {
    pub(crate) async fn start(
        url: &str,
        count: usize,
        pace: Pace,
        ledger: &Arc<Ledger>,
    ) -> anyhow::Result<Self> {
        let (stop, mut sessions) = (watch::Sender::new(false), JoinSet::new());
        for number in 0..count {
            let session = Session::open(url, format!("rmcp {number}").into(), pace, ledger).await?;
            sessions.spawn(session.live(stop.subscribe()));
        }
        Ok(Self { ledger: ledger.clone(), stop, sessions })
    }

    /// Ends them.
    pub(crate) async fn finish(mut self) {
        let until = self.ledger.now();
        {
            let mut record = self.ledger.write();
            if record.until.is_zero() {
                record.until = until;
            }
        }
        self.stop.send_replace(true);
        while let Some(ended) = self.sessions.join_next().await {
            ended.expect("a session does not panic");
        }
    }
}

struct Ears {
    name: Name,
    ledger: Arc<Ledger>,
}

impl ClientHandler for Ears {
    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        if params.uri == CLOCK {
            let at = self.ledger.now();
            self.ledger.write().watches.entry(self.name.clone()).or_default().updates.push(at);
        }
    }
}

struct Session {
    name: Name,
    ledger: Arc<Ledger>,
    pace: Pace,
    seen: Arc<Mutex<Seen>>,
    client: RunningService<RoleClient, Ears>,
}

impl Session {
    #[expect(deprecated, reason = "the legacy era's own methods are what is tested")]
    async fn open(url: &str, name: Name, pace: Pace, ledger: &Arc<Ledger>) -> anyhow::Result<Self> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let transport = StreamableHttpClientTransport::with_client(
            Recorder::new(seen.clone()),
            StreamableHttpClientTransportConfig::with_uri(url.to_owned()),
        );
        let ears = Ears { name: name.clone(), ledger: ledger.clone() };
        let mode = ClientLifecycleMode::Initialize;
        let client = ears.serve_with_lifecycle(transport, mode).await.context("connect")?;
        client.list_all_tools().await?;
        client.subscribe(SubscribeRequestParams::new(CLOCK)).await?;
        let since = ledger.now();
        ledger.write().watches.insert(name.clone(), Watch { since, ..Watch::default() });
        Ok(Self { name, ledger: ledger.clone(), pace, seen, client })
    }

    async fn live(self, stop: watch::Receiver<bool>) {
        tokio::join!(
            async {
                while !stopped(&stop).await {
                    self.read().await;
                }
            },
            async {
                while !stopped(&stop).await {
                    self.call().await;
                }
            },
            async {
                let mut acts = 0;
                while !stopped(&stop).await {
                    acts += 1;
                    self.act(acts).await;
                }
            },
        );
        let at = self.ledger.now();
        let ended = self.client.cancel().await;
        let seen = self.seen.lock().expect("not poisoned");
        let mut record = self.ledger.write();
        if seen.ids.len() != 1 || !seen.deleted {
            let words = format!("it was given {} ids; ended: {} ({ended:?})", seen.ids.len(), seen.deleted);
            record.other_ids.push((self.name.clone(), words));
        }
        if seen.streams > 1 {
            let words = format!("opened {} times, which was seen at the end", seen.streams);
            record.watches.entry(self.name.clone()).or_default().closed.push((at, words));
        }
    }

    async fn read(&self) {
        let told = Told { kind: Kind::Safe, own: self.pace.read, key: None };
        let ask = Box::pin(self.client.read_resource(ReadResourceRequestParams::new("hub://self")));
        self.note(told, async { (ask.await.map(drop), Vec::new()) }).await;
    }

    async fn act(&self, number: usize) {
        let key = format!("{} act {number}", self.name);
        let arguments = json!({ "key": key, "seconds": self.pace.act.as_secs_f64(), "steps": 1 });
        let ask = Box::pin(self.client.call_tool(request("act", &arguments)));
        let told = Told { kind: Kind::Act, own: self.pace.act, key: Some(key) };
        self.note(told, async { (ask.await.map(drop), Vec::new()) }).await;
    }

    async fn call(&self) {
        let told = Told { kind: Kind::Progress, own: self.pace.call, key: None };
        let arguments = json!({ "seconds": self.pace.call.as_secs_f64(), "steps": self.pace.steps });
        self.note(told, self.slow(&arguments)).await;
    }

    async fn slow(&self, arguments: &Value) -> (Result<(), ServiceError>, Vec<f64>) {
        let call = ClientRequest::CallToolRequest(CallToolRequest::new(request("slow", arguments)));
        let handle = match self.client.send_cancellable_request(call, PeerRequestOptions::no_options()).await
        {
            Ok(handle) => handle,
            Err(error) => return (Err(error), Vec::new()),
        };
        let token = json!(handle.progress_token).to_string();
        let answer = handle.await_response().await.and_then(|answer| match answer {
            ServerResult::CallToolResult(_) => Ok(()),
            _ => Err(ServiceError::UnexpectedResponse),
        });
        let progress = self.seen.lock().expect("not poisoned").progress.remove(&token);
        (answer, progress.unwrap_or_default())
    }

    async fn note(&self, told: Told, ask: impl Future<Output = (Result<(), ServiceError>, Vec<f64>)>) {
        let asked = self.ledger.now();
        let (end, progress) = match timeout(PATIENCE, ask).await {
            Err(_) => (End::Silent, Vec::new()),
            Ok((outcome, progress)) => (end_of(outcome), progress),
        };
        let Told { kind, own, key } = told;
        let (session, over) = (self.name.clone(), self.ledger.now());
        let operation = Operation { session, kind, key, asked, over, own, end, progress };
        self.ledger.write().operations.push(operation);
    }
}

/// What is asked, for the ledger.
struct Told {
    kind: Kind,
    own: Duration,
    key: Option<String>,
}

fn end_of(outcome: Result<(), ServiceError>) -> End {
    match outcome {
        Ok(()) => End::Result,
        Err(ServiceError::McpError(error)) => {
            End::Error { code: error.code.0.into(), message: error.message.into_owned() }
        }
        Err(error) => End::Broken(error.to_string()),
    }
}

fn request(name: &'static str, arguments: &Value) -> CallToolRequestParams {
    CallToolRequestParams::new(name).with_arguments(arguments.as_object().cloned().unwrap_or_default())
}

/// Whether it is time to stop, after a pause.
async fn stopped(stop: &watch::Receiver<bool>) -> bool {
    let mut stop = stop.clone();
    timeout(PAUSE, stop.wait_for(|stop| *stop)).await.is_ok()
}
