//! What may stand under a key: one value, a list, a table. Each kind reads itself and describes itself to
//! editors from the same rule, so that the two cannot differ.

use crate::book::Place;
use crate::reader::{At, TableReader, type_name};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::json;
use toml::de::DeValue;

/// Why a value is not what its key asks for.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) what: String,
    pub(crate) remedy: String,
    /// The value holds a secret and must not be shown again.
    pub(crate) secret: bool,
}

impl Wrong {
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into(), secret: false }
    }

    /// `value` has the wrong TOML type.
    pub(crate) fn typed(value: &DeValue<'_>, wanted: &str, example: &str) -> Self {
        Self::new(format!("{} stands where {wanted} belongs", type_name(value)), format!("write {example}"))
    }
}

/// How a message about a number beyond its range ends.
pub(crate) const OUT_OF_RANGE: &str = "is out of range";

/// One value as people write it.
pub(crate) trait Value: Sized + Clone {
    /// Reads it, without regard to its range.
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong>;

    /// As people would write it.
    fn show(&self) -> serde_json::Value;

    /// For editors, without its range.
    fn describe() -> Schema;
}

/// A key as an editor should know it.
pub(crate) struct Property {
    pub(crate) schema: Schema,
    pub(crate) required: bool,
}

/// What stands under a key.
pub(crate) trait Field: Sized {
    /// What is asked of it.
    type Rule;

    fn read(table: &TableReader<'_>, key: &'static str, rule: Self::Rule) -> Self;

    fn property(rule: Self::Rule, generator: &mut SchemaGenerator) -> Property;
}

/// The smallest and the largest value allowed.
pub(crate) struct Bounds<V> {
    min: V,
    max: V,
    holds: fn(&V, &V, &V) -> bool,
}

impl<V: Value> Bounds<V> {
    fn check(&self, value: &V) -> Result<(), Wrong> {
        if (self.holds)(&self.min, value, &self.max) {
            return Ok(());
        }
        let what = format!("{} {OUT_OF_RANGE}", plain(&value.show()));
        Err(Wrong::new(what, format!("write {}", self.text())))
    }

    /// `1s to 10min`, as messages and descriptions say it.
    fn text(&self) -> String {
        format!("{} to {}", plain(&self.min.show()), plain(&self.max.show()))
    }
}

/// A JSON value as it reads in a sentence.
pub(crate) fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A key with a default.
pub(crate) struct Defaulted<V> {
    default: V,
    bounds: Option<Bounds<V>>,
}

/// The key may be left out, and then means this.
pub(crate) fn default<V>(default: V) -> Defaulted<V> {
    Defaulted { default, bounds: None }
}

impl<V: PartialOrd> Defaulted<V> {
    pub(crate) fn within(self, min: V, max: V) -> Self {
        Self { bounds: Some(bounds(min, max)), ..self }
    }
}

/// A key without a default.
pub(crate) struct Wanted<V> {
    /// What to write when it is missing; `None` where it may be.
    example: Option<&'static str>,
    bounds: Option<Bounds<V>>,
}

/// The key may be left out.
pub(crate) fn optional<V>() -> Wanted<V> {
    Wanted { example: None, bounds: None }
}

/// The key must be there; `example` is a line to write.
pub(crate) fn required<V>(example: &'static str) -> Wanted<V> {
    Wanted { example: Some(example), bounds: None }
}

impl<V: PartialOrd> Wanted<V> {
    pub(crate) fn within(self, min: V, max: V) -> Self {
        Self { bounds: Some(bounds(min, max)), ..self }
    }
}

fn bounds<V: PartialOrd>(min: V, max: V) -> Bounds<V> {
    Bounds { min, max, holds: |min, value, max| min <= value && value <= max }
}

/// Reads what stands under `key` as a `V`; `Err` where it is wrong, which has then been reported.
fn read_value<V: Value>(
    table: &TableReader<'_>,
    key: &str,
    bounds: Option<&Bounds<V>>,
) -> Option<Result<At<V>, Place>> {
    let (value, place) = table.get(key)?;
    Some(read_at(table, value, place, bounds))
}

pub(crate) fn read_at<V: Value>(
    table: &TableReader<'_>,
    value: &DeValue<'_>,
    place: Place,
    bounds: Option<&Bounds<V>>,
) -> Result<At<V>, Place> {
    let read = V::read(value).map_err(|wrong| match bounds {
        // Too large for the type is first of all too large for the key.
        Some(bounds) if wrong.what.ends_with(OUT_OF_RANGE) => {
            Wrong { remedy: format!("write {}", bounds.text()), ..wrong }
        }
        _ => wrong,
    });
    let read = read.and_then(|v| match bounds {
        Some(bounds) => bounds.check(&v).map(|()| v),
        None => Ok(v),
    });
    match read {
        Ok(value) => Ok(At { value, place, sound: true, written: true }),
        Err(Wrong { what, remedy, secret: false }) => {
            table.book.mistake(&place, what, remedy);
            Err(place)
        }
        Err(Wrong { what, remedy, secret: true }) => {
            table.book.mistake_in_secret(&place, what, remedy);
            Err(place)
        }
    }
}

