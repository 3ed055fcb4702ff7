//! Which resources are there to read?

use rmcp::{
    ErrorData,
    model::{CacheScope, ReadResourceResult, Resource, ResourceContents, ResourceTemplate},
};
use serde_json::json;

use super::suite::PIXEL;
use crate::state::{CLOCK, State};

const TEXT: &str = "test://static-text";
const BINARY: &str = "test://static-binary";
const WATCHED: &str = "test://watched-resource";
const HUB: &str = "hub://self";

pub(super) fn list() -> Vec<Resource> {
    vec![
        Resource::new(TEXT, "static-text")
            .with_description("A text that never changes.")
            .with_mime_type("text/plain"),
        Resource::new(BINARY, "static-binary")
            .with_description("A picture of one pixel.")
            .with_mime_type("image/png"),
        Resource::new(WATCHED, "watched-resource")
            .with_description("A text to subscribe to that never changes.")
            .with_mime_type("text/plain"),
        Resource::new(CLOCK, "clock")
            .with_description("Changes every second while somebody is subscribed, and when touched.")
            .with_mime_type("application/json"),
        Resource::new(HUB, "self").with_description("Which hub this is.").with_mime_type("application/json"),
    ]
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new("test://template/{id}/data", "template")
            .with_description("Some data for any id.")
            .with_mime_type("application/json"),
        ResourceTemplate::new("hub://value/{key}", "value")
            .with_description("What the tool `put` has stored under a key.")
            .with_mime_type("text/plain"),
    ]
}

pub(super) fn read(state: &State, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let text = |kind: &str, text: String| ResourceContents::text(text, uri).with_mime_type(kind);
    let missing = || ErrorData::resource_not_found("Resource not found", Some(json!({ "uri": uri })));
    // What stays as it is may be kept by everybody, what a hub says of itself by nobody.
    let (contents, fixed) = match uri {
        TEXT => (text("text/plain", "This is the content of the static text resource.".to_owned()), true),
        BINARY => (ResourceContents::blob(PIXEL, uri).with_mime_type("image/png"), true),
        WATCHED => (text("text/plain", "Nothing happens here.".to_owned()), true),
        CLOCK => (text("application/json", json!({ "tick": state.tick() }).to_string()), false),
        HUB => {
            let (args, boot) = (&state.args, &state.boot);
            let json = json!({ "hub": args.id, "location": args.location, "boot": boot });
            (text("application/json", json.to_string()), false)
        }
        _ => {
            if let Some(id) = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"))
            {
                let json = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
                (text("application/json", json.to_string()), true)
            } else {
                let key = uri.strip_prefix("hub://value/").ok_or_else(missing)?;
                (text("text/plain", state.value(key).ok_or_else(missing)?), false)
            }
        }
    };
    let (ttl, scope) = if fixed { (state.args.cache_ttl, state.scope()) } else { (0, CacheScope::Private) };
    Ok(ReadResourceResult::new(vec![contents]).with_ttl_ms(ttl).with_cache_scope(scope))
}
