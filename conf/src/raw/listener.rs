//! `[[listener]]`.

use super::gateway::{RawAdmin, is_loopback};
use crate::book::Place;
use crate::field::{List, any_number, default, optional_list, required};
use crate::reader::At;
use crate::section::section;
use crate::settings::{AllowedHost, AllowedHosts, ListenerSettings, ProxyProtocol, TlsSettings};
use crate::site::Site;
use crate::tables::{Maybe, Table};
use crate::value::{HostEntry, Origin, UrlPath};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

section! {
    /// Where clients arrive and who they may be.
    RawListener {
        /// IP address and port; port 0 takes any free one. A change needs a restart.
        address: Option<At<SocketAddr>> = required("address = \"127.0.0.1:8080\""),
        /// The MCP endpoint; everything below it is passed on to the hub.
        path: At<UrlPath> = default(UrlPath("/mcp".to_owned())),
        /// Networks of the proxies in front of this listener, whose X-Forwarded-For, Forwarded and PROXY
        /// header are believed.
        trusted_proxies: List<IpNet> = any_number(),
        /// Whether a PROXY protocol header (version 1 or 2) opens a connection; believed from trusted_proxies
        /// only. A change needs a restart.
        proxy_protocol: At<ProxyProtocol> = default(ProxyProtocol::Off),
        /// The Host values that are served, with or without a port; ["*"] is any. On a loopback address it
        /// may be left out, and then means that address and localhost.
        allowed_hosts: List<HostEntry> = optional_list(),
        /// The browsers' Origin values that are served. Empty: only requests without one, or of the same
        /// host.
        allowed_origins: List<Origin> = any_number(),
        /// Certificate and key; cleartext where left out. Turning it on or off needs a restart.
        tls: Maybe<RawTls> = Table,
        /// HTTP/2: by ALPN with TLS, by prior knowledge in cleartext. A change needs a restart.
        http2: At<bool> = default(true),
        /// SO_REUSEPORT, so that another process may listen on the same address. A change needs a restart.
        reuse_port: At<bool> = default(false),
    }
    instead {
        "port" => "unknown key", "the port is part of address, such as address = \"127.0.0.1:8080\"";
        "listen" => "unknown key", "did you mean `address`?";
        "bind" => "unknown key", "did you mean `address`?";
        "cert" => "unknown key", "write tls = { certificate = \"cert.pem\", key = \"key.pem\" }";
        "certificate" => "unknown key", "write tls = { certificate = \"cert.pem\", key = \"key.pem\" }";
    }
}

section! {
    /// A certificate and its key.
    RawTls {
        /// PEM file: the certificate, then its chain. Read again when it changes.
        certificate: Option<At<PathBuf>> = required("certificate = \"cert.pem\""),
        /// PEM file: the private key. Read again when it changes.
        key: Option<At<PathBuf>> = required("key = \"key.pem\""),
    }
    instead {
        "cert" => "unknown key", "did you mean `certificate`?";
        "cert_file" => "unknown key", "did you mean `certificate`?";
        "key_file" => "unknown key", "did you mean `key`?";
    }
}

pub(super) fn lower(raw: &[RawListener], admin: &RawAdmin, site: &Site<'_>) -> Option<Vec<ListenerSettings>> {
    check_addresses(raw, admin, site);
    let listeners: Vec<_> = raw.iter().map(|listener| lower_one(listener, site)).collect();
    listeners.into_iter().collect()
}

fn lower_one(raw: &RawListener, site: &Site<'_>) -> Option<ListenerSettings> {
    check_proxies(raw, site);
    let allowed_hosts = lower_hosts(raw, site);
    let tls = match &raw.tls.0 {
        None => Some(None),
        Some(tls) => lower_tls(tls, site).map(Some),
    };
    Some(ListenerSettings {
        address: raw.address.as_ref()?.value,
        path: raw.path.value.0.clone(),
        trusted_proxies: raw.trusted_proxies.values(),
        proxy_protocol: raw.proxy_protocol.value,
        allowed_hosts: allowed_hosts?,
        allowed_origins: raw.allowed_origins.items.iter().map(|at| at.value.0.clone()).collect(),
        tls: tls?,
        http2: raw.http2.value,
        reuse_port: raw.reuse_port.value,
    })
}

fn lower_tls(raw: &RawTls, site: &Site<'_>) -> Option<TlsSettings> {
    let certificate = raw.certificate.as_ref().map(|at| site.pem(at, "CERTIFICATE"));
    let key = raw.key.as_ref().map(|at| site.pem(at, "PRIVATE KEY"));
    Some(TlsSettings { certificate: certificate?, key: key? })
}

