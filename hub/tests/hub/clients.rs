//! The official client of the same SDK, in both eras.

use mcphub_hub::Eras;
use rmcp::{
    model::{
        CallToolRequestParams, ClientRequest, ReadResourceRequestParams, Request, ServerNotification,
        SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter,
    },
    service::{PeerRequestOptions, SubscriptionEnd},
};
use serde_json::{Value, json};

use crate::common::{LEGACY, MODERN, Told, client, hub, start, text, within};

const ERAS: [&str; 2] = [LEGACY, MODERN];

#[tokio::test]
async fn whoami_tells_which_hub_answers() {
    let hub = hub().await;
    for era in ERAS {
        let client = client(&hub, era).await;
        let told = client.call("whoami", json!({})).await.structured_content.expect("structured");
        assert_eq!((&told["hub"], &told["location"]), (&json!("tester"), &json!("nowhere")));
        assert_eq!(told["boot"], hub.counters().await.boot);
        assert_eq!(told["protocolVersion"], era);
        assert_eq!(told["session"].is_string(), era == LEGACY, "{told}");
    }
}

#[tokio::test]
async fn the_small_tools_do_what_they_say() {
    let hub = hub().await;
    for era in ERAS {
        let client = client(&hub, era).await;
        assert_eq!(text(&client.call("echo", json!({ "text": "héllo" })).await), "héllo");
        assert_eq!(text(&client.call("blob", json!({ "bytes": 100_000 })).await).len(), 100_000);
        let put = client.call("put", json!({ "key": era, "value": "v" })).await;
        assert_eq!(put.structured_content.expect("structured")["times"], 1);
        let found =
            client.call("lookup", json!({ "key": era })).await.structured_content.expect("structured");
        assert_eq!(found["value"], "v");
        let absent = client.call("lookup", json!({ "key": "absent" })).await;
        assert_eq!(absent.structured_content.expect("structured")["value"], Value::Null);
        for times in 1..=2 {
            let act = client.call("act", json!({ "key": era })).await;
            assert_eq!(act.structured_content.expect("structured")["times"], times);
        }
        let refused = client.call("act", json!({})).await;
        assert_eq!(refused.is_error, Some(true), "no key, no act");
    }
    let counters = hub.counters().await;
    assert_eq!((counters.act[LEGACY], counters.act[MODERN]), (2, 2));
    assert_eq!((counters.put[LEGACY], counters.put[MODERN], counters.lookup), (1, 1, 4));
    assert_eq!(counters.initialize, 1);
}

#[tokio::test]
async fn annotations_are_as_promised() {
    let hub = hub().await;
    let tools = client(&hub, MODERN).await.service.list_all_tools().await.expect("tools");
    let hint = |name: &str| {
        let tool = tools.iter().find(|tool| tool.name == name).expect(name);
        tool.annotations.as_ref().map(|hints| (hints.read_only_hint, hints.idempotent_hint))
    };
    assert_eq!(tools[0].name, "whoami", "the first tool is harmless and needs nothing");
    assert_eq!(hint("lookup"), Some((Some(true), None)));
    assert_eq!(hint("put"), Some((Some(false), Some(true))));
    assert_eq!(hint("act"), None);
}

#[tokio::test]
async fn a_session_counts_for_itself() {
    let hub = hub().await;
    let (first, second) = (client(&hub, LEGACY).await, client(&hub, LEGACY).await);
    let counted =
        |result: rmcp::model::CallToolResult| result.structured_content.expect("structured")["count"].clone();
    assert_eq!(counted(first.call("count", json!({})).await), 1);
    assert_eq!(counted(first.call("count", json!({})).await), 2);
    assert_eq!(counted(second.call("count", json!({})).await), 1);
    let modern = client(&hub, MODERN).await;
    assert_eq!(modern.call("count", json!({})).await.is_error, Some(true));
}

#[tokio::test]
async fn slow_and_burst_report_every_step() {
    let hub = hub().await;
    for era in ERAS {
        for (tool, arguments, steps) in
            [("slow", json!({ "seconds": 0.1, "steps": 5 }), 5), ("burst", json!({ "events": 200 }), 200)]
        {
            let mut client = client(&hub, era).await;
            let Value::Object(arguments) = arguments else { unreachable!() };
            let call = CallToolRequestParams::new(tool).with_arguments(arguments);
            let call = ClientRequest::CallToolRequest(Request::new(call));
            let handle = client
                .service
                .send_cancellable_request(call, PeerRequestOptions::no_options())
                .await
                .expect("sent");
            for step in 1..=steps {
                assert_eq!(client.told().await, Told::Progress(f64::from(step)), "{tool} in {era}");
            }
            within("the result", handle.await_response()).await.expect("a result");
        }
    }
}

