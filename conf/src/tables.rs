//! Tables under a key: one, a list of them, or one per name that people choose.

use crate::book::{Place, join};
use crate::field::{Field, Property, Value, Wrong, read_at};
use crate::reader::{At, Section, TableReader};
use schemars::{SchemaGenerator, json_schema};
use serde_json::json;
use std::fmt;
use toml::de::DeValue;

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
        Self(read_table(table, key).unwrap_or_else(|| table.absent(key).section()))
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
                table.missing(key, example);
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
            table.missing(key, example);
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
