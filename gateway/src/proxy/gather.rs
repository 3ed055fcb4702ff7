//! Who asks, from where, and within which session?

use super::admission::Admitted;
use super::parse::Message;
use super::{Arrival, Site};
use crate::clock;
use crate::edge::Edge;
use crate::sessions::{Entry, Over};
use crate::snapshot::Snapshot;
use mcphub_http1::Known;
use mcphub_mcp::{Failure, Scope};
use mcphub_routing::{Era, HubId, PlaceIndex, Residency, ResidencyIndex};
use mcphub_session::record::{Ended, Life};
use mcphub_session::{Claims, Ending, LastOpened, Opened, SessionStore as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a choice is made from, and what an answer must respect.
#[derive(Debug)]
pub(super) struct Context<'b> {
    /// The client's address.
    pub(super) client: IpAddr,
    /// Where it is.
    pub(super) place: PlaceIndex,
    /// The shape that failures take.
    pub(super) scope: Scope,
    /// The legacy session it belongs to.
    pub(super) session: Option<Session<'b>>,
    /// A hash of who asks, for soft affinity.
    pub(super) key: Option<u64>,
    /// Under which residency it may be placed.
    pub(super) residency: Residency,
    /// The hub that holds the task it is about.
    pub(super) task: Option<HubId>,
}

/// A legacy session.
#[derive(Debug)]
pub(super) struct Session<'b> {
    /// What was sealed into its id, and for whom.
    pub(super) opened: Opened<'b>,
    /// Where it lives.
    pub(super) entry: Arc<Entry>,
}

/// Gathers it.
///
/// # Errors
/// The session cannot be used.
pub(super) async fn gather<'b>(
    site: &Site<'_>,
    arrival: &Arrival<'_>,
    admitted: &Admitted<'_>,
    message: &Message<'_>,
    last: &'b mut LastOpened,
) -> Result<Context<'b>, Failure<'static>> {
    let (snapshot, listener) = (site.snapshot, site.listener);
    let fields = &arrival.head.fields;
    let client = arrival
        .peer
        .client(&listener.trusted, fields.values(Known::ForwardedFor), fields.values(Known::Forwarded))
        .ip;
    let authorization = fields.get(Known::Authorization);
    let token = fields.get(Known::SessionId).filter(|_| admitted.era == Era::Legacy);
    let session = match token {
        // A client that starts over must not be held to what it has given up; its old id is not sent on either.
        Some(_) if message.opens_session() => None,
        Some(token) => Some(open(site, arrival, token, last).await?),
        None => None,
    };
    let standing = snapshot.standing(client);
    let residency = session
        .as_ref()
        .map_or(standing.residency, |session| sealed(snapshot, &session.opened.claims, standing.residency));
    let keyed = match admitted.era {
        Era::Modern => snapshot.settings.routing.sticky_sessions,
        // What comes without a session (a hub that keeps none) has nothing else to be held together by.
        Era::Legacy => session.is_none() && !message.opens_session(),
    };
    let key = keyed.then(|| {
        mcphub_session::affinity(snapshot.bind, authorization).unwrap_or_else(|| network_key(client))
    });
    let scope = match admitted.era {
        Era::Modern => Scope::Modern,
        Era::Legacy if session.is_some() => Scope::LegacySession,
        Era::Legacy => Scope::Legacy,
    };
    // A session's own hub is the one that has made its tasks.
    let task = message.task_id().filter(|_| session.is_none()).and_then(|task| {
        let name = mcphub_session::task_name(snapshot.bind, authorization, task);
        site.edge.tasks.find(name, clock::since_start_at(arrival.at))
    });
    Ok(Context { client, place: standing.region, scope, session, key, residency, task })
}

async fn open<'b>(
    site: &Site<'_>,
    arrival: &Arrival<'_>,
    token: &[u8],
    last: &'b mut LastOpened,
) -> Result<Session<'b>, Failure<'static>> {
    let snapshot = site.snapshot;
    let authorization = arrival.head.fields.get(Known::Authorization);
    let opened =
        snapshot.sealer.open_again(token, authorization, clock::unix_seconds(), last).map_err(|why| {
            tracing::debug!(%why, "session id refused");
            Failure::SessionUnknown
        })?;
    let idle_age = snapshot.settings.session.idle_age;
    let now = clock::since_start_at(arrival.at);
    let entry = match site.edge.sessions.find(&opened.session, now, idle_age) {
        Ok(Some(entry)) => Ok(entry),
        // On the heap, as all that happens once in a session: every request would carry it about.
        Ok(None) => Box::pin(first_sight(site, &opened, now)).await,
        Err(over) => {
            if over == Over::Idle {
                keep_ended(site, &opened);
            }
            Err(over)
        }
    };
    let entry = entry.map_err(|why| {
        tracing::debug!(session = %opened.session, %why, "session refused");
        Failure::SessionUnknown
    })?;
    Ok(Session { opened, entry })
}

/// A session has just ended because it was idle for too long, and its client is here with its id. This is written down in
/// the background, so that the next process does not begin to count anew.
fn keep_ended(site: &Site<'_>, opened: &Opened<'_>) {
    let ending = Ending {
        caller: opened.caller,
        expires_at: site.snapshot.sealer.expires_at(opened),
        at: clock::unix_seconds(),
        why: Ended::Idle,
    };
    crate::migrate::owe(site.edge, opened.session, ending.into());
}

/// A session that this process has not seen before: what has become of it since its id was handed out?
async fn first_sight(site: &Site<'_>, opened: &Opened<'_>, now: Duration) -> Result<Arc<Entry>, Over> {
    let Edge { sessions, records, .. } = &**site.edge;
    let found = match records.get(opened.session).await {
        // A record of another caller is not this session's.
        Ok(found) => found.filter(|found| found.record.caller == opened.caller),
        Err(error) => {
            tracing::debug!(session = %opened.session, %error, "a session lives where its id says");
            None
        }
    };
    let stay = match found.map(|found| found.record.life) {
        Some(Life::Ended { .. }) => {
            sessions.end(&opened.session);
            return Err(Over::Ended);
        }
        Some(Life::Live(live)) if live.stay.number > 0 => Some(live.stay),
        _ => None,
    };
    let hub = stay.as_ref().map_or(opened.claims.hub, |stay| stay.hub.as_str()).to_owned();
    let entry = sessions.admit(&opened.session, &hub, stay, now)?;
    sessions.describe(&entry, opened.claims.place, opened.issued_at);
    Ok(entry)
}

/// The residency a session was placed under. One that the configuration no longer has binds nobody any more.
fn sealed(snapshot: &Snapshot, claims: &Claims<'_>, present: Residency) -> Residency {
    if claims.residency.is_empty() {
        return Residency::Sealed(ResidencyIndex::ANYWHERE);
    }
    snapshot.table.find_residency(claims.residency).map_or(present, Residency::Sealed)
}

/// The client's network (/24, /48) as a number: addresses of one site change, its hub should not. FNV-1a.
fn network_key(client: IpAddr) -> u64 {
    let fnv = |bytes: &[u8]| {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    match client.to_canonical() {
        IpAddr::V4(v4) => fnv(&v4.octets()[..3]),
        IpAddr::V6(v6) => fnv(&v6.octets()[..6]),
    }
}
