//! One table of the file, being read: which keys it has, and which it should not.

use crate::book::{Book, Place, join};
use crate::suggest::{nearest, one_of};
use std::cell::RefCell;
use toml::de::{DeTable, DeValue};

/// What is said of a key that must be there. Not concluded from a file with syntax errors.
pub(crate) const MISSING: &str = "missing";

/// A value with its place in the file.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    /// Of the value; of the table's header where the default stands in.
    pub(crate) place: Place,
    /// False where a default stands in for something written wrongly: nothing may be concluded from it.
    pub(crate) sound: bool,
    /// False for a default.
    pub(crate) written: bool,
}

/// A table of known keys, as `section!` writes it.
pub(crate) trait Section: Sized + schemars::JsonSchema {
    /// The keys people may write.
    fn keys() -> Vec<&'static str>;

    /// Words people write in place of a key, and what to write instead. The values of words with
    /// `secret` in front are never shown.
    fn instead() -> &'static [Instead];

    /// Reads each known key, reporting what is wrong with it.
    fn read(table: &TableReader<'_>) -> Self;
}

/// A key that does not exist but is easily expected.
pub(crate) struct Instead {
    pub(crate) key: &'static str,
    pub(crate) what: &'static str,
    pub(crate) remedy: &'static str,
    pub(crate) secret: bool,
}

/// One table of the file.
pub(crate) struct TableReader<'a> {
    pub(crate) book: &'a Book<'a>,
    pub(crate) place: Place,
    table: Option<&'a DeTable<'a>>,
    /// The remedies for unknown keys: what they say was meant is not missing as well.
    remedies: RefCell<Vec<String>>,
    /// Nothing is missing here: the table itself seems to stand under another name.
    forgiving: bool,
}

impl<'a> TableReader<'a> {
    /// `table` at `place`; `None` reads as an empty table.
    pub(crate) fn new(book: &'a Book<'a>, place: Place, table: Option<&'a DeTable<'a>>) -> Self {
        Self { book, place, table, remedies: RefCell::default(), forgiving: false }
    }

    /// The table `key`, which is left out or not a table.
    pub(crate) fn absent(&self, key: &str) -> Self {
        let place = Place { key: join(&self.place.key, key), span: 0..0 };
        Self { forgiving: self.is_meant(key), ..Self::new(self.book, place, None) }
    }

    /// A mistake that `key` is missing, unless an unknown key stands for it.
    pub(crate) fn missing(&self, key: &str, example: &str) {
        if !self.forgiving && !self.is_meant(key) {
            self.book.mistake(&self.place.below(key), MISSING, format!("write {example}"));
        }
    }

    fn is_meant(&self, key: &str) -> bool {
        let word = format!("`{key}`");
        self.remedies
            .borrow()
            .iter()
            .any(|remedy| remedy.starts_with("did you mean") && remedy.contains(&word))
    }

    /// The value under `key` and its place.
    pub(crate) fn get(&self, key: &str) -> Option<(&'a DeValue<'a>, Place)> {
        let value = self.table?.get(key)?;
        let place = Place { key: join(&self.place.key, key), span: value.span() };
        Some((value.get_ref(), place))
    }

    /// Every key with the key's own place and its value.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, Place, &'a DeValue<'a>)> + '_ {
        self.table.into_iter().flatten().map(|(key, value)| {
            let name: &'a str = key.get_ref();
            let place = Place { key: join(&self.place.key, name), span: key.span() };
            (name, place, value.get_ref())
        })
    }

    /// Reads the whole table as a section: its known keys, and a mistake for each other one.
    pub(crate) fn section<S: Section>(&self) -> S {
        let known = S::keys();
        for (name, place, _) in self.entries() {
            if known.contains(&name) {
                continue;
            }
            if let Some(instead) = S::instead().iter().find(|i| i.key == name) {
                self.tell(&place, instead.secret, instead.what, instead.remedy);
                continue;
            }
            let remedy = match nearest(name, known.iter().copied()) {
                Some(word) => format!("did you mean `{word}`?"),
                None => format!("write {}", one_of(&known)),
            };
            self.tell(&place, looks_secret(name), "unknown key", &remedy);
        }
        S::read(self)
    }

    fn tell(&self, place: &Place, secret: bool, what: &str, remedy: &str) {
        if secret {
            self.book.mistake_in_secret(place, what, remedy);
        } else {
            self.book.mistake(place, what, remedy);
        }
        self.remedies.borrow_mut().push(remedy.to_owned());
    }
}

/// Whether a misspelt key may have a secret for its value.
pub(crate) fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["tok", "secret", "pass", "key", "cred", "auth"].iter().any(|part| name.contains(part))
}

/// The type of a value in words, for messages.
pub(crate) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
