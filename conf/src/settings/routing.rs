//! `[routing]`, `[[routing.residency]]` and `[geo]`: how a hub is chosen for a client.

use mcphub_routing::{Algorithm, LocationName};
use std::collections::BTreeSet;
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
    /// `[[routing.residency]]`, in the order of the file.
    pub residency: Vec<ResidencyRule>,
}

/// One `[[routing.residency]]`: these clients stay on hubs in these locations, whatever happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidencyRule {
    /// Whom it binds; not empty.
    pub clients: Vec<ClientPlace>,
    /// Where they may be served; not empty, each with at least one hub.
    pub hubs_in: BTreeSet<LocationName>,
    /// What becomes of a client whose place is not known.
    pub unplaced: Unplaced,
}

/// One entry of a residency rule's `clients`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientPlace {
    /// ISO 3166-1 alpha-2, upper case.
    Country([u8; 2]),
    /// `EU`: the member states of the European Union.
    EuropeanUnion,
    /// `continent:XX`: AF, AN, AS, EU, NA, OC or SA. Needs a database that knows continents.
    Continent([u8; 2]),
}

/// What a residency rule says about a client that cannot be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unplaced {
    /// It is refused: it might be one of those the rule binds.
    Refuse,
    /// The rule does not bind it.
    Allow,
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
