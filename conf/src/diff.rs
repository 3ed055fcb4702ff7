//! May the new configuration take the place of the old one, as a whole, now?

use crate::settings::{ListenerSettings, Settings};
use crate::{Loaded, Revision, Verdict};
use ring::digest::Context;
use std::net::SocketAddr;

impl Revision {
    /// Of the settings and the contents of the files they name.
    pub(crate) fn of(settings: &Settings, mut contents: Context) -> Self {
        // The derived text names every field in a fixed order; secrets in it are `***`, and their contents
        // are counted with those of the files.
        contents.update(format!("{settings:?}").as_bytes());
        let digest = contents.finish();
        let mut first = [0; 8];
        first.copy_from_slice(&digest.as_ref()[..8]);
        Self(u64::from_be_bytes(first))
    }
}

/// Compares two configurations. All or nothing: where any key needs a restart, nothing is swapped.
#[must_use]
pub fn diff(old: &Loaded, new: &Loaded) -> Verdict {
    if old.revision == new.revision {
        return Verdict::Unchanged;
    }
    let fields = restart_fields(&old.settings, &new.settings);
    if fields.is_empty() { Verdict::Swap } else { Verdict::NeedsRestart { fields } }
}

/// The keys that differ and cannot change while the process runs, by their names in the new file.
fn restart_fields(old: &Settings, new: &Settings) -> Vec<String> {
    let mut fields = Vec::new();
    if old.gateway.threads != new.gateway.threads {
        fields.push("gateway.threads".to_owned());
    }
    listener_fields(&old.listeners, &new.listeners, &mut fields);
    if old.admin.address != new.admin.address {
        fields.push("admin.address".to_owned());
    }
    if old.log.format != new.log.format {
        fields.push("log.format".to_owned());
    }
    if old.state != new.state {
        fields.push("state".to_owned());
    }
    fields
}

/// Listeners are the same by their address, whatever their order in the file.
fn listener_fields(old: &[ListenerSettings], new: &[ListenerSettings], fields: &mut Vec<String>) {
    let find = |address: SocketAddr| old.iter().find(|listener| listener.address == address);
    for (index, listener) in new.iter().enumerate() {
        let Some(before) = find(listener.address) else {
            fields.push(format!("listener[{index}].address"));
            continue;
        };
        for (changed, key) in [
            (before.tls.is_some() != listener.tls.is_some(), "tls"),
            (before.proxy_protocol != listener.proxy_protocol, "proxy_protocol"),
            (before.http2 != listener.http2, "http2"),
            (before.reuse_port != listener.reuse_port, "reuse_port"),
        ] {
            if changed {
                fields.push(format!("listener[{index}].{key}"));
            }
        }
    }
    let gone = old.iter().any(|before| !new.iter().any(|listener| listener.address == before.address));
    // A changed address is already named; a listener that is merely gone has no name in the new file.
    if fields.iter().all(|field| !field.ends_with("].address")) && (gone || old.len() != new.len()) {
        fields.push("listener".to_owned());
    }
}
