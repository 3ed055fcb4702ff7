//! Does a client reach the hub that is nearest to where its address really is, and no other than it may?

use std::net::SocketAddr;

use mcphub_tests::raw_edge::{QUIET, hub_table};
use mcphub_tests::raw_http::{Answer, Broken, RawClient};
use mcphub_tests::raw_hub::RawHub;
use mcphub_tests::raw_mcp::{Request, open_session};
use mcphub_tests::raw_script::{LEGACY, initialize_body, legacy_call, mcp};
use mcphub_tests::{Config, Gateway, free_address, until};
use serde_json::json;
use tokio::net::TcpSocket;

/// Networks of universities and research networks, whose country everybody knows, and the hub nearest to it.
#[rustfmt::skip]
const CLIENTS: [(&str, &str, &str); 48] = [
    ("8.8.8.8",         "US", "us-east"),     // Google's resolver
    ("128.30.2.1",      "US", "us-east"),     // MIT
    ("171.64.1.1",      "US", "us-east"),     // Stanford: a country database knows the country alone
    ("142.150.1.1",     "CA", "us-east"),     // Toronto
    ("132.248.10.2",    "MX", "us-east"),     // UNAM
    ("143.107.1.1",     "BR", "us-east"),     // São Paulo
    ("129.67.1.1",      "GB", "eu-west"),     // Oxford
    ("131.111.8.42",    "GB", "eu-west"),     // Cambridge
    ("134.226.1.1",     "IE", "eu-west"),     // Trinity College Dublin
    ("193.136.1.1",     "PT", "eu-west"),     // FCT
    ("141.84.1.1",      "DE", "eu-central"),  // Munich
    ("131.188.1.1",     "DE", "eu-central"),  // Erlangen
    ("129.132.1.1",     "CH", "eu-central"),  // ETH Zürich
    ("131.130.1.1",     "AT", "eu-central"),  // Vienna
    ("129.175.1.1",     "FR", "eu-central"),  // Paris-Saclay
    ("137.204.1.1",     "IT", "eu-central"),  // Bologna
    ("145.97.1.1",      "NL", "eu-central"),  // SURF
    ("130.225.1.1",     "DK", "eu-central"),  // DeiC
    ("130.237.1.1",     "SE", "eu-central"),  // Stockholm
    ("128.214.1.1",     "FI", "eu-central"),  // Helsinki
    ("147.32.1.1",      "CZ", "eu-central"),  // Prague
    ("148.81.1.1",      "PL", "eu-central"),  // NASK
    ("147.102.1.1",     "GR", "eu-central"),  // Athens
    ("144.122.1.1",     "TR", "eu-central"),  // Ankara
    ("132.64.1.1",      "IL", "eu-central"),  // Jerusalem
    ("137.158.1.1",     "ZA", "eu-central"),  // Cape Town
    ("133.11.1.1",      "JP", "ap-northeast"),// Tokyo
    ("147.46.1.1",      "KR", "ap-northeast"),// Seoul
    ("166.111.1.1",     "CN", "ap-northeast"),// Tsinghua
    ("140.112.1.1",     "TW", "ap-northeast"),// Taipei
    ("147.8.1.1",       "HK", "ap-northeast"),// Hong Kong
    ("137.132.1.1",     "SG", "ap-northeast"),// NUS
    ("128.250.1.1",     "AU", "ap-northeast"),// Melbourne
    ("130.216.1.1",     "NZ", "ap-northeast"),// Auckland
    ("2001:4860:4860::8888", "US", "us-east"),     // Google's resolver
    ("2001:468::1",     "US", "us-east"),     // Internet2
    ("2001:410::1",     "CA", "us-east"),     // CANARIE
    ("2001:12f0::1",    "BR", "us-east"),     // RNP
    ("2001:630::1",     "GB", "eu-west"),     // Jisc
    ("2001:770::1",     "IE", "eu-west"),     // HEAnet
    ("2001:638::1",     "DE", "eu-central"),  // DFN
    ("2001:4ca0::1",    "DE", "eu-central"),  // LRZ Munich
    ("2001:620::1",     "CH", "eu-central"),  // SWITCH
    ("2001:660::1",     "FR", "eu-central"),  // RENATER
    ("2001:610::1",     "NL", "eu-central"),  // SURF
    ("2001:6b0::1",     "SE", "eu-central"),  // SUNET
    ("2001:200::1",     "JP", "ap-northeast"),// WIDE
    ("2001:388::1",     "AU", "ap-northeast"),// AARNet
];

