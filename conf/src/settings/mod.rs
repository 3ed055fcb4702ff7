//! What the other crates want to know, in their own types: checked, complete, without text to parse.
//!
//! Every value here has passed its checks and every default is filled in, so readers ask no further
//! questions. Paths are absolute or relative to the process, already joined to the folder of the
//! configuration file. Secrets print as `***`.

mod cache;
mod control;
mod gateway;
mod hub;
mod limits;
mod listener;
mod routing;
mod secret;
mod upstream;

pub use cache::CacheSettings;
pub use control::{
    Canary, CostSettings, FailoverSettings, HealthSettings, LearningSettings, MetricsSettings, ModelSource,
    NatsSettings, PredictorMode, PredictorSettings, Probe, SessionSettings, StateSettings,
};
pub use gateway::{AdminSettings, GatewaySettings, LogFormat, LogLevel, LogSettings, ShutdownSettings};
pub use hub::{HubMetrics, HubScheme, HubSettings, HubUrl};
pub use limits::LimitSettings;
pub use listener::{AllowedHost, AllowedHosts, ListenerSettings, ProxyProtocol, TlsSettings};
pub use routing::{GeoDatabase, GeoSettings, RoutingSettings};
pub use secret::Secret;
pub use upstream::UpstreamSettings;

/// What of a client's credential a session is bound to.
pub use mcphub_session::Bind as SessionBind;

use mcphub_geo::Coordinates;
use mcphub_routing::LocationName;
use std::collections::BTreeMap;

/// One whole configuration, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `[gateway]`: who this point of presence is.
    pub gateway: GatewaySettings,
    /// `[[listener]]`, in the order of the file; at least one.
    pub listeners: Vec<ListenerSettings>,
    /// `[admin]`: the operators' HTTP interface.
    pub admin: AdminSettings,
    /// `[locations]`: every named place.
    pub locations: BTreeMap<LocationName, Coordinates>,
    /// `[[hub]]`, in the order of the file; at least one, ids unique, locations known.
    pub hubs: Vec<HubSettings>,
    /// `[routing]`: how a hub is chosen.
    pub routing: RoutingSettings,
    /// `[geo]`: how an address becomes a place.
    pub geo: GeoSettings,
    /// `[health]`: how hubs are watched.
    pub health: HealthSettings,
    /// `[failover]`: how far the gateway goes when hubs fail.
    pub failover: FailoverSettings,
    /// `[predictor]`: whether and how far ahead failure is forecast.
    pub predictor: PredictorSettings,
    /// `[session]`: sealed session ids and their life.
    pub session: SessionSettings,
    /// `[state]`: where session records are kept.
    pub state: StateSettings,
    /// `[limits]`: bounds on what clients and hubs may send.
    pub limits: LimitSettings,
    /// `[upstream]`: waits, pools and retries towards hubs.
    pub upstream: UpstreamSettings,
    /// `[cache]`: what is answered without asking a hub.
    pub cache: CacheSettings,
    /// `[shutdown]`: how the gateway stops.
    pub shutdown: ShutdownSettings,
    /// `[log]`: what is written and how.
    pub log: LogSettings,
}
