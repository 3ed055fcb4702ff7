//! What is written about probes and metrics arrives as it was meant.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use mcphub_conf::{Settings, parse};
use std::path::Path;
use std::time::Duration;

fn read(hub: &str, health: &str) -> Settings {
    let text = format!(
        "[gateway]\nlocation = \"here\"\n[[listener]]\naddress = \"127.0.0.1:8080\"\n\
         [locations]\nhere = {{ latitude = 50.1, longitude = 8.7 }}\n\
         [[hub]]\nid = \"a\"\ntype = \"primary\"\nlocation = \"here\"\nurl = \"http://[::1]:3001/mcp\"\n{hub}\n\
         [health]\n{health}\n"
    );
    let loaded = parse(&text, "edge.toml", Path::new("."), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render_text()));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings.render_text());
    loaded.settings
}

#[test]
fn metrics_are_a_path_on_the_hub_or_a_url() {
    let check = |hub: &str, url: &str, millicpus: u32, memory_limit: Option<u64>| {
        let metrics = read(hub, "").hubs.remove(0).metrics.unwrap();
        assert_eq!((metrics.url.to_string().as_str(), metrics.millicpus), (url, millicpus), "{hub}");
        assert_eq!(metrics.memory_limit, memory_limit, "{hub}");
    };
    check("metrics = \"/metrics\"", "http://[::1]:3001/metrics", 1000, None);
    let elsewhere = "metrics = \"https://h:9100/m\"\ncpus = 0.29\nmemory_limit = \"2GiB\"";
    check(elsewhere, "https://h:9100/m", 290, Some(2 << 30));
    check("metrics = \"/metrics\"\ncpus = 4", "http://[::1]:3001/metrics", 4000, None);
    assert_eq!(read("", "").hubs[0].metrics, None);
}

#[test]
fn tools_and_metric_names() {
    let plain = read("", "").health;
    assert_eq!((plain.expect_tool, plain.canary), (None, None));
    assert_eq!(plain.metrics.interval, Duration::from_secs(15));
    assert_eq!(plain.metrics.queue, "mcphub_hub_queue_depth");
    let health = "expect_tool = \"a/b-c.d\"\ncanary = { tool = \"echo\", arguments = { n = [1, 2.5] } }\n\
                  metrics_interval = \"1min\"\nmetrics_queue = \"jobs:waiting\"";
    let said = read("metrics = \"/metrics\"", health).health;
    let canary = said.canary.unwrap();
    assert_eq!(said.expect_tool.as_deref(), Some("a/b-c.d"));
    assert_eq!((canary.tool.as_str(), canary.arguments.as_str()), ("echo", r#"{"n":[1,2.5]}"#));
    assert_eq!(
        (said.metrics.interval, said.metrics.queue.as_str()),
        (Duration::from_secs(60), "jobs:waiting")
    );
    let bare = read("", "canary = { tool = \"now\" }").health.canary.unwrap();
    assert_eq!((bare.tool.as_str(), bare.arguments.as_str()), ("now", "{}"));
}
