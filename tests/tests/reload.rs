//! Does a reload, good or bad, go unnoticed by everybody who is being served?

#![allow(clippy::print_stdout, reason = "the figures are worth reading when the test passes")]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use mcphub_tests::load::{Load, Streams};
use mcphub_tests::raw_edge::{hub_table, plain_config, quiet_config};
use mcphub_tests::raw_http::RawClient;
use mcphub_tests::raw_hub::{RawHub, Step};
use mcphub_tests::raw_mcp::Request;
use mcphub_tests::raw_script::{json_answer, mcp, mcp_but};
use mcphub_tests::{Config, Gateway, until};
use serde_json::json;

const REVISION: &str = "mcphub_config_revision";
const SUCCESSFUL: &str = "mcphub_config_last_reload_successful";
const REFUSED: &str = "mcphub_config_reloads_refused_total";

async fn metric(gateway: &Gateway, name: &str) -> f64 {
    gateway.metric(name).await.expect("metrics").unwrap_or_else(|| panic!("no {name} in /metrics"))
}

/// Waits until a gauge or counter fits.
async fn wait_for(gateway: &Gateway, name: &str, fits: impl Fn(f64) -> bool) {
    until(name, async || {
        let value = gateway.metric(name).await.map_err(|e| format!("{e:#}"))?;
        if value.is_some_and(&fits) {
            Ok(())
        } else {
            Err(format!("{value:?}; last: {:?}", gateway.status("/v1/status").await))
        }
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}"));
}

#[tokio::test]
async fn a_reload_that_is_asked_for_while_it_starts_is_done_then() {
    for _ in 0..5 {
        let hub = RawHub::start(mcp("a")).await.expect("a hub");
        let mut gateway = Gateway::spawn(plain_config(&hub), &[]).expect("a process");
        // Its sockets are there before anything answers.
        while tokio::net::TcpStream::connect(gateway.admin()).await.is_err() {
            assert_eq!(gateway.process.exit_status(), None);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        gateway.reload().expect("a signal");
        gateway.wait_until_ready().await.expect("it starts all the same");
        until("the reload", async || match gateway.status("/v1/status").await {
            Ok(status) if status["last_reload"]["result"] == "unchanged" => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await
        .expect("heard");
    }
}

/// How the gateway hears of a new file.
#[derive(Clone, Copy)]
enum Tell {
    Hangup,
    Admin,
    /// Not at all: it watches.
    Nothing,
}

async fn put(gateway: &mut Gateway, text: &str, tell: Tell) {
    gateway.write_config(text).expect("the file is written");
    match tell {
        Tell::Hangup => gateway.reload().expect("SIGHUP"),
        Tell::Admin => {
            let answer = gateway.ask("POST", "/v1/reload", "").await.expect("an answer");
            assert!(answer.status < 500, "{} {}", answer.status, answer.text());
        }
        Tell::Nothing => {}
    }
}

/// The configuration in its n-th good form: each differs from the others, none moves a client.
fn good(config: &Config, directory: &Path, n: u32) -> String {
    let weight = 100 + n;
    config.clone().section(&format!("[routing]\nedge_radius = \"{weight}km\"\n")).text(directory)
}

/// What is wrong with the n-th bad form.
fn bad(config: &Config, directory: &Path, n: u32) -> Vec<u8> {
    let text = good(config, directory, n);
    let whole = text.clone().into_bytes();
    let bad = match n % 10 {
        0 => format!("{text}\n[[hub").into_bytes(),
        1 => text.replacen("[routing]", "[rooting]", 1).into_bytes(),
        2 => text.replacen("= { latitude", "= [ latitude", 1).into_bytes(),
        3 => text.replacen("type = \"primary\"", "type = \"primry\"", 1).into_bytes(),
        4 => text.replacen("km\"", "\"", 1).into_bytes(),
        5 => Vec::new(),
        6 => text.replacen("http://", "gopher://", 1).into_bytes(),
        7 => text.into_bytes().into_iter().chain([0xff, 0xfe, 0, 0]).collect(),
        8 => text.replacen("location = \"us-east\"", "location = \"atlantis\"", 1).into_bytes(),
        _ => vec![b'x'; 1 << 20],
    };
    assert_ne!(bad, whole, "the {n}-th bad form is good");
    bad
}

/// 200 good reloads and 200 bad ones, in turn, under traffic and a hundred open streams.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_reloads_go_unnoticed() {
    const ROUNDS: u32 = 200;
    let hub = RawHub::start(mcp("raw")).await.expect("a hub on loopback");
    let mut gateway = Gateway::start(plain_config(&hub)).await.expect("the gateway starts");
    let (config, directory) = (gateway.config().clone(), gateway.directory().to_path_buf());
    let load = Load::start(gateway.listener()).await.expect("traffic");
    let streams = Streams::open(gateway.listener(), 100).await.expect("a hundred streams");
    let first = metric(&gateway, REVISION).await;
    let mut refused = metric(&gateway, REFUSED).await;
    for n in 0..ROUNDS {
        let tell = match n % 20 {
            19 => Tell::Nothing,
            n if n % 2 == 0 => Tell::Hangup,
            _ => Tell::Admin,
        };
        put(&mut gateway, &good(&config, &directory, n), tell).await;
        let expected = first + f64::from(n + 1);
        wait_for(&gateway, REVISION, |now| (now - expected).abs() < 0.5).await;
        wait_for(&gateway, SUCCESSFUL, |ok| ok > 0.5).await;

        let text = bad(&config, &directory, n);
        let next = directory.join("next-bad.toml");
        std::fs::write(&next, text).expect("written");
        std::fs::rename(&next, gateway.config_path()).expect("in place");
        gateway.reload().expect("SIGHUP");
        wait_for(&gateway, SUCCESSFUL, |ok| ok < 0.5).await;
        wait_for(&gateway, REFUSED, |now| now > refused).await;
        refused = metric(&gateway, REFUSED).await;
    }
    let expected = first + f64::from(ROUNDS);
    let revision = metric(&gateway, REVISION).await;
    assert!(
        (revision - expected).abs() < 0.5,
        "revision {revision}, wanted {expected}: each good one, and no other"
    );
    let status = gateway.status("/v1/status").await.expect("status");
    assert_eq!(status["config_revision"].as_f64(), Some(expected), "{status}");
    streams.after_events(2).await.expect("every stream still brings events");
    assert_eq!(streams.ends(), [], "no stream was cut");
    println!(
        "{ROUNDS} good and {ROUNDS} bad reloads, revision {first} to {revision}, {} streams open",
        streams.count()
    );
    load.after(50).await.expect("traffic goes on");
    load.finish().await.assert_clean(500);
}

/// A request under way when the configuration changes is answered by the world it began in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_survives_the_loss_of_its_hub_from_the_file() {
    let slow = RawHub::start(mcp_but("slow", |seen| {
        let id = seen.json()["id"].clone();
        let answer =
            json_answer("200 OK", "", &json!({"jsonrpc": "2.0", "id": id, "result": {"hub": "slow"}}));
        (seen.json()["params"]["name"] == "slow")
            .then(|| vec![Step::Wait(Duration::from_secs(3)), Step::Send(answer)])
    }))
    .await
    .expect("a hub on loopback");
    let other = RawHub::start(mcp("other")).await.expect("a hub on loopback");
    let config = quiet_config().section(&hub_table("slow", "primary", "us-east", &slow.url()));
    let mut gateway = Gateway::start(config).await.expect("the gateway starts");
    let (address, host) = (gateway.listener(), gateway.listener().to_string());
    let mut client = RawClient::connect(address).await.expect("a connection");
    let call = Request::modern(&host, 1, "tools/call", "slow", json!({"name": "slow"}));
    client.send(&call.bytes()).await.expect("room for a request");
    until("the hub to read the call", async || match slow.log().requests.len() {
        0 => Err("nothing yet"),
        _ => Ok(()),
    })
    .await
    .expect("it arrives");

    let elsewhere = gateway
        .config()
        .text(gateway.directory())
        .replace(&slow.url(), &other.url())
        .replace("\"slow\"", "\"other\"");
    put(&mut gateway, &elsewhere, Tell::Hangup).await;
    wait_for(&gateway, REVISION, |now| now > 1.5).await;
    let fresh = Request::modern(&host, 2, "tools/call", "echo", json!({"name": "echo"}));
    let answer = fresh.send(address).await.expect("an answer");
    assert_eq!(
        answer.json()["result"]["structuredContent"]["hub"],
        "other",
        "new requests see the new world"
    );
    let answer = client.answer().await.expect("the old request is answered");
    assert_eq!((answer.status, &answer.json()["result"]["hub"]), (200, &json!("slow")));
}

/// Ways to put a file in place, good or bad, that the gateway must survive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_write_a_file_is_survived() {
    let hub = RawHub::start(mcp("raw")).await.expect("a hub on loopback");
    let mut gateway = Gateway::start(plain_config(&hub)).await.expect("the gateway starts");
    let (config, directory) = (gateway.config().clone(), gateway.directory().to_path_buf());
    let path = gateway.config_path();
    let load = Load::start(gateway.listener()).await.expect("traffic");
    let mut revision = metric(&gateway, REVISION).await;
    let mut text = String::new();

    // In place, in pieces, as a careless editor does. What is half there may be refused; the whole must win.
    for n in 0..3 {
        text = good(&config, &directory, n);
        let cuts: Vec<_> = text.as_bytes().chunks(text.len() / 7 + 1).collect();
        let mut written = Vec::new();
        for cut in cuts {
            written.extend_from_slice(cut);
            std::fs::write(&path, &written).expect("written");
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        wait_for(&gateway, REVISION, |now| now > revision).await;
        wait_for(&gateway, SUCCESSFUL, |ok| ok > 0.5).await;
        revision = metric(&gateway, REVISION).await;
    }

    // The same content again, by every means: no new revision.
    for tell in [Tell::Hangup, Tell::Admin, Tell::Nothing] {
        put(&mut gateway, &text, tell).await;
    }
    std::fs::write(&path, format!("# a comment changes nothing\n{text}")).expect("written");
    gateway.reload().expect("SIGHUP");
    let status = gateway.ask("POST", "/v1/reload", "").await.expect("an answer");
    assert!(status.status < 300, "{}", status.text());
    assert!((metric(&gateway, REVISION).await - revision).abs() < 0.5, "the same content is no new revision");

    // A file that is a link, and a link that is swapped; then as Kubernetes mounts a ConfigMap: a link to a file in
    // a linked folder, which is replaced whole.
    let version = |n: u32| {
        let folder = directory.join(format!("..v{n}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("mcphub.toml"), good(&config, &directory, 100 + n)).expect("written");
        folder
    };
    let swap = |to: &Path, at: &Path| {
        let next = directory.join("..next");
        let _ = std::fs::remove_file(&next);
        symlink(to, &next).expect("a link");
        std::fs::rename(&next, at).expect("swapped");
    };
    swap(&version(1).join("mcphub.toml"), &path);
    wait_for(&gateway, REVISION, |now| now > revision + 0.5).await;
    let data = directory.join("..data");
    swap(&version(2), &data);
    swap(&data.join("mcphub.toml"), &path);
    wait_for(&gateway, REVISION, |now| now > revision + 1.5).await;
    for n in 3..6 {
        swap(&version(n), &data);
        let expected = revision + f64::from(n) - 0.5;
        wait_for(&gateway, REVISION, |now| now > expected).await;
    }
    revision = metric(&gateway, REVISION).await;

    // And those that are no configuration: the old one stays, and it is said.
    let dangling = directory.join("nowhere");
    for (what, break_it) in [
        ("a dangling link", Box::new(|| swap(&dangling, &path)) as Box<dyn Fn()>),
        ("nothing", Box::new(|| std::fs::remove_file(&path).expect("removed"))),
        ("a folder", Box::new(|| std::fs::create_dir(&path).expect("a folder"))),
        (
            "an empty file",
            Box::new(|| {
                std::fs::remove_dir(&path).expect("removed");
                std::fs::write(&path, "").expect("written");
            }),
        ),
        ("10 MB of nonsense", Box::new(|| std::fs::write(&path, vec![b'x'; 10 << 20]).expect("written"))),
    ] {
        let refused = metric(&gateway, REFUSED).await;
        break_it();
        gateway.reload().expect("SIGHUP");
        wait_for(&gateway, REFUSED, |now| now > refused).await;
        assert!(metric(&gateway, SUCCESSFUL).await < 0.5, "{what}");
        assert!((metric(&gateway, REVISION).await - revision).abs() < 0.5, "{what}");
    }
    put(&mut gateway, &good(&config, &directory, 200), Tell::Nothing).await;
    wait_for(&gateway, REVISION, |now| now > revision).await;
    wait_for(&gateway, SUCCESSFUL, |ok| ok > 0.5).await;
    load.finish().await.assert_clean(100);
}

/// What cannot change while running is named, and nothing else of that file is taken up either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_need_a_restart_are_named() {
    let hub = RawHub::start(mcp("raw")).await.expect("a hub on loopback");
    let mut gateway = Gateway::start(plain_config(&hub)).await.expect("the gateway starts");
    let text = gateway.config().text(gateway.directory());
    let port = mcphub_tests::free_address();
    let changes = [
        (
            format!("address = \"{}\"\npath", gateway.listener()),
            format!("address = \"{port}\"\npath"),
            "listener[0].address",
        ),
        (
            format!("[admin]\naddress = \"{}\"", gateway.admin()),
            format!("[admin]\naddress = \"{port}\""),
            "admin.address",
        ),
        (
            "trusted_proxies = []".into(),
            "trusted_proxies = []\nreuse_port = true".into(),
            "listener[0].reuse_port",
        ),
    ];
    for (old, new, key) in changes {
        assert!(text.contains(&old), "{old:?} is not in {text}");
        let refused = metric(&gateway, REFUSED).await;
        // A change that could be taken up comes with it, and must not be.
        let changed = text.replacen(&old, &new, 1).replacen("path = \"/mcp\"", "path = \"/moved\"", 1);
        put(&mut gateway, &changed, Tell::Hangup).await;
        wait_for(&gateway, REFUSED, |now| now > refused).await;
        assert!(metric(&gateway, SUCCESSFUL).await < 0.5);
        assert!((metric(&gateway, REVISION).await - 1.0).abs() < 0.5);
        let answer = gateway.ask("POST", "/v1/reload", "").await.expect("an answer");
        assert!(answer.text().contains(key), "{key} is not named: {} {}", answer.status, answer.text());
        until("the log to name the key", async || {
            let log = gateway.process.stderr();
            if log.contains(key) { Ok(()) } else { Err(log) }
        })
        .await
        .expect(key);
        let host = gateway.listener().to_string();
        let call = Request::modern(&host, 1, "tools/call", "echo", json!({"name": "echo"}));
        assert_eq!(call.send(gateway.listener()).await.expect("an answer").status, 200, "still at /mcp");
    }
    put(&mut gateway, &text, Tell::Hangup).await;
    wait_for(&gateway, SUCCESSFUL, |ok| ok > 0.5).await;
    assert!((metric(&gateway, REVISION).await - 1.0).abs() < 0.5, "back to what it was: no new revision");
}
