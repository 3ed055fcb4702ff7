//! Do probes of released servers tell the truth, and leave nothing behind?

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mcphub_conf::Settings;
use mcphub_gateway::observe::metrics::Metrics;
use mcphub_gateway::probe::{Probed, Prober};
use mcphub_gateway::upstream::Upstream;
use mcphub_health::{Outcome, ProbeSettings, Schedule};
use mcphub_routing::{EraSet, HubId, MonoTime};
use mcphub_tests::raw_tls::{Authority, TlsFront};
use mcphub_tests::{Hub, Process, exchange, free_address, node, node_package, python, until};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

/// Probes of one hub in a row, as many as take a minute at the usual interval, and some more.
const PROBES: usize = 35;

fn settings(url: &str, hub: &str, health: &str) -> Settings {
    let text = format!(
        "[gateway]\nlocation = \"here\"\n[[listener]]\naddress = \"127.0.0.1:8080\"\n\
         [locations]\nhere = {{ latitude = 0, longitude = 0 }}\n\
         [[hub]]\nid = \"a\"\ntype = \"primary\"\nlocation = \"here\"\nurl = \"{url}\"\n{hub}\n\
         [health]\ninterval = \"1min\"\ntimeout = \"20s\"\n{health}\n"
    );
    let loaded = mcphub_conf::parse(&text, "test", Path::new("/"), &|_| None);
    loaded.unwrap_or_else(|report| panic!("{}", report.render_text())).settings
}

fn prober(url: &str, hub: &str, health: &str) -> Prober {
    let settings = settings(url, hub, health);
    let upstream = Upstream::new(&settings.hubs[0], Metrics::new().unwrap().hub("a")).unwrap();
    Prober::new(&settings.hubs[0], &settings.health, &upstream).unwrap()
}

async fn probe(prober: &Prober) -> Probed {
    let mut schedule = Schedule::new(1);
    let settings = ProbeSettings { timeout: Duration::from_secs(20), ..ProbeSettings::default() };
    schedule.add(HubId::new("a").unwrap(), settings, MonoTime::ZERO);
    prober.probe(&schedule.due(MonoTime::ZERO)[0]).await
}

/// Probes again and again: the hub is well, and serves these eras. Once without knowing them, once given them.
async fn check(url: &str, eras: EraSet, given: &str) {
    for hub in ["", given] {
        let prober = prober(url, hub, "");
        for _ in 0..PROBES {
            let Probed { report, why } = probe(&prober).await;
            assert_eq!((report.outcome, report.eras, why), (Outcome::Ok, Some(eras), None), "{hub}");
        }
    }
}

