use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

/// One line for what `peek` made of a body.
fn seen(body: &[u8]) -> String {
    let envelope = match peek(body, DEPTH_MAX) {
        Ok(envelope) => envelope,
        Err(error) => return format!("error: {error}"),
    };
    let mut line = match &envelope.kind {
        Kind::Request { id, method } => format!("request {} {method}", id.as_json()),
        Kind::Notification { method } => format!("notification {method}"),
        Kind::Response { id } => format!("response {}", id.as_json()),
        Kind::Batch { count, ids } => {
            let ids: Vec<_> = ids.iter().map(RawId::as_json).collect();
            format!("batch of {count} asking {}", ids.join(" "))
        }
    };
    let parts = [("name", &envelope.name), ("uri", &envelope.uri), ("task", &envelope.task_id)].into_iter();
    for (what, text) in parts.filter_map(|(what, text)| text.as_deref().map(|text| (what, text))) {
        line.push_str(&format!(" {what}={text}"));
    }
    if let Some(token) = envelope.progress_token {
        line.push_str(&format!(" progress={}", token.as_json()));
    }
    line
}

fn check(body: &str, expected: &str) {
    assert_eq!(seen(body.as_bytes()), expected, "{body}");
}

#[test]
fn the_shapes_of_json_rpc() {
    check(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, "request 1 ping");
    check(r#" {"method":"ping","id":"a","jsonrpc":"2.0","params":null} "#, r#"request "a" ping"#);
    check(
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        "notification notifications/initialized",
    );
    check(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, "response 7");
    check(r#"{"jsonrpc":"2.0","id":7,"result":null}"#, "response 7");
    check(r#"{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":""}}"#, "response 7");
    check(
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"x"},{"jsonrpc":"2.0","id":"b","method":"ping"},{"jsonrpc":"2.0","id":9,"result":1}]"#,
        r#"batch of 4 asking 1 "b""#,
    );
}

#[test]
fn what_a_request_is_about() {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"name":"no"},"name":"ec\u0068o","_meta":{"progressToken":"t"}}}"#;
    check(call, r#"request 1 tools/call name=echo progress="t""#);
    let read = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#;
    check(read, "request 1 resources/read uri=file:///a");
    let task = r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"k"}}"#;
    check(task, "request 1 tasks/get task=k");
    let odd = r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"name":{"a":[1]},"uri":7,"_meta":[],"taskId":null}}"#;
    check(odd, "request 1 x");
    let tool = peek(call.as_bytes(), DEPTH_MAX).unwrap();
    assert_eq!(tool.tool(), Some("echo"));
    assert!(!tool.opens_session());
    let prompt = br#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p"}}"#;
    assert_eq!(peek(prompt, DEPTH_MAX).unwrap().tool(), None);
}

#[test]
fn initialize_opens_and_its_params_are_verbatim() {
    let body =
        br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params": {"protocolVersion" :"2025-11-25"} }"#;
    assert!(peek(body, DEPTH_MAX).unwrap().opens_session());
    assert_eq!(params(body), Some(r#"{"protocolVersion" :"2025-11-25"}"#));
    assert_eq!(params(br#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#), None);
    assert_eq!(params(b"[]"), None);
    let notification = br#"{"jsonrpc":"2.0","method":"initialize"}"#;
    assert!(!peek(notification, DEPTH_MAX).unwrap().opens_session());
}

#[test]
fn what_is_not_json() {
    for body in [
        "",
        " ",
        "{",
        "nonsense",
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"}{}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":NaN}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping",}"#,
        r#"{'jsonrpc':'2.0'}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pi\nng\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"x\":\"\u{1}\"}",
        "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
        "[",
    ] {
        check(body, "error: the body is not JSON");
    }
    assert_eq!(
        seen(b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"ping\"}"),
        "error: the body is not UTF-8"
    );
}

#[test]
fn what_is_json_but_no_message() {
    for (body, why) in [
        ("1", "a message is an object"),
        ("null", "a message is an object"),
        ("[1]", "a message is an object"),
        ("[]", "an empty batch"),
        ("{}", "jsonrpc is not \"2.0\""),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, "jsonrpc is not \"2.0\""),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, "a message is an object"),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, "a message is an object"),
        (r#"{"jsonrpc":"2.0","id":1}"#, "neither request, notification nor response"),
        (r#"{"jsonrpc":"2.0","result":1}"#, "neither request, notification nor response"),
        (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#, "neither request, notification nor response"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","result":1}"#, "neither request, notification nor response"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}"#, "params is not an object"),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"initialize"}]"#, "initialize inside a batch"),
    ] {
        check(body, &format!("error: not a JSON-RPC message: {why}"));
    }
}

#[test]
fn ids_that_parsers_disagree_on() {
    for id in ["null", "true", "1.5", "1.0", "1e3", "[]", "{}", "18446744073709551616", r#""\ud800""#] {
        check(
            &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#),
            "error: the id is neither a string nor an integer",
        );
    }
}

#[test]
fn keys_that_occur_twice() {
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","m\u0065thod":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","x":1,"x":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"x":{},"x":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"progressToken":1,"progressToken":2}}}"#,
        r#"[{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}]"#,
    ] {
        check(body, "error: a key of the message or its params occurs twice");
    }
}

