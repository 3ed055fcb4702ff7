//! What does the hub offer to a client?
//!
//! One [`Offer`] serves one legacy session, or one modern request. It sorts requests by kind and hands them to the
//! modules that know the things: the hub's own tools, the tools the public conformance suite calls, the tools that
//! need rounds of input, resources, prompts, and subscriptions.

// Sampling, roots, logging and resources/subscribe are deprecated in 2026-07-28 and alive in the legacy era.
#![allow(deprecated)]

mod own;
mod prompts;
mod resources;
mod rounds;
mod subscriptions;
mod suite;

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, CompleteRequestParams,
        CompleteResult, CompletionInfo, ContentBlock, DiscoverResult, ErrorCode, GetPromptRequestParams,
        GetPromptResponse, Implementation, InitializeRequestParams, InitializeResult, InputResponses,
        JsonObject, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
        LoggingLevel, LoggingMessageNotificationParam, PaginatedRequestParams, ProtocolVersion,
        ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
        SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    args::Eras,
    state::{State, lock},
};

const LEGACY: &[ProtocolVersion] =
    &[ProtocolVersion::V_2025_03_26, ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25];
const MODERN: &[ProtocolVersion] = &[ProtocolVersion::V_2026_07_28];
const BOTH: &[ProtocolVersion] = &[
    ProtocolVersion::V_2025_03_26,
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
    ProtocolVersion::V_2026_07_28,
];

/// Every tool but the one that comes and goes. `whoami` comes first: it needs no argument and does no harm, and the
/// conformance suite calls the first tool of the list.
static TOOLS: LazyLock<Vec<Tool>> =
    LazyLock::new(|| [own::tools(), suite::tools(), rounds::tools()].concat());

/// The handler of one legacy session or one modern request.
pub(crate) struct Offer {
    state: Arc<State>,
    session: Option<Session>,
    /// Subscribed before the acknowledgement goes out, so that no change falls between the two.
    early: Mutex<Option<subscriptions::Changes>>,
}

/// What a legacy session holds here.
struct Session {
    /// How often `count` was called.
    count: AtomicU64,
    level: Mutex<LoggingLevel>,
    /// Resources subscribed to. Its end tells the followers that the session is over.
    watched: watch::Sender<BTreeSet<String>>,
    follows_lists: AtomicBool,
    follows_updates: AtomicBool,
}

/// One `tools/call`.
struct Call<'a> {
    offer: &'a Offer,
    name: &'a str,
    arguments: JsonObject,
    responses: InputResponses,
    request_state: Option<String>,
    context: RequestContext<RoleServer>,
}

type Outcome = Result<CallToolResponse, ErrorData>;

impl Offer {
    /// For a legacy session.
    pub(crate) fn for_session(state: Arc<State>) -> Self {
        let session = Session {
            count: AtomicU64::new(0),
            level: Mutex::new(LoggingLevel::Info),
            watched: watch::Sender::new(BTreeSet::new()),
            follows_lists: AtomicBool::new(false),
            follows_updates: AtomicBool::new(false),
        };
        Self { state, session: Some(session), early: Mutex::default() }
    }

    /// For one modern request.
    pub(crate) fn for_request(state: Arc<State>) -> Self {
        Self { state, session: None, early: Mutex::default() }
    }

    fn capabilities() -> ServerCapabilities {
        ServerCapabilities::builder()
            .enable_logging()
            .enable_completions()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .build()
    }

    /// Sends a log message if this client wants it: above the session's level in the legacy era, with a level in the
    /// request in the modern one.
    async fn log(&self, context: &RequestContext<RoleServer>, level: LoggingLevel, text: &str) {
        let least = match &self.session {
            Some(session) => Some(*lock(&session.level)),
            None => context.meta.log_level(),
        };
        if least.is_some_and(|least| severity(level) >= severity(least)) {
            let message = LoggingMessageNotificationParam::new(level, json!(text)).with_logger("mcphub-hub");
            // A client that has left misses nothing.
            let _ = context.peer.notify_logging_message(message).await;
        }
    }

    fn legacy_only(&self, method: &'static str) -> Result<&Session, ErrorData> {
        self.session.as_ref().ok_or_else(|| ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None))
    }
}

