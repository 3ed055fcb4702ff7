//! What is on its way: probes and requests, from when they are sent to what comes of them.

use std::rc::Rc;
use std::time::Duration;

use mcphub_health::{BootId, Outcome, ProbeId, ProbeOrder, ProbeReport};
use mcphub_routing::MonoTime;

use crate::traffic::{Request, again};
use crate::truth::{ANSWER_DEADLINE, Fate, Meter};
use crate::world::{Due, World};

/// A probe or a request on its way.
pub struct Flight {
    hub: usize,
    sent: MonoTime,
    deadline: MonoTime,
    fate: Fate,
    serial: u64,
    meter: Rc<Meter>,
    cargo: Cargo,
}

pub enum Cargo {
    Probe(ProbeId),
    Request(Box<Request>),
}

impl World<'_> {
    pub fn probe(&mut self, order: &ProbeOrder) {
        let Some(hub) = self.hubs.iter().position(|hub| hub.id == order.hub) else { return };
        self.tally.probes += 1;
        self.watch.probe_sent(hub, order.id, self.now);
        let fate = self.hubs[hub].probe(order.timeout, &mut self.dice);
        self.launch(hub, fate, order.timeout, Cargo::Probe(order.id));
    }

    fn launch(&mut self, hub: usize, fate: Fate, deadline: Duration, cargo: Cargo) {
        let slot = self.flights.iter().position(Option::is_none).unwrap_or(self.flights.len());
        if slot == self.flights.len() {
            self.flights.push(None);
        }
        let meter = Rc::clone(&self.hubs[hub].meter);
        if matches!(cargo, Cargo::Request(_)) {
            meter.in_flight.set(meter.in_flight.get() + 1);
        }
        let (sent, deadline) = (self.now, self.now.after(deadline));
        self.flights[slot] = Some(Flight { hub, sent, deadline, fate, serial: 0, meter, cargo });
        self.land(slot, self.now.after(fate.took));
    }

    /// The flight will end then.
    fn land(&mut self, slot: usize, at: MonoTime) {
        let serial = self.serial + 1;
        if let Some(flight) = self.flights[slot].as_mut() {
            flight.serial = serial;
            self.push(at, Due::End { slot, serial });
        }
    }

    pub fn end(&mut self, slot: usize, serial: u64) {
        if self.flights[slot].as_ref().is_none_or(|flight| flight.serial != serial) {
            return;
        }
        let Some(flight) = self.flights[slot].take() else { return };
        let (hub, outcome, took) = (flight.hub, flight.fate.outcome, self.now.since(flight.sent));
        match flight.cargo {
            Cargo::Probe(id) => {
                let passed = !outcome.is_failure();
                let eras = passed.then_some(self.hubs[hub].eras);
                let boot = passed.then(|| BootId::of(&self.hubs[hub].boot.to_string()));
                self.mail.push((hub, ProbeReport { id, outcome, latency: took, eras, boot }));
                if self.now >= self.away_until {
                    self.deliver();
                }
            }
            Cargo::Request(request) => {
                let meter = &flight.meter;
                meter.in_flight.set(meter.in_flight.get() - 1);
                let latency = took - flight.fate.connect.unwrap_or_default().min(took);
                meter.recorder.record(outcome, latency, flight.fate.connect, self.now);
                self.answer(*request, hub, outcome, Rc::ptr_eq(meter, &self.hubs[hub].meter));
            }
        }
    }

    pub fn deliver(&mut self) {
        for (hub, probe) in std::mem::take(&mut self.mail) {
            self.watch.probe_ended(hub, &probe, self.now);
            self.control.ended(&self.hubs[hub].id, &probe);
        }
    }

    /// A request has come to something. `ours`: the hub it went to is still configured.
    fn answer(&mut self, mut request: Request, hub: usize, outcome: Outcome, ours: bool) {
        if ours {
            self.watch.came_to(hub, outcome, &self.hubs[hub], self.now);
            if outcome.is_failure() {
                self.control.failed(&self.hubs[hub].id, self.now);
            }
        }
        let index = request.table.find(self.hubs[hub].id.as_str());
        if again(&request, outcome) && index.is_some_and(|index| request.tried.insert(index)) {
            self.route(request);
        } else if !outcome.is_failure() {
            self.clients.answered(&request, hub, self.now, &mut self.dice);
        }
    }

    pub fn arrive(&mut self) {
        if self.clients.rate > 0 {
            let (table, positions) = (self.control.table(), Rc::clone(&self.positions));
            let request = self.clients.request(table, positions, self.now, &mut self.dice);
            self.tally.requests += 1;
            self.route(request);
        }
        let next = self.clients.next(self.now, &mut self.dice);
        self.push(next, Due::Arrival);
    }

    fn route(&mut self, mut request: Request) {
        let (choice, asked) = self.clients.route(&request, &self.hubs);
        self.watch.choice(&request, &asked, choice, &self.hubs, self.now);
        let Some(index) = choice.hub() else { return };
        request.attempts += 1;
        let hub = request.positions[index.get()];
        let fate = self.hubs[hub].request(&mut self.dice);
        self.launch(hub, fate, ANSWER_DEADLINE, Cargo::Request(Box::new(request)));
    }

    /// What is on its way to this hub comes to something else now.
    pub fn disturb(&mut self, hub: usize) {
        let honest = self.hubs[hub].is_honest();
        let here = |flight: &Option<Flight>| {
            let concerned = |flight: &Flight| honest || matches!(flight.cargo, Cargo::Request(_));
            flight.as_ref().is_some_and(|flight| flight.hub == hub && concerned(flight))
        };
        let slots: Vec<_> = (0..self.flights.len()).filter(|&slot| here(&self.flights[slot])).collect();
        for slot in slots {
            let Some(flight) = self.flights[slot].as_mut() else { continue };
            let soon = self.now.after(Duration::from_millis(1));
            let at = if self.hubs[hub].refuses() {
                flight.fate.outcome = Outcome::Reset;
                soon
            } else if self.hubs[hub].is_dead() {
                flight.fate.outcome = Outcome::Timeout;
                flight.deadline.max(soon)
            } else if flight.fate.outcome == Outcome::Timeout {
                flight.fate.outcome = Outcome::Ok; // The answer that was held up.
                soon
            } else {
                continue;
            };
            self.land(slot, at);
        }
    }
}
