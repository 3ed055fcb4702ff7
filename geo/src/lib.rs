//! Where is this client, and which hubs are near it?
//!
//! **Owns** the [`Database`] that turns an address into a [`Place`], the countries and their middles, distance, the
//! list of places a routing table is laid out for ([`PlaceBook`]), and what residency rules mean for each of them.
//!
//! **Does not know** the health of hubs, the time, configuration files, or which header an address came from.
//!
//! A database is swapped whole: open the next one, and publish it through `mcphub_routing::channel`. Opening checks
//! every record, so a lookup cannot meet a broken one later; a file that fails to open changes nothing.

mod book;
mod country;
mod database;
mod distance;
mod record;
mod residency;

pub use book::{HubSites, PlaceBook, Preferences, Standing, costs};
pub use country::{BadCountry, Continent, Country, CountryCode, countries};
pub use database::{Database, DatabaseKind, OpenError, Place, Precision, is_public};
pub use distance::{BadCoordinates, Coordinates};
pub use residency::{BadSelector, ClientSelector, ResidencyError, ResidencyFlaw, ResidencyRule, Unplaced};
