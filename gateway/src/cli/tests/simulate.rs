//! `predictor simulate`: what it writes, and what it refuses.

use std::io::Read as _;

use flate2::read::GzDecoder;

use super::*;

fn simulate(folder: &Path, more: &[&str]) -> (String, u8) {
    let line = ["predictor", "simulate", "--out", text(folder), "--hubs", "2", "--days", "1"];
    check(&[&line[..], more].concat())
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("written")
}

#[test]
fn it_writes_what_a_backtest_reads() {
    let folder = tempfile::tempdir().expect("temp");
    let (first, second) = (folder.path().join("a"), folder.path().join("b/c"));
    let (said, status) = simulate(&first, &["--seed", "9", "--rate", "5"]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("2 hubs, 1 days each") && said.contains("near-misses"), "{said}");
    let split: Value = serde_json::from_slice(&read(&first.join("split.json"))).expect("JSON");
    assert_eq!(split["cut"], 3456);
    assert_eq!(split["columns"][11], "conn_ms");
    for (_, hub) in split["dev"].as_object().expect("hubs") {
        let packed = read(&first.join(hub["file"].as_str().expect("a name")));
        let mut csv = String::new();
        GzDecoder::new(&packed[..]).read_to_string(&mut csv).expect("gzip");
        let lines: Vec<_> = csv.lines().collect();
        assert_eq!(
            lines[0],
            "probe_ms,probe_fail,p50_ms,p95_ms,err,tmo,inflight,rps,cpu,mem,queue,conn_ms,refused,down"
        );
        assert_eq!((lines.len(), &hub["rows"]), (5761, &Value::from(5760)));
        assert!(lines.iter().all(|line| line.matches(',').count() == 13));
        for episode in hub["episodes"].as_array().expect("a list") {
            let at = |index: usize| episode[index].as_u64().expect("a tick") as usize;
            assert!(lines[1 + at(0)].ends_with(",1") && lines[at(1)].ends_with(",1"));
            assert!(!lines[at(0)].ends_with(",1"));
        }
    }
    // The same seed, the same bytes.
    assert_eq!(simulate(&second, &["--seed", "9", "--rate", "5"]).1, 0);
    for name in ["hub01.csv.gz", "hub02.csv.gz", "split.json"] {
        assert_eq!(read(&first.join(name)), read(&second.join(name)), "{name}");
    }
}

#[test]
fn it_refuses_what_makes_no_sense() {
    let folder = tempfile::tempdir().expect("temp");
    let new = folder.path().join("new");
    for (flags, expected) in [
        (&["--rate", "NaN"][..], "the rate of faults must be from 0 to 6, and is NaN"),
        (&["--rate", "7"], "the rate of faults"),
        (&["--siblings", "2"], "the share of faults that siblings"),
        (&["--locations", "0"], "the number of locations must be from 1 to 10000"),
    ] {
        let (said, status) = simulate(&new, flags);
        assert_eq!(status, 2, "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(!new.exists(), "nothing is made for what is refused");
    }
    std::fs::write(folder.path().join("mine"), "x").expect("written");
    let (said, status) = simulate(folder.path(), &[]);
    assert_eq!(status, 2);
    assert!(said.contains("is not empty; name a new folder"), "{said}");
    let (said, status) = simulate(&folder.path().join("mine"), &[]);
    assert_eq!(status, 2);
    assert!(said.contains("is a file"), "{said}");
    assert_eq!(check(&["predictor", "simulate"]).1, 2);
}
