//! Can an operator take hubs out of service and back, by program and by command line, and read what became of it?
//!
//! Every answer of the admin interface is held against the gateway's own document on the way.

use std::process::Output;

use mcphub_tests::admin::{Desk, operate};
use mcphub_tests::chaos::Listener;
use mcphub_tests::mcp::{Legacy, Modern};
use mcphub_tests::{Config, Gateway, Hub, Signal, until};
use serde_json::{Value, json};

/// Short slow starts and drains, and probes that come quickly: what is tested here is not how long things take.
const QUICK: &str = "[failover]\nslow_start = \"1s\"\ndrain_deadline = \"2s\"\nmax_out = \"70%\"\n\
    [health]\ninterval = \"500ms\"\ntimeout = \"500ms\"";

/// Three hubs and a gateway in us-east, whose clients go to us-east-1 while they can, then to eu-central-1.
struct Scene {
    _hubs: Vec<Hub>,
    gateway: Gateway,
    desk: Desk,
}

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-1";
const EUROPE: &str = "eu-central-1";

impl Scene {
    async fn start(sections: &str) -> Self {
        let mut hubs = Vec::new();
        let mut config = Config::new();
        for (id, kind, location) in
            [(EAST, "primary", "us-east"), (WEST, "secondary", "us-west"), (EUROPE, "primary", "eu-central")]
        {
            let hub = Hub::start(id, location, &[]).await.expect("a hub");
            config = config.hub(&hub, kind);
            hubs.push(hub);
        }
        let gateway = Gateway::start(config.section(sections)).await.expect("the gateway starts");
        let desk = Desk::open(&gateway, None).await.expect("a document");
        Self { _hubs: hubs, gateway, desk }
    }

    async fn post(&self, verb: &str, body: Value) -> (u16, Value) {
        self.desk.post(&format!("/v1/{verb}"), &body).await.expect(verb)
    }

