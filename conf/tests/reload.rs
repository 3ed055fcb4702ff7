//! The verdict on a reload, the revision, the files to watch, and secrets.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use mcphub_conf::settings::{AllowedHosts, Probe, StateSettings};
use mcphub_conf::{Loaded, Verdict, diff, load, parse};
use std::path::Path;

const BASE: &str = r#"
[gateway]
location = "here"
threads = 2
[[listener]]
address = "127.0.0.1:8080"
[[listener]]
address = "127.0.0.1:8081"
[locations]
here = { latitude = 50.1, longitude = 8.7 }
[[hub]]
id = "a"
type = "primary"
location = "here"
url = "http://127.0.0.1:3001/mcp"
"#;

fn read(text: &str, dir: &Path) -> Loaded {
    let env = |name: &str| (name == "TOKEN").then(|| "0123456789abcdef0123".to_owned());
    parse(text, "edge.toml", dir, &env).unwrap_or_else(|report| panic!("{}", report.render_text()))
}

fn needs(fields: &[&str]) -> Verdict {
    Verdict::NeedsRestart { fields: fields.iter().map(|&field| field.to_owned()).collect() }
}

#[test]
fn verdicts() {
    let dir = tempfile::tempdir().unwrap();
    let pem = "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n";
    std::fs::write(dir.path().join("both.pem"), pem).unwrap();
    let old = read(BASE, dir.path());
    let check = |from: &str, to: &str, expected: Verdict| {
        assert!(BASE.contains(from), "{from}");
        let new = read(&BASE.replacen(from, to, 1), dir.path());
        assert_eq!(diff(&old, &new), expected, "{to}");
    };
    check("[gateway]", "# only a comment\n[gateway]", Verdict::Unchanged);
    check("[[hub]]", "[limits]\nheader_deadline = \"10s\"\n[[hub]]", Verdict::Unchanged);
    check("[[hub]]", "[limits]\nheader_deadline = \"11s\"\n[[hub]]", Verdict::Swap);
    check("url = \"http://127.0.0.1:3001/mcp\"", "url = \"http://127.0.0.1:3002/mcp\"", Verdict::Swap);
    check("address = \"127.0.0.1:8080\"", "address = \"127.0.0.1:8080\"\npath = \"/other\"", Verdict::Swap);
    check(
        "address = \"127.0.0.1:8080\"\n[[listener]]\naddress = \"127.0.0.1:8081\"",
        "address = \"127.0.0.1:8081\"\n[[listener]]\naddress = \"127.0.0.1:8080\"",
        Verdict::Swap,
    );
    check("[[hub]]", "[admin]\ntoken_env = \"TOKEN\"\n[[hub]]", Verdict::Swap);
    check("[[hub]]", "[cache]\nenabled = false\nsize = \"1MiB\"\n[[hub]]", Verdict::Swap);
    check("threads = 2", "threads = 3", needs(&["gateway.threads"]));
    check("127.0.0.1:8081", "127.0.0.1:8082", needs(&["listener[1].address"]));
    check("[[listener]]\naddress = \"127.0.0.1:8081\"\n", "", needs(&["listener"]));
    let flags = "127.0.0.1:8081\"\nhttp2 = false\nreuse_port = true\n\
                 proxy_protocol = \"required\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n\
                 tls = { certificate = \"both.pem\", key = \"both.pem\" }\n#";
    let names =
        ["listener[1].tls", "listener[1].proxy_protocol", "listener[1].http2", "listener[1].reuse_port"];
    check("127.0.0.1:8081", flags, needs(&names));
    check("[[hub]]", "[admin]\naddress = \"127.0.0.1:9091\"\n[[hub]]", needs(&["admin.address"]));
    check("[[hub]]", "[state]\ndirectory = \"elsewhere\"\n[[hub]]", needs(&["state"]));
    let nats = "[state]\nbackend = \"nats\"\nurl = \"nats://127.0.0.1\"\n[[hub]]";
    check("[[hub]]", nats, needs(&["state"]));
    // All or nothing: a change that could be swapped does not slip in beside one that cannot.
    check("threads = 2", "threads = 3\nname = \"other\"", needs(&["gateway.threads"]));
}

