use super::*;
use proptest::prelude::*;

/// One line for what is in an event.
fn seen(block: &[u8]) -> String {
    let event = Event::parse(block);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\n', "|");
    let mut parts = Vec::new();
    parts.extend(event.id.map(|id| format!("id={}", text(id))));
    parts.extend(event.event.map(|name| format!("event={}", text(name))));
    parts.extend(event.data.as_deref().map(|data| format!("data={}", text(data))));
    parts.extend(event.retry.map(|retry| format!("retry={retry}")));
    parts.extend(event.is_comment().then(|| "comment".to_owned()));
    parts.join(" ")
}

fn check(block: &str, expected: &str) {
    assert_eq!(seen(block.as_bytes()), expected, "{block:?}");
}

#[test]
fn fields_as_the_standard_reads_them() {
    check("data: a\n\n", "data=a");
    check("data:a\ndata:  b\r\ndata\rdata:c\n\n", "data=a| b||c");
    check("event: message\nid: 7\ndata: {}\nretry: 1500\n\n", "id=7 event=message data={} retry=1500");
    check("id: 1\ndata:\n\n", "id=1 data=");
    check("id\n\n", "id=");
    check("id: a\0b\nretry: 1x\nretry: \ndata: x\n\n", "data=x");
    check("retry: 99999999999999999999999999\n\n", "");
    check(": ping\n\n", "comment");
    check(":\r\n\r\n", "comment");
    check(": c\ndata: x\n\n", "data=x");
    check("unknown: x\n data: y\nDATA: z\n\n", "");
    check("\n", "");
    check("data: torn", "data=torn");
}

/// Feeds `stream` in pieces, as a caller would; returns the whole events and what is left.
fn feed(stream: &[u8], cuts: &[usize], limit: usize) -> Result<(Vec<u8>, Vec<u8>), EventTooLarge> {
    let (mut splitter, mut buffer, mut out) = (EventSplitter::new(limit), Vec::new(), Vec::new());
    let mut fed = 0;
    for cut in cuts.iter().copied().chain([stream.len()]) {
        let cut = cut.clamp(fed, stream.len());
        buffer.extend_from_slice(&stream[fed..cut]);
        fed = cut;
        let whole = splitter.whole(&buffer)?;
        out.extend(buffer.drain(..whole));
        assert_eq!(splitter.between_events(), buffer.is_empty());
    }
    Ok((out, buffer))
}

#[test]
fn only_whole_events_come_out() {
    for (stream, whole) in [
        ("", 0),
        ("data: a", 0),
        ("data: a\n", 0),
        ("data: a\n\n", 9),
        ("data: a\r\r", 9),
        ("data: a\r\n\r\n", 11),
        ("data: a\r\n\r", 10),
        ("data: a\n\r\n", 10),
        ("data: a\r\n\n", 10),
        ("data: a\r\n", 0),
        ("data: a\n\ndata: b", 9),
        ("\n\n: c\n\n", 7),
        ("a\n\nb\n\nc", 6),
    ] {
        let cuts: Vec<_> = (0..stream.len()).collect();
        for cuts in [&[][..], &cuts] {
            let (out, rest) = feed(stream.as_bytes(), cuts, 1_000).unwrap();
            assert_eq!(out.len(), whole, "{stream:?} {cuts:?}");
            assert_eq!([out, rest].concat(), stream.as_bytes());
        }
    }
}

#[test]
fn an_event_that_never_ends_is_refused() {
    assert_eq!(EventSplitter::new(10).whole(b"data: 123\n\n"), Err(EventTooLarge { whole: 0, limit: 10 }));
    assert_eq!(EventSplitter::new(10).whole(b"data: 12\n\n"), Ok(10));
    assert_eq!(EventSplitter::new(10).whole(b"data: 12\n\ndata: 1234"), Ok(10));
    assert_eq!(
        EventSplitter::new(10).whole(b"data: 12\n\ndata: 12345"),
        Err(EventTooLarge { whole: 10, limit: 10 })
    );
    let mut splitter = EventSplitter::new(10);
    assert_eq!(splitter.whole(b"data: 1234"), Ok(0));
    assert!(splitter.whole(b"data: 12345").is_err());
}

#[test]
fn writing() {
    let mut out = Vec::new();
    write_event(&mut out, Some(b"7"), Some(b"message"), b"a\nb\r\nc\rd");
    assert_eq!(out, b"event: message\nid: 7\ndata: a\ndata: b\ndata: c\ndata: d\n\n");
    assert_eq!(seen(&out), "id=7 event=message data=a|b|c|d");
    out.clear();
    write_event(&mut out, Some(b"7\ndata: forged"), Some(b"x\ry"), b"");
    assert_eq!(out, b"data: \n\n");
    out.clear();
    write_retry(&mut out, 1500);
    assert_eq!(out, b"retry: 1500\n\n");
    assert!(Event::parse(KEEP_ALIVE).is_comment());
}

#[test]
fn ids_are_replaced_and_never_added() {
    let copy = |block: &[u8]| {
        let mut out = Vec::new();
        copy_with_id(&mut out, block, Some(b"new"));
        String::from_utf8(out).unwrap()
    };
    assert_eq!(copy(b"id: old\r\ndata: x\r\nvendor: y\r\n\r\n"), "id: new\ndata: x\nvendor: y\n\n");
    assert_eq!(copy(b"data: x\n\n"), "data: x\n\n");
    assert_eq!(copy(b": c\n\n"), ": c\n\n");
}

