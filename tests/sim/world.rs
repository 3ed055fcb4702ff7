//! Virtual time: what is due, in order, and everything that it happens to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use mcphub_health::ProbeReport;
use mcphub_predictor::model::Kind;
use mcphub_predictor::{FailureType, Forecast, Leave, report};
use mcphub_routing::{MonoTime, Share};

use crate::control::{Control, TICK, Turn, policy};
use crate::dice::Dice;
use crate::flights::Flight;
use crate::script::{Event, Happening, Script, What};
use crate::traffic::{Clients, layout};
use crate::truth::{Hub, Meter};
use crate::watch::Watch;

/// Something that will happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// The event at this position of the script.
    Script(usize),
    /// All faults end.
    Peace,
    /// The control task, or the gateway, is there again.
    Resume,
    /// A flight ends, unless it was changed since.
    End {
        slot: usize,
        serial: u64,
    },
    Arrival,
    Tick,
    /// The control loop asked for it, unless it asked again since.
    Look(u64),
}

/// Why a run failed.
#[derive(Debug)]
pub struct Broken {
    pub at: MonoTime,
    pub what: String,
    /// What the control loop did before, if it was asked to tell.
    pub told: String,
}

/// What a run was like.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    pub seconds: u64,
    pub requests: u64,
    pub probes: u64,
    pub plans: u64,
    pub steps: u64,
    pub ejections: u64,
}

impl Tally {
    pub fn and(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            requests: self.requests + other.requests,
            probes: self.probes + other.probes,
            plans: self.plans + other.plans,
            steps: self.steps + other.steps,
            ejections: self.ejections + other.ejections,
        }
    }
}

pub struct World<'s> {
    script: &'s Script,
    pub dice: Dice,
    pub now: MonoTime,
    queue: BinaryHeap<Reverse<(MonoTime, u64, Due)>>,
    pub serial: u64,
    pub hubs: Vec<Hub>,
    pub positions: Rc<Vec<usize>>,
    pub control: Control,
    pub clients: Clients,
    pub watch: Watch,
    pub flights: Vec<Option<Flight>>,
    /// When the control loop looks next, and by which of the looks in the queue.
    alarm: (MonoTime, u64),
    pub away_until: MonoTime,
    frozen_until: MonoTime,
    peace: Option<MonoTime>,
    pub mail: Vec<(usize, ProbeReport)>,
    told: Option<String>,
    pub tally: Tally,
}

/// Runs a script to its end.
pub fn run(script: &Script, tell: bool) -> Result<Tally, Broken> {
    let fail = |what| Broken { at: MonoTime::ZERO, what, told: String::new() };
    let mut world = World::new(script, tell).map_err(fail)?;
    while world.step() {}
    match world.watch.broken.take() {
        Some(what) => Err(Broken { at: world.now, what, told: world.told.unwrap_or_default() }),
        None => Ok(Tally { seconds: world.now.as_millis() / 1000, ..world.tally }),
    }
}

impl<'s> World<'s> {
    fn new(script: &'s Script, tell: bool) -> Result<Self, String> {
        let mut dice = Dice::new(script.seed);
        let hubs: Vec<_> = script.hubs.iter().map(|line| Hub::new(line, &mut dice)).collect();
        let (spec, positions) = layout(script, &hubs);
        let policy = policy(&script.settings)?;
        let control = Control::new(&spec, meters(&hubs), policy, script.seed);
        let watch = Watch::new(&script.rules, &hubs, &control);
        let mut world = Self {
            script,
            dice,
            now: MonoTime::ZERO,
            queue: BinaryHeap::new(),
            serial: 0,
            hubs,
            positions,
            control,
            clients: Clients::new(script.clients),
            watch,
            flights: vec![],
            alarm: (MonoTime::ZERO, 0),
            away_until: MonoTime::ZERO,
            frozen_until: MonoTime::ZERO,
            peace: None,
            mail: vec![],
            told: tell.then(String::new),
            tally: Tally::default(),
        };
        for (n, event) in script.events.iter().enumerate() {
            world.push(MonoTime::from_millis(event.at), Due::Script(n));
        }
        let last = script.events.iter().map(|event| event.at).max().unwrap_or(0);
        world.push(MonoTime::from_millis(last + 1_000), Due::Peace);
        world.push(MonoTime::ZERO, Due::Tick);
        world.push(MonoTime::ZERO, Due::Arrival);
        Ok(world)
    }

    pub fn push(&mut self, at: MonoTime, due: Due) -> u64 {
        self.serial += 1;
        self.queue.push(Reverse((at, self.serial, due)));
        self.serial
    }

    /// The next thing that is due. False at the end, good or bad.
    fn step(&mut self) -> bool {
        let Some(Reverse((at, serial, due))) = self.queue.pop() else { return false };
        let frozen = at < self.frozen_until && !matches!(due, Due::Script(_) | Due::Peace);
        let away = at < self.away_until && matches!(due, Due::Tick | Due::Look(_));
        if frozen || away {
            let until = if frozen { self.frozen_until } else { self.away_until };
            self.queue.push(Reverse((until, serial, due)));
            return true;
        }
        self.now = self.now.max(at);
        match due {
            Due::Script(n) => self.happen(&self.script.events[n]),
            Due::Peace => self.make_peace(),
            Due::Resume => self.resume(),
            Due::End { slot, serial } => self.end(slot, serial),
            Due::Arrival => self.arrive(),
            Due::Look(serial) if serial == self.alarm.1 => self.look(false),
            Due::Look(_) => {}
            Due::Tick => {
                self.look(true);
                self.push(self.now.after(TICK), Due::Tick);
                return self.goes_on();
            }
        }
        self.arrange();
        self.watch.broken.is_none()
    }

