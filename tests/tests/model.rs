//! Can the model that makes the forecasts be changed while the gateway serves, and does a bad one harm nobody?

use std::path::Path;

use mcphub_predictor::model::file::Model;
use mcphub_tests::admin::Desk;
use mcphub_tests::{Config, Gateway, Hub, until};
use serde_json::Value;

/// A model as good as the one that ships, and another file.
fn trained_at(at: u64) -> Vec<u8> {
    let mut model: Model = mcphub_predictor::model::teacher().expect("it ships");
    model.training.at = at;
    model.to_bytes().expect("it was read")
}

/// Puts a file in place in one step.
fn put(path: &Path, bytes: &[u8]) {
    let next = path.with_extension("next");
    std::fs::write(&next, bytes).expect("written");
    std::fs::rename(&next, path).expect("in place");
}

/// Waits until a number of the gateway's is this.
async fn shows(gateway: &Gateway, sample: &str, wanted: f64) {
    until(sample, async || {
        let found = gateway.metric(sample).await.map_err(|error| format!("{error:#}"))?;
        if found == Some(wanted) { Ok(()) } else { Err(format!("{found:?} and not {wanted}")) }
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}"));
}

const TRAINED: &str = "mcphub_model_trained_timestamp_seconds";
const CURRENT: &str = "mcphub_model_last_reload_successful";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_swapped_and_a_broken_one_is_refused() {
    let hub = Hub::start("well", "us-east", &[]).await.expect("a hub");
    let config =
        Config::new().hub(&hub, "primary").section("[predictor]\nmode = \"act\"\nmodel = \"hubs.model\"");
    let mut gateway = Gateway::spawn(config, &[]).expect("a process");
    // The file is not there: the gateway does not start, and says what to do.
    let started = gateway.wait_until_ready().await;
    let said = format!("{:#}", started.expect_err("there is no such file"));
    assert!(said.contains("predictor.model") && said.contains("hubs.model does not exist"), "{said}");

    let path = gateway.directory().join("hubs.model");
    let (first, second) = (trained_at(1_000_000), trained_at(2_000_000));
    put(&path, &first[..first.len() / 2]);
    let mut gateway = gateway.spawn_successor(&[]).expect("a process");
    let said = format!("{:#}", gateway.wait_until_ready().await.expect_err("it is torn"));
    assert!(said.contains("the model of failures cannot be used") && said.contains("it is torn"), "{said}");

    put(&path, &first);
    let mut gateway = gateway.spawn_successor(&[]).expect("a process");
    gateway.wait_until_ready().await.expect("it starts");
    shows(&gateway, TRAINED, 1_000_000.0).await;
    let desk = Desk::open(&gateway, None).await.expect("a document");
    let state = async || {
        let (_, hub) = desk.get("/v1/hubs/well").await.expect("an answer");
        hub["state"]["name"].clone()
    };
    // A new file is taken over as it comes, as if the configuration had changed.
    put(&path, &second);
    shows(&gateway, TRAINED, 2_000_000.0).await;
    shows(&gateway, CURRENT, 1.0).await;

    let mut altered = second.clone();
    altered[second.len() / 2] ^= 1;
    let mut foreign: Model = mcphub_predictor::model::teacher().expect("it ships");
    foreign.columns.names.swap(0, 1);
    let foreign = foreign.to_bytes().expect("it can be written");
    for (bad, word) in
        [(&first[..first.len() - 1], "torn"), (&altered, "altered"), (&foreign, "other features")]
    {
        put(&path, bad);
        shows(&gateway, CURRENT, 0.0).await;
        let (_, status) = desk.get("/v1/status").await.expect("an answer");
        let why = status["last_reload"]["why"].as_str().unwrap_or_default();
        assert!(status["last_reload"]["result"] == "refused" && why.contains(word), "{status}");
        shows(&gateway, TRAINED, 2_000_000.0).await;
        assert_eq!(state().await, Value::from("serving"), "a bad file drains nobody");
        put(&path, &second);
        shows(&gateway, CURRENT, 1.0).await;
    }
    std::fs::remove_file(&path).expect("removed");
    shows(&gateway, CURRENT, 0.0).await;
    shows(&gateway, TRAINED, 2_000_000.0).await;

    // Back to the model that ships, by a reload of the configuration.
    let text = std::fs::read_to_string(gateway.config_path()).expect("its file");
    gateway.write_config(&text.replace("model = \"hubs.model\"", "")).expect("written");
    shows(&gateway, CURRENT, 1.0).await;
    let shipped = mcphub_predictor::model::teacher().expect("it ships").training.at;
    shows(&gateway, TRAINED, shipped as f64).await;
    assert_eq!(state().await, Value::from("serving"));
}