fn check_proxies(raw: &RawListener, site: &Site<'_>) {
    for at in &raw.trusted_proxies.items {
        if at.value.prefix_len() == 0 {
            let what = format!("\"{}\" lets every client choose its own address", at.value);
            site.book.warning(&at.place, what, "name the networks of your proxies");
        }
    }
    let nobody = raw.trusted_proxies.items.is_empty() && raw.trusted_proxies.sound;
    if !(nobody && raw.proxy_protocol.sound) {
        return;
    }
    let remedy = "name the proxies in trusted_proxies";
    match raw.proxy_protocol.value {
        ProxyProtocol::Off => {}
        ProxyProtocol::Optional => {
            site.book.warning(&raw.proxy_protocol.place, "no PROXY header is ever believed", remedy);
        }
        ProxyProtocol::Required => {
            site.book.mistake(&raw.proxy_protocol.place, "every connection would be refused", remedy);
        }
    }
}

fn lower_hosts(raw: &RawListener, site: &Site<'_>) -> Option<AllowedHosts> {
    let Some(place) = &raw.allowed_hosts.place else {
        return default_hosts(raw, site);
    };
    let entries = &raw.allowed_hosts.items;
    if entries.is_empty() {
        if raw.allowed_hosts.sound {
            let remedy = "name the hosts that clients use, or leave the key out on a loopback address";
            site.book.mistake(place, "an empty list refuses every request", remedy);
        }
        return None;
    }
    let any = entries.iter().find(|at| at.value == HostEntry::Any);
    match any {
        Some(at) if entries.len() > 1 => {
            site.book.mistake(
                &at.place,
                "\"*\" stands beside other hosts",
                "keep \"*\" alone, or the others",
            );
            None
        }
        Some(_) => Some(AllowedHosts::Any),
        None => {
            let hosts = entries.iter().filter_map(|at| match &at.value {
                HostEntry::One(host) => Some(host.clone()),
                HostEntry::Any => None,
            });
            Some(AllowedHosts::Only(hosts.collect()))
        }
    }
}

/// Without `allowed_hosts`: a loopback listener serves its own names. Any other must say what it is called,
/// since a page that rebinds its name to our address would otherwise reach the hubs.
fn default_hosts(raw: &RawListener, site: &Site<'_>) -> Option<AllowedHosts> {
    let at = raw.address.as_ref()?;
    let address = at.value;
    if !is_loopback(&address) {
        let place = Place { key: format!("{}.allowed_hosts", raw.place.key), span: at.place.span.clone() };
        let what = format!("missing, and {address} is reachable from other machines");
        let remedy = "write allowed_hosts = [\"mcp.example.com\"], the names that clients use, or [\"*\"]";
        site.book.mistake(&place, what, remedy);
        return None;
    }
    let port = (address.port() != 0).then_some(address.port());
    let own = match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let named = |host: String| AllowedHost { host, port };
    Some(AllowedHosts::Only(vec![named(own), named("localhost".to_owned())]))
}

/// No two of our own sockets may want the same address and port.
fn check_addresses(raw: &[RawListener], admin: &RawAdmin, site: &Site<'_>) {
    let mut taken: Vec<&At<SocketAddr>> = Vec::new();
    let listeners = raw.iter().filter_map(|listener| listener.address.as_ref());
    for at in listeners.chain([&admin.address]).filter(|at| at.sound) {
        if let Some(other) = taken.iter().find(|other| overlap(other.value, at.value)) {
            let what = format!("{} is already taken by {} ({})", at.value, other.place.key, other.value);
            let free = "write another port";
            // The default of `admin.address` has no place of its own to mend.
            let place = if at.written { &at.place } else { &other.place };
            let what =
                if at.written { what } else { format!("{} is already taken by admin.address", at.value) };
            site.book.mistake(place, what, free);
        }
        taken.push(at);
    }
}

fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    if a.port() != b.port() || a.port() == 0 {
        return false;
    }
    // An unspecified IPv6 address also takes IPv4 connections; that of IPv4 only its own.
    let covers = |wide: SocketAddr, other: SocketAddr| {
        wide.ip().is_unspecified() && (wide.is_ipv6() || other.is_ipv4())
    };
    a.ip() == b.ip() || covers(a, b) || covers(b, a)
}
