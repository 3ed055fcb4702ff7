//! What shall be done, and why?

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mcphub_mcp::Failure;
use mcphub_routing::{HubId, ResidencyId};

use super::event::{RequestKey, Ticket};
use crate::record::{Ended, LogLevel, Record, Revision, Stay};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub action: Action,
    /// Why, for logs.
    pub why: Why,
}

/// What to do. Actions are done in their order; those with a ticket are begun in their order, and answered whenever
/// their answer is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    // The store.
    /// Read the session's record, as of whoever decides about writes if that can be had. Answered by `Read`.
    Read {
        /// To be answered.
        ticket: Ticket,
    },
    /// Write the record if `expected` is still the present revision. Answered by `Written` or `Conflict`; by `Failed`
    /// only if it is certain that it was not written.
    Write {
        /// To be answered.
        ticket: Ticket,
        /// The revision that this was made of.
        expected: Revision,
        /// What to write.
        record: Box<Record>,
    },
    /// Write the record as soon as the store can be had: nobody waits for it, and until then this gateway goes by it.
    /// If there is a newer one by then, a tombstone is written over it all the same, and the hub's session that the
    /// newer one named is ended by DELETE; a living record gives way to a tombstone and to a later stay.
    Owe {
        /// What to write.
        record: Box<Record>,
    },

    // The fleet.
    /// Choose the next hub in the client's order, as for a new session. Answered by `Chosen`.
    Choose {
        /// To be answered.
        ticket: Ticket,
        /// Not one of these.
        avoid: Vec<HubId>,
        /// Under this residency and no other: it was sealed into the session. `None`: it was placed under none.
        residency: Option<ResidencyId>,
    },

    // The handshake with a hub, with the caller's present `Authorization`.
    /// Send `initialize`. Answered by `Greeted`.
    Initialize {
        /// To be answered.
        ticket: Ticket,
        /// To this hub.
        hub: HubId,
        /// With these `params`.
        params: Arc<str>,
    },
    /// Send `notifications/initialized`. Answered by `Done`.
    Confirm {
        /// To be answered.
        ticket: Ticket,
        /// To this hub, in this session of its own.
        to: Stay,
    },
    /// Send `logging/setLevel`. Answered by `Done`.
    SetLevel {
        /// To be answered.
        ticket: Ticket,
        /// To this hub, in this session of its own.
        to: Stay,
        /// The level.
        level: LogLevel,
    },
    /// Send `resources/subscribe`. Answered by `Done`.
    Subscribe {
        /// To be answered.
        ticket: Ticket,
        /// To this hub, in this session of its own.
        to: Stay,
        /// To this resource.
        uri: Box<str>,
    },
    /// Send `resources/unsubscribe`. Answered by `Done`.
    Unsubscribe {
        /// To be answered.
        ticket: Ticket,
        /// To this hub, in this session of its own.
        to: Stay,
        /// From this resource.
        uri: Box<str>,
    },
    /// End this hub's session by DELETE, now: it serves nobody. Tried once; nothing waits for it.
    Delete {
        /// The hub and its session.
        at: Stay,
    },
    /// End this hub's session by DELETE as soon as no exchange that was sent there is in flight here. Tried once;
    /// nothing waits for it.
    Retire {
        /// The hub and its session.
        at: Stay,
    },

    // The client.
    /// Send the exchange to this hub, for the first time or again. An answer that has begun for the client goes on
    /// where it is, without progress that it has heard of ([`crate::ProgressFilter`]).
    Send {
        /// The exchange.
        request: RequestKey,
        /// Where.
        to: Stay,
    },
    /// Answer the exchange.
    Answer {
        /// The exchange.
        request: RequestKey,
        /// With what.
        with: Answer,
    },
    /// Close what is left of the stream's connection to its hub, then open it at this one (GET, with the id of the last
    /// event that came in the same stay, if one did). The client's side stays open, with comments. Answered by `Done`.
    /// A hub may wait with its answer for the first event, so one that is late counts as open; if it fails after all,
    /// that is a `StreamCut`.
    Attach {
        /// To be answered.
        ticket: Ticket,
        /// The client's GET.
        stream: RequestKey,
        /// Where.
        to: Stay,
    },
    /// Say this on the client's stream.
    Notify {
        /// The client's GET.
        stream: RequestKey,
        /// What.
        notice: Notice,
    },
    /// End the client's stream, properly, and say when to come back.
    EndStream {
        /// The client's GET.
        stream: RequestKey,
    },

    // The rest of the gateway.
    /// The session lives here from now on. Whatever comes for it goes there.
    Moved {
        /// Where it lived.
        from: Stay,
        /// Where it lives.
        to: Stay,
        /// How many settings (log level, subscriptions) the new hub would not have.
        refused: u32,
    },
    /// The session is over and stays so.
    Over {
        /// What ended it.
        why: Ended,
    },
    /// Tell `TimeUp` after [`super::MOVE_DEADLINE`].
    Alarm {
        /// To be told.
        ticket: Ticket,
    },
}

impl Action {
    /// How long to wait for the answer before `Late` is told; `None` for what has none.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Read { .. } | Self::Write { .. } => Some(super::STORE_DEADLINE),
            Self::Choose { .. }
            | Self::Initialize { .. }
            | Self::Confirm { .. }
            | Self::SetLevel { .. }
            | Self::Subscribe { .. }
            | Self::Unsubscribe { .. }
            | Self::Attach { .. } => Some(super::HUB_DEADLINE),
            _ => None,
        }
    }

    /// What must be answered.
    #[must_use]
    pub fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Read { ticket }
            | Self::Write { ticket, .. }
            | Self::Choose { ticket, .. }
            | Self::Initialize { ticket, .. }
            | Self::Confirm { ticket, .. }
            | Self::SetLevel { ticket, .. }
            | Self::Subscribe { ticket, .. }
            | Self::Unsubscribe { ticket, .. }
            | Self::Attach { ticket, .. } => Some(*ticket),
            _ => None,
        }
    }
}

