//! `[geo]`.

use crate::field::default;
use crate::reader::At;
use crate::section::section;
use crate::settings::{GeoDatabase, GeoSettings};
use crate::site::Site;
use crate::value::BuiltInOrFile;

section! {
    /// How an address becomes a place.
    RawGeo {
        /// "built-in" is the country file that ships with the gateway; else the path of a file in MaxMind's
        /// format. The file is watched and swapped whole.
        database: At<BuiltInOrFile> = default(BuiltInOrFile::BuiltIn),
    }
    instead {
        "db" => "unknown key", "did you mean `database`?";
        "path" => "unknown key", "did you mean `database`?";
    }
}

pub(super) fn lower(raw: &RawGeo, site: &Site<'_>) -> GeoSettings {
    let at = &raw.database;
    let database = match &at.value {
        BuiltInOrFile::BuiltIn => GeoDatabase::BuiltIn,
        BuiltInOrFile::File(path) => {
            let file = At { value: path.clone(), place: at.place.clone(), sound: true, written: true };
            GeoDatabase::File(site.existing(&file))
        }
    };
    GeoSettings { database }
}
