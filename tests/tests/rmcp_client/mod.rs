//! The same work with the official Rust SDK.

mod recorder;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use anyhow::{Context, ensure};
use mcphub_tests::PATIENCE;
use mcphub_tests::mcp::{LEGACY, Legacy, Peer};
use rmcp::handler::client::progress::ProgressDispatcher;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest, ProgressNotificationParam,
    ProtocolVersion, ResourceUpdatedNotificationParam, ServerNotification, ServerResult,
    SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{NotificationContext, PeerRequestOptions, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use recorder::Recorder;

const SESSIONS: usize = 20;
const CALLS_EACH: usize = 10;
const CLOCK: &str = "hub://clock";

/// What one session counted.
#[derive(Default)]
struct Counts {
    version: String,
    hub: String,
    calls: usize,
    progress: usize,
    ended: bool,
}

/// Runs all sessions and says what they counted, in the words of the scripts under `clients/`.
pub(crate) async fn run(url: &str, era: &'static str) -> Value {
    let mut outcomes = Vec::new();
    for number in 0..SESSIONS / 2 {
        outcomes.push(session(number, url.to_owned(), era).await);
    }
    let mut at_once = JoinSet::new();
    for number in SESSIONS / 2..SESSIONS {
        at_once.spawn(session(number, url.to_owned(), era));
    }
    outcomes.extend(at_once.join_all().await);

    let failures: Vec<_> =
        outcomes.iter().filter_map(|o| o.as_ref().err().map(|e| format!("{e:#}"))).collect();
    let done: Vec<_> = outcomes.into_iter().filter_map(Result::ok).collect();
    let ended = done.iter().filter(|counts| counts.ended).count();
    let mut hubs = BTreeMap::<&str, usize>::new();
    for counts in &done {
        *hubs.entry(&counts.hub).or_default() += 1;
    }
    json!({
        "negotiated": done.iter().map(|counts| counts.version.as_str()).collect::<BTreeSet<_>>(),
        "sessions": done.len(),
        "calls": done.iter().map(|counts| counts.calls).sum::<usize>(),
        "lists": 3 * done.len(),
        "progress": done.iter().map(|counts| counts.progress).sum::<usize>(),
        "updates": done.len(),
        "deleted": ended,
        "gone": ended,
        "hubs": hubs,
        "failures": failures,
    })
}

/// Passes on what the server says of its own accord.
struct Ears {
    progress: ProgressDispatcher,
    updates: mpsc::UnboundedSender<String>,
}

impl ClientHandler for Ears {
    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.progress.handle_notification(params).await;
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let _ = self.updates.send(params.uri);
    }
}

type Client = RunningService<RoleClient, Ears>;

async fn session(number: usize, url: String, era: &'static str) -> anyhow::Result<Counts> {
    let (updates, mut updated) = mpsc::unbounded_channel();
    let seen = Arc::new(Mutex::new(recorder::Seen::default()));
    let transport = StreamableHttpClientTransport::with_client(
        Recorder::new(seen.clone()),
        StreamableHttpClientTransportConfig::with_uri(url.clone()),
    );
    let lifecycle = match era {
        "legacy" => ClientLifecycleMode::Initialize,
        _ => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
    };
    let ears = Ears { progress: ProgressDispatcher::new(), updates };
    let client = ears.serve_with_lifecycle(transport, lifecycle).await.context("connect")?;

    let mut counts = talk(number, &client).await.with_context(|| format!("session {number}"))?;
    match era {
        "legacy" => watch_legacy(&client, &mut updated).await?,
        _ => watch_modern(&client).await?,
    }
    client.cancel().await.context("close")?;

    let seen = std::mem::take(&mut *seen.lock().expect("not poisoned"));
    ensure!(seen.ids.len() <= 1, "session {number} was given {:?}", seen.ids);
    ensure!(seen.streams <= 1, "session {number} opened its stream {} times", seen.streams);
    if let Some(id) = seen.ids.first() {
        ensure!(seen.deleted, "session {number} was not ended");
        ensure!(status_of(&url, id).await? == 404, "session {number} lives on");
        counts.ended = true;
    }
    Ok(counts)
}

