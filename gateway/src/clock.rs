//! What time is it, and what are the dice showing?
//!
//! The only place of the product code that asks the machine. Every other module is handed `now`, a seed or a
//! nonce, so that its judgement can be replayed in a test.
//!
//! Owns: the anchor of the process's monotonic time, the spelling of a moment in logs, a pool of random bytes.
//! Does not know: who asks, or why.
#![allow(
    clippy::disallowed_methods,
    reason = "this is the one clock and the one source of randomness; everybody else is handed the result"
)]

use std::cell::RefCell;
use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mcphub_routing::MonoTime;
use ring::rand::{SecureRandom as _, SystemRandom};

/// The moment from which [`since_start`] counts: the first time anybody asked.
static ANCHOR: OnceLock<Instant> = OnceLock::new();

/// How far [`since_start`] is ahead of the true age of the process: one hour.
///
/// A window of evidence reaches back from now; with this head start `now - window` stays a moment that can be
/// written down, even in the first second.
pub const HEAD_START: Duration = Duration::from_secs(3600);

/// The monotonic clock as the runtime knows it, for deadlines of waits.
#[must_use]
pub fn instant() -> Instant {
    Instant::now()
}

/// Monotonic time since the process first asked, plus [`HEAD_START`]. Never goes back, and a change of the
/// wall clock does not touch it.
#[must_use]
pub fn since_start() -> Duration {
    let now = Instant::now();
    HEAD_START + now.saturating_duration_since(*ANCHOR.get_or_init(|| now))
}

/// [`since_start`] as the pure crates want it.
#[must_use]
pub fn now() -> MonoTime {
    MonoTime::ZERO.after(since_start())
}

/// The moment of [`since_start`] at which `then` lies; moments before the anchor fall on [`HEAD_START`].
#[must_use]
pub fn since_start_at(then: Instant) -> Duration {
    HEAD_START + then.saturating_duration_since(*ANCHOR.get_or_init(|| then))
}

/// The wall clock. For what leaves the process (logs, tokens); intervals use the monotonic one.
#[must_use]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// Whole seconds since 1970-01-01 UTC; 0 on a machine whose clock stands before that.
#[must_use]
pub fn unix_seconds() -> u64 {
    since_epoch(wall()).as_secs()
}

/// Milliseconds since 1970-01-01 UTC; 0 on a machine whose clock stands before that.
#[must_use]
pub fn unix_millis() -> u64 {
    let since = since_epoch(wall());
    since.as_secs().saturating_mul(1000).saturating_add(u64::from(since.subsec_millis()))
}

fn since_epoch(moment: SystemTime) -> Duration {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Prints a moment as RFC 3339 in UTC with milliseconds: `2026-11-23T06:13:23.042Z`, always 24 characters
/// until the year 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rfc3339(pub SystemTime);

impl Rfc3339 {
    /// The present moment.
    #[must_use]
    pub fn now() -> Self {
        Self(wall())
    }
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = since_epoch(self.0);
        let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (year, month, day) = civil_from_days(days);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            second / 3600,
            second / 60 % 60,
            second % 60,
            since.subsec_millis()
        )
    }
}

/// Year, month (1–12) and day (1–31) of the `days`-th day after 1970-01-01 in the Gregorian calendar.
///
/// Counts in eras of 400 years (146,097 days) that begin on 1 March, so that the leap day comes last.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // Days from 0000-03-01 to 1970-01-01.
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// Bytes drawn from the kernel at a time. One call costs about 385 ns whatever it fetches, a nonce takes 12
/// bytes: 1 KiB makes it one call for 85 nonces.
const POOL_BYTES: usize = 1024;

/// Random bytes that nobody has seen yet. One per thread, so that taking some never waits for a lock.
struct Pool {
    bytes: [u8; POOL_BYTES],
    /// Everything before this index has been given away and wiped.
    used: usize,
    system: SystemRandom,
}

impl Pool {
    fn new() -> Self {
        Self { bytes: [0; POOL_BYTES], used: POOL_BYTES, system: SystemRandom::new() }
    }

    fn take(&mut self, wanted: &mut [u8]) {
        if wanted.len() > POOL_BYTES {
            return fill_from_kernel(&self.system, wanted);
        }
        if POOL_BYTES - self.used < wanted.len() {
            fill_from_kernel(&self.system, &mut self.bytes);
            self.used = 0;
        }
        let taken = &mut self.bytes[self.used..self.used + wanted.len()];
        wanted.copy_from_slice(taken);
        // What was given away must not be found in memory later.
        taken.fill(0);
        self.used += wanted.len();
    }
}

