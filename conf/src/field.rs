//! What may stand under a key: one value, a list, a table. Each kind reads itself and describes itself to
//! editors from the same rule, so that the two cannot differ.

use crate::book::{Place, join};
use crate::reader::{At, Section, TableReader, type_name};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::json;
use std::fmt;
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
        let what = format!("{} is out of range", plain(&value.show()));
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

fn read_at<V: Value>(
    table: &TableReader<'_>,
    value: &DeValue<'_>,
    place: Place,
    bounds: Option<&Bounds<V>>,
) -> Result<At<V>, Place> {
    let read = V::read(value).and_then(|v| match bounds {
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
                table.book.mistake(&table.place.below(key), MISSING, format!("write {example}"));
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

/// What is said of a key that must be there. Not concluded from a file with syntax errors.
pub(crate) const MISSING: &str = "missing";

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
                table.book.mistake(&table.place.below(key), MISSING, format!("write {example}"));
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

/// A table, read with its defaults where it is left out.
pub(crate) struct Table;

/// A table under `key`, `None` where it is left out or not a table.
fn read_table<S: Section>(table: &TableReader<'_>, key: &str) -> Option<S> {
    let (value, place) = table.get(key)?;
    match value {
        DeValue::Table(inner) => Some(TableReader::new(table.book, place, Some(inner)).section()),
        DeValue::Array(list) if list.iter().any(|item| item.get_ref().is_table()) => {
            table.book.mistake(&place, "there is only one of this table", format!("write [{key}]"));
            None
        }
        other => {
            let wrong = Wrong::typed(other, "a table", &format!("[{key}] and its keys on lines below"));
            table.book.mistake(&place, wrong.what, wrong.remedy);
            None
        }
    }
}

/// A section that may be left out.
#[derive(Debug)]
pub(crate) struct Maybe<S>(pub(crate) Option<S>);

impl<S: Section> Field for Maybe<S> {
    type Rule = Table;

    fn read(table: &TableReader<'_>, key: &'static str, _: Table) -> Self {
        Self(read_table(table, key))
    }

    fn property(_: Table, generator: &mut SchemaGenerator) -> Property {
        Property { schema: generator.subschema_for::<S>(), required: false }
    }
}

/// A section that is read with its defaults where it is left out.
#[derive(Debug)]
pub(crate) struct Sub<S>(pub(crate) S);

impl<S: Section> Field for Sub<S> {
    type Rule = Table;

    fn read(table: &TableReader<'_>, key: &'static str, _: Table) -> Self {
        let absent =
            || TableReader::new(table.book, Place { key: key.to_owned(), span: 0..0 }, None).section();
        Self(read_table(table, key).unwrap_or_else(absent))
    }

    fn property(_: Table, generator: &mut SchemaGenerator) -> Property {
        Property { schema: generator.subschema_for::<S>(), required: false }
    }
}

/// A list of tables: `[[key]]`.
#[derive(Debug)]
pub(crate) struct Tables<S> {
    pub(crate) items: Vec<S>,
}

/// What is asked of a list of tables.
pub(crate) enum TablesRule {
    /// It may be left out.
    AnyNumber,
    /// At least one must be there; the text says what to write.
    AtLeastOne(&'static str),
}

impl<S: Section> Field for Tables<S> {
    type Rule = TablesRule;

    fn read(table: &TableReader<'_>, key: &'static str, rule: TablesRule) -> Self {
        let none = Self { items: Vec::new() };
        let Some((value, place)) = table.get(key) else {
            if let TablesRule::AtLeastOne(example) = rule {
                table.book.mistake(&table.place.below(key), MISSING, format!("write {example}"));
            }
            return none;
        };
        let full = &place.key;
        match value {
            DeValue::Array(list) if list.is_empty() => {
                if let TablesRule::AtLeastOne(example) = rule {
                    table.book.mistake(&place, "an empty list", format!("write {example}"));
                }
                none
            }
            DeValue::Array(list) => {
                let items = list.iter().enumerate().filter_map(|(index, item)| {
                    let place = Place { key: format!("{full}[{index}]"), span: item.span() };
                    if let DeValue::Table(inner) = item.get_ref() {
                        return Some(TableReader::new(table.book, place, Some(inner)).section());
                    }
                    let wrong = Wrong::typed(item.get_ref(), "a table", &format!("[[{full}]]"));
                    table.book.mistake(&place, wrong.what, wrong.remedy);
                    None
                });
                Self { items: items.collect() }
            }
            DeValue::Table(inner) => {
                table.book.mistake(&place, "there may be several of this table", format!("write [[{full}]]"));
                let first = Place { key: format!("{full}[0]"), span: place.span };
                Self { items: vec![TableReader::new(table.book, first, Some(inner)).section()] }
            }
            other => {
                let wrong = Wrong::typed(other, "a list of tables", &format!("[[{full}]]"));
                table.book.mistake(&place, wrong.what, wrong.remedy);
                none
            }
        }
    }

    fn property(rule: TablesRule, generator: &mut SchemaGenerator) -> Property {
        let mut schema = json_schema!({ "type": "array", "items": generator.subschema_for::<S>() });
        let required = matches!(rule, TablesRule::AtLeastOne(_));
        if required {
            schema.insert("minItems".into(), json!(1));
        }
        Property { schema, required }
    }
}

/// A table whose keys are names people choose.
#[derive(Debug)]
pub(crate) struct Named<N, S> {
    pub(crate) items: Vec<(At<N>, S)>,
    /// False where the table is missing or something in it was wrong.
    pub(crate) sound: bool,
}

/// At least one entry must be there; the text says what to write.
pub(crate) struct NamedRule(pub(crate) &'static str);

impl<N: Value + fmt::Debug, S: Section> Field for Named<N, S> {
    type Rule = NamedRule;

    fn read(table: &TableReader<'_>, key: &'static str, NamedRule(example): NamedRule) -> Self {
        let mut named = Self { items: Vec::new(), sound: false };
        let Some((value, place)) = table.get(key) else {
            table.book.mistake(&table.place.below(key), MISSING, format!("write {example}"));
            return named;
        };
        let DeValue::Table(inner) = value else {
            let wrong = Wrong::typed(value, "a table", example);
            table.book.mistake(&place, wrong.what, wrong.remedy);
            return named;
        };
        if inner.is_empty() {
            table.book.mistake(&place, "an empty table", format!("write {example}"));
            return named;
        }
        named.sound = true;
        for (name, value) in inner {
            let text = name.get_ref();
            let key_place = Place { key: join(&place.key, text), span: name.span() };
            let name = read_at::<N>(table, &DeValue::String(text.clone()), key_place.clone(), None);
            let below = Place { span: value.span(), ..key_place };
            let DeValue::Table(inner) = value.get_ref() else {
                let wrong = Wrong::typed(value.get_ref(), "a table", example);
                table.book.mistake(&below, wrong.what, wrong.remedy);
                named.sound = false;
                continue;
            };
            let section = TableReader::new(table.book, below, Some(inner)).section();
            match name {
                Ok(name) => named.items.push((name, section)),
                Err(_) => named.sound = false,
            }
        }
        named
    }

    fn property(_: NamedRule, generator: &mut SchemaGenerator) -> Property {
        let schema = json_schema!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": N::describe(),
            "additionalProperties": generator.subschema_for::<S>(),
        });
        Property { schema, required: true }
    }
}
