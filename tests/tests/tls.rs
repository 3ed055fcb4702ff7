//! Does TLS hold on both sides: towards clients, and towards hubs?

use std::path::Path;
use std::time::Duration;

use mcphub_tests::raw_edge::{hub_table, plain_config, quiet_config};
use mcphub_tests::raw_h2::{Outcome, play_over};
use mcphub_tests::raw_h2_cases;
use mcphub_tests::raw_http::{Broken, Ending, PATIENCE, RawClient};
use mcphub_tests::raw_hub::RawHub;
use mcphub_tests::raw_mcp::Request;
use mcphub_tests::raw_script::mcp;
use mcphub_tests::raw_tls::{Authority, Client, TlsFront, certificate_of, protocol_of};
use mcphub_tests::{Config, Gateway, free_address, until};
use serde_json::json;
use tempfile::TempDir;

/// A gateway that speaks TLS, the hub behind it, and whom its clients trust.
struct Rig {
    hub: RawHub,
    gateway: Gateway,
    authority: Authority,
    files: TempDir,
}

/// The keys of a listener with this certificate.
fn listener_keys(certificate: &Path, key: &Path, more: &str) -> String {
    format!("trusted_proxies = []\ntls = {{ certificate = {certificate:?}, key = {key:?} }}\n{more}")
}

async fn start(more: &str, sections: &str) -> Rig {
    let hub = RawHub::start(mcp("raw")).await.expect("a hub on loopback");
    let authority = Authority::new().expect("an authority");
    let files = TempDir::new().expect("a folder");
    let pair = authority.issue(&["localhost", "127.0.0.1"]).expect("a certificate");
    let (certificate, key) = pair.write(files.path(), "edge").expect("written");
    let config = plain_config(&hub).listener_keys(&listener_keys(&certificate, &key, more)).section(sections);
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    Rig { hub, gateway, authority, files }
}

fn call(host: &str) -> Vec<u8> {
    Request::modern(host, 1, "tools/call", "echo", json!({"name": "echo"})).bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn protocol_and_version_are_the_clients_choice() {
    let rig = start("", "").await;
    let (address, host) = (rig.gateway.listener(), rig.gateway.listener().to_string());
    let client = Client::trusting(&rig.authority);
    for (offered, expected) in [
        (&["h2", "http/1.1"][..], "h2"),
        (&["http/1.1", "h2"], "h2"),
        (&["h2"], "h2"),
        (&["http/1.1"], "http/1.1"),
        (&[], ""),
    ] {
        for client in [client.clone(), client.clone().old()] {
            rig.hub.take();
            let stream = client.offering(offered).connect(address).await.expect("a handshake");
            assert_eq!(protocol_of(&stream), expected, "offered {offered:?}");
            if expected == "h2" {
                let outcome = play_over(stream, &raw_h2_cases::good(&host)).await;
                assert!(matches!(outcome, Outcome::Answered(200, _)), "{outcome:?}");
            } else {
                let mut client = RawClient::over(stream);
                for _ in 0..2 {
                    client.send(&call(&host)).await.expect("room");
                    assert_eq!(client.answer().await.map(|answer| answer.status), Ok(200));
                }
            }
            let log = rig.hub.log();
            assert!(log.strays.is_empty() && !log.requests.is_empty());
            let proto = log.requests[0].field("x-forwarded-proto");
            assert_eq!(proto, Some("https"), "the hub learns that the client came by TLS");
        }
    }
    // Where HTTP/2 is switched off, nobody is led to it.
    let plain = start("http2 = false\n", "").await;
    let client = Client::trusting(&plain.authority).offering(&["h2", "http/1.1"]);
    let stream = client.connect(plain.gateway.listener()).await.expect("a handshake");
    assert_eq!(protocol_of(&stream), "http/1.1");
}

/// Nothing in cleartext is served where TLS is spoken, and a handshake has a deadline too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tls_port_serves_nothing_else() {
    let rig = start("", "[limits]\nheader_deadline = \"1s\"\n").await;
    let (address, host) = (rig.gateway.listener(), rig.gateway.listener().to_string());
    rig.hub.take();
    for bytes in [
        call(&host),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        vec![0; 100],
        b"\x16\x03\x01\x02\x00\x01".to_vec(),
        vec![],
    ] {
        let mut client = RawClient::connect(address).await.expect("a connection");
        client.send(&bytes).await.expect("room");
        let ending = client.ending(PATIENCE).await;
        assert_ne!(ending, Ending::Open, "{:?} holds a connection", String::from_utf8_lossy(&bytes));
    }
    assert_eq!(rig.hub.log().bytes, 0);
    // Half a request within TLS meets the same deadline as one outside.
    let stream = Client::trusting(&rig.authority).connect(address).await.expect("a handshake");
    let mut client = RawClient::over(stream);
    client.send(b"POST /mcp HTTP/1.1\r\n").await.expect("room");
    let answer = client.any_answer(PATIENCE).await.map(|answer| answer.status);
    assert!(matches!(answer, Ok(408 | 400) | Err(Broken::NoAnswer(_))), "{answer:?}");
}

