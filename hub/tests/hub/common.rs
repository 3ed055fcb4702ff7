//! A hub in this process, and clients to talk to it.

use std::time::Duration;

use mcphub_hub::{Args, Counters, Watch, bind};
use reqwest::{RequestBuilder, Response, StatusCode};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt as _, RoleClient,
    model::{
        CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ElicitRequestParams,
        ElicitResult, ElicitationAction, ErrorData, Implementation, ProgressNotificationParam,
        ProtocolVersion, ResourceUpdatedNotificationParam,
    },
    service::{NotificationContext, RequestContext, RunningService},
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const MODERN: &str = "2026-07-28";
pub(crate) const LEGACY: &str = "2025-11-25";

/// A hub that serves until it is dropped or stopped.
pub(crate) struct Running {
    pub(crate) url: String,
    pub(crate) base: String,
    pub(crate) watch: Watch,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<anyhow::Result<()>>,
}

pub(crate) async fn start(change: impl FnOnce(&mut Args)) -> Running {
    let mut args = Args::local("tester", "nowhere");
    change(&mut args);
    let hub = bind(args).await.expect("a free port");
    let (url, base, watch) = (hub.url(), format!("http://{}", hub.address()), hub.watch());
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(hub.serve(async {
        let _ = stopped.await;
    }));
    Running { url, base, watch, stop: Some(stop), served }
}

pub(crate) async fn hub() -> Running {
    start(|_| {}).await
}

pub(crate) async fn sick_hub() -> Running {
    start(|args| args.fault_control = true).await
}

impl Running {
    pub(crate) async fn counters(&self) -> Counters {
        self.watch.counters().await
    }

    /// Waits until the counters are as they should be.
    pub(crate) async fn until(&self, what: &str, right: impl Fn(&Counters) -> bool) {
        within(what, async {
            while !right(&self.counters().await) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    pub(crate) async fn stop(mut self) {
        self.tell_to_stop();
        within("the end of the hub", self.served).await.expect("no panic").expect("no error");
    }

    pub(crate) fn tell_to_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    pub(crate) async fn fault(&self, fault: Value) -> Response {
        http().put(format!("{}/fault", self.base)).json(&fault).send().await.expect("an answer")
    }
}

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// What a client was told without asking.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    Progress(f64),
    Updated(String),
    Log(Value),
    ToolsChanged,
}

/// A client that passes on what it is told and says yes to every question.
pub(crate) struct Listener(mpsc::UnboundedSender<Told>);

impl rmcp::ClientHandler for Listener {
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder().enable_elicitation().build();
        ClientConfig::new(capabilities, Implementation::new("tester", "1"))
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(ElicitResult::new(ElicitationAction::Accept)
            .with_content(json!({ "name": "Ada", "username": "ada" })))
    }

    async fn on_progress(&self, told: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        let _ = self.0.send(Told::Progress(told.progress));
    }

    async fn on_resource_updated(
        &self,
        told: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let _ = self.0.send(Told::Updated(told.uri));
    }

    async fn on_logging_message(
        &self,
        told: rmcp::model::LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let _ = self.0.send(Told::Log(told.data));
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        let _ = self.0.send(Told::ToolsChanged);
    }
}

pub(crate) struct Client {
    pub(crate) service: RunningService<RoleClient, Listener>,
    pub(crate) told: mpsc::UnboundedReceiver<Told>,
}

pub(crate) async fn client(hub: &Running, version: &'static str) -> Client {
    let (sender, told) = mpsc::unbounded_channel();
    let transport = StreamableHttpClientTransport::from_config(
        StreamableHttpClientTransportConfig::with_uri(hub.url.clone()),
    );
    let lifecycle = if version == MODERN {
        ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
    } else {
        ClientLifecycleMode::Initialize
    };
    let service = Listener(sender).serve_with_lifecycle(transport, lifecycle);
    Client { service: within("a session", service).await.expect("a session"), told }
}

impl Client {
    pub(crate) async fn call(&self, tool: &'static str, arguments: Value) -> CallToolResult {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        let request = CallToolRequestParams::new(tool).with_arguments(arguments);
        within(tool, self.service.call_tool(request)).await.expect("a result")
    }

    pub(crate) async fn told(&mut self) -> Told {
        within("a notification", self.told.recv()).await.expect("the client lives")
    }
}

pub(crate) fn text(result: &CallToolResult) -> &str {
    &result.content[0].as_text().expect("a text").text
}

pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client")
}

/// A POST as a legacy client sends it.
pub(crate) fn legacy(hub: &Running, session: Option<&str>, body: &Value) -> RequestBuilder {
    let request = post(hub, body);
    match session {
        Some(session) => request.header("mcp-session-id", session).header("mcp-protocol-version", LEGACY),
        None => request,
    }
}

/// A POST as a modern client sends it.
pub(crate) fn modern(hub: &Running, method: &str, mut params: Value) -> RequestBuilder {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    let name = params["name"].as_str().or(params["uri"].as_str()).map(str::to_owned);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let request = post(hub, &body).header("mcp-protocol-version", MODERN).header("mcp-method", method);
    match name {
        Some(name) => request.header("mcp-name", name),
        None => request,
    }
}

fn post(hub: &Running, body: &Value) -> RequestBuilder {
    http().post(&hub.url).header("accept", "application/json, text/event-stream").json(body)
}

pub(crate) fn request(id: u64, method: &str, params: impl Serialize) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": json!(params) })
}

pub(crate) fn tool(id: u64, name: &str, arguments: impl Serialize) -> Value {
    request(id, "tools/call", json!({ "name": name, "arguments": arguments }))
}

pub(crate) fn initialize() -> Value {
    let params = json!({
        "protocolVersion": LEGACY,
        "capabilities": {},
        "clientInfo": { "name": "tester", "version": "1" },
    });
    request(0, "initialize", params)
}

/// Opens a legacy session by hand and returns its id.
pub(crate) async fn session(hub: &Running) -> String {
    let answer = legacy(hub, None, &initialize()).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let id = answer.headers()["mcp-session-id"].to_str().expect("ascii").to_owned();
    within("the result", answer.text()).await.expect("a body");
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let told = legacy(hub, Some(&id), &note).send().await.expect("an answer");
    assert_eq!(told.status(), StatusCode::ACCEPTED);
    id
}

/// The messages in an SSE text, with the ids of their events.
pub(crate) fn events(sse: &str) -> Vec<(Option<String>, Value)> {
    sse.split("\n\n")
        .filter_map(|event| {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let data = serde_json::from_str(field("data:")?).ok()?;
            Some((field("id:").map(str::to_owned), data))
        })
        .collect()
}
