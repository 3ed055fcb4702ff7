//! Does a gateway say what it expects of its hubs, and how little it knows at first?

use mcphub_tests::admin::{Desk, operate};
use mcphub_tests::{Config, Gateway, Hub, until};
use serde_json::{Value, json};

async fn ask(desk: &Desk, verb: &str, body: Value) -> (u16, Value) {
    desk.post(&format!("/v1/{verb}"), &body).await.expect(verb)
}

/// A hub that is well and one that has never been there.
async fn scene(sections: &str) -> (Hub, Gateway, Desk) {
    let well = Hub::start("well", "us-east", &[]).await.expect("a hub");
    let config =
        Config::new().hub(&well, "primary").hub_at("gone", "secondary", "us-west", "http://127.0.0.1:1/mcp");
    let gateway = Gateway::start(config.section(sections)).await.expect("the gateway starts");
    let desk = Desk::open(&gateway, None).await.expect("a document");
    (well, gateway, desk)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_expected_is_told_with_how_far_to_believe_it() {
    let (_well, gateway, desk) = scene("").await;
    let about = |hub: &str| json!({ "hubId": hub });
    let (status, _) = ask(&desk, "predictFailure", about("nobody")).await;
    assert_eq!(status, 404);
    let (status, _) = ask(&desk, "predictFailure", json!({ "hubId": "well", "timeWindow": 5 })).await;
    assert_eq!(status, 422, "a window of five milliseconds");

    let expected = until("a forecast of both hubs", async || {
        let (well, gone) = (
            ask(&desk, "predictFailure", about("well")).await,
            ask(&desk, "predictFailure", about("gone")).await,
        );
        if (well.0, gone.0) == (200, 200) { Ok([well.1, gone.1]) } else { Err(format!("{well:?} {gone:?}")) }
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}"));
    for hub in &expected {
        assert_eq!((&hub["timeWindow"], &hub["pastAlone"]), (&json!(600_000), &json!(true)), "{hub}");
        assert!(hub["confidence"].as_f64() <= Some(0.3), "hardly anything is known yet: {hub}");
        assert_eq!((&hub["failureType"], &hub["estimatedTimeToFailure"]), (&json!("unknown"), &Value::Null));
        assert_eq!(hub["loadJumped"], json!(false), "nothing was asked of it");
    }
    // A failure is a failure, and the past of a hub that has none is better.
    let (_, gone) = ask(&desk, "calculateRiskScore", about("gone")).await;
    let (_, well) = ask(&desk, "calculateRiskScore", about("well")).await;
    assert!(gone["riskScore"].as_f64() > well["riskScore"].as_f64(), "{gone} {well}");
    assert_eq!((&gone["failures"], &well["failures"]), (&json!(1), &json!(0)));
    let (_, patterns) = ask(&desk, "analyzeFailurePatterns", about("gone")).await;
    assert_eq!(patterns["patterns"], json!([]), "one failure has nothing in common with others");
    let (_, actions) = ask(&desk, "suggestPreventiveActions", about("well")).await;
    assert_eq!(actions, json!({ "hubId": "well", "actions": [] }));

    let day = json!({ "hubId": "gone", "timeWindow": 86_400_000 });
    let (_, longer) = ask(&desk, "predictFailure", day).await;
    assert!(longer["failureProbability"].as_f64() > expected[1]["failureProbability"].as_f64(), "{longer}");

    let told = operate(&gateway, &["predictor", "explain", "gone"]).await.expect("an answer");
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(told.status.success() && text.starts_with("gone fails within 10 min with"), "{text}");
    assert!(text.contains("its past alone speaks") && text.contains("1 failure in"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_told_where_forecasts_are_off() {
    let (_well, _gateway, desk) = scene("[predictor]\nmode = \"off\"").await;
    let (status, said) = ask(&desk, "predictFailure", json!({ "hubId": "well" })).await;
    assert_eq!(status, 409, "{said}");
}
