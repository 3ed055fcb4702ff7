//! Every verb from its flags to what it prints.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use mcphub_routing::{
    Algorithm, Generation, HubId, HubSpec, HubType, LocationName, PlaceName, PlaceResidency, PlaceSpec,
    Reach, ResidencyId, ResidencySpec, TableSpec,
};
use serde_json::Value;

use super::*;

/// A gateway that never runs, with two hubs, and clients from two places.
struct Stand;

impl Handlers for Stand {
    fn run_gateway(&self, args: &RunArgs) -> Result<(), Failure> {
        Err(Failure::Usage(format!("{args:?}")))
    }

    fn place(&self, _: &Settings, client: IpAddr) -> Result<Placement, Failure> {
        let hub = |id: &str, kind, location: &str| {
            HubSpec::new(HubId::new(id).expect("a name"), kind, LocationName::new(location).expect("a name"))
        };
        let reach = |cost_ms| Reach { cost_ms, within_radius: false };
        let place = |name: &str, residency, costs: [u32; 2]| PlaceSpec {
            name: PlaceName::from(name),
            residency,
            reach: costs.map(reach).to_vec(),
        };
        let eu = ResidencySpec {
            id: ResidencyId::new("eu").expect("a name"),
            hubs_in: vec![LocationName::new("eu-central").expect("a name")],
        };
        let spec = TableSpec {
            algorithm: Algorithm::Geographic,
            hubs: vec![
                hub("us-east-1", HubType::Primary, "us-east"),
                hub("eu-central-1", HubType::Primary, "eu-central"),
            ],
            residencies: vec![eu],
            places: vec![
                place("us", PlaceResidency::Anywhere, [10, 70]),
                place("de", PlaceResidency::Rule(0), [70, 10]),
                place("nowhere", PlaceResidency::Refused, [1, 1]),
            ],
        };
        let table = RoutingTable::build(&spec, Generation::FIRST).map_err(anyhow::Error::from)?;
        let (region, country) = match client.to_string().as_str() {
            "192.0.2.1" => (0, "US"),
            "192.0.2.2" => (1, "DE"),
            _ => (2, "-"),
        };
        let found = vec![("country", country.to_owned())];
        Ok(Placement { table, region: PlaceIndex::new(region), residency: Residency::OfRegion, found })
    }
}

/// Runs a command line; what it printed and its exit status.
fn check(line: &[&str]) -> (String, u8) {
    let typed = std::iter::once("mcphub-edge").chain(line.iter().copied());
    let cli = match Cli::try_parse_from(typed) {
        Ok(cli) => cli,
        Err(error) => return (error.to_string(), u8::try_from(error.exit_code()).expect("small")),
    };
    let mut out = Vec::new();
    let result = dispatch(cli.verb, &Stand, &mut out);
    let mut text = String::from_utf8(out).expect("UTF-8");
    let status = result.map_or_else(
        |failure| {
            text.push_str(&failure.to_string());
            failure.status()
        },
        |()| 0,
    );
    (text, status)
}

/// The demo's configuration serves as an example of a sound one.
fn sound_file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("temp");
    let path = folder.path().join("edge.toml");
    std::fs::write(&path, demo::tests::configuration()).expect("written");
    (folder, path)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn the_flags_are_declared_consistently() {
    Cli::command().debug_assert();
}

#[test]
fn wrong_use_is_status_2_and_help_is_0() {
    for line in
        [&["run"][..], &["nonsense"], &["check"], &["route", "--config", "x"], &["hub", "--listen", "x"]]
    {
        assert_eq!(check(line).1, 2, "{line:?}");
    }
    assert_eq!(check(&["--help"]).1, 0);
    assert_eq!(check(&["--version"]), (format!("mcphub-edge {}\n", env!("CARGO_PKG_VERSION")), 0));
    assert!(check(&[]).0.contains("Usage"));
}

#[test]
fn run_passes_its_flags_on() {
    let (said, status) = check(&["run", "--config", "edge.toml", "--upgrade"]);
    assert!(said.contains("\"edge.toml\"") && said.contains("upgrade: true"), "{said}");
    assert_eq!(status, 2);
}

