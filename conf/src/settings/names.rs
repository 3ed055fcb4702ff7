//! The small words that several sections share.

use std::fmt;

/// Name of a hub.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HubId(String);

/// Name of a place in `[locations]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocationName(String);

macro_rules! text_name {
    ($name:ident) => {
        impl $name {
            /// Wraps a checked name: 1 to 64 of `a-z A-Z 0-9 . _ -`.
            #[must_use]
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_name!(HubId);
text_name!(LocationName);

/// Tier of a hub in the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HubType {
    /// Full hubs, preferred after a near edge.
    Primary,
    /// Stand-ins.
    Secondary,
    /// Small hubs near their clients, preferred within `edge_radius`.
    Edge,
}

/// Order within the preferred group of hubs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Strictly the nearest first.
    Geographic,
    /// In turn, by weight.
    RoundRobin,
    /// Fewest requests in flight, by weight.
    LeastConnections,
    /// The healthiest.
    HealthBased,
}

/// A point on the globe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coordinates {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
}

/// The protocol eras a hub serves; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EraSet {
    /// 2025-03-26 to 2025-11-25.
    pub legacy: bool,
    /// 2026-07-28.
    pub modern: bool,
}

/// A share of a whole in thousandths, 0 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// From thousandths; above 1000 is 1000.
    #[must_use]
    pub const fn from_per_mille(per_mille: u16) -> Self {
        Self(if per_mille > 1000 { 1000 } else { per_mille })
    }

    /// Thousandths, 0 to 1000.
    #[must_use]
    pub const fn per_mille(self) -> u16 {
        self.0
    }
}