const PLACES: [&str; 5] = ["us-east", "us-west", "eu-central", "eu-west", "ap-northeast"];

/// One hub in each place, named after it.
async fn hubs() -> Vec<RawHub> {
    let mut hubs = Vec::new();
    for place in PLACES {
        hubs.push(RawHub::start(mcp(place)).await.expect("a hub on loopback"));
    }
    hubs
}

fn config(hubs: &[RawHub], listener: &str) -> Config {
    let tables = PLACES.iter().zip(hubs).map(|(place, hub)| hub_table(place, "primary", place, &hub.url()));
    tables.fold(Config::new().listener_keys(listener).section(QUIET), |config, table| config.section(&table))
}

fn whoami(host: &str, lines: &str) -> Request {
    Request::modern(host, 1, "tools/call", "whoami", json!({"name": "whoami"})).with(lines)
}

/// The name of the hub that answered.
fn hub_of(answer: &Answer) -> String {
    let json = answer.json();
    let name =
        json["result"]["structuredContent"]["hub"].as_str().or(json["result"]["serverInfo"]["name"].as_str());
    name.unwrap_or_else(|| panic!("{} {}", answer.status, answer.text())).to_owned()
}

/// A connection from an address of loopback other than 127.0.0.1.
async fn connect_from(from: &str, to: SocketAddr) -> RawClient {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(from.parse().expect("an address"), 0)).expect("bound");
    RawClient::over(socket.connect(to).await.expect("a connection"))
}

async fn ask_from(from: &str, to: SocketAddr, bytes: &[u8]) -> Result<Answer, Broken> {
    let mut client = connect_from(from, to).await;
    let _ = client.send(bytes).await;
    client.answer().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_addresses_reach_the_nearest_hub_in_both_eras() {
    let hubs = hubs().await;
    let gateway = Gateway::start(config(&hubs, "trusted_proxies = [\"127.0.0.0/8\"]"))
        .await
        .expect("the gateway starts");
    let (address, host) = (gateway.listener(), gateway.listener().to_string());
    let mut flaws = Vec::new();
    for (client, country, expected) in CLIENTS {
        let told = [
            format!("X-Forwarded-For: {client}\r\n"),
            match client.contains(':') {
                true => format!("Forwarded: for=\"[{client}]:4711\"\r\n"),
                false => format!("Forwarded: for={client};proto=https\r\n"),
            },
        ];
        for lines in told {
            let modern = whoami(&host, &lines).send(address).await.expect("an answer");
            let legacy =
                Request::initialize(&host, LEGACY).with(&lines).send(address).await.expect("an answer");
            for (era, hub) in [("modern", hub_of(&modern)), ("legacy", hub_of(&legacy))] {
                if hub != expected {
                    flaws.push(format!(
                        "{client} in {country}, {era}, told by {lines:?}: {hub}, wanted {expected}"
                    ));
                }
            }
        }
    }
    assert!(flaws.is_empty(), "{}", flaws.join("\n"));
}

/// What the command line explains is what the gateway does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_route_command_agrees_with_the_gateway() {
    let hubs = hubs().await;
    let gateway = Gateway::start(config(&hubs, "trusted_proxies = [\"127.0.0.0/8\"]"))
        .await
        .expect("the gateway starts");
    for (client, country, expected) in CLIENTS.iter().step_by(5) {
        let output = tokio::process::Command::new(mcphub_tests::edge_binary().expect("a binary"))
            .args(["route", "--json", "--client-ip", client, "--config"])
            .arg(gateway.config_path())
            .output()
            .await
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(
            text.contains(&format!("\"{expected}\"")) && text.contains(&format!("\"{country}\"")),
            "{client}: {text}"
        );
    }
}

