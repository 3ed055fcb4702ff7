//! What do clients notice, and what does the gateway say of its hubs meanwhile?

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mcphub_tests::Gateway;
use mcphub_tests::mcp::Modern;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Between two requests: 60 in a second, whether earlier ones are answered or not.
const APART: Duration = Duration::from_micros(16_667);

/// Every so many-th request is one that must not be done twice; the others are safe.
const ACT_EVERY: u64 = 7;

/// How long a client waits. Longer than anything takes here that ends at all.
const ANSWER: Duration = Duration::from_secs(20);

/// Between two looks at the gateway's hubs.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A request, and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Of a request that must not be done twice: its key.
    pub(crate) key: Option<String>,
    /// When it was sent.
    pub(crate) at: Instant,
    /// How long the answer took.
    pub(crate) took: Duration,
    /// The hub that answered a safe one (nothing for the others), or what went wrong.
    pub(crate) answer: Result<String, String>,
}

impl Asked {
    /// When its fate was known.
    pub(crate) fn end(&self) -> Instant {
        self.at + self.took
    }
}

/// Steady requests of modern clients, each on a connection of its own.
pub(crate) struct Traffic {
    stop: oneshot::Sender<()>,
    asking: JoinHandle<Vec<Asked>>,
}

impl Traffic {
    /// Begins.
    pub(crate) fn start(gateway: &Gateway) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let address = gateway.listener();
        let asking = tokio::spawn(async move {
            let mut pace = interval(APART);
            pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut requests = JoinSet::new();
            for number in 0.. {
                tokio::select! {
                    _ = pace.tick() => {}
                    _ = &mut stopped => break,
                }
                requests.spawn(ask(address, (number % ACT_EVERY == 0).then(|| format!("act-{number}"))));
            }
            requests.join_all().await
        });
        Self { stop, asking }
    }

    /// Stops asking, waits for the answers under way, and tells of every request in the order of their sending.
    pub(crate) async fn finish(self) -> Vec<Asked> {
        drop(self.stop);
        let mut all = self.asking.await.expect("the clients do not panic");
        all.sort_by_key(|asked| asked.at);
        all
    }
}

async fn ask(address: SocketAddr, key: Option<String>) -> Asked {
    let at = Instant::now();
    let mut client = Modern::new(address);
    let asking = async {
        match &key {
            Some(key) => client.tool("act", json!({"key": key})).await.map(|_| String::new()),
            None => client.call("resources/read", json!({"uri": "hub://self"})).await.map(|it| hub_of(&it)),
        }
    };
    let answer = match timeout(ANSWER, asking).await {
        Ok(answer) => answer.map_err(|error| format!("{error:#}")),
        Err(_) => Err(format!("no answer within {ANSWER:?}")),
    };
    Asked { key, at, took: at.elapsed(), answer }
}

/// What a hub says of itself.
fn hub_of(result: &Value) -> String {
    let text = result["contents"][0]["text"].as_str().unwrap_or_default();
    let told: Value = serde_json::from_str(text).unwrap_or_default();
    told["hub"].as_str().unwrap_or("nobody").to_owned()
}

/// What was asked in a stretch of time, counted.
#[derive(Debug, Default)]
pub(crate) struct Count {
    /// Safe requests answered, by the hub.
    pub(crate) answered: BTreeMap<String, usize>,
    /// Safe requests that failed.
    pub(crate) failed: Vec<String>,
    /// Requests not to be done twice that were answered.
    pub(crate) acted: usize,
    /// Requests not to be done twice that failed.
    pub(crate) not_acted: Vec<String>,
    /// How long each safe answer took, ascending.
    took: Vec<Duration>,
}

