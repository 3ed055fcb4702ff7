//! The verbs that talk to a running gateway, against one that gives a prepared answer.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use super::{check, text};

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
fn sessions_are_counted_in_a_table_and_moved_by_an_order() {
    let counts = serde_json::json!({
        "seen_since": "2026-07-28T10:00:00Z",
        "by_hub": [{ "hub": "a", "sessions": 3, "busy": 1, "listening": 2, "moved": 0, "leaving": 1, "came": 0, "left": 4 }],
        "by_place": [{ "place": "DE", "sessions": 2 }, { "place": null, "sessions": 1 }],
        "by_age": [{ "under_ms": 60_000, "sessions": 0 }, { "under_ms": 600_000, "sessions": 3 },
                   { "under_ms": null, "sessions": 0 }],
        "by_idle": [{ "under_ms": 10_000, "sessions": 2 }, { "under_ms": null, "sessions": 1 }],
        "since_start": { "opened": 9, "moved": 4, "followed": 0, "requests_refused": 1,
                         "requests_refused_by_reason": { "no_hub": 1 }, "requests_lost": 2 },
    });
    let (address, gateway) = admin(answer("200 OK", &counts.to_string()));
    let (said, status) = check(&["sessions", "--admin", &address.to_string()]);
    let expected = "\
        HUB  SESSIONS  BUSY  LISTENING  MOVED  LEAVING  CAME  LEFT\n\
        a    3         1     2          0      1        0     4\n\
        places: DE 2, unknown 1\nage: under 10 min 3\nidle: under 10 s 2, 10 s or more 1\n\
        since the start: 9 opened, 4 moved, 0 followed; 1 request refused (no_hub 1), 2 lost\n\
        sessions are counted that were seen since 2026-07-28T10:00:00Z\n";
    assert_eq!((said.as_str(), status), (expected, 0));
    assert!(gateway.join().expect("asked once").starts_with("GET /v1/sessions HTTP/1.1\r\n"));

    let (address, gateway) = admin(answer("200 OK", r#"{"message":"of 3 sessions on a, 2 leave now"}"#));
    let address = address.to_string();
    let line = ["sessions", "move", "--from", "a", "--to", "b", "--most", "5", "--admin", &address];
    assert_eq!(check(&line), ("of 3 sessions on a, 2 leave now\n".to_owned(), 0));
    let asked = gateway.join().expect("asked once");
    assert!(asked.starts_with("POST /v1/migrateUserSessions HTTP/1.1\r\n"), "{asked}");
    assert!(asked.ends_with("{\"fromHubId\":\"a\",\"sessions\":5,\"toHubId\":\"b\"}"), "{asked}");
    for line in [&["sessions", "move"][..], &["sessions", "move", "--from", "a", "--most", "0"]] {
        assert_eq!(check(line).1, 2, "{line:?}");
    }
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