/// Whoever is no trusted proxy is where its own address is, whatever it says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_is_believed() {
    let hubs = hubs().await;
    let gateway = Gateway::start(config(&hubs, "trusted_proxies = [\"127.0.0.1/32\"]"))
        .await
        .expect("the gateway starts");
    let (address, host) = (gateway.listener(), gateway.listener().to_string());
    let claims = [
        "X-Forwarded-For: 133.11.1.1\r\n",
        "X-Forwarded-For: 133.11.1.1, 127.0.0.1\r\n",
        "X-Forwarded-For: 133.11.1.1\r\nX-Forwarded-For: 127.0.0.1\r\n",
        "Forwarded: for=133.11.1.1\r\n",
        "Forwarded: for=\"[2001:200::1]\"\r\n",
        "X-Real-IP: 133.11.1.1\r\n",
        "True-Client-IP: 133.11.1.1\r\n",
        "CF-Connecting-IP: 133.11.1.1\r\n",
        "X-Client-IP: 133.11.1.1\r\n",
        "X-Cluster-Client-IP: 133.11.1.1\r\n",
        "Via: 1.1 133.11.1.1\r\n",
    ];
    for claim in claims {
        let stranger =
            ask_from("127.0.0.2", address, &whoami(&host, claim).bytes()).await.expect("an answer");
        assert_eq!(hub_of(&stranger), "us-east", "{claim:?} of a stranger is believed");
        let initialize = Request::initialize(&host, LEGACY).with(claim).bytes();
        let stranger = ask_from("127.0.0.2", address, &initialize).await.expect("an answer");
        assert_eq!(hub_of(&stranger), "us-east", "{claim:?} of a stranger is believed");
        for hub in &hubs {
            let log = hub.take();
            let passed = log.requests.iter().flat_map(|seen| &seen.fields).find(|(name, value)| {
                ["x-forwarded-for", "forwarded"].contains(&name.to_ascii_lowercase().as_str())
                    && value.contains("133.11")
            });
            assert_eq!(passed, None, "{claim:?} of a stranger is passed on");
        }
    }
    // Of those, the trusted proxy is believed where the product says so, and nowhere else.
    let trusted = ask_from("127.0.0.1", address, &whoami(&host, claims[0]).bytes()).await.expect("an answer");
    assert_eq!(hub_of(&trusted), "ap-northeast", "the proof that it would show");
    let trusted = ask_from("127.0.0.1", address, &whoami(&host, claims[5]).bytes()).await.expect("an answer");
    assert_eq!(hub_of(&trusted), "us-east", "a field that nobody set up");
}

/// Of a chain, the last address that no trusted proxy vouches for counts; what stands before it is hearsay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chains_are_read_from_their_end() {
    let hubs = hubs().await;
    let trusted = "trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\", \"fd00::/8\"]";
    let gateway = Gateway::start(config(&hubs, trusted)).await.expect("the gateway starts");
    let (address, host) = (gateway.listener(), gateway.listener().to_string());
    for (lines, expected) in [
        ("X-Forwarded-For: 133.11.1.1, 141.84.1.1\r\n", "eu-central"),
        ("X-Forwarded-For: 141.84.1.1, 133.11.1.1\r\n", "ap-northeast"),
        ("X-Forwarded-For: 133.11.1.1, 10.1.2.3\r\n", "ap-northeast"),
        ("X-Forwarded-For: 141.84.1.1, 133.11.1.1, 10.1.2.3, 10.1.2.4\r\n", "ap-northeast"),
        ("X-Forwarded-For: 133.11.1.1, fd00::1\r\n", "ap-northeast"),
        ("X-Forwarded-For: 141.84.1.1\r\nX-Forwarded-For: 133.11.1.1\r\n", "ap-northeast"),
        ("X-Forwarded-For:   133.11.1.1  \r\n", "ap-northeast"),
        ("X-Forwarded-For: ::ffff:133.11.1.1\r\n", "ap-northeast"),
        ("X-Forwarded-For: 133.11.1.1, nonsense\r\n", "us-east"),
        ("X-Forwarded-For: nonsense\r\n", "us-east"),
        ("X-Forwarded-For: 999.1.1.1\r\n", "us-east"),
        ("X-Forwarded-For:\r\n", "us-east"),
        ("X-Forwarded-For: 192.168.1.1\r\n", "us-east"),
        ("Forwarded: for=unknown\r\n", "us-east"),
        ("Forwarded: for=133.11.1.1, for=10.1.2.3\r\n", "ap-northeast"),
        ("", "us-east"),
    ] {
        let answer = whoami(&host, lines).send(address).await.expect("an answer");
        assert_eq!(hub_of(&answer), expected, "{lines:?}");
    }
}