    /// Waits until a hub is in this state.
    async fn wait_for(&self, hub: &str, state: &str) -> Value {
        until(&format!("{hub} to be {state}"), async || {
            let seen = self.desk.hub(hub).await.map_err(|error| format!("{error:#}"))?;
            if seen["state"]["name"] == state { Ok(seen) } else { Err(seen["state"].to_string()) }
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Where a new client of the modern era goes.
    async fn new_client(&self) -> String {
        let mut client = Modern::new(self.gateway.listener());
        let said = client.tool("whoami", json!({})).await.expect("an answer");
        said["hub"].as_str().expect("a hub").to_owned()
    }

    async fn session(&self) -> Legacy {
        Legacy::initialize(self.gateway.listener()).await.expect("a session")
    }

    async fn newest_failover(&self) -> Value {
        let (status, said) = self.desk.get("/v1/failovers?limit=1").await.expect("the journal");
        assert_eq!((status, said["failovers"].as_array().map(Vec::len)), (200, Some(1)), "{said}");
        said["failovers"][0].clone()
    }
}

async fn hub_of(client: &mut Legacy) -> String {
    let said = client.tool("whoami", json!({})).await.expect("an answer");
    said["hub"].as_str().expect("a hub").to_owned()
}

fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}

fn said(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

/// The whole life of a drain, by the command line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_with_the_last_session_and_the_hub_comes_back() {
    let scene = Scene::start(QUICK).await;
    let mut pinned = scene.session().await;
    assert_eq!(hub_of(&mut pinned).await, EAST);

    let refused = operate(&scene.gateway, &["drain", EAST]).await.expect("an end");
    assert_eq!(refused.status.code(), Some(2), "nobody confirms: {}", text(&refused));
    assert!(text(&refused).contains("--yes"), "{}", text(&refused));
    assert_eq!(scene.desk.hub(EAST).await.expect("the hub")["wish"], Value::Null, "nothing was done");

    let drain = ["drain", EAST, "--yes", "--wait", "--deadline", "5m", "--note", "new disk", "--json"];
    let gateway = &scene.gateway;
    let (drained, ()) = tokio::join!(async { operate(gateway, &drain).await.expect("an end") }, async {
        let seen = scene.wait_for(EAST, "draining").await;
        assert_eq!((&seen["wish"]["out"], &seen["wish"]["note"]), (&json!("drain"), &json!("new disk")));
        assert!(seen["state"]["deadline_in_ms"].as_u64() > Some(200_000), "{seen}");
        assert_eq!(scene.new_client().await, EUROPE, "new clients go elsewhere at once");
        assert_eq!(hub_of(&mut scene.session().await).await, EUROPE, "new sessions too");
        let seen = scene.desk.hub(EAST).await.expect("the hub");
        assert_eq!((&seen["state"]["name"], &seen["sessions"]), (&json!("draining"), &json!(1)), "{seen}");
        let id = pinned.session.clone();
        assert_eq!(hub_of(&mut pinned).await, EUROPE, "a session moves before it is used next");
        assert_eq!(pinned.session, id, "and its client notices nothing");
    });
    assert_eq!(drained.status.code(), Some(0), "{}", text(&drained));
    let told = said(&drained);
    assert_eq!((&told["order"]["hub"], &told["waited"]["reached"]), (&json!(EAST), &json!(true)), "{told}");
    let words = told["waited"]["words"].as_str().expect("words");
    assert!(words.contains("its last session is gone"), "{words}");

    let record = scene.newest_failover().await;
    assert_eq!(
        (&record["hub"], &record["by"], &record["how"]),
        (&json!(EAST), &json!("operator"), &json!("drained"))
    );
    assert_eq!(record["id"], told["order"]["failoverId"]);
    assert_eq!((&record["sessions_pinned"], &record["requests_failed"]), (&json!(1), &json!(0)), "{record}");
    assert_eq!(
        (&record["sessions_moved"], &record["ended_because"]),
        (&json!(1), &json!("its last session is gone"))
    );
    let journal = operate(&scene.gateway, &["failovers"]).await.expect("an end");
    assert!(text(&journal).contains("LEFT"), "{}", text(&journal));

    let back = operate(&scene.gateway, &["undrain", EAST, "--wait"]).await.expect("an end");
    assert_eq!(back.status.code(), Some(0), "{}", text(&back));
    assert!(text(&back).contains("us-east-1 is back after"), "{}", text(&back));
    assert_eq!(scene.new_client().await, EAST);
    assert!(scene.newest_failover().await["back_unix_ms"].is_u64());

    let report = operate(&scene.gateway, &["report"]).await.expect("an end");
    assert!(
        text(&report).contains("us-east-1: serving -> draining (5 min left), because the operator says so")
    );
    assert!(text(&report).contains("-> drained, because its last session is gone"), "{}", text(&report));
    let hubs = operate(&scene.gateway, &["hubs"]).await.expect("an end");
    assert!(text(&hubs).lines().any(|line| line.starts_with("us-east-1 ") && line.contains(" serving ")));
    let (status, plans) = scene.desk.get("/v1/report").await.expect("the report");
    assert!(status == 200 && plans["plans"].as_array().is_some_and(|plans| plans.len() >= 3), "{plans}");
}

/// A session that nobody uses in time is left behind, as the answer says, and moves when it is used after all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_at_its_deadline() {
    let scene = Scene::start(QUICK).await;
    let mut pinned = scene.session().await;
    assert_eq!(hub_of(&mut pinned).await, EAST);
    let (status, drain) = scene.post("drain", json!({ "hub": EAST, "deadlineMs": 2500 })).await;
    assert_eq!(
        (status, &drain["state"], &drain["sessionsPinned"]),
        (200, &json!("draining"), &json!(1)),
        "{drain}"
    );
    assert_eq!(drain["receivesHubId"], EUROPE);
    let waited = operate(&scene.gateway, &["drain", EAST, "--yes", "--wait", "--deadline", "2500ms"]).await;
    let waited = waited.expect("an end");
    assert_eq!(waited.status.code(), Some(0), "{}", text(&waited));
    assert!(
        text(&waited).contains("deadline of its drain has come, with 1 sessions left"),
        "{}",
        text(&waited)
    );
    assert_eq!(scene.desk.hub(EAST).await.expect("the hub")["state"]["cause"], "operator");
    let record = scene.newest_failover().await;
    let ended = record["ended_because"].as_str().expect("over");
    assert!(ended.contains("with 1 sessions left"), "{record}");

    assert_eq!(hub_of(&mut pinned).await, EUROPE);

    // Draining what is drained changes nothing; waiting for less than it takes to come back fails.
    let (status, again) = scene.post("drain", json!({ "hub": EAST })).await;
    assert_eq!(
        (status, &again["state"], &again["heldUp"]),
        (200, &json!("drained"), &Value::Null),
        "{again}"
    );
    let late =
        operate(&scene.gateway, &["undrain", EAST, "--wait", "--timeout", "100ms"]).await.expect("an end");
    assert_eq!(late.status.code(), Some(1), "{}", text(&late));
    assert!(text(&late).contains("not after 100 ms: us-east-1 is recovering"), "{}", text(&late));
}

/// Sessions move by hand, whatever their hub does, and are counted without being named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_moved_by_hand_and_counted() {
    let scene = Scene::start(QUICK).await;
    let mut listener = Listener::open(scene.gateway.listener()).await.expect("a listener");
    let mut quiet = [scene.session().await, scene.session().await];
    assert_eq!([&listener.hub, &hub_of(&mut quiet[0]).await, &hub_of(&mut quiet[1]).await], [EAST; 3]);

