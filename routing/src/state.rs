//! What may traffic do with a hub?

use std::fmt;

use crate::{MonoTime, Share};

/// Why a hub is kept from traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// A person asked.
    Operator,
    /// A failure is forecast.
    Forecast,
    /// Probes say that it is not well.
    Probes,
    /// Real requests went wrong.
    Requests,
    /// It has more work than it can do.
    Overload,
}

impl Cause {
    /// The word used in logs, metrics and the admin interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Forecast => "forecast",
            Self::Probes => "probes",
            Self::Requests => "requests",
            Self::Overload => "overload",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What traffic may do with a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HubState {
    /// Takes new placements, `weight` of those that would otherwise be its own; the rest spills to the next hub.
    Serving {
        /// 1000 ‰ is a hub in full service. 0 ‰ takes nothing while anyone else can.
        weight: Share,
    },
    /// Keeps its pinned sessions until `deadline`; takes no new ones.
    Draining {
        /// When what is left is moved.
        deadline: MonoTime,
        /// Why.
        cause: Cause,
    },
    /// Takes nothing, until a person or the control loop lets it.
    Drained {
        /// Why.
        cause: Cause,
    },
    /// Takes nothing before `retry_at`, then one probe.
    Ejected {
        /// When the next probe may go out.
        retry_at: MonoTime,
        /// How many times in a row it was ejected; 1 or more.
        strikes: u32,
    },
    /// Back from an ejection: takes `share` of its placements, raised step by step (slow start) by the control loop,
    /// since a table has no clock.
    Recovering {
        /// When it came back.
        since: MonoTime,
        /// What it takes now.
        share: Share,
    },
}

impl HubState {
    /// In full service.
    pub const SERVING: Self = Self::Serving { weight: Share::FULL };

    /// What part of its new placements the hub takes; `None` when it may take none.
    pub fn takes(self) -> Option<Share> {
        match self {
            Self::Serving { weight: share } | Self::Recovering { share, .. } => Some(share),
            Self::Draining { .. } | Self::Drained { .. } | Self::Ejected { .. } => None,
        }
    }

    /// May what is pinned here stay here?
    pub fn keeps_pins(self) -> bool {
        match self {
            Self::Serving { .. } | Self::Recovering { .. } | Self::Draining { .. } => true,
            Self::Drained { .. } | Self::Ejected { .. } => false,
        }
    }

    /// The word used in logs, metrics and the admin interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serving { .. } => "serving",
            Self::Draining { .. } => "draining",
            Self::Drained { .. } => "drained",
            Self::Ejected { .. } => "ejected",
            Self::Recovering { .. } => "recovering",
        }
    }
}

impl fmt::Display for HubState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
