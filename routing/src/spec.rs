//! What must be known before a table can be laid out, and what makes that impossible?

use std::collections::BTreeSet;
use std::fmt;

use crate::{EraSet, HubId, HubState, HubType, LocationName, PlaceName, ResidencyId, Share, Weight};

/// Most hubs in one table: an index takes 16 bits.
pub const HUBS_MAX: usize = u16::MAX as usize;
/// Most places in one table: an index takes 16 bits.
pub const PLACES_MAX: usize = u16::MAX as usize;
/// Most residencies in one table: each hub carries one bit for each, and bit 0 stands for "anywhere".
pub const RESIDENCIES_MAX: usize = 63;

/// How a hub is chosen within the preferred group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Algorithm {
    /// The cheapest hub first, in strict order.
    #[default]
    Geographic,
    /// In turn, in proportion to weight.
    RoundRobin,
    /// The least requests in flight for its weight.
    LeastConnections,
    /// In turn, in proportion to weight times the square of the health score.
    HealthBased,
}

impl Algorithm {
    /// The word used in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Geographic => "geographic",
            Self::RoundRobin => "round-robin",
            Self::LeastConnections => "least-connections",
            Self::HealthBased => "health-based",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One hub, as the table shall begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSpec {
    /// Its lasting name, unlike any other in the table.
    pub id: HubId,
    /// The part it plays.
    pub hub_type: HubType,
    /// Where it stands; residency rules speak of this.
    pub location: LocationName,
    /// How much it takes beside its peers.
    pub weight: Weight,
    /// The eras it serves; [`EraSet::BOTH`] until a probe knows better.
    pub eras: EraSet,
    /// What traffic may do with it.
    pub state: HubState,
    /// Its health score for [`Algorithm::HealthBased`]: 1000 ‰ is perfect.
    pub health: Share,
}

impl HubSpec {
    /// A hub in full service with the usual weight, serving both eras.
    pub fn new(id: HubId, hub_type: HubType, location: LocationName) -> Self {
        Self {
            id,
            hub_type,
            location,
            weight: Weight::default(),
            eras: EraSet::BOTH,
            state: HubState::SERVING,
            health: Share::FULL,
        }
    }
}

/// How far a hub is from a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reach {
    /// What a round trip costs, in milliseconds; less is better. Hubs of equal cost keep the order of the spec.
    pub cost_ms: u32,
    /// Does the place lie within the edge radius of the hub? It matters for edge hubs only.
    pub within_radius: bool,
}

/// Which residency binds the clients of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaceResidency {
    /// None.
    Anywhere,
    /// The one at this position in [`TableSpec::residencies`].
    Rule(usize),
    /// Some rule might, and we cannot tell: these clients are refused.
    Refused,
}

/// A place that clients come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceSpec {
    /// What it is called; unlike any other in the table.
    pub name: PlaceName,
    /// Its residency.
    pub residency: PlaceResidency,
    /// One for each hub of the spec, in the same order.
    pub reach: Vec<Reach>,
}

/// A set of locations that some clients may not be served outside of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidencySpec {
    /// Its lasting name.
    pub id: ResidencyId,
    /// Where the hubs must stand.
    pub hubs_in: Vec<LocationName>,
}

/// Everything a table is laid out from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSpec {
    /// How a hub is chosen within the preferred group.
    pub algorithm: Algorithm,
    /// The hubs. A fleet without a primary is allowed: its preference merely begins further down.
    pub hubs: Vec<HubSpec>,
    /// The residencies that places refer to.
    pub residencies: Vec<ResidencySpec>,
    /// The places; a [`crate::PlaceIndex`] is a position here. At least one.
    pub places: Vec<PlaceSpec>,
}

