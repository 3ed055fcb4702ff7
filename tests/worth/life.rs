//! How do requests and sessions fare in ten days, by one way of doing it?

use crate::days::{DAY_MS, DAYS, Foretold, HORIZON_MS, HUBS, Kind, Stretch};

/// Requests a second, at all hubs together.
const REQUESTS: f64 = 60.0;
/// Sessions that are open; half of the requests are theirs, the others go wherever they are placed.
const SESSIONS: f64 = 1200.0;
/// How long a session lives on average, in milliseconds.
const SESSION_MS: f64 = 900_000.0;
const STEP_MS: u64 = 1_000;
const QUIET_MS: u64 = 15_000;
/// After anything happens, so long is looked at closely: slow start, drain, and a round of probes.
const AFTERMATH_MS: u64 = 45_000;

/// What a hub does with what it gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Condition {
    /// It answers, but for this part with an error.
    Answers(f64),
    Hangs,
    Refuses,
}

/// What a proxy does with a hub.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Which part of the placements goes there, of 1.
    pub share: f64,
    /// Which part of its weight it has, of 1.
    pub weight: f64,
    /// Does it keep its sessions?
    pub keeps: bool,
}

/// The hubs at one instant.
pub struct Scene<'a> {
    pub now: u64,
    pub hubs: &'a [Condition; HUBS],
    /// Requests a second at each.
    pub traffic: &'a [f64; HUBS],
    pub foretold: &'a [Option<Foretold>; HUBS],
    pub base_rate: u16,
    /// Sessions at each.
    pub sessions: &'a [f64; HUBS],
}

/// One way of doing it.
pub trait Proxy {
    /// Looks at the hubs, and tells when it wants to look again.
    fn look(&mut self, scene: &Scene<'_>) -> Option<u64>;
    /// What it does with each hub now.
    fn standings(&self) -> [Standing; HUBS];
    /// Alarms that were right, false, unknown.
    fn alarms(&self) -> [u64; 3] {
        [0; 3]
    }
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Sum {
    pub failures: u64,
    pub failed: f64,
    pub moved: f64,
    pub in_vain: f64,
    pub alarms: [u64; 3],
    lost_ms: f64,
    hub_ms: f64,
}

impl Sum {
    /// Which part of the weight of healthy hubs was not used, of 1.
    pub fn lost(&self) -> f64 {
        self.lost_ms / self.hub_ms.max(1.0)
    }

    pub fn and(&self, other: &Self) -> Self {
        Self {
            failures: self.failures + other.failures,
            failed: self.failed + other.failed,
            moved: self.moved + other.moved,
            in_vain: self.in_vain + other.in_vain,
            alarms: [0, 1, 2].map(|n| self.alarms[n] + other.alarms[n]),
            lost_ms: self.lost_ms + other.lost_ms,
            hub_ms: self.hub_ms + other.hub_ms,
        }
    }
}

/// Lives through a stretch.
pub fn live(stretch: &Stretch, proxy: &mut dyn Proxy) -> Sum {
    let mut life =
        Life { stretch, sessions: [SESSIONS / HUBS as f64; HUBS], sum: Sum::default(), next_turn: 0 };
    life.sum.failures = stretch.faults.iter().filter(|fault| fault.kind != Kind::NearMiss).count() as u64;
    let (mut now, mut busy_until) = (0, AFTERMATH_MS);
    while now < DAYS * DAY_MS {
        let hubs = std::array::from_fn(|hub| life.condition(hub, now));
        let foretold = std::array::from_fn(|hub| life.foretold(hub, now));
        let before = proxy.standings();
        let traffic = life.traffic(&before);
        let sessions = life.sessions;
        let scene = Scene {
            now,
            hubs: &hubs,
            traffic: &traffic,
            foretold: &foretold,
            base_rate: stretch.base_rate,
            sessions: &sessions,
        };
        let wish = proxy.look(&scene);
        let after = proxy.standings();
        let turn = life.turned(now);
        if turn || before != after {
            busy_until = now + AFTERMATH_MS;
        }
        let odd = hubs.iter().any(|hub| matches!(hub, Condition::Answers(errors) if *errors > 0.0));
        let busy = now < busy_until || odd || foretold.iter().any(Option::is_some);
        let step = now + if busy { STEP_MS } else { QUIET_MS };
        let next_turn = stretch.turns.get(life.next_turn).copied().unwrap_or(u64::MAX);
        let next = step.min(next_turn).min(wish.filter(|_| busy).unwrap_or(u64::MAX)).max(now + 1);
        life.pass((now, next), &hubs, &after);
        now = next;
    }
    life.sum.alarms = proxy.alarms();
    life.sum
}

struct Life<'a> {
    stretch: &'a Stretch,
    sessions: [f64; HUBS],
    sum: Sum,
    next_turn: usize,
}

impl Life<'_> {
    fn condition(&self, hub: usize, now: u64) -> Condition {
        let within = |fault: &&crate::days::Fault| fault.hub == hub && fault.ramp.0 <= now && now < fault.end;
        let Some(fault) = self.stretch.faults.iter().find(within) else { return Condition::Answers(0.0) };
        if now < fault.onset {
            let part = (now - fault.ramp.0) as f64 / (fault.onset - fault.ramp.0) as f64;
            return Condition::Answers(fault.ramp.1 * part.powi(3));
        }
        if fault.kind == Kind::Refuses { Condition::Refuses } else { Condition::Hangs }
    }

