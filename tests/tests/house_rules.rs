//! Does the house still stand the way ARCHITECTURE.md draws it? Reads manifests and sources, and runs nothing.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The crates by floor. Each may depend on those of lower floors only.
const FLOORS: &[&[&str]] = &[
    &["routing", "mcp", "http1", "hub"],
    &["geo", "health", "session"],
    &["predictor"],
    &["conf"],
    &["gateway"],
    &["tests", "benches"],
];

/// The shell: sockets, runtimes, the clock, and Pingora.
const SHELL: &[&str] = &["gateway", "hub", "tests", "benches"];

/// Where time and dice may be asked for freely: they are programs and measurements, not parts of the core.
const FREE_OF_CLOCK_RULE: &[&str] = &["hub", "tests", "benches"];

/// The one file of the rest that asks them.
const CLOCK: &str = "gateway/src/clock.rs";

/// The one file that names the pointer behind the published table.
const POINTER: &str = "routing/src/publish.rs";

/// Ambient time and randomness, by the names they are called by.
const AMBIENT: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "SystemRandom",
    "RandomState",
    "thread_rng",
    "getrandom",
    "fastrand",
    "OsRng",
    "rand::rng",
    "rand::random",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn crates() -> impl Iterator<Item = &'static str> {
    FLOORS.iter().flat_map(|floor| floor.iter().copied())
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&name))
}

fn manifest(name: &str) -> toml::Table {
    let path = root().join(name).join("Cargo.toml");
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).parse().unwrap()
}

/// The packages that a crate depends on, for whatever purpose: renamed ones by their own name.
fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets =
        manifest.get("target").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values);
    let tables = std::iter::once(manifest).chain(targets.filter_map(toml::Value::as_table));
    let lists = tables.flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()));
    let package = |(name, value): (&String, &toml::Value)| {
        value.get("package").and_then(toml::Value::as_str).unwrap_or(name).to_owned()
    };
    lists.flatten().map(package).collect()
}

/// Every Rust file of a crate, by its path from the root, in order.
fn sources(name: &str) -> BTreeMap<String, String> {
    let (root, mut found) = (root(), BTreeMap::new());
    let mut open = vec![root.join(name)];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
                let made = path.ends_with("target") || path.ends_with("node_modules");
                if !hidden && !made {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(&root).unwrap().to_string_lossy().into_owned(), text);
            }
        }
    }
    assert!(!found.is_empty(), "{name} has no sources");
    found
}

