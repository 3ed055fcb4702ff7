//! Does a model that was made of what a gateway saw come to speak, by way of a trial that outlives the process, and can it
//! be taken back?
//!
//! The program makes the model in a process of its own, listens to it, ends, goes on, decides, is asked to go back. Ten
//! failures take days, so they are written into what is kept of the trial while no gateway runs; how rounds come about is
//! tested beside the code, in the time of those tests.

use std::path::Path;
use std::time::Duration;

use mcphub_gateway::store::Store;
use mcphub_predictor::learning::{Came, Parties, Said, Trial};
use mcphub_routing::HubId;
use mcphub_tests::admin::{Desk, operate};
use mcphub_tests::{Gateway, Signal, until};
use serde_json::Value;

use super::{TRAINED, shows, with_records};

/// Before anything that a clock shows, so that all of it is over: September 2001.
const LONG_AGO: u64 = 1_000_000_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// What the gateway says of its learning, as soon as it listens to a model.
async fn listening(gateway: &Gateway) -> Value {
    // The process that makes one gets what others leave of the processors, and some tests leave little.
    for _ in 0..5 {
        if let Ok(told) = told(gateway, "listening", "").await {
            return told;
        }
    }
    panic!("no model was made\n{}", gateway.process.tail())
}

/// The same, as soon as it says this of the last model that was made.
async fn ended(gateway: &Gateway, ended: &str) -> Value {
    let told = told(gateway, "", ended).await;
    told.unwrap_or_else(|error| panic!("{error:#}\n{}", gateway.process.tail()))
}

async fn told(gateway: &Gateway, step: &str, ended: &str) -> anyhow::Result<Value> {
    until(&format!("{step} {ended}"), async || {
        let told = gateway.status("/v1/forecasts?limit=1").await.map_err(|error| format!("{error:#}"))?;
        let learning = &told["learning"];
        let said = learning["ended"]["what"].as_str().unwrap_or_default();
        let there = if ended.is_empty() { learning["step"] == step } else { said.contains(ended) };
        if there { Ok(learning.clone()) } else { Err(learning.to_string()) }
    })
    .await
}

/// The next process in the place of one that is killed.
async fn next(gateway: &mut Gateway, meanwhile: impl AsyncFnOnce(&Path)) -> Gateway {
    gateway.process.kill().await.expect("gone");
    meanwhile(&gateway.directory().join("state")).await;
    let mut next = gateway.spawn_successor(&[]).expect("a process");
    next.wait_until_ready().await.expect("it starts");
    next
}

/// Reads the trial that is kept there, and writes another one in its place.
async fn rewrite(state: &Path, rewrite: impl FnOnce(&[u8]) -> Vec<u8>) {
    let store = Store::open(state);
    assert!(store.loaded(PATIENCE).await, "{store:?}");
    let bytes = rewrite(&store.trial().expect("a trial is kept"));
    store.put_trial(Some(bytes));
    assert!(store.release(PATIENCE).await, "{store:?}");
}

/// The trial with a thousand quiet rounds and ten failures, before which the challenger said this, and the champion 1 %.
fn with_ten_failures(kept: &[u8], challenger: f32) -> Vec<u8> {
    let (of, mut trial): (Parties, Trial) = Trial::from_bytes(kept).expect("readable");
    let hub = HubId::new("well").expect("a name");
    let said = |at, challenger| Said { at, champion: 0.01, challenger: Some(challenger) };
    for n in 0..1_000 {
        trial.add(&hub, &Came { said: said(LONG_AGO + 30 * n, 0.005), failed_at: None });
    }
    for n in 0..10 {
        let start = LONG_AGO - 10_000 * (11 - n);
        trial.add(&hub, &Came { said: said(start - 30, challenger), failed_at: Some(start) });
    }
    trial.to_bytes(&of)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_of_our_own_is_made_tried_across_restarts_and_taken_back() {
    let (_well, mut gateway) = with_records().await;
    let challenger = listening(&gateway).await["challenger"].clone();
    assert_eq!((&challenger["hubs"], &challenger["simulated"]), (&Value::from(4), &Value::from(false)));
    shows(&gateway, TRAINED, 1_000_000.0).await.expect("the old one speaks");

    // Stopped in the middle of it, and what is kept is torn while nobody runs: it is said, and nothing else happens.
    gateway.process.signal(Signal::TERM).expect("alive");
    gateway.process.exited().await.expect("it stops");
    let (mut row, mut file) = (Vec::new(), None);
    let mut gateway = next(&mut gateway, async |state| {
        file = beside(state).map(|path| (std::fs::read(&path).expect("there"), path));
        rewrite(state, |kept| {
            row = kept.to_vec();
            kept[..kept.len() - 1].to_vec()
        })
        .await;
    })
    .await;
    let (bytes, path) = file.expect("the challenger's file lies beside the state");
    let told = ended(&gateway, "did not go on after a restart").await;
    assert!(told["ended"]["what"].to_string().contains("check sum"), "{told}");
    // Operators may be told before the line has come out of the queue of the log.
    let logged = async || {
        let said = gateway.process.stderr().contains("does not go on");
        said.then_some(()).ok_or_else(|| gateway.process.tail())
    };
    until("the log says it too", logged).await.expect("it does");

    // Whole again, it goes on where it was.
    let restored = async |state: &Path, challenger: f32| {
        std::fs::write(&path, &bytes).expect("written");
        let store = Store::open(state);
        assert!(store.loaded(PATIENCE).await, "{store:?}");
        store.put_trial(Some(row.clone()));
        assert!(store.release(PATIENCE).await, "{store:?}");
        if challenger > 0.0 {
            rewrite(state, |kept| with_ten_failures(kept, challenger)).await;
        }
    };
    let mut gateway = next(&mut gateway, async |state| restored(state, 0.0).await).await;
    let told = listening(&gateway).await;
    assert_eq!((&told["challenger"], &told["failures_met"]), (&challenger, &Value::from(0)), "{told}");

    // Ten failures that it did not hear coming, and ten that it did.
    let mut gateway = next(&mut gateway, async |state| restored(state, 0.001).await).await;
    ended(&gateway, "was not better").await;
    shows(&gateway, TRAINED, 1_000_000.0).await.expect("the old one goes on");
    let mut gateway = next(&mut gateway, async |state| restored(state, 0.6).await).await;
    let told = ended(&gateway, "and speaks").await;
    let name = challenger["name"].as_str().expect("a name");
    assert!(told["ended"]["what"].to_string().contains(name), "{told}");
    for _ in 0..2 {
        let desk = Desk::open(&gateway, None).await.expect("a document");
        let (_, told) = desk.get("/v1/forecasts").await.expect("an answer");
        assert_eq!(
            (&told["model"]["name"], &told["model"]["origin"]),
            (&challenger["name"], &Value::from("learned"))
        );
        gateway = next(&mut gateway, async |_| ()).await;
    }
    let gone =
        until("nothing to be left of the trial", async || if path.exists() { Err(()) } else { Ok(()) });
    gone.await.expect("it is over");
    let told = operate(&gateway, &["predictor", "revert"]).await.expect("an answer");
    assert!(told.status.success(), "{told:?}");
    shows(&gateway, TRAINED, 1_000_000.0).await.expect("the one before speaks");
}

/// The file of the model that is tried.
fn beside(state: &Path) -> Option<std::path::PathBuf> {
    let names = std::fs::read_dir(state).ok()?.flatten().map(|entry| entry.path());
    names.into_iter().find(|path| path.to_string_lossy().ends_with(".challenger.model"))
}
