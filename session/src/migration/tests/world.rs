//! Hubs that die, a store that is out, clients that leave, and two gateways in between: everything that can happen to
//! one session, drawn by dice, and what must hold all the time.
//!
//! The world is deterministic: the same dice, the same course of things.

mod answer;
mod end;
mod happen;
mod store;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::record::Found;

/// Hubs of the world; `d` never fits, since it speaks another version.
const HUBS: [&str; 4] = ["a", "b", "c", "d"];

/// Numbers below a bound, until there are no more: then nothing but zeros.
pub(super) trait Dice {
    fn below(&mut self, bound: usize) -> usize;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the hands of this gateway's machine.
    Machine,
    /// Sent by this gateway to this hub, in this session of its own.
    Hub,
    /// Answered, or the client is gone.
    Done,
}

#[derive(Clone, Debug)]
struct Exchange {
    kind: Kind,
    pop: usize,
    at: At,
    to: Option<Stay>,
    sends: u8,
    /// How often it was carried out.
    acted: u32,
    /// How often its client got an answer.
    answers: u32,
}

#[derive(Clone, Debug, Default)]
struct Hub {
    up: bool,
    boot: u32,
    sessions: BTreeSet<String>,
}

struct Pop {
    machine: Migration,
    pending: Vec<Action>,
    /// Handshakes that nobody waits for any more, and what they made.
    greets: Vec<(Ticket, HubId, String)>,
    streams: BTreeMap<RequestKey, Option<u32>>,
    retiring: Vec<Stay>,
    owed: Option<Record>,
    over: bool,
}

/// Everything there is.
pub(super) struct World {
    pops: Vec<Pop>,
    alone: bool,
    hubs: BTreeMap<String, Hub>,
    /// In which boot of its hub a session was made.
    made: BTreeMap<String, u32>,
    store: Option<Found>,
    store_up: bool,
    /// Writings that nobody waits for any more, and that may still arrive.
    afloat: Vec<(usize, Action)>,
    revisions: u64,
    /// Whether a hub has forgotten a session, or somebody has ended it: without either, nothing expires.
    may_end: bool,
    /// Every stay that was written, by hub and upstream id: who may be sent anything.
    won: BTreeSet<(String, String)>,
    exchanges: BTreeMap<RequestKey, Exchange>,
    upstreams: u32,
    steps: usize,
    telling: bool,
    pub(super) tale: Vec<String>,
}

impl World {
    pub(super) fn new(pops: usize, telling: bool) -> Self {
        let mut live = live();
        live.subscriptions.insert("x:1").unwrap();
        let alone = pops == 1;
        let pop = |_| Pop {
            machine: Migration::new(Session { alone, ..session(live.clone()) }).unwrap(),
            pending: Vec::new(),
            greets: Vec::new(),
            streams: BTreeMap::new(),
            retiring: Vec::new(),
            owed: None,
            over: false,
        };
        let mut hubs: BTreeMap<_, _> =
            HUBS.iter().map(|name| ((*name).to_owned(), Hub { up: true, ..Hub::default() })).collect();
        hubs.get_mut("a").unwrap().sessions.insert("a-0".to_owned());
        Self {
            pops: (0..pops).map(pop).collect(),
            alone,
            hubs,
            made: [("a-0".to_owned(), 0)].into(),
            store: None,
            store_up: true,
            afloat: Vec::new(),
            revisions: 0,
            may_end: false,
            won: [("a".to_owned(), "a-0".to_owned())].into(),
            exchanges: BTreeMap::new(),
            upstreams: 0,
            steps: 0,
            telling,
            tale: Vec::new(),
        }
    }

    fn say(&mut self, line: impl FnOnce() -> String) {
        if self.telling {
            self.tale.push(line());
        }
    }

    /// Tells a machine, and has done what it wants.
    fn tell(&mut self, pop: usize, event: Event) {
        self.steps += 1;
        let ends = matches!(event, Event::End { .. } | Event::Arrived(Request { kind: Kind::Delete, .. }));
        self.may_end |= ends;
        assert!(self.steps < 20_000, "it goes on for ever");
        self.say(|| format!("{pop} <- {event:?}"));
        let steps = self.pops[pop].machine.step(event, NOW);
        for Step { action, why } in steps {
            self.say(|| format!("{pop}    -> {action:?} since {why}"));
            self.act(pop, action);
        }
        self.retire(pop);
    }