/// A certificate that is renewed on disk is used without a restart; a broken one is not used at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_taken_up_while_running() {
    let rig = start("", "").await;
    let (address, host) = (rig.gateway.listener(), rig.gateway.listener().to_string());
    let client = Client::trusting(&rig.authority);
    let stream = client.connect(address).await.expect("a handshake");
    let first = certificate_of(&stream);
    let mut old = RawClient::over(stream);

    let renewed = rig.authority.issue(&["localhost", "127.0.0.1"]).expect("a certificate");
    renewed.write(rig.files.path(), "edge").expect("written");
    until("the renewed certificate", async || {
        let stream = client.connect(address).await.map_err(|e| format!("{e:#}"))?;
        if certificate_of(&stream) == first { Err("the old one".to_owned()) } else { Ok(()) }
    })
    .await
    .expect("it is used");
    old.send(&call(&host)).await.expect("the old connection lives");
    assert_eq!(old.answer().await.map(|answer| answer.status), Ok(200));

    let refused = rig.gateway.metric("mcphub_config_reloads_refused_total").await.expect("metrics");
    std::fs::write(rig.files.path().join("edge.pem"), "-----BEGIN CERTIFICATE-----\nnonsense\n")
        .expect("written");
    until("the broken certificate to be refused", async || {
        let now =
            rig.gateway.metric("mcphub_config_reloads_refused_total").await.map_err(|e| format!("{e:#}"))?;
        if now > refused { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await
    .expect("it is said");
    let stream = client.connect(address).await.expect("the last good one serves on");
    assert_ne!(certificate_of(&stream), first);
}

/// A hub is believed when an authority that we trust says who it is; otherwise it gets nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hubs_over_https_must_prove_who_they_are() {
    let (ours, theirs) = (Authority::new().expect("an authority"), Authority::new().expect("another"));
    let files = TempDir::new().expect("a folder");
    let ca_file = files.path().join("ca.pem");
    std::fs::write(&ca_file, &ours.certificate).expect("written");
    let names = ["localhost", "127.0.0.1"];
    let cases = [
        ("the right certificate", ours.issue(&names), Some(&ca_file), 200),
        ("an authority nobody told us of", ours.issue(&names), None, 503),
        ("another authority", theirs.issue(&names), Some(&ca_file), 503),
        ("another name", ours.issue(&["elsewhere.example"]), Some(&ca_file), 503),
        ("an expired certificate", ours.issue_expired(&names), Some(&ca_file), 503),
    ];
    for (name, pair, ca_file, expected) in cases {
        let hub = RawHub::start(mcp("secret")).await.expect("a hub on loopback");
        let front = TlsFront::start(&pair.expect("a certificate"), hub.address).await.expect("a TLS front");
        let url = format!("https://localhost:{}/mcp", front.address.port());
        let trust = ca_file.map(|path| format!("ca_file = {path:?}\n")).unwrap_or_default();
        let config = quiet_config().section(&(hub_table("secret", "primary", "us-east", &url) + &trust));
        let gateway = Gateway::start(config).await.expect("the gateway starts");
        let host = gateway.listener().to_string();
        for _ in 0..2 {
            let mut client = RawClient::connect(gateway.listener()).await.expect("a connection");
            client.send(&call(&host)).await.expect("room");
            let answer = client.answer().await.expect("an answer");
            assert_eq!(answer.status, expected, "{name}: {}", answer.text());
        }
        let log = hub.log();
        assert_eq!(log.requests.len(), if expected == 200 { 2 } else { 0 }, "{name}");
        assert!(log.strays.is_empty(), "{name}: {:?}", log.strays);
    }
}

/// A hub in cleartext behind an https URL, and the other way round: both are hubs that cannot be reached.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_speaks_the_wrong_tongue_is_passed_over() {
    let ours = Authority::new().expect("an authority");
    let second = RawHub::start(mcp("second")).await.expect("a hub on loopback");
    let clear = RawHub::start(mcp("clear")).await.expect("a hub on loopback");
    let url = format!("https://localhost:{}/mcp", clear.address.port());
    let config: Config = quiet_config()
        .section(&hub_table("clear", "primary", "us-east", &url))
        .section(&hub_table("second", "secondary", "us-west", &second.url()))
        .section("[upstream]\nconnect_deadline = \"1s\"\n");
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    let mut client = RawClient::connect(gateway.listener()).await.expect("a connection");
    client.send(&call(&host)).await.expect("room");
    let answer = client.answer().await.expect("an answer");
    assert_eq!(
        (answer.status, &answer.json()["result"]["structuredContent"]["hub"]),
        (200, &json!("second"))
    );
    assert!(clear.log().requests.is_empty(), "nothing went out in cleartext");

    let front = TlsFront::start(&ours.issue(&["localhost"]).expect("a certificate"), free_address())
        .await
        .expect("a front");
    let url = format!("http://127.0.0.1:{}/mcp", front.address.port());
    let config = quiet_config().section(&hub_table("tls", "primary", "us-east", &url));
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    let host = gateway.listener().to_string();
    let mut client = RawClient::connect(gateway.listener()).await.expect("a connection");
    client.send(&call(&host)).await.expect("room");
    let answer = client.answer().await.expect("an answer");
    assert!([502, 503].contains(&answer.status), "{} {}", answer.status, answer.text());
}

