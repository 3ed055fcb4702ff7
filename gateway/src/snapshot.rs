//! What does a request see of the world? One value, published whole.
//!
//! A [`Snapshot`] is a routing table together with everything that was laid out for it: places, upstreams, keys,
//! listeners, settings. A request takes it once. What changes (a reload, a geographic database, a plan of the control
//! loop) makes the next one, sharing with the last what stayed as it was.

use crate::cache::Cache;
use crate::forecast::speaker::{Speaker, SpeakerError};
use crate::keys::{self, KeyFileError};
use crate::listen::client_addr::TrustedProxies;
use crate::listen::tls::{self, CertificateError};
use crate::observe::metrics::Metrics;
use crate::probe::Prober;
use crate::upstream::{TrustError, Upstream};
use mcphub_conf::settings::{GeoDatabase, HubSettings, ListenerSettings, SessionBind, Settings};
use mcphub_geo::{Coordinates, Database, HubSites, PlaceBook, ResidencyError, Standing};
use mcphub_routing::{
    EraSet, Generation, Generational, HubSpec, HubState, LocationName, RoutingTable, Share, SpecError,
    TableSpec,
};
use mcphub_session::{Bind, Sealer};
use rustls::sign::CertifiedKey;
use std::net::IpAddr;
use std::sync::Arc;

/// Everything a request may ask for.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Which accepted configuration this is, counted from 1.
    pub revision: u64,
    /// The settings.
    pub settings: Arc<Settings>,
    /// The routing table.
    pub table: Arc<RoutingTable>,
    /// One for each hub of the table, in its order.
    pub upstreams: Arc<[Arc<Upstream>]>,
    /// How each hub is asked whether it is well, in the table's order.
    pub probers: Arc<[Arc<Prober>]>,
    /// One for each listener of the settings, in the order in which they were opened.
    pub listeners: Arc<[Listener]>,
    /// Seals and opens session ids.
    pub sealer: Arc<Sealer>,
    /// What of a credential a session, or a habit, is bound to.
    pub bind: Bind,
    /// What may be answered without asking a hub, unless that is switched off.
    pub cache: Option<Arc<Cache>>,
    /// Where addresses are.
    pub geo: Arc<Database>,
    /// The model that the settings name; `None` where the one that ships cannot be read.
    pub speaker: Option<Arc<Speaker>>,
    places: Arc<PlaceBook>,
}

/// A listener's settings, ready for use.
#[derive(Debug)]
pub struct Listener {
    /// As configured.
    pub settings: ListenerSettings,
    /// Whose word about the client is believed.
    pub trusted: TrustedProxies,
    /// What it shows to TLS clients.
    pub certificate: Option<Arc<CertifiedKey>>,
}

