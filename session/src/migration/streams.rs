//! What stands open to the client, and to which hub does it lead? The GET streams.

use std::collections::{BTreeMap, BTreeSet};

use super::action::Notice;
use super::event::{Failed, RequestKey, Ticket};
use super::{Action, Migration, State, Stuck, Why};

/// Most streams of one session looked after. One would do, and many hubs answer 409 to a second.
pub const STREAMS_MAX: usize = 8;

/// How often a stream that does not hold is attached again before it is ended.
pub const ATTACHES_MAX: u8 = 8;

/// The client's open streams.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<RequestKey, Stream>,
    /// What the client must hear as soon as a stream leads to the session's hub.
    owed: BTreeSet<Notice>,
    /// When to try again where no hub could be had.
    retry: Option<Ticket>,
}

#[derive(Debug)]
struct Stream {
    leads: Leads,
    /// How often it has failed since it last stood.
    strikes: u8,
}

/// Where a stream leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leads {
    /// To the hub of this stay.
    To(u32),
    /// Soon to the hub of the present stay.
    Soon(Ticket),
    /// Nowhere.
    Nowhere,
}

impl Streams {
    pub(super) fn are_at_rest(&self) -> bool {
        self.retry.is_none() && self.open.values().all(|stream| matches!(stream.leads, Leads::To(_)))
    }

    pub(super) fn forget(&mut self, stream: RequestKey) {
        self.open.remove(&stream);
    }

    pub(super) fn owe(&mut self, notices: BTreeSet<Notice>) {
        self.owed.extend(notices);
    }

    pub(super) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    fn by_ticket(&self, ticket: Ticket) -> Option<RequestKey> {
        let leads = |stream: &Stream| stream.leads == Leads::Soon(ticket);
        self.open.iter().find(|(_, stream)| leads(stream)).map(|(key, _)| *key)
    }

    fn leading_nowhere(&self) -> Vec<RequestKey> {
        let nowhere = |stream: &Stream| stream.leads == Leads::Nowhere;
        self.open.iter().filter(|(_, stream)| nowhere(stream)).map(|(key, _)| *key).collect()
    }
}

impl Migration {
    /// A client's stream is open.
    pub(super) fn stream_opened(&mut self, stream: RequestKey, stay: u32) {
        if let State::Over(why) = self.state {
            return self.act(Action::EndStream { stream }, Why::Ended(why));
        }
        if self.streams.open.len() >= STREAMS_MAX && !self.streams.open.contains_key(&stream) {
            return self.act(Action::EndStream { stream }, Why::Stuck(Stuck::TooManyWait));
        }
        let present = stay == self.live.stay.number;
        let leads = if present { Leads::To(stay) } else { Leads::Nowhere };
        self.streams.open.insert(stream, Stream { leads, strikes: 0 });
        if present {
            self.notify(stream);
        } else if matches!(self.state, State::Home) {
            self.attach(stream, Why::OfAnEarlierStay);
        }
    }

    /// A hub has broken off a stream. Much stands between the two, so it is asked again before it is called lost.
    pub(super) fn stream_cut(&mut self, key: RequestKey, stay: u32, stood: bool) {
        let Some(stream) = self.streams.open.get_mut(&key) else { return };
        // It may have been attached to another hub meanwhile.
        if stream.leads != Leads::To(stay) {
            return;
        }
        stream.leads = Leads::Nowhere;
        stream.strikes = if stood { 0 } else { stream.strikes + 1 };
        if stream.strikes > ATTACHES_MAX {
            self.end_stream(key, Why::StreamCut);
        } else if matches!(self.state, State::Home) {
            self.attach(key, Why::StreamCut);
        }
    }

    fn attach(&mut self, key: RequestKey, why: Why) {
        let ticket = self.ticket();
        let Some(stream) = self.streams.open.get_mut(&key) else { return };
        stream.leads = Leads::Soon(ticket);
        let to = self.live.stay.clone();
        self.act(Action::Attach { ticket, stream: key, to }, why);
    }

    /// Has every stream lead to the present hub.
    pub(super) fn attach_all(&mut self, why: Why) {
        self.streams.retry = None;
        let keys: Vec<_> = self.streams.open.keys().copied().collect();
        for key in keys {
            self.attach(key, why);
        }
    }

    /// Has every stream that leads nowhere lead to the present hub.
    pub(super) fn attach_rest(&mut self, why: Why) {
        self.streams.retry = None;
        for key in self.streams.leading_nowhere() {
            self.attach(key, why);
        }
    }

    /// A stream leads to its hub, if the ticket is of one.
    pub(super) fn stream_attached(&mut self, ticket: Ticket) -> bool {
        let Some(key) = self.streams.by_ticket(ticket) else { return false };
        let present = self.live.stay.number;
        if let Some(stream) = self.streams.open.get_mut(&key) {
            stream.leads = Leads::To(present);
        }
        self.notify(key);
        true
    }

    /// A stream could not be led to its hub, if the ticket is of one.
    pub(super) fn stream_failed(&mut self, ticket: Ticket, how: Failed) -> bool {
        let Some(key) = self.streams.by_ticket(ticket) else { return false };
        let loss = match how {
            // This hub has no such streams: nothing will come, and the client need not know.
            Failed::Refused => return self.stream_attached(ticket),
            Failed::Unauthorized => {
                self.end_stream(key, Why::Stuck(Stuck::Unauthorized));
                return true;
            }
            Failed::Lost(loss) => loss,
        };
        let Some(stream) = self.streams.open.get_mut(&key) else { return true };
        stream.leads = Leads::Nowhere;
        stream.strikes += 1;
        if stream.strikes > ATTACHES_MAX {
            self.end_stream(key, Why::HubLost);
        }
        self.suspect(loss);
        true
    }

    /// No hub could be had. Is that for good, or will it be tried again?
    pub(super) fn streams_stuck(&mut self, stuck: Stuck) {
        let keys = self.streams.leading_nowhere();
        match stuck {
            Stuck::NoHub | Stuck::NoParams | Stuck::Unauthorized => {
                for key in keys {
                    self.end_stream(key, Why::Stuck(stuck));
                }
            }
            _ if keys.is_empty() => {}
            _ => {
                let ticket = self.ticket();
                self.streams.retry = Some(ticket);
                self.act(Action::Alarm { ticket }, Why::Stuck(stuck));
            }
        }
    }

    /// Tries again, if it is time. `false` if the ticket is of something else.
    pub(super) fn streams_time_up(&mut self, ticket: Ticket) -> bool {
        let due = self.streams.retry == Some(ticket);
        if due {
            self.streams.retry = None;
            if matches!(self.state, State::Home) {
                self.attach_rest(Why::StreamCut);
            }
        }
        due
    }

    /// Tells the client what it may have missed, on one stream.
    fn notify(&mut self, stream: RequestKey) {
        if !matches!(self.state, State::Home) {
            return;
        }
        for notice in std::mem::take(&mut self.streams.owed) {
            self.act(Action::Notify { stream, notice }, Why::Moved);
        }
    }

    fn end_stream(&mut self, stream: RequestKey, why: Why) {
        self.streams.open.remove(&stream);
        self.act(Action::EndStream { stream }, why);
    }

    /// Ends every stream.
    pub(super) fn end_streams(&mut self, why: Why) {
        self.streams.retry = None;
        for stream in std::mem::take(&mut self.streams.open).into_keys() {
            self.act(Action::EndStream { stream }, why);
        }
    }
}