async fn post(address: SocketAddr, fields: &str, body: &str) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!("POST /mcp HTTP/1.1\r\nHost: {address}\r\n{fields}Content-Length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

/// A server that is not ours.
struct Server {
    address: SocketAddr,
    process: Process,
    _directory: TempDir,
}

impl Server {
    async fn start(name: &str, command: impl FnOnce(u16) -> Command) -> Self {
        let (address, directory) = (free_address(), TempDir::new().unwrap());
        let process = Process::spawn(name, directory.path(), command(address.port())).unwrap();
        until(name, async || TcpStream::connect(address).await).await.unwrap();
        Self { address, process, _directory: directory }
    }

    async fn python(environment: &str, more: &[&str]) -> Self {
        let python = python(environment).unwrap();
        Self::start(environment, |port| {
            let mut command = Command::new(python);
            command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/clients/python/serve.py"));
            command.arg(port.to_string()).args(more);
            command
        })
        .await
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// What the Python servers say of themselves.
    async fn sessions(&self) -> String {
        exchange(self.address, "GET", "/sessions", "").await.unwrap().text()
    }
}

#[tokio::test]
async fn the_typescript_server() {
    let package = node_package("@modelcontextprotocol/server-everything").unwrap();
    let node = node().unwrap();
    let server = Server::start("everything", |port| {
        let mut command = Command::new(node);
        command.arg("--import").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/clients/node/loopback.mjs"));
        command.arg(package.join("dist/index.js")).arg("streamableHttp").env("PORT", port.to_string());
        command
    });
    let server = server.await;
    check(&server.url(), EraSet::LEGACY, "eras = [\"legacy\"]").await;
    // It says so for each session that it opens.
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let opened =
        || (server.process.stdout() + &server.process.stderr()).matches("Session initialized").count();
    assert_eq!(opened(), 0);
    let fields = "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n";
    post(server.address, fields, body).await;
    until("word of a session", async || if opened() == 1 { Ok(()) } else { Err(opened()) }).await.unwrap();
}

#[tokio::test]
async fn the_python_server_of_the_legacy_era() {
    let server = Server::python("mcp-1", &[]).await;
    check(&server.url(), EraSet::LEGACY, "eras = [\"legacy\"]").await;
    assert_eq!(server.sessions().await, "0");
    let server = Server::python("mcp-1", &["stateless"]).await;
    check(&server.url(), EraSet::LEGACY, "eras = [\"legacy\"]").await;
}

#[tokio::test]
async fn the_python_server_of_both_eras() {
    let server = Server::python("mcp-2", &[]).await;
    check(&server.url(), EraSet::BOTH, "eras = [\"legacy\", \"modern\"]").await;
    assert_eq!(server.sessions().await, "0");
    let health = "expect_tool = \"echo\"\ncanary = { tool = \"echo\", arguments = { text = \"hello\" } }";
    let probed = probe(&prober(&server.url(), "", health)).await;
    assert_eq!((probed.report.outcome, probed.why), (Outcome::Ok, None));
    let probed = probe(&prober(&server.url(), "", "canary = { tool = \"echo\" }")).await;
    assert_eq!(probed.report.outcome, Outcome::RpcTransportError, "an argument is missing");
}

#[tokio::test]
async fn a_restart_shows_in_the_boot_id() {
    let mut hub = Hub::start("a", "here", &[]).await.unwrap();
    let address = hub.address();
    let prober = prober(&format!("http://{address}/mcp"), "", "");
    let first = probe(&prober).await.report;
    let again = probe(&prober).await.report;
    assert!(first.boot.is_some() && first.boot == again.boot, "{first:?} {again:?}");
    hub.process.kill().await.unwrap();
    assert_eq!(probe(&prober).await.report.outcome, Outcome::ConnectError);
    drop(hub);
    let _hub = Hub::start_at(address, "a", "here", &[]).await.unwrap();
    let later = probe(&prober).await.report;
    assert!(later.outcome == Outcome::Ok && later.boot.is_some() && later.boot != first.boot, "{later:?}");
}

#[tokio::test]
async fn tls_is_verified_whatever_the_probe() {
    let hub = Hub::start("a", "here", &[]).await.unwrap();
    let (authority, files) = (Authority::new().unwrap(), TempDir::new().unwrap());
    let trusted = files.path().join("ca.pem");
    std::fs::write(&trusted, &authority.certificate).unwrap();
    let good = TlsFront::start(&authority.issue(&["127.0.0.1"]).unwrap(), hub.address()).await.unwrap();
    let other = TlsFront::start(&authority.issue(&["other.example"]).unwrap(), hub.address()).await.unwrap();
    let expired =
        TlsFront::start(&authority.issue_expired(&["127.0.0.1"]).unwrap(), hub.address()).await.unwrap();
    let ca_file = format!("ca_file = {trusted:?}");
    for kind in ["mcp", "http", "tcp"] {
        // The hub knows nothing at /, and says so: that is an answer of the hub's own.
        let health = match kind {
            "http" => "probe = \"http\"\npath = \"/counters\"".to_owned(),
            kind => format!("probe = \"{kind}\""),
        };
        let outcome = async |front: &TlsFront, hub: &str| {
            let probed = probe(&prober(&format!("https://{}/mcp", front.address), hub, &health)).await;
            (probed.report.outcome, probed.why)
        };
        let refused = (Outcome::ConnectError, Some("TLS failed".to_owned()));
        assert_eq!(outcome(&good, &ca_file).await, (Outcome::Ok, None), "{kind}");
        assert_eq!(outcome(&other, &ca_file).await, refused, "{kind}: the name is wrong");
        assert_eq!(outcome(&expired, &ca_file).await, refused, "{kind}: expired");
        assert_eq!(outcome(&good, "").await, refused, "{kind}: nobody vouches for it");
    }
}
