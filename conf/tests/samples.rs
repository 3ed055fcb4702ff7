//! The samples are right, whole, and say what the code does.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use mcphub_conf::{Loaded, Settings, load, parse, schema};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn no_env(_: &str) -> Option<String> {
    None
}

fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    files
}

fn text_of(sample: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(sample);
    std::fs::read_to_string(path).unwrap()
}

fn read(text: &str) -> Loaded {
    let dir = tempfile::tempdir().unwrap();
    parse(text, "edge.toml", dir.path(), &no_env).unwrap_or_else(|report| panic!("{}", report.render_text()))
}

/// Lines such as `# threads = 4` become `threads = 4`.
fn uncommented(text: &str) -> String {
    let is_key = |line: &str| {
        line.strip_prefix("# ").and_then(|rest| rest.split_once(" = ")).is_some_and(|(key, _)| {
            !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
    };
    text.lines().map(|line| if is_key(line) { &line[2..] } else { line }).collect::<Vec<_>>().join("\n")
}

fn as_json(toml: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(toml).unwrap()).unwrap()
}

/// Follows `$ref` into `$defs`.
fn resolve<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => &root["$defs"][reference.rsplit('/').next().unwrap()],
        None => schema,
    }
}

/// Each key of the schema that `node` describes, with its path, its schema and what the file says there.
fn walk<'v>(
    root: &'v Value,
    node: &'v Value,
    file: Option<&'v Value>,
    path: &str,
    each: &mut dyn FnMut(&str, &'v Value, Option<&'v Value>),
) {
    let node = resolve(root, node);
    for (key, property) in node["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let value = file.and_then(|file| file.get(key));
        each(&path, property, value);
        let target = resolve(root, property);
        if target.get("properties").is_some() {
            walk(root, target, value, &path, each);
        } else if target.get("items").is_some_and(|items| resolve(root, items).get("properties").is_some()) {
            walk(root, &target["items"], value.and_then(|list| list.get(0)), &path, each);
        } else if let Some(named) = target.get("additionalProperties").filter(|named| named.is_object()) {
            let first = value.and_then(Value::as_object).and_then(|table| table.values().next());
            walk(root, named, first, &path, each);
        }
    }
}

#[test]
fn every_sample_loads_without_a_word() {
    for path in samples() {
        let loaded = load(&path, &no_env).unwrap_or_else(|report| panic!("{}", report.render_text()));
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings.render_text());
        assert!(loaded.files.contains(&path));
    }
}

