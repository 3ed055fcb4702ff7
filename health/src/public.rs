//! How is a hub's condition told to the world? In three words, whatever goes on inside.

use std::fmt;

use mcphub_routing::{HubState, Share};

/// A hub's condition, as dashboards and the admin interface show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PublicHealth {
    /// In full service.
    Healthy,
    /// Serves, but not everything that it could.
    Degraded,
    /// Serves nothing.
    Unhealthy,
}

impl PublicHealth {
    /// The condition that a state amounts to.
    pub fn of(state: HubState) -> Self {
        match state {
            HubState::Serving { weight: Share::FULL } => Self::Healthy,
            HubState::Serving { .. } | HubState::Recovering { .. } | HubState::Draining { .. } => {
                Self::Degraded
            }
            HubState::Drained { .. } | HubState::Ejected { .. } => Self::Unhealthy,
        }
    }

    /// The word used in logs, metrics and the admin interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl fmt::Display for PublicHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcphub_routing::{Cause, MonoTime};

    #[test]
    fn every_state_has_a_condition() {
        let check = |state: HubState, expected: PublicHealth| {
            assert_eq!(PublicHealth::of(state), expected, "{state}");
        };
        let (at, cause, share) = (MonoTime::ZERO, Cause::Operator, Share::saturating(999));
        check(HubState::SERVING, PublicHealth::Healthy);
        check(HubState::Serving { weight: share }, PublicHealth::Degraded);
        check(HubState::Recovering { since: at, share: Share::FULL }, PublicHealth::Degraded);
        check(HubState::Draining { deadline: at, cause }, PublicHealth::Degraded);
        check(HubState::Drained { cause }, PublicHealth::Unhealthy);
        check(HubState::Ejected { retry_at: at, strikes: 1 }, PublicHealth::Unhealthy);
    }
}
