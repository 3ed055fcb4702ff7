//! Does a gateway learn from its own hubs beside its work, does what it learnt outlive it, and can it be taken back?

mod trial;

use std::path::{Path, PathBuf};

use mcphub_predictor::learning::{CHUNK_PERIODS, Cut, chunk};
use mcphub_predictor::model::file::Model;
use mcphub_predictor::simulate::{HubRun, Settings, Simulator};
use mcphub_predictor::telemetry::{History, Marks, Missing};
use mcphub_tests::admin::{Desk, operate};
use mcphub_tests::{Config, Gateway, Hub, until};
use serde_json::{Value, json};

const TRAINED: &str = "mcphub_model_trained_timestamp_seconds";
const LEARNING: &str =
    "[predictor]\nmode = \"act\"\n[predictor.learning]\nenabled = true\ninterval = \"1s\"\nfailures = 1";

/// A model as good as the one that ships, and another file.
fn trained_at(at: u64) -> Vec<u8> {
    let mut model: Model = mcphub_predictor::model::teacher().expect("it ships");
    model.training.at = at;
    model.to_bytes().expect("it was read")
}

async fn shows(gateway: &Gateway, sample: &str, wanted: f64) -> Result<(), String> {
    let looked = until(sample, async || {
        let found = gateway.metric(sample).await.map_err(|error| format!("{error:#}"))?;
        if found == Some(wanted) { Ok(()) } else { Err(format!("{found:?} and not {wanted}")) }
    });
    looked.await.map_err(|error| format!("{error:#}"))
}

/// A hub that is well and one that has never been there.
async fn scene(sections: &str) -> (Hub, Gateway) {
    let well = Hub::start("well", "us-east", &[]).await.expect("a hub");
    let config =
        Config::new().hub(&well, "primary").hub_at("gone", "secondary", "us-west", "http://127.0.0.1:1/mcp");
    (well, Gateway::spawn(config.section(sections), &[]).expect("a process"))
}

