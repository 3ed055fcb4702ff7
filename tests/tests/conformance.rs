//! Does the public conformance suite see the same server through the gateway as without it?
//!
//! Every set runs twice, each time against a server of its own: direct and through the gateway. The harness is
//! proven by two relays, one that changes nothing and one that does what a careless proxy does.

#![allow(clippy::print_stdout, reason = "the figures are worth reading when the test passes")]

use std::collections::BTreeSet;
use std::net::SocketAddr;

use mcphub_tests::conformance::{Check, Difference, Results};
use mcphub_tests::relay::{Relay, Swaps};
use mcphub_tests::{Config, Gateway, Hub, Process, free_address, node, node_package, until};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

/// Required checks that our hub fails, and why; see `hub/CONFORMANCE.md`. A check that passes again must leave.
const KNOWN: &str = include_str!("conformance_known.txt");

/// Checks that `server-everything` fails by itself and passes behind the gateway.
const BETTER: &str = include_str!("conformance_better.txt");

/// The lines of a list that speak of `revision`: `revision scenario check # why`.
fn listed(list: &str, revision: &str) -> BTreeSet<Check> {
    let lines = list.lines().map(|line| line.split('#').next().unwrap_or_default());
    let entries = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    entries
        .filter_map(|entry| match entry[..] {
            [] => None,
            [r, scenario, check] => Some((r == revision).then(|| (scenario.to_owned(), check.to_owned()))),
            ref other => panic!("a line of three words was expected: {other:?}"),
        })
        .flatten()
        .collect()
}

fn print_table(revision: &str, server: &str, rows: &[(&str, &Results)]) {
    println!("\n| {server}, requirements {revision} | scenarios | scored | all |\n|---|---|---|---|");
    for (way, results) in rows {
        println!("| {way} | {} | {} | {} |", results.scenarios(), results.scored(), results.total());
    }
}

fn print_differences(differences: &[Difference]) -> String {
    differences.iter().map(|difference| format!("  {difference}\n")).collect()
}

async fn hub() -> Hub {
    Hub::start("us-east-1", "us-east", &[]).await.expect("a hub")
}

async fn check_our_hub(revision: &str) {
    let alone = hub().await;
    let direct = Results::of(&alone.url(), revision).await.expect("a direct run");
    drop(alone);
    let behind = hub().await;
    let gateway = Gateway::start(Config::new().hub(&behind, "primary")).await.expect("a gateway");
    let via = Results::of(&gateway.url(), revision).await.expect("a run through the gateway");

    print_table(revision, "our hub", &[("direct", &direct), ("through the gateway", &via)]);
    let failures = direct.scored_failures();
    println!("required checks that fail directly: {failures:?}");
    assert_eq!(failures, listed(KNOWN, revision), "against conformance_known.txt");
    let differences = direct.differences(&via);
    assert!(differences.is_empty(), "direct -> through the gateway:\n{}", print_differences(&differences));
}

#[tokio::test]
async fn our_hub_is_the_same_through_the_gateway_2025_11_25() {
    check_our_hub("2025-11-25").await;
}

#[tokio::test]
async fn our_hub_is_the_same_through_the_gateway_2026_07_28() {
    check_our_hub("2026-07-28").await;
}

/// The reference server of the protocol's own project. By itself it listens on every interface; the preload
/// keeps it on loopback.
struct Everything {
    address: SocketAddr,
    _process: Process,
    _directory: TempDir,
}

impl Everything {
    async fn start() -> Self {
        let address = free_address();
        let directory = TempDir::new().expect("a folder");
        let server = node_package("@modelcontextprotocol/server-everything").expect("server-everything");
        let mut command = Command::new(node().expect("node"));
        command.arg("--import").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/clients/node/loopback.mjs"));
        command.arg(server.join("dist/index.js")).arg("streamableHttp");
        command.env("PORT", address.port().to_string());
        let process = Process::spawn("everything", directory.path(), command).expect("server-everything");
        until("server-everything", async || TcpStream::connect(address).await).await.expect("it listens");
        Self { address, _process: process, _directory: directory }
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}

#[tokio::test]
async fn server_everything_is_the_same_or_better_through_the_gateway() {
    let revision = "2025-11-25";
    let alone = Everything::start().await;
    let direct = Results::of(&alone.url(), revision).await.expect("a direct run");
    drop(alone);
    let behind = Everything::start().await;
    let config = Config::new().hub_at("everything", "primary", "us-east", &behind.url());
    let gateway = Gateway::start(config).await.expect("a gateway");
    let via = Results::of(&gateway.url(), revision).await.expect("a run through the gateway");

    print_table(revision, "server-everything", &[("direct", &direct), ("through the gateway", &via)]);
    let (better, worse): (Vec<_>, Vec<_>) =
        direct.differences(&via).into_iter().partition(Difference::is_better);
    println!("better through the gateway:\n{}", print_differences(&better));
    assert!(worse.is_empty(), "worse through the gateway:\n{}", print_differences(&worse));
    let better: BTreeSet<Check> = better.into_iter().map(|difference| difference.check).collect();
    assert_eq!(better, listed(BETTER, revision), "against conformance_better.txt");
}

#[tokio::test]
async fn a_faithful_relay_is_not_noticed() {
    for revision in ["2025-11-25", "2026-07-28"] {
        let hub = hub().await;
        let direct = Results::of(&hub.url(), revision).await.expect("a direct run");
        let relay = Relay::faithful(hub.address()).await.expect("a relay");
        let via = Results::of(&relay.url(), revision).await.expect("a run through the relay");
        let differences = direct.differences(&via);
        assert!(differences.is_empty(), "direct -> relay:\n{}", print_differences(&differences));
    }
}

/// A proxy that rewrites `Host` to its upstream's name takes the hub's guard against DNS rebinding away.
#[tokio::test]
async fn a_relay_that_rewrites_the_host_is_noticed() {
    let hub = hub().await;
    let own = hub.address().to_string();
    let hide =
        |field: &str, name: &str| (format!("{field}evil.example.com{name}"), format!("{field}{own}{name}"));
    let up = vec![hide("Host: ", "\r\n"), hide("host: ", "\r\n"), hide("http://", "\r\n")];
    let relay = Relay::start(hub.address(), Swaps { up, down: Vec::new() }).await.expect("a relay");
    let direct = Results::of(&hub.url(), "2025-11-25").await.expect("a direct run");
    let via = Results::of(&relay.url(), "2025-11-25").await.expect("a run through the relay");
    let differences = direct.differences(&via);
    let [difference] = &differences[..] else {
        panic!("one difference was expected:\n{}", print_differences(&differences));
    };
    assert_eq!(difference.check.0, "dns-rebinding-protection");
    assert!(!difference.is_better());
}

/// A proxy that loses the session id breaks nearly everything in the legacy era.
#[tokio::test]
async fn a_relay_that_loses_the_session_is_noticed() {
    let hub = hub().await;
    let down = vec![("mcp-session-id".to_owned(), "xxx-session-id".to_owned())];
    let relay = Relay::start(hub.address(), Swaps { up: Vec::new(), down }).await.expect("a relay");
    let direct = Results::of(&hub.url(), "2025-11-25").await.expect("a direct run");
    let via = Results::of(&relay.url(), "2025-11-25").await.expect("a run through the relay");
    let worse = direct.differences(&via).into_iter().filter(|difference| !difference.is_better()).count();
    assert!(worse > 20, "only {worse} checks got worse");
}
