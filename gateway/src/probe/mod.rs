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
mod exposition;
mod judge;
mod letters;
mod mcp;
mod scrape;

pub use checks::{HubHealthCheck, Observer};
pub use scrape::{ScrapeError, Scraped};

use crate::clock;
use crate::upstream::{Hangup, Reach, TrustError, Upstream};
use checks::Check;
use mcp::McpProbe;
use mcphub_conf::settings::{HealthSettings, HubSettings, Probe};
use mcphub_health::{BootId, Outcome, ProbeOrder, ProbeReport};
use mcphub_routing::{EraSet, MonoTime};
use scrape::Scraper;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// How one hub is asked whether it is well. Made when a snapshot is laid out; shared by the probes on their way.
#[derive(Debug)]
pub struct Prober {
    reach: Arc<Reach>,
    means: Means,
    scraper: Option<Scraper>,
    telltale: Telltale,
}

#[derive(Debug)]
enum Means {
    /// One of Pingora's own.
    Check(Check),
    /// Ours.
    Mcp(Box<McpProbe>),
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

impl Prober {
    /// The prober of a hub, sharing with its `upstream` what its name resolves to. No I/O beyond the hub's file of
    /// certificate authorities.
    ///
    /// # Errors
    /// Its certificate authorities cannot be used.
    pub fn new(hub: &HubSettings, health: &HealthSettings, upstream: &Upstream) -> Result<Self, TrustError> {
        let patience = health.timeout;
        let means = match &health.probe {
            Probe::Tcp => Means::Check(Check::tcp(hub, patience)?),
            Probe::Http { path, status } => Means::Check(Check::http(hub, path, *status, patience)?),
            Probe::Mcp => Means::Mcp(Box::new(McpProbe::new(hub, health))),
        };
        let reach = Arc::clone(upstream.reach());
        let scraper = match &hub.metrics {
            Some(metrics) => Some(Scraper::new(metrics, &health.metrics, hub, &reach)?),
            None => None,
        };
        Ok(Self { reach, means, scraper, telltale: Telltale::of(&health.probe) })
    }

    /// Sends one probe and says what it found; ends within `order.timeout`, whatever the hub does. Cancel-safe.
    pub async fn probe(&self, order: &ProbeOrder) -> Probed {
        let (finding, latency) = self.look(None, order.timeout).await;
        let Finding { outcome, eras, boot, why } = finding;
        Probed { report: ProbeReport { id: order.id, outcome, latency, eras, boot }, why }
    }

    /// Whether this hub's metrics are configured to be read.
    #[must_use]
    pub fn has_metrics(&self) -> bool {
        self.scraper.is_some()
    }

    /// Reads the hub's metrics; ends within `deadline`. The first scrape tells no CPU load: that takes two. Cancel-safe.
    ///
    /// # Errors
    /// They are not configured, or what came is not readable; why, for operators.
    pub async fn scrape(&self, now: MonoTime, deadline: Duration) -> Result<Scraped, ScrapeError> {
        let Some(scraper) = &self.scraper else { return Err(ScrapeError::NotConfigured) };
        let scrape = tokio::time::timeout(deadline, scraper.scrape(now, deadline)).await;
        let mut scraped = scrape.unwrap_or(Err(ScrapeError::Late(deadline)))?;
        scraped.boot = self.telltale.scraped(scraped.boot);
        Ok(scraped)
    }

    /// Looks at the hub, at this address or at each of its own in turn until one takes a connection.
    async fn look(&self, address: Option<SocketAddr>, timeout: Duration) -> (Finding, Duration) {
        let begun = clock::instant();
        let look = async {
            match address {
                Some(address) => self.look_at(address, timeout).await.unwrap_or_else(|unreached| unreached),
                None => self.look_around(timeout).await,
            }
        };
        let finding = match tokio::time::timeout(timeout, look).await {
            Ok(finding) => finding,
            Err(_) => Finding::failed(Outcome::Timeout, format!("no answer within {timeout:?}")),
        };
        if finding.outcome == Outcome::Ok && matches!(self.means, Means::Mcp(_)) {
            self.telltale.probed(finding.boot);
        }
        (finding, clock::instant().saturating_duration_since(begun))
    }

