//! *May this answer be given to the next who asks the same?* The caching hints of 2026-07-28, read from requests,
//! results and notifications.
//!
//! A hub says of a result how long it may be taken for fresh (`ttlMs`) and whether it is everybody's (`cacheScope`).
//! What it says nothing of, or says it wrongly, is not kept: some SDKs take a missing scope for `public`, which is the
//! one guess that could show one caller what is another's.

use crate::envelope::DEPTH_MAX;
use crate::json::Text;
use crate::plain::{self, Reader};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

mod notice;
mod question;
mod result;

pub use notice::{Changed, changes_in, may_tell_of_changes};
pub use question::{QUESTION_MAX, Question};
pub use result::{CacheScope, Kept, Unkept};

/// The methods whose results have caching hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cacheable {
    /// `server/discover`.
    Discover,
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    Templates,
    /// `resources/read`.
    Read,
}

impl Cacheable {
    /// The cacheable method of this exact name.
    #[must_use]
    pub fn of(method: &str) -> Option<Self> {
        Some(match method {
            "server/discover" => Self::Discover,
            "tools/list" => Self::Tools,
            "prompts/list" => Self::Prompts,
            "resources/list" => Self::Resources,
            "resources/templates/list" => Self::Templates,
            "resources/read" => Self::Read,
            _ => return None,
        })
    }

    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Discover => "server/discover",
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
            Self::Read => "resources/read",
        }
    }
}

/// The members of one JSON object, sorted by name, none of them twice; their values as they stand.
#[derive(PartialEq)]
struct Members<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Members<'a> {
    /// Of this text; `None` where it is no object, or has a member twice.
    fn read(text: &'a str) -> Option<Self> {
        plain::read(text, DEPTH_MAX, Self::next).or_else(|| serde_json::from_str(text).ok())
    }

    /// Of the object that is read next.
    fn next(reader: &mut Reader<'a>) -> Option<Self> {
        let mut all = Vec::with_capacity(8);
        reader.object(|reader, name| {
            all.push((Cow::Borrowed(name), reader.raw()?));
            Some(())
        })?;
        Self::of(all)
    }

    /// Of these; `None` where one is there twice.
    fn of(mut all: Vec<(Cow<'a, str>, &'a str)>) -> Option<Self> {
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let twice = all.windows(2).any(|pair| pair[0].0 == pair[1].0);
        (!twice).then_some(Self(all))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| *value)
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::with_capacity(8);
                while let Some(Text(name)) = map.next_key()? {
                    all.push((name, map.next_value::<&RawValue>()?.get()));
                }
                Members::of(all).ok_or_else(|| A::Error::custom(crate::json::DUPLICATE_KEY))
            }
        }
        source.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_one_name_each() {
        let all =
            ["server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list"];
        for name in all.into_iter().chain(["resources/read"]) {
            assert_eq!(Cacheable::of(name).map(Cacheable::name), Some(name));
        }
        for other in ["tools/call", "prompts/get", "Tools/list", "tools/list ", ""] {
            assert_eq!(Cacheable::of(other), None, "{other}");
        }
    }

    #[test]
    fn members_are_found_and_none_comes_twice() {
        let members = Members::read(r#" {"b":[1, 2],"a":"x","\u0063":null} "#).expect("an object");
        assert_eq!((members.get("a"), members.get("b")), (Some("\"x\""), Some("[1, 2]")));
        assert!(members.has("c") && !members.has("d"));
        for wrong in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, "[]", "1", r#"{"a":1} x"#, ""] {
            assert!(Members::read(wrong).is_none(), "{wrong}");
        }
    }
}
