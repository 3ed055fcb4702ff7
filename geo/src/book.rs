//! For which places is a routing table laid out, and which of them is a client's?
//!
//! Position 0 is *here*, where the gateway is: the place of clients without one. Then come all countries. With a city
//! database, cells of ten degrees follow: they are measured from their middle, at most some 550 km from any client in
//! them, which is 6 ms of cost; a country as large as the United States is off by 2,000 km. A cell lies in several
//! countries, so it never carries a residency of its own: [`Standing`] names both.

use mcphub_routing::{PlaceIndex, PlaceName, PlaceResidency, PlaceSpec, Reach, Residency, ResidencySpec};

use crate::Coordinates;
use crate::country::{CountryCode, countries};
use crate::database::{DatabaseKind, Place, Precision};
use crate::residency::{self, ResidencyError, ResidencyRule};

/// The side of a cell in degrees: 648 cells of at most 1,110 km. Half of it would make four times as many places, and
/// a table of 5,000 hubs 80 MB large.
const CELL_DEGREES: f64 = 10.0;
const CELL_ROWS: u16 = 18;
const CELL_COLUMNS: u16 = 36;
/// A round trip takes a millisecond for each 100 km of great circle: light in glass covers 200 km in that time one
/// way, 100 km both ways.
const KM_PER_MS: f64 = 100.0;

/// Where a client stands in the list of places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whose order of preference it has: the region of its query.
    pub region: PlaceIndex,
    /// Whose residency binds it.
    pub residency: Residency,
}

/// Where the hubs are.
#[derive(Debug, Clone, Copy)]
pub struct HubSites<'a> {
    /// The coordinates of each hub, in the order of the table.
    pub coordinates: &'a [Coordinates],
    /// The round trip from this gateway to each hub in milliseconds, where it was measured.
    pub rtt_ms: &'a [Option<u32>],
    /// How far an edge hub reaches, in kilometres.
    pub edge_radius_km: f64,
}

/// The geographic half of a table's spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preferences {
    /// For `TableSpec::residencies`.
    pub residencies: Vec<ResidencySpec>,
    /// For `TableSpec::places`.
    pub places: Vec<PlaceSpec>,
}

/// The list of places. It belongs to the routing table that was laid out from it: keep the two in one snapshot.
#[derive(Debug, Clone)]
pub struct PlaceBook {
    here: Coordinates,
    cells: bool,
}

impl PlaceBook {
    /// The places for a gateway that stands here, at the precision of this kind of database.
    pub fn new(here: Coordinates, kind: DatabaseKind) -> Self {
        Self { here, cells: kind == DatabaseKind::City }
    }

    /// Where the gateway is, and clients whose place is not known.
    pub fn here(&self) -> PlaceIndex {
        PlaceIndex::new(0)
    }

    /// The place of a country.
    pub fn country(&self, code: CountryCode) -> PlaceIndex {
        // There are 250 countries.
        PlaceIndex::new(code.position() as u16 + 1)
    }

    /// Where a client stands whose address was found there.
    pub fn standing(&self, place: Option<&Place>) -> Standing {
        let Some(place) = place else {
            return Standing { region: self.here(), residency: Residency::OfRegion };
        };
        let country = self.country(place.country);
        let region = match place.precision {
            Precision::City if self.cells => cell(place.coordinates),
            Precision::City | Precision::Country => country,
        };
        Standing { region, residency: Residency::OfPlace(country) }
    }

    /// How many places there are.
    pub fn len(&self) -> usize {
        1 + countries().len() + if self.cells { usize::from(CELL_ROWS * CELL_COLUMNS) } else { 0 }
    }

    /// Never: the gateway is somewhere.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// What each place prefers, and what binds it.
    ///
    /// # Errors
    /// [`ResidencyError`] when the rules cannot hold together.
    pub fn preferences(
        &self,
        sites: &HubSites<'_>,
        rules: &[ResidencyRule],
    ) -> Result<Preferences, ResidencyError> {
        let resolved = residency::resolve(rules)?;
        let mut places = Vec::with_capacity(self.len());
        let mut add = |name: PlaceName, at, residency| {
            places.push(PlaceSpec { name, residency, reach: costs(at, sites) });
        };
        add("here".into(), self.here, resolved.unplaced);
        for (country, residency) in countries().iter().zip(resolved.by_country) {
            add(country.code.as_str().into(), country.middle, residency);
        }
        // Whoever forgets to ask for the residency of the country is refused, not let through.
        let bound = if rules.is_empty() { PlaceResidency::Anywhere } else { PlaceResidency::Refused };
        if self.cells {
            for number in 0..CELL_ROWS * CELL_COLUMNS {
                let middle = cell_middle(number);
                add(format!("cell {middle}").into(), middle, bound);
            }
        }
        Ok(Preferences { residencies: resolved.residencies, places })
    }
}

/// What each hub costs from here: the larger of the great circle and the round trip that this gateway measured, for
/// the way leads through this gateway.
pub fn costs(from: Coordinates, sites: &HubSites<'_>) -> Vec<Reach> {
    let reach = |(at, hub): (usize, &Coordinates)| {
        let km = from.distance_km(*hub);
        let far = (km / KM_PER_MS).round() as u32;
        let measured = sites.rtt_ms.get(at).copied().flatten().unwrap_or(0);
        Reach { cost_ms: far.max(measured), within_radius: km <= sites.edge_radius_km }
    };
    sites.coordinates.iter().enumerate().map(reach).collect()
}

/// The place of the cell that holds a point.
fn cell(point: Coordinates) -> PlaceIndex {
    // Degrees are within ±90 and ±180, so the casts are small; the poles and the date line belong to the last cell.
    let row = (((point.latitude() + 90.0) / CELL_DEGREES) as u16).min(CELL_ROWS - 1);
    let column = (((point.longitude() + 180.0) / CELL_DEGREES) as u16).min(CELL_COLUMNS - 1);
    PlaceIndex::new(1 + countries().len() as u16 + row * CELL_COLUMNS + column)
}

fn cell_middle(number: u16) -> Coordinates {
    let middle = |n: u16| (f64::from(n) + 0.5) * CELL_DEGREES;
    let (row, column) = (number / CELL_COLUMNS, number % CELL_COLUMNS);
    Coordinates::new(middle(row) - 90.0, middle(column) - 180.0)
        .expect("18 rows and 36 columns span the Earth")
}
