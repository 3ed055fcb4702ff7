//! What may happen next: to clients, hubs and gateways.

use super::super::*;
use super::{At, Dice, Exchange, HUBS, World, name_of};

impl World {
    /// One thing happens.
    pub(in crate::migration::tests) fn happen(&mut self, dice: &mut dyn Dice) {
        let pop = dice.below(self.pops.len());
        match dice.below(24) {
            0..=7 => self.answer_some(pop, dice),
            8..=10 => self.arrive(pop, dice),
            11..=13 => self.hub_answers(dice),
            14 => self.client_leaves(dice),
            15 | 16 => self.kill(dice),
            17 => self.start(dice),
            18 => self.store_up = !self.store_up,
            19 => self.alarm(pop, dice),
            20 => self.float(dice),
            21 => self.stream(pop, dice),
            22 => match dice.below(4) {
                0 => self.forget_session(dice),
                1 => self.tell(pop, Event::Leave),
                2 => self.start_over(pop),
                _ => self.greet_late(pop, dice),
            },
            _ => match dice.below(12) {
                0 => self.tell(pop, Event::End { why: Ended::Idle, stay: None }),
                1..=3 => self.notice(pop),
                4..=6 => self.set_level(),
                _ => {}
            },
        }
        self.watch();
    }

    pub(super) fn arrive(&mut self, pop: usize, dice: &mut dyn Dice) {
        let marks = [Mark::of(self.pops[pop].machine.stay()), Mark::of(&live().stay)];
        let kind = match dice.below(12) {
            0..=3 => Kind::Call { safe: false },
            4 | 5 => Kind::Call { safe: true },
            6 => Kind::Batch,
            7 => Kind::Notification,
            8 => Kind::Answer { stay: Some(marks[dice.below(2)]) },
            9 => Kind::Resume { stay: marks[dice.below(2)] },
            10 => Kind::Stream,
            // Seldom, since it is the end.
            _ if dice.below(3) == 2 => Kind::Delete,
            _ => Kind::Call { safe: true },
        };
        self.arrives(pop, kind);
    }

    pub(in crate::migration::tests) fn arrives(&mut self, pop: usize, kind: Kind) -> RequestKey {
        let key = RequestKey(self.exchanges.len() as u64 + 1000);
        let exchange = Exchange { kind, pop, at: At::Machine, to: None, sends: 0, acted: 0, answers: 0 };
        self.exchanges.insert(key, exchange);
        self.tell(pop, Event::Arrived(Request { key, kind, sends: 0 }));
        key
    }

    /// An exchange that was sent meets its hub.
    pub(super) fn hub_answers(&mut self, dice: &mut dyn Dice) {
        let sent: Vec<_> = self
            .exchanges
            .iter()
            .filter(|(_, exchange)| exchange.at == At::Hub)
            .map(|(key, _)| *key)
            .collect();
        if !sent.is_empty() {
            let key = sent[dice.below(sent.len())];
            self.meet(key, dice.below(6) == 5);
        }
    }

    /// `broken`: the hub acts, and breaks off before it answers.
    pub(super) fn meet(&mut self, key: RequestKey, broken: bool) {
        let Exchange { kind, pop, to, .. } = self.exchanges[&key].clone();
        let to = to.unwrap();
        let (name, upstream) = name_of(&to);
        let hub = &self.hubs[&name];
        let how = if !hub.up {
            Loss::Unreachable
        } else if !hub.sessions.contains(&upstream) {
            Loss::Unknown(self.memory(&name, &upstream))
        } else {
            let exchange = self.exchanges.get_mut(&key).unwrap();
            exchange.acted += 1;
            if !broken {
                exchange.at = At::Done;
                exchange.answers += 1;
                return self.answered(pop, key, kind, &to);
            }
            Loss::Broke
        };
        let exchange = self.exchanges.get_mut(&key).unwrap();
        exchange.at = At::Machine;
        exchange.sends += 1;
        let request = Some(Request { key, kind, sends: exchange.sends });
        self.tell(pop, Event::Lost(Lost { request, stay: to.number, how }));
    }

    pub(super) fn answered(&mut self, pop: usize, key: RequestKey, kind: Kind, to: &Stay) {
        match kind {
            Kind::Delete => {
                self.delete(to);
                self.tell(pop, Event::End { why: Ended::ByClient, stay: Some(to.number) });
            }
            Kind::Stream => {
                self.pops[pop].streams.insert(key, Some(to.number));
                self.tell(pop, Event::StreamOpened { stream: key, stay: to.number });
            }
            _ => self.retire(pop),
        }
    }

