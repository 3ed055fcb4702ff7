//! Whom may which hubs serve? Rules as an operator states them, and what they come to for each place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use mcphub_routing::{LocationName, PlaceResidency, ResidencyId, ResidencySpec};

use crate::country::{Continent, Country, CountryCode, countries};

/// Which clients a rule speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientSelector {
    /// `"DE"`: those of one country.
    Country(CountryCode),
    /// `"EU"`: those of the European Union, as [`CountryCode::in_european_union`] has it.
    EuropeanUnion,
    /// `"continent:EU"`: those of one continent.
    Continent(Continent),
}

/// A selector that selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} names no clients: write a country such as \"DE\", \"EU\", or a continent such as \"continent:EU\" \
     (AF, AN, AS, EU, NA, OC, SA)"
)]
pub struct BadSelector {
    /// What was given, cut after 40 characters.
    pub given: String,
}

impl FromStr for ClientSelector {
    type Err = BadSelector;

    fn from_str(text: &str) -> Result<Self, BadSelector> {
        let selector = match text.strip_prefix("continent:") {
            Some(code) => Continent::from_code(code).map(Self::Continent),
            None if text == "EU" => Some(Self::EuropeanUnion),
            None => text.parse().ok().map(Self::Country),
        };
        selector.ok_or_else(|| BadSelector { given: text.chars().take(40).collect() })
    }
}

impl fmt::Display for ClientSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Country(code) => code.fmt(f),
            Self::EuropeanUnion => f.write_str("EU"),
            Self::Continent(continent) => write!(f, "continent:{continent}"),
        }
    }
}

impl ClientSelector {
    /// Does it speak of the clients of this country?
    pub fn selects(self, country: &Country) -> bool {
        match self {
            Self::Country(code) => code == country.code,
            Self::EuropeanUnion => country.code.in_european_union(),
            Self::Continent(continent) => continent == country.continent,
        }
    }
}

/// What a rule does with clients whose place is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Unplaced {
    /// They are refused, since they might be those it speaks of.
    #[default]
    Refuse,
    /// They are taken for others.
    Allow,
}

/// A residency rule: these clients are served there or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidencyRule {
    /// Whom it binds. Where two rules bind a country, both hold.
    pub clients: Vec<ClientSelector>,
    /// Where their hubs must stand.
    pub hubs_in: Vec<LocationName>,
    /// What it does with clients whose place is not known. One rule that refuses them is enough.
    pub unplaced: Unplaced,
}

/// One reason why the rules cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResidencyFlaw {
    /// It binds nobody.
    #[error("residency rule {0} names no clients")]
    NoClients(usize),
    /// It allows nothing.
    #[error("residency rule {0} names no location")]
    NoLocations(usize),
    /// Two or more rules bind a country and have no location in common.
    #[error("the residency rules for {country} have no location in common")]
    Conflict {
        /// The first such country.
        country: CountryCode,
    },
}

/// Why the rules cannot hold: every reason at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .flaws.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ResidencyError {
    /// The reasons, at least one. Rules are numbered from 1.
    pub flaws: Vec<ResidencyFlaw>,
}

/// What the rules come to.
pub(crate) struct Resolved {
    pub(crate) residencies: Vec<ResidencySpec>,
    /// One for each of [`countries`].
    pub(crate) by_country: Vec<PlaceResidency>,
    /// For clients whose place is not known.
    pub(crate) unplaced: PlaceResidency,
}

pub(crate) fn resolve(rules: &[ResidencyRule]) -> Result<Resolved, ResidencyError> {
    let mut flaws = Vec::new();
    for (rule, number) in rules.iter().zip(1..) {
        if rule.clients.is_empty() {
            flaws.push(ResidencyFlaw::NoClients(number));
        }
        if rule.hubs_in.is_empty() {
            flaws.push(ResidencyFlaw::NoLocations(number));
        }
    }
    let mut conflict = None;
    let mut sets: BTreeMap<BTreeSet<&LocationName>, usize> = BTreeMap::new();
    let mut by_country = Vec::with_capacity(countries().len());
    for country in countries() {
        let residency = match common(rules, country) {
            None => PlaceResidency::Anywhere,
            Some(set) if set.is_empty() => {
                conflict = conflict.or(Some(country.code));
                PlaceResidency::Refused
            }
            Some(set) => {
                let next = sets.len();
                PlaceResidency::Rule(*sets.entry(set).or_insert(next))
            }
        };
        by_country.push(residency);
    }
    // A rule without locations conflicts with every other: told once, as what it is.
    if flaws.is_empty()
        && let Some(country) = conflict
    {
        flaws.push(ResidencyFlaw::Conflict { country });
    }
    if !flaws.is_empty() {
        return Err(ResidencyError { flaws });
    }
    let mut residencies: Vec<(usize, ResidencySpec)> =
        sets.iter().map(|(set, &at)| (at, spec(set))).collect();
    residencies.sort_by_key(|&(at, _)| at);
    let refused = rules.iter().any(|rule| rule.unplaced == Unplaced::Refuse);
    Ok(Resolved {
        residencies: residencies.into_iter().map(|(_, spec)| spec).collect(),
        by_country,
        unplaced: if refused { PlaceResidency::Refused } else { PlaceResidency::Anywhere },
    })
}

/// The locations that every rule for a country allows; `None` when no rule speaks of it.
fn common<'a>(rules: &'a [ResidencyRule], country: &Country) -> Option<BTreeSet<&'a LocationName>> {
    let binding = rules.iter().filter(|rule| rule.clients.iter().any(|clients| clients.selects(country)));
    let sets = binding.map(|rule| rule.hubs_in.iter().collect::<BTreeSet<_>>());
    sets.reduce(|one, other| one.intersection(&other).copied().collect())
}

fn spec(set: &BTreeSet<&LocationName>) -> ResidencySpec {
    ResidencySpec { id: id(set), hubs_in: set.iter().map(|&location| location.clone()).collect() }
}

/// The same locations give the same id on every gateway and in every version: sessions carry it. Joined names where
/// they fit, else their hash (FNV-1a, 64 bits).
fn id(set: &BTreeSet<&LocationName>) -> ResidencyId {
    let joined = set.iter().map(|location| location.as_str()).collect::<Vec<_>>().join("+");
    ResidencyId::new(&joined).unwrap_or_else(|_| {
        let hash = joined
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3));
        ResidencyId::new(&format!("set-{hash:016x}")).expect("hexadecimal digits are in the alphabet")
    })
}