    fn goes_on(&mut self) -> bool {
        self.arrange();
        let over = self.peace.is_some_and(|since| {
            self.watch.is_settled(&self.control, since, self.now)
                && self.now.since(since) > Duration::from_secs(3)
        });
        !over && self.watch.broken.is_none()
    }

    /// Sets the alarm that the control loop wants.
    fn arrange(&mut self) {
        let look = self.control.look_at(self.now);
        if let Some(at) = look.filter(|&at| at != self.alarm.0) {
            self.serial += 1;
            self.alarm = (at, self.serial);
            self.queue.push(Reverse((at, self.serial, Due::Look(self.serial))));
        }
    }

    fn look(&mut self, all: bool) {
        self.alarm = (MonoTime::ZERO, 0);
        if all {
            let pins = self.clients.pins(self.hubs.len(), self.now);
            self.control.inputs.pins = self.hubs.iter().map(|hub| hub.id.clone()).zip(pins).collect();
        }
        let (orders, turn) = self.control.look(all, self.now);
        for order in orders {
            self.probe(&order);
        }
        match turn {
            Some(Ok(turn)) => self.turned(&turn),
            Some(Err(what)) => self.watch.fail(what),
            None => {}
        }
    }

    fn turned(&mut self, turn: &Turn) {
        self.watch.turn(turn, &self.control, &self.hubs, &self.positions, self.now);
        self.tally.plans += 1;
        self.tally.steps += turn.plan.steps.len() as u64;
        self.tally.ejections +=
            turn.plan.steps.iter().filter(|step| step.to.as_str() == "ejected").count() as u64;
        if let Some(told) = self.told.as_mut().filter(|_| turn.plan.changes(&turn.before)) {
            let _ = write!(told, "[{}] {}", self.now, report(&turn.plan, &turn.before));
        }
    }

    fn happen(&mut self, event: &Event) {
        if let Some(told) = self.told.as_mut() {
            let _ = writeln!(told, "[{}] {:?}", self.now, event.what);
        }
        match event.what {
            What::Pause(millis) => {
                self.away_until = self.now.after(Duration::from_millis(millis));
                self.watch.away(self.away_until);
                self.push(self.away_until, Due::Resume);
            }
            What::Freeze(millis) => {
                self.frozen_until = self.now.after(Duration::from_millis(millis));
                self.watch.away(self.frozen_until);
            }
            What::Clients(rate) => self.clients.rate = rate,
            What::Hub(hub, Happening::Add) => self.reload(hub, true),
            What::Hub(hub, Happening::Remove) => self.reload(hub, false),
            What::Hub(hub, happening) => {
                self.wish(hub, happening);
                if self.hubs[hub].happens(happening, self.now) {
                    self.disturb(hub);
                }
            }
        }
    }

    fn wish(&mut self, hub: usize, happening: Happening) {
        let id = self.hubs[hub].id.clone();
        match happening {
            Happening::Drain(millis) => {
                let deadline = Some(Duration::from_millis(millis));
                self.control.wish(&id).out = Some(Leave::Drain { deadline });
            }
            Happening::Out => self.control.wish(&id).out = Some(Leave::Now),
            Happening::Undrain => self.control.wish(&id).out = None,
            Happening::Weight(share) => {
                let weight = Some(Share::saturating(share)).filter(|&share| share != Share::FULL);
                self.control.wish(&id).weight = weight;
            }
            Happening::Forecast(share) => {
                self.control.inputs.forecasts.insert(id, forecast(share));
            }
            _ => {}
        }
    }

    fn reload(&mut self, hub: usize, present: bool) {
        if self.hubs[hub].present == present {
            return;
        }
        let before = Rc::clone(&self.hubs[hub].meter);
        (self.hubs[hub].present, self.hubs[hub].meter) = (present, Rc::default());
        let (spec, positions) = layout(self.script, &self.hubs);
        if self.control.reload(spec, meters(&self.hubs), self.now) {
            self.positions = positions;
            self.watch.reloaded(hub, self.now);
        } else {
            (self.hubs[hub].present, self.hubs[hub].meter) = (!present, before);
        }
    }

    fn resume(&mut self) {
        // Either the mail is read first, or the clock.
        if self.dice.chance(500) {
            self.look(false);
        }
        self.deliver();
    }

    fn make_peace(&mut self) {
        for hub in 0..self.hubs.len() {
            if self.hubs[hub].happens(Happening::Mend, self.now) {
                self.disturb(hub);
            }
        }
        self.control.inputs.forecasts.clear();
        self.clients.rate = self.clients.rate.max(3);
        self.peace = Some(self.now);
    }
}

fn meters(hubs: &[Hub]) -> Vec<(mcphub_routing::HubId, Rc<Meter>)> {
    let present = hubs.iter().filter(|hub| hub.present);
    present.map(|hub| (hub.id.clone(), Rc::clone(&hub.meter))).collect()
}

fn forecast(probability: u16) -> Forecast {
    let failure_type = FailureType::Known(Kind::Overload);
    Forecast { failure_type, ..Forecast::new(Share::saturating(probability), Duration::from_secs(600)) }
}