    fn foretold(&self, hub: usize, now: u64) -> Option<Foretold> {
        let holds = |f: &&Foretold| f.hub == hub && f.from <= now && now < f.until;
        self.stretch.foretold.iter().filter(holds).max_by_key(|f| f.probability).copied()
    }

    fn turned(&mut self, now: u64) -> bool {
        let before = self.next_turn;
        while self.stretch.turns.get(self.next_turn).is_some_and(|&turn| turn <= now) {
            self.next_turn += 1;
        }
        self.next_turn > before
    }

    /// Requests a second at each hub.
    fn traffic(&self, standings: &[Standing; HUBS]) -> [f64; HUBS] {
        let all: f64 = self.sessions.iter().sum();
        std::array::from_fn(|hub| REQUESTS / 2.0 * (standings[hub].share + self.sessions[hub] / all))
    }

    /// A hub is well, and neither failed within the last horizon nor will within the next.
    fn sound(&self, hub: usize, now: u64) -> bool {
        let near = |fault: &crate::days::Fault| {
            fault.hub == hub
                && fault.kind != Kind::NearMiss
                && fault.onset <= now + HORIZON_MS
                && now < fault.end + HORIZON_MS
        };
        !self.stretch.faults.iter().any(near)
    }

    fn pass(&mut self, (now, next): (u64, u64), hubs: &[Condition; HUBS], standings: &[Standing; HUBS]) {
        let ms = (next - now) as f64;
        for hub in 0..HUBS {
            if !standings[hub].keeps {
                let moved = std::mem::take(&mut self.sessions[hub]);
                self.sum.moved += moved;
                if self.sound(hub, now) {
                    self.sum.in_vain += moved;
                }
                (0..HUBS).for_each(|other| self.sessions[other] += moved * standings[other].share);
            }
        }
        for (hub, rate) in self.traffic(standings).into_iter().enumerate() {
            // What a hub refuses goes elsewhere, however it is done.
            let failing = match hubs[hub] {
                Condition::Answers(errors) => errors,
                Condition::Hangs => 1.0,
                Condition::Refuses => 0.0,
            };
            self.sum.failed += rate * ms / 1000.0 * failing;
            self.sum.hub_ms += ms;
            if self.sound(hub, now) {
                self.sum.lost_ms += ms * (1.0 - standings[hub].weight);
            }
        }
        let turnover = (ms / SESSION_MS).min(1.0);
        let all: f64 = self.sessions.iter().sum();
        let shares: f64 = standings.iter().map(|standing| standing.share).sum();
        if shares > 0.0 {
            for (sessions, standing) in self.sessions.iter_mut().zip(standings) {
                *sessions += turnover * (all * standing.share / shares - *sessions);
            }
        }
    }
}
