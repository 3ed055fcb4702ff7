//! `[state]`.

use crate::book::Place;
use crate::field::{default, optional};
use crate::reader::At;
use crate::section::section;
use crate::settings::StateSettings;
use crate::site::Site;
use crate::value::{Backend, NatsUrl};
use std::path::PathBuf;

section! {
    /// Where session records are kept. A change needs a restart.
    RawState {
        /// A file on this machine, or NATS JetStream shared by many points of presence.
        backend: At<Backend> = default(Backend::Embedded),
        /// Of backend = "embedded": the folder of the file; created where missing.
        directory: At<PathBuf> = default(PathBuf::from("state")),
        /// Of backend = "nats": the server, without credentials.
        url: Option<At<NatsUrl>> = optional(),
    }
    instead {
        "path" => "unknown key", "did you mean `directory`?";
        "type" => "unknown key", "did you mean `backend`?";
    }
}

pub(super) fn lower(raw: &RawState, site: &Site<'_>) -> Option<StateSettings> {
    match raw.backend.value {
        Backend::Embedded => {
            if let (Some(url), true) = (&raw.url, raw.backend.sound) {
                let remedy = "write backend = \"nats\", or leave it out";
                site.book.mistake(&url.place, "has no effect on the embedded backend", remedy);
            }
            let directory = site.resolve_unwatched(&raw.directory.value);
            if directory.exists() && !directory.is_dir() {
                let what = format!("{} is not a folder", directory.display());
                site.book.mistake(&raw.directory.place, what, "name a folder");
            }
            Some(StateSettings::Embedded { directory })
        }
        Backend::Nats => {
            if raw.directory.written {
                site.book.warning(&raw.directory.place, "has no effect on the nats backend", "leave it out");
            }
            let Some(url) = &raw.url else {
                let place = Place { key: "state.url".to_owned(), span: raw.backend.place.span.clone() };
                site.book.mistake_once(&place, "missing", "write url = \"nats://127.0.0.1:4222\"");
                return None;
            };
            Some(StateSettings::Nats { url: url.value.0.clone() })
        }
    }
}
