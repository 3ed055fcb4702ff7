//! How far is it from here to there?

use std::fmt;

/// The mean radius of the Earth in kilometres (IUGG).
const EARTH_RADIUS_KM: f64 = 6371.0;

/// A point on the Earth, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coordinates {
    latitude: f64,
    longitude: f64,
}

/// Numbers that are no point on the Earth.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("latitude {latitude} must be -90 to 90 and longitude {longitude} -180 to 180")]
pub struct BadCoordinates {
    /// What was given.
    pub latitude: f64,
    /// What was given.
    pub longitude: f64,
}

impl Coordinates {
    /// A point by its latitude, -90 (south) to 90 (north), and its longitude, -180 (west) to 180 (east).
    ///
    /// # Errors
    /// [`BadCoordinates`] beyond these, and for what is not a number.
    pub fn new(latitude: f64, longitude: f64) -> Result<Self, BadCoordinates> {
        if latitude.abs() <= 90.0 && longitude.abs() <= 180.0 {
            Ok(Self { latitude, longitude })
        } else {
            Err(BadCoordinates { latitude, longitude })
        }
    }

    /// Degrees, -90 to 90.
    pub fn latitude(self) -> f64 {
        self.latitude
    }

    /// Degrees, -180 to 180.
    pub fn longitude(self) -> f64 {
        self.longitude
    }

    /// Great-circle distance in kilometres (haversine); within 0.6 % of the truth, since the Earth is no sphere.
    pub fn distance_km(self, other: Self) -> f64 {
        let (lat1, lat2) = (self.latitude.to_radians(), other.latitude.to_radians());
        let north = ((lat2 - lat1) / 2.0).sin().powi(2);
        let east = ((other.longitude - self.longitude).to_radians() / 2.0).sin().powi(2);
        let chord = north + lat1.cos() * lat2.cos() * east;
        // Rounding may lift antipodes a hair above 1, where asin has no answer.
        2.0 * EARTH_RADIUS_KM * chord.sqrt().min(1.0).asin()
    }
}

impl fmt::Display for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1},{:.1}", self.latitude, self.longitude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(latitude: f64, longitude: f64) -> Coordinates {
        Coordinates::new(latitude, longitude).unwrap()
    }

    #[test]
    fn distances_are_those_on_the_map() {
        let check = |a: Coordinates, b: Coordinates, km: f64| {
            let found = a.distance_km(b);
            assert!((found - km).abs() < km * 0.006 + 1.0, "{a} to {b}: {found} km, not {km}");
        };
        check(at(52.52, 13.40), at(48.86, 2.35), 878.0); // Berlin, Paris
        check(at(40.71, -74.01), at(51.51, -0.13), 5_570.0); // New York, London
        check(at(35.68, 139.69), at(-33.87, 151.21), 7_823.0); // Tokyo, Sydney
        check(at(0.0, 179.5), at(0.0, -179.5), 111.2); // across the date line
        check(at(90.0, 0.0), at(-90.0, 77.0), 20_015.0); // pole to pole
        check(at(1.0, 1.0), at(1.0, 1.0), 0.0);
    }

    #[test]
    fn what_is_no_point_is_refused() {
        for (latitude, longitude) in [(90.1, 0.0), (0.0, 180.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert!(Coordinates::new(latitude, longitude).is_err(), "{latitude} {longitude}");
        }
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_bounded(a in -90.0..=90.0f64, b in -180.0..=180.0f64, c in -90.0..=90.0f64, d in -180.0..=180.0f64) {
            let (from, to) = (at(a, b), at(c, d));
            prop_assert!((from.distance_km(to) - to.distance_km(from)).abs() < 1e-6);
            prop_assert!((0.0..=20_016.0).contains(&from.distance_km(to)));
        }
    }
}
