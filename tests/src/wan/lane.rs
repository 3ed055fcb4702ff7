//! What happens to a packet on its way?
//!
//! One lane carries one direction of a link. Packets never overtake each other: routers queue, they do not shuffle, and
//! a shuffled connection would tell us about TCP instead of about the gateway. So jitter is not drawn for each packet;
//! the delay wanders, as the queues of a real path grow and shrink.

#![allow(clippy::disallowed_methods, reason = "a link lives in real time")]

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tun_rs::AsyncDevice;

/// How long the delay takes from one chance value to the next. Long against the largest jitter in use (20 ms), so that
/// the delay never shrinks faster than time passes.
const WANDER: Duration = Duration::from_millis(100);

/// Most packets under way in one direction, about 6 MB of full ones; what comes on top is lost, as in any router.
const UNDER_WAY_MAX: usize = 4096;

/// Larger than any packet of a device with an MTU of 1500.
const PACKET_MAX: usize = 2048;

/// How a direction of a link behaves. A link is clear at first.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Conditions {
    /// Mean time a packet is under way.
    pub delay: Duration,
    /// How far the delay strays from its mean, to both sides; at most `delay`, and at most 50 ms.
    pub jitter: Duration,
    /// Share of packets lost, 0 to 1, each by itself.
    pub loss: f64,
}

impl Conditions {
    /// A delay of `mean` ± `jitter` milliseconds each way, so the round trip is twice that; nothing is lost.
    pub fn delay(mean: u64, jitter: u64) -> Self {
        Self { delay: Duration::from_millis(mean), jitter: Duration::from_millis(jitter), loss: 0.0 }
    }

    /// With this share of packets lost, 0 to 1.
    #[must_use]
    pub fn loss(self, share: f64) -> Self {
        Self { loss: share, ..self }
    }
}

/// What has become of the packets of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Packets that arrived.
    pub carried: u64,
    /// Packets that were lost by chance, or because too many were under way.
    pub lost: u64,
    /// Packets that vanished because the link was cut.
    pub cut: u64,
}

/// One direction of a link.
#[derive(Debug, Default)]
pub(super) struct Lane {
    weather: Mutex<Weather>,
    carried: AtomicU64,
    lost: AtomicU64,
    cut: AtomicU64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Weather {
    conditions: Conditions,
    cut: bool,
}

impl Lane {
    fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, conditions: Conditions) {
        self.weather().conditions = conditions;
    }

    pub(super) fn set_cut(&self, cut: bool) {
        self.weather().cut = cut;
    }

    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            carried: self.carried.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            cut: self.cut.load(Ordering::Relaxed),
        }
    }

    /// Carries packets from one device to the other until one of them is gone. The seed decides the losses.
    pub(super) async fn carry(&self, from: &AsyncDevice, to: &AsyncDevice, seed: u64) -> io::Result<()> {
        let mut chance = Chance::new(seed, Instant::now());
        let mut under_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
        let mut buffer = [0_u8; PACKET_MAX];
        loop {
            let next = under_way.front().map_or_else(Instant::now, |(due, _)| *due);
            tokio::select! {
                size = from.recv(&mut buffer) => {
                    let packet = &buffer[..size?];
                    let last = under_way.back().map(|(due, _)| *due);
                    if let Some(due) = self.admit(packet, &mut chance, under_way.len()) {
                        under_way.push_back((due.max(last.unwrap_or(due)), packet.to_vec()));
                    }
                }
                () = sleep_until(next), if !under_way.is_empty() => {
                    if let Some((_, packet)) = under_way.pop_front() {
                        self.deliver(to, &packet).await?;
                    }
                }
            }
        }
    }

    /// When a packet is due at the other end; none when it never gets there.
    fn admit(&self, packet: &[u8], chance: &mut Chance, under_way: usize) -> Option<Instant> {
        // Version 4 only: what the kernel says of itself in version 6 would blur the counts.
        if packet.first()? >> 4 != 4 {
            return None;
        }
        let Weather { conditions, cut } = *self.weather();
        let now = Instant::now();
        if cut {
            self.cut.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if chance.strikes(conditions.loss) || under_way >= UNDER_WAY_MAX {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(now + chance.delay(conditions, now))
    }

    /// A link that is cut while a packet is under way swallows it.
    async fn deliver(&self, to: &AsyncDevice, packet: &[u8]) -> io::Result<()> {
        if self.weather().cut {
            self.cut.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        to.send(packet).await?;
        self.carried.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Losses, and a delay that wanders from one chance value to the next.
#[derive(Debug)]
struct Chance {
    dice: fastrand::Rng,
    since: Instant,
    /// Where the delay was at `since`, from -1 (mean minus jitter) to 1 (mean plus jitter).
    from: f64,
    /// Where it will be, [`WANDER`] after `since`.
    to: f64,
}

impl Chance {
    fn new(seed: u64, now: Instant) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let (from, to) = (leaning(&mut dice), leaning(&mut dice));
        Self { dice, since: now, from, to }
    }

    fn strikes(&mut self, share: f64) -> bool {
        self.dice.f64() < share
    }

    fn delay(&mut self, conditions: Conditions, now: Instant) -> Duration {
        let mut passed = now - self.since;
        if passed >= WANDER {
            // After a silence the delay may be anywhere; otherwise it goes on from where it was.
            self.from = if passed >= 2 * WANDER { leaning(&mut self.dice) } else { self.to };
            self.to = leaning(&mut self.dice);
            self.since = if passed >= 2 * WANDER { now } else { self.since + WANDER };
            passed = now - self.since;
        }
        let way = passed.as_secs_f64() / WANDER.as_secs_f64();
        let lean = self.from + (self.to - self.from) * way;
        let seconds = conditions.delay.as_secs_f64() + lean * conditions.jitter.as_secs_f64();
        Duration::from_secs_f64(seconds.max(0.0))
    }
}

/// From -1 to 1, each value as likely as any other.
fn leaning(dice: &mut fastrand::Rng) -> f64 {
    dice.f64() * 2.0 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_stays_in_its_band_and_never_lets_a_packet_overtake() {
        let (conditions, start) = (Conditions::delay(40, 20), Instant::now());
        let mut chance = Chance::new(7, start);
        let mut sum = Duration::ZERO;
        let mut arrived = start;
        for n in 0..20_000_u32 {
            // A packet every 3 ms, with a silence of a second now and then.
            let now = start + Duration::from_millis(3) * n + Duration::from_secs(1) * (n / 500);
            let delay = chance.delay(conditions, now);
            assert!((20..=60).contains(&delay.as_millis()), "{delay:?}");
            assert!(now + delay >= arrived, "packet {n} overtakes");
            arrived = now + delay;
            sum += delay;
        }
        let mean = sum / 20_000;
        assert!((38..=42).contains(&mean.as_millis()), "{mean:?}");
    }

    #[test]
    fn losses_come_at_their_rate() {
        let mut chance = Chance::new(7, Instant::now());
        let lost = (0..100_000).filter(|_| chance.strikes(0.05)).count();
        // Five standard deviations of a binomial distribution are 345.
        assert!((4_655..=5_345).contains(&lost), "{lost}");
    }
}