/// A PROXY header, version 2.
fn proxy_v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("short").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[0x20 | command, family], &length, body].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxy_headers_are_believed_from_trusted_proxies() {
    let hubs = hubs().await;
    let keys = |mode: &str| format!("trusted_proxies = [\"127.0.0.1/32\"]\nproxy_protocol = \"{mode}\"\n");
    let v4 = [&[133, 11, 1, 1], &[127, 0, 0, 1], &[0x10, 0, 0, 80][..]].concat();
    let source: std::net::Ipv6Addr = "2001:638::1".parse().expect("an address");
    let v6 = [source.octets().as_slice(), &[0; 16], &[0x10, 0, 0, 80]].concat();
    let with_tlv = [v4.as_slice(), &[4, 0, 3, 1, 2, 3]].concat();
    let good: [(&str, Vec<u8>, &str); 8] = [
        ("v1 of IPv4", b"PROXY TCP4 133.11.1.1 127.0.0.1 4711 80\r\n".to_vec(), "ap-northeast"),
        ("v1 of IPv6", b"PROXY TCP6 2001:638::1 ::1 4711 80\r\n".to_vec(), "eu-central"),
        ("v1 unknown", b"PROXY UNKNOWN\r\n".to_vec(), "us-east"),
        ("v2 of IPv4", proxy_v2(1, 0x11, &v4), "ap-northeast"),
        ("v2 of IPv6", proxy_v2(1, 0x21, &v6), "eu-central"),
        ("v2 with more", proxy_v2(1, 0x11, &with_tlv), "ap-northeast"),
        ("v2 local", proxy_v2(0, 0, &[]), "us-east"),
        ("v2 local with an address", proxy_v2(0, 0x11, &v4), "us-east"),
    ];
    for mode in ["required", "optional"] {
        let gateway = Gateway::start(config(&hubs, &keys(mode))).await.expect("the gateway starts");
        let (address, host) = (gateway.listener(), gateway.listener().to_string());
        let request = whoami(&host, "").bytes();
        for (name, header, expected) in &good {
            let answer =
                ask_from("127.0.0.1", address, &[header, request.as_slice()].concat()).await.expect(name);
            assert_eq!(hub_of(&answer), *expected, "{name}, {mode}");
            // The header alone first, a byte at a time: it is part of no request.
            let mut client = connect_from("127.0.0.1", address).await;
            client.send_cut(header, mcphub_tests::raw_http::Cut::Every(1)).await.expect("room");
            client.send(&request).await.expect("room");
            assert_eq!(hub_of(&client.answer().await.expect(name)), *expected, "{name} in pieces, {mode}");
        }
        for hub in &hubs {
            hub.take();
        }
        let bare = ask_from("127.0.0.1", address, &request).await;
        let stranger = ask_from("127.0.0.2", address, &[good[0].1.as_slice(), &request].concat()).await;
        if mode == "required" {
            assert!(
                !matches!(bare, Ok(Answer { status: 200, .. })),
                "no header where one is required: {bare:?}"
            );
        } else {
            assert_eq!(hub_of(&bare.expect("an answer")), "us-east");
        }
        assert!(
            !matches!(stranger, Ok(Answer { status: 200, .. })),
            "a stranger's header is believed: {stranger:?}"
        );
        for bad in [
            "PROXY TCP4 133.11.1.1\r\n",
            "PROXY TCP4 nonsense 127.0.0.1 1 2\r\n",
            "PROXY TCP4 133.11.1.1 127.0.0.1 1 99999\r\n",
            "proxy TCP4 133.11.1.1 127.0.0.1 1 2\r\n",
            "PROXY  TCP4 133.11.1.1 127.0.0.1 1 2\r\n",
            "PROXY TCP4 133.11.1.1 127.0.0.1 1 2\n",
        ] {
            let answer = ask_from("127.0.0.1", address, &[bad.as_bytes(), &request].concat()).await;
            assert!(!matches!(answer, Ok(Answer { status: 200, .. })), "{bad:?} is taken: {answer:?}");
        }
        let seen: usize = hubs.iter().map(|hub| hub.log().requests.len()).sum();
        assert_eq!(
            seen,
            usize::from(mode == "optional"),
            "only the bare request of the optional mode reaches a hub"
        );
    }
}