#[test]
fn every_sample_fits_the_schema() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for path in samples() {
        let text = std::fs::read_to_string(&path).unwrap();
        let errors: Vec<_> = validator.iter_errors(&as_json(&text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
    let whole = as_json(&uncommented(&text_of("reference.toml")));
    let errors: Vec<_> = validator.iter_errors(&whole).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let good = text_of("quickstart.toml");
    let check = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        let bad = good.replace(from, to);
        let read = parse(&bad, "edge.toml", Path::new("."), &no_env);
        assert!(read.is_err(), "the reader takes {to}");
        assert!(!validator.is_valid(&as_json(&bad)), "the schema takes {to}");
    };
    check("type = \"primary\"", "type = \"main\"");
    check("type = \"primary\"", "tpye = \"primary\"");
    check("url = \"http://", "url = \"ftp://");
    check("id = \"first\"", "id = \"First Hub\"");
    check("id = \"first\"", "id = \"first\"\nweight = 1001");
    check("latitude = 50.1", "latitude = 91");
    check("[[hub]]", "[limits]\nrequest_body = \"4MB\"\n[[hub]]");
    check("[[hub]]", "[health]\ninterval = 2\n[[hub]]");
    check("[[hub]]", "[health]\ninterval = \"2\"\n[[hub]]");
    check("[[hub]]", "[failover]\nmax_out = \"half\"\n[[hub]]");
    check("[[hub]]", "[routing]\nedge_radius = \"900mi\"\n[[hub]]");
    check("[[hub]]", "[admin]\ntoken = \"0123456789abcdef\"\n[[hub]]");
}

#[test]
fn the_reference_names_every_key_and_no_other() {
    let root = schema();
    let file = as_json(&uncommented(&text_of("reference.toml")));
    let mut count = 0;
    walk(&root, &root, Some(&file), "", &mut |path, _, value| {
        count += 1;
        assert!(value.is_some(), "reference.toml does not mention {path}");
    });
    assert!(count > 90, "only {count} keys were walked");
    // The reader knows each of them: its own list is the schema's, and unknown keys are mistakes.
    let dir = tempfile::tempdir().unwrap();
    let report = parse(&uncommented(&text_of("reference.toml")), "edge.toml", dir.path(), &no_env)
        .expect_err("no files");
    let unknown: Vec<_> = report.findings.iter().filter(|f| f.what == "unknown key").collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_reference_says_each_default_and_range() {
    let root = schema();
    let text = text_of("reference.toml");
    let file = as_json(&uncommented(&text));
    let mut defaults = 0;
    walk(&root, &root, Some(&file), "", &mut |path, property, value| {
        if let Some(default) = property.get("default") {
            defaults += 1;
            let value = value.unwrap_or_else(|| panic!("{path} is missing"));
            assert!(same(default, value), "{path}: the code says {default}, reference.toml {value}");
        }
        let range = match (property.get("minimum"), property.get("maximum")) {
            (Some(min), Some(max)) => Some(format!("{min} to {max}")),
            _ => property["description"].as_str().and_then(|d| d.rsplit_once(" (")).and_then(|(_, range)| {
                let range = range.strip_suffix(')')?;
                range
                    .contains(" to ")
                    .then(|| range.to_owned())
                    .filter(|r| r.starts_with(|c: char| c.is_ascii_digit()))
            }),
        };
        if let Some(range) = range {
            let said = comment_above(&text, path);
            assert!(said.contains(&range), "{path}: the range {range} is not in `{said}`");
        }
    });
    assert!(defaults > 55, "only {defaults} defaults were compared");
}

/// The same value, although `60s` and `1min` are written differently: both read to the same settings.
fn same(code: &Value, file: &Value) -> bool {
    let amount = |value: &Value| {
        let text = value.as_str()?;
        let end = text.find(|c: char| !c.is_ascii_digit())?;
        let factor = match &text[end..] {
            "ms" => 1,
            "s" => 1_000,
            "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        Some(text[..end].parse::<u64>().ok()? * factor)
    };
    code == file || (amount(code).is_some() && amount(code) == amount(file))
}

/// The comment lines just above the key at `path`, as one line.
fn comment_above(text: &str, path: &str) -> String {
    let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
    let lines: Vec<_> = text.lines().collect();
    let is_header = |line: &&str| *line == format!("[{section}]") || *line == format!("[[{section}]]");
    let header = lines.iter().position(is_header).unwrap_or_else(|| panic!("no [{section}]"));
    let opens = |line: &&str| line.strip_prefix("# ").unwrap_or(line).starts_with(&format!("{key} = "));
    // Keys of an inline table: what stands above the table is about them.
    let end = lines[header..].iter().position(&opens).map_or(header, |at| header + at);
    let start =
        lines[..end].iter().rposition(|line| !line.starts_with("# ") || opens(line)).map_or(0, |at| at + 1);
    lines[start..end].iter().map(|line| line.trim_start_matches("# ")).collect::<Vec<_>>().join(" ")
}

/// What is left out means what the reference says.
#[test]
fn the_reference_equals_the_defaults() {
    let reference = read(&text_of("reference.toml")).settings;
    let quick = read(&text_of("quickstart.toml")).settings;
    let Settings { admin, health, failover, predictor, limits, upstream, cache, shutdown, log, geo, .. } =
        &reference;
    assert_eq!(
        (&admin.address, health, failover, predictor),
        (&quick.admin.address, &quick.health, &quick.failover, &quick.predictor)
    );
    assert_eq!(cache, &quick.cache);
    assert_eq!(
        (limits, upstream, shutdown, log, geo),
        (&quick.limits, &quick.upstream, &quick.shutdown, &quick.log, &quick.geo)
    );
    assert_eq!(reference.session.idle_age, quick.session.idle_age);
    assert_eq!(reference.session.bind, quick.session.bind);
    assert_eq!(reference.gateway.threads, quick.gateway.threads);
    assert_eq!(reference.listeners, quick.listeners);
    assert_eq!(reference.routing.edge_radius_km.to_bits(), quick.routing.edge_radius_km.to_bits());
    assert_eq!(reference.hubs[0].weight, quick.hubs[0].weight);
}
