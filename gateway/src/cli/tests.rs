//! Every verb from its flags to what it prints.

use std::path::{Path, PathBuf};

use mcphub_routing::{
    Algorithm, Generation, HubId, HubSpec, HubType, LocationName, PlaceName, PlaceResidency, PlaceSpec,
    Reach, ResidencyId, ResidencySpec, TableSpec,
};
use serde_json::Value;

use super::*;

mod operators;
mod simulate;

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
        "predictor",
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
