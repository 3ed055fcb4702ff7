//! Golden reports: `tests/mistakes/NAME.toml` in, `NAME.txt` out, as an operator reads it.
//!
//! `UPDATE_GOLDEN=1 cargo test -p mcphub-conf --test mistakes` writes the reports anew; read the difference.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use mcphub_conf::{Severity, parse};
use std::path::Path;

fn env(name: &str) -> Option<String> {
    match name {
        "EMPTY_TOKEN" => Some(String::new()),
        "SHORT_TOKEN" => Some("hunter2".to_owned()),
        "GOOD_TOKEN" => Some("0123456789abcdef0123456789abcdef".to_owned()),
        _ => None,
    }
}

#[test]
fn reports_read_as_they_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    names.sort();
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let (mut mistakes, mut wrong) = (0, Vec::new());
    for path in &names {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let report = match parse(&text, &name, &folder.join("files"), &env) {
            Ok(loaded) => loaded.warnings,
            Err(report) => report,
        };
        mistakes += report.mistakes();
        for finding in &report.findings {
            assert!(!finding.what.is_empty() && !finding.remedy.is_empty(), "{finding:?}");
            assert!(finding.severity == Severity::Mistake || !name.contains("only"), "{finding:?}");
        }
        // The folder differs from machine to machine.
        let said = report.render_text().replace(&format!("{}/", folder.display()), "");
        let golden = path.with_extension("txt");
        if update {
            std::fs::write(&golden, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if said != expected {
            wrong.push(format!("{name}\n--- expected\n{expected}--- said\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(mistakes >= 100, "only {mistakes} mistakes");
}
