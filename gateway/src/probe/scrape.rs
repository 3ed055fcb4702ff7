//! What does a hub say of its own load?

use super::exposition::sums;
use super::{hung_up, letters, no_connection};
use crate::upstream::hear;
use crate::upstream::{Link, Reach, TrustError};
use mcphub_conf::settings::{HubMetrics, HubSettings, HubUrl, MetricsSettings};
use mcphub_health::{BootId, Exported};
use mcphub_routing::{MonoTime, Share};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Most bytes of metrics read. A process with its usual metrics has 10 to 100 kB.
const METRICS_MAX: usize = 1024 * 1024;
/// Two looks at a CPU counter closer than this tell nothing: kernels count in steps of 10 ms.
const CPU_SPAN_MIN: Duration = Duration::from_millis(500);
/// Limits of memory at and above this mean that there is none: 2⁶², short of what `RLIM_INFINITY` is written as.
const UNLIMITED: f64 = 4.6e18;

/// What a hub's metrics say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scraped {
    /// Its load.
    pub exported: Exported,
    /// Which life of the hub this is, where no probe tells: the answer's `mcphub-boot` header, else its
    /// `process_start_time_seconds`.
    pub boot: Option<BootId>,
}

/// Why a scrape came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScrapeError {
    /// This hub has no metrics.
    #[error("no metrics are configured")]
    NotConfigured,
    /// They did not come in time.
    #[error("no metrics within {0:?}")]
    Late(Duration),
    /// They could not be asked for.
    #[error("{0}")]
    Unreachable(String),
    /// The answer has another status than 200.
    #[error("answered {0}")]
    Status(u16),
    /// The answer is longer than the limit, or no text.
    #[error("the metrics are too long, or no text")]
    NoText,
    /// A metric that is asked for cannot be read.
    #[error("the metric {0} cannot be read")]
    Unreadable(String),
}

#[derive(Debug)]
pub(super) struct Scraper {
    reach: Arc<Reach>,
    letter: Vec<u8>,
    names: MetricsSettings,
    millicpus: u32,
    memory_limit: Option<u64>,
    /// When the CPU counter was last read, and what it said.
    cpu: Mutex<Option<(MonoTime, f64)>>,
}

impl Scraper {
    /// The scraper of a hub whose endpoint is reached by `hub_reach`.
    pub(super) fn new(
        metrics: &HubMetrics,
        names: &MetricsSettings,
        hub: &HubSettings,
        hub_reach: &Arc<Reach>,
    ) -> Result<Self, TrustError> {
        let authority = |url: &HubUrl| (url.scheme, url.host.clone(), url.port);
        let reach = if authority(&metrics.url) == authority(&hub.url) {
            Arc::clone(hub_reach)
        } else {
            Arc::new(Reach::new(&metrics.url, hub.ca_file.as_deref())?)
        };
        Ok(Self {
            reach,
            letter: letters::get_metrics(&metrics.url),
            names: names.clone(),
            millicpus: metrics.millicpus,
            memory_limit: metrics.memory_limit,
            cpu: Mutex::default(),
        })
    }

    pub(super) async fn scrape(&self, now: MonoTime, deadline: Duration) -> Result<Scraped, ScrapeError> {
        let unreachable = |finding: super::Finding| ScrapeError::Unreachable(finding.why.unwrap_or_default());
        let wire = self.reach.connect(deadline).await.map_err(|error| unreachable(no_connection(&error)))?;
        let asked = hear::ask(Link::fresh(wire), &self.letter, METRICS_MAX, deadline).await;
        let (heard, link) = asked.map_err(|hangup| unreachable(hung_up(&hangup)))?;
        if let Some(mut link) = link {
            let _ = tokio::time::timeout(super::mcp::PARTING, link.wire.shut()).await;
        }
        if heard.status != 200 {
            return Err(ScrapeError::Status(heard.status));
        }
        let text = heard.body.as_deref().and_then(|body| std::str::from_utf8(body).ok());
        let (exported, started) = self.read(text.ok_or(ScrapeError::NoText)?, now)?;
        Ok(Scraped { exported, boot: heard.boot.or(started) })
    }

    fn read(&self, text: &str, now: MonoTime) -> Result<(Exported, Option<BootId>), ScrapeError> {
        let MetricsSettings { cpu, memory, memory_limit, queue, .. } = &self.names;
        let names = [cpu.as_str(), memory, memory_limit, queue, "process_start_time_seconds"];
        let [cpu, memory, memory_limit, queue, started] =
            sums(text, names).map_err(|name| ScrapeError::Unreadable(name.to_owned()))?;
        let limit = match self.memory_limit {
            #[allow(clippy::cast_precision_loss, reason = "a share in per mille")]
            Some(limit) => Some(limit as f64),
            None => memory_limit.filter(|&limit| limit > 0.0 && limit < UNLIMITED),
        };
        let exported = Exported {
            at: now,
            cpu: cpu.and_then(|seconds| self.cpu(seconds, now)),
            memory: memory.zip(limit).and_then(|(used, limit)| share(used / limit)),
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates, and NaN is none"
            )]
            queue: queue.filter(|queue| *queue >= 0.0).map(|queue| queue as u32),
        };
        // Some libraries write fractions, with more digits than they know.
        let boot = started.filter(|at| at.is_finite()).map(|at| BootId::of(&format!("started {at:.2}")));
        Ok((exported, boot))
    }

    /// How busy its processors were since the last look. A counter that went back belongs to another life.
    fn cpu(&self, seconds: f64, now: MonoTime) -> Option<Share> {
        let mut last = self.cpu.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((then, before)) = *last else {
            *last = Some((now, seconds));
            return None;
        };
        let span = now.since(then);
        if span < CPU_SPAN_MIN {
            return None;
        }
        *last = Some((now, seconds));
        if seconds < before {
            return None;
        }
        share((seconds - before) / span.as_secs_f64() * 1000.0 / f64::from(self.millicpus.max(1)))
    }
}

/// More than the whole counts as the whole.
fn share(part: f64) -> Option<Share> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    (part >= 0.0).then(|| Share::saturating((part * 1000.0).round() as u16))
}
