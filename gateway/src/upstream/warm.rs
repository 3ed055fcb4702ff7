//! Which connections are opened before anybody needs them?
//!
//! When a hub is expected to fail, another will take over what it serves, and the first requests there should not wait
//! for handshakes. A few idle connections are enough: the pool fills itself from then on.

use super::Upstream;
use crate::clock;
use mcphub_conf::settings::UpstreamSettings;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Idle connections that are kept ready, if the pool may hold so many.
const READY: usize = 4;
/// Between two rounds: a hub that closes idle connections at once is not asked over and over.
const ROUND: Duration = Duration::from_secs(10);

/// When connections were last opened ahead of need.
#[derive(Debug, Default)]
pub(super) struct Warmth(Mutex<Option<Instant>>);

impl Warmth {
    /// Is it time for another round? It counts as begun.
    fn begin(&self, now: Instant) -> bool {
        // A panic elsewhere cannot leave a time half changed.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now.saturating_duration_since(last) >= ROUND);
        if due {
            *last = Some(now);
        }
        due
    }
}

impl Upstream {
    /// What opens the connections that are missing, one after the other; `None` where none is, or some were opened a
    /// moment ago. It ends at the first that the hub does not take, and may be dropped at any time.
    pub fn warm(
        self: &Arc<Self>,
        settings: &UpstreamSettings,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let missing = READY.min(settings.pool_per_hub).saturating_sub(self.pool.len());
        if missing == 0 || !self.warmth.begin(clock::instant()) {
            return None;
        }
        let (upstream, deadline, most) = (Arc::clone(self), settings.connect_deadline, settings.pool_per_hub);
        Some(async move {
            for _ in 0..missing {
                let Ok(link) = upstream.connect(deadline).await else { return };
                upstream.pool.put(link, clock::instant(), most);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_not_begun_twice() {
        let (warmth, now) = (Warmth::default(), clock::instant());
        let begun = [0, 1, 9, 10, 11, 20].map(|seconds| warmth.begin(now + Duration::from_secs(seconds)));
        assert_eq!(begun, [true, false, false, true, false, true]);
    }
}