#[test]
fn an_answer_is_known_by_its_id() {
    let id = RawId::parse("7").unwrap();
    for (data, expected) in [
        (r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, true),
        (r#"{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"x"}}"#, true),
        (r#"{"result":null,"id":7,"jsonrpc":"2.0"}"#, true),
        (r#"[{"jsonrpc":"2.0","id":6,"result":{}},{"jsonrpc":"2.0","id":7,"result":{}}]"#, true),
        (r#"{"jsonrpc":"2.0","id":8,"result":{}}"#, false),
        (r#"{"jsonrpc":"2.0","id":"7","result":{}}"#, false),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#, false),
        (r#"{"jsonrpc":"2.0","id":7,"method":"x","result":{}}"#, false),
        (r#"{"jsonrpc":"2.0","method":"x","params":{"id":7,"result":{}}}"#, false),
        (r#"{"jsonrpc":"2.0","id":null,"error":{}}"#, false),
        (r#"{"jsonrpc":"2.0","id":7,"result":{}"#, false),
        ("", false),
        ("[]", false),
        ("result 7", false),
    ] {
        assert_eq!(answer_of(data.as_bytes(), &id), expected, "{data}");
    }
    assert!(answer_of("{\"id\":\"é\",\"result\":1}".as_bytes(), &RawId::parse(r#""\u00e9""#).unwrap()));
    assert!(!answer_of(b"{\"id\":7,\"result\":\"\xff\"}", &id));
}

/// Streams with every kind of line end, comments and blank lines.
fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => Just("\n"),
        2 => Just("\r\n"),
        2 => Just("\r"),
        3 => Just("data: x"),
        1 => Just("id: 1"),
        1 => Just(": c"),
        1 => Just("é:"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

/// How the standard reads a stream: lines, and a dispatch at each empty one; the torn rest does not count.
fn by_the_standard(stream: &[u8]) -> Vec<String> {
    let text = String::from_utf8(stream.to_vec()).unwrap().replace("\r\n", "\n").replace('\r', "\n");
    let Some((whole, _torn)) = text.rsplit_once("\n\n").or(text.starts_with('\n').then_some(("", ""))) else {
        return Vec::new();
    };
    let events = whole.split("\n\n").map(|block| seen(block.as_bytes()));
    events.filter(|event| event.contains("data=")).collect()
}

#[test]
fn everyday_answers_are_not_read_twice() {
    let id = RawId::parse("7").unwrap();
    for (data, answers) in [
        (r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"a\n"}]}}"#, true),
        (r#"{"id":7,"error":{"code":1}}"#, true),
        (r#"{"id":8,"result":1}"#, false),
        (r#"{"id":7,"result":1,"error":1}"#, false),
        (r#"{"id":7}"#, false),
    ] {
        assert!(everyday(data).is_some(), "{data}");
        assert_eq!(answer_of(data.as_bytes(), &id), answers, "{data}");
    }
    assert_eq!(everyday(r#"{"id":7,"method":"x","result":1}"#), None);
    assert_eq!(everyday(r#"{"id":7,"id":7,"result":1}"#), None);
}

proptest! {
    #[test]
    fn everyday_answers_say_what_the_thorough_reader_reads(
        id in r#"[0-9]{1,2}|"[a-z]"|null|1\.5|\{\}"#, members in prop::collection::vec(r#""(result|error|method|jsonrpc|x|id)":(1|"a"|\{"b":\[\]\}|null|tru)"#, 0..3),
    ) {
        let more: String = members.iter().map(|member| format!(",{member}")).collect();
        let text = format!(r#"{{"id":{id}{more}}}"#);
        if let Some(reply) = everyday(&text) {
            prop_assert_eq!(Some(reply), serde_json::from_str(&text).ok(), "{}", text);
        }
    }

    #[test]
    fn the_last_event_is_the_last_of_all(bytes in "[a\n\r:]{0,14}(\n\n)?") {
        prop_assert_eq!(last_event(bytes.as_bytes()), events(bytes.as_bytes()).last(), "{:?}", bytes);
    }

    #[test]
    fn chunking_changes_nothing(stream in any_stream(), cuts in prop::collection::vec(0..300_usize, 0..20)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let at_once = feed(&stream, &[], 100_000).unwrap();
        let in_pieces = feed(&stream, &cuts, 100_000).unwrap();
        prop_assert_eq!(&at_once.0, &in_pieces.0);
        prop_assert_eq!([in_pieces.0.as_slice(), &in_pieces.1].concat(), stream);
        prop_assert_eq!(events(&at_once.0).map(<[u8]>::len).sum::<usize>(), at_once.0.len());
    }

    #[test]
    fn the_events_are_those_of_the_standard(stream in any_stream()) {
        let (whole, rest) = feed(&stream, &[], 100_000).unwrap();
        let ours: Vec<_> = events(&whole).map(seen).filter(|event| event.contains("data=")).collect();
        prop_assert_eq!(ours, by_the_standard(&stream));
        prop_assert_eq!(events(&rest).count(), 0);
    }

    #[test]
    fn what_is_written_is_read_back(id in any::<Vec<u8>>(), data in any::<String>()) {
        let mut out = Vec::new();
        write_event(&mut out, Some(&id), Some(b"message"), data.as_bytes());
        prop_assert_eq!(events(&out).count(), 1);
        let event = Event::parse(&out);
        let sound = !id.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0));
        prop_assert_eq!(event.id, sound.then_some(&id[..]));
        let expected = data.replace("\r\n", "\n").replace('\r', "\n");
        prop_assert_eq!(event.data.as_deref(), Some(expected.as_bytes()));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), limit in 0..50_usize) {
        let _ = Event::parse(&bytes);
        let _ = feed(&bytes, &[1, 5, 50], limit);
        let _ = answer_of(&bytes, &RawId::parse("1").unwrap());
        let mut out = Vec::new();
        copy_with_id(&mut out, &bytes, Some(b"n"));
    }
}
