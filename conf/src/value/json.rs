//! A table that goes out as JSON.

use crate::field::{Value, Wrong};
use schemars::{Schema, json_schema};
use serde_json::{Map, Number, Value as Json};
use toml::de::DeValue;

/// Deepest nesting. Arguments of tools rarely reach five.
const DEPTH_MAX: usize = 16;
/// Largest table, bytes as JSON. It is sent with every probe.
const SIZE_MAX: usize = 4 * 1024;

/// A table of whatever JSON can say.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct JsonTable(Map<String, Json>);

impl Value for JsonTable {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        if !value.is_table() {
            return Err(Wrong::typed(value, "a table", "arguments = { text = \"hello\" }"));
        }
        let Json::Object(table) = json(value, DEPTH_MAX)? else {
            return Err(Wrong::typed(value, "a table", "arguments = { text = \"hello\" }"));
        };
        let table = Self(table);
        let size = table.show().to_string().len();
        if size > SIZE_MAX {
            return Err(Wrong::new(
                format!("{size} bytes of JSON"),
                format!("write {SIZE_MAX} bytes at most"),
            ));
        }
        Ok(table)
    }

    fn show(&self) -> Json {
        Json::Object(self.0.clone())
    }

    fn describe() -> Schema {
        json_schema!({ "type": "object" })
    }
}

fn json(value: &DeValue<'_>, depth: usize) -> Result<Json, Wrong> {
    let below = depth.checked_sub(1).ok_or_else(|| {
        Wrong::new("tables within tables without end", format!("nest {DEPTH_MAX} deep at most"))
    })?;
    Ok(match value {
        DeValue::String(text) => Json::from(text.as_ref()),
        DeValue::Boolean(yes) => Json::from(*yes),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Json::from(number),
            Err(_) => return Err(unusable(number.as_str())),
        },
        DeValue::Float(number) => {
            let number = number.as_str();
            let read = number.parse().ok().and_then(Number::from_f64);
            Json::Number(read.ok_or_else(|| unusable(number))?)
        }
        DeValue::Datetime(_) => {
            return Err(Wrong::new("JSON has no dates", "write it as a string, in quotes"));
        }
        DeValue::Array(items) => {
            items.iter().map(|item| json(item.get_ref(), below)).collect::<Result<Vec<_>, _>>()?.into()
        }
        DeValue::Table(table) => {
            let entry =
                |(key, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &toml::Spanned<DeValue<'_>>)| {
                    Ok((key.get_ref().to_string(), json(value.get_ref(), below)?))
                };
            Json::Object(table.iter().map(entry).collect::<Result<_, Wrong>>()?)
        }
    })
}

fn unusable(number: &str) -> Wrong {
    let number = crate::book::shorten(number);
    Wrong::new(format!("{number} cannot be written in JSON"), "write a smaller number, or a string")
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::DeTable;

    fn check(written: &str, expected: Result<&str, &str>) {
        let table = DeTable::parse(written).expect("TOML").into_inner();
        match (JsonTable::read(&DeValue::Table(table)), expected) {
            (Ok(table), Ok(json)) => assert_eq!(table.show().to_string(), json, "{written}"),
            (Err(wrong), Err(part)) => {
                let said = format!("{}; {}", wrong.what, wrong.remedy);
                assert!(said.contains(part), "{written}: {said}");
            }
            (Ok(table), Err(_)) => panic!("{written} reads as {}", table.show()),
            (Err(wrong), Ok(_)) => panic!("{written}: {}", wrong.what),
        }
    }

    #[test]
    fn tables_become_json() {
        check("", Ok("{}"));
        check(
            "a = \"x\"\nb = [1, 0x10, -2.5, true]\nc = { d = { e = [] } }",
            Ok(r#"{"a":"x","b":[1,16,-2.5,true],"c":{"d":{"e":[]}}}"#),
        );
        check("a = 1979-05-27", Err("JSON has no dates"));
        check("a = inf", Err("inf cannot be written in JSON"));
        check("a = 9223372036854775808", Err("cannot be written in JSON"));
        check(
            &format!("a = {}{}", "[".repeat(15), "]".repeat(15)),
            Ok(&format!("{{\"a\":{}{}}}", "[".repeat(15), "]".repeat(15))),
        );
        check(&format!("a = {}{}", "[".repeat(16), "]".repeat(16)), Err("nest 16 deep at most"));
        check(&format!("a = \"{}\"", "x".repeat(4096)), Err("write 4096 bytes at most"));
    }
}