impl ServerHandler for Offer {
    fn get_info(&self) -> ServerConfig {
        let args = &self.state.args;
        let described = format!("hub {} in {}, boot {}", args.id, args.location, self.state.boot);
        ServerConfig::new(Self::capabilities())
            .with_server_info(
                Implementation::new("mcphub-hub", env!("CARGO_PKG_VERSION"))
                    .with_title(args.id.clone())
                    .with_description(described),
            )
            .with_instructions("A hub for demos and tests. `whoami` tells which one answers.")
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(match self.state.args.eras {
            Eras::Both => BOTH,
            Eras::Legacy => LEGACY,
            Eras::Modern => MODERN,
        })
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        self.legacy_only("initialize")?;
        self.state.initialize.fetch_add(1, Ordering::Relaxed);
        context.peer.set_peer_info(request.clone());
        self.negotiate_initialize(&request)
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if let Some(session) = &self.session {
            session.follow_lists(&self.state, &context.peer);
        }
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        Ok(DiscoverResult::from_server_info(versions, self.get_info()).with_ttl_ms(self.state.args.cache_ttl))
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        *lock(&self.legacy_only("logging/setLevel")?.level) = request.level;
        Ok(())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.state.asked.fetch_add(1, Ordering::Relaxed);
        let mut tools = TOOLS.clone();
        if self.state.extra_tool.load(Ordering::Relaxed) {
            tools.push(suite::extra_tool());
        }
        Ok(ListToolsResult::with_all_items(tools)
            .with_ttl_ms(self.state.args.cache_ttl)
            .with_cache_scope(self.state.scope()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        TOOLS.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Outcome {
        let call = Call {
            offer: self,
            name: &request.name,
            arguments: request.arguments.unwrap_or_default(),
            responses: request.input_responses.unwrap_or_default(),
            request_state: request.request_state,
            context,
        };
        if let Some(outcome) = own::call(&call).await {
            return outcome;
        }
        if let Some(outcome) = suite::call(&call).await {
            return outcome;
        }
        rounds::call(&call)
            .unwrap_or_else(|| Err(ErrorData::invalid_params(format!("Unknown tool: {}", call.name), None)))
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.state.asked.fetch_add(1, Ordering::Relaxed);
        let prompts = prompts::list(self.state.extra_prompt.load(Ordering::Relaxed));
        Ok(ListPromptsResult::with_all_items(prompts)
            .with_ttl_ms(self.state.args.cache_ttl)
            .with_cache_scope(self.state.scope()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(&request)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let values = prompts::complete(&request.argument.value);
        let completion =
            CompletionInfo::with_all_values(values).map_err(|why| ErrorData::internal_error(why, None))?;
        Ok(CompleteResult::new(completion))
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.state.asked.fetch_add(1, Ordering::Relaxed);
        Ok(ListResourcesResult::with_all_items(resources::list())
            .with_ttl_ms(self.state.args.cache_ttl)
            .with_cache_scope(self.state.scope()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.state.asked.fetch_add(1, Ordering::Relaxed);
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates())
            .with_ttl_ms(self.state.args.cache_ttl)
            .with_cache_scope(self.state.scope()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.state.asked.fetch_add(1, Ordering::Relaxed);
        resources::read(&self.state, &request.uri).map(ReadResourceResponse::from)
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.legacy_only("resources/subscribe")?.subscribe(&self.state, &context.peer, request.uri)
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.legacy_only("resources/unsubscribe")?.unsubscribe(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        *lock(&self.early) = Some(subscriptions::Changes::of(&self.state));
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let changes = lock(&self.early).take().unwrap_or_else(|| subscriptions::Changes::of(&self.state));
        subscriptions::listen(&self.state, changes, &context).await;
        Ok(())
    }
}

impl Call<'_> {
    /// The arguments as this tool wants them, or what to tell the model.
    fn arguments<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_value(Value::Object(self.arguments.clone()))
            .map_err(|why| format!("the arguments do not fit: {why}"))
    }

    fn capabilities(&self) -> ClientCapabilities {
        self.context.client_capabilities().unwrap_or_default()
    }

    async fn log(&self, level: LoggingLevel, text: &str) {
        self.offer.log(&self.context, level, text).await;
    }
}

/// From the least to the most severe.
fn severity(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}

/// A tool that succeeded with a text.
fn done(text: impl Into<String>) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

/// A tool that failed in a way the model should read.
fn failed(text: impl Into<String>) -> CallToolResponse {
    CallToolResult::error(vec![ContentBlock::text(text)]).into()
}

/// A JSON object, from a literal that is one.
fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}

fn tool(name: &'static str, description: &'static str, schema: Value) -> Tool {
    Tool::new(name, description, object(schema))
}

/// The schema of a tool without arguments.
fn no_arguments() -> Value {
    json!({ "type": "object", "properties": {}, "additionalProperties": false })
}
