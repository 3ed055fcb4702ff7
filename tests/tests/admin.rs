//! Is the admin interface what its document says, whoever asks and however badly?

#![allow(clippy::print_stdout, reason = "what was tested is worth reading when the test passes")]

use mcphub_tests::admin::{Desk, operate};
use mcphub_tests::{Config, Gateway, Hub, PATIENCE, python_program};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

const TOKEN: &str = "correct-horse-battery-staple";

/// Two hubs, and a gateway that wants a token.
async fn start(level: &str) -> (Vec<Hub>, TempDir, Gateway) {
    let files = TempDir::new().expect("a folder");
    let token = files.path().join("admin.token");
    std::fs::write(&token, format!("{TOKEN}\n")).expect("written");
    let hubs = vec![
        Hub::start("us-east-1", "us-east", &[]).await.expect("a hub"),
        Hub::start("us-west-1", "us-west", &[]).await.expect("a hub"),
    ];
    let keys = format!("token_file = {token:?}");
    let mut config = Config::new().admin_keys(&keys).section(&format!("[log]\nlevel = {level:?}"));
    for hub in &hubs {
        config = config.hub(hub, "primary");
    }
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    (hubs, files, gateway)
}

/// Schemathesis makes hundreds of requests out of the document, good and bad, and holds every answer against it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_nothing() {
    let (_hubs, _files, gateway) = start("info").await;
    let document = format!("http://{}/v1/openapi.json", gateway.admin());
    let mut command = Command::new(python_program("schemathesis", "schemathesis").expect("schemathesis"));
    command.args(["run", &document, "--header", &format!("Authorization: Bearer {TOKEN}")]);
    command.args([
        "--checks",
        "all",
        "--max-examples",
        "6",
        "--seed",
        "1",
        "--no-color",
        "--warnings",
        "off",
    ]);
    command.current_dir(gateway.directory()).kill_on_drop(true);
    let output =
        tokio::time::timeout(PATIENCE * 8, command.output()).await.expect("an end").expect("a start");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let tested = said.lines().filter(|line| line.contains("generated") || line.contains("Tested:"));
    println!("{}", tested.collect::<Vec<_>>().join("\n"));
    let desk = Desk::open(&gateway, Some(TOKEN)).await.expect("it is there, and well");
    let operations = desk.document()["paths"].as_object().expect("paths").values();
    let count: usize = operations.filter_map(Value::as_object).map(serde_json::Map::len).sum();
    // All but the one that it has the document from.
    assert!(said.contains(&format!("Tested: {}", count - 1)), "{count} operations: {said}");
}

