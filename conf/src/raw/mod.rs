//! The file as people write it: one module per table, each with its keys and its way to settings.

mod cache;
mod failover;
mod gateway;
mod geo;
mod health;
mod hub;
mod limits;
mod listener;
mod locations;
mod log;
mod predictor;
mod routing;
mod session;
mod shutdown;
mod state;
mod upstream;

use crate::book::Place;
use crate::reader::TableReader;
use crate::section::section;
use crate::settings::Settings;
use crate::site::Site;
use crate::suggest::{nearest, one_of};
use crate::tables::{Named, NamedRule, Sub, Table, Tables, TablesRule};
use mcphub_routing::LocationName;
use std::collections::BTreeSet;
use toml::de::DeTable;

section! {
    /// The configuration of mcphub-edge.
    RawRoot {
        /// Who this point of presence is.
        gateway: Sub<gateway::RawGateway> = Table,
        /// Where clients arrive and who they may be.
        listener: Tables<listener::RawListener> =
            TablesRule::AtLeastOne("[[listener]] with address = \"127.0.0.1:8080\""),
        /// The operators' HTTP interface.
        admin: Sub<gateway::RawAdmin> = Table,
        /// Every place where hubs or this gateway stand, by name.
        locations: Named<LocationName, locations::RawLocation> =
            NamedRule("us-east = { latitude = 39.0, longitude = -77.5 } below [locations]"),
        /// The upstream MCP endpoints.
        hub: Tables<hub::RawHub> = TablesRule::AtLeastOne("[[hub]] with id, type, location and url"),
        /// How a hub is chosen.
        routing: Sub<routing::RawRouting> = Table,
        /// How an address becomes a place.
        geo: Sub<geo::RawGeo> = Table,
        /// How hubs are watched.
        health: Sub<health::RawHealth> = Table,
        /// How far the gateway goes when hubs fail.
        failover: Sub<failover::RawFailover> = Table,
        /// Whether and how far ahead failure is forecast.
        predictor: Sub<predictor::RawPredictor> = Table,
        /// Sealed session ids and their life.
        session: Sub<session::RawSession> = Table,
        /// Where session records are kept.
        state: Sub<state::RawState> = Table,
        /// Bounds on what clients and hubs may send.
        limits: Sub<limits::RawLimits> = Table,
        /// Waits, pools and retries towards hubs.
        upstream: Sub<upstream::RawUpstream> = Table,
        /// What is answered without asking a hub.
        cache: Sub<cache::RawCache> = Table,
        /// How the gateway stops.
        shutdown: Sub<shutdown::RawShutdown> = Table,
        /// What is written to the log and how.
        log: Sub<log::RawLog> = Table,
    }
    instead {
        "location" => "unknown key", "places are listed in [locations]";
        "upstreams" => "unknown key", "hubs are listed as [[hub]]";
        "server" => "unknown key", "clients arrive at [[listener]], hubs are listed as [[hub]]";
    }
}

/// Reads the whole file: every unknown key and every wrong value is a mistake.
pub(crate) fn read<'a>(book: &'a crate::book::Book<'a>, table: &'a DeTable<'a>) -> RawRoot {
    let place = Place { key: String::new(), span: 0..0 };
    TableReader::new(book, place, Some(table)).section()
}

/// Judges the values beside each other and makes settings of them; `None` only beside mistakes.
pub(crate) fn lower(raw: &RawRoot, site: &Site<'_>) -> Option<Settings> {
    let places = Places::of(raw);
    // Each section is lowered whatever became of the others: all mistakes at once.
    let gateway = gateway::lower(&raw.gateway.0, &places, site);
    let listeners = listener::lower(&raw.listener.items, &raw.admin.0, site);
    let admin = gateway::lower_admin(&raw.admin.0, site);
    let locations = locations::lower(&raw.locations);
    let hubs = hub::lower(&raw.hub.items, &places, site);
    let routing = routing::lower(&raw.routing.0, &places, site);
    let geo = geo::lower(&raw.geo.0, site);
    let health = health::lower(&raw.health.0, &raw.hub.items, site);
    let failover = failover::lower(&raw.failover.0, raw.hub.items.len(), site);
    let session = session::lower(&raw.session.0, site);
    let state = state::lower(&raw.state.0, site);
    let limits = limits::lower(&raw.limits.0, site);
    hub::check_loops(&raw.hub.items, &raw.listener.items, site);
    Some(Settings {
        gateway: gateway?,
        listeners: listeners?,
        admin,
        locations: locations?,
        hubs: hubs?,
        routing: routing?,
        geo,
        health,
        failover,
        predictor: predictor::lower(&raw.predictor.0, site),
        session,
        state: state?,
        limits,
        upstream: upstream::lower(&raw.upstream.0),
        cache: cache::lower(&raw.cache.0),
        shutdown: shutdown::lower(&raw.shutdown.0),
        log: log::lower(&raw.log.0),
    })
}

/// The locations of the file, and which of them have hubs.
pub(crate) struct Places {
    /// `None` where `[locations]` itself is in doubt: nothing may be concluded from a name not found.
    known: Option<BTreeSet<LocationName>>,
    /// `None` where a hub's location is in doubt.
    with_hubs: Option<BTreeSet<LocationName>>,
}

impl Places {
    fn of(raw: &RawRoot) -> Self {
        let names = raw.locations.items.iter().map(|(name, _)| name.value.clone()).collect();
        let of_hubs = raw.hub.items.iter().map(|hub| hub.location.as_ref().map(|at| at.value.clone()));
        let with_hubs = of_hubs.collect::<Option<BTreeSet<_>>>().filter(|places| !places.is_empty());
        Self { known: raw.locations.sound.then_some(names), with_hubs }
    }

    /// A mistake unless `name` stands in `[locations]`.
    fn check(&self, at: &crate::reader::At<LocationName>, site: &Site<'_>) -> bool {
        let Some(known) = &self.known else { return true };
        if known.contains(&at.value) {
            return true;
        }
        let names: Vec<_> = known.iter().map(LocationName::as_str).collect();
        let remedy = match nearest(at.value.as_str(), names.iter().copied()) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None if names.len() > 12 => "write one of its names, or add it there".to_owned(),
            None => format!("write {}, or add it there", one_of(&names)),
        };
        site.book.mistake(&at.place, format!("\"{}\" is not in [locations]", at.value), remedy);
        false
    }

    /// A mistake unless some hub stands at `name`.
    fn check_has_hubs(&self, at: &crate::reader::At<LocationName>, site: &Site<'_>) {
        if let Some(with_hubs) = &self.with_hubs
            && !with_hubs.contains(&at.value)
        {
            let names: Vec<_> = with_hubs.iter().map(LocationName::as_str).collect();
            let remedy = format!("hubs stand in {}", one_of(&names[..names.len().min(12)]));
            site.book.mistake(&at.place, format!("no hub stands in \"{}\"", at.value), remedy);
        }
    }
}
