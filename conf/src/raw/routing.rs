//! `[routing]` and `[[routing.residency]]`.

use super::Places;
use crate::field::{List, at_least_one, default};
use crate::reader::At;
use crate::section::section;
use crate::settings::RoutingSettings;
use crate::site::Site;
use crate::tables::{Tables, TablesRule};
use crate::value::Km;
use mcphub_geo::{ClientSelector, Country, ResidencyRule, Unplaced, countries};
use mcphub_routing::{Algorithm, LocationName};
use std::collections::BTreeSet;

section! {
    /// How a hub is chosen.
    RawRouting {
        /// The order within the preferred group of hubs.
        algorithm: At<Algorithm> = default(Algorithm::Geographic),
        /// Whether modern requests of one client keep to one hub. Legacy sessions always do.
        sticky_sessions: At<bool> = default(true),
        /// Edge hubs within this distance of a client come first. Half the equator is 20038 km.
        edge_radius: At<Km> = default(Km(1500)).within(Km(0), Km(20_038)),
        /// Whether a tool marked readOnlyHint or idempotentHint may be called again when its hub was lost.
        /// Only for fleets whose marks are true.
        trust_tool_annotations: At<bool> = default(false),
        /// Clients that must stay on hubs in certain locations, whatever happens.
        residency: Tables<RawResidency> = TablesRule::AnyNumber,
    }
    instead {
        "sticky" => "unknown key", "did you mean `sticky_sessions`?";
        "strategy" => "unknown key", "did you mean `algorithm`?";
    }
}

section! {
    /// Clients that must stay on hubs in certain locations, whatever happens.
    RawResidency {
        /// Whom it binds: two-letter ISO 3166-1 countries, "EU" for its member states, or "continent:EU" (AF,
        /// AN, AS, EU, NA, OC, SA). Where two rules bind a country, both hold.
        clients: List<ClientSelector> = at_least_one("clients = [\"EU\"]"),
        /// Where they may be served: names of [locations] with at least one hub.
        hubs_in: List<LocationName> = at_least_one("hubs_in = [\"…\"], names of [locations]"),
        /// What becomes of clients that cannot be placed: refuse them, since they might be bound by this
        /// rule, or allow them everywhere.
        unplaced: At<Unplaced> = default(Unplaced::Refuse),
    }
    instead {
        "countries" => "unknown key", "did you mean `clients`?";
        "locations" => "unknown key", "did you mean `hubs_in`?";
        "hubs" => "unknown key", "did you mean `hubs_in`?";
    }
}

/// A routing table carries one bit per rule, and one for none.
const RESIDENCY_MAX: usize = 63;

pub(super) fn lower(raw: &RawRouting, places: &Places, site: &Site<'_>) -> Option<RoutingSettings> {
    let rules = &raw.residency.items;
    if let Some(first) = rules.get(RESIDENCY_MAX) {
        let what = format!("more than {RESIDENCY_MAX} residency rules");
        site.book.mistake(&first.place, what, "put clients with the same hubs_in into one rule");
    }
    check_common(rules, site);
    for at in rules.iter().flat_map(|rule| &rule.hubs_in.items) {
        if places.check(at, site) {
            places.check_has_hubs(at, site);
        }
    }
    let residency = rules.iter().map(|rule| ResidencyRule {
        clients: rule.clients.values(),
        hubs_in: rule.hubs_in.values(),
        unplaced: rule.unplaced.value,
    });
    Some(RoutingSettings {
        algorithm: raw.algorithm.value,
        sticky_sessions: raw.sticky_sessions.value,
        edge_radius_km: f64::from(raw.edge_radius.value.0),
        trust_tool_annotations: raw.trust_tool_annotations.value,
        residency: residency.collect(),
    })
}

/// Where several rules bind a country all of them hold, so they must leave it somewhere to be served.
fn check_common(rules: &[RawResidency], site: &Site<'_>) {
    let sound = |rule: &&RawResidency| rule.clients.sound && rule.hubs_in.sound;
    let mut told = BTreeSet::new();
    for country in countries() {
        let binding: Vec<_> = rules.iter().filter(sound).filter(|rule| binds(rule, country)).collect();
        let Some((first, rest)) = binding.split_first() else { continue };
        let mut common = locations(first);
        for rule in rest {
            let before = common.clone();
            let own = locations(rule);
            common.retain(|name| own.contains(name));
            if common.is_empty() && !before.is_empty() && told.insert(&rule.place.key) {
                let place = rule.hubs_in.place.as_ref().unwrap_or(&rule.place);
                let what = format!("shares no location with the rules above that also bind {}", country.code);
                site.book.mistake(
                    place,
                    what,
                    "name a location that they name too, or bind each country once",
                );
            }
        }
    }
}

fn binds(rule: &RawResidency, country: &Country) -> bool {
    rule.clients.items.iter().any(|at| at.value.selects(country))
}

fn locations(rule: &RawResidency) -> BTreeSet<&LocationName> {
    rule.hubs_in.items.iter().map(|at| &at.value).collect()
}
