//! `[[hub]]`.

use super::Places;
use super::listener::RawListener;
use crate::field::{List, default, optional, optional_list, required};
use crate::reader::At;
use crate::section::section;
use crate::settings::{HubMetrics, HubScheme, HubSettings, HubUrl};
use crate::site::Site;
use crate::value::{Bytes, MetricsAt};
use mcphub_routing::{Era, EraSet, HubId, HubType, LocationName, Weight};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

section! {
    /// An upstream MCP endpoint.
    RawHub {
        /// Its lasting name, unique among the hubs; sealed into session ids and shown in metrics.
        id: Option<At<HubId>> = required("id = \"us-east-1\""),
        /// Its tier in the order of preference.
        r#type: Option<At<HubType>> = required("type = \"primary\", \"secondary\" or \"edge\""),
        /// Where it stands: one of [locations].
        location: Option<At<LocationName>> = required("location = \"…\", one of [locations]"),
        /// Its MCP endpoint: http or https, without credentials, query or fragment.
        url: Option<At<HubUrl>> = required("url = \"http://127.0.0.1:3001/mcp\""),
        /// How much it takes beside its peers; only the ratio matters. To take a hub out of service, drain
        /// it.
        weight: At<u32> = default(100).within(1, 1000),
        /// The protocol eras it serves; both where left out.
        eras: List<Era> = optional_list(),
        /// PEM file of the certificate authorities to trust for this https hub, in place of the system's.
        ca_file: Option<At<PathBuf>> = optional(),
        /// Where it exports Prometheus metrics: a path on the host and port of its url, or a whole URL.
        metrics: Option<At<MetricsAt>> = optional(),
        /// Of metrics: how many processors it may keep busy; 1 where left out.
        cpus: Option<At<f64>> = optional().within(0.01, 4096.0),
        /// Of metrics: how much memory it may fill; what the metrics say where left out.
        memory_limit: Option<At<Bytes>> = optional().within(Bytes(1 << 20), Bytes(1 << 50)),
    }
    instead {
        "name" => "unknown key", "did you mean `id`?";
        "region" => "unknown key", "did you mean `location`?";
        "address" => "unknown key", "did you mean `url`?";
        "tier" => "unknown key", "did you mean `type`?";
        "role" => "unknown key", "did you mean `type`?";
        "memory" => "unknown key", "did you mean `memory_limit`?";
        "metrics_url" => "unknown key", "did you mean `metrics`?";
        "metrics_path" => "unknown key", "did you mean `metrics`?";
    }
}

pub(super) fn lower(raw: &[RawHub], places: &Places, site: &Site<'_>) -> Option<Vec<HubSettings>> {
    check_unique(raw, site);
    let hubs: Vec<_> = raw.iter().map(|hub| lower_one(hub, places, site)).collect();
    check_eras(raw, site);
    hubs.into_iter().collect()
}

fn lower_one(raw: &RawHub, places: &Places, site: &Site<'_>) -> Option<HubSettings> {
    if let Some(location) = &raw.location {
        places.check(location, site);
    }
    if let Some(url) = &raw.url
        && url.value.path == "/"
    {
        let remedy = format!("did you mean \"{}mcp\"?", url.value);
        site.book.warning(&url.place, "the URL has no path", remedy);
    }
    let ca_file = raw.ca_file.as_ref().map(|at| {
        let metrics_tls = raw.metrics.as_ref().is_some_and(|at| at.value.is_https());
        if raw.url.as_ref().is_some_and(|url| url.value.scheme == HubScheme::Http) && !metrics_tls {
            site.book.warning(
                &at.place,
                "has no effect on an http hub",
                "write an https url, or leave it out",
            );
        }
        site.pem(at, "CERTIFICATE")
    });
    let metrics = lower_metrics(raw, site);
    Some(HubSettings {
        id: raw.id.as_ref()?.value.clone(),
        hub_type: raw.r#type.as_ref()?.value,
        location: raw.location.as_ref()?.value.clone(),
        url: raw.url.as_ref()?.value.clone(),
        weight: Weight::new(raw.weight.value)?,
        eras: lower_eras(&raw.eras, site)?,
        ca_file,
        metrics,
    })
}

