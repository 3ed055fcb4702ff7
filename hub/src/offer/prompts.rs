//! Which prompts are there, and how are their arguments completed?

use rmcp::{
    ErrorData,
    model::{
        ContentBlock, GetPromptRequestParams, GetPromptResponse, GetPromptResult, Prompt, PromptArgument,
        PromptMessage, ResourceContents, Role,
    },
};

use super::{rounds, suite::PIXEL};

/// What an argument may be completed to, in this order.
const WORDS: [&str; 6] = ["paris", "park", "party", "test", "testValue1", "testValue2"];

pub(super) fn list(extra: bool) -> Vec<Prompt> {
    let required =
        |name: &str, what: &str| PromptArgument::new(name).with_description(what).with_required(true);
    let prompt = |name: &str, what: &str, arguments: Vec<PromptArgument>| {
        Prompt::new(name, Some(what), (!arguments.is_empty()).then_some(arguments))
    };
    let mut prompts = vec![
        prompt("test_simple_prompt", "A prompt without arguments.", Vec::new()),
        prompt(
            "test_prompt_with_arguments",
            "A prompt that shows its two arguments.",
            vec![required("arg1", "First test argument"), required("arg2", "Second test argument")],
        ),
        prompt(
            "test_prompt_with_embedded_resource",
            "A prompt with a resource inside.",
            vec![required("resourceUri", "URI of the resource to embed")],
        ),
        prompt("test_prompt_with_image", "A prompt with a picture inside.", Vec::new()),
        prompt("test_input_required_result_prompt", "A prompt that asks for its context first.", Vec::new()),
    ];
    if extra {
        prompts.push(prompt("test_extra_prompt", "A prompt that comes and goes.", Vec::new()));
    }
    prompts
}

pub(super) fn get(request: &GetPromptRequestParams) -> Result<GetPromptResponse, ErrorData> {
    let argument = |name: &str| {
        request
            .arguments
            .as_ref()
            .and_then(|arguments| arguments.get(name))
            .and_then(|value| value.as_str())
            .ok_or_else(|| ErrorData::invalid_params(format!("the argument {name} is missing"), None))
    };
    let messages = match request.name.as_str() {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments" => {
            let (first, second) = (argument("arg1")?, argument("arg2")?);
            vec![text(format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))]
        }
        "test_prompt_with_embedded_resource" => {
            let resource =
                ResourceContents::text("Embedded resource content for testing.", argument("resourceUri")?)
                    .with_mime_type("text/plain");
            vec![
                PromptMessage::new(Role::User, ContentBlock::resource(resource)),
                text("Please process the embedded resource above."),
            ]
        }
        "test_prompt_with_image" => vec![
            PromptMessage::new(Role::User, ContentBlock::image(PIXEL, "image/png")),
            text("Please analyze the image above."),
        ],
        "test_input_required_result_prompt" => return Ok(rounds::prompt(request.input_responses.as_ref())),
        "test_extra_prompt" => vec![text("Here today.")],
        other => return Err(ErrorData::invalid_params(format!("Unknown prompt: {other}"), None)),
    };
    Ok(GetPromptResult::new(messages).into())
}

/// What a half-written argument may become.
pub(super) fn complete(start: &str) -> Vec<String> {
    WORDS.into_iter().filter(|word| word.starts_with(start)).map(str::to_owned).collect()
}

pub(super) fn text(text: impl Into<String>) -> PromptMessage {
    PromptMessage::new_text(Role::User, text)
}
