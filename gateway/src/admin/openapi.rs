//! How is this interface told to programs? In OpenAPI 3.1, made from the very types that are read and written, so that
//! it cannot say anything else.

use super::operations::{Answer, Operation, operations};
use super::reply::Problem;
use schemars::generate::{Contract, SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// Where schemas stand in the document.
const SCHEMAS: &str = "/components/schemas";

/// Collects the schemas of what is read and of what is written.
pub(super) struct Schemas {
    asked: SchemaGenerator,
    answered: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let generator = |contract| {
            let mut settings = SchemaSettings::draft2020_12();
            settings.definitions_path = SCHEMAS.into();
            settings.meta_schema = None;
            settings.contract = contract;
            settings.into_generator()
        };
        Self { asked: generator(Contract::Deserialize), answered: generator(Contract::Serialize) }
    }

    /// A reference to the schema of a body that is read.
    pub(super) fn asked<T: JsonSchema>(&mut self) -> Schema {
        self.asked.subschema_for::<T>()
    }

    /// A reference to the schema of an answer.
    pub(super) fn answered<T: JsonSchema>(&mut self) -> Schema {
        self.answered.subschema_for::<T>()
    }

    fn all(mut self) -> Map<String, Value> {
        let mut all = self.asked.take_definitions(true);
        all.extend(self.answered.take_definitions(true));
        all
    }
}

/// The document of a gateway with a token, or of one without.
pub(super) fn document(with_token: bool) -> Value {
    let mut schemas = Schemas::new();
    let problem = schemas.answered::<Problem>();
    let mut paths = Map::new();
    for operation in operations(&mut schemas) {
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        let method = if operation.body.is_some() || !operation.route.reads() { "post" } else { "get" };
        item[method] = told(&operation, &problem, with_token);
        if method == "get" {
            item["head"] = head(&operation, with_token);
        }
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "MCPHub Edge, admin interface",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What an operator may see and have done. What is looked at has names in snake case; what \
                is ordered, and the answer to it, in camel case. Times are in milliseconds, shares from 0 to 1, and \
                what is not known is null. Parameters and fields that are not known are refused. HTTP/1.1 only.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": [
            { "name": "process", "description": "For balancers, supervisors and scrapers." },
            { "name": "fleet", "description": "The hubs, the table, and what was decided." },
            { "name": "orders", "description": "What an operator may have done." },
        ],
        "paths": paths,
        "components": { "schemas": schemas.all() },
    });
    if with_token {
        document["components"]["securitySchemes"] =
            json!({ "token": { "type": "http", "scheme": "bearer" } });
        document["security"] = json!([{ "token": [] }]);
    }
    document
}

fn told(operation: &Operation, problem: &Schema, with_token: bool) -> Value {
    let mut responses = Map::new();
    for Answer { status, what, media_type, schema } in &operation.answers {
        let schema = schema.as_ref().map_or_else(|| json!({ "type": "string" }), |schema| json!(schema));
        let response = responses
            .entry(status.to_string())
            .or_insert_with(|| json!({ "description": what, "content": {} }));
        // The same answer may be had in two forms.
        response["content"][*media_type] = json!({ "schema": schema });
    }
    for (status, what) in problems(operation, with_token) {
        let mut response =
            json!({ "description": what, "content": { "application/json": { "schema": problem } } });
        if status == 401 {
            response["headers"] = json!({ "www-authenticate": { "schema": { "const": "Bearer" } } });
        }
        responses.entry(status.to_string()).or_insert(response);
    }
    let mut told = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "responses": responses,
    });
    if let Some(description) = operation.description {
        told["description"] = json!(description);
    }
    if !operation.parameters.is_empty() {
        told["parameters"] = json!(operation.parameters);
    }
    if let Some(body) = &operation.body {
        told["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": body } } });
    }
    if with_token && operation.route.is_public() {
        told["security"] = json!([]);
    }
    told
}

/// The head of the answer to GET. It has no body, whatever came of it.
fn head(operation: &Operation, with_token: bool) -> Value {
    let mut head = json!({
        "operationId": format!("{}Head", operation.id),
        "tags": [operation.tag],
        "summary": format!("{} The head only.", operation.summary),
        "responses": {},
    });
    for answer in &operation.answers {
        head["responses"][answer.status.to_string()] = json!({ "description": answer.what });
    }
    for (status, what) in problems(operation, with_token) {
        head["responses"][status.to_string()] = json!({ "description": what });
    }
    if !operation.parameters.is_empty() {
        head["parameters"] = json!(operation.parameters);
    }
    if with_token && operation.route.is_public() {
        head["security"] = json!([]);
    }
    head
}

/// What may speak against any operation like this one.
fn problems(operation: &Operation, with_token: bool) -> Vec<(u16, &'static str)> {
    let mut problems = vec![
        (400, "It cannot be read: a parameter, the JSON or the HTTP is wrong."),
        (408, "It did not come in time."),
        (414, "The target is too long."),
        (431, "The head is too large."),
    ];
    if !operation.route.is_public() {
        problems.push(if with_token {
            (401, "The bearer token is missing or wrong.")
        } else {
            (403, "Without a token, only this machine is served, and no web page of another origin.")
        });
    }
    if operation.path.starts_with("/v1/") && operation.path != "/v1/openapi.json" {
        problems.push((503, "The gateway is stopping, or too busy to answer now."));
    }
    if !operation.route.reads() {
        problems.push((413, "The body is larger than 64 KiB."));
    }
    if operation.body.is_some() {
        problems.push((404, "There is no hub of this name; `field` says which."));
        problems.push((415, "The body is not declared as `application/json`."));
        problems.push((422, "A field is missing, unknown, or of another kind; `field` says which."));
    }
    problems.extend(operation.problems.iter().copied());
    problems
}

#[cfg(test)]
mod tests {
    use super::super::routes::PATHS;
    use super::*;

    #[test]
    fn every_route_is_in_the_document_with_its_methods() {
        let document = document(true);
        let paths = document["paths"].as_object().expect("paths");
        assert_eq!(paths.len(), PATHS.len());
        for (path, route) in PATHS {
            let methods: Vec<&str> =
                paths[path].as_object().expect(path).keys().map(String::as_str).collect();
            assert_eq!(methods, if route.reads() { &["get", "head"][..] } else { &["post"] }, "{path}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        for with_token in [true, false] {
            let document = document(with_token);
            let text = document.to_string();
            let mut used = std::collections::BTreeSet::new();
            for reference in text.split("\"$ref\":\"#").skip(1) {
                let pointer = reference.split('"').next().expect("a string ends");
                assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
                used.insert(pointer.to_owned());
            }
            for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
                assert!(used.contains(&format!("{SCHEMAS}/{name}")), "nothing uses {name}");
            }
        }
    }

    #[test]
    fn a_token_is_spoken_of_where_there_is_one() {
        let with = document(true);
        assert_eq!(with["security"], json!([{ "token": [] }]));
        assert_eq!(with["paths"]["/livez"]["get"]["security"], json!([]));
        assert!(with["paths"]["/v1/status"]["get"]["responses"]["401"].is_object());
        let without = document(false);
        assert_eq!(without.get("security"), None);
        assert!(without["paths"]["/v1/status"]["get"]["responses"]["403"].is_object());
    }
}