/// What testssl.sh may say about a certificate that a test made for itself.
const OWN_CERTIFICATE: [&str; 9] = [
    "cert_chain_of_trust",
    "cert_trust",
    "cert_revocation",
    "cert_ocspURL",
    "cert_crlDistributionPoints",
    "cert_expirationStatus",
    "cert_validityPeriod",
    "cert_extlifeSpan",
    "DNS_CAArecord",
];

/// The public tool for TLS: nothing of medium severity or above but the certificate, which no public authority made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn testssl_finds_nothing_but_the_certificate() {
    let rig = start("", "").await;
    let report = rig.files.path().join("testssl.json");
    let target = format!("127.0.0.1:{}", rig.gateway.listener().port());
    let run = tokio::process::Command::new("testssl")
        .args(["--quiet", "--color", "0", "--warnings", "off", "--ip", "one", "--nodns", "min", "--sneaky"])
        .args(["--protocols", "--std", "--server-defaults", "--fs", "--server-preference", "--vulnerable"])
        .arg("--jsonfile")
        .arg(&report)
        .arg(&target)
        .kill_on_drop(true)
        .output();
    let output = match tokio::time::timeout(Duration::from_secs(600), run).await.expect("an end") {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("SKIPPED: testssl is not installed (tests/tools/install.sh abuse)");
            return;
        }
        Err(error) => panic!("testssl: {error}"),
    };
    let text = std::fs::read_to_string(&report)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)));
    let findings: Vec<serde_json::Value> = serde_json::from_str(&text).expect("its report is JSON");
    assert!(findings.len() >= 60, "only {} findings: {text}", findings.len());
    let offered = |id: &str| {
        findings
            .iter()
            .any(|f| f["id"] == id && f["finding"].as_str().is_some_and(|t| t.starts_with("offered")))
    };
    assert!(offered("TLS1_2") && offered("TLS1_3"), "{text}");
    let grave: Vec<_> = findings
        .iter()
        .filter(|finding| {
            ["MEDIUM", "HIGH", "CRITICAL", "FATAL"].contains(&finding["severity"].as_str().unwrap_or(""))
        })
        .filter(|finding| {
            let id = finding["id"].as_str().unwrap_or("");
            !OWN_CERTIFICATE.iter().any(|own| id.starts_with(own))
        })
        .collect();
    assert!(grave.is_empty(), "{grave:#?}");
}
