//! How does a tool of the modern era ask its caller for more?
//!
//! By an answer that says what is required; the caller repeats the request with the answers in it. What the hub must
//! remember between two rounds travels with the client, sealed, and is opened only for the tool that sealed it.

use std::{collections::BTreeMap, time::Duration};

use rmcp::{
    ErrorData,
    model::{
        CallToolResponse, ErrorCode, GetPromptResponse, GetPromptResult, InputRequest, InputRequests,
        InputRequiredResult, InputResponses, SealOptions, Tool,
    },
};
use serde_json::{Value, json};

use super::{Call, Outcome, done, no_arguments, prompts::text, tool};

/// How long a caller may take for a round.
const ROUND: Duration = Duration::from_secs(600);

pub(super) fn tools() -> Vec<Tool> {
    [
        ("test_input_required_result_elicitation", "Asks for a name, then greets."),
        ("test_input_required_result_sampling", "Asks the client's model for a capital."),
        ("test_input_required_result_list_roots", "Asks for the client's roots."),
        (
            "test_input_required_result_request_state",
            "Asks for consent and checks the state that comes back.",
        ),
        ("test_input_required_result_multiple_inputs", "Asks for three things at once."),
        ("test_input_required_result_multi_round", "Asks twice."),
        (
            "test_input_required_result_tampered_state",
            "Asks for consent and refuses a state it did not seal.",
        ),
        ("test_input_required_result_capabilities", "Asks only for what the client can give."),
        ("test_streaming_elicitation", "Asks for consent where older revisions would ask on the stream."),
    ]
    .map(|(name, description)| tool(name, description, no_arguments()))
    .to_vec()
}

/// Answers a call of one of these tools.
pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    let given = &call.responses;
    Some(match call.name {
        "test_input_required_result_elicitation" => Ok(match accepted(given, "user_name", "name") {
            Some(name) => done(format!("Hello, {name}!")),
            None => ask([("user_name", form("What is your name?", "name", "string"))], None),
        }),
        "test_input_required_result_sampling" => Ok(match sampled(given, "capital_question") {
            Some(text) => done(format!("The model says: {text}")),
            None => ask([("capital_question", sampling("What is the capital of France?", 100))], None),
        }),
        "test_input_required_result_list_roots" => Ok(match roots(given, "client_roots") {
            Some(roots) => done(format!("The client has these roots: {roots}")),
            None => ask([("client_roots", list_roots())], None),
        }),
        "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => {
            consent(call)
        }
        "test_input_required_result_multiple_inputs" => several(call),
        "test_input_required_result_multi_round" => two_rounds(call),
        "test_input_required_result_capabilities" => Ok(able(call)),
        "test_streaming_elicitation" => Ok(match accepted(given, "confirm", "ok") {
            Some(_) => done("confirmed"),
            None => ask([("confirm", form("Please confirm", "ok", "boolean"))], None),
        }),
        _ => return None,
    })
}

/// The prompt that asks for its context first.
pub(super) fn prompt(given: Option<&InputResponses>) -> GetPromptResponse {
    match given.and_then(|given| accepted(given, "user_context", "context")) {
        Some(context) => GetPromptResult::new(vec![text(format!("Use this context: {context}"))]).into(),
        None => {
            let request = form("What context should the prompt use?", "context", "string");
            required([("user_context", request)], None).into()
        }
    }
}

fn consent(call: &Call<'_>) -> Outcome {
    let asked = || {
        let state = seal(call, "consent");
        ask([("confirm", form("Please confirm", "ok", "boolean"))], Some(state))
    };
    let Some(state) = &call.request_state else { return Ok(asked()) };
    open(call, state)?;
    Ok(match accepted(&call.responses, "confirm", "ok") {
        Some(_) => done("state-ok"),
        None => asked(),
    })
}

fn several(call: &Call<'_>) -> Outcome {
    if let Some(state) = &call.request_state {
        open(call, state)?;
    }
    let given = &call.responses;
    let all = (
        accepted(given, "user_name", "name"),
        sampled(given, "greeting"),
        roots(given, "client_roots"),
        call.request_state.is_some(),
    );
    Ok(match all {
        (Some(name), Some(greeting), Some(roots), true) => done(format!("{name}: {greeting} ({roots})")),
        _ => ask(
            [
                ("user_name", form("What is your name?", "name", "string")),
                ("greeting", sampling("Generate a greeting", 50)),
                ("client_roots", list_roots()),
            ],
            Some(seal(call, "several")),
        ),
    })
}