#[test]
fn the_contents_of_files_count() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("admin.token", "0123456789abcdef\n");
    write("cert.pem", "-----BEGIN CERTIFICATE-----\n1\n");
    write("key.pem", "-----BEGIN PRIVATE KEY-----\n1\n");
    write("geo.mmdb", "any");
    let text = BASE.replacen(
        "127.0.0.1:8080\"",
        "127.0.0.1:8080\"\ntls = { certificate = \"cert.pem\", key = \"key.pem\" }\n#",
        1,
    ) + "[admin]\ntoken_file = \"admin.token\"\n[geo]\ndatabase = \"geo.mmdb\"\n";
    write("edge.toml", &text);
    let path = dir.path().join("edge.toml");
    let env = |_: &str| None;
    let first = load(&path, &env).unwrap();
    assert_eq!(diff(&first, &load(&path, &env).unwrap()), Verdict::Unchanged);
    let mut files: Vec<_> =
        first.files.iter().map(|f| f.file_name().unwrap().to_string_lossy().into_owned()).collect();
    files.sort();
    assert_eq!(files, ["admin.token", "cert.pem", "edge.toml", "geo.mmdb", "key.pem", "session.key"]);
    for (name, contents) in [
        ("admin.token", "fedcba9876543210\n"),
        ("cert.pem", "-----BEGIN CERTIFICATE-----\n2\n"),
        ("key.pem", "-----BEGIN PRIVATE KEY-----\n2\n"),
        ("session.key", "made by the gateway"),
    ] {
        let before = load(&path, &env).unwrap();
        write(name, contents);
        let after = load(&path, &env).unwrap();
        assert_eq!(diff(&before, &after), Verdict::Swap, "{name}");
        assert_ne!(before.revision, after.revision, "{name}");
    }
    assert_eq!(first.revision.to_string().len(), 16);
}

#[test]
fn secrets_are_not_printed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("admin.token"), "hunter2hunter2hunter2\r\n").unwrap();
    let loaded = read(
        &format!("{BASE}[admin]\naddress = \"0.0.0.0:9090\"\ntoken_file = \"admin.token\"\n"),
        dir.path(),
    );
    let token = loaded.settings.admin.token.clone().unwrap();
    assert_eq!(token.expose(), "hunter2hunter2hunter2");
    for printed in [format!("{loaded:?}"), format!("{token}"), format!("{:#?}", loaded.settings)] {
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(printed.contains("***"));
    }
}

#[test]
fn secrets_stay_out_of_reports() {
    let text = include_str!("mistakes/secrets.toml").to_owned() + "token = hunter2\n";
    let plain =
        parse(include_str!("mistakes/secrets.toml"), "edge.toml", Path::new("."), &|_| None).unwrap_err();
    assert!(plain.mistakes() >= 5 && !plain.render_rich().contains("hunter2"), "{}", plain.render_rich());
    let report = parse(&text, "edge.toml", Path::new("."), &|_| None).unwrap_err();
    for printed in
        [report.render_text(), report.render_rich(), report.render_json().to_string(), format!("{report:?}")]
    {
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[test]
fn a_rich_report_points_at_the_place() {
    let report = parse("[log]\n\tlevel = \"lod\"\n", "edge.toml", Path::new("."), &|_| None).unwrap_err();
    let rich = report.render_rich();
    assert!(rich.contains("2 | \tlevel = \"lod\"\n  | \t        ^\n"), "{rich}");
}

#[test]
fn what_is_left_out_has_a_meaning() {
    let dir = tempfile::tempdir().unwrap();
    let settings = read(BASE, dir.path()).settings;
    let AllowedHosts::Only(hosts) = &settings.listeners[0].allowed_hosts else { panic!("any host") };
    let hosts: Vec<_> = hosts.iter().map(|h| (h.host.as_str(), h.port)).collect();
    assert_eq!(hosts, [("127.0.0.1", Some(8080)), ("localhost", Some(8080))]);
    assert_eq!(settings.health.probe, Probe::Mcp);
    assert_eq!(settings.state, StateSettings::Embedded { directory: dir.path().join("state") });
    assert_eq!(settings.session.key_files, [dir.path().join("session.key")]);
    assert_eq!(settings.hubs[0].url.to_string(), "http://127.0.0.1:3001/mcp");
    assert_eq!(settings.hubs[0].url.authority(), "127.0.0.1:3001");
    assert_eq!(settings.hubs[0].weight.get(), 100);
    assert_eq!(settings.hubs[0].eras, None);
}
