//! What do we call things? Names, numbers and sets that every plane shares, each valid by construction.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A name that does not fit its alphabet or its length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {given:?} must be {rule}")]
pub struct BadWord {
    /// Which kind of name was meant, such as `hub id`.
    pub what: &'static str,
    /// What was given, cut after 80 characters.
    pub given: String,
    /// What it must look like.
    pub rule: &'static str,
}

impl BadWord {
    fn new(what: &'static str, given: &str, rule: &'static str) -> Self {
        Self { what, given: given.chars().take(80).collect(), rule }
    }
}

/// Lower-case letters and digits first, then also `.`, `_`, `-` and whatever `extra` allows.
fn well_formed(text: &str, len_max: usize, extra: &[u8]) -> bool {
    let head = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let tail = |b: u8| head(b) || matches!(b, b'.' | b'_' | b'-') || extra.contains(&b);
    let bytes = text.as_bytes();
    bytes.len() <= len_max && bytes.first().is_some_and(|&b| head(b)) && bytes.iter().all(|&b| tail(b))
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $len:literal, $extra:literal, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the name if it is well formed.
            ///
            /// # Errors
            /// [`BadWord`] says what the name must look like.
            pub fn new(text: &str) -> Result<Self, BadWord> {
                if well_formed(text, $len, $extra) {
                    Ok(Self(Arc::from(text)))
                } else {
                    Err(BadWord::new($what, text, $rule))
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadWord;
            fn from_str(text: &str) -> Result<Self, BadWord> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type!(
    /// The lasting name of a hub: `[a-z0-9][a-z0-9._-]{0,63}`. It is sealed into session ids and shown in metrics, so
    /// it is cheap to clone and safe in a header, a label or a file name.
    HubId, "hub id", 64, b"",
    "1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or a digit"
);

name_type!(
    /// A named place where hubs stand, such as `eu-central`; same alphabet as [`HubId`].
    LocationName, "location", 64, b"",
    "1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or a digit"
);

name_type!(
    /// The lasting name of a residency rule's effect, such as `eu-central+eu-west`: what a session carries so that the
    /// rule under which it was placed still holds when its client travels. At most 256 characters.
    ResidencyId, "residency id", 256, b"+",
    "1 to 256 of a-z, 0-9, '.', '_', '-', '+', beginning with a letter or a digit"
);

/// What a place is called, in logs and explanations: `DE`, `here`, `cell N50 E010`. Free text, never parsed.
pub type PlaceName = Arc<str>;

/// A hub's position in one table. It means nothing in another table: keep the [`HubId`] across generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HubIndex(pub(crate) u16);

impl HubIndex {
    /// The index as a position for arrays that run beside the table's hubs. 0 to 65,534.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

/// A place's position in the list of places a table was built with. The caller who wrote that list knows what each
/// number means; a request from a number past its end is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PlaceIndex(u16);

impl PlaceIndex {
    /// The place at this position, 0 to 65,535.
    pub fn new(position: u16) -> Self {
        Self(position)
    }

    /// The position.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

/// A residency's position in one table; keep the [`ResidencyId`] across generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResidencyIndex(pub(crate) u8);

impl ResidencyIndex {
    /// No rule: every hub is allowed. The same in every table.
    pub const ANYWHERE: Self = Self(0);
}

/// What part a hub plays. The order of the variants carries no meaning: [`crate::Tier`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HubType {
    /// Serves everyone.
    Primary,
    /// Stands in when no primary can.
    Secondary,
    /// Serves those near it first; those far away only when nobody else can.
    Edge,
}

impl HubType {
    /// The word used in configuration and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::Edge => "edge",
        }
    }
}

impl fmt::Display for HubType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A part of a whole in per mille: 0 is nothing, 1000 is all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// Nothing at all.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const FULL: Self = Self(1000);

    /// A share in per mille, or `None` above 1000.
    pub fn from_per_mille(per_mille: u16) -> Option<Self> {
        (per_mille <= 1000).then_some(Self(per_mille))
    }

    /// A share in per mille; what is above 1000 counts as 1000.
    pub fn saturating(per_mille: u16) -> Self {
        Self(per_mille.min(1000))
    }

    /// 0 to 1000.
    pub fn per_mille(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}%", self.0 / 10, self.0 % 10)
    }
}

