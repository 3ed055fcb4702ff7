//! Which tools does the public conformance suite call?
//!
//! Their names, texts and behaviour are given by the suite's scenarios.

use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rmcp::{
    ErrorData,
    model::{
        CallToolResult, ClientCapabilities, ContentBlock, CreateMessageRequestParams, ElicitRequestParams,
        ElicitResult, LoggingLevel, ProgressNotificationParam, ResourceContents, SamplingMessage, Tool,
    },
    service::ServiceError,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, Outcome, done, failed, no_arguments, tool};
use crate::{body::StreamControl, state::List};

/// A PNG of one red pixel.
pub(super) const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";

/// A WAV without a sample.
const SILENCE: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

/// Pause between two steps of a tool that reports on its way.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a client may take to answer a question of a tool.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn tools() -> Vec<Tool> {
    let needs = |field: &str| json!({ "type": "object", "properties": { field: { "type": "string" } }, "required": [field] });
    let mut tools: Vec<Tool> = [
        ("test_simple_text", "Answers with a text."),
        ("test_image_content", "Answers with a picture."),
        ("test_audio_content", "Answers with a sound."),
        ("test_embedded_resource", "Answers with a resource."),
        ("test_multiple_content_types", "Answers with a text, a picture and a resource."),
        ("test_tool_with_logging", "Logs three times on its way."),
        ("test_tool_with_progress", "Reports progress three times on its way."),
        ("test_error_handling", "Always fails."),
        ("test_elicitation_sep1034_defaults", "Asks the user, with defaults for every type."),
        ("test_elicitation_sep1330_enums", "Asks the user to choose, in each of the five ways."),
        ("test_reconnection", "Closes its stream before it answers."),
        ("test_logging_tool", "Logs once, if the caller wants logs."),
        ("test_missing_capability", "Needs a client that can sample."),
        ("test_trigger_tool_change", "Adds or removes a tool."),
        ("test_trigger_prompt_change", "Adds or removes a prompt."),
    ]
    .map(|(name, description)| tool(name, description, no_arguments()))
    .to_vec();
    tools.push(tool("test_sampling", "Asks the client's model.", needs("prompt")));
    tools.push(tool("test_elicitation", "Asks the user for a name and an address.", needs("message")));
    tools.push(tool("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features", schema_2020_12()));
    tools
}

/// The tool that comes and goes.
pub(super) fn extra_tool() -> Tool {
    tool("test_extra_tool", "A tool that comes and goes.", no_arguments())
}

/// Answers a call of one of these tools.
pub(super) async fn call(call: &Call<'_>) -> Option<Outcome> {
    let content = |content: Vec<ContentBlock>| Ok(CallToolResult::success(content).into());
    Some(match call.name {
        "test_simple_text" => Ok(done("This is a simple text response for testing.")),
        "test_image_content" => content(vec![ContentBlock::image(PIXEL, "image/png")]),
        "test_audio_content" => content(vec![ContentBlock::audio(SILENCE, "audio/wav")]),
        "test_embedded_resource" => content(vec![resource(
            "test://embedded-resource",
            "text/plain",
            "This is an embedded resource content.",
        )]),
        "test_multiple_content_types" => content(vec![
            ContentBlock::text("Multiple content types test:"),
            ContentBlock::image(PIXEL, "image/png"),
            resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
        ]),
        "test_tool_with_logging" => Ok(logging(call).await),
        "test_tool_with_progress" => Ok(progress(call).await),
        "test_error_handling" => Ok(failed("This tool intentionally returns an error for testing")),
        "test_sampling" => Ok(sampling(call).await),
        "test_elicitation" => Ok(elicitation(call).await),
        "test_elicitation_sep1034_defaults" => Ok(ask(call, "Please check these defaults", defaults()).await),
        "test_elicitation_sep1330_enums" => Ok(ask(call, "Please choose", choices()).await),
        "test_reconnection" => Ok(reconnection(call).await),
        "test_logging_tool" => {
            call.log(LoggingLevel::Info, "A log message, as asked for").await;
            Ok(done("logged, if asked to"))
        }
        "test_missing_capability" => needs_sampling(call),
        "test_trigger_tool_change" => Ok(toggle(call, &call.offer.state.extra_tool, List::Tools)),
        "test_trigger_prompt_change" => Ok(toggle(call, &call.offer.state.extra_prompt, List::Prompts)),
        "test_extra_tool" => Ok(done("Here today.")),
        "json_schema_2020_12_tool" => Ok(done(Value::Object(call.arguments.clone()).to_string())),
        _ => return None,
    })
}

type Answer = rmcp::model::CallToolResponse;

fn resource(uri: &str, kind: &str, text: &str) -> ContentBlock {
    ContentBlock::resource(ResourceContents::text(text, uri).with_mime_type(kind))
}