/// Why no snapshot could be made of sound settings.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The routing table.
    #[error("the routing table cannot be laid out")]
    Table(#[source] SpecError),
    /// A location that is named and not there.
    #[error("there is no location `{0}`")]
    Location(LocationName),
    /// The residency rules.
    #[error("the residency rules cannot hold together")]
    Residency(#[source] ResidencyError),
    /// The geographic database.
    #[error("the geographic database cannot be used")]
    Geo(#[source] mcphub_geo::OpenError),
    /// The model that forecasts are made by.
    #[error("the model of failures cannot be used")]
    Model(#[source] SpeakerError),
    /// A hub's certificate authorities.
    #[error("hub {hub} cannot be reached safely")]
    Trust {
        /// Which hub.
        hub: String,
        /// Why.
        #[source]
        source: TrustError,
    },
    /// A listener's certificate.
    #[error("listener {address} has no certificate to show")]
    Certificate {
        /// Which listener.
        address: String,
        /// Why.
        #[source]
        source: CertificateError,
    },
    /// The session keys.
    #[error("the session keys cannot be used")]
    Keys(#[source] KeyFileError),
}

impl Snapshot {
    /// Makes a snapshot of these settings. What `previous` has and nothing changed about is shared with it.
    ///
    /// Reads the files that the settings name, and creates session keys that do not exist yet.
    ///
    /// # Errors
    /// The first thing that cannot be used. Nothing has changed then.
    pub fn build(
        settings: Settings,
        revision: u64,
        previous: Option<&Self>,
        metrics: &Metrics,
    ) -> Result<Self, SnapshotError> {
        let geo = match &settings.geo.database {
            GeoDatabase::BuiltIn => Arc::new(Database::built_in()),
            GeoDatabase::File(path) => Arc::new(Database::open(path).map_err(SnapshotError::Geo)?),
        };
        let before = previous.and_then(|previous| previous.speaker.as_ref());
        let speaker = Speaker::find(&settings.predictor.model, before).map_err(SnapshotError::Model)?;
        let keys = keys::load(&settings.session.key_files).map_err(SnapshotError::Keys)?;
        let bind = bind_of(settings.session.bind);
        let sealer = Arc::new(Sealer::new(keys, bind, settings.session.max_age));
        let listeners = listeners(&settings, previous)?;
        let upstreams = upstreams(&settings, previous, metrics)?;
        let probers = probers(&settings, &upstreams, previous)?;
        let generation = previous.map_or(Generation::FIRST, |snapshot| snapshot.table.generation().next());
        let places = PlaceBook::new(coordinates_of(&settings, &settings.gateway.location)?, geo.kind());
        let table = Arc::new(lay_out(&settings, &places, generation)?);
        let cache = cache(&settings, previous, metrics);
        Ok(Self {
            revision,
            settings: Arc::new(settings),
            table,
            upstreams: upstreams.into(),
            probers,
            listeners: listeners.into(),
            sealer,
            bind,
            cache,
            geo,
            speaker,
            places: Arc::new(places),
        })
    }

    /// The same with another table: all that changes when a hub comes into another state.
    #[must_use]
    pub fn with_table(&self, table: RoutingTable) -> Self {
        Self { table: Arc::new(table), ..self.clone() }
    }

    /// This snapshot, just laid out, as the successor of the one in force: hubs that stay keep their states and what was
    /// learned of them, and it is the next generation.
    #[must_use]
    pub fn carrying_on(&self, present: &Self) -> Self {
        let mut revision = self.table.revise().panic(present.table.panic());
        for (hub, configured) in self.table.hubs().zip(&self.settings.hubs) {
            let Some(before) = present.table.find(hub.id.as_str()) else { continue };
            let same = |at: usize| self.upstreams.get(hub.index.get()).zip(present.upstreams.get(at));
            let stays = same(before.get()).is_some_and(|(here, there)| Arc::ptr_eq(here, there));
            let Some(before) = present.table.hub(before).filter(|_| stays) else { continue };
            revision = revision.state(hub.index, before.state).health(hub.index, before.health);
            if configured.eras.is_none() {
                revision = revision.eras(hub.index, before.eras);
            }
        }
        self.with_table(revision.build(present.table.generation().next()))
    }

    /// Where an address is.
    #[must_use]
    pub fn standing(&self, client: IpAddr) -> Standing {
        self.places.standing(self.geo.lookup(client).as_ref())
    }
}

impl Generational for Snapshot {
    fn generation(&self) -> Generation {
        self.table.generation()
    }
}

impl Listener {
    fn new(settings: &ListenerSettings) -> Result<Self, SnapshotError> {
        let certificate = settings
            .tls
            .as_ref()
            .map(|files| tls::certificate(&files.certificate, &files.key))
            .transpose()
            .map_err(|source| SnapshotError::Certificate { address: settings.address.to_string(), source })?;
        Ok(Self {
            trusted: TrustedProxies::new(settings.trusted_proxies.iter().copied()),
            settings: settings.clone(),
            certificate,
        })
    }
}

/// The listeners in the order in which they were opened: a connection knows its own by its position.
fn listeners(settings: &Settings, previous: Option<&Snapshot>) -> Result<Vec<Listener>, SnapshotError> {
    let mut ordered: Vec<&ListenerSettings> = settings.listeners.iter().collect();
    if let Some(previous) = previous {
        let position = |listener: &&ListenerSettings| {
            previous.listeners.iter().position(|opened| opened.settings.address == listener.address)
        };
        ordered.sort_by_key(position);
    }
    ordered.into_iter().map(Listener::new).collect()
}

fn bind_of(bind: SessionBind) -> Bind {
    match bind {
        SessionBind::Subject => Bind::Subject,
        SessionBind::Token => Bind::Token,
        SessionBind::None => Bind::None,
    }
}

/// The answers that are kept. They are those of one fleet under one set of rules: where either changes, none stays.
fn cache(settings: &Settings, previous: Option<&Snapshot>, metrics: &Metrics) -> Option<Arc<Cache>> {
    let same = |before: &Settings| {
        (&before.cache, &before.hubs, &before.routing) == (&settings.cache, &settings.hubs, &settings.routing)
    };
    let kept = previous.filter(|before| same(&before.settings)).and_then(|before| before.cache.clone());
    let made = || Arc::new(Cache::new(settings.cache.clone(), metrics.cache.clone()));
    settings.cache.enabled.then(|| kept.unwrap_or_else(made))
}

/// Where a location is. Checked settings name none that is not there.
fn coordinates_of(settings: &Settings, location: &LocationName) -> Result<Coordinates, SnapshotError> {
    let known = settings.locations.get(location).copied();
    known.ok_or_else(|| SnapshotError::Location(location.clone()))
}

/// The upstreams of these hubs. One that stays keeps its connections and its count of what is in flight.
fn upstreams(
    settings: &Settings,
    previous: Option<&Snapshot>,
    metrics: &Metrics,
) -> Result<Vec<Arc<Upstream>>, SnapshotError> {
    let made = |hub: &HubSettings| {
        let kept = previous.and_then(|snapshot| {
            let index = snapshot.table.find(hub.id.as_str())?;
            snapshot.upstreams.get(index.get()).filter(|upstream| upstream.serves(hub)).cloned()
        });
        match kept {
            Some(kept) => Ok(kept),
            None => Upstream::new(hub, metrics.hub(hub.id.as_str()))
                .map(Arc::new)
                .map_err(|source| SnapshotError::Trust { hub: hub.id.to_string(), source }),
        }
    };
    settings.hubs.iter().map(made).collect()
}

/// How these hubs are asked whether they are well. One that is asked as before keeps what was learned of it.
fn probers(
    settings: &Settings,
    upstreams: &[Arc<Upstream>],
    previous: Option<&Snapshot>,
) -> Result<Arc<[Arc<Prober>]>, SnapshotError> {
    let kept = |hub: &HubSettings, upstream: &Arc<Upstream>| {
        let before = previous.filter(|before| before.settings.health == settings.health)?;
        let at = before.table.find(hub.id.as_str())?.get();
        let same = before.settings.hubs.get(at)? == hub && Arc::ptr_eq(before.upstreams.get(at)?, upstream);
        before.probers.get(at).filter(|_| same).cloned()
    };
    let made = |(hub, upstream): (&HubSettings, &Arc<Upstream>)| {
        if let Some(prober) = kept(hub, upstream) {
            return Ok(prober);
        }
        Prober::new(hub, &settings.health, upstream)
            .map(Arc::new)
            .map_err(|source| SnapshotError::Trust { hub: hub.id.to_string(), source })
    };
    settings.hubs.iter().zip(upstreams).map(made).collect()
}

/// The routing table of these settings, every hub in full service.
///
/// # Errors
/// The rules cannot hold together, or no table can be made of them.
pub fn lay_out(
    settings: &Settings,
    places: &PlaceBook,
    generation: Generation,
) -> Result<RoutingTable, SnapshotError> {
    let coordinates: Vec<_> =
        settings.hubs.iter().map(|hub| coordinates_of(settings, &hub.location)).collect::<Result<_, _>>()?;
    let rtt_ms = vec![None; coordinates.len()];
    let sites = HubSites {
        coordinates: &coordinates,
        rtt_ms: &rtt_ms,
        edge_radius_km: settings.routing.edge_radius_km,
    };
    let preferences =
        places.preferences(&sites, &settings.routing.residency).map_err(SnapshotError::Residency)?;
    let hubs = settings
        .hubs
        .iter()
        .map(|hub| HubSpec {
            id: hub.id.clone(),
            hub_type: hub.hub_type,
            location: hub.location.clone(),
            weight: hub.weight,
            eras: hub.eras.unwrap_or(EraSet::BOTH),
            state: HubState::SERVING,
            health: Share::FULL,
        })
        .collect();
    let spec = TableSpec {
        algorithm: settings.routing.algorithm,
        hubs,
        residencies: preferences.residencies,
        places: preferences.places,
    };
    RoutingTable::build(&spec, generation).map_err(SnapshotError::Table)
}

/// The table that these settings make, all hubs in full service, and where a client stands in it.
///
/// # Errors
/// As [`Snapshot::build`], as far as a table needs it.
pub fn place(settings: &Settings, client: IpAddr) -> Result<crate::cli::Placement, SnapshotError> {
    let geo = match &settings.geo.database {
        GeoDatabase::BuiltIn => Database::built_in(),
        GeoDatabase::File(path) => Database::open(path).map_err(SnapshotError::Geo)?,
    };
    let places = PlaceBook::new(coordinates_of(settings, &settings.gateway.location)?, geo.kind());
    let table = lay_out(settings, &places, Generation::FIRST)?;
    let place = geo.lookup(client);
    let standing = places.standing(place.as_ref());
    let found = match place {
        Some(place) => vec![("country", place.country.as_str().to_owned())],
        None => vec![("country", "unknown".to_owned())],
    };
    Ok(crate::cli::Placement { table, region: standing.region, residency: standing.residency, found })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::control::read;
    use mcphub_routing::{Cause, HubIndex};
    use std::path::Path;

    /// The snapshot of a configuration with these hubs, each named with its port.
    pub(crate) fn snapshot(directory: &Path, hubs: &[(&str, u16)], previous: Option<&Snapshot>) -> Snapshot {
        let mut text = "[gateway]\nname = \"a\"\nlocation = \"x\"\n[[listener]]\naddress = \"127.0.0.1:9\"\n\
                        [locations]\nx = { latitude = 0.0, longitude = 0.0 }\n"
            .to_owned();
        for (id, port) in hubs {
            text += &format!(
                "[[hub]]\nid = \"{id}\"\ntype = \"primary\"\nlocation = \"x\"\nurl = \"http://127.0.0.1:{port}/mcp\"\n"
            );
        }
        let file = directory.join("edge.toml");
        std::fs::write(&file, text).expect("a file");
        let loaded = read(&file).expect("sound");
        let metrics = Metrics::new().expect("names are unique");
        Snapshot::build(loaded.settings, 1, previous, &metrics).expect("usable")
    }

    fn index(snapshot: &Snapshot, hub: &str) -> HubIndex {
        snapshot.table.find(hub).expect("there")
    }

    fn state(snapshot: &Snapshot, hub: &str) -> HubState {
        snapshot.table.hub(index(snapshot, hub)).expect("there").state
    }

    #[test]
    fn what_is_known_of_hubs_goes_with_them_over_a_reload() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = snapshot(directory.path(), &[("a", 1), ("b", 2), ("c", 3)], None);
        let drained = HubState::Drained { cause: Cause::Operator };
        let revision = first.table.revise().state(index(&first, "a"), drained);
        let revision = revision.state(index(&first, "b"), drained).eras(index(&first, "a"), EraSet::MODERN);
        let generation = first.table.generation().next();
        let present = first.with_table(revision.panic(true).build(generation));
        assert_eq!(state(&first, "a"), HubState::SERVING, "the snapshot before stays as it was");
        // c goes, d comes, b has another address.
        let built = snapshot(directory.path(), &[("d", 4), ("a", 1), ("b", 5)], Some(&first));
        let next = built.carrying_on(&present);
        assert_eq!(state(&next, "a"), drained);
        assert_eq!((state(&next, "b"), state(&next, "d")), (HubState::SERVING, HubState::SERVING));
        assert_eq!(next.table.hub(index(&next, "a")).map(|hub| hub.eras), Some(EraSet::MODERN));
        assert!(next.table.panic());
        assert_eq!(next.table.generation(), generation.next());
        let shared = |hub: &str| {
            let at = index(&next, hub).get();
            let before = present.table.find(hub).map(HubIndex::get);
            before.is_some_and(|before| {
                Arc::ptr_eq(&next.upstreams[at], &present.upstreams[before])
                    && Arc::ptr_eq(&next.probers[at], &present.probers[before])
            })
        };
        assert_eq!([shared("a"), shared("b"), shared("d")], [true, false, false]);
    }
}
