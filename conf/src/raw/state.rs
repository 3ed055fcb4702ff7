//! `[state]`.

use crate::book::Place;
use crate::field::{default, optional};
use crate::reader::At;
use crate::section::section;
use crate::settings::{NatsSettings, StateSettings};
use crate::site::Site;
use crate::value::{Backend, BucketName, NatsUrls};
use std::path::PathBuf;

section! {
    /// Where session records are kept. A change needs a restart.
    RawState {
        /// A file on this machine, or NATS JetStream shared by many points of presence.
        backend: At<Backend> = default(Backend::Embedded),
        /// Of backend = "embedded": the folder of the file; created where missing.
        directory: At<PathBuf> = default(PathBuf::from("state")),
        /// Of backend = "nats": the server, or a list of servers of one cluster, without credentials; tls:// for
        /// TLS, with the authorities that the system trusts.
        url: Option<At<NatsUrls>> = optional(),
        /// Of backend = "nats": the JetStream key-value bucket; created where missing.
        bucket: At<BucketName> = default(BucketName("mcphub-sessions".to_owned())),
        /// Of backend = "nats": how many servers keep the bucket, where it is created. 3 outlive the loss of one.
        replicas: At<u16> = default(1).within(1, 5),
        /// Of backend = "nats": file that holds what to log in with: a .creds file, or one line, user:password or a
        /// token. It is read again for each connection.
        credentials_file: Option<At<PathBuf>> = optional(),
    }
    instead {
        "credentials" => "a secret is never written into the configuration",
            "put it into a file and write credentials_file = \"nats.creds\"", secret;
        "token" => "a secret is never written into the configuration",
            "put it into a file and write credentials_file = \"nats.token\"", secret;
        "password" => "a secret is never written into the configuration",
            "put user:password into a file and write credentials_file = \"nats.login\"", secret;
        "urls" => "unknown key", "did you mean `url`?";
        "path" => "unknown key", "did you mean `directory`?";
        "type" => "unknown key", "did you mean `backend`?";
    }
}

pub(super) fn lower(raw: &RawState, site: &Site<'_>) -> Option<StateSettings> {
    match raw.backend.value {
        Backend::Embedded => {
            let of_nats = [
                raw.url.as_ref().map(|url| &url.place),
                raw.bucket.written.then_some(&raw.bucket.place),
                raw.replicas.written.then_some(&raw.replicas.place),
                raw.credentials_file.as_ref().map(|file| &file.place),
            ];
            for place in of_nats.into_iter().flatten().filter(|_| raw.backend.sound) {
                let remedy = "write backend = \"nats\", or leave it out";
                site.book.mistake(place, "has no effect on the embedded backend", remedy);
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
            let credentials_file = raw.credentials_file.as_ref().map(|file| site.existing(file));
            let Some(url) = &raw.url else {
                let place = Place { key: "state.url".to_owned(), span: raw.backend.place.span.clone() };
                site.book.mistake_once(&place, "missing", "write url = \"nats://127.0.0.1:4222\"");
                return None;
            };
            Some(StateSettings::Nats(NatsSettings {
                urls: url.value.0.clone(),
                bucket: raw.bucket.value.0.clone(),
                replicas: raw.replicas.value,
                credentials_file,
            }))
        }
    }
}