fn fill_from_kernel(system: &SystemRandom, bytes: &mut [u8]) {
    // Going on with guessable nonces would be worse than stopping.
    system.fill(bytes).expect("getrandom(2) cannot fail once the kernel has booted");
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::new(Pool::new());
}

/// `N` unpredictable bytes from the kernel's generator, fit for keys and nonces.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill_random(&mut bytes);
    bytes
}

/// Fills `bytes` with unpredictable bytes from the kernel's generator, fit for keys and nonces.
pub fn fill_random(bytes: &mut [u8]) {
    POOL.with_borrow_mut(|pool| pool.take(bytes));
}

/// A nonce for AES-256-GCM: 96 random bits.
///
/// Not a counter behind a random prefix: the key outlives the process, and a counter that starts again after a
/// restart would meet its old values.
#[must_use]
pub fn nonce() -> [u8; 12] {
    random_bytes()
}

/// 64 random bits: turns, seeds, jitter.
#[must_use]
pub fn random_u64() -> u64 {
    u64::from_ne_bytes(random_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn check(seconds: u64, millis: u32, expected: &str) {
        let moment = UNIX_EPOCH + Duration::new(seconds, millis * 1_000_000);
        assert_eq!(Rfc3339(moment).to_string(), expected);
    }

    #[test]
    fn moments_are_spelt_as_rfc_3339() {
        check(0, 0, "1970-01-01T00:00:00.000Z");
        check(951_782_399, 999, "2000-02-28T23:59:59.999Z");
        check(951_782_400, 0, "2000-02-29T00:00:00.000Z");
        check(1_709_251_199, 1, "2024-02-29T23:59:59.001Z");
        check(1_709_251_200, 0, "2024-03-01T00:00:00.000Z");
        check(1_795_414_403, 42, "2026-11-23T06:13:23.042Z");
        check(4_102_444_800, 0, "2100-01-01T00:00:00.000Z");
        check(4_107_542_400, 0, "2100-03-01T00:00:00.000Z");
        check(253_402_300_799, 999, "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_clock_before_1970_is_written_as_1970() {
        let moment = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Rfc3339(moment).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut yesterday = (1969, 12, 31);
        for days in 0..150_000 {
            let today = civil_from_days(days);
            let next_day = (yesterday.0, yesterday.1, yesterday.2 + 1);
            let next_month = (yesterday.0, yesterday.1 + 1, 1);
            let next_year = (yesterday.0 + 1, 1, 1);
            let follows = today == next_day
                || (today == next_month && yesterday.2 >= 28)
                || (today == next_year && yesterday.1 == 12 && yesterday.2 == 31);
            assert!(follows, "{yesterday:?} then {today:?}");
            yesterday = today;
        }
    }

    #[test]
    fn monotonic_time_has_its_head_start_and_never_goes_back() {
        let (first, second) = (since_start(), since_start());
        assert!(first >= HEAD_START && second >= first);
        assert!(since_start_at(instant()) >= second);
        assert!(now() >= MonoTime::ZERO.after(second) && now().before(HEAD_START) < now());
    }

    #[test]
    fn no_nonce_comes_twice_even_across_refills_and_threads() {
        let draw = || (0..10_000).map(|_| nonce()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(draw)).collect();
        let drawn: Vec<_> =
            threads.into_iter().flat_map(|t| t.join().expect("drawing never panics")).collect();
        assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), drawn.len());
        assert!(drawn.iter().all(|nonce| nonce != &[0; 12]));
    }

    #[test]
    fn what_was_given_away_is_wiped_from_the_pool() {
        let mut pool = Pool::new();
        let mut wanted = [0; 100];
        pool.take(&mut wanted);
        assert!(wanted.iter().any(|byte| *byte != 0));
        assert!(pool.bytes[..100].iter().all(|byte| *byte == 0));
        assert!(pool.bytes[100..].iter().any(|byte| *byte != 0));
    }

    #[test]
    fn more_than_the_pool_holds_is_filled_to_the_end() {
        let mut wanted = vec![0; 3 * POOL_BYTES];
        fill_random(&mut wanted);
        let last = &wanted[wanted.len() - 64..];
        assert!(last.iter().any(|byte| *byte != 0));
    }
}