async fn logging(call: &Call<'_>) -> Answer {
    for text in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        call.log(LoggingLevel::Info, text).await;
        tokio::time::sleep(PAUSE).await;
    }
    done("Tool with logging executed successfully")
}

async fn progress(call: &Call<'_>) -> Answer {
    for step in [0.0, 50.0, 100.0] {
        if let Some(token) = call.context.meta.get_progress_token() {
            let report = ProgressNotificationParam::new(token, step).with_total(100.0);
            // A client that has left misses nothing.
            let _ = call.context.peer.notify_progress(report).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
    done("Tool with progress executed successfully")
}

async fn sampling(call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    struct Arguments {
        prompt: String,
    }
    let Arguments { prompt } = match call.arguments() {
        Ok(arguments) => arguments,
        Err(why) => return failed(why),
    };
    if call.capabilities().sampling.is_none() {
        return failed("this client cannot sample");
    }
    let request = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(prompt)], 100);
    match answered(call.context.peer.create_message(request)).await {
        Ok(result) => {
            let text = result.message.content.first().and_then(|content| content.as_text());
            done(format!("LLM response: {}", text.map_or("", |text| text.text.as_str())))
        }
        Err(why) => failed(why),
    }
}

async fn elicitation(call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    struct Arguments {
        message: String,
    }
    let Arguments { message } = match call.arguments() {
        Ok(arguments) => arguments,
        Err(why) => return failed(why),
    };
    let schema = json!({
        "type": "object",
        "properties": {
            "username": { "type": "string", "description": "User's response" },
            "email": { "type": "string", "description": "User's email address" },
        },
        "required": ["username", "email"],
    });
    match elicit(call, &message, schema).await {
        Ok(result) => done(format!("User response: {}", told(&result))),
        Err(why) => failed(why),
    }
}

async fn ask(call: &Call<'_>, message: &str, schema: Value) -> Answer {
    match elicit(call, message, schema).await {
        Ok(result) => done(format!("Elicitation completed: {}", told(&result))),
        Err(why) => failed(why),
    }
}

fn told(result: &ElicitResult) -> String {
    let action = serde_json::to_value(&result.action).unwrap_or_default();
    let content = result.content.as_ref().map(Value::to_string).unwrap_or_default();
    format!("action={}, content={content}", action.as_str().unwrap_or_default())
}

async fn elicit(call: &Call<'_>, message: &str, schema: Value) -> Result<ElicitResult, String> {
    if call.capabilities().elicitation.is_none() {
        return Err("this client cannot ask its user".to_owned());
    }
    let params = json!({ "mode": "form", "message": message, "requestedSchema": schema });
    let params: ElicitRequestParams = serde_json::from_value(params).map_err(|why| why.to_string())?;
    answered(call.context.peer.create_elicitation(params)).await
}

async fn answered<T>(question: impl Future<Output = Result<T, ServiceError>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(answer) => answer.map_err(|why| why.to_string()),
        Err(_) => Err("the client did not answer in time".to_owned()),
    }
}

/// Closes the stream of this very request, works on, and leaves the answer to whoever resumes.
async fn reconnection(call: &Call<'_>) -> Answer {
    tokio::time::sleep(PAUSE).await;
    let control = call
        .context
        .extensions
        .get::<http::request::Parts>()
        .and_then(|parts| parts.extensions.get::<StreamControl>());
    // Without sessions there is nothing to resume from, so the answer stays on its stream.
    if let (Some(control), Some(_)) = (control, &call.offer.session) {
        control.close();
        tokio::time::sleep(2 * PAUSE).await;
    }
    done("Reconnection test completed successfully")
}

fn needs_sampling(call: &Call<'_>) -> Outcome {
    if call.capabilities().sampling.is_some() {
        return Ok(done("this client can sample"));
    }
    Err(ErrorData::missing_required_client_capability(
        ClientCapabilities::builder().enable_sampling().build(),
    ))
}

fn toggle(call: &Call<'_>, there: &AtomicBool, list: List) -> Answer {
    let was = there.fetch_xor(true, Ordering::Relaxed);
    // Nobody listening is no error.
    let _ = call.offer.state.lists.send(list);
    done(if was { "removed" } else { "added" })
}

fn defaults() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
            "verified": { "type": "boolean", "default": true },
        },
    })
}

fn choices() -> Value {
    let options = json!(["option1", "option2", "option3"]);
    let titled = |what: &str| {
        json!([
            { "const": "value1", "title": format!("First {what}") },
            { "const": "value2", "title": format!("Second {what}") },
            { "const": "value3", "title": format!("Third {what}") },
        ])
    };
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "enum": options },
            "titledSingle": { "type": "string", "oneOf": titled("Option") },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
            "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } },
        },
    })
}

fn schema_2020_12() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            },
        },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    })
}