fn two_rounds(call: &Call<'_>) -> Outcome {
    let first =
        || ask([("step1", form("Step 1: What is your name?", "name", "string"))], Some(seal(call, "step1")));
    let Some(state) = &call.request_state else { return Ok(first()) };
    let reached = open(call, state)?;
    if let Some(name) = reached.strip_prefix("step2:") {
        return Ok(match accepted(&call.responses, "step2", "color") {
            Some(color) => done(format!("{name} likes {color}")),
            None => second(call, name),
        });
    }
    Ok(match accepted(&call.responses, "step1", "name") {
        Some(name) => second(call, &name),
        None => first(),
    })
}

fn second(call: &Call<'_>, name: &str) -> CallToolResponse {
    let request = form("Step 2: What is your favorite color?", "color", "string");
    ask([("step2", request)], Some(seal(call, &format!("step2:{name}"))))
}

fn able(call: &Call<'_>) -> CallToolResponse {
    let can = call.capabilities();
    let given = &call.responses;
    if accepted(given, "name", "name").is_some() || sampled(given, "greeting").is_some() {
        return done("thank you");
    }
    let mut requests = Vec::new();
    if can.elicitation.is_some() {
        requests.push(("name", form("What is your name?", "name", "string")));
    }
    if can.sampling.is_some() {
        requests.push(("greeting", sampling("Generate a greeting", 50)));
    }
    if requests.is_empty() { done("this client can be asked nothing") } else { ask(requests, None) }
}

fn seal(call: &Call<'_>, state: &str) -> String {
    let options = SealOptions::new().associated_data(call.name.as_bytes()).ttl(ROUND);
    call.offer.state.codec.seal_with(state.as_bytes(), &options)
}

fn open(call: &Call<'_>, sealed: &str) -> Result<String, ErrorData> {
    call.offer
        .state
        .codec
        .open_with(sealed, call.name.as_bytes())
        .ok()
        .and_then(|state| String::from_utf8(state).ok())
        .ok_or_else(|| ErrorData::new(ErrorCode::INVALID_PARAMS, "Invalid or expired requestState", None))
}

fn ask<'a>(requests: impl IntoIterator<Item = (&'a str, Value)>, state: Option<String>) -> CallToolResponse {
    required(requests, state).into()
}

fn required<'a>(
    requests: impl IntoIterator<Item = (&'a str, Value)>,
    state: Option<String>,
) -> InputRequiredResult {
    let requests: InputRequests = requests
        .into_iter()
        .filter_map(|(key, request)| {
            let request: InputRequest = serde_json::from_value(request).ok()?;
            Some((key.to_owned(), request))
        })
        .collect::<BTreeMap<_, _>>();
    InputRequiredResult::new(Some(requests), state)
}

fn form(message: &str, field: &str, kind: &str) -> Value {
    let schema = json!({ "type": "object", "properties": { field: { "type": kind } }, "required": [field] });
    json!({
        "method": "elicitation/create",
        "params": { "mode": "form", "message": message, "requestedSchema": schema },
    })
}

fn sampling(question: &str, max_tokens: u32) -> Value {
    let message = json!({ "role": "user", "content": { "type": "text", "text": question } });
    json!({
        "method": "sampling/createMessage",
        "params": { "messages": [message], "maxTokens": max_tokens },
    })
}

fn list_roots() -> Value {
    json!({ "method": "roots/list" })
}

/// The field of a form that was accepted.
fn accepted(given: &InputResponses, key: &str, field: &str) -> Option<String> {
    let response = given.get(key)?;
    if response.get("action")? != "accept" {
        return None;
    }
    match response.get("content")?.get(field)? {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

fn sampled(given: &InputResponses, key: &str) -> Option<String> {
    Some(given.get(key)?.get("content")?.get("text")?.as_str()?.to_owned())
}

fn roots(given: &InputResponses, key: &str) -> Option<String> {
    let roots = given.get(key)?.get("roots")?.as_array()?;
    Some(roots.iter().filter_map(|root| root.get("uri")?.as_str()).collect::<Vec<_>>().join(", "))
}