fn describe_value<V: Value>(bounds: Option<&Bounds<V>>, default: Option<&V>) -> Schema {
    let mut schema = V::describe();
    if let Some(bounds) = bounds {
        let (min, max) = (bounds.min.show(), bounds.max.show());
        if min.is_number() {
            schema.insert("minimum".into(), min);
            schema.insert("maximum".into(), max);
        } else {
            schema.insert("x-range".into(), json!(bounds.text()));
        }
    }
    if let Some(default) = default {
        schema.insert("default".into(), default.show());
    }
    schema
}

impl<V: Value> Field for At<V> {
    type Rule = Defaulted<V>;

    fn read(table: &TableReader<'_>, key: &'static str, rule: Self::Rule) -> Self {
        match read_value(table, key, rule.bounds.as_ref()) {
            Some(Ok(at)) => at,
            Some(Err(place)) => At { value: rule.default, place, sound: false, written: false },
            None => At { value: rule.default, place: table.place.below(key), sound: true, written: false },
        }
    }

    fn property(rule: Self::Rule, _: &mut SchemaGenerator) -> Property {
        let schema = describe_value(rule.bounds.as_ref(), Some(&rule.default));
        Property { schema, required: false }
    }
}

impl<V: Value> Field for Option<At<V>> {
    type Rule = Wanted<V>;

    fn read(table: &TableReader<'_>, key: &'static str, rule: Self::Rule) -> Self {
        match (read_value(table, key, rule.bounds.as_ref()), rule.example) {
            (Some(read), _) => read.ok(),
            (None, Some(example)) => {
                table.missing(key, example);
                None
            }
            (None, None) => None,
        }
    }

    fn property(rule: Self::Rule, _: &mut SchemaGenerator) -> Property {
        let schema = describe_value(rule.bounds.as_ref(), None);
        Property { schema, required: rule.example.is_some() }
    }
}

/// A list of values.
#[derive(Debug, Clone)]
pub(crate) struct List<V> {
    pub(crate) items: Vec<At<V>>,
    /// Of the brackets; `None` where the key is left out.
    pub(crate) place: Option<Place>,
    /// False where something in it was wrong.
    pub(crate) sound: bool,
}

impl<V: Clone> List<V> {
    pub(crate) fn values(&self) -> Vec<V> {
        self.items.iter().map(|at| at.value.clone()).collect()
    }
}

/// What is asked of a list.
pub(crate) struct ListRule<V> {
    default: Vec<V>,
    example: Option<&'static str>,
    has_default: bool,
}

/// The list may be left out or empty.
pub(crate) fn any_number<V>() -> ListRule<V> {
    ListRule { default: Vec::new(), example: None, has_default: true }
}

/// The list may be left out, which is not the same as an empty one.
pub(crate) fn optional_list<V>() -> ListRule<V> {
    ListRule { default: Vec::new(), example: None, has_default: false }
}

/// The list must be there with at least one entry; `example` is a line to write.
pub(crate) fn at_least_one<V>(example: &'static str) -> ListRule<V> {
    ListRule { default: Vec::new(), example: Some(example), has_default: false }
}

/// The list may be left out, and then means this.
pub(crate) fn default_list<V>(default: Vec<V>) -> ListRule<V> {
    ListRule { default, example: None, has_default: true }
}

impl<V: Value> Field for List<V> {
    type Rule = ListRule<V>;

    fn read(table: &TableReader<'_>, key: &'static str, rule: Self::Rule) -> Self {
        let Some((value, place)) = table.get(key) else {
            if let Some(example) = rule.example {
                table.missing(key, example);
            }
            let stand_in = |value| At { value, place: table.place.below(key), sound: true, written: false };
            let items = rule.default.into_iter().map(stand_in).collect();
            return Self { items, place: None, sound: rule.example.is_none() };
        };
        let DeValue::Array(array) = value else {
            let example = rule.example.map_or_else(|| format!("{key} = [ … ]"), str::to_owned);
            let wrong = Wrong::typed(value, "a list", &example);
            table.book.mistake(&place, wrong.what, wrong.remedy);
            return Self { items: Vec::new(), place: Some(place), sound: false };
        };
        if let (true, Some(example)) = (array.is_empty(), rule.example) {
            table.book.mistake(&place, "an empty list", format!("write {example}"));
            return Self { items: Vec::new(), place: Some(place), sound: false };
        }
        let read = array.iter().enumerate().map(|(index, item)| {
            let place = Place { key: format!("{}[{index}]", place.key), span: item.span() };
            read_at(table, item.get_ref(), place, None)
        });
        let read: Vec<_> = read.collect();
        let sound = read.iter().all(Result::is_ok);
        Self { items: read.into_iter().flatten().collect(), place: Some(place), sound }
    }

    fn property(rule: Self::Rule, _: &mut SchemaGenerator) -> Property {
        let mut schema = json_schema!({ "type": "array", "items": V::describe() });
        if rule.example.is_some() {
            schema.insert("minItems".into(), json!(1));
        }
        if rule.has_default {
            let shown: Vec<_> = rule.default.iter().map(Value::show).collect();
            schema.insert("default".into(), json!(shown));
        }
        Property { schema, required: rule.example.is_some() }
    }
}