    fn act(&mut self, pop: usize, action: Action) {
        match action {
            Action::Choose { ref residency, .. } => {
                assert_eq!(residency.as_ref().map(ResidencyId::as_str), Some("eu"), "the residency was lost");
                self.pops[pop].pending.push(action);
            }
            Action::Alarm { .. } => self.pops[pop].pending.push(action),
            Action::Send { request, to } => self.send(pop, request, to),
            Action::Answer { request, with } => self.answer(pop, request, with),
            Action::Delete { at } => self.delete(&at),
            Action::Retire { at } => self.pops[pop].retiring.push(at),
            Action::Owe { record } => {
                let living = record.live().map(|live| live.stay.clone());
                if let Some(stay) = living {
                    assert!(self.alone, "went ahead without the store while others might");
                    self.won.insert(name_of(&stay));
                }
                self.pops[pop].owed = Some(*record);
            }
            Action::Over { .. } => {
                assert!(self.may_end, "over, though nobody has ended it");
                self.pops[pop].over = true;
            }
            Action::EndStream { stream } => {
                self.pops[pop].streams.remove(&stream);
            }
            Action::Notify { stream, .. } => {
                assert!(self.pops[pop].streams.contains_key(&stream), "spoke to nobody");
            }
            Action::Moved { ref to, .. } => {
                assert!(self.won.contains(&name_of(to)), "moved to what nobody has won");
            }
            Action::Attach { stream, ref to, .. } => {
                assert!(self.won.contains(&name_of(to)), "a stream went to what nobody has won");
                if let Some(leads) = self.pops[pop].streams.get_mut(&stream) {
                    *leads = None;
                }
                self.pops[pop].pending.push(action);
            }
            Action::Write { .. }
            | Action::Read { .. }
            | Action::Initialize { .. }
            | Action::Confirm { .. }
            | Action::SetLevel { .. }
            | Action::Subscribe { .. }
            | Action::Unsubscribe { .. } => self.pops[pop].pending.push(action),
        }
    }

    fn send(&mut self, pop: usize, request: RequestKey, to: Stay) {
        assert!(self.won.contains(&name_of(&to)), "sent to what nobody has won");
        assert!(!self.pops[pop].over, "sent after the end");
        let Some(exchange) = self.exchanges.get_mut(&request) else { panic!("sent what is not there") };
        if exchange.at == At::Done {
            panic!("sent what was answered, or whose client had gone");
        }
        assert_eq!((exchange.at, exchange.pop), (At::Machine, pop), "sent what was not in its hands");
        match exchange.kind {
            Kind::Batch => assert_eq!(exchange.sends, 0, "a batch was sent twice"),
            Kind::Answer { stay } => assert_eq!(stay, Some(Mark::of(&to)), "it answers another question"),
            Kind::Resume { stay } => assert_eq!(stay, Mark::of(&to), "another hub's stream"),
            _ => assert!(exchange.sends < SENDS_MAX, "sent for ever"),
        }
        exchange.at = At::Hub;
        exchange.to = Some(to);
    }

    fn answer(&mut self, pop: usize, request: RequestKey, with: Answer) {
        let exchange = self.exchanges.get_mut(&request).expect("answered what is not there");
        assert_eq!(
            (exchange.at, exchange.pop),
            (At::Machine, pop),
            "answered what was not in its hands: {with:?}"
        );
        let nothing_done = matches!(with, Answer::NotServed(_) | Answer::Unauthorized);
        if nothing_done && !matches!(exchange.kind, Kind::Call { safe: true } | Kind::Stream) {
            assert_eq!(exchange.acted, 0, "said that nothing was done: {exchange:?}");
        }
        exchange.at = At::Done;
        exchange.answers += 1;
    }

    fn delete(&mut self, at: &Stay) {
        let (hub, upstream) = name_of(at);
        if self.hubs[&hub].up {
            self.hubs.get_mut(&hub).unwrap().sessions.remove(&upstream);
        }
    }

    /// Ends what is to be ended once nothing of this gateway is in flight there.
    fn retire(&mut self, pop: usize) {
        let retiring = std::mem::take(&mut self.pops[pop].retiring);
        for stay in retiring {
            let busy = self.exchanges.values().any(|exchange| {
                exchange.pop == pop && exchange.at == At::Hub && exchange.to.as_ref() == Some(&stay)
            });
            if busy { self.pops[pop].retiring.push(stay) } else { self.delete(&stay) }
        }
    }

    /// What must hold at any moment.
    fn watch(&self) {
        for exchange in self.exchanges.values() {
            assert!(exchange.answers <= 1, "answered twice: {exchange:?}");
            let once = matches!(exchange.kind, Kind::Call { safe: false } | Kind::Batch | Kind::Notification);
            assert!(!once || exchange.acted <= 1, "done twice: {exchange:?}");
        }
        for pop in &self.pops {
            assert!(pop.machine.held.len() <= HELD_MAX + 1);
        }
    }
}

fn name_of(stay: &Stay) -> (String, String) {
    (stay.hub.as_str().to_owned(), stay.upstream.as_id().as_str().to_owned())
}
