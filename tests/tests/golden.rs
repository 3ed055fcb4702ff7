//! Stories of fleets: a script goes in, the reports of its plans come out, as an operator would read them.
//!
//! A script is the part of `golden/*.txt` above the line of `=`, the reports are the part below. `GOLDEN=write` writes
//! the reports anew; review the difference. What a script `expect`s, and the guard rails after every tick, are asserted
//! apart from the text, so that a wrong report cannot be waved through.
//!
//! ```text
//! hub NAME LOCATION        a hub in full service
//! set FIELD VALUE          floor, max_out, dwell, slow_start, drain (deadline), forecasts, hold_out,
//!                          out_share
//! at SECONDS               lets the clock run until then, with a tick each second
//! NAME ok | refuses | hangs | errors PER_CENT | slow MILLISECONDS | idle | busy | blocked | deaf
//!                          what the hub does from now on; `blocked`: the gateway is cut off from it;
//!                          `deaf`: probes get no answer, requests do
//! NAME lies | honest       probes pass whatever requests come to; no longer
//! drain NAME [SECONDS] | out NAME | undrain NAME | weight NAME PER_CENT
//! pins NAME COUNT          | forecast NAME PER_CENT
//! jump SECONDS             the clock leaps ahead, and nothing is heard meanwhile
//! reload without NAME      a new configuration
//! expect NAME STATE        | expect NAME below PER_CENT | expect panic | expect calm | expect steps COUNT (so far)
//! ```
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod golden_world;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use golden_world::World;

const RULE: &str = "========";

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut scripts: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    scripts.sort();
    scripts
}

/// Runs one script and gives its reports.
fn tell(name: &str, script: &str) -> String {
    let (mut world, mut expectations, mut told) = (World::default(), 0, String::new());
    for (number, line) in script.lines().enumerate() {
        let words: Vec<_> = line.split('#').next().unwrap_or("").split_whitespace().collect();
        let place = format!("{name}:{}: {line}", number + 1);
        match words.as_slice() {
            [] => {}
            ["expect", rest @ ..] => {
                expectations += 1;
                world.expect(rest, &format!("{place}\n{told}{}", world.told));
            }
            words => world.obey(words, &place),
        }
        told.push_str(&std::mem::take(&mut world.told));
    }
    assert!(expectations > 0, "{name} expects nothing");
    let _ = write!(told, "end: {}", world.summary());
    told.push('\n');
    told
}

#[test]
fn every_story_ends_as_it_is_written() {
    let write = std::env::var_os("GOLDEN").is_some_and(|value| value == "write");
    let mut differ = Vec::new();
    for path in scripts() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let (script, expected) = text.split_once(&format!("{RULE}\n")).unwrap_or((&text, ""));
        let told = tell(&name, script);
        if write {
            let script = script.trim_end();
            std::fs::write(&path, format!("{script}\n{RULE}\n{told}")).unwrap();
        } else if told != expected {
            differ.push(format!("{name}, now:\n{told}"));
        }
    }
    assert!(differ.is_empty(), "GOLDEN=write writes these anew; review them:\n{}", differ.join("\n"));
}

#[test]
fn there_are_enough_stories() {
    let count = scripts().len();
    assert!(count >= 25, "{count}");
}

/// The harness itself: an expectation that does not hold must fail.
#[test]
#[should_panic(expected = "is serving")]
fn a_wrong_expectation_fails() {
    tell("wrong", "hub a x\nhub b x\nat 5\nexpect a ejected\n");
}
