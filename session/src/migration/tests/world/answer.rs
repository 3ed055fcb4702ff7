//! What hubs and the store answer to the machines.

use super::super::*;
use super::{Dice, HUBS, World, name_of};

impl World {
    pub(super) fn answer_some(&mut self, pop: usize, dice: &mut dyn Dice) {
        let open: Vec<_> = (0..self.pops[pop].pending.len())
            .filter(|at| !matches!(self.pops[pop].pending[*at], Action::Alarm { .. }))
            .collect();
        if open.is_empty() {
            return;
        }
        let at = open[dice.below(open.len())];
        let luck = dice.below(10);
        self.answer_one(pop, at, luck);
    }

    /// Answers one thing; with `luck` of 7 and more, something goes wrong.
    pub(super) fn answer_one(&mut self, pop: usize, at: usize, luck: usize) {
        let action = self.pops[pop].pending.remove(at);
        match action {
            Action::Read { ticket } => {
                if self.store_up && luck < 9 {
                    let found = self.store.clone();
                    self.tell(pop, Event::Read { ticket, found });
                } else {
                    self.tell(pop, Event::Late { ticket });
                }
            }
            Action::Write { ticket, expected, ref record } => {
                self.answer_write(pop, (ticket, expected), record, luck);
            }
            Action::Choose { ticket, ref avoid, .. } => {
                let fits =
                    |name: &&&str| self.hubs[**name].up && !avoid.iter().any(|hub| hub.as_str() == **name);
                let hub = HUBS.iter().find(fits).map(|name| hub(name));
                let event = if luck == 9 { Event::Late { ticket } } else { Event::Chosen { ticket, hub } };
                self.tell(pop, event);
            }
            Action::Initialize { ticket, ref hub, ref params } => {
                assert!(params.contains(r#""protocolVersion":"2025-11-25""#), "{params}");
                self.answer_initialize(pop, ticket, hub, luck);
            }
            Action::Confirm { ticket, ref to }
            | Action::SetLevel { ticket, ref to, .. }
            | Action::Subscribe { ticket, ref to, .. }
            | Action::Unsubscribe { ticket, ref to, .. } => {
                let (name, upstream) = name_of(to);
                let there = self.hubs[&name].up && self.hubs[&name].sessions.contains(&upstream);
                let event = match luck {
                    9 => Event::Late { ticket },
                    8 => Event::Failed { ticket, how: Failed::Refused },
                    _ if there => Event::Done { ticket },
                    _ => Event::Failed { ticket, how: Failed::Lost(Loss::Broke) },
                };
                self.tell(pop, event);
            }
            Action::Attach { ticket, stream, ref to } => self.answer_attach(pop, (ticket, stream), to, luck),
            _ => {}
        }
    }

    pub(super) fn answer_write(
        &mut self,
        pop: usize,
        asked: (Ticket, Revision),
        record: &Record,
        luck: usize,
    ) {
        let (ticket, expected) = asked;
        if !self.store_up || luck == 9 {
            // Nobody knows whether it was written, or will be.
            let action = Action::Write { ticket, expected, record: Box::new(record.clone()) };
            self.afloat.push((pop, action));
            return self.tell(pop, Event::Late { ticket });
        }
        if luck == 7 {
            return self.tell(pop, Event::Failed { ticket, how: Failed::Lost(Loss::Unreachable) });
        }
        let done = self.write(expected, record);
        let event = match done {
            _ if luck == 8 => Event::Late { ticket },
            Ok(revision) => Event::Written { ticket, revision },
            Err(found) => Event::Conflict { ticket, found },
        };
        self.tell(pop, event);
    }

    pub(super) fn answer_initialize(&mut self, pop: usize, ticket: Ticket, to: &HubId, luck: usize) {
        let hub = self.hubs.get_mut(to.as_str()).unwrap();
        if !hub.up || luck == 8 {
            let how = Failed::Lost(Loss::Unreachable);
            return self.tell(pop, Event::Failed { ticket, how });
        }
        self.upstreams += 1;
        let upstream = format!("{to}-{}", self.upstreams);
        hub.sessions.insert(upstream.clone());
        self.made.insert(upstream.clone(), hub.boot);
        if luck == 9 {
            self.pops[pop].greets.push((ticket, to.clone(), upstream));
            return self.tell(pop, Event::Late { ticket });
        }
        self.greet(pop, ticket, to.clone(), &upstream);
    }

    pub(super) fn greet(&mut self, pop: usize, ticket: Ticket, hub: HubId, name: &str) {
        let version = if hub.as_str() == "d" { "2025-06-18" } else { "2025-11-25" };
        let greeting =
            Greeting { version: version.into(), offer: Offer::default(), upstream: Some(upstream(name)) };
        self.tell(pop, Event::Greeted { ticket, hub, greeting: Box::new(greeting) });
    }

    pub(super) fn greet_late(&mut self, pop: usize, dice: &mut dyn Dice) {
        if self.pops[pop].greets.is_empty() {
            return;
        }
        let at = dice.below(self.pops[pop].greets.len());
        let (ticket, hub, upstream) = self.pops[pop].greets.remove(at);
        self.greet(pop, ticket, hub, &upstream);
    }

    pub(super) fn answer_attach(&mut self, pop: usize, asked: (Ticket, RequestKey), to: &Stay, luck: usize) {
        let (ticket, stream) = asked;
        let (name, upstream) = name_of(to);
        let (up, there) = (self.hubs[&name].up, self.hubs[&name].sessions.contains(&upstream));
        let event = match luck {
            9 => Event::Late { ticket },
            8 => Event::Failed { ticket, how: Failed::Refused },
            _ if up && there => Event::Done { ticket },
            _ if up => {
                let how = Loss::Unknown(self.memory(&name, &upstream));
                Event::Failed { ticket, how: Failed::Lost(how) }
            }
            _ => Event::Failed { ticket, how: Failed::Lost(Loss::Unreachable) },
        };
        let leads = !matches!(event, Event::Failed { how: Failed::Lost(_), .. });
        if leads && let Some(stands) = self.pops[pop].streams.get_mut(&stream) {
            *stands = Some(to.number);
        }
        self.tell(pop, event);
    }
}
