//! Where does a session live, as far as this request knows?

use crate::proxy::gather::Session;
use crate::sessions::Entry;
use crate::snapshot::Snapshot;
use crate::upstream::Upstream;
use mcphub_session::record::Stay;
use mcphub_session::{Mark, UpstreamId};
use std::sync::{Arc, OnceLock};

/// Where a request of a session goes now.
#[derive(Debug)]
pub(in crate::proxy) struct Lodging<'a> {
    /// The session as it lives there.
    pub(in crate::proxy) entry: &'a Arc<Entry>,
    /// The hub.
    pub(in crate::proxy) hub: &'a str,
    /// The hub's own id for the session.
    pub(in crate::proxy) upstream_id: UpstreamId<'a>,
    /// The hub's own id of the event to go on after.
    pub(in crate::proxy) resumes: Option<&'a [u8]>,
    mark: OnceLock<Mark>,
}

impl<'a> Lodging<'a> {
    /// Where this entry says that the session lives.
    pub(in crate::proxy) fn of(session: &'a Session<'_>, entry: &'a Arc<Entry>) -> Self {
        let claims = &session.opened.claims;
        let (hub, upstream_id) = match entry.stay() {
            Some(stay) => (stay.hub.as_str(), stay.upstream.as_id()),
            None => (claims.hub, claims.upstream),
        };
        Self { entry, hub, upstream_id, resumes: None, mark: OnceLock::new() }
    }

    /// The name of this stay, for ids that clients bring back.
    pub(in crate::proxy) fn mark(&self) -> Mark {
        *self.mark.get_or_init(|| match (self.entry.stay(), mcphub_routing::HubId::new(self.hub)) {
            (Some(stay), _) => Mark::of(stay),
            (None, Ok(hub)) => Mark::of(&Stay { number: 0, hub, upstream: self.upstream_id.into() }),
            // The name of a hub that was sealed into a token is one.
            (None, Err(_)) => Mark::none(),
        })
    }

    /// The hub, if the configuration still has it.
    pub(in crate::proxy) fn upstream<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s Arc<Upstream>> {
        snapshot.upstreams.get(snapshot.table.find(self.hub)?.get())
    }
}
