//! The numbers of the edge cache.

use mcphub_mcp::cache::Changed;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use std::time::Duration;

/// Upper bounds of the buckets, seconds. Hubs declare from seconds to hours.
const AGES: [f64; 9] = [0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0];

/// How a request for something cacheable was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cached {
    /// From the cache.
    Hit,
    /// By what another request brought that had gone ahead.
    Collapsed,
    /// From the cache, though its time has passed: no hub could be asked.
    Stale,
    /// By a hub.
    Miss,
    /// By a hub, since this request must be.
    Bypass,
}

impl Cached {
    const ALL: [Self; 5] = [Self::Hit, Self::Collapsed, Self::Stale, Self::Miss, Self::Bypass];

    /// The label's value, also the word in the access log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Collapsed => "collapsed",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// What is counted of the cache.
#[derive(Debug, Clone)]
pub struct CacheMetrics {
    requests: [IntCounter; Cached::ALL.len()],
    age: Histogram,
    kept: [IntCounter; 2],
    taken_back: [IntCounter; 5],
    /// Answers that had to go for others.
    pub(crate) evicted: IntCounter,
    bytes: IntGauge,
    entries: IntGauge,
}

impl CacheMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counters = |name: &str, help: &str, label: &str| {
            let made = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(made.clone()))?;
            prometheus::Result::Ok(made)
        };
        let gauge = |name: &str, help: &str| {
            let made = IntGauge::new(name, help)?;
            registry.register(Box::new(made.clone()))?;
            prometheus::Result::Ok(made)
        };
        let requests = counters(
            "mcphub_cache_requests_total",
            "Requests for what the protocol lets be cached, by how they were answered.",
            "result",
        )?;
        let age = Histogram::with_opts(
            HistogramOpts::new("mcphub_cache_age_seconds", "Age of answers given from the cache.")
                .buckets(AGES.to_vec()),
        )?;
        registry.register(Box::new(age.clone()))?;
        let kept = counters("mcphub_cache_stored_total", "Answers kept, by cacheScope.", "scope")?;
        let taken_back = counters(
            "mcphub_cache_invalidations_total",
            "Times that hubs took back what they had said, by what it was about.",
            "about",
        )?;
        let evicted = IntCounter::new("mcphub_cache_evictions_total", "Answers dropped for want of room.")?;
        registry.register(Box::new(evicted.clone()))?;
        Ok(Self {
            requests: Cached::ALL.map(|cached| requests.with_label_values(&[cached.as_str()])),
            age,
            kept: ["public", "private"].map(|scope| kept.with_label_values(&[scope])),
            taken_back: ["tools", "prompts", "resources", "resource", "caller"]
                .map(|about| taken_back.with_label_values(&[about])),
            evicted,
            bytes: gauge("mcphub_cache_bytes", "Bytes that the answers in the cache take.")?,
            entries: gauge("mcphub_cache_entries", "Answers in the cache.")?,
        })
    }

    /// Counts how a request was answered.
    pub fn answered(&self, cached: Cached) {
        self.requests[cached as usize].inc();
    }

    /// Notes the age of an answer that was given.
    pub fn given(&self, age: Duration) {
        self.age.observe(age.as_secs_f64());
    }

    pub(crate) fn kept(&self, private: bool) {
        self.kept[usize::from(private)].inc();
    }

    pub(crate) fn took_back(&self, changed: &Changed<'_>) {
        let at = match changed {
            Changed::Tools => 0,
            Changed::Prompts => 1,
            Changed::Resources => 2,
            Changed::Resource(_) => 3,
        };
        self.taken_back[at].inc();
    }

    pub(crate) fn refused_caller(&self) {
        self.taken_back[4].inc();
    }

    /// Shows what is kept now.
    pub fn show(&self, (bytes, entries): (u64, usize)) {
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
    }
}
