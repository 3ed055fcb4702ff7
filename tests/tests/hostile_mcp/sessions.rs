//! Whose session is it? Forged, foreign and stolen ids all look the same from outside.

use super::*;

/// Ways to get a session id wrong.
fn forgeries(good: &str, foreign: &str) -> Vec<(String, String)> {
    let flipped = |at: usize| {
        let mut bytes = good.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("ASCII")
    };
    let length = good.len();
    let mut forgeries: Vec<_> =
        [0, 1, 2, 4, 8, 16, length / 3, length / 2, length - 20, length - 2, length - 1]
            .map(|at| (format!("byte {at} of {length} changed"), flipped(at)))
            .into();
    let mut swapped: Vec<char> = good.chars().collect();
    swapped.swap(length / 2, length / 2 + 1);
    let own = |name: &str, id: &str| (name.to_owned(), id.to_owned());
    forgeries.extend([
        own("half of it", &good[..length / 2]),
        own("all but the last byte", &good[..length - 1]),
        own("all but the first byte", &good[1..]),
        own("one byte more", &format!("{good}A")),
        own("padding", &format!("{good}=")),
        own("twice", &format!("{good}{good}")),
        own("in capitals", &good.to_ascii_uppercase()),
        own("reversed", &good.chars().rev().collect::<String>()),
        own("of another gateway", foreign),
        own("the hub's own", "raw-inner-00000000"),
        own("one letter", "x"),
        own("a guess", "00000000-0000-0000-0000-000000000000"),
        own("a path", "../../etc/passwd"),
        own("a query", "' OR 1=1 --"),
        own("7,000 letters", &"A".repeat(7000)),
        own("two ids in a list", &format!("{good},{good}")),
    ]);
    let swapped: String = swapped.into_iter().collect();
    if swapped != good {
        forgeries.push(own("two bytes swapped", &swapped));
    }
    forgeries
}

/// One answer for every id that is not this client's: nobody learns which ids exist.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_session_ids_all_look_the_same() {
    let rig = Rig::start().await;
    let other = plain_edge(&rig.hub).await.expect("another gateway, with another key");
    let foreign = open_session(other.listener(), LEGACY, "").await.expect("a session of the other");
    let mut first: Option<String> = None;
    let forgeries = forgeries(&rig.session, &foreign);
    assert!(forgeries.len() >= 25);
    for (name, id) in &forgeries {
        let posts = Request::legacy(&rig.host, id, legacy_call(1, "echo", &json!({})));
        let mut deletes = Request::stream(&rig.host, id).line("DELETE /mcp");
        deletes.accept = None;
        let cases = [
            case(format!("POST with {name}"), posts, &[404], Reach::Never),
            case(format!("GET with {name}"), Request::stream(&rig.host, id), &[404], Reach::Never),
            case(format!("DELETE with {name}"), deletes, &[404], Reach::Never),
        ];
        for case in cases {
            let answer = rig.judge(&case).await.unwrap_or_else(|flaw| panic!("{}: {flaw}", case.name));
            if case.request.line.starts_with("POST") {
                let shown = shown(&answer);
                let first = first.get_or_insert_with(|| shown.clone());
                assert_eq!(&shown, first, "{} is told apart from the others", case.name);
            }
        }
    }
    let good = rig.call(legacy_call(1, "echo", &json!({})));
    rig.judge(&case("the true id", good, &[200], Reach::Once)).await.expect("still works");
}

/// What a client can see of an answer, without its date.
fn shown(answer: &Answer) -> String {
    let fields: Vec<_> =
        answer.fields.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date")).collect();
    format!("{} {fields:?} {}", answer.status, answer.text())
}

/// A session belongs to the credential that opened it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_under_another_credential_is_unknown() {
    let rig = Rig::start().await;
    let mine = "Authorization: Bearer alice-secret\r\n";
    let session = open_session(rig.address(), LEGACY, mine).await.expect("a session with a credential");
    let call = |session: &str, lines: &str| {
        Request::legacy(&rig.host, session, legacy_call(1, "echo", &json!({}))).with(lines)
    };
    rig.judge(&case("mine", call(&session, mine), &[200], Reach::Once)).await.expect("works");
    let unknown =
        rig.judge(&case("unknown", call("nonsense", mine), &[404], Reach::Never)).await.expect("404");
    for theirs in [
        "Authorization: Bearer mallory-secret\r\n",
        "Authorization: Bearer alice-secret2\r\n",
        "Authorization: Basic YWxpY2U6eA==\r\n",
        "Authorization:\r\n",
        "",
    ] {
        let answer =
            rig.judge(&case(theirs, call(&session, theirs), &[404], Reach::Never)).await.expect(theirs);
        assert_eq!(shown(&answer), shown(&unknown), "{theirs:?} is told apart from an unknown session");
        let stream = Request::stream(&rig.host, &session).with(theirs);
        rig.judge(&case(theirs, stream.clone(), &[404], Reach::Never)).await.expect(theirs);
        rig.judge(&case(theirs, stream.line("DELETE /mcp"), &[404], Reach::Never)).await.expect(theirs);
    }
    // And one that was opened without a credential does not become somebody's.
    rig.judge(&case("none becomes one", call(&rig.session, mine), &[404], Reach::Never)).await.expect("404");
    rig.judge(&case("mine again", call(&session, mine), &[200], Reach::Once)).await.expect("works");
}

/// The client's id and the hub's id never meet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_ids_never_cross_the_gateway() {
    let rig = Rig::start().await;
    rig.hub.take();
    let session = open_session(rig.address(), LEGACY, "").await.expect("a session");
    assert!(session.len() >= 40 && session.bytes().all(|b| (0x21..0x7f).contains(&b)), "{session:?}");
    assert!(!session.contains(INNER) && !session.contains("raw"), "the id tells the hub's: {session}");
    let call = Request::legacy(&rig.host, &session, legacy_call(1, "echo", &json!({})));
    let answer = call.send(rig.address()).await.expect("an answer");
    assert!(!shown(&answer).contains(INNER), "{}", shown(&answer));
    let log = rig.hub.log();
    assert_eq!(log.requests.len(), 3);
    assert_eq!(log.requests[0].field("mcp-session-id"), None);
    for seen in &log.requests[1..] {
        assert!(seen.field("mcp-session-id").is_some_and(|id| id.contains(INNER)), "{:?}", seen.fields);
        assert!(!format!("{:?}", seen.fields).contains(&session), "the client's id reached the hub");
    }
    // A client that starts over with its old id in hand gets a new one; the old one is not passed on.
    rig.hub.take();
    let again = Request::initialize(&rig.host, LEGACY).with(&format!("Mcp-Session-Id: {session}\r\n"));
    let answer = again.send(rig.address()).await.expect("an answer");
    assert_eq!(answer.status, 200);
    assert_ne!(answer.field("mcp-session-id"), Some(session.as_str()));
    assert_eq!(rig.hub.log().requests[0].field("mcp-session-id"), None);
    // Without an id, the hub says what it thinks of that.
    let homeless = Request::post(&rig.host, legacy_call(1, "echo", &json!({})));
    rig.judge(&case("no session id", homeless, &[400], Reach::May)).await.expect("400");
}
