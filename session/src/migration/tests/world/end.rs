//! How it ends: nothing answers any more, or everything does.

use super::super::*;
use super::{At, World, name_of};

impl World {
    /// Nothing answers any more: within two moves' time, nobody waits.
    pub(in crate::migration::tests) fn freeze(&mut self) {
        for _ in 0..40 {
            for pop in 0..self.pops.len() {
                let pending = std::mem::take(&mut self.pops[pop].pending);
                for action in pending {
                    self.stands(pop, &action);
                    match (action.ticket(), action) {
                        (Some(ticket), _) => self.tell(pop, Event::Late { ticket }),
                        (None, Action::Alarm { ticket }) => self.tell(pop, Event::TimeUp { ticket }),
                        _ => {}
                    }
                }
            }
        }
        self.nobody_waits();
    }

    /// Everything works again and everything is answered: the session lives on one hub, or nowhere.
    pub(in crate::migration::tests) fn heal(&mut self) {
        self.store_up = true;
        for hub in self.hubs.values_mut() {
            hub.up = true;
        }
        self.settle();
        for pop in 0..self.pops.len() {
            self.arrives(pop, Kind::Call { safe: true });
            self.settle();
        }
        self.nobody_waits();
        self.watch();
        for pop in &self.pops {
            let present = Some(pop.machine.stay().number);
            assert!(
                pop.streams.values().all(|leads| *leads == present),
                "a stream leads nowhere: {:?}",
                pop.streams
            );
            assert!(pop.machine.is_at_rest());
        }
        let living: Vec<_> = self
            .hubs
            .iter()
            .flat_map(|(name, hub)| hub.sessions.iter().map(move |id| (name.clone(), id.clone())))
            .collect();
        let home = self.store.as_ref().map(|found| found.record.live().map(|live| name_of(&live.stay)));
        match home {
            None => assert!(living.len() <= 1, "sessions left behind: {living:?}"),
            Some(Some(home)) => {
                assert_eq!(living, [home], "the session lives elsewhere");
                assert!(self.pops.iter().all(|pop| pop.machine.over().is_none()), "one says it is over");
            }
            Some(None) => {
                assert!(living.is_empty(), "ended, and left behind {living:?}");
                assert!(self.pops.iter().all(|pop| pop.machine.over().is_some()), "one goes on");
            }
        }
    }

    /// Everything that is asked for is answered as it should be, until nothing is.
    pub(in crate::migration::tests) fn settle(&mut self) {
        for _ in 0..1_000 {
            let mut quiet = true;
            for pop in 0..self.pops.len() {
                self.pay(pop);
                while let Some((pop, action)) = self.afloat.pop() {
                    if let Action::Write { ticket, expected, record } = action
                        && let Ok(revision) = self.write(expected, &record)
                    {
                        self.tell(pop, Event::Written { ticket, revision });
                    }
                }
                while let Some((ticket, hub, upstream)) = self.pops[pop].greets.pop() {
                    quiet = false;
                    self.greet(pop, ticket, hub, &upstream);
                }
                quiet &= !self.cut_dead(pop);
                let open =
                    self.pops[pop].pending.iter().position(|action| !matches!(action, Action::Alarm { .. }));
                if let Some(at) = open {
                    quiet = false;
                    self.answer_one(pop, at, 0);
                } else if !self.pops[pop].machine.is_at_rest() && !self.pops[pop].pending.is_empty() {
                    quiet = false;
                    self.ring(pop, self.pops[pop].pending.len() - 1);
                }
            }
            let sent =
                self.exchanges.iter().find(|(_, exchange)| exchange.at == At::Hub).map(|(key, _)| *key);
            if let Some(key) = sent {
                quiet = false;
                self.meet(key, false);
            }
            for pop in 0..self.pops.len() {
                self.retire(pop);
            }
            if quiet {
                return;
            }
        }
        panic!("it does not settle");
    }

    /// A stream that takes long to open counts as open; its driver tells when it fails after all.
    fn stands(&mut self, pop: usize, action: &Action) {
        if let Action::Attach { stream, to, .. } = action
            && let Some(leads) = self.pops[pop].streams.get_mut(stream)
        {
            *leads = Some(to.number);
        }
    }

    /// A stream that leads to no living session is cut.
    fn cut_dead(&mut self, pop: usize) -> bool {
        let (name, upstream) = name_of(self.pops[pop].machine.stay());
        let present =
            self.hubs[&name].sessions.contains(&upstream).then(|| self.pops[pop].machine.stay().number);
        let dead = self.pops[pop].streams.iter().find(|(_, leads)| leads.is_some() && **leads != present);
        let Some((stream, Some(stay))) = dead.map(|(key, leads)| (*key, *leads)) else { return false };
        self.pops[pop].streams.insert(stream, None);
        self.tell(pop, Event::StreamCut { stream, stay, stood: true });
        true
    }

    pub(super) fn nobody_waits(&self) {
        for (key, exchange) in &self.exchanges {
            assert_ne!(exchange.at, At::Machine, "{key:?} waits for ever: {exchange:?}");
        }
    }

    // For those who look for one course of things.

    /// How many actions of a gateway wait for an answer.
    pub(in crate::migration::tests) fn open(&self, pop: usize) -> usize {
        self.pops[pop].pending.iter().filter(|action| !matches!(action, Action::Alarm { .. })).count()
    }

    /// Answers the first open action of a gateway.
    pub(in crate::migration::tests) fn answer_first(&mut self, pop: usize, luck: usize) {
        let at = self.pops[pop].pending.iter().position(|action| !matches!(action, Action::Alarm { .. }));
        self.answer_one(pop, at.unwrap(), luck);
        self.watch();
    }

    /// A hub is dead from now on.
    pub(in crate::migration::tests) fn bury(&mut self, name: &str) {
        let hub = self.hubs.get_mut(name).unwrap();
        (hub.up, hub.boot) = (false, hub.boot + 1);
        hub.sessions.clear();
    }

    /// An exchange that was sent meets its hub.
    pub(in crate::migration::tests) fn meets(&mut self, key: RequestKey) {
        if self.exchanges[&key].at == At::Hub {
            self.meet(key, false);
        }
    }
}
