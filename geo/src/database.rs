//! Where is this address? A country or city database in MaxMind's format, checked whole when opened.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use maxminddb::{MaxMindDbError, Reader, WithinOptions};

use crate::record::Record;
use crate::{Continent, Coordinates, CountryCode};

/// Largest file that is opened, in bytes. The largest city databases on sale take about 150 MB.
const FILE_MAX: u64 = 1 << 30;

/// The country database that ships with the project; `data/README.md` says where it is from.
static BUILT_IN: &[u8] = include_bytes!("../data/country.mmdb");

/// How closely a place is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// The coordinates are the middle of the country.
    Country,
    /// The coordinates are those the database gives for the address.
    City,
}

/// Where an address is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The country.
    pub country: CountryCode,
    /// The continent of the country.
    pub continent: Continent,
    /// A point to measure distances from.
    pub coordinates: Coordinates,
    /// What that point is.
    pub precision: Precision,
}

/// What a database knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DatabaseKind {
    /// Countries.
    Country,
    /// Countries and coordinates.
    City,
}

/// A database could not be opened. The one in use stays in use.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file could not be read.
    #[error("cannot read the geographic database {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than any such database.
    #[error("the geographic database {path} has {size} bytes, more than the {FILE_MAX} that are read")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// There is no such database in these bytes: empty, cut short, damaged, or something else altogether.
    #[error("{path} is not a sound database in MaxMind's format")]
    Unsound {
        /// The file.
        path: PathBuf,
        /// The first thing that is wrong.
        #[source]
        source: MaxMindDbError,
    },
    /// It is sound but says nothing about countries.
    #[error("the database {path} is of type {kind:?}: a country or city database is needed")]
    NoCountries {
        /// The file.
        path: PathBuf,
        /// The type it gives itself.
        kind: String,
    },
}

enum Bytes {
    BuiltIn(Reader<&'static [u8]>),
    Owned(Reader<Vec<u8>>),
}

/// An open database. Lookups share it freely and never fail: what cannot be told is no place.
pub struct Database {
    bytes: Bytes,
    kind: DatabaseKind,
    source: PathBuf,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("source", &self.source)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// The country database that ships with the project. It is used where it lies, not copied.
    #[allow(clippy::missing_panics_doc)]
    pub fn built_in() -> Self {
        let reader = Reader::from_source(BUILT_IN).expect("the shipped database is opened by a test");
        Self { bytes: Bytes::BuiltIn(reader), kind: DatabaseKind::Country, source: PathBuf::from("built-in") }
    }

    /// Reads and checks a file whole. A city database of 100 MB takes a second or two: not on a request's thread.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the file.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let mut bytes = Vec::with_capacity(usize::try_from(size.min(FILE_MAX)).unwrap_or(0));
        // The size may have changed since, or be that of a device: the bound holds for what is really read.
        file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        let size = bytes.len() as u64;
        if size > FILE_MAX {
            return Err(OpenError::TooLarge { path: path.to_owned(), size });
        }
        Self::from_bytes(bytes, path)
    }

    /// Checks a database that is in memory already; `source` is what errors call it.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the bytes.
    pub fn from_bytes(bytes: Vec<u8>, source: &Path) -> Result<Self, OpenError> {
        let unsound = |error| OpenError::Unsound { path: source.to_owned(), source: error };
        let reader = Reader::from_source(bytes).map_err(unsound)?;
        let Some(kind) = check(&reader).map_err(unsound)? else {
            let kind = reader.metadata().database_type.chars().take(80).collect();
            return Err(OpenError::NoCountries { path: source.to_owned(), kind });
        };
        Ok(Self { bytes: Bytes::Owned(reader), kind, source: source.to_owned() })
    }

    /// What it knows.
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// The file it is from, or `built-in`.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// When it was made, in seconds since 1970.
    pub fn made_at(&self) -> u64 {
        match &self.bytes {
            Bytes::BuiltIn(reader) => reader.metadata().build_epoch,
            Bytes::Owned(reader) => reader.metadata().build_epoch,
        }
    }

    /// Where an address is. `None` for private and other addresses that are nowhere, and for those it does not know.
    pub fn lookup(&self, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        if !is_public(address) {
            return None;
        }
        let record = match &self.bytes {
            Bytes::BuiltIn(reader) => find(reader, address),
            Bytes::Owned(reader) => find(reader, address),
        }?;
        let country = record.country?.country();
        let (coordinates, precision) = match record.coordinates {
            Some(coordinates) => (coordinates, Precision::City),
            None => (country.middle, Precision::Country),
        };
        Some(Place { country: country.code, continent: country.continent, coordinates, precision })
    }
}

fn find<S: AsRef<[u8]>>(reader: &Reader<S>, address: IpAddr) -> Option<Record> {
    reader.lookup(address).ok()?.decode().ok()?
}

/// Walks the whole tree and reads every record once. `Ok(None)` when no record names a country.
fn check<S: AsRef<[u8]>>(reader: &Reader<S>) -> Result<Option<DatabaseKind>, MaxMindDbError> {
    // A tree of n nodes has at most 2n leaves. More means that its branches run in circles.
    let most = reader.metadata().node_count as usize * 2 + 2;
    let (mut kind, mut seen) = (None, BTreeSet::new());
    for (count, found) in reader.networks(WithinOptions::default())?.enumerate() {
        if count > most {
            return Err(MaxMindDbError::invalid_database("the search tree runs in circles"));
        }
        let found = found?;
        let Some(offset) = found.offset() else { continue };
        if !seen.insert(offset) {
            continue;
        }
        let record: Record = found.decode()?.unwrap_or_default();
        if record.country.is_some() {
            let city = record.coordinates.is_some() || kind == Some(DatabaseKind::City);
            kind = Some(if city { DatabaseKind::City } else { DatabaseKind::Country });
        }
    }
    Ok(kind)
}

/// Can this address be anywhere? Not if it is private, local, reserved for examples, or no single host's.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let special = match (a, b, c) {
        (0 | 10 | 127 | 224.., ..)
        | (169, 254, _)
        | (172, 16..=31, _)
        | (192, 168, _)
        | (198, 18 | 19, _)
        | (192, 0, 0 | 2)
        | (198, 51, 100)
        | (203, 0, 113) => true,
        // Shared between a provider and its customers (RFC 6598).
        (100, 64..=127, _) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [first, second, ..] = v6.segments();
    // Global unicast is 2000::/3; within it, 2001:db8::/32 is for examples.
    first & 0xE000 == 0x2000 && (first, second) != (0x2001, 0x0DB8)
}
