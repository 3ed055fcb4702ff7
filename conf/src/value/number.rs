//! Counts, degrees, and numbers with a unit.

use super::quote;
use crate::field::{OUT_OF_RANGE, Value, Wrong};
use crate::units::{DISTANCE, SHARE, SIZE, TIME, Units};
use mcphub_routing::Share;
use schemars::{Schema, json_schema};
use serde_json::json;
use std::time::Duration;
use toml::de::DeValue;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes(pub(crate) usize);

/// A distance in whole kilometres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Km(pub(crate) u32);

fn with_unit(value: &DeValue<'_>, units: &Units) -> Result<u64, Wrong> {
    match value {
        DeValue::String(text) => units.parse(text),
        DeValue::Integer(number) => Err(units.bare(&number.to_string())),
        DeValue::Float(number) => Err(units.bare(number.as_str())),
        other => Err(Wrong::typed(other, units.noun, units.example)),
    }
}

fn describe_units(units: &Units) -> Schema {
    json_schema!({ "type": "string", "pattern": units.pattern() })
}

/// Larger than any bound of ours, and small enough to add to any clock.
const DURATION_MAX_MS: u64 = 100 * 365 * 86_400_000;

impl Value for Duration {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        with_unit(value, &TIME).map(|ms| Self::from_millis(ms.min(DURATION_MAX_MS)))
    }

    fn show(&self) -> serde_json::Value {
        json!(TIME.show(u64::try_from(self.as_millis()).unwrap_or(u64::MAX)))
    }

    fn describe() -> Schema {
        describe_units(&TIME)
    }
}

impl Value for Bytes {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        with_unit(value, &SIZE).map(|bytes| Self(usize::try_from(bytes).unwrap_or(usize::MAX)))
    }

    fn show(&self) -> serde_json::Value {
        json!(SIZE.show(u64::try_from(self.0).unwrap_or(u64::MAX)))
    }

    fn describe() -> Schema {
        describe_units(&SIZE)
    }
}

impl Value for Km {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        with_unit(value, &DISTANCE).map(|km| Self(u32::try_from(km).unwrap_or(u32::MAX)))
    }

    fn show(&self) -> serde_json::Value {
        json!(DISTANCE.show(u64::from(self.0)))
    }

    fn describe() -> Schema {
        describe_units(&DISTANCE)
    }
}

impl Value for Share {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let per_mille = with_unit(value, &SHARE)?;
        let share = u16::try_from(per_mille).ok().and_then(Self::from_per_mille);
        share.ok_or_else(|| {
            Wrong::new(format!("{} is more than the whole", SHARE.show(per_mille)), "write 0% to 100%")
        })
    }

    fn show(&self) -> serde_json::Value {
        json!(SHARE.show(u64::from(self.per_mille())))
    }

    fn describe() -> Schema {
        describe_units(&SHARE)
    }
}

macro_rules! count {
    ($($type:ty),*) => { $(
        impl Value for $type {
            fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
                whole_number(value).and_then(|n| {
                    Self::try_from(n).map_err(|_| {
                        Wrong::new(format!("{n} {OUT_OF_RANGE}"), format!("write 0 to {}", Self::MAX))
                    })
                })
            }

            fn show(&self) -> serde_json::Value {
                json!(self)
            }

            fn describe() -> Schema {
                json_schema!({ "type": "integer" })
            }
        }
    )* };
}

count!(u16, u32, usize);

fn whole_number(value: &DeValue<'_>) -> Result<i64, Wrong> {
    match value {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| Wrong::new(format!("{number} {OUT_OF_RANGE}"), "write a smaller number")),
        DeValue::Float(number) => {
            Err(Wrong::new(format!("{} is not a whole number", number.as_str()), "write a whole number"))
        }
        DeValue::String(text) if text.trim().parse::<i64>().is_ok() => {
            let what = format!("the string {} stands where a number belongs", quote(text));
            Err(Wrong::new(what, format!("write {}, without quotes", text.trim())))
        }
        other => Err(Wrong::typed(other, "a number", "a whole number, without quotes")),
    }
}

impl Value for f64 {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let number = match value {
            DeValue::Float(number) => number.as_str().parse::<Self>().ok(),
            DeValue::Integer(number) => {
                i32::from_str_radix(number.as_str(), number.radix()).map(Self::from).ok()
            }
            DeValue::String(text) if text.trim().parse::<Self>().is_ok_and(Self::is_finite) => {
                let what = format!("the string {} stands where a number belongs", quote(text));
                return Err(Wrong::new(what, format!("write {}, without quotes", text.trim())));
            }
            other => return Err(Wrong::typed(other, "a number", "a number, without quotes")),
        };
        number
            .filter(|n| n.is_finite())
            .ok_or_else(|| Wrong::new("not a usable number", "write a number such as 50.1"))
    }

    fn show(&self) -> serde_json::Value {
        // Whole degrees read as `90`, not `90.0`.
        if self.fract() == 0.0 && self.abs() < 1e9 {
            #[allow(clippy::cast_possible_truncation, reason = "whole and far below 2^63")]
            return json!(*self as i64);
        }
        json!(self)
    }

    fn describe() -> Schema {
        json_schema!({ "type": "number" })
    }
}