#[tokio::test]
async fn a_legacy_subscriber_hears_of_changes_until_it_has_enough() {
    let hub = hub().await;
    let mut client = client(&hub, LEGACY).await;
    let clock = || "hub://clock".to_owned();
    client.service.subscribe(SubscribeRequestParams::new(clock())).await.expect("subscribed");
    hub.until("the GET stream", |counters| counters.get_streams == 1).await;
    hub.watch.touch();
    assert_eq!(client.told().await, Told::Updated(clock()));
    client
        .service
        .unsubscribe(rmcp::model::UnsubscribeRequestParams::new(clock()))
        .await
        .expect("unsubscribed");
    client.call("test_trigger_tool_change", json!({})).await;
    let told = within("the change of the list", async {
        loop {
            match client.told().await {
                Told::Updated(_) => {} // Sent before the end of the subscription.
                told => break told,
            }
        }
    });
    assert_eq!(told.await, Told::ToolsChanged);
}

#[tokio::test]
async fn a_modern_listener_hears_only_what_it_asked_for_and_a_graceful_end() {
    let mut hub = hub().await;
    let client = client(&hub, MODERN).await;
    let filter = SubscriptionFilter::builder().resource_subscription("hub://clock").build();
    let mut subscription = client.service.listen(filter).await.expect("listening");
    assert_eq!(hub.counters().await.listen_streams, 1);
    client.call("test_trigger_tool_change", json!({})).await;
    hub.watch.touch();
    let told = within("an update", subscription.next()).await.expect("open").expect("a notification");
    assert!(matches!(told, ServerNotification::ResourceUpdatedNotification(_)), "{told:?}");
    hub.tell_to_stop();
    while within("the end", subscription.next()).await.expect("no error").is_some() {}
    assert!(matches!(subscription.end(), Some(SubscriptionEnd::Graceful(_))), "{:?}", subscription.end());
}

#[tokio::test]
async fn questions_reach_the_user_in_the_way_of_each_era() {
    let hub = hub().await;
    let legacy = client(&hub, LEGACY).await;
    let told = legacy.call("test_elicitation", json!({ "message": "who?" })).await;
    assert!(text(&told).contains("accept") && text(&told).contains("ada"), "{told:?}");
    let modern = client(&hub, MODERN).await;
    assert_eq!(text(&modern.call("test_input_required_result_elicitation", json!({})).await), "Hello, Ada!");
}

#[tokio::test]
async fn logs_keep_to_the_level_that_was_set() {
    let hub = hub().await;
    let mut client = client(&hub, LEGACY).await;
    hub.until("the GET stream", |counters| counters.get_streams == 1).await;
    let set = |level| client.service.set_level(SetLevelRequestParams::new(level));
    set(rmcp::model::LoggingLevel::Error).await.expect("set");
    client.call("test_tool_with_logging", json!({})).await;
    set(rmcp::model::LoggingLevel::Debug).await.expect("set");
    client.call("test_logging_tool", json!({})).await;
    assert_eq!(client.told().await, Told::Log(json!("A log message, as asked for")));
}

#[tokio::test]
async fn resources_and_prompts_can_be_read() {
    let hub = hub().await;
    for era in ERAS {
        let client = client(&hub, era).await;
        let resources = client.service.list_all_resources().await.expect("resources");
        for resource in &resources {
            let request = ReadResourceRequestParams::new(&resource.uri);
            client.service.read_resource(request).await.expect(&resource.uri);
        }
        assert!(resources.iter().any(|resource| resource.uri == "hub://clock"));
        assert_eq!(client.service.list_all_prompts().await.expect("prompts").len(), 5);
    }
}

#[tokio::test]
async fn a_hub_of_one_era_refuses_the_other() {
    for (eras, spoken, unspoken) in [(Eras::Legacy, LEGACY, MODERN), (Eras::Modern, MODERN, LEGACY)] {
        let hub = start(|args| args.eras = eras).await;
        client(&hub, spoken).await.call("whoami", json!({})).await;
        let refused = if unspoken == MODERN {
            crate::common::modern(&hub, "tools/list", json!({}))
        } else {
            crate::common::legacy(&hub, None, &crate::common::initialize())
        };
        assert_eq!(refused.send().await.expect("an answer").status(), 400);
    }
}
