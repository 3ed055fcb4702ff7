//! Which countries are there, on which continent, and where do their people live?

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use crate::Coordinates;

/// A continent, by the two letters that geographic databases use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Continent {
    /// `AF`
    Africa,
    /// `AN`
    Antarctica,
    /// `AS`
    Asia,
    /// `EU`
    Europe,
    /// `NA`: with Central America and the Caribbean.
    NorthAmerica,
    /// `OC`
    Oceania,
    /// `SA`
    SouthAmerica,
}

impl Continent {
    /// Every continent.
    pub const ALL: [Self; 7] = [
        Self::Africa,
        Self::Antarctica,
        Self::Asia,
        Self::Europe,
        Self::NorthAmerica,
        Self::Oceania,
        Self::SouthAmerica,
    ];

    /// The two letters.
    pub fn code(self) -> &'static str {
        match self {
            Self::Africa => "AF",
            Self::Antarctica => "AN",
            Self::Asia => "AS",
            Self::Europe => "EU",
            Self::NorthAmerica => "NA",
            Self::Oceania => "OC",
            Self::SouthAmerica => "SA",
        }
    }

    /// The continent of these two letters.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|continent| continent.code() == code)
    }
}

impl fmt::Display for Continent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Letters that name no country we know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not the ISO 3166 code of a country, such as \"DE\"")]
pub struct BadCountry {
    /// What was given, cut after 20 characters.
    pub given: String,
}

/// A country by its two ISO 3166-1 letters (and `XK`, Kosovo, as is common use). Only those of [`countries`] exist.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CountryCode([u8; 2]);

impl CountryCode {
    /// The two letters, upper case.
    pub fn as_str(&self) -> &str {
        // Only ASCII letters get in.
        std::str::from_utf8(&self.0).unwrap_or("??")
    }

    /// What is known about it.
    pub fn country(self) -> &'static Country {
        &countries()[self.position()]
    }

    /// Its position in [`countries`].
    pub(crate) fn position(self) -> usize {
        TABLE.position(self.0).unwrap_or(0)
    }

    /// Is it part of the European Union: a member, or an outermost region or Åland, which have letters of their own
    /// but lie within the Union?
    pub fn in_european_union(self) -> bool {
        EU_MEMBERS.contains(&&self.0) || EU_PARTS.contains(&&self.0)
    }

    pub(crate) fn from_bytes(letters: [u8; 2]) -> Option<Self> {
        TABLE.position(letters).map(|_| Self(letters))
    }
}

impl FromStr for CountryCode {
    type Err = BadCountry;

    fn from_str(text: &str) -> Result<Self, BadCountry> {
        let code = <[u8; 2]>::try_from(text.as_bytes()).ok().and_then(Self::from_bytes);
        code.ok_or_else(|| BadCountry { given: text.chars().take(20).collect() })
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The 27 members since 2020.
const EU_MEMBERS: [&[u8; 2]; 27] = [
    b"AT", b"BE", b"BG", b"HR", b"CY", b"CZ", b"DK", b"EE", b"FI", b"FR", b"DE", b"GR", b"HU", b"IE", b"IT",
    b"LV", b"LT", b"LU", b"MT", b"NL", b"PL", b"PT", b"RO", b"SK", b"SI", b"ES", b"SE",
];

/// Parts of members that the Treaties hold in (Articles 349 and 355 TFEU) and that ISO 3166 lists apart.
const EU_PARTS: [&[u8; 2]; 7] = [b"AX", b"GF", b"GP", b"MF", b"MQ", b"RE", b"YT"];

/// What is known about a country.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Country {
    /// Its letters.
    pub code: CountryCode,
    /// Its continent; where it lies on two, the one databases give.
    pub continent: Continent,
    /// A point amid its people, for distances.
    pub middle: Coordinates,
}

/// All countries, by their letters.
pub fn countries() -> &'static [Country] {
    &TABLE.countries
}

struct Table {
    countries: Vec<Country>,
    /// 26 × 26 letters → position + 1, 0 where there is no such country.
    by_letters: Vec<u16>,
}

impl Table {
    fn position(&self, letters: [u8; 2]) -> Option<usize> {
        let slot = *self.by_letters.get(slot(letters)?)?;
        usize::from(slot).checked_sub(1)
    }
}

fn slot([first, second]: [u8; 2]) -> Option<usize> {
    let letter = |b: u8| b.is_ascii_uppercase().then(|| usize::from(b - b'A'));
    Some(letter(first)? * 26 + letter(second)?)
}

/// Read from `data/centroids.csv`, whose every line a test reads.
static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let lines = include_str!("../data/centroids.csv").lines().skip(1);
    let countries: Vec<Country> = lines.filter_map(parse).collect();
    let mut by_letters = vec![0; 26 * 26];
    for (country, number) in countries.iter().zip(1u16..) {
        if let Some(entry) = slot(country.code.0).and_then(|slot| by_letters.get_mut(slot)) {
            *entry = number;
        }
    }
    Table { countries, by_letters }
});

fn parse(line: &str) -> Option<Country> {
    let mut fields = line.split(',');
    let code = CountryCode(fields.next()?.as_bytes().try_into().ok()?);
    let continent = Continent::from_code(fields.next()?)?;
    let middle = Coordinates::new(fields.next()?.parse().ok()?, fields.next()?.parse().ok()?).ok()?;
    Some(Country { code, continent, middle })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_country() {
        let lines = include_str!("../data/centroids.csv").lines().count() - 1;
        assert_eq!((countries().len(), lines), (250, 250));
        assert!(countries().is_sorted_by(|a, b| a.code < b.code));
        for country in countries() {
            assert_eq!(country.code.as_str().parse(), Ok(country.code));
            assert_eq!(country.code.country(), country);
        }
    }

    #[test]
    fn letters_that_name_no_country_are_refused() {
        for text in ["", "D", "DEU", "de", "ZZ", "EU", "UK", "??", "é", "D\0"] {
            assert!(text.parse::<CountryCode>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_union_has_27_members_and_its_parts() {
        let inside: Vec<_> = countries().iter().filter(|c| c.code.in_european_union()).collect();
        assert_eq!(inside.len(), 27 + 7);
        let check = |code: &str, inside: bool| {
            assert_eq!(code.parse::<CountryCode>().unwrap().in_european_union(), inside, "{code}");
        };
        check("DE", true);
        check("CY", true);
        check("RE", true);
        check("GB", false);
        check("CH", false);
        check("NO", false);
        check("PF", false);
    }

    #[test]
    fn countries_lie_on_their_continents() {
        let check = |code: &str, continent| {
            assert_eq!(code.parse::<CountryCode>().unwrap().country().continent, continent, "{code}");
        };
        check("DE", Continent::Europe);
        check("JP", Continent::Asia);
        check("BR", Continent::SouthAmerica);
        check("MX", Continent::NorthAmerica);
        check("AU", Continent::Oceania);
        check("ZA", Continent::Africa);
        check("AQ", Continent::Antarctica);
        assert_eq!(Continent::from_code("eu"), None);
    }
}
