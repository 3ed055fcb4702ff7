//! Probes against real sockets: hubs that answer by a script, and our own hub in this process.

use super::*;
use crate::observe::metrics::Metrics;
use mcphub_conf::Settings;
use mcphub_health::{ProbeSettings, Schedule};
use mcphub_routing::HubId;
use std::sync::atomic::AtomicUsize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

mod broken;
mod eras;
mod load;
mod tools;

/// Long enough for anything that answers at all, on a machine with much else to do.
const PLENTY: Duration = Duration::from_secs(20);
/// For hubs that never answer.
const LITTLE: Duration = Duration::from_millis(300);

/// Settings of one hub, and of health.
fn settings(url: &str, hub: &str, health: &str) -> Settings {
    let text = format!(
        "[gateway]\nlocation = \"here\"\n[[listener]]\naddress = \"127.0.0.1:8080\"\n\
         [locations]\nhere = {{ latitude = 0, longitude = 0 }}\n\
         [[hub]]\nid = \"a\"\ntype = \"primary\"\nlocation = \"here\"\nurl = \"{url}\"\n{hub}\n\
         [health]\ninterval = \"1min\"\ntimeout = \"20s\"\n{health}\n"
    );
    let loaded = mcphub_conf::parse(&text, "test", std::path::Path::new("."), &|_| None);
    loaded.unwrap_or_else(|report| panic!("{}", report.render_text())).settings
}

fn prober(url: &str, hub: &str, health: &str) -> Prober {
    let settings = settings(url, hub, health);
    let metrics = Metrics::new().expect("metrics").hub("a");
    let upstream = Upstream::new(&settings.hubs[0], metrics).expect("an upstream");
    Prober::new(&settings.hubs[0], &settings.health, &upstream).expect("a prober")
}

/// An order as the schedule gives it.
fn order(timeout: Duration) -> ProbeOrder {
    let mut schedule = Schedule::new(1);
    let settings = ProbeSettings { timeout, ..ProbeSettings::default() };
    schedule.add(HubId::new("a").expect("an id"), settings, MonoTime::ZERO);
    schedule.due(MonoTime::ZERO).remove(0)
}

async fn probe(prober: &Prober, timeout: Duration) -> Probed {
    let order = order(timeout);
    let probed = prober.probe(&order).await;
    assert_eq!(probed.report.id, order.id);
    probed
}

/// What a scripted hub does with one request.
#[derive(Clone)]
enum Act {
    /// Writes this and closes.
    Say(Vec<u8>),
    /// Writes this and goes on listening on the same connection.
    Answer(Vec<u8>),
    /// Writes this and then nothing more, with the connection open.
    Hold(Vec<u8>),
    /// Writes this and resets.
    Reset(Vec<u8>),
    /// Writes the first, then the second over and over.
    Flood(Vec<u8>, Vec<u8>),
}

fn http(status: u16, kind: &str, body: &str) -> Vec<u8> {
    let kind = if kind.is_empty() { String::new() } else { format!("content-type: {kind}\r\n") };
    format!("HTTP/1.1 {status} X\r\n{kind}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn json(status: u16, body: &str) -> Act {
    Act::Answer(http(status, "application/json", body))
}

/// A hub that acts by a script on each request, and counts connections.
struct Scripted {
    url: String,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn scripted(act: impl Fn(&str) -> Act + Send + Sync + 'static) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    let (act, connections) = (Arc::new(act), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&connections);
    let task = tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let act = Arc::clone(&act);
            open.spawn(async move { converse(stream, &*act).await });
        }
    });
    Scripted { url, connections, task }
}

async fn converse(mut stream: TcpStream, act: &(impl Fn(&str) -> Act + Sync)) {
    while let Some(request) = request(&mut stream).await {
        match act(&request) {
            Act::Answer(bytes) => {
                let _ = stream.write_all(&bytes).await;
            }
            Act::Say(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Act::Hold(bytes) => {
                let _ = stream.write_all(&bytes).await;
                std::future::pending::<()>().await;
            }
            Act::Reset(bytes) => {
                let _ = stream.write_all(&bytes).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
                let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                return;
            }
            Act::Flood(first, again) => {
                let _ = stream.write_all(&first).await;
                while stream.write_all(&again).await.is_ok() {}
                return;
            }
        }
    }
}

/// One whole request; `None` when the other side has closed.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            if body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) {
                return String::from_utf8(read).ok();
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend_from_slice(&piece[..count]),
        }
    }
}

/// Our own hub, stopped when this is dropped.
struct OwnHub {
    url: String,
    watch: mcphub_hub::Watch,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for OwnHub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn own_hub(eras: mcphub_hub::Eras) -> OwnHub {
    let args = mcphub_hub::Args { eras, ..mcphub_hub::Args::local("a", "here") };
    let hub = mcphub_hub::bind(args).await.expect("a hub");
    let (url, watch) = (hub.url(), hub.watch());
    let task = tokio::spawn(async move {
        let _ = hub.serve(std::future::pending()).await;
    });
    OwnHub { url, watch, task }
}
