//! When? A time that only the one clock of the gateway makes, and that a test may write down.

use std::fmt;
use std::time::Duration;

/// Time since the gateway's own beginning, never the wall clock. Nanosecond steps, good for 584 years; arithmetic
/// stays at the ends instead of wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MonoTime(u64);

impl MonoTime {
    /// The beginning.
    pub const ZERO: Self = Self(0);

    /// So many milliseconds after the beginning.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// So many nanoseconds after the beginning.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Whole milliseconds since the beginning.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Nanoseconds since the beginning.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier`; zero if it is not after.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This long later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// This long earlier, not before the beginning.
    #[must_use]
    pub fn before(self, ago: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(ago.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for MonoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.as_millis() / 1000, self.as_millis() % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stays_at_the_ends() {
        let t = MonoTime::from_millis(1_500);
        assert_eq!(t.after(Duration::from_millis(250)).as_millis(), 1_750);
        assert_eq!(t.before(Duration::from_secs(5)), MonoTime::ZERO);
        assert_eq!(t.since(MonoTime::from_millis(500)), Duration::from_secs(1));
        assert_eq!(MonoTime::ZERO.since(t), Duration::ZERO);
        assert_eq!(t.after(Duration::MAX), MonoTime::from_nanos(u64::MAX));
        assert_eq!(MonoTime::from_millis(u64::MAX), MonoTime::from_nanos(u64::MAX));
        assert_eq!(t.to_string(), "1.500s");
    }
}
