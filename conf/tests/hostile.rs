//! Whatever stands in the file, there is an answer: settings, or a mistake with a line of that file.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use mcphub_conf::{FILE_SIZE_MAX, Loaded, Report, load, parse};
use proptest::prelude::*;
use std::path::Path;

fn no_env(_: &str) -> Option<String> {
    None
}

const SAMPLES: [&str; 4] = [
    include_str!("../samples/quickstart.toml"),
    include_str!("../samples/single-pop.toml"),
    include_str!("../samples/three-regions.toml"),
    include_str!("../samples/reference.toml"),
];

/// Settings, or at least one mistake, each on a line within the text.
fn check(text: &str) -> Result<Loaded, Report> {
    let read = parse(text, "edge.toml", Path::new("."), &no_env);
    if let Err(report) = &read {
        assert!(report.has_mistakes(), "{text}");
        let lines = text.split('\n').count();
        for finding in &report.findings {
            let line = finding.line.unwrap_or(1);
            assert!((1..=lines).contains(&line), "line {line} of {lines}: {finding:?}");
            let width = text.split('\n').nth(line - 1).map_or(0, |line| line.chars().count());
            let column = finding.column.unwrap_or(1);
            assert!((1..=width + 1).contains(&column), "column {column} of {width}: {finding:?}");
        }
        let rich = report.render_rich();
        assert!(rich.starts_with("edge.toml"), "{rich}");
        assert_eq!(report.render_json()["findings"].as_array().map(Vec::len), Some(report.findings.len()));
    }
    read
}

fn sample() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&SAMPLES[..])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_truncated_sample(text in sample(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(text.len() + 1);
        let cut = (0..=cut).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let _ = check(&text[..cut]);
    }

    #[test]
    fn a_mutated_sample(
        text in sample(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..4usize, any::<char>()), 1..12),
    ) {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, how, with) in edits {
            let at = at.index(chars.len());
            match how {
                0 => chars[at] = with,
                1 => chars.insert(at, with),
                2 => drop(chars.remove(at)),
                _ => chars[at] = ['"', '[', ']', '{', '}', '=', '\n', '.', '#', '\0'][with as usize % 10],
            }
        }
        let _ = check(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn lines_in_another_order(text in sample(), seed in any::<u64>()) {
        let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let mut state = seed | 1;
        for at in (1..lines.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            lines.swap(at, (state >> 33) as usize % (at + 1));
        }
        let _ = check(&lines.join("\n"));
    }

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        let _ = check(&text);
    }
}

#[test]
fn a_byte_order_mark_and_crlf_change_nothing() {
    for text in SAMPLES {
        let plain = check(text).unwrap();
        let windows = check(&format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
        assert_eq!(plain.settings, windows.settings);
        assert_eq!(plain.revision, windows.revision);
    }
}

#[test]
fn strange_texts_are_answered() {
    for text in [
        "",
        "\n",
        "\u{feff}",
        "\0",
        "a\0b = 1",
        "=",
        "[",
        "]",
        "[[",
        "\"",
        "'''",
        "\r",
        "a = \"\r\"",
        "🦀 = 1",
    ] {
        assert!(check(text).is_err(), "{text:?}");
    }
    assert!(check(&format!("a = {}1{}", "[".repeat(5_000), "]".repeat(5_000))).is_err());
    assert!(check(&format!("a = {}", "{ a = ".repeat(5_000))).is_err());
    assert!(check(&"a.".repeat(100_000)).is_err());
    assert!(check(&"[a]\n".repeat(200_000)).is_err());
}

#[test]
fn a_report_is_never_longer_than_anybody_reads() {
    let text: String = (0..50_000).map(|n| format!("key{n} = {n}\n")).collect();
    let report = check(&text).unwrap_err();
    assert!(report.findings.len() <= 501, "{}", report.findings.len());
    assert!(report.findings.last().unwrap().what.contains("more findings"), "{:?}", report.findings.last());
}

/// What `load` says of the file at `path`, on one line.
fn said(path: &Path) -> String {
    let report = load(path, &no_env).expect_err("a mistake");
    assert_eq!(report.findings.len(), 1, "{report}");
    report.render_text()
}

#[test]
fn files_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("edge.toml");
    assert!(said(&path).contains("does not exist"));
    assert!(said(dir.path()).contains("is a folder"));
    assert!(said(&path.join("below")).contains("does not exist"));
    std::fs::write(&path, vec![b'#'; 10 << 20]).unwrap();
    assert!(said(&path).contains("larger than 1MiB"));
    std::fs::write(&path, b"[gateway]\nname = \"\xff\"\n").unwrap();
    assert!(said(&path).contains("line 2 is not UTF-8"));
    #[cfg(unix)]
    assert!(said(Path::new("/dev/zero")).contains("not a plain file"));
    let most = format!("{}{}", SAMPLES[0], "#".repeat(FILE_SIZE_MAX - SAMPLES[0].len()));
    std::fs::write(&path, &most).unwrap();
    assert!(load(&path, &no_env).is_ok());
    std::fs::write(&path, most + "#").unwrap();
    assert!(load(&path, &no_env).is_err());
}

#[test]
#[cfg(unix)]
fn a_file_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("edge.toml");
    std::fs::write(&path, SAMPLES[0]).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser reads it all the same.
    if std::fs::File::open(&path).is_err() {
        assert!(said(&path).contains("may not be read"));
    }
}
