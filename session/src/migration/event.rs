//! What can happen to a session while it is looked after?

use mcphub_mcp::{Class, Repeat};
use mcphub_routing::HubId;

use crate::mark::Mark;
use crate::record::{Ended, Found, Offer, Revision};
use crate::upstream::UpstreamIdBuf;

/// One exchange with the client, by a number that its driver gives: a POST, a GET or a DELETE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestKey(pub u64);

/// Names one thing that an action asked for, so that a late answer is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub(super) u64);

/// What the client asks for, as far as losing it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which exchange.
    pub key: RequestKey,
    /// What it is.
    pub kind: Kind,
    /// How often it has been sent to a hub that may have got it: 0 before the first time.
    pub sends: u8,
}

/// The kinds of a client's exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One request of JSON-RPC; `safe`: it may be done twice ([`is_safe`]).
    Call {
        /// Whether it may be done twice.
        safe: bool,
    },
    /// Several messages at once: goes whole to one hub, and once.
    Batch,
    /// Wants no answer.
    Notification,
    /// Answers a request of the hub.
    Answer {
        /// In which stay the hub asked; `None` if the id is none that clients are given ([`crate::foreign_id`]).
        stay: Option<Mark>,
    },
    /// A GET that opens the stream of what hubs say unasked.
    Stream,
    /// A GET that goes on with a stream of this stay ([`crate::event_id`]).
    Resume {
        /// The stay that the last event came from.
        stay: Mark,
    },
    /// Ends the session.
    Delete,
}

/// What a hub said about a tool in its `tools/list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Marks {
    /// Neither of the others, or nothing is known of the tool.
    #[default]
    None,
    /// `readOnlyHint`
    ReadOnly,
    /// `idempotentHint`
    Idempotent,
}

/// Whether a request of this class may be done twice. Marks count only where the operator trusts those of this fleet:
/// to the specification they are hints.
#[must_use]
pub fn is_safe(class: Class, marks: Marks, trusted: bool) -> bool {
    match class.repeat() {
        Repeat::Safe => true,
        Repeat::IfAnnotated => trusted && marks != Marks::None,
        Repeat::Never => false,
    }
}

/// How a hub was lost to a session. A 5xx is none: the hub is there and has failed at one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// No connection could be had, or not a byte was written.
    Unreachable,
    /// It broke off before the answer; what was asked may have been done.
    Broke,
    /// It was ejected while it was silent; what was asked may have been done.
    Ejected,
    /// It answered that it does not know the session (404, or a 400 that says so): it has done nothing.
    Unknown(Memory),
}

impl Loss {
    /// Whether what was asked may have been done.
    #[must_use]
    pub fn may_have_acted(self) -> bool {
        matches!(self, Self::Broke | Self::Ejected)
    }
}

/// Had a hub that does not know a session any more a reason to forget it?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// None: it runs since before the session last worked. The session has expired there.
    SameBoot,
    /// It was started again.
    Restarted,
    /// Nobody knows when it was started, and no connection or probe has failed since the session last worked: taken
    /// for [`Self::SameBoot`].
    BootUnknown,
    /// Nobody knows when it was started, but something has failed since the session last worked: taken for
    /// [`Self::Restarted`].
    FailedSince,
}

/// An exchange that met the loss of its hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The exchange; `None` if it needs no more care: it had its answer, or its client saw the cut.
    pub request: Option<Request>,
    /// In which stay it was sent.
    pub stay: u32,
    /// How the hub was lost.
    pub how: Loss,
}

/// What a hub answered to `initialize`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// `protocolVersion`.
    pub version: Box<str>,
    /// Its capabilities, and its lists as far as they are known.
    pub offer: Offer,
    /// Its id for the session; `None` if it gave none, or none that MCP allows.
    pub upstream: Option<UpstreamIdBuf>,
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The hub, or the store, is lost or of no use: no connection, broken off, 404, 5xx, no sense in the answer.
    Lost(Loss),
    /// It answered that it will not: a JSON-RPC error, or a 4xx that is none of the others.
    Refused,
    /// 401 or 403: the client must show another credential first.
    Unauthorized,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    // Of the client.
    /// It asks for something; nothing of it has been sent anywhere.
    Arrived(Request),
    /// It is gone from this exchange, before the answer or from an open stream.
    Left {
        /// The exchange.
        request: RequestKey,
    },

    // Of the hub that the session lives on.
    /// It was lost to an exchange.
    Lost(Lost),
    /// It has begun to answer a GET: the client's stream is open.
    StreamOpened {
        /// The GET.
        stream: RequestKey,
        /// In which stay.
        stay: u32,
    },
    /// It has broken off an open stream, for whatever reason.
    StreamCut {
        /// The GET.
        stream: RequestKey,
        /// In which stay.
        stay: u32,
        /// Whether the stream had stood for at least [`super::STREAM_STOOD`].
        stood: bool,
    },

    // Of the operator, the control loop and the clock.
    /// The session shall leave its hub, which can still serve it: a drain, or a wish.
    Leave,
    /// The session has ended: its hub has answered a DELETE with success, it was idle for too long, or somebody ended
    /// it.
    End {
        /// What ended it.
        why: Ended,
        /// In which stay a hub has ended it, if one has: the session may have moved since, and then lives on elsewhere.
        stay: Option<u32>,
    },
    /// Another gateway has changed the record, as a watch on the store says.
    Noticed {
        /// The record as it is now.
        found: Found,
    },
    /// An alarm has gone off ([`super::Action::Alarm`]).
    TimeUp {
        /// That of the action.
        ticket: Ticket,
    },

    // Answers to actions. Each action with a ticket is answered once by one of these.
    /// It took longer than [`super::Action::deadline`], or nobody can say what came of it. If the answer comes after
    /// all, it is told as well.
    Late {
        /// That of the action.
        ticket: Ticket,
    },
    /// The store was read.
    Read {
        /// That of the action.
        ticket: Ticket,
        /// What it holds; `None`: nothing.
        found: Option<Found>,
    },
    /// A hub was chosen.
    Chosen {
        /// That of the action.
        ticket: Ticket,
        /// `None`: there is no other.
        hub: Option<HubId>,
    },
    /// The hub has answered `initialize` with a result.
    Greeted {
        /// That of the action.
        ticket: Ticket,
        /// That of the action: what comes late is told apart by it.
        hub: HubId,
        /// The result.
        greeting: Box<Greeting>,
    },
    /// Done: accepted, set, subscribed, attached.
    Done {
        /// That of the action.
        ticket: Ticket,
    },
    /// Not done. Of a record: certainly not written, and it will not be; or not to be read.
    Failed {
        /// That of the action.
        ticket: Ticket,
        /// Why not.
        how: Failed,
    },
    /// The record was written.
    Written {
        /// That of the action.
        ticket: Ticket,
        /// Which writing of it this is.
        revision: Revision,
    },
    /// The record was not written: there is a newer one.
    Conflict {
        /// That of the action.
        ticket: Ticket,
        /// The newer one, as of whoever decides about writes (not a copy that lags behind); `None`: it is gone.
        found: Option<Found>,
    },
}
