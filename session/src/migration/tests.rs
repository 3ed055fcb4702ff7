//! Stories that a person can follow, and everything else that can happen.

mod endings;
mod interleavings;
mod script;
mod shared;
mod stories;
mod world;

use std::sync::Arc;

use mcphub_routing::{HubId, ResidencyId};

use super::*;
use crate::mark::Mark;
use crate::principal::Fingerprint;
use crate::record::{Offer, Subscriptions};
use crate::upstream::{UpstreamId, UpstreamIdBuf};

const NOW: u64 = 1_800_000_000;
const CALLER: Fingerprint = Fingerprint([7; 16]);
const INIT: &str =
    r#"{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1.0"}}"#;

fn hub(name: &str) -> HubId {
    HubId::new(name).unwrap()
}

fn upstream(name: &str) -> UpstreamIdBuf {
    UpstreamId::new(name.as_bytes()).unwrap().into()
}

/// A session on hub `a`, sealed to the residency `eu`.
fn live() -> Live {
    Live {
        stay: Stay { number: 0, hub: hub("a"), upstream: upstream("a-0") },
        version: "2025-11-25".into(),
        place: "DE".into(),
        residency: Some(ResidencyId::new("eu").unwrap()),
        level: None,
        subscriptions: Subscriptions::default(),
        offer: Offer::default(),
        init: None,
        last_used: NOW,
    }
}

fn record(live: Live) -> Record {
    Record { caller: CALLER, expires_at: NOW + 1_000_000, life: Life::Live(Box::new(live)) }
}

fn session(live: Live) -> Session {
    Session { record: record(live), revision: Revision::NONE, init: Some(Arc::from(INIT)), alone: false }
}
