//! `[session]`.

use crate::field::{List, default, default_list};
use crate::reader::At;
use crate::section::section;
use crate::settings::SessionSettings;
use crate::site::Site;
use mcphub_session::{Bind, KEYS_MAX};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

const DAY: u64 = 86_400;

section! {
    /// Sealed session ids and their life.
    RawSession {
        /// Key files: the first seals, all open. A missing one is created on the first start; points of
        /// presence that share sessions share them. Put a new key first, and drop an old one once max_age has
        /// passed.
        key_files: List<PathBuf> = default_list(vec![PathBuf::from("session.key")]),
        /// What of a client's credential a session is bound to: its subject (issuer and subject of a JWT,
        /// else the hash of the credential), the credential itself, or nothing.
        bind: At<Bind> = default(Bind::Subject),
        /// A session without a request in flight for this long ends.
        idle_age: At<Duration> =
            default(Duration::from_secs(DAY)).within(Duration::from_secs(60), Duration::from_secs(365 * DAY)),
        /// A session older than this ends; not below idle_age.
        max_age: At<Duration> =
            default(Duration::from_secs(30 * DAY)).within(Duration::from_secs(60), Duration::from_secs(365 * DAY)),
    }
    instead {
        "key" => "a secret is never written into the configuration", "write key_files = [\"session.key\"]", secret;
        "key_file" => "unknown key", "write key_files = [\"session.key\"], a list";
    }
}

pub(super) fn lower(raw: &RawSession, site: &Site<'_>) -> SessionSettings {
    let files = &raw.key_files;
    if let (Some(place), true, true) = (&files.place, files.items.is_empty(), files.sound) {
        site.book.mistake(
            place,
            "an empty list: nothing could be sealed",
            "write key_files = [\"session.key\"]",
        );
    }
    if let (Some(place), true) = (&files.place, files.items.len() > KEYS_MAX) {
        let what = format!("more than {KEYS_MAX} key files");
        site.book.mistake(place, what, "drop those whose sessions are older than max_age");
    }
    let mut seen = BTreeSet::new();
    let key_files: Vec<_> = files.items.iter().map(|at| check_key_file(at, &mut seen, site)).collect();
    let (idle, max) = (&raw.idle_age, &raw.max_age);
    if idle.sound && max.sound && idle.value > max.value {
        let at = if max.written { max } else { idle };
        site.book.mistake(
            &at.place,
            "idle_age is longer than max_age",
            "write an idle_age not above max_age",
        );
    }
    SessionSettings { key_files, bind: raw.bind.value, idle_age: idle.value, max_age: max.value }
}

/// A key file may be missing: the gateway creates it. What is there must be readable.
fn check_key_file(at: &At<PathBuf>, seen: &mut BTreeSet<PathBuf>, site: &Site<'_>) -> PathBuf {
    let path = site.base_dir.join(&at.value);
    if !seen.insert(path.clone()) {
        site.book.mistake(&at.place, "the same key file twice", "name each key file once");
    } else if path.exists() {
        return site.contents(at).0;
    } else if let Some(folder) =
        path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
    {
        let what = format!("the folder {} does not exist", folder.display());
        site.book.mistake(&at.place, what, "create it, or mend the path");
    }
    site.resolve(&at.value)
}