    async fn look_around(&self, timeout: Duration) -> Finding {
        let addresses = match self.reach.addresses().await {
            Ok(addresses) => addresses,
            Err(error) => {
                return Finding::failed(Outcome::ConnectError, format!("its name: {}", error.kind()));
            }
        };
        // One that swallows connections leaves time for the others.
        let connecting = timeout / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
        let mut finding = Finding::failed(Outcome::ConnectError, "its name has no address".to_owned());
        for address in addresses {
            match self.look_at(address, connecting).await {
                Ok(reached) => return reached,
                Err(unreached) => finding = unreached,
            }
        }
        self.reach.forget();
        finding
    }

    /// `Err` where this address takes no connection.
    async fn look_at(&self, address: SocketAddr, connecting: Duration) -> Result<Finding, Finding> {
        match &self.means {
            Means::Check(check) => check.look_at(address).await,
            Means::Mcp(probe) => probe.look_at(&self.reach, address, connecting).await,
        }
    }
}

/// Who tells which life of a hub this is. Answers to probes do, by their `mcphub-boot` header; where they do not, the
/// metrics do. Never both: two names for one life would look like a restart. What a hub calls itself (`serverInfo`) is
/// no such name, since it outlives a restart.
#[derive(Debug)]
struct Telltale(AtomicU8);

const NOT_PROBED: u8 = 0;
const PROBES_TELL: u8 = 1;
const PROBES_DO_NOT_TELL: u8 = 2;

impl Telltale {
    /// Pingora's checks keep the answer to themselves.
    fn of(probe: &Probe) -> Self {
        Self(AtomicU8::new(if *probe == Probe::Mcp { NOT_PROBED } else { PROBES_DO_NOT_TELL }))
    }

    /// What of the metrics' word to pass on.
    fn scraped(&self, boot: Option<BootId>) -> Option<BootId> {
        boot.filter(|_| self.0.load(Ordering::Relaxed) == PROBES_DO_NOT_TELL)
    }

    fn probed(&self, boot: Option<BootId>) {
        if boot.is_some() {
            self.0.store(PROBES_TELL, Ordering::Relaxed);
        } else {
            let (from, to) = (NOT_PROBED, PROBES_DO_NOT_TELL);
            let _ = self.0.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

impl Finding {
    fn failed(outcome: Outcome, why: String) -> Self {
        Self { outcome, eras: None, boot: None, why: Some(why) }
    }
}

/// What it says of a hub that a connection could not be made.
fn no_connection(error: &io::Error) -> Finding {
    // Where TLS is spoken, Pingora connects, and says more.
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Box<pingora::Error>>()) {
        return checks::found_by(error);
    }
    match error.kind() {
        io::ErrorKind::TimedOut => {
            Finding::failed(Outcome::Timeout, "takes no connection in time".to_owned())
        }
        io::ErrorKind::ConnectionRefused => {
            Finding::failed(Outcome::ConnectError, "refuses connections".to_owned())
        }
        kind => Finding::failed(Outcome::ConnectError, format!("takes no connection: {kind}")),
    }
}

/// What it says of a hub that an answer did not come, or came broken.
fn hung_up(hangup: &Hangup) -> Finding {
    match hangup {
        Hangup::Malformed(refusal) => Finding::failed(Outcome::Reset, format!("no HTTP: {refusal}")),
        Hangup::Lost(error) if error.kind() == io::ErrorKind::TimedOut => {
            Finding::failed(Outcome::Timeout, "did not take our request in time".to_owned())
        }
        Hangup::Lost(error) => Finding::failed(Outcome::Reset, format!("broke off: {}", error.kind())),
    }
}

#[cfg(test)]
mod tests;
