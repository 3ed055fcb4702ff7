//! `[routing]`, `[[routing.residency]]` and `[geo]`: how a hub is chosen for a client.

use mcphub_geo::ResidencyRule;
use mcphub_routing::Algorithm;
use std::path::PathBuf;

/// `[routing]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RoutingSettings {
    /// The order within the preferred group of hubs.
    pub algorithm: Algorithm,
    /// Whether modern requests of one client keep to one hub. Never switches legacy pins off.
    pub sticky_sessions: bool,
    /// Kilometres around a client within which edge hubs come first.
    pub edge_radius_km: f64,
    /// Whether `readOnlyHint` and `idempotentHint` of this fleet's tools allow a request to be sent again.
    pub trust_tool_annotations: bool,
    /// `[[routing.residency]]`, in the order of the file. Neither list of a rule is empty, each location has a
    /// hub, and where several rules bind a country they have a location in common.
    pub residency: Vec<ResidencyRule>,
}

/// `[geo]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeoSettings {
    /// Where addresses are looked up.
    pub database: GeoDatabase,
}

/// The file that maps an address to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GeoDatabase {
    /// The country file that ships with the gateway.
    BuiltIn,
    /// A file in MaxMind's format; readable when checked.
    File(PathBuf),
}