/// One reason why no table can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecFlaw {
    /// There is nowhere to send anyone.
    #[error("there is no hub")]
    NoHub,
    /// There is nowhere anyone could come from.
    #[error("there is no place that clients could come from")]
    NoPlace,
    /// More than an index can count.
    #[error("{given} {what} are more than the {most} that fit one table")]
    TooMany {
        /// `hubs`, `places` or `residencies`.
        what: &'static str,
        /// How many there are.
        given: usize,
        /// How many fit.
        most: usize,
    },
    /// Two hubs of one name.
    #[error("hub {0} is there twice")]
    DuplicateHub(HubId),
    /// Two places of one name.
    #[error("place {0} is there twice")]
    DuplicatePlace(PlaceName),
    /// Two residencies of one name.
    #[error("residency {0} is there twice")]
    DuplicateResidency(ResidencyId),
    /// A residency under which nobody could ever be served.
    #[error("residency {0} allows no hub")]
    ResidencyWithoutHub(ResidencyId),
    /// A place refers to a residency that does not exist.
    #[error("place {place} refers to residency number {rule}, which does not exist")]
    UnknownResidency {
        /// The place.
        place: PlaceName,
        /// The position it refers to.
        rule: usize,
    },
    /// A place that does not know its way to every hub.
    #[error("place {place} knows the way to {given} hubs out of {hubs}")]
    ReachMismatch {
        /// The place.
        place: PlaceName,
        /// How many reaches it has.
        given: usize,
        /// How many hubs there are.
        hubs: usize,
    },
}

/// Why no table can be made: every reason at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no routing table can be made: {}", join(.flaws))]
pub struct SpecError {
    /// The reasons, at least one.
    pub flaws: Vec<SpecFlaw>,
}

fn join(flaws: &[SpecFlaw]) -> String {
    flaws.iter().map(SpecFlaw::to_string).collect::<Vec<_>>().join("; ")
}

impl TableSpec {
    /// Finds everything that makes this spec impossible.
    ///
    /// # Errors
    /// [`SpecError`] with every flaw.
    pub fn check(&self) -> Result<(), SpecError> {
        let mut flaws = Vec::new();
        if self.hubs.is_empty() {
            flaws.push(SpecFlaw::NoHub);
        }
        if self.places.is_empty() {
            flaws.push(SpecFlaw::NoPlace);
        }
        for (what, given, most) in [
            ("hubs", self.hubs.len(), HUBS_MAX),
            ("places", self.places.len(), PLACES_MAX),
            ("residencies", self.residencies.len(), RESIDENCIES_MAX),
        ] {
            if given > most {
                flaws.push(SpecFlaw::TooMany { what, given, most });
            }
        }
        flaws.extend(twice(self.hubs.iter().map(|h| &h.id)).map(SpecFlaw::DuplicateHub));
        flaws.extend(twice(self.places.iter().map(|p| &p.name)).map(SpecFlaw::DuplicatePlace));
        flaws.extend(twice(self.residencies.iter().map(|r| &r.id)).map(SpecFlaw::DuplicateResidency));
        for residency in &self.residencies {
            if !self.hubs.iter().any(|h| residency.hubs_in.contains(&h.location)) {
                flaws.push(SpecFlaw::ResidencyWithoutHub(residency.id.clone()));
            }
        }
        for place in &self.places {
            self.check_place(place, &mut flaws);
        }
        if flaws.is_empty() { Ok(()) } else { Err(SpecError { flaws }) }
    }

    fn check_place(&self, place: &PlaceSpec, flaws: &mut Vec<SpecFlaw>) {
        if let PlaceResidency::Rule(rule) = place.residency
            && rule >= self.residencies.len()
        {
            flaws.push(SpecFlaw::UnknownResidency { place: place.name.clone(), rule });
        }
        let (given, hubs) = (place.reach.len(), self.hubs.len());
        if given != hubs {
            flaws.push(SpecFlaw::ReachMismatch { place: place.name.clone(), given, hubs });
        }
    }
}

/// What occurs more than once, each once, in order.
fn twice<'a, T: Ord + Clone + 'a>(items: impl Iterator<Item = &'a T>) -> impl Iterator<Item = T> {
    let (mut seen, mut again) = (BTreeSet::new(), BTreeSet::new());
    for item in items {
        if !seen.insert(item) {
            again.insert(item.clone());
        }
    }
    again.into_iter()
}
