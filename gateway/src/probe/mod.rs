//! Is this hub well? One question on the wire, and what the answer means.
//!
//! A [`Prober`] knows how one hub is asked: by a connection, by a GET, or by MCP requests that leave nothing behind.
//! Each probe opens a connection of its own, since it must notice a hub that takes no new ones, and ends within its
//! time-out whatever the hub does.
//!
//! **Owns** the requests, the reading of answers (bounded), the tables from answers to outcomes and eras, the
//! scrape of a hub's Prometheus metrics.
//!
//! **Does not know** when a hub is asked ([`mcphub_health::Schedule`]), what a failure leads to, or whether a slow
//! answer is too slow.

mod checks;

use crate::clock;
use crate::upstream::{Reach, TrustError, Upstream};
use checks::Check;
use mcphub_conf::settings::{HealthSettings, HubSettings, Probe};
use mcphub_health::{BootId, Exported, Outcome, ProbeOrder, ProbeReport};
use mcphub_routing::{EraSet, MonoTime};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How one hub is asked whether it is well. Made when a snapshot is laid out; shared by the probes on their way.
#[derive(Debug)]
pub struct Prober {
    reach: Arc<Reach>,
    means: Means,
}

#[derive(Debug)]
enum Means {
    Check(Check),
}

/// What came of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// For the schedule.
    pub report: ProbeReport,
    /// For operators: what failed, or what is odd about a hub that passes. One short line in our own words; nothing
    /// that the hub said is repeated.
    pub why: Option<String>,
}

/// What one look at a hub found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it came to; never [`Outcome::Slow`], which takes knowledge of the hub's habits.
    pub outcome: Outcome,
    /// The eras the hub serves, as far as it told.
    pub eras: Option<EraSet>,
    /// Which life of the hub answered, when it told.
    pub boot: Option<BootId>,
    /// As [`Probed::why`].
    pub why: Option<String>,
}

/// What a hub's metrics say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scraped {
    /// Its load.
    pub exported: Exported,
    /// Which life of the hub this is, where no probe tells: its `process_start_time_seconds`.
    pub boot: Option<BootId>,
}

/// Why a scrape came to nothing: one short line for operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScrapeError(String);

impl Prober {
    /// The prober of a hub, sharing with its `upstream` what its name resolves to. No I/O beyond the hub's file of
    /// certificate authorities.
    ///
    /// # Errors
    /// Its certificate authorities cannot be used.
    pub fn new(hub: &HubSettings, health: &HealthSettings, upstream: &Upstream) -> Result<Self, TrustError> {
        let means = match &health.probe {
            Probe::Tcp | Probe::Mcp | Probe::Http { .. } => Means::Check(Check::tcp(hub, health.timeout)?),
        };
        Ok(Self { reach: Arc::clone(upstream.reach()), means })
    }

    /// Sends one probe and says what it found; ends within `order.timeout`, whatever the hub does. Cancel-safe.
    pub async fn probe(&self, order: &ProbeOrder) -> Probed {
        let begun = clock::instant();
        let finding = match tokio::time::timeout(order.timeout, self.look()).await {
            Ok(finding) => finding,
            Err(_) => Finding::failed(Outcome::Timeout, format!("no answer within {:?}", order.timeout)),
        };
        let report = ProbeReport {
            id: order.id,
            outcome: finding.outcome,
            latency: clock::instant().saturating_duration_since(begun),
            eras: finding.eras,
            boot: finding.boot,
        };
        Probed { report, why: finding.why }
    }

    /// Whether this hub's metrics are configured to be read.
    #[must_use]
    pub fn has_metrics(&self) -> bool {
        false
    }

    /// Reads the hub's metrics; ends within `deadline`. The first scrape tells no CPU load: that takes two.
    ///
    /// # Errors
    /// They are not configured, or what came is not readable; why, for operators.
    pub async fn scrape(&self, _now: MonoTime, _deadline: Duration) -> Result<Scraped, ScrapeError> {
        Err(ScrapeError("no metrics are configured".to_owned()))
    }

    /// Looks at the hub by each of its addresses in turn, until one takes a connection.
    async fn look(&self) -> Finding {
        let addresses = match self.reach.addresses().await {
            Ok(addresses) => addresses,
            Err(error) => {
                return Finding::failed(Outcome::ConnectError, format!("its name: {}", error.kind()));
            }
        };
        let mut finding = Finding::failed(Outcome::ConnectError, "its name has no address".to_owned());
        for address in addresses {
            finding = self.look_at(address).await;
            if finding.outcome != Outcome::ConnectError {
                return finding;
            }
        }
        self.reach.forget();
        finding
    }

    async fn look_at(&self, address: SocketAddr) -> Finding {
        match &self.means {
            Means::Check(check) => check.look_at(address).await,
        }
    }
}

impl Finding {
    fn failed(outcome: Outcome, why: String) -> Self {
        Self { outcome, eras: None, boot: None, why: Some(why) }
    }
}