/// How much a hub takes beside its peers, as the operator set it: 1 to 1000, 100 unless told otherwise. Only the
/// ratio between hubs matters. (How much of that it takes *now* is the [`Share`] in its state.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Weight(u16);

impl Weight {
    /// The heaviest hub.
    pub const MAX: u16 = 1000;

    /// A weight of 1 to 1000, or `None`. To take a hub out of service, drain it: there is no weight of zero.
    pub fn new(weight: u32) -> Option<Self> {
        u16::try_from(weight).ok().filter(|w| (1..=Self::MAX).contains(w)).map(Self)
    }

    /// 1 to 1000.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(100)
    }
}

/// Which of the two shapes of MCP a request or a hub speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Era {
    /// Sessions and `initialize`: 2025-03-26, 2025-06-18, 2025-11-25.
    Legacy,
    /// Stateless requests: 2026-07-28.
    Modern,
}

impl Era {
    pub(crate) fn slot(self) -> usize {
        match self {
            Self::Legacy => 0,
            Self::Modern => 1,
        }
    }

    pub(crate) fn bit(self) -> u8 {
        1 << self.slot()
    }

    /// The word used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

impl fmt::Display for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The eras a hub serves. The empty set is a hub that answered neither: it is never chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct EraSet(u8);

impl EraSet {
    /// Neither.
    pub const NONE: Self = Self(0);
    /// Legacy alone.
    pub const LEGACY: Self = Self(1);
    /// Modern alone.
    pub const MODERN: Self = Self(2);
    /// Both: also what is assumed of a hub before its first probe.
    pub const BOTH: Self = Self(3);

    /// Does the hub serve this era?
    pub fn contains(self, era: Era) -> bool {
        self.0 & era.bit() != 0
    }

    /// This set and one era more.
    #[must_use]
    pub fn with(self, era: Era) -> Self {
        Self(self.0 | era.bit())
    }
}

impl fmt::Display for EraSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.contains(Era::Legacy), self.contains(Era::Modern)) {
            (true, true) => "legacy+modern",
            (true, false) => "legacy",
            (false, true) => "modern",
            (false, false) => "none",
        })
    }
}

/// The number of a routing table. Each published table has a greater one than the last; 1 is the first that may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(u64);

impl Generation {
    /// The first table.
    pub const FIRST: Self = Self(1);

    /// A generation by its number.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_alphabet() {
        let check = |text: &str, fits: bool| assert_eq!(HubId::new(text).is_ok(), fits, "{text:?}");
        check("us-east-1", true);
        check("0", true);
        check("a.b_c-d", true);
        check(&"x".repeat(64), true);
        check(&"x".repeat(65), false);
        check("", false);
        check("-a", false);
        check(".a", false);
        check("Us-East", false);
        check("a b", false);
        check("a+b", false);
        check("é", false);
        check("a\r\nx", false);
        assert!(ResidencyId::new("eu-central+eu-west").is_ok());
        assert!(LocationName::new("eu/central").is_err());
    }

    #[test]
    fn a_long_bad_name_is_cut_in_its_error() {
        let flaw = HubId::new(&"é".repeat(10_000)).unwrap_err();
        assert_eq!(flaw.given.chars().count(), 80);
        assert!(flaw.to_string().starts_with("hub id \"é"));
    }

    #[test]
    fn numbers_keep_to_their_range() {
        assert_eq!(Share::from_per_mille(1000), Some(Share::FULL));
        assert_eq!(Share::from_per_mille(1001), None);
        assert_eq!(Share::saturating(4000), Share::FULL);
        assert_eq!(Share::saturating(125).to_string(), "12.5%");
        assert_eq!(Weight::new(0), None);
        assert_eq!(Weight::new(1000).map(Weight::get), Some(1000));
        assert_eq!(Weight::new(1001), None);
        assert_eq!(Weight::new(65_537), None);
    }

    #[test]
    fn era_sets_are_sets() {
        assert_eq!(EraSet::NONE.with(Era::Legacy).with(Era::Modern), EraSet::BOTH);
        assert!(!EraSet::LEGACY.contains(Era::Modern));
        assert_eq!(EraSet::BOTH.to_string(), "legacy+modern");
    }

    #[test]
    fn generations_only_grow() {
        assert_eq!(Generation::FIRST.next(), Generation::new(2));
        assert_eq!(Generation::new(u64::MAX).next(), Generation::new(u64::MAX));
    }
}