    pub(super) fn memory(&self, hub: &str, upstream: &str) -> Memory {
        let same = self.made.get(upstream) == Some(&self.hubs[hub].boot);
        if same { Memory::SameBoot } else { Memory::Restarted }
    }

    pub(super) fn client_leaves(&mut self, dice: &mut dyn Dice) {
        let keys: Vec<_> = self.exchanges.keys().copied().collect();
        if keys.is_empty() {
            return;
        }
        let key = keys[dice.below(keys.len())];
        let exchange = self.exchanges.get_mut(&key).unwrap();
        let pop = exchange.pop;
        // What was sent is read to its end, whoever has left.
        if exchange.at == At::Machine || exchange.kind == Kind::Stream {
            exchange.at = At::Done;
            self.pops[pop].streams.remove(&key);
            self.tell(pop, Event::Left { request: key });
        }
    }

    pub(super) fn kill(&mut self, dice: &mut dyn Dice) {
        let name = HUBS[dice.below(HUBS.len())];
        let hub = self.hubs.get_mut(name).unwrap();
        if !hub.up {
            return;
        }
        hub.up = false;
        hub.boot += 1;
        hub.sessions.clear();
        self.say(|| format!("{name} dies"));
        // What was in flight there may have been done.
        let there: Vec<_> = self
            .exchanges
            .iter()
            .filter(|(_, exchange)| exchange.at == At::Hub)
            .filter(|(_, exchange)| exchange.to.as_ref().is_some_and(|to| to.hub.as_str() == name))
            .map(|(key, _)| *key)
            .collect();
        for key in there {
            if dice.below(2) == 1 {
                let exchange = self.exchanges.get_mut(&key).unwrap();
                exchange.acted += 1;
                exchange.sends += 1;
                exchange.at = At::Machine;
                let (pop, stay) = (exchange.pop, exchange.to.as_ref().unwrap().number);
                let request = Some(Request { key, kind: exchange.kind, sends: exchange.sends });
                let how = if dice.below(2) == 1 { Loss::Ejected } else { Loss::Broke };
                self.tell(pop, Event::Lost(Lost { request, stay, how }));
            }
        }
    }

    pub(super) fn start(&mut self, dice: &mut dyn Dice) {
        self.hubs.get_mut(HUBS[dice.below(HUBS.len())]).unwrap().up = true;
    }

    /// A hub forgets a session of its own accord.
    pub(super) fn forget_session(&mut self, dice: &mut dyn Dice) {
        let hub = self.hubs.get_mut(HUBS[dice.below(HUBS.len())]).unwrap();
        hub.sessions.clear();
        self.may_end = true;
    }

    pub(super) fn stream(&mut self, pop: usize, dice: &mut dyn Dice) {
        let standing: Vec<_> =
            self.pops[pop].streams.iter().filter_map(|(key, leads)| leads.map(|stay| (*key, stay))).collect();
        if let Some((stream, stay)) = standing.first().copied() {
            self.pops[pop].streams.insert(stream, None);
            self.tell(pop, Event::StreamCut { stream, stay, stood: dice.below(2) == 0 });
        }
    }

    /// The process starts over: its clients are cut off, and it knows no more than the token.
    pub(super) fn start_over(&mut self, pop: usize) {
        let owes = self.pops[pop].owed.is_some() || !self.pops[pop].machine.is_at_rest();
        if owes || !self.pops[pop].retiring.is_empty() || self.alone {
            return;
        }
        for exchange in self.exchanges.values_mut().filter(|exchange| exchange.pop == pop) {
            exchange.at = At::Done;
        }
        let mut live = live();
        live.subscriptions.insert("x:1").unwrap();
        self.pops[pop].machine = Migration::new(session(live)).unwrap();
        self.pops[pop].streams.clear();
        self.pops[pop].over = false;
        // Handshakes that are answered now are ended by the driver.
        self.pops[pop].pending.clear();
        while !self.pops[pop].greets.is_empty() {
            let (_, hub, upstream) = self.pops[pop].greets.remove(0);
            self.hubs.get_mut(hub.as_str()).unwrap().sessions.remove(&upstream);
        }
    }

    pub(super) fn alarm(&mut self, pop: usize, dice: &mut dyn Dice) {
        let alarms: Vec<_> = (0..self.pops[pop].pending.len())
            .filter(|at| matches!(self.pops[pop].pending[*at], Action::Alarm { .. }))
            .collect();
        if !alarms.is_empty() {
            let at = alarms[dice.below(alarms.len())];
            self.ring(pop, at);
        }
    }

    pub(super) fn ring(&mut self, pop: usize, at: usize) {
        if let Action::Alarm { ticket } = self.pops[pop].pending.remove(at) {
            self.tell(pop, Event::TimeUp { ticket });
        }
    }
}
