//! Whatever an operator writes: a configuration or a report that can be shown, never a panic.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use mcphub_conf::parse;

fuzz_target!(|text: &str| {
    // A folder that does not exist: no input may reach a file by a relative path.
    let report = match parse(text, "fuzz.toml", Path::new("/nonexistent/fuzz"), &|_| None) {
        Ok(loaded) => {
            assert!(!loaded.warnings.has_mistakes());
            loaded.warnings
        }
        Err(report) => {
            assert!(report.has_mistakes());
            report
        }
    };
    let _ = (report.render_text(), report.render_rich(), report.render_json());
});