/// A residency rule holds when its only hubs are down: a clear error, and nothing on any other hub.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn residency_holds_when_its_hubs_are_down() {
    for unplaced in ["refuse", "allow"] {
        let mut hubs = hubs().await;
        let home = PLACES.iter().position(|place| *place == "eu-central").expect("a place");
        let rule = format!(
            "[[routing.residency]]\nclients = [\"DE\", \"EU\"]\nhubs_in = [\"eu-central\"]\nunplaced = \"{unplaced}\"\n"
        );
        let config = config(&hubs, "trusted_proxies = [\"127.0.0.0/8\"]").section(&rule);
        let gateway = Gateway::start(config).await.expect("the gateway starts");
        let (address, host) = (gateway.listener(), gateway.listener().to_string());
        let from = |client: &str| format!("X-Forwarded-For: {client}\r\n");
        let (german, french, portuguese) = (from("141.84.1.1"), from("129.175.1.1"), from("193.136.1.1"));
        for bound in [&german, &french, &portuguese] {
            let answer = whoami(&host, bound).send(address).await.expect("an answer");
            assert_eq!(hub_of(&answer), "eu-central", "the rule binds {bound}");
        }
        let session = open_session(address, LEGACY, &german).await.expect("a session at home");

        hubs.remove(home).stop().await;
        for hub in &hubs {
            hub.take();
        }
        for bound in [&german, &french, &portuguese] {
            let answer = whoami(&host, bound).send(address).await.expect("an answer");
            let error = answer.json();
            assert!([403, 503].contains(&answer.status), "{} {}", answer.status, answer.text());
            assert!(error["id"] == 1 && error["error"]["code"].is_i64(), "no clear error: {}", answer.text());
            let opening = Request::post(&host, initialize_body(LEGACY)).with(bound);
            let answer = opening.send(address).await.expect("an answer");
            assert!([403, 503].contains(&answer.status), "{} {}", answer.status, answer.text());
        }
        let call = Request::legacy(&host, &session, legacy_call(5, "whoami", &json!({})));
        for lines in [german.clone(), from("133.11.1.1"), String::new()] {
            let answer = call.clone().with(&lines).send(address).await.expect("an answer");
            assert_eq!(
                (answer.status, &answer.json()["error"]["code"]),
                (200, &json!(-32603)),
                "{}",
                answer.text()
            );
        }
        // No stream elsewhere either: one that says when to come back, and nothing else.
        let stream = Request::stream(&host, &session).with(&german).send(address).await.expect("an answer");
        let said = stream.text();
        assert!(stream.status >= 400 || said.starts_with("retry:") && !said.contains("data:"), "{said}");
        for hub in &hubs {
            let log = hub.log();
            assert_eq!((log.requests.len(), log.bytes), (0, 0), "a bound request leaked: {:?}", log.requests);
        }

        // Others are served as ever.
        for (client, expected) in
            [("133.11.1.1", "ap-northeast"), ("129.132.1.1", "eu-west"), ("8.8.8.8", "us-east")]
        {
            let answer = whoami(&host, &from(client)).send(address).await.expect("an answer");
            assert_eq!(hub_of(&answer), expected, "{client}");
        }
        let nowhere = whoami(&host, "").send(address).await.expect("an answer");
        match unplaced {
            "refuse" => {
                assert!([403, 503].contains(&nowhere.status), "{} {}", nowhere.status, nowhere.text());
            }
            _ => assert_eq!(hub_of(&nowhere), "us-east"),
        }
    }
}

