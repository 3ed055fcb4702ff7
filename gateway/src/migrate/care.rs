//! Who looks after this session, and which of its streams are open?

use super::caller::{Caller, Denied};
use crate::sessions::Entry;
use crate::upstream::{Answer, InFlight, Upstream};
use mcphub_routing::HubId;
use mcphub_session::Found;
use mcphub_session::migration::{Answer as Verdict, Failed, Loss, Notice, Request, RequestKey, Ticket};
use mcphub_session::record::Ended;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// What the one who looks after a session is told.
#[derive(Debug)]
pub(crate) enum Tell {
    /// An exchange wants to know where to go, since it has arrived or because its hub was lost.
    Ask {
        /// The exchange.
        request: Request,
        /// In which stay its hub was lost to it, and how.
        lost: Option<(u32, Loss)>,
        /// In whose name.
        caller: Caller,
        /// Where to.
        reply: oneshot::Sender<Order>,
    },
    /// The client of an exchange, or of a stream, is gone.
    Left(RequestKey),
    /// The session's hub in this stay was lost, and no exchange needs care for it.
    Lost {
        /// Which stay.
        stay: u32,
        /// How.
        how: Loss,
        /// In whose name.
        caller: Caller,
    },
    /// A stream is open.
    StreamOpened(Standing),
    /// A hub has broken off a stream.
    StreamCut {
        /// The client's GET.
        stream: RequestKey,
        /// In which stay.
        stay: u32,
        /// Whether it had stood for long.
        stood: bool,
        /// In whose name.
        caller: Caller,
    },
    /// A stream that was to be attached is, or is not.
    Attached(Ticket, Result<(), Failed>),
    /// The session shall leave its hub; to this one if possible.
    Leave {
        /// In whose name.
        caller: Caller,
        /// Where to, if somebody has said so.
        to: Option<HubId>,
    },
    /// The session has ended; in this stay a hub has ended it.
    End {
        /// What ended it.
        why: Ended,
        /// In which stay.
        stay: Option<u32>,
        /// Told when it is written down, or will be.
        done: oneshot::Sender<()>,
    },
    /// The record was changed by somebody.
    Noticed(Found),
}

/// Where an exchange goes.
#[derive(Debug)]
pub(crate) enum Order {
    /// To the hub of this stay.
    Send(Arc<Entry>),
    /// Nowhere: this is its answer.
    Answer(Verdict, Option<Box<Denied>>),
}

/// What an open stream shall do.
#[derive(Debug)]
pub(crate) enum StreamOrder {
    /// Lead to the hub of this stay from now on.
    Attach(Ticket, Arc<Entry>),
    /// That hub has answered.
    Attached(Ticket, Result<Box<Attached>, Failed>),
    /// Say this to the client.
    Notify(Box<Notice>),
    /// End, and say when to come back.
    End,
    /// Have the session leave its hub.
    Leave(Option<Box<HubId>>),
    /// Have the session leave its hub, which is silent.
    Eject,
    /// Have somebody look at the record, which was changed by another gateway.
    Noticed(Box<Found>),
}

/// The hub's side of a stream that was attached.
#[derive(Debug)]
pub(crate) struct Attached {
    /// The hub.
    pub(crate) upstream: Arc<Upstream>,
    /// Counts the stream in.
    pub(crate) guard: InFlight,
    /// Its events.
    pub(crate) answer: Box<Answer>,
}

/// A stream that stands open.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// The client's GET.
    pub(crate) stream: RequestKey,
    /// In which stay its hub answered it.
    pub(crate) stay: u32,
    /// How to reach it.
    pub(crate) orders: UnboundedSender<StreamOrder>,
}

/// The part of a session that is only there while it is tended or has a stream open.
///
/// Nothing queues up without bound in the channels: each exchange tells one thing and waits for its answer, and a stream
/// is given one order for each change of its session.
#[derive(Debug, Default)]
pub struct Care {
    tended: AtomicBool,
    /// Whoever looks after it has nothing to do now.
    rests: AtomicBool,
    /// The number after that of the stay that an operator wants ended; 0 for none.
    unwanted: AtomicU32,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    mover: Option<UnboundedSender<Tell>>,
    streams: Vec<Standing>,
    /// Of an unwanted stay: where to.
    wanted_at: Option<HubId>,
}