/// The lines of a source that are not comments, numbered.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .zip(1..)
        .map(|(line, number)| (number, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Where one of these words stands in the code of a crate, but not as part of a longer name.
fn named(name: &str, words: &[&str]) -> Vec<String> {
    let whole = |line: &str, word: &str| {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        line.match_indices(word)
            .any(|(at, _)| !line[..at].ends_with(part) && !line[at + word.len()..].starts_with(part))
    };
    let mut places = Vec::new();
    for (path, text) in sources(name) {
        for (number, line) in code(&text) {
            for word in words.iter().filter(|word| whole(line, word)) {
                places.push(format!("{path}:{number}: {word}"));
            }
        }
    }
    places
}

fn none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn every_crate_of_the_workspace_has_a_floor() {
    let root: toml::Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let members = root["workspace"]["members"].as_array().unwrap();
    let mut members: Vec<_> = members.iter().map(|member| member.as_str().unwrap()).collect();
    let mut known: Vec<_> = crates().collect();
    members.sort_unstable();
    known.sort_unstable();
    assert_eq!(members, known);
}

#[test]
fn dependencies_point_down() {
    let mut wrong = Vec::new();
    for name in crates() {
        for dependency in dependencies(&manifest(name)) {
            let Some(ours) = dependency.strip_prefix("mcphub-") else { continue };
            if floor(ours).is_none_or(|below| floor(name).is_none_or(|above| below >= above)) {
                wrong.push(format!("{name} depends on {ours}"));
            }
        }
    }
    none(&wrong, "a crate depends on lower floors only");
}

#[test]
fn the_demo_hub_serves_programs_and_no_library() {
    let users = crates().filter(|name| dependencies(&manifest(name)).contains(&"mcphub-hub".to_owned()));
    let wrong: Vec<_> = users.filter(|name| !SHELL.contains(name)).map(str::to_owned).collect();
    none(&wrong, "the hub is for the gateway's demo, the tests and the benches");
}

#[test]
fn pingora_and_tokio_stay_in_the_shell() {
    let mut wrong = Vec::new();
    for name in crates().filter(|name| !SHELL.contains(name)) {
        for dependency in dependencies(&manifest(name)) {
            let runtime = dependency.starts_with("pingora") || dependency.starts_with("tokio");
            let allowed = name == "routing" && dependency == "pingora-ketama";
            if runtime && !allowed {
                wrong.push(format!("{name} depends on {dependency}"));
            }
        }
        wrong.extend(named(name, &["pingora", "tokio"]));
    }
    none(&wrong, "Pingora and tokio appear in gateway, hub, tests and benches only");
}

#[test]
fn one_file_names_the_pointer() {
    let mut found = Vec::new();
    for name in crates().filter(|name| !["tests", "benches"].contains(name)) {
        found.extend(named(name, &["ArcSwap", "ArcSwapOption", "ArcSwapAny", "arc_swap"]));
    }
    assert!(found.iter().any(|place| place.starts_with(POINTER)), "{POINTER} has moved: tell this test");
    found.retain(|place| !place.starts_with(POINTER));
    none(&found, "snapshots are swapped through routing's channel");
}

#[test]
fn time_and_dice_come_from_one_file() {
    let mut found = Vec::new();
    for name in crates().filter(|name| !FREE_OF_CLOCK_RULE.contains(name)) {
        found.extend(named(name, AMBIENT));
    }
    assert!(found.iter().any(|place| place.starts_with(CLOCK)), "{CLOCK} has moved: tell this test");
    found.retain(|place| !place.starts_with(CLOCK));
    none(&found, "time and randomness are handed in");
}

#[test]
fn nothing_pretends_to_be_there() {
    // Written in halves, so that this file does not find itself.
    let words = [concat!("to", "do!"), concat!("unimple", "mented!")];
    let found: Vec<_> = crates()
        .flat_map(sources)
        .flat_map(|(path, text)| {
            let hits = code(&text).filter(|(_, line)| words.iter().any(|word| line.contains(word)));
            hits.map(|(number, _)| format!("{path}:{number}")).collect::<Vec<_>>()
        })
        .collect();
    none(&found, "what is not there is not there yet: no placeholders");
}

#[test]
fn every_crate_says_what_it_owns() {
    let mut wrong = Vec::new();
    for name in crates() {
        let lib = std::fs::read_to_string(root().join(name).join("src/lib.rs")).unwrap();
        let docs: Vec<_> = lib.lines().take_while(|line| line.starts_with("//!")).collect();
        let docs = docs.join(" ").to_lowercase();
        if !docs.contains("owns") || !docs.contains("does not know") {
            wrong.push(name.to_owned());
        }
    }
    none(&wrong, "lib.rs opens with what the crate owns and what it does not know");
}

/// The scanner itself: what it must see, and what it must not.
#[test]
fn the_scanner_sees_names_and_not_their_neighbours() {
    let text =
        "let a = Instant::now();\n// Instant::now\n    /// Instant::now\nlet b = MyInstant::nowhere();\n";
    let lines: Vec<_> = code(text).map(|(number, _)| number).collect();
    assert_eq!(lines, [1, 4]);
    let table: toml::Table =
        "[dependencies]\na = { package = \"b\" }\n[target.'cfg(unix)'.dependencies]\nc = \"1\"\n"
            .parse()
            .unwrap();
    assert_eq!(dependencies(&table), ["b", "c"]);
}
