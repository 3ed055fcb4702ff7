//! Bodies that may not pass: what is no JSON, and what is JSON and no message.

/// Bodies that are no JSON (RFC 8259, which MCP narrows to UTF-8).
pub(super) fn no_json() -> Vec<(&'static str, Vec<u8>)> {
    let text = |name, body: &str| (name, body.as_bytes().to_vec());
    let call = br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"@"}}"#;
    let with = |name, bytes: &[u8]| {
        let at = call.iter().position(|b| *b == b'@').expect("a place");
        (name, [&call[..at], bytes, &call[at + 1..]].concat())
    };
    vec![
        text("nothing", ""),
        text("spaces", "   \r\n\t "),
        text("a word", "nonsense"),
        text("an open brace", "{"),
        text("a closing brace", "}"),
        text("half a message", r#"{"jsonrpc":"2.0","id":1,"method":"pi"#),
        text("single quotes", r"{'jsonrpc':'2.0','id':1,'method':'ping'}"),
        text("a trailing comma", r#"{"jsonrpc":"2.0","id":1,"method":"ping",}"#),
        text(
            "two messages",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"ping"}"#,
        ),
        text("two messages on two lines", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n{}"),
        text("a message and a word", r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#),
        text("a comment", r#"{"jsonrpc":"2.0","id":1,"method":"ping"} // x"#),
        text("a byte order mark", "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"),
        text("NaN", r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}"#),
        text("NaN as the id", r#"{"jsonrpc":"2.0","id":NaN,"method":"ping"}"#),
        text("Infinity", r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":-Infinity}}"#),
        text("a number with a leading zero", r#"{"jsonrpc":"2.0","id":01,"method":"ping"}"#),
        text("a number without fraction", r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1.}}"#),
        text("a number in hex", r#"{"jsonrpc":"2.0","id":0x1,"method":"ping"}"#),
        text("True", r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":True}}"#),
        text("an unknown escape", r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\x41"}}"#),
        text("a key without quotes", r#"{jsonrpc:"2.0","id":1,"method":"ping"}"#),
        text("a form", "jsonrpc=2.0&id=1&method=ping"),
        text("XML", "<methodCall/>"),
        with("a line break in a string", b"\n"),
        with("NUL in a string", b"\0"),
        with("0xff in a string", b"\xff"),
        with("an overlong slash", b"\xc0\xaf"),
        with("half a character", b"\xe2\x82"),
        with("a surrogate as UTF-8", b"\xed\xa0\x80"),
        with("a character beyond Unicode", b"\xf4\x90\x80\x80"),
        ("UTF-16", "{\"jsonrpc\":\"2.0\"}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("100,000 open brackets", vec![b'['; 100_000]),
        ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec()),
    ]
}

/// Bodies that are JSON and no message that may pass.
pub(super) fn no_message() -> Vec<(&'static str, String)> {
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":{open}{close}}}}}"#)
    };
    let text = |name, body: &str| (name, body.to_owned());
    vec![
        text("null", "null"),
        text("true", "true"),
        text("a number", "5"),
        text("a string", "\"ping\""),
        text("an empty object", "{}"),
        text("an empty batch", "[]"),
        text("a batch of numbers", "[1,2]"),
        text("a batch within a batch", r#"[[{"jsonrpc":"2.0","id":1,"method":"ping"}]]"#),
        text("id true", r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#),
        text("id an object", r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#),
        text("id an array", r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#),
        text("id null", r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#),
        text("id a fraction", r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#),
        text("id twice", r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#),
        text("method twice", r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#),
        text(
            "method twice, once escaped",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","m\u0065thod":"tools/call"}"#,
        ),
        text("jsonrpc twice", r#"{"jsonrpc":"2.0","jsonrpc":"1.0","id":1,"method":"ping"}"#),
        text("params twice", r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{},"params":{}}"#),
        text(
            "a tool named twice",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
        ),
        text("no method", r#"{"jsonrpc":"2.0","id":1}"#),
        text("a method that is a number", r#"{"jsonrpc":"2.0","id":1,"method":5}"#),
        text("a method that is null", r#"{"jsonrpc":"2.0","id":1,"method":null}"#),
        text("no jsonrpc", r#"{"id":1,"method":"ping"}"#),
        text("jsonrpc 1.0", r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#),
        text("jsonrpc as a number", r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#),
        text("a request and a result", r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#),
        text(
            "a result and an error",
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}"#,
        ),
        text("a result without id", r#"{"jsonrpc":"2.0","result":{}}"#),
        ("nested 65 deep", deep(65)),
        ("nested 1,000 deep", deep(1_000)),
        ("nested 100,000 deep", deep(100_000)),
    ]
}