impl Care {
    /// The session shall not stay in this stay; it shall go here if it can.
    pub(crate) fn want_away(&self, stay: u32, to: Option<HubId>) {
        let mut inside = self.inside();
        inside.wanted_at = to;
        self.unwanted.store(stay.saturating_add(1), Ordering::Release);
    }

    /// Whether the session shall not stay in this stay.
    pub(crate) fn is_wanted_away(&self, stay: u32) -> bool {
        self.unwanted.load(Ordering::Acquire) == stay.saturating_add(1)
    }

    /// Takes the wish that the session shall not stay in this stay. `None` where there is none.
    pub(crate) fn take_wish(&self, stay: u32) -> Option<Option<HubId>> {
        if !self.is_wanted_away(stay) {
            return None;
        }
        let mut inside = self.inside();
        // Somebody else may have been here in between.
        if !self.is_wanted_away(stay) {
            return None;
        }
        self.unwanted.store(0, Ordering::Release);
        Some(inside.wanted_at.take())
    }

    /// Streams that stand open.
    pub(crate) fn streams_open(&self) -> usize {
        self.inside().streams.len()
    }

    /// Whether somebody looks after the session now.
    pub(crate) fn is_tended(&self) -> bool {
        self.tended.load(Ordering::Acquire)
    }

    /// Whether it is on its way somewhere. It may be looked after for longer than that.
    pub(crate) fn is_moving(&self) -> bool {
        self.is_tended() && !self.rests.load(Ordering::Relaxed)
    }

    /// Whoever looks after it has something to do from now on, or nothing.
    pub(super) fn rests(&self, rests: bool) {
        self.rests.store(rests, Ordering::Relaxed);
    }

    /// Tells whoever looks after the session; where nobody does, `tend` is given all that somebody needs to begin.
    pub(crate) fn tell(&self, tell: Tell, tend: impl FnOnce(UnboundedReceiver<Tell>, Vec<Standing>)) {
        let mut inside = self.inside();
        if let Some(mover) = &inside.mover {
            // Under the lock: whoever ends takes the lock first, and reads everything that was told before.
            let _ = mover.send(tell);
            return;
        }
        let (mover, told) = unbounded_channel();
        let _ = mover.send(tell);
        inside.mover = Some(mover);
        self.rests(false);
        self.tended.store(true, Ordering::Release);
        tend(told, inside.streams.clone());
    }

    /// Tells whoever looks after the session, if somebody does; else gives it back.
    pub(crate) fn tell_if_tended(&self, tell: Tell) -> Result<(), Tell> {
        match &self.inside().mover {
            Some(mover) => mover.send(tell).map_err(|unsent| unsent.0),
            None => Err(tell),
        }
    }

    /// Ends the looking after, unless something was told meanwhile.
    pub(super) fn ends(&self, told: &UnboundedReceiver<Tell>) -> bool {
        let mut inside = self.inside();
        if !told.is_empty() {
            return false;
        }
        inside.mover = None;
        self.tended.store(false, Ordering::Release);
        true
    }

    /// A stream stands open from now on.
    pub(crate) fn stream_opened(&self, standing: Standing) {
        let mut inside = self.inside();
        if let Some(mover) = &inside.mover {
            let _ = mover.send(Tell::StreamOpened(standing.clone()));
        }
        inside.streams.push(standing);
    }

    /// A stream leads to the hub of this stay now.
    pub(crate) fn stream_leads(&self, stream: RequestKey, stay: u32) {
        let mut inside = self.inside();
        if let Some(standing) = inside.streams.iter_mut().find(|standing| standing.stream == stream) {
            standing.stay = stay;
        }
    }

    /// A stream has ended.
    pub(crate) fn stream_closed(&self, stream: RequestKey) {
        let mut inside = self.inside();
        inside.streams.retain(|standing| standing.stream != stream);
        if let Some(mover) = &inside.mover {
            let _ = mover.send(Tell::Left(stream));
        }
    }

    /// Gives an order to one of the open streams; gives it back where there is none.
    pub(crate) fn order(&self, order: StreamOrder) -> Result<(), StreamOrder> {
        match self.inside().streams.first() {
            Some(standing) => standing.orders.send(order).map_err(|unsent| unsent.0),
            None => Err(order),
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