/// What a client hears of a move, so that it can find out what it may have missed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// `notifications/resources/updated` for this resource.
    Updated(Box<str>),
    /// `notifications/tools/list_changed`
    Tools,
    /// `notifications/prompts/list_changed`
    Prompts,
    /// `notifications/resources/list_changed`
    Resources,
}

impl Notice {
    /// The notification's name on the wire.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Updated(_) => "notifications/resources/updated",
            Self::Tools => "notifications/tools/list_changed",
            Self::Prompts => "notifications/prompts/list_changed",
            Self::Resources => "notifications/resources/list_changed",
        }
    }
}

/// What an exchange is answered that no hub answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An error that says so: it was sent, its hub is lost, and whether it was done nobody knows. A batch: one for each
    /// of its requests.
    OutcomeUnknown,
    /// An error that says so: it was not done, or it does no harm to ask again.
    NotServed(Stuck),
    /// 202, and nothing is done.
    Accepted,
    /// 404.
    SessionUnknown,
    /// 200: the session has ended, as the client asked.
    Ended,
    /// 200, and a stream whose only event is an error for the request that it was about. If it was about none, a fresh
    /// stream is asked for instead: as a [`super::Kind::Stream`], with the same key.
    ResumeLost,
    /// What the hub said that wants another credential, with its `WWW-Authenticate`.
    Unauthorized,
}

impl Answer {
    /// The failure whose words and shape the answer has; `None` where it is none.
    #[must_use]
    pub fn failure(self) -> Option<Failure<'static>> {
        Some(match self {
            Self::OutcomeUnknown | Self::ResumeLost => Failure::HubBroke,
            Self::NotServed(Stuck::TooManyWait) => Failure::Overloaded,
            Self::NotServed(Stuck::BatchLost) => Failure::HubUnreachable,
            Self::NotServed(_) => Failure::NoHub,
            Self::SessionUnknown => Failure::SessionUnknown,
            Self::Accepted | Self::Ended | Self::Unauthorized => return None,
        })
    }
}

/// Why a session could not move, or an exchange not be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Stuck {
    /// No hub is left to try.
    #[error("no other hub can take the session")]
    NoHub,
    /// Nobody may say where the session lives while other gateways might say otherwise.
    #[error("the session store cannot be reached")]
    StoreUnreachable,
    /// It took too long.
    #[error("the session could not be moved in time")]
    TimeUp,
    /// The client's `initialize` is not known any more.
    #[error("the session's initialize parameters are not known")]
    NoParams,
    /// Others changed the record again and again.
    #[error("the session's record is changed too often")]
    Contended,
    /// The hubs want another credential.
    #[error("the hub wants another credential")]
    Unauthorized,
    /// As many as may are waiting already.
    #[error("too many requests of the session are waiting")]
    TooManyWait,
    /// A batch is sent once.
    #[error("a batch is not sent twice")]
    BatchLost,
    /// It was sent so often that another time would not help.
    #[error("the request was sent too often")]
    TooOften,
}

/// Why something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The session's hub is lost.
    HubLost,
    /// The session's hub was started again and has forgotten it.
    HubRestarted,
    /// The session's hub says that it does not know it.
    HubForgot,
    /// The session's hub is alive and has forgotten the session.
    Expired,
    /// The session shall leave its hub.
    Leaving,
    /// The session lives here.
    AtHome,
    /// The session has moved.
    Moved,
    /// Another gateway has moved the session.
    MovedElsewhere,
    /// Where the session lives was in doubt.
    InDoubt,
    /// The record was changed meanwhile, but not where the session lives.
    RecordChanged,
    /// This hub answered with another protocol version than the client knows.
    OtherVersion,
    /// This hub lacks what the client was offered.
    LacksCapabilities,
    /// This hub gave no session id.
    NoSessionGiven,
    /// This hub failed during the handshake.
    HandshakeFailed,
    /// The next step of the handshake.
    NextStep,
    /// The answer came too late to be of use.
    TooLate,
    /// The request may not be done twice.
    MayNotRepeat,
    /// It belongs to a hub that the session has left.
    OfAnEarlierStay,
    /// The session has ended.
    Ended(Ended),
    /// It cannot be done.
    Stuck(Stuck),
    /// The stream was broken off.
    StreamCut,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HubLost => "the session's hub is lost",
            Self::HubRestarted => "the session's hub was started again",
            Self::HubForgot => "the session's hub does not know it",
            Self::Expired => "the session has expired at its hub",
            Self::Leaving => "the session shall leave its hub",
            Self::AtHome => "the session lives here",
            Self::Moved => "the session has moved",
            Self::MovedElsewhere => "another gateway has moved the session",
            Self::InDoubt => "where the session lives was in doubt",
            Self::RecordChanged => "the session's record was changed meanwhile",
            Self::OtherVersion => "the hub speaks another protocol version than the client",
            Self::LacksCapabilities => "the hub lacks capabilities that the client was offered",
            Self::NoSessionGiven => "the hub gave no session id",
            Self::HandshakeFailed => "the hub failed during the handshake",
            Self::NextStep => "the next step of the handshake",
            Self::TooLate => "the answer came too late",
            Self::MayNotRepeat => "the request may not be done twice",
            Self::OfAnEarlierStay => "it belongs to a hub that the session has left",
            Self::Ended(why) => return write!(f, "the session has ended ({why})"),
            Self::Stuck(why) => return why.fmt(f),
            Self::StreamCut => "the stream was broken off",
        })
    }
}