    // One of the quiet ones shall stay.
    let body = json!({ "fromHubId": EAST, "toHubId": WEST, "sessions": 2 });
    let (status, said) = scene.post("migrateUserSessions", body).await;
    assert_eq!((status, &said["toHubId"], &said["sessionsOnHub"]), (200, &json!(WEST), &json!(3)), "{said}");
    assert_eq!((&said["leavingNow"], &said["onNextUse"]), (&json!(1), &json!(1)), "{said}");
    // The order of preference would have led it to Europe.
    until("the listener to have moved", async || {
        let seen = scene.desk.hub(WEST).await.map_err(|error| format!("{error:#}"))?;
        if seen["sessions"] == 1 { Ok(()) } else { Err(seen["sessions"].to_string()) }
    })
    .await
    .expect("it moves without being used");
    let before = listener.updates();
    until(
        "it to hear something",
        async || {
            if listener.updates() > before { Ok(()) } else { Err(listener.end()) }
        },
    )
    .await
    .expect("its stream stands");
    let ids = quiet.each_ref().map(|client| client.session.clone());
    let mut at = [hub_of(&mut quiet[0]).await, hub_of(&mut quiet[1]).await];
    at.sort();
    assert_eq!(at, [EAST, WEST], "one was marked");
    assert_eq!(hub_of(&mut scene.session().await).await, EAST, "it goes on taking new clients");

    // The rest by the command line, by the order of preference.
    let moved = operate(&scene.gateway, &["sessions", "move", "--from", EAST]).await.expect("an end");
    assert_eq!(moved.status.code(), Some(0), "{}", text(&moved));
    assert!(text(&moved).contains("on us-east-1, 0 leave now"), "{}", text(&moved));
    for client in &mut quiet {
        assert_ne!(hub_of(client).await, EAST);
    }
    assert_eq!(ids, quiet.each_ref().map(|client| client.session.clone()));
    assert_eq!(listener.hub_now().await.expect("it is answered"), WEST);
    assert_eq!(listener.end(), None);

    let (status, counts) = scene.desk.get("/v1/sessions").await.expect("counts");
    assert_eq!(status, 200);
    assert_eq!(
        (&counts["sessions"], &counts["moved"], &counts["listening"]),
        (&json!(4), &json!(3), &json!(1)),
        "{counts}"
    );
    assert_eq!((&counts["leaving"], &counts["since_start"]["opened"]), (&json!(1), &json!(4)), "{counts}");
    assert_eq!(
        (&counts["since_start"]["moved"], &counts["since_start"]["requests_lost"]),
        (&json!(3), &json!(0)),
        "{counts}"
    );
    assert_eq!(counts["by_place"][0]["sessions"], 4, "{counts}");
    assert_eq!(counts["by_age"].as_array().expect("buckets").len(), 7, "{counts}");
    let told = counts.to_string();
    for id in ids.iter().flatten().chain(&listener.client.session) {
        assert!(!told.contains(&id[..24]) && !told.contains("127.0.0.1"), "{counts}");
    }
    let table = operate(&scene.gateway, &["sessions"]).await.expect("an end");
    assert!(text(&table).contains("3 moved"), "{}", text(&table));
    let metric = async |sample: &str| scene.gateway.metric(sample).await.expect("metrics");
    assert_eq!(
        metric(&format!("mcphub_hub_sessions_moved_total{{hub=\"{EAST}\",way=\"from\"}}")).await,
        Some(3.0)
    );
    assert_eq!(metric(&format!("mcphub_sessions_streams_open{{hub=\"{WEST}\"}}")).await, Some(1.0));
}

