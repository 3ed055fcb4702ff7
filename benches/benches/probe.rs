//! What does a probe cost the gateway? CPU time of the probing thread, kernel included; the hub has a thread of its own.
//!
//! A thousand hubs at the usual interval of 2 s are 500 probes a second: each 20 µs are 1 % of a core.

// A bench fails loudly and measures time: that is its work.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod cpu_time;

use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use cpu_time::CpuTime;
use criterion::{Criterion, criterion_group, criterion_main};
use mcphub_gateway::observe::metrics::Metrics;
use mcphub_gateway::probe::Prober;
use mcphub_gateway::upstream::Upstream;
use mcphub_health::{Outcome, ProbeOrder, ProbeSettings, Schedule};
use mcphub_routing::{HubId, MonoTime};

const DISCOVERED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2025-06-18","2025-11-25","2026-07-28"],"capabilities":{"tools":{"listChanged":true}},"ttlMs":5000,"cacheScope":"private"}}"#;
const UNKNOWN_SESSION: &str =
    r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Session not found"}}"#;

/// A hub that answers the first bytes of each connection, and waits for its end.
fn hub(status: &str, body: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         mcphub-boot: 2f7c0d6e\r\n\r\n{body}"
    );
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut read) = (stream.unwrap(), [0; 4096]);
            if stream.read(&mut read).is_ok_and(|count| count > 0) {
                let _ = stream.write_all(answer.as_bytes());
                let _ = stream.read(&mut read);
            }
        }
    });
    address
}

fn prober(address: SocketAddr, hub: &str, health: &str) -> Prober {
    let text = format!(
        "[gateway]\nlocation = \"here\"\n[[listener]]\naddress = \"127.0.0.1:8080\"\n\
         [locations]\nhere = {{ latitude = 0, longitude = 0 }}\n\
         [[hub]]\nid = \"a\"\ntype = \"primary\"\nlocation = \"here\"\nurl = \"http://{address}/mcp\"\n{hub}\n\
         [health]\ninterval = \"1min\"\ntimeout = \"20s\"\n{health}\n"
    );
    let settings = mcphub_conf::parse(&text, "bench", Path::new("/"), &|_| None).unwrap().settings;
    let upstream = Upstream::new(&settings.hubs[0], Metrics::new().unwrap().hub("a")).unwrap();
    Prober::new(&settings.hubs[0], &settings.health, &upstream).unwrap()
}

fn order() -> ProbeOrder {
    let mut schedule = Schedule::new(1);
    let settings = ProbeSettings { timeout: Duration::from_secs(20), ..ProbeSettings::default() };
    schedule.add(HubId::new("a").unwrap(), settings, MonoTime::ZERO);
    schedule.due(MonoTime::ZERO).remove(0)
}

fn probes(c: &mut Criterion<CpuTime>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (modern, legacy) = (hub("200 OK", DISCOVERED), hub("404 Not Found", UNKNOWN_SESSION));
    let mut group = c.benchmark_group("probe");
    let mut bench = |name: &str, prober: &Prober| {
        let order = order();
        group.bench_function(name, |b| {
            b.iter(|| {
                let probed = runtime.block_on(prober.probe(black_box(&order)));
                assert_eq!(probed.report.outcome, Outcome::Ok);
                probed
            });
        });
    };
    bench("mcp, modern", &prober(modern, "", ""));
    bench("mcp, legacy", &prober(legacy, "eras = [\"legacy\"]", ""));
    bench("http", &prober(modern, "", "probe = \"http\""));
    bench("tcp", &prober(modern, "", "probe = \"tcp\""));
    group.finish();
}

criterion_group! {
    name = benches;
    config = cpu_time::criterion().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = probes
}
criterion_main!(benches);
