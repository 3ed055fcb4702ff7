//! What could happen? A script from a seed: a fleet, its policy, and a few episodes of trouble.

use mcphub_routing::{Algorithm, EraSet, HubType};

use crate::dice::Dice;
use crate::script::{Event, Happening, HubLine, Probing, Script, What};

const LOCATIONS: [&str; 3] = ["eu", "us", "ap"];

/// The script of this seed.
pub fn invent(seed: u64) -> Script {
    let mut dice = Dice::new(seed);
    let count = dice.pick(&[1, 2, 2, 3, 3, 4, 4, 5, 6, 8]) as usize;
    let hubs: Vec<_> = (0..count + 1).map(|n| hub(n, n == count, &mut dice)).collect();
    let rules = if dice.chance(300) && hubs[0].location == "eu" { vec!["eu".to_owned()] } else { vec![] };
    let algorithm = dice.pick(&[
        Algorithm::Geographic,
        Algorithm::RoundRobin,
        Algorithm::LeastConnections,
        Algorithm::HealthBased,
    ]);
    let clients = dice.between(3, 25);
    let settings = settings(count as u64, &mut dice);
    let mut events = Events { dice, count, hubs: &hubs, now: 3_000, list: vec![] };
    for _ in 0..events.dice.between(1, 4) {
        events.now += events.dice.between(2_000, 15_000);
        events.episode();
    }
    let mut events = events.list;
    events.sort_by_key(|event| event.at);
    Script { seed, algorithm, settings, rules, clients, hubs, events }
}

fn hub(n: usize, later: bool, dice: &mut Dice) -> HubLine {
    HubLine {
        name: format!("h{}", n + 1),
        location: dice.pick(&LOCATIONS).to_owned(),
        kind: dice.pick(&[HubType::Primary, HubType::Primary, HubType::Secondary, HubType::Edge]),
        eras: dice.pick(&[EraSet::BOTH, EraSet::BOTH, EraSet::BOTH, EraSet::LEGACY, EraSet::MODERN]),
        later,
    }
}

fn settings(hubs: u64, dice: &mut Dice) -> Vec<(String, u64)> {
    let slow_start = dice.pick(&[30_000, 10_000, 10_000, 0]);
    [
        ("floor", dice.pick(&[1, 1, 2, hubs])),
        ("max_out", dice.pick(&[500, 500, 300, 0, 1000])),
        ("dwell", dice.pick(&[10_000, 10_000, 4_000, 0])),
        ("slow_start", slow_start),
        ("ejection", dice.pick(&[30_000, 10_000, 5_000])),
        ("ejection_max", dice.pick(&[30_000, 60_000])),
        ("drain", dice.between(2_000, 15_000)),
        ("forecasts", dice.pick(&[0, 0, 1])),
    ]
    .map(|(field, value)| (field.to_owned(), value))
    .to_vec()
}

/// Events in the making. The last hub of the script is one that only a reload brings.
struct Events<'a> {
    dice: Dice,
    count: usize,
    hubs: &'a [HubLine],
    now: u64,
    list: Vec<Event>,
}