/// What is wrong, with what it must be answered.
struct Wrong {
    method: &'static str,
    target: &'static str,
    content_type: &'static str,
    body: String,
    expected: (u16, Option<&'static str>),
}

fn wrong(method: &'static str, target: &'static str, status: u16, field: Option<&'static str>) -> Wrong {
    let content_type = if method == "POST" { "application/json" } else { "" };
    Wrong { method, target, content_type, body: String::new(), expected: (status, field) }
}

fn bad(target: &'static str, body: &Value, status: u16, field: Option<&'static str>) -> Wrong {
    Wrong { body: body.to_string(), ..wrong("POST", target, status, field) }
}

fn every_wrong_question() -> Vec<Wrong> {
    let hub = json!({ "hub": "us-east-1" });
    vec![
        wrong("GET", "/v1/nothing", 404, None),
        wrong("GET", "/v1/hubs/atlantis", 404, Some("id")),
        wrong("GET", "/v1/hubs/A%20B", 404, Some("id")),
        wrong("GET", "/v1/table?place=XX", 404, Some("place")),
        wrong("GET", "/v1/table?plaice=DE", 400, Some("plaice")),
        wrong("GET", "/v1/status?verbose", 400, Some("verbose")),
        wrong("GET", "/v1/report?format=html", 400, Some("format")),
        wrong("GET", "/v1/failovers?limit=0", 400, Some("limit")),
        wrong("GET", "/v1/failovers?limit=ten", 400, Some("limit")),
        wrong("GET", "/v1/failovers?limit=5&limit=6", 400, Some("limit")),
        bad("/v1/drain", &json!({}), 422, Some("hub")),
        bad("/v1/drain", &json!([]), 422, None),
        bad("/v1/drain", &json!({ "hub": 7 }), 422, Some("hub")),
        bad("/v1/drain", &json!({ "hub": "atlantis" }), 404, Some("hub")),
        bad("/v1/drain", &json!({ "hub": "us-east-1", "deadline": 5 }), 422, Some("deadline")),
        bad("/v1/drain", &json!({ "hub": "us-east-1", "deadlineMs": -5 }), 422, Some("deadlineMs")),
        bad("/v1/undrain", &json!({ "hub": "us-east-1", "note": "x" }), 422, Some("note")),
        bad("/v1/undrain?hub=us-east-1", &hub, 400, Some("hub")),
        bad("/v1/executeFailover", &json!({ "failedHubId": "atlantis" }), 404, Some("failedHubId")),
        bad(
            "/v1/executeFailover",
            &json!({ "failedHubId": "us-east-1", "backupHubId": "atlantis" }),
            404,
            Some("backupHubId"),
        ),
        bad(
            "/v1/switchTraffic",
            &json!({ "fromHubId": "us-east-1", "toHubId": "us-west-1", "percentage": 101 }),
            422,
            Some("percentage"),
        ),
        bad(
            "/v1/switchTraffic",
            &json!({ "fromHubId": "us-east-1", "toHubId": "us-east-1", "percentage": 1 }),
            409,
            Some("toHubId"),
        ),
        bad("/v1/migrateUserSessions", &json!({ "toHubId": "us-west-1" }), 422, Some("fromHubId")),
        bad("/v1/migrateUserSessions", &json!({ "fromHubId": "atlantis" }), 404, Some("fromHubId")),
        bad(
            "/v1/migrateUserSessions",
            &json!({ "fromHubId": "us-east-1", "toHubId": "atlantis" }),
            404,
            Some("toHubId"),
        ),
        bad(
            "/v1/migrateUserSessions",
            &json!({ "fromHubId": "us-east-1", "toHubId": "us-east-1" }),
            409,
            Some("toHubId"),
        ),
        bad(
            "/v1/migrateUserSessions",
            &json!({ "fromHubId": "us-east-1", "sessions": 0 }),
            422,
            Some("sessions"),
        ),
        wrong("GET", "/v1/sessions?hub=us-east-1", 400, Some("hub")),
        bad("/v1/validateFailover", &json!({ "failedHubId": "us-east-1" }), 422, Some("backupHubId")),
        bad("/v1/reload", &json!({}), 400, None),
        Wrong { body: "{\"hub\":".to_owned(), ..wrong("POST", "/v1/drain", 400, None) },
        Wrong { body: "\u{fe}".to_owned(), ..wrong("POST", "/v1/drain", 400, None) },
        wrong("POST", "/v1/drain", 400, None),
        Wrong { content_type: "text/plain", body: hub.to_string(), ..wrong("POST", "/v1/drain", 415, None) },
        Wrong { content_type: "", body: hub.to_string(), ..wrong("POST", "/v1/drain", 415, None) },
        Wrong { body: " ".repeat(65 * 1024), ..wrong("POST", "/v1/drain", 413, None) },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_questions_are_told_apart_and_change_nothing() {
    let (_hubs, _files, gateway) = start("info").await;
    let desk = Desk::open(&gateway, Some(TOKEN)).await.expect("a document");
    for Wrong { method, target, content_type, body, expected: (status, field) } in every_wrong_question() {
        let field_line = format!("Content-Type: {content_type}");
        let fields: &[&str] = if content_type.is_empty() { &[] } else { &[&field_line] };
        let answer = desk.send(method, target, fields, &body).await.expect(target);
        let said = answer.json();
        assert_eq!(answer.status, status, "{method} {target}: {said}");
        assert!(said["error"].as_str().is_some_and(|error| !error.is_empty()), "{target}: {said}");
        assert_eq!(said["field"].as_str(), field, "{method} {target}: {said}");
        if target != "/v1/nothing" {
            desk.check(method, target, &answer).expect("as documented");
        }
    }
    for (target, allow) in [("/v1/status", "GET, HEAD"), ("/v1/drain", "POST"), ("/livez", "GET, HEAD")] {
        for method in ["DELETE", "PUT", "OPTIONS", if allow == "POST" { "GET" } else { "POST" }] {
            let answer = desk.send(method, target, &[], "").await.expect(target);
            assert_eq!((answer.status, answer.field("allow")), (405, Some(allow)), "{method} {target}");
        }
    }
    for target in ["/livez", "/metrics", "/v1/hubs", "/v1/table?place=DE", "/v1/openapi.json"] {
        let head = desk.send("HEAD", target, &[], "").await.expect(target);
        let get = desk.send("GET", target, &[], "").await.expect(target);
        assert_eq!((head.status, get.status), (200, 200), "{target}");
        assert_eq!(head.field("content-type"), get.field("content-type"), "{target}");
    }
    let (_, table) = desk.get("/v1/table").await.expect("the table");
    assert_eq!((&table["generation"], &table["hubs"][0]["state"]), (&json!(1), &json!("serving")), "{table}");
}

/// With a token, nobody else is served; and nobody ever reads the token anywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_opens_everything_and_appears_nowhere() {
    let (_hubs, files, mut gateway) = start("trace").await;
    let desk = Desk::open(&gateway, Some(TOKEN)).await.expect("a document");
    let mut said = String::new();
    let paths: Vec<String> = desk.document()["paths"].as_object().expect("paths").keys().cloned().collect();
    for path in &paths {
        let target = path.replace("{id}", "us-east-1");
        let public = ["/livez", "/readyz"].contains(&path.as_str());
        let reads = desk.document()["paths"][path]["get"].is_object();
        let method = if reads { "GET" } else { "POST" };
        let near = format!("{TOKEN}x");
        for other in [None, Some("wrong"), Some(near.as_str()), Some(&TOKEN[1..])] {
            let fields = other.map(|token| format!("Authorization: Bearer {token}"));
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            let stranger = desk.without_token();
            let answer = stranger.send(method, &target, &fields, "").await.expect("an answer");
            assert_eq!(answer.status, if public { 200 } else { 401 }, "{target} {other:?}");
            if !public {
                assert_eq!(answer.field("www-authenticate"), Some("Bearer"), "{target}");
                desk.check(method, &target, &answer).expect("as documented");
            }
            // What a stranger sends is a secret of somebody's, too.
            assert!(!answer.text().contains(&TOKEN[1..]), "{target}: {}", answer.text());
        }
        let answer =
            desk.send(method, &target, &["Content-Type: application/json"], "{}").await.expect("an answer");
        said += &answer.text();
        for (name, value) in &answer.fields {
            said += &format!("{name}: {value}\n");
        }
    }
    let file = files.path().join("admin.token");
    let file = file.to_str().expect("UTF-8");
    let config = gateway.config_path();
    let config = config.to_str().expect("UTF-8");
    for (flags, status) in [
        (&["status"][..], 1),
        (&["status", "--token-file", file], 0),
        (&["hubs", "--config", config], 0),
        (&["drain", "us-west-1", "--yes", "--json", "--token-file", file], 0),
    ] {
        let output = operate(&gateway, flags).await.expect("an end");
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        assert_eq!(output.status.code(), Some(status), "{flags:?}: {printed}");
        said += &printed;
    }
    gateway.process.kill().await.expect("gone");
    said += &gateway.process.stdout();
    said += &gateway.process.stderr();
    assert!(said.contains("\"us-east-1\"") && said.contains("serving"), "something was said");
    assert!(!said.contains(TOKEN), "the token was told");
}
