use std::collections::BTreeMap;

use super::*;

/// A small folder of hubs: two hubs of eight samples, each with one failure.
const SPLIT: &str = r#"{
  "protocol": "P2", "sample_s": 15, "horizon_samples": 2, "merge_gap": 1, "cooldown": 2, "guard": 1, "warmup": 1,
  "score_every": 1, "dev_train_frac": 0.5, "cut": 5, "note": "passed over",
  "columns": ["probe_ms"],
  "dev": {
    "b": {"file": "b.csv", "rows": 8, "episodes": [[4, 6, "node_crash", "hardware"]]},
    "a": {"file": "a.csv"}
  }
}"#;

/// Columns in another order than ours, and one that nobody asked for.
fn csv(downs: &str) -> String {
    let names: Vec<_> = Signal::ALL.iter().rev().map(|signal| signal.as_str()).collect();
    let mut text = format!("down,extra,{}\n", names.join(","));
    for (at, down) in downs.chars().enumerate() {
        let cells: Vec<_> = (0..names.len()).map(|column| (at * 100 + column).to_string()).collect();
        text.push_str(&format!("{down},x,{}\n", cells.join(",")));
    }
    text
}

fn files() -> BTreeMap<&'static str, String> {
    BTreeMap::from([("a.csv", csv("00010000")), ("b.csv", csv("00001100"))])
}

fn read(split: &str, files: &BTreeMap<&'static str, String>) -> Result<Dataset, DataError> {
    let protocol = if split.contains("P1") { Protocol::Smd } else { Protocol::Hubsim };
    let open = |name: &str| {
        files
            .get(name)
            .map(std::string::String::as_bytes)
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    Dataset::read(&Split::parse(protocol, split.as_bytes())?, open)
}

/// The whole chain of an error's messages.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

fn check(split: &str, files: &BTreeMap<&'static str, String>, expected: &str) {
    let error = read(split, files).expect_err("refused");
    assert!(told(&error).contains(expected), "{:?} does not say {expected:?}", told(&error));
}

#[test]
fn columns_are_found_by_name_and_entities_come_in_order() {
    let data = read(SPLIT, &files()).expect("well formed");
    let names: Vec<_> = data.entities.iter().map(|entity| entity.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let [a, b] = &data.entities[..] else { panic!("two entities") };
    // The last of our signals is the first of the file's.
    assert_eq!(a.row(3)[Signal::Refused as usize], 300.0);
    assert_eq!(a.samples().expect("hubs").nth(2).expect("8 rows").get(Signal::ProbeMs), Some(212.0));
    // Per cent.
    assert_eq!(a.samples().expect("hubs").nth(2).expect("8 rows").get(Signal::Cpu), Some(2.04));
    assert!(!data.simulated);
    let told = SPLIT.replace("\"note\"", "\"simulation\": {\"seed\": 1}, \"note\"");
    assert!(read(&told, &files()).expect("well formed").simulated);
    assert_eq!((a.len(), a.cut, a.failures.len()), (8, 5, 1));
    assert!(b.failures[0].is_abrupt() && !a.failures[0].is_abrupt());
    assert_eq!(b.timeline.rows(&(0..8), 1), [1, 2, 3, 7]);
}

#[test]
fn empty_cells_and_infinite_ones_are_unknown() {
    let mut files = files();
    files.insert("a.csv", csv("0").replacen("0,x,0,1", "0,x,,inf", 1));
    let data = read(SPLIT, &files).expect("well formed");
    let sample = data.entities[0].samples().expect("hubs").next().expect("a row");
    assert_eq!((sample.get(Signal::Refused), sample.get(Signal::ConnectMs)), (None, None));
    assert_eq!(sample.get(Signal::Queue), Some(2.0));
}

#[test]
fn machines_have_columns_of_their_own_and_rows_that_nobody_labelled() {
    let split = r#"{"protocol": "P1", "sample_s": 60, "horizon_samples": 30, "merge_gap": 30, "cooldown": 30,
        "columns": ["cpu", "mem"], "held_out": {"m": {"file": "m.csv"}}}"#;
    let files = BTreeMap::from([(
        "m.csv",
        "label,mem,cpu\n-1,1,2\n-1,3,4\n0,5,6\n0,7,8\n1,9,10\n0,1,1\n".to_owned(),
    )]);
    let data = read(split, &files).expect("well formed");
    let machine = &data.entities[0];
    assert_eq!(machine.row(1), [4.0, 3.0]);
    assert_eq!(machine.timeline.rows(&(0..6), 1), [2, 3]); // The guard is as long as the horizon.
    assert_eq!(machine.cut, 4); // Six tenths of what is labelled.
    assert!(machine.samples().is_none());
    assert_eq!(data.protocol.horizons(&data.settings), [30]);
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let with = |text: String| {
        let mut files = files();
        files.insert("a.csv", text);
        files
    };
    let good = csv("00010000");
    check(SPLIT, &with(good.replace("tmo", "tmi")), "a.csv cannot be read: there is no column \"tmo\"");
    check(SPLIT, &with(good.replace("down,", "dawn,")), "there is no column \"down\"");
    check(
        SPLIT,
        &with(good.replace("0,x,100,", "0,x,100,7,")),
        "line 3 has 16 cells, and the heading has 15",
    );
    check(
        SPLIT,
        &with(good.replace("0,x,100,", "0,x,1e,")),
        "line 3: \"1e\" in column \"refused\" is no number",
    );
    check(SPLIT, &with(good.replace("1,x", "-1,x")), "line 5: \"-1\" is no label");
    check(SPLIT, &with(String::new()), "there is no column");
    check(SPLIT, &with(csv("")), "it has no rows");
    let mut lost = files();
    lost.remove("b.csv");
    check(SPLIT, &lost, "b.csv, which split.json lists, cannot be opened");
    let mut other = files();
    other.insert("b.csv", csv("0000110"));
    check(SPLIT, &other, "it has 7 rows, and split.json says 8");
    other.insert("b.csv", csv("00001110"));
    check(SPLIT, &other, "its labels make 1 failures, and split.json lists 1 others");
}

#[test]
fn what_is_wrong_with_split_json_is_said() {
    let with = |from: &str, to: &str| {
        assert!(SPLIT.contains(from));
        SPLIT.replace(from, to)
    };
    check(&with("P2", "P7"), &files(), "protocol \"P7\", which is not known");
    let error = Split::parse(Protocol::Smd, SPLIT.as_bytes()).expect_err("refused");
    assert!(told(&error).contains("P2, not P1"));
    check("{", &files(), "split.json cannot be read: EOF");
    check(&with("\"cooldown\": 2,", ""), &files(), "missing field `cooldown`");
    check(
        &with("\"cooldown\": 2", "\"cooldown\": 0"),
        &files(),
        "cooldown in split.json must be a count of samples",
    );
    check(&with("\"sample_s\": 15", "\"sample_s\": -1"), &files(), "sample_s in split.json must be");
    check(&with("0.5", "1.5"), &files(), "dev_train_frac in split.json must be");
    check(&with("\"a.csv\"", "\"../a.csv\""), &files(), "\"../a.csv\", is no plain file name");
    check(
        &with("\"dev\": {", "\"dev\": [], \"x\": {\"y\": 1}, \"z\": {").replace("\"file\"", "\"fail\""),
        &files(),
        "lists no file",
    );
}
