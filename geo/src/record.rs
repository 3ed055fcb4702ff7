//! What does a database say about an address? The few fields of its records that matter here, in the spellings that
//! are about: MaxMind's nested country and city records, and the flat ones of other makers.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::{Coordinates, CountryCode};

/// One record. Unknown fields are passed over; unknown values of known fields count as absent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Record {
    pub(crate) country: Option<CountryCode>,
    pub(crate) coordinates: Option<Coordinates>,
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

struct RecordVisitor;

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let (mut country, mut latitude, mut longitude) = (None, None, None);
        while let Some(field) = map.next_key::<&str>()? {
            match field {
                "country" | "country_code" => country = country.or(map.next_value::<Letters>()?.0),
                "location" => {
                    let point = map.next_value::<Point>()?;
                    (latitude, longitude) = (point.latitude, point.longitude);
                }
                "latitude" | "lat" => latitude = map.next_value::<Degrees>()?.0,
                "longitude" | "lng" | "lon" => longitude = map.next_value::<Degrees>()?.0,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let coordinates = latitude.zip(longitude).and_then(|(lat, lon)| Coordinates::new(lat, lon).ok());
        Ok(Record { country, coordinates })
    }
}

#[derive(Deserialize)]
struct Point {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// Two letters: a text of its own, or the `iso_code` of a map.
struct Letters(Option<CountryCode>);

impl<'de> Deserialize<'de> for Letters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LettersVisitor)
    }
}

struct LettersVisitor;

impl<'de> Visitor<'de> for LettersVisitor {
    type Value = Letters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("two letters, or a country with an iso_code")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Letters, E> {
        Ok(Letters(text.parse().ok()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Letters, A::Error> {
        let mut letters = Letters(None);
        while let Some(field) = map.next_key::<&str>()? {
            if field == "iso_code" {
                letters = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(letters)
    }
}

/// A number, or a number written as text, as some makers do.
struct Degrees(Option<f64>);

impl<'de> Deserialize<'de> for Degrees {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DegreesVisitor)
    }
}

struct DegreesVisitor;

impl Visitor<'_> for DegreesVisitor {
    type Value = Degrees;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("degrees")
    }

    fn visit_f64<E: de::Error>(self, degrees: f64) -> Result<Degrees, E> {
        Ok(Degrees(Some(degrees)))
    }

    fn visit_f32<E: de::Error>(self, degrees: f32) -> Result<Degrees, E> {
        Ok(Degrees(Some(f64::from(degrees))))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Degrees, E> {
        Ok(Degrees(text.parse().ok()))
    }
}