/// By hand, at once, to a hub that is fit; it is written down, and a new process knows of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_by_hand_is_written_down_and_outlives_the_process() {
    let mut scene = Scene::start(QUICK).await;
    assert_eq!(scene.new_client().await, EAST);
    let (status, sound) =
        scene.post("validateFailover", json!({ "failedHubId": EAST, "backupHubId": EUROPE })).await;
    assert_eq!((status, &sound["valid"]), (200, &json!(true)), "{sound}");

    let slow = tokio::spawn({
        let mut client = Modern::new(scene.gateway.listener());
        async move { client.tool("slow", json!({ "seconds": 2, "steps": 4 })).await }
    });
    until("the slow call to wait for its hub", async || {
        let seen = scene.desk.hub(EAST).await.map_err(|error| format!("{error:#}"))?;
        if seen["in_flight"] == 1 { Ok(()) } else { Err(seen["in_flight"].to_string()) }
    })
    .await
    .expect("in flight");

    let order = ["failover", EAST, "--to", WEST, "--yes", "--json", "--note", "smoke"];
    let done = operate(&scene.gateway, &order).await.expect("an end");
    assert_eq!(done.status.code(), Some(0), "{}", text(&done));
    let result = said(&done);
    assert_eq!((&result["success"], &result["failedHubId"]), (&json!(true), &json!(EAST)), "{result}");
    assert_eq!(result["backupHubId"], EUROPE, "where they really go: {result}");
    assert!(result["reason"].as_str().is_some_and(|why| why.contains("and not us-west-1")), "{result}");
    assert!(result["failoverTime"].is_u64(), "{result}");
    assert_eq!(result["userImpact"]["requestsInFlight"], 1, "{result}");
    assert_eq!(result["estimatedRecoveryTime"], Value::Null, "it waits for the operator");
    assert_eq!(scene.new_client().await, EUROPE);
    slow.await.expect("no panic").expect("what is in flight is answered");

    // Nothing is done towards a hub that is not fit.
    let unfit = operate(&scene.gateway, &["failover", EUROPE, "--to", EAST, "--yes"]).await.expect("an end");
    assert_eq!(unfit.status.code(), Some(1), "{}", text(&unfit));
    assert!(
        text(&unfit).contains("nothing was done") && text(&unfit).contains("drained"),
        "{}",
        text(&unfit)
    );
    assert_eq!(scene.desk.hub(EUROPE).await.expect("the hub")["wish"], Value::Null);
    let (_, unsound) =
        scene.post("validateFailover", json!({ "failedHubId": EUROPE, "backupHubId": "atlantis" })).await;
    assert_eq!((&unsound["valid"], &unsound["checks"][0]["ok"]), (&json!(false), &json!(false)), "{unsound}");

    let record = scene.newest_failover().await;
    assert_eq!((&record["id"], &record["hub"]), (&result["failoverId"], &json!(EAST)), "{record}");
    let (_, status) = scene.desk.get("/v1/status").await.expect("status");
    assert_eq!(
        (&status["hubs_by_state"]["drained"], &status["store"]["condition"]),
        (&json!(1), &json!("ready"))
    );

    scene.gateway.process.signal(Signal::TERM).expect("it lives");
    scene.gateway.process.exited().await.expect("it stops");
    let mut next = scene.gateway.spawn_successor(&[]).expect("a process");
    next.wait_until_ready().await.expect("it starts again");
    scene.desk = Desk::open(&next, None).await.expect("a document");
    scene.gateway = next;
    let seen = scene.wait_for(EAST, "drained").await;
    assert_eq!((&seen["wish"]["out"], &seen["wish"]["note"]), (&json!("now"), &json!("smoke")), "{seen}");
    assert_eq!(scene.new_client().await, EUROPE);
    let (_, journal) = scene.desk.get("/v1/failovers").await.expect("the journal");
    let ids: Vec<_> =
        journal["failovers"].as_array().expect("a list").iter().map(|r| r["id"].clone()).collect();
    assert!(ids.contains(&result["failoverId"]), "{journal}");
    let back = operate(&scene.gateway, &["undrain", EAST, "--wait", "--json"]).await.expect("an end");
    assert_eq!(back.status.code(), Some(0), "{}", text(&back));
    assert_eq!(scene.new_client().await, EAST);
}