async fn talk(number: usize, client: &Client) -> anyhow::Result<Counts> {
    let tools = client.list_all_tools().await?;
    for name in ["echo", "whoami", "slow"] {
        ensure!(tools.iter().any(|tool| tool.name == name), "no tool {name}");
    }
    ensure!(client.list_all_resources().await?.iter().any(|resource| resource.uri == CLOCK), "no clock");
    ensure!(!client.list_all_prompts().await?.is_empty(), "no prompts");

    let mut counts = Counts::default();
    let who = structured(&tool(client, "whoami", json!({})).await?)?;
    counts.hub = who["hub"].as_str().context("a hub")?.to_owned();
    counts.version = client.peer_info().context("negotiation")?.protocol_version.to_string();
    counts.progress = slow(client).await?;
    counts.calls = 2;
    while counts.calls < CALLS_EACH - 1 {
        let text = format!("session {number}, call {}, grüße ☕", counts.calls);
        let answer = tool(client, "echo", json!({ "text": text })).await?;
        let echoed = serde_json::to_value(&answer.content)?;
        ensure!(echoed[0]["text"] == text, "echo said {echoed}");
        counts.calls += 1;
    }
    let again = structured(&tool(client, "whoami", json!({})).await?)?;
    counts.calls += 1;
    ensure!(again["hub"] == who["hub"] && again["boot"] == who["boot"], "the session moved");
    Ok(counts)
}

#[expect(clippy::needless_pass_by_value, reason = "reads as the json! literal it is given")]
fn request(name: &'static str, arguments: Value) -> CallToolRequestParams {
    CallToolRequestParams::new(name).with_arguments(arguments.as_object().cloned().unwrap_or_default())
}

async fn tool(client: &Client, name: &'static str, arguments: Value) -> anyhow::Result<CallToolResult> {
    let result = client.call_tool(request(name, arguments)).await.context(name)?;
    ensure!(result.is_error != Some(true), "{name}: {result:?}");
    Ok(result)
}

fn structured(result: &CallToolResult) -> anyhow::Result<Value> {
    result.structured_content.clone().context("structured content")
}

/// Calls the slow tool; how many progress notifications came, each greater than the one before.
async fn slow(client: &Client) -> anyhow::Result<usize> {
    let call = CallToolRequest::new(request("slow", json!({ "seconds": 0.2, "steps": 4 })));
    let call = ClientRequest::CallToolRequest(call);
    let handle = client.send_cancellable_request(call, PeerRequestOptions::no_options()).await?;
    let mut reports = client.service().progress.subscribe(handle.progress_token.clone()).await;
    let answer = handle.await_response().await?;
    ensure!(matches!(answer, ServerResult::CallToolResult(_)), "slow: {answer:?}");
    let mut count = 0;
    let mut last = 0.0;
    while count < 4 {
        let report =
            timeout(PATIENCE, futures::StreamExt::next(&mut reports)).await.context("no progress")?;
        let report = report.context("no more progress")?;
        ensure!(report.progress > last, "progress went from {last} to {}", report.progress);
        last = report.progress;
        count += 1;
    }
    Ok(count)
}

#[expect(deprecated, reason = "the legacy era's own methods are what is tested")]
async fn watch_legacy(client: &Client, updated: &mut mpsc::UnboundedReceiver<String>) -> anyhow::Result<()> {
    client.subscribe(SubscribeRequestParams::new(CLOCK)).await?;
    let uri = timeout(PATIENCE, updated.recv()).await.context("no update")?;
    ensure!(uri.as_deref() == Some(CLOCK), "an update of {uri:?}");
    client.unsubscribe(UnsubscribeRequestParams::new(CLOCK)).await?;
    Ok(())
}

async fn watch_modern(client: &Client) -> anyhow::Result<()> {
    let filter = SubscriptionFilter::builder().resource_subscriptions(vec![CLOCK.to_owned()]).build();
    let mut subscription = client.listen(filter).await?;
    let note = timeout(PATIENCE, subscription.next()).await.context("no update")??;
    ensure!(matches!(note, Some(ServerNotification::ResourceUpdatedNotification(_))), "got {note:?}");
    subscription.cancel().await?;
    Ok(())
}

/// The answer to a plain request under a session id, past the SDK: what does an ended session get?
async fn status_of(url: &str, session: &str) -> anyhow::Result<u16> {
    let address = url.trim_start_matches("http://").trim_end_matches("/mcp").parse()?;
    let mut ended = Legacy::resume(Peer::new(address), session, LEGACY);
    Ok(ended.request("ping", json!({})).await?.1.status)
}