/// A session stays where it was opened, wherever its client goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_stays_on_its_hub_when_its_client_travels() {
    let hubs = hubs().await;
    let gateway = Gateway::start(config(&hubs, "trusted_proxies = [\"127.0.0.0/8\"]"))
        .await
        .expect("the gateway starts");
    let (address, host) = (gateway.listener(), gateway.listener().to_string());
    let session = open_session(address, LEGACY, "X-Forwarded-For: 141.84.1.1\r\n").await.expect("a session");
    for client in ["133.11.1.1", "8.8.8.8", "2001:630::1"] {
        let call = Request::legacy(&host, &session, legacy_call(1, "whoami", &json!({})));
        let answer =
            call.with(&format!("X-Forwarded-For: {client}\r\n")).send(address).await.expect("an answer");
        assert_eq!(hub_of(&answer), "eu-central", "{client}");
    }
}

/// Nearest first, then the next: not just any.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_nearest_hub_refuses_the_next_nearest_serves() {
    let hubs = hubs().await;
    let mut text = Config::new().listener_keys("trusted_proxies = [\"127.0.0.0/8\"]").section(QUIET);
    for (place, hub) in PLACES.iter().zip(&hubs) {
        let url = if *place == "eu-central" { format!("http://{}/mcp", free_address()) } else { hub.url() };
        text = text.section(&hub_table(place, "primary", place, &url));
    }
    let gateway = Gateway::start(text).await.expect("the gateway starts");
    let (address, host) = (gateway.listener(), gateway.listener().to_string());
    for (client, expected) in
        [("141.84.1.1", "eu-west"), ("129.132.1.1", "eu-west"), ("133.11.1.1", "ap-northeast")]
    {
        let answer =
            whoami(&host, &format!("X-Forwarded-For: {client}\r\n")).send(address).await.expect("an answer");
        assert_eq!(hub_of(&answer), expected, "{client}");
    }
}

/// A database that is damaged on disk is not used; the last good one is, and it is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_database_leaves_the_last_good_one_in_use() {
    let hubs = hubs().await;
    let files = tempfile::TempDir::new().expect("a folder");
    let path = files.path().join("country.mmdb");
    let good = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../geo/data/country.mmdb"))
        .expect("the shipped file");
    let put = |bytes: &[u8]| {
        let next = files.path().join("next");
        std::fs::write(&next, bytes).expect("written");
        std::fs::rename(&next, &path).expect("in place");
    };
    put(&good);
    let geo = format!("[geo]\ndatabase = {path:?}\n");
    let config = config(&hubs, "trusted_proxies = [\"127.0.0.0/8\"]").section(&geo);
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    let (address, host) = (gateway.listener(), gateway.listener().to_string());
    let current = async |wanted: f64| {
        until("the state of the database", async || {
            let metric =
                gateway.metric("mcphub_geo_last_reload_successful").await.map_err(|e| format!("{e:#}"))?;
            if metric == Some(wanted) { Ok(()) } else { Err(format!("{metric:?}")) }
        })
        .await
        .expect("it is said");
    };
    let from_japan = async || {
        let request = whoami(&host, "X-Forwarded-For: 133.11.1.1\r\n");
        hub_of(&request.send(address).await.expect("an answer"))
    };
    assert_eq!(from_japan().await, "ap-northeast");
    for damaged in [&good[..good.len() / 2], &[], b"nonsense"] {
        put(damaged);
        current(0.0).await;
        assert_eq!(from_japan().await, "ap-northeast", "with {} bytes on disk", damaged.len());
        put(&good);
        current(1.0).await;
        assert_eq!(from_japan().await, "ap-northeast");
    }
    std::fs::remove_file(&path).expect("removed");
    current(0.0).await;
    assert_eq!(from_japan().await, "ap-northeast", "with nothing on disk");
}