impl Count {
    pub(crate) fn of<'a>(asked: impl IntoIterator<Item = &'a Asked>) -> Self {
        let mut count = Self::default();
        for one in asked {
            match (&one.answer, &one.key) {
                (Ok(_), Some(_)) => count.acted += 1,
                (Err(why), Some(_)) => count.not_acted.push(why.clone()),
                (Err(why), None) => count.failed.push(why.clone()),
                (Ok(hub), None) => {
                    *count.answered.entry(hub.clone()).or_default() += 1;
                    count.took.push(one.took);
                }
            }
        }
        count.took.sort_unstable();
        count
    }

    /// Panics unless all were answered, and there were some.
    #[track_caller]
    pub(crate) fn assert_clean(&self, what: &str) {
        assert!(
            self.failed.is_empty() && self.not_acted.is_empty(),
            "{what}: {:#?} {:#?}",
            self.failed,
            self.not_acted
        );
        assert!(self.all_answered() > 0 && self.acted > 0, "{what}: nothing was asked");
    }

    /// Safe requests answered, by whatever hub.
    pub(crate) fn all_answered(&self) -> usize {
        self.answered.values().sum()
    }

    pub(crate) fn print(&self, what: &str) {
        let Self { answered, failed, acted, not_acted, took } = self;
        let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or_default();
        println!(
            "{what}: safe requests answered {answered:?}, failed {}; others answered {acted}, failed {}; \
             safe ones took {:.0?} (median), {:.0?} (99 of 100), {:.0?} (slowest)",
            failed.len(),
            not_acted.len(),
            at(50),
            at(99),
            took.last().copied().unwrap_or_default()
        );
    }
}

/// The requests that were sent in that stretch of time.
pub(crate) fn sent(asked: &[Asked], within: Range<Instant>) -> impl Iterator<Item = &Asked> {
    asked.iter().filter(move |asked| within.contains(&asked.at))
}

/// The requests that were under way at some time in that stretch, but not sent after it.
pub(crate) fn under_way(asked: &[Asked], within: Range<Instant>) -> impl Iterator<Item = &Asked> {
    asked.iter().filter(move |asked| asked.end() >= within.start && asked.at < within.end)
}

/// A state that the gateway was seen to give a hub.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// When it was first seen.
    pub(crate) at: Instant,
    /// The hub.
    pub(crate) hub: String,
    /// The state's name.
    pub(crate) state: String,
}

/// Looks at the states of all hubs until dropped.
pub(crate) struct Watch {
    seen: Arc<Mutex<Vec<Seen>>>,
    looking: JoinHandle<()>,
}

impl Watch {
    /// Begins; gives back when each hub has been seen.
    pub(crate) async fn start(gateway: &Gateway) -> Self {
        let first = states(gateway.admin()).await.expect("the states of the hubs");
        let seen = Arc::new(Mutex::new(first));
        let (all, admin) = (seen.clone(), gateway.admin());
        let looking = tokio::spawn(async move {
            let mut pace = interval(LOOK_EVERY);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                pace.tick().await;
                let Ok(now) = states(admin).await else { continue };
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                for new in now {
                    if all.iter().rfind(|old| old.hub == new.hub).is_none_or(|old| old.state != new.state) {
                        println!("{} is {}", new.hub, new.state);
                        all.push(new);
                    }
                }
            }
        });
        Self { seen, looking }
    }

    /// Every state each hub was seen in, in order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The names of the states that a hub was seen in, in order.
    pub(crate) fn states_of(&self, hub: &str) -> Vec<String> {
        self.seen().into_iter().filter(|seen| seen.hub == hub).map(|seen| seen.state).collect()
    }

    /// Waits until a hub is seen in one of these states after `since`; no longer than `within`, which only bounds a
    /// test that is failing.
    pub(crate) async fn until(&self, hub: &str, states: &[&str], since: Instant, within: Duration) -> Seen {
        let looking = async {
            loop {
                let fits = |seen: &Seen| {
                    seen.hub == hub && seen.at >= since && states.contains(&seen.state.as_str())
                };
                if let Some(seen) = self.seen().into_iter().find(fits) {
                    return seen;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let answer = timeout(within, looking).await;
        answer.unwrap_or_else(|_| panic!("{hub} is not {states:?} after {within:?}: {:?}", self.seen()))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

/// The state of each hub, as Prometheus would see it.
async fn states(admin: SocketAddr) -> anyhow::Result<Vec<Seen>> {
    let answer = mcphub_tests::exchange(admin, "GET", "/metrics", "").await?;
    let (at, text) = (Instant::now(), answer.text());
    let sample = |line: &str| {
        let labels = line.strip_prefix("mcphub_hub_state{hub=\"")?.strip_suffix("\"} 1")?;
        let (hub, state) = labels.split_once("\",state=\"")?;
        Some(Seen { at, hub: hub.to_owned(), state: state.to_owned() })
    };
    let seen: Vec<_> = text.lines().filter_map(sample).collect();
    anyhow::ensure!(!seen.is_empty(), "no state of a hub among the metrics: {text}");
    Ok(seen)
}