/// What a guard rail holds up is said, kept, and done when the rail allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_against_the_floor_waits_until_the_floor_allows() {
    let floor = QUICK.replacen("[failover]", "[failover]\nmin_serving_hubs = 3", 1);
    let scene = Scene::start(&floor).await;
    let held = operate(&scene.gateway, &["drain", WEST, "--yes"]).await.expect("an end");
    assert_eq!(held.status.code(), Some(0), "{}", text(&held));
    assert!(text(&held).contains("not yet: too few hubs would be left serving"), "{}", text(&held));
    let (status, drain) = scene.post("drain", json!({ "hub": WEST, "deadlineMs": 2000 })).await;
    assert_eq!((status, &drain["state"]), (202, &json!("serving")), "{drain}");
    assert_eq!(drain["heldUp"]["wanted"], "draining");
    let (status, failover) = scene.post("executeFailover", json!({ "failedHubId": EUROPE })).await;
    assert_eq!((status, &failover["success"], &failover["failoverTime"]), (200, &json!(false), &Value::Null));
    assert_eq!(failover["heldUp"]["objection"], "too few hubs would be left serving", "{failover}");
    let (status, undrain) = scene.post("undrain", json!({ "hub": EUROPE })).await;
    assert_eq!((status, &undrain["state"]), (200, &json!("serving")), "{undrain}");
    let hubs = operate(&scene.gateway, &["hubs"]).await.expect("an end");
    assert!(text(&hubs).contains("wanted out, and held up"), "{}", text(&hubs));
    let timed = operate(&scene.gateway, &["drain", WEST, "--yes", "--wait", "--timeout", "300ms"]).await;
    let timed = timed.expect("an end");
    assert_eq!(timed.status.code(), Some(1), "{}", text(&timed));

    let text = scene.gateway.config().text(scene.gateway.directory());
    scene
        .gateway
        .write_config(&text.replacen("min_serving_hubs = 3", "min_serving_hubs = 1", 1))
        .expect("written");
    let reload = scene.desk.send("POST", "/v1/reload", &[], "").await.expect("an answer");
    scene.desk.check("POST", "/v1/reload", &reload).expect("as documented");
    assert_eq!(reload.status, 200, "{}", reload.text());
    scene.wait_for(WEST, "drained").await;
    assert_eq!(scene.desk.hub(EUROPE).await.expect("the hub")["state"]["name"], "serving");
}

/// Part of a hub's new clients goes elsewhere, and the answer says where.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_is_switched_by_parts_and_back() {
    const CALLS: usize = 40;
    let scene = Scene::start(&format!("{QUICK}\n[routing]\nsticky_sessions = false")).await;
    let placed = async || {
        let mut at_home = 0;
        for _ in 0..CALLS {
            at_home += usize::from(scene.new_client().await == EAST);
        }
        at_home
    };
    let switch = async |to: &str, percentage: f64| {
        let body = json!({ "fromHubId": EAST, "toHubId": to, "percentage": percentage });
        let (status, said) = scene.post("switchTraffic", body).await;
        assert_eq!((status, &said["success"]), (200, &json!(true)), "{said}");
        said
    };
    let half = switch(EUROPE, 50.0).await;
    assert_eq!((&half["share"], &half["warning"]), (&json!(0.5), &Value::Null), "{half}");
    assert_eq!(half["receives"][0]["hub"], EUROPE);
    let at_home = placed().await;
    assert!((CALLS / 4..=CALLS * 3 / 4).contains(&at_home), "{at_home} of {CALLS} stayed");
    let all = switch(WEST, 100.0).await;
    let warning = all["warning"].as_str().expect("a warning");
    assert!(warning.contains(EUROPE), "the order of preference decides: {warning}");
    assert_eq!(placed().await, 0);
    let none = switch(EUROPE, 0.0).await;
    assert_eq!(
        (&none["share"], &scene.desk.hub(EAST).await.expect("the hub")["wish"]),
        (&json!(1.0), &Value::Null)
    );
    assert_eq!(placed().await, CALLS);

    // A drain and a switch are two wishes, and each is taken back by itself.
    switch(EUROPE, 25.0).await;
    scene.post("executeFailover", json!({ "failedHubId": EAST })).await;
    let kept = scene.wait_for(EAST, "drained").await;
    assert_eq!((&kept["wish"]["out"], &kept["wish"]["weight"]), (&json!("now"), &json!(0.75)), "{kept}");
    let body = json!({ "fromHubId": EUROPE, "toHubId": EAST, "percentage": 10 });
    let (status, refused) = scene.post("switchTraffic", body).await;
    assert_eq!((status, &refused["field"]), (409, &json!("toHubId")), "{refused}");
    let back = operate(&scene.gateway, &["undrain", EAST, "--wait"]).await.expect("an end");
    assert!(text(&back).contains("with 75 %"), "{}", text(&back));
}
