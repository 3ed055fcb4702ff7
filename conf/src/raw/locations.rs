//! `[locations]`.

use crate::field::required;
use crate::reader::At;
use crate::section::section;
use crate::tables::Named;
use mcphub_geo::Coordinates;
use mcphub_routing::LocationName;
use std::collections::BTreeMap;

section! {
    /// A place on the globe.
    RawLocation {
        /// Degrees north.
        latitude: Option<At<f64>> = required("latitude = 50.1").within(-90.0, 90.0),
        /// Degrees east.
        longitude: Option<At<f64>> = required("longitude = 8.7").within(-180.0, 180.0),
    }
    instead {
        "lat" => "unknown key", "did you mean `latitude`?";
        "lon" => "unknown key", "did you mean `longitude`?";
        "lng" => "unknown key", "did you mean `longitude`?";
        "long" => "unknown key", "did you mean `longitude`?";
    }
}

pub(super) fn lower(raw: &Named<LocationName, RawLocation>) -> Option<BTreeMap<LocationName, Coordinates>> {
    let lowered = raw.items.iter().map(|(name, location)| {
        let latitude = location.latitude.as_ref()?.value;
        let longitude = location.longitude.as_ref()?.value;
        Some((name.value.clone(), Coordinates::new(latitude, longitude).ok()?))
    });
    lowered.collect()
}