#[test]
fn nesting_is_bounded_and_never_overflows() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"x":{open}{close}}}}}"#)
    };
    check(&nested(DEPTH_MAX - 2), "request 1 a");
    check(&nested(DEPTH_MAX - 1), "error: the body nests too deep");
    check(&nested(100_000), "error: the body nests too deep");
    for deep in ["[".repeat(1_000_000), r#"{"a":"#.repeat(200_000), r#"{"params":{"_meta":"#.repeat(1_000)] {
        assert!(peek(deep.as_bytes(), DEPTH_MAX).is_err());
    }
    let wide =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"x":[{}1]}}}}"#, "[],".repeat(10_000));
    check(&wide, "request 1 a");
}

#[test]
fn batches_and_keys_are_bounded() {
    let batch = |count: usize| format!("[{}]", vec![r#"{"jsonrpc":"2.0","method":"a"}"#; count].join(","));
    check(&batch(BATCH_MAX), "batch of 1024 asking ");
    check(&batch(BATCH_MAX + 1), "error: not a JSON-RPC message: too many messages in a batch");
    let keys: Vec<_> = (0..100_000).map(|at| format!(r#""{at}":0"#)).collect();
    let wide = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{{}}}}}"#, keys.join(","));
    check(&wide, "request 1 a");
}

#[test]
fn whose_answer_a_failure_is() {
    let asked = |body: &str| match peek(body.as_bytes(), DEPTH_MAX).unwrap().asked() {
        Asked::One(_) => "one",
        Asked::Many(_) => "many",
        Asked::Nothing => "nothing",
        Asked::Unknown => "unknown",
    };
    assert_eq!(asked(r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#), "one");
    assert_eq!(asked(r#"{"jsonrpc":"2.0","method":"a"}"#), "nothing");
    assert_eq!(asked(r#"{"jsonrpc":"2.0","id":1,"result":1}"#), "nothing");
    assert_eq!(asked(r#"[{"jsonrpc":"2.0","method":"a"}]"#), "nothing");
    assert_eq!(asked(r#"[{"jsonrpc":"2.0","id":1,"method":"a"}]"#), "many");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_message() -> impl Strategy<Value = Value> {
    let member =
        |key: &'static str, value: BoxedStrategy<Value>| prop::option::of(value.prop_map(move |v| (key, v)));
    let text = || any::<String>().prop_map(Value::from).boxed();
    let params = (any_json(), prop::option::of(text()), prop::option::of(any::<i64>())).prop_map(
        |(x, name, token)| {
            let mut params = json!({ "x": x });
            if let Some(name) = name {
                params["name"] = name;
            }
            if let Some(token) = token {
                params["_meta"] = json!({ "progressToken": token });
            }
            params
        },
    );
    (
        member("id", prop_oneof![any::<i64>().prop_map(Value::from), text(), any_json()].boxed()),
        member("method", text()),
        member("params", prop_oneof![3 => params.boxed(), 1 => any_json().boxed()].boxed()),
        member("result", any_json().boxed()),
        member("other", any_json().boxed()),
    )
        .prop_map(|(id, method, params, result, other)| {
            let members = [id, method, params, result, other].into_iter().flatten();
            let mut object: serde_json::Map<_, _> =
                members.map(|(key, value)| (key.to_owned(), value)).collect();
            object.insert("jsonrpc".to_owned(), json!("2.0"));
            Value::Object(object)
        })
}

/// What an accepted body must say, read the slow way.
fn agrees(body: &[u8], envelope: &Envelope<'_>) -> Result<(), TestCaseError> {
    let value: Value = serde_json::from_slice(body).expect("what peek accepts is JSON");
    let id_is = |id: &RawId<'_>| serde_json::from_str::<Value>(id.as_json()).ok().as_ref() == value.get("id");
    match &envelope.kind {
        Kind::Request { id, method } => {
            prop_assert!(id_is(id));
            prop_assert_eq!(value["method"].as_str(), Some(&**method));
        }
        Kind::Notification { method } => {
            prop_assert!(value.get("id").is_none());
            prop_assert_eq!(value["method"].as_str(), Some(&**method));
        }
        Kind::Response { id } => prop_assert!(id_is(id) && value.get("method").is_none()),
        Kind::Batch { .. } => prop_assert!(value.is_array()),
    }
    let params = &value["params"];
    prop_assert_eq!(params["name"].as_str(), envelope.name.as_deref());
    prop_assert_eq!(params["uri"].as_str(), envelope.uri.as_deref());
    Ok(())
}

/// What the reader of everyday messages takes, the thorough one must read alike.
fn readers_agree(body: &[u8], depth: usize) -> Result<(), TestCaseError> {
    let Ok(text) = std::str::from_utf8(body) else { return Ok(()) };
    if let Some(plain) = plain::read(text, depth) {
        let thorough = thorough(text, depth);
        prop_assert!(thorough.is_ok(), "{:?} of {}", thorough, text);
        prop_assert_eq!(format!("{plain:?}"), format!("{:?}", thorough.expect("just seen")), "{}", text);
    }
    Ok(())
}

#[test]
fn everyday_messages_are_not_read_twice() {
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":{"progressToken":"p"},"arguments":{"text":"a\n\"b\u00e9","n":[1,-0.5e+3,true,null,{}]}}}"#,
        "{\n  \"jsonrpc\": \"2.0\",\r\n\t\"id\": \"x\",\n  \"method\": \"ping\"\n}\n",
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#,
        r#"{"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c"}},"jsonrpc":"2.0","id":0}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#,
    ] {
        assert!(plain::read(body, DEPTH_MAX).is_some(), "{body}");
        readers_agree(body.as_bytes(), DEPTH_MAX).expect(body);
    }
}

#[test]
fn what_is_not_everyday_is_left_to_the_thorough_reader() {
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"m\u0065thod":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#,
        r#"{"jsonrpc":"2.0","id":01,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"name":"a","name":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":1,"progressToken":2}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"arguments":{"a":"\x"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"arguments":{"a":"\u00g0"}}}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"arguments\":{\"a\":\"\n\"}}}",
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"arguments":[1,]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"arguments":[1 2]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"arguments":-}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"arguments":1.}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"arguments":tru}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":1,"error":2}"#,
        r#"{"jsonrpc":"2.1","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping""#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
        "",
    ] {
        assert!(plain::read(body, DEPTH_MAX).is_none(), "{body}");
    }
    assert!(plain::read(r#"{"jsonrpc":"2.0","id":1,"result":[[]]}"#, 2).is_none());
    assert!(plain::read(r#"{"jsonrpc":"2.0","id":1,"result":[[]]}"#, 3).is_some());
}

proptest! {
    #[test]
    fn both_readers_say_the_same(
        message in any_message(),
        pretty: bool,
        at in any::<prop::sample::Index>(),
        damage in prop::option::of((any::<u8>(), any::<bool>())),
        depth in 1..8_usize,
    ) {
        let mut body =
            if pretty { serde_json::to_vec_pretty(&message) } else { serde_json::to_vec(&message) }.unwrap();
        let at = at.index(body.len());
        match damage {
            Some((_, true)) => body.truncate(at),
            Some((byte, false)) => body[at] = byte,
            None => {}
        }
        readers_agree(&body, depth)?;
        readers_agree(&body, DEPTH_MAX)?;
    }

    /// Whole messages are damaged so often that hardly one stays sound; of pieces of JSON more do.
    #[test]
    fn both_readers_take_the_same_values(value in r#"[-+0-9.eE]{1,6}|"([a-z\\"/u0-9é]|\\[a-z"]|\\u[0-9a-fg]{4}){0,6}"|[\[\]{},:"a0 ]{1,8}"#) {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"arguments":{value}}}}}"#);
        let (plain, thorough) = (plain::read(&body, DEPTH_MAX), thorough(&body, DEPTH_MAX));
        prop_assert_eq!(plain.is_some(), thorough.is_ok(), "{}", body);
        readers_agree(body.as_bytes(), DEPTH_MAX)?;
    }

    #[test]
    fn accepted_messages_say_what_a_full_parser_reads(message in any_message()) {
        let body = serde_json::to_vec(&message).unwrap();
        if let Ok(envelope) = peek(&body, DEPTH_MAX) {
            agrees(&body, &envelope)?;
        } else {
            let object = message.as_object().unwrap();
            let sound_id = object.get("id").is_none_or(|id| id.is_string() || id.is_i64() || id.is_u64());
            let sound_params = object.get("params").is_none_or(|params| params.is_object() || params.is_null());
            let (id, method, result) = (object.contains_key("id"), object.contains_key("method"), object.contains_key("result"));
            let shape = (method && !result) || (!method && id && result);
            prop_assert!(!(sound_id && sound_params && shape), "refused: {}", message);
        }
    }

    #[test]
    fn a_damaged_body_never_panics(message in any_message(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut body = serde_json::to_vec(&message).unwrap();
        let at = at.index(body.len());
        if cut { body.truncate(at) } else { body[at] = byte }
        let _ = peek(&body, DEPTH_MAX);
        let _ = params(&body);
    }

    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = peek(&body, DEPTH_MAX);
    }
}