fn lower_metrics(raw: &RawHub, site: &Site<'_>) -> Option<HubMetrics> {
    let Some(at) = &raw.metrics else {
        let written = [raw.cpus.as_ref().map(|at| &at.place), raw.memory_limit.as_ref().map(|at| &at.place)];
        for place in written.into_iter().flatten() {
            site.book.warning(
                place,
                "has no effect without metrics",
                "write metrics = \"/metrics\", or leave it out",
            );
        }
        return None;
    };
    let hub = &raw.url.as_ref()?.value;
    let url = match &at.value {
        MetricsAt::Path(path) => HubUrl { path: path.0.clone(), ..hub.clone() },
        MetricsAt::Url(url) => url.clone(),
    };
    if url == *hub {
        site.book.mistake(&at.place, "is the MCP endpoint itself", "write where the metrics are");
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0.01 to 4096")]
    let millicpus = raw.cpus.as_ref().map_or(1000, |at| (at.value * 1000.0).round() as u32);
    let memory_limit = raw.memory_limit.as_ref().map(|at| at.value.0 as u64);
    Some(HubMetrics { url, millicpus, memory_limit })
}

/// `Some(None)` where the key is left out.
fn lower_eras(raw: &List<Era>, site: &Site<'_>) -> Option<Option<EraSet>> {
    let Some(place) = &raw.place else { return Some(None) };
    if raw.items.is_empty() {
        if raw.sound {
            let remedy = "write \"legacy\", \"modern\" or both, or leave the key out";
            site.book.mistake(place, "a hub without an era serves nobody", remedy);
        }
        return None;
    }
    let mut eras = EraSet::NONE;
    for at in &raw.items {
        if eras.contains(at.value) {
            site.book.mistake(&at.place, format!("\"{}\" is there twice", at.value), "keep one of them");
        }
        eras = eras.with(at.value);
    }
    Some(Some(eras))
}

fn check_unique(raw: &[RawHub], site: &Site<'_>) {
    let mut ids: BTreeMap<&HubId, &At<HubId>> = BTreeMap::new();
    let mut urls: BTreeMap<String, &At<HubUrl>> = BTreeMap::new();
    for hub in raw {
        if let Some(at) = &hub.id {
            if let Some(first) = ids.get(&at.value) {
                let line = site.book.line_of(first.place.span.start);
                let what = format!("\"{}\" is already the id of the hub in line {line}", at.value);
                site.book.mistake(&at.place, what, "give each hub an id of its own");
            }
            ids.entry(&at.value).or_insert(at);
        }
        if let Some(at) = &hub.url {
            let url = at.value.to_string();
            if let Some(first) = urls.get(&url) {
                let line = site.book.line_of(first.place.span.start);
                let what = format!("the hub in line {line} has the same url");
                site.book.warning(
                    &at.place,
                    what,
                    "list each hub once: failing over from it to itself helps nobody",
                );
            }
            urls.entry(url).or_insert(at);
        }
    }
}

/// All hubs of one fleet should serve the same eras: a session of the one cannot move to the other.
fn check_eras(raw: &[RawHub], site: &Site<'_>) {
    let set = |list: &List<Era>| list.items.iter().fold(EraSet::NONE, |set, at| set.with(at.value));
    let mut given = raw.iter().filter(|hub| !hub.eras.items.is_empty() && hub.eras.sound);
    let Some(first) = given.next() else { return };
    for hub in given {
        if let (true, Some(place)) = (set(&hub.eras) != set(&first.eras), &hub.eras.place) {
            let what = format!("differs from {}.eras", first.place.key);
            site.book.warning(place, what, "hubs of one fleet should serve the same eras");
        }
    }
}

/// A hub that is this gateway would send every request round in a circle.
pub(super) fn check_loops(hubs: &[RawHub], listeners: &[RawListener], site: &Site<'_>) {
    for hub in hubs.iter().filter_map(|hub| hub.url.as_ref()) {
        let ip = match hub.value.host.as_str() {
            "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
            host => host.parse::<IpAddr>().ok(),
        };
        let addresses = listeners.iter().filter_map(|listener| listener.address.as_ref());
        let own = addresses.into_iter().find(|at| {
            let (own, port) = (at.value.ip(), at.value.port());
            let same = ip.is_some_and(|ip| ip == own || (own.is_unspecified() && ip.is_loopback()));
            port == hub.value.port && same
        });
        if let Some(own) = own {
            let what = format!("points at this gateway itself ({})", own.place.key);
            site.book.mistake(&hub.place, what, "write the URL of the hub");
        }
    }
}