#[test]
fn check_says_that_a_sound_file_is_sound() {
    let (_folder, path) = sound_file();
    for line in [["check", text(&path)].as_slice(), &["check", "--config", text(&path)]] {
        let (said, status) = check(line);
        assert_eq!(status, 0, "{said}");
        assert!(said.contains(": ok, 4 hubs, 1 listener, revision "), "{said}");
    }
    let (said, status) = check(&["check", "--json", text(&path)]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&said["ok"], status), (&Value::Bool(true), 0));
    assert_eq!(said["revision"].as_str().map(str::len), Some(16));
}

#[test]
fn check_reports_every_mistake_and_status_3() {
    let (_folder, path) = sound_file();
    let broken = demo::tests::configuration()
        .replace("type = \"edge\"", "type = \"egde\"")
        .replace("algorithm = ", "algoritm = ");
    std::fs::write(&path, broken).expect("written");
    let (said, status) = check(&["check", text(&path)]);
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("egde") && said.contains("algoritm") && said.contains("mistakes"), "{said}");
    assert!(said.contains("edge.toml:"), "{said}");
    let (said, status) = check(&["check", "--json", text(&path)]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&said["ok"], status), (&Value::Bool(false), 3));
    assert!(said["findings"].as_array().is_some_and(|findings| findings.len() >= 2), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_a_mistake_of_the_configuration() {
    for line in
        [&["check", "/nowhere/edge.toml"][..], &["route", "-c", "/nowhere/edge.toml", "--client-ip", "::1"]]
    {
        let (said, status) = check(line);
        assert_eq!(status, 3, "{said}");
        assert!(said.contains("/nowhere/edge.toml"), "{said}");
    }
}

fn route(client: &str, json: bool) -> String {
    let (_folder, path) = sound_file();
    let mut line = vec!["route", "--config", text(&path), "--client-ip", client, "--era", "modern"];
    line.extend(json.then_some("--json"));
    let (said, status) = check(&line);
    assert_eq!(status, 0, "{said}");
    said
}

#[test]
fn route_explains_in_words() {
    let said = route("192.0.2.1", false);
    for part in [
        "192.0.2.1, modern era",
        "country      US",
        "residency    any location",
        "primaries\n  us-east-1",
        "10 ms",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert!(said.ends_with("the request goes to us-east-1\n"), "{said}");
    let bound = route("192.0.2.2", false);
    assert!(bound.contains("residency    eu\n"), "{bound}");
    assert!(bound.contains("outside the client's residency"), "{bound}");
    assert!(bound.ends_with("the request goes to eu-central-1\n"), "{bound}");
    let refused = route("192.0.2.3", false);
    assert!(refused.contains("the request is refused: a residency rule might bind"), "{refused}");
}

#[test]
fn route_explains_to_programs() {
    let said: Value = serde_json::from_str(&route("192.0.2.2", true)).expect("JSON");
    assert_eq!(said["hub"], "eu-central-1");
    assert_eq!(said["residency"], "eu");
    assert_eq!(said["found"]["country"], "DE");
    assert_eq!(said["groups"][0]["hubs"][1]["verdicts"][0], "outside the client's residency");
    assert_eq!(said["refusal"], Value::Null);
    let said: Value = serde_json::from_str(&route("192.0.2.3", true)).expect("JSON");
    assert_eq!((&said["hub"], &said["refusal"]["reason"]), (&Value::Null, &"unplaced".into()));
}

#[test]
fn completions_and_the_manual_know_every_verb() {
    let verbs = [
        "run",
        "check",
        "route",
        "demo",
        "hub",
        "status",
        "hubs",
        "drain",
        "undrain",
        "failover",
        "failovers",
        "report",
        "reload",
        "config-schema",
        "completions",
    ];
    let (man, status) = check(&["man"]);
    assert_eq!(status, 0);
    for verb in verbs {
        let heading = format!(".SH \"MCPHUB-EDGE {}\"", verb.to_uppercase());
        assert!(man.contains(&heading), "{heading} is not in the page");
    }
    assert!(!man.contains("ends\\-with"), "hidden flags stay hidden");
    for shell in ["bash", "zsh", "fish"] {
        let (script, status) = check(&["completions", shell]);
        assert_eq!(status, 0);
        assert!(verbs.iter().all(|verb| script.contains(verb)), "{shell}");
    }
}

#[test]
fn the_schema_is_json() {
    let (said, status) = check(&["config-schema"]);
    let schema: Value = serde_json::from_str(&said).expect("JSON");
    assert!(schema["properties"]["listener"].is_object(), "{said}");
    assert_eq!(status, 0);
}

/// An admin interface that gives one answer, and hands back what it was asked.
fn admin(answer: &'static str) -> (SocketAddr, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let serve = move || {
        let mut stream = listener.accept().expect("a question").0;
        let (mut asked, mut buffer) = (String::new(), [0; 4096]);
        // Every body that is sent here is JSON.
        while !asked.ends_with("\r\n\r\n") && !asked.ends_with('}') {
            let count = stream.read(&mut buffer).expect("readable");
            assert!(count > 0, "torn question: {asked:?}");
            asked.push_str(std::str::from_utf8(&buffer[..count]).expect("UTF-8"));
        }
        stream.write_all(answer.as_bytes()).expect("it listens");
        asked
    };
    (address, std::thread::spawn(serve))
}

#[test]
fn status_shows_what_the_gateway_says() {
    let body = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        47\r\n{\"generation\":7,\"hubs\":[{\"id\":\"us-east-1\",\"eras\":[\"legacy\",\"modern\"]}]}\r\n0\r\n\r\n";
    let (address, gateway) = admin(body);
    let (said, status) = check(&["status", "--admin", &address.to_string()]);
    assert_eq!(status, 0, "{said}");
    assert_eq!(
        said,
        "generation            7\nhubs[us-east-1].eras  legacy, modern\nhubs[us-east-1].id    us-east-1\n"
    );
    let asked = gateway.join().expect("asked once");
    assert!(asked.starts_with("GET /v1/status HTTP/1.1\r\n"), "{asked}");
    assert!(!asked.contains("Authorization"), "{asked}");
}

#[test]
fn a_refused_reload_is_a_failure_and_says_why() {
    let body =
        "HTTP/1.1 422 Unprocessable Content\r\nContent-Length: 26\r\n\r\n{\"error\":\"edge.toml:3: no\"}";
    for (answer, expected) in [(body, 1), ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 0)] {
        let (address, gateway) = admin(answer);
        let folder = tempfile::tempdir().expect("temp");
        let token = folder.path().join("token");
        std::fs::write(&token, "s3cret\n").expect("written");
        let line = ["reload", "--json", "--admin", &address.to_string(), "--token-file", text(&token)];
        let (said, status) = check(&line);
        assert_eq!(status, expected, "{said}");
        assert_eq!(said.contains("edge.toml:3"), expected == 1, "{said}");
        assert!(!said.contains("s3cret"), "{said}");
        let asked = gateway.join().expect("asked once");
        assert!(asked.starts_with("POST /v1/reload HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("\r\nAuthorization: Bearer s3cret\r\n"), "{asked}");
    }
}

/// One answer of an admin interface, with this body.
fn answer(status: &str, body: &str) -> &'static str {
    Box::leak(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_boxed_str())
}

#[test]
fn hubs_are_a_table_with_what_they_wait_for() {
    let hubs = serde_json::json!({ "hubs": [
        { "id": "us-east-1", "type": "primary", "location": "us-east", "health": "degraded", "sessions": 3,
          "state": { "name": "draining", "share": 0.0, "deadline_in_ms": 41_500 }, "in_flight": 1,
          "reason": "the operator says so", "wish": { "out": "drain", "note": "new disk" } },
        { "id": "us-west-1", "type": "edge", "location": "us-west", "health": "healthy", "sessions": 0,
          "state": { "name": "serving", "share": 0.125 }, "in_flight": 0, "reason": null,
          "wish": { "out": "now" }, "probe_error": "connection refused" },
    ]});
    let (address, gateway) = admin(answer("200 OK", &hubs.to_string()));
    let (said, status) = check(&["hubs", "--admin", &address.to_string()]);
    assert_eq!(status, 0, "{said}");
    let lines: Vec<Vec<&str>> = said
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(lines[0][..4], ["HUB", "TYPE", "LOCATION", "STATE"]);
    assert_eq!(lines[1][3..8], ["draining (41.5 s left)", "0 %", "degraded", "3", "1"]);
    assert_eq!(lines[1][8], "the operator says so; \"new disk\"");
    assert_eq!(lines[2][3..8], ["serving", "12.5 %", "healthy", "0", "0"]);
    assert_eq!(lines[2][8], "wanted out, and held up; connection refused");
    assert!(gateway.join().expect("asked once").starts_with("GET /v1/hubs HTTP/1.1\r\n"));
}

#[test]
fn an_order_is_sent_whole_and_its_answer_told() {
    let body =
        r#"{"hub":"a","state":"draining","message":"a takes nobody new","heldUp":null,"receivesHubId":"b"}"#;
    let (address, gateway) = admin(answer("200 OK", body));
    let line = ["drain", "a", "--yes", "--deadline", "5m", "--note", "disk", "--admin", &address.to_string()];
    assert_eq!(check(&line), ("a takes nobody new; new clients near this gateway go to b\n".to_owned(), 0));
    let asked = gateway.join().expect("asked once");
    assert!(asked.starts_with("POST /v1/drain HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("\r\nContent-Type: application/json\r\n"), "{asked}");
    assert!(asked.ends_with("\r\n\r\n{\"deadlineMs\":300000,\"hub\":\"a\",\"note\":\"disk\"}"), "{asked}");

    let failed = r#"{"success":false,"failedHubId":"a","reason":"nothing was done","heldUp":null}"#;
    let (address, gateway) = admin(answer("200 OK", failed));
    let line = ["failover", "a", "--to", "b", "--yes", "--admin", &address.to_string()];
    assert_eq!(check(&line), ("nothing was done\n".to_owned(), 1));
    let asked = gateway.join().expect("asked once");
    assert!(asked.contains("\"backupHubId\":\"b\",\"failedHubId\":\"a\""), "{asked}");
}

#[test]
fn a_refused_order_says_why_in_words_or_in_json() {
    for (flag, expected) in
        [(None, "mcphub-edge: there is no hub a\n"), (Some("--json"), "\"field\": \"hub\"")]
    {
        let (address, gateway) =
            admin(answer("404 Not Found", r#"{"error":"there is no hub a","field":"hub"}"#));
        let address = address.to_string();
        let line: Vec<&str> = ["undrain", "a", "--admin", &address].into_iter().chain(flag).collect();
        let (said, status) = check(&line);
        assert!(status == 1 && said.contains(expected), "{said}");
        gateway.join().expect("asked once");
    }
}

#[test]
fn a_name_that_is_no_hubs_is_not_asked_for() {
    for line in [&["hubs", "../status"][..], &["drain", "A b", "--yes"], &["failover", "", "--yes"]] {
        let (said, status) = check(line);
        assert!(status == 2 && said.contains("hub id"), "{line:?}: {said}");
    }
    for line in [&["drain", "a", "--deadline", "soon"][..], &["undrain", "a", "--timeout", "5s"]] {
        assert_eq!(check(line).1, 2, "{line:?}");
    }
}

#[test]
fn a_gateway_that_cannot_be_asked_is_a_failure_with_a_reason() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let (said, status) = check(&["status", "--admin", &free.to_string()]);
    assert!(status == 1 && said.contains(&format!("cannot connect to {free}")), "{said}");
    for (answer, expected) in [
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "--token-file"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ntorn", "middle"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not speak HTTP"),
        ("", "middle"),
    ] {
        let (address, gateway) = admin(answer);
        let (said, status) = check(&["status", "--admin", &address.to_string()]);
        assert!(status == 1 && said.contains(expected), "{answer:?}: {said}");
        gateway.join().expect("asked once");
    }
}

#[test]
fn each_failure_has_its_status() {
    let failures = [
        (Failure::Runtime(anyhow::anyhow!("x")), 1),
        (Failure::Told, 1),
        (Failure::Usage("x".into()), 2),
        (Failure::Config(Report::default()), 3),
    ];
    for (failure, status) in failures {
        assert_eq!(failure.status(), status);
    }
    let chain = anyhow::anyhow!("the cause").context("the attempt");
    assert_eq!(Failure::from(chain).to_string(), "mcphub-edge: the attempt: the cause\n");
}