/// Stops a gateway that was started only for its folder, and gives back the folder of its state.
async fn state_of(gateway: &mut Gateway) -> PathBuf {
    gateway.wait_until_ready().await.expect("it starts");
    gateway.process.kill().await.expect("gone");
    gateway.directory().join("state")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_learnt_outlives_the_process_and_can_be_taken_back() {
    let (_well, mut first) = scene(LEARNING).await;
    let state = state_of(&mut first).await;
    std::fs::write(state.join("learned-built-in.model"), trained_at(5_000_000)).expect("written");
    std::fs::write(state.join("learned-built-in.previous.model"), trained_at(4_000_000)).expect("written");
    let mut gateway = first.spawn_successor(&[]).expect("a process");
    gateway.wait_until_ready().await.expect("it starts");
    shows(&gateway, TRAINED, 5_000_000.0).await.expect("what was learnt speaks");
    let desk = Desk::open(&gateway, None).await.expect("a document");
    let (_, told) = desk.get("/v1/forecasts").await.expect("an answer");
    assert_eq!((&told["model"]["origin"], &told["mode"]), (&json!("learned"), &json!("act")), "{told}");
    assert_eq!((&told["drifted"], &told["alarms"]), (&json!([]), &json!([])), "{told}");

    // Another start, and a file that is damaged meanwhile.
    gateway.process.kill().await.expect("gone");
    let good = trained_at(5_000_000);
    std::fs::write(state.join("learned-built-in.model"), &good[..good.len() - 9]).expect("written");
    let mut gateway = gateway.spawn_successor(&[]).expect("a process");
    gateway.wait_until_ready().await.expect("it starts all the same");
    let shipped = mcphub_predictor::model::teacher().expect("it ships").training.at as f64;
    shows(&gateway, TRAINED, shipped).await.expect("the one that ships speaks");

    let revert = async |wanted: f64| {
        let told = operate(&gateway, &["predictor", "revert"]).await.expect("an answer");
        assert!(told.status.success(), "{told:?}");
        shows(&gateway, TRAINED, wanted).await.expect("the one before speaks");
    };
    revert(4_000_000.0).await;
    revert(shipped).await;
    let desk = Desk::open(&gateway, None).await.expect("a document");
    let (status, said) = desk.post("/v1/revertModel", &Value::Null).await.expect("an answer");
    assert_eq!(status, 400, "a body is none: {said}");
    let told = operate(&gateway, &["predictor", "revert"]).await.expect("an answer");
    assert!(!told.status.success(), "nothing is left to go back to");
    assert_eq!(desk.hub("well").await.expect("an answer")["state"]["name"], "serving");
}

/// What a gateway would have recorded of a simulated hub, up to now.
fn record(run: &HubRun, now: u64) -> Vec<u8> {
    let begin = now - 15 * run.samples.len() as u64;
    let (mut history, mut bytes, mut cut) = (History::default(), Vec::new(), 0);
    for (at, sample) in (0_u32..).zip(&run.samples) {
        let end = begin + 15 * (u64::from(at) + 1);
        history.push(Missing::Counted(0), sample, end);
        if run.failures.iter().any(|failed| (failed.start..failed.end).contains(&at)) {
            history.episodes_mut().fail((end - 15, end), Marks::default());
        }
        if history.periods() - cut >= CHUNK_PERIODS {
            bytes.extend(chunk(&history, &Cut { origin: 1, after: cut, acted: &[] }).expect("an hour"));
            cut = history.periods();
        }
    }
    bytes
}

/// The processes that this one has begun and that are there still.
fn children(pid: i32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let of = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("children")).ok();
    threads
        .filter_map(of)
        .flat_map(|told| told.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// Its priority: the seventeenth number after the name of the program.
fn nice(pid: u32) -> Option<i32> {
    let told = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    told.rsplit_once(") ")?.1.split_whitespace().nth(16)?.parse().ok()
}

/// Fills the folder of the records with those of four simulated hubs.
fn fill(folder: &Path) {
    std::fs::create_dir_all(folder).expect("made");
    let now = mcphub_gateway::clock::unix_seconds();
    let world = Settings { hubs: 4, days: 1, seed: 11, faults_per_day: 6.0, ..Settings::DEFAULT };
    for (number, run) in Simulator::new(world).expect("sound").hubs().enumerate() {
        std::fs::write(folder.join(format!("h{number}.record")), record(&run, now)).expect("written");
    }
}

/// A gateway that has enough on record to make a model, and forecasts by an old one meanwhile.
async fn with_records() -> (Hub, Gateway) {
    let sections = LEARNING.replace("mode = \"act\"", "mode = \"act\"\nmodel = \"hubs.model\"");
    let (well, mut first) = scene(&sections).await;
    // The file is not there yet; the failures of our hubs are all later than this model.
    assert!(first.wait_until_ready().await.is_err());
    std::fs::write(first.directory().join("hubs.model"), trained_at(1_000_000)).expect("written");
    fill(&first.directory().join("state/record"));
    let mut gateway = first.spawn_successor(&[]).expect("a process");
    gateway.wait_until_ready().await.expect("it starts");
    (well, gateway)
}

/// The process gets what others leave of the processors, so nobody waits here for what comes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_made_beside_the_work_and_ends_with_it() {
    let (_well, mut gateway) = with_records().await;
    let found = until("a process that makes a model", async || {
        let making = children(gateway.process.pid()).into_iter().find(|child| nice(*child) == Some(19));
        making.ok_or("none at the lowest priority")
    });
    let child = found.await.unwrap_or_else(|error| panic!("{error:#}\n{}", gateway.process.tail()));
    let desk = Desk::open(&gateway, None).await.expect("a document");
    assert_eq!(desk.hub("well").await.expect("an answer")["state"]["name"], "serving");
    shows(&gateway, TRAINED, 1_000_000.0).await.expect("the old one speaks");
    gateway.process.kill().await.expect("gone");
    until("its end", async || match nice(child) {
        None => Ok(()),
        Some(nice) => Err(nice),
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}"));
}

/// What the gateway has made in the background, an operator may have made at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_of_what_was_recorded_is_one_that_a_gateway_takes() {
    let (_well, mut gateway) = scene("[predictor]\nmodel = \"hubs.model\"").await;
    assert!(gateway.wait_until_ready().await.is_err());
    let (record, out) = (gateway.directory().join("record"), gateway.directory().join("hubs.model"));
    fill(&record);
    let mut command = tokio::process::Command::new(mcphub_tests::edge_binary().expect("it is built"));
    command.args(["predictor", "learn", "--record"]).arg(&record).arg("--out").arg(&out);
    let told = command.output().await.expect("an answer");
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(
        told.status.success() && text.contains("4 hubs"),
        "{text} {}",
        String::from_utf8_lossy(&told.stderr)
    );
    assert!(text.contains("kinds of failures are not told apart"), "nobody knows what they were: {text}");
    let mut gateway = gateway.spawn_successor(&[]).expect("a process");
    gateway.wait_until_ready().await.expect("it starts");
    let desk = Desk::open(&gateway, None).await.expect("a document");
    let (_, told) = desk.get("/v1/forecasts?limit=1").await.expect("an answer");
    let model = &told["model"];
    assert_eq!(
        (&model["origin"], &model["simulated"], &model["hubs"]),
        (&json!("file"), &json!(false), &json!(4)),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_is_too_little_no_model_is_made_and_it_is_said() {
    let (_well, mut gateway) = scene(&LEARNING.replace("\nmode", "\nmodel = \"hubs.model\"\nmode")).await;
    assert!(gateway.wait_until_ready().await.is_err());
    std::fs::write(gateway.directory().join("hubs.model"), trained_at(1_000_000)).expect("written");
    let mut gateway = gateway.spawn_successor(&[]).expect("a process");
    gateway.wait_until_ready().await.expect("it starts");
    let said = until("what came of it", async || {
        let said = gateway.process.stderr();
        if said.contains("no model was made of our own hubs") { Ok(said) } else { Err(said.len()) }
    });
    let said = said.await.unwrap_or_else(|error| panic!("{error:#}\n{}", gateway.process.tail()));
    assert!(said.contains("cannot read the records") || said.contains("a model needs 2 hubs"), "{said}");
    shows(&gateway, TRAINED, 1_000_000.0).await.expect("the old one speaks");
}