impl Events<'_> {
    fn at(&mut self, at: u64, what: What) {
        self.list.push(Event { at, what });
    }

    fn hub(&mut self, at: u64, hub: usize, happening: Happening) {
        self.at(at, What::Hub(hub, happening));
    }

    fn any(&mut self) -> usize {
        self.dice.between(0, self.count as u64 - 1) as usize
    }

    fn fault(&mut self) -> Happening {
        match self.dice.between(0, 9) {
            0..=2 => Happening::Crash,
            3 => Happening::Hang,
            4 => Happening::Cut,
            5 => Happening::Slow(self.dice.pick(&[2, 4, 8, 20, 100])),
            6..=7 => Happening::Errors(self.dice.pick(&[30, 100, 500, 1000])),
            8 => Happening::Loss(self.dice.pick(&[10, 50, 200])),
            _ => Happening::Probes(self.dice.pick(&[Probing::Pass, Probing::Silent, Probing::Denied])),
        }
    }

    fn span(&mut self) -> u64 {
        self.dice.pick(&[200, 1_000, 3_000, 3_000, 8_000, 15_000, 25_000]) + self.dice.between(0, 2_000)
    }

    fn episode(&mut self) {
        let (hub, span) = (self.any(), self.span());
        match self.dice.between(0, 14) {
            0..=2 => {
                let fault = self.fault();
                self.trouble(&[hub], fault, span);
            }
            3 => self.flap(hub),
            4 => {
                let location = &self.hubs[hub].location;
                let there: Vec<_> = (0..self.count).filter(|&n| self.hubs[n].location == *location).collect();
                let fault = self.fault();
                self.trouble(&there, fault, span);
            }
            5 => {
                let fault = self.fault();
                let most: Vec<_> = (0..self.count).filter(|_| self.dice.chance(750)).collect();
                self.trouble(&most, fault, span);
            }
            6 => self.trouble(&(0..self.count).collect::<Vec<_>>(), Happening::Cut, span),
            7 => {
                let loss = Happening::Loss(self.dice.pick(&[5, 10, 10, 50]));
                self.trouble(&(0..self.count).collect::<Vec<_>>(), loss, span * 2);
            }
            8 => self.lie(hub, span),
            9 => self.wish(hub, span),
            10 => self.deploy(),
            11 => self.reload(hub, span),
            12 => self.relay(),
            13 => {
                let late = self.dice.between(100, 6_000);
                let pause = if self.dice.chance(500) { What::Pause(late) } else { What::Freeze(late) };
                self.at(self.now, pause);
            }
            _ => {
                let clients = self.dice.pick(&[0, 1, 60]);
                self.at(self.now, What::Clients(clients));
                let usual = self.dice.between(3, 25);
                self.at(self.now + span.min(8_000), What::Clients(usual));
            }
        }
    }

    /// The same for all, at almost the same time; they come back one after another.
    fn trouble(&mut self, hubs: &[usize], fault: Happening, span: u64) {
        let from = self.now;
        for &hub in hubs {
            let (early, late) = (self.dice.between(0, 50), self.dice.between(0, 4_000));
            self.hub(from + early, hub, fault);
            self.hub(from + span + late, hub, Happening::Mend);
        }
        self.now += self.dice.between(0, span);
    }

    fn flap(&mut self, hub: usize) {
        let fault = self.dice.pick(&[Happening::Crash, Happening::Hang, Happening::Errors(1000)]);
        for _ in 0..self.dice.between(2, 6) {
            self.hub(self.now, hub, fault);
            self.now += self.dice.between(300, 6_000);
            self.hub(self.now, hub, Happening::Mend);
            self.now += self.dice.between(300, 6_000);
        }
    }

    /// One after another is gone for a while, each not long after the one before has come back.
    fn relay(&mut self) {
        for hub in 0..self.count {
            let fault =
                self.dice.pick(&[Happening::Crash, Happening::Crash, Happening::Hang, Happening::Cut]);
            self.hub(self.now, hub, fault);
            let span = self.dice.between(2_000, 16_000);
            self.hub(self.now + span, hub, Happening::Mend);
            self.now += self.dice.between(span.saturating_sub(1_000), span + 6_000);
        }
    }

    /// Probes pass, requests fail; or the reverse.
    fn lie(&mut self, hub: usize, span: u64) {
        let from = self.now;
        if self.dice.chance(500) {
            self.hub(from, hub, Happening::Probes(Probing::Pass));
            let fault = self.fault();
            self.hub(from + 1, hub, fault);
        } else {
            let probing = self.dice.pick(&[Probing::Silent, Probing::Denied]);
            self.hub(from, hub, Happening::Probes(probing));
        }
        self.hub(from + span, hub, Happening::Mend);
        self.now += span / 2;
    }

    fn wish(&mut self, hub: usize, span: u64) {
        let drain = Happening::Drain(self.dice.between(1_000, 12_000));
        let share = self.dice.pick(&[0, 100, 500, 900]);
        let wish = self.dice.pick(&[drain, drain, Happening::Out, Happening::Weight(share)]);
        self.hub(self.now, hub, wish);
        let undo =
            if matches!(wish, Happening::Weight(_)) { Happening::Weight(1000) } else { Happening::Undrain };
        if self.dice.chance(850) {
            self.hub(self.now + span, hub, undo);
        }
        if self.dice.chance(400) {
            // Another at once, perhaps beside it.
            let other = self.any();
            self.hub(self.now + 100, other, drain);
            self.hub(self.now + 100 + span, other, Happening::Undrain);
        }
        if self.dice.chance(300) {
            let likely = self.dice.pick(&[300, 800, 950]);
            let other = self.any();
            self.hub(self.now + 500, other, Happening::Forecast(likely));
            self.hub(self.now + span, other, Happening::Forecast(0));
        }
        self.now += self.dice.between(0, span);
    }

    /// Every hub in turn is drained, replaced, and let back in.
    fn deploy(&mut self) {
        for hub in 0..self.count {
            let drain = self.dice.between(1_000, 4_000);
            self.hub(self.now, hub, Happening::Drain(drain));
            self.now += drain + self.dice.between(0, 2_500);
            self.hub(self.now, hub, Happening::Crash);
            self.now += self.dice.between(200, 2_000);
            self.hub(self.now, hub, Happening::Mend);
            self.now += self.dice.between(0, 1_500);
            self.hub(self.now, hub, Happening::Undrain);
            self.now += self.dice.between(0, 3_000);
        }
    }

    fn reload(&mut self, hub: usize, span: u64) {
        let late = self.count;
        match self.dice.between(0, 2) {
            0 => self.hub(self.now, late, Happening::Add),
            1 => {
                self.hub(self.now, hub, Happening::Remove);
                self.hub(self.now + span, hub, Happening::Add);
            }
            _ => {
                self.hub(self.now, late, Happening::Add);
                self.hub(self.now + 10, hub, Happening::Remove);
                self.hub(self.now + span, late, Happening::Remove);
                self.hub(self.now + span, hub, Happening::Add);
            }
        }
        self.now += self.dice.between(0, span);
    }
}
