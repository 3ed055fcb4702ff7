//! What is read of a hub's metrics.

use super::*;
use mcphub_routing::Share;

const AT: MonoTime = MonoTime::from_millis(10_000);

fn share(per_mille: u16) -> Option<Share> {
    Share::from_per_mille(per_mille)
}

async fn exporter(texts: &'static [&'static str]) -> Scripted {
    let count = AtomicUsize::new(0);
    scripted(move |request| {
        if request.starts_with("POST") {
            return json(400, "");
        }
        assert!(
            request.starts_with("GET /m HTTP/1.1\r\n") && request.contains("accept: text/plain"),
            "{request}"
        );
        let at = count.fetch_add(1, Ordering::Relaxed).min(texts.len() - 1);
        Act::Answer(http(200, "text/plain; version=0.0.4", texts[at]))
    })
    .await
}

#[tokio::test]
async fn our_own_hub_tells_its_load() {
    let hub = own_hub(mcphub_hub::Eras::Both).await;
    let prober = prober(&hub.url, "metrics = \"/metrics\"\nmemory_limit = \"64GiB\"", "");
    assert!(prober.has_metrics());
    let first = prober.scrape(AT, PLENTY).await.expect("metrics");
    assert_eq!((first.exported.at, first.exported.cpu, first.exported.queue), (AT, None, Some(0)));
    assert!(first.exported.memory.is_some_and(|memory| memory < Share::FULL));
    let later = AT.after(Duration::from_secs(1));
    let second = prober.scrape(later, PLENTY).await.expect("metrics");
    assert!(second.exported.cpu.is_some());
    // Its probes tell which life this is, so its metrics do not.
    assert_eq!((first.boot, second.boot), (None, None));
    assert!(probe(&prober, PLENTY).await.report.boot.is_some());
    assert_eq!(prober.scrape(later, PLENTY).await.expect("metrics").boot, None);
}

#[tokio::test]
async fn cpu_is_told_by_two_looks_and_memory_by_its_limit() {
    let hub = exporter(&[
        "process_cpu_seconds_total 10\nprocess_resident_memory_bytes 250\nprocess_virtual_memory_max_bytes 1000\n",
        "process_cpu_seconds_total 12\nprocess_resident_memory_bytes 250\nprocess_virtual_memory_max_bytes -1\njobs 7\n",
        "process_cpu_seconds_total 1\nprocess_resident_memory_bytes 250\nprocess_virtual_memory_max_bytes 1.8446744073709552e+19\njobs{q=\"a\"} 1\njobs{q=\"b\"} 2\n",
        "process_cpu_seconds_total 100\njobs -1\nprocess_resident_memory_bytes NaN\n",
    ])
    .await;
    let metrics = "metrics = \"/m\"\ncpus = 4";
    let prober = prober(&hub.url, metrics, "metrics_queue = \"jobs\"");
    let check = async |second: u64, cpu, memory, queue| {
        let now = AT.after(Duration::from_secs(second));
        let exported = prober.scrape(now, PLENTY).await.expect("metrics").exported;
        assert_eq!((exported.cpu, exported.memory, exported.queue), (cpu, memory, queue), "{second}");
    };
    check(0, None, share(250), None).await;
    check(1, share(500), None, Some(7)).await;
    check(2, None, None, Some(3)).await;
    check(3, share(1000), None, None).await;
}

#[tokio::test]
async fn metrics_tell_a_restart_where_probes_do_not() {
    let hub = exporter(&[
        "process_start_time_seconds 1.7e9\n",
        "process_start_time_seconds 1700000000.00\n",
        "process_start_time_seconds 1700000001\n",
    ])
    .await;
    let prober = prober(&hub.url, "metrics = \"/m\"", "");
    // Not before it is known that probes do not.
    assert_eq!(prober.scrape(AT, PLENTY).await.expect("metrics").boot, None);
    assert_eq!(probe(&prober, PLENTY).await.report.boot, None);
    let first = prober.scrape(AT, PLENTY).await.expect("metrics").boot;
    let second = prober.scrape(AT, PLENTY).await.expect("metrics").boot;
    assert!(first.is_some() && second.is_some() && first != second);
}

#[tokio::test]
async fn a_scrape_that_fails_says_why() {
    let check = async |act: Act, expected: &str| {
        let hub = scripted(move |_| act.clone()).await;
        let prober = prober(&hub.url, "metrics = \"/m\"", "");
        let error = prober.scrape(AT, LITTLE).await.expect_err("no metrics").to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(Act::Answer(http(404, "", "")), "answered 404").await;
    check(Act::Say(Vec::new()), "broke off").await;
    check(Act::Hold(Vec::new()), "no metrics within").await;
    check(
        Act::Answer(http(200, "", "process_cpu_seconds_total x")),
        "process_cpu_seconds_total cannot be read",
    )
    .await;
    let long = Act::Answer(http(200, "", &"# x\n".repeat(300_000)));
    let hub = scripted(move |_| long.clone()).await;
    let error = prober(&hub.url, "metrics = \"/m\"", "").scrape(AT, PLENTY).await;
    assert_eq!(error, Err(ScrapeError::NoText));
    let none = prober(&hub.url, "", "").scrape(AT, PLENTY).await;
    assert_eq!(none, Err(ScrapeError::NotConfigured));
}

#[tokio::test]
async fn metrics_may_be_elsewhere() {
    let (hub, elsewhere) = (own_hub(mcphub_hub::Eras::Both).await, exporter(&["jobs 5\n"]).await);
    let url = elsewhere.url.replace("/mcp", "/m");
    let prober = prober(&hub.url, &format!("metrics = \"{url}\""), "metrics_queue = \"jobs\"");
    assert_eq!(prober.scrape(AT, PLENTY).await.expect("metrics").exported.queue, Some(5));
}
