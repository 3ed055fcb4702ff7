//! `[gateway]` and `[admin]`.

use super::Places;
use crate::field::{default, optional, required};
use crate::reader::At;
use crate::section::section;
use crate::settings::{AdminSettings, GatewaySettings, Secret};
use crate::site::Site;
use crate::value::EnvName;
use mcphub_routing::LocationName;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

section! {
    /// Who this point of presence is.
    RawGateway {
        /// The name of this gateway in logs, metrics and answers to operators.
        name: At<String> = default("mcphub-edge".to_owned()),
        /// Where this gateway stands: one of [locations]. Clients that cannot be placed count as being here.
        location: Option<At<LocationName>> = required("location = \"…\", one of [locations]"),
        /// Worker threads; the number of cores where left out. A change needs a restart.
        threads: Option<At<usize>> = optional().within(1, 1024),
    }
    instead {
        "region" => "unknown key", "write location = \"…\", one of [locations]";
        "workers" => "unknown key", "did you mean `threads`?";
    }
}

pub(super) fn lower(raw: &RawGateway, places: &Places, site: &Site<'_>) -> Option<GatewaySettings> {
    let location = raw.location.as_ref()?;
    places.check(location, site);
    let threads = raw.threads.as_ref().and_then(|at| NonZeroUsize::new(at.value));
    let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    Some(GatewaySettings {
        name: raw.name.value.clone(),
        location: location.value.clone(),
        threads: threads.unwrap_or_else(cores),
    })
}

section! {
    /// The operators' HTTP interface.
    RawAdmin {
        /// IP address and port. Anything but a loopback address needs a token. A change needs a restart.
        address: At<SocketAddr> = default(SocketAddr::from((Ipv4Addr::LOCALHOST, 9090))),
        /// File that holds the bearer token, alone on its first line.
        token_file: Option<At<PathBuf>> = optional(),
        /// Environment variable that holds the bearer token.
        token_env: Option<At<EnvName>> = optional(),
    }
    instead {
        "token" => "a secret is never written into the configuration",
            "write token_file = \"admin.token\", or token_env = \"NAME\" of a variable that holds it", secret;
        "password" => "a secret is never written into the configuration",
            "put a token into a file and write token_file = \"admin.token\"", secret;
        "secret" => "a secret is never written into the configuration",
            "put a token into a file and write token_file = \"admin.token\"", secret;
    }
}

/// Shortest token that passes without a warning: 16 random characters hold some 96 bits.
const TOKEN_LEN_SAFE: usize = 16;

pub(super) fn lower_admin(raw: &RawAdmin, site: &Site<'_>) -> AdminSettings {
    let token = match (&raw.token_file, &raw.token_env) {
        (Some(_), Some(env)) => {
            site.book.mistake(&env.place, "the token has two sources", "keep token_file or token_env");
            None
        }
        (Some(file), None) => from_file(file, site),
        (None, Some(env)) => from_env(env, site),
        (None, None) => {
            if raw.address.sound && !is_loopback(&raw.address.value) {
                let what =
                    format!("{} is reachable from other machines, and there is no token", raw.address.value);
                site.book.mistake(
                    &raw.address.place,
                    what,
                    "write token_file or token_env, or a loopback address",
                );
            }
            None
        }
    };
    AdminSettings { address: raw.address.value, token }
}

/// Whether only this machine reaches `address`.
pub(super) fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn from_file(at: &At<PathBuf>, site: &Site<'_>) -> Option<Secret> {
    let (path, bytes) = site.contents(at);
    let bytes = bytes?;
    let text = String::from_utf8(bytes).unwrap_or_else(|_| "\0".to_owned());
    check_token(at, &format!("the token in {}", path.display()), text.trim_end_matches(['\r', '\n']), site)
}

fn from_env(at: &At<EnvName>, site: &Site<'_>) -> Option<Secret> {
    let name = &at.value.0;
    let Some(token) = (site.env)(name) else {
        let what = format!("the environment has no variable {name}");
        site.book.mistake(&at.place, what, "set it where the gateway is started, or write token_file");
        return None;
    };
    site.stamp(&at.place.key, token.as_bytes());
    check_token(at, &format!("the token in {name}"), &token, site)
}

fn check_token<T>(at: &At<T>, noun: &str, token: &str, site: &Site<'_>) -> Option<Secret> {
    if token.is_empty() {
        site.book.mistake(&at.place, format!("{noun} is empty"), "make one: openssl rand -hex 32");
        return None;
    }
    // What may follow `Authorization: Bearer`: visible ASCII without spaces.
    if token.len() > 4096 || !token.bytes().all(|b| b.is_ascii_graphic()) {
        let what = format!("{noun} cannot stand in a header");
        site.book.mistake(&at.place, what, "write one line of up to 4096 visible ASCII characters");
        return None;
    }
    if token.len() < TOKEN_LEN_SAFE {
        let what = format!("{noun} has fewer than {TOKEN_LEN_SAFE} characters");
        site.book.warning(&at.place, what, "make a longer one: openssl rand -hex 32");
    }
    Some(Secret::new(token))
}
