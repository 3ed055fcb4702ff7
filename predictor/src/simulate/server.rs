//! How busy is the hub, and how long do requests wait in it?
//!
//! A fluid queue for what exceeds the capacity, and the stationary wait of a queue with several servers (Sakasegawa's
//! approximation, 1977) for the unevenness below it. What is served late is served all the same: the hub does not
//! know that its client has left, and so an overloaded hub works for nobody.

use super::TICK_SECONDS;
use super::dice::Dice;
use super::strain::Strain;
use super::traits::Traits;

/// Where paging begins, as a part of memory: what is left is the system's own cache.
const PAGING_FROM: f64 = 0.85;

/// Factor on service when memory is all but full, less one: every request waits for pages then.
const PAGING_COST: f64 = 30.0;

/// Most that the stationary wait is worked out for: closer to 1 it would take longer than a tick to arise, and the
/// fluid queue has it.
const STATIONARY_MAX: f64 = 0.95;

/// How much slower disks are for a process with cold caches, and how much of that is left after a tick (3 min to warm).
const COLD: f64 = 0.4;
const COLD_LEFT: f64 = 0.92;

/// Memory that a full queue takes, as a part of all.
const QUEUE_MEMORY: f64 = 0.12;

/// Where requests went, in requests; `arrived = served + dropped + waiting`, up to rounding.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Flow {
    /// Reached the hub.
    pub arrived: f64,
    /// Were worked on, whether anybody still waited or not.
    pub served: f64,
    /// Found the queue full, or were lost with the process.
    pub dropped: f64,
    /// Wait still.
    pub waiting: f64,
}

/// The hub after one tick.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// Wait behind the backlog, in seconds: at the start of the tick and at its end.
    pub(super) backlog_wait: (f64, f64),
    /// Probability that a request waits though there is no backlog, and how long then, in seconds, on average.
    pub(super) queueing: (f64, f64),
    /// Mean service, in seconds.
    pub(super) service: f64,
    /// What part of the requests found the queue full.
    pub(super) dropped: f64,
    /// Processor, memory: parts of all. Requests that wait.
    pub(super) cpu: f64,
    pub(super) memory: f64,
    pub(super) waiting: f64,
    /// Memory ran out, and the process was killed.
    pub(super) killed: bool,
}

/// The hub.
#[derive(Debug)]
pub(super) struct Server {
    traits: Traits,
    flow: Flow,
    garbage: f64,
    cold: f64,
}

impl Server {
    pub(super) fn new(traits: Traits) -> Self {
        Self { traits, flow: Flow::default(), garbage: 0.0, cold: 0.0 }
    }

    pub(super) fn flow(&self) -> Flow {
        self.flow
    }

    /// The process is gone, or is started again: whatever waited is lost, and caches are cold.
    pub(super) fn empty(&mut self) {
        self.flow.dropped += self.flow.waiting;
        self.flow.waiting = 0.0;
        self.garbage = 0.0;
        self.cold = 1.0;
    }

    /// One tick in which so many requests arrive.
    pub(super) fn step(&mut self, arrivals: u32, strain: &Strain, dice: &mut Dice) -> Work {
        if strain.dead {
            self.empty();
        }
        let memory = self.memory(strain, dice);
        let service = self.service(strain, memory);
        let servers = (f64::from(self.traits.servers) * strain.servers).max(0.0);
        // Every hub serves something, if only one request an hour: no division by zero below.
        let capacity = (servers / service).max(1.0 / 3600.0);

        let (arrivals, before) = (f64::from(arrivals), self.flow.waiting);
        let served = (before + arrivals).min(capacity * TICK_SECONDS);
        let left = before + arrivals - served;
        let waiting = left.min(f64::from(self.traits.queue_max));
        let dropped = left - waiting;
        self.flow.arrived += arrivals;
        self.flow.served += served;
        self.flow.dropped += dropped;
        self.flow.waiting = waiting;

        let utilisation = arrivals / (capacity * TICK_SECONDS);
        self.cold *= COLD_LEFT;
        Work {
            backlog_wait: (before / capacity, waiting / capacity),
            queueing: stationary(utilisation.min(STATIONARY_MAX), servers, service, self.traits.service_cv),
            service,
            dropped: if arrivals > 0.0 { (dropped / arrivals).min(1.0) } else { 0.0 },
            cpu: self.cpu(served / (capacity * TICK_SECONDS), strain, dice),
            memory: memory.clamp(0.0, 1.0),
            waiting,
            killed: memory >= 1.0,
        }
    }

    fn memory(&mut self, strain: &Strain, dice: &mut Dice) -> f64 {
        self.garbage += 1.0 / self.traits.collection;
        if self.garbage >= 1.0 {
            self.garbage = 0.0;
        }
        let queue = QUEUE_MEMORY * self.flow.waiting / f64::from(self.traits.queue_max);
        let noise = 0.003 * dice.normal();
        self.traits.memory + self.traits.garbage * self.garbage + queue + strain.memory + noise
    }

    fn service(&self, strain: &Strain, memory: f64) -> f64 {
        let full = ((memory - PAGING_FROM) / (1.0 - PAGING_FROM)).clamp(0.0, 1.0);
        let paging = 1.0 + PAGING_COST * full * full;
        let disk = self.traits.disk * strain.disk * (1.0 + COLD * self.cold);
        let cpu = (1.0 - self.traits.disk) * strain.cpu;
        self.traits.service * (disk + cpu) * paging
    }

    /// Servers that wait for disks keep a processor busy only in part.
    fn cpu(&self, busy: f64, strain: &Strain, dice: &mut Dice) -> f64 {
        let own = 0.03 + 0.87 * busy;
        (own + (1.0 - own) * strain.stolen + 0.02 * dice.normal()).clamp(0.0, 1.0)
    }
}

/// Probability of a wait and its conditional mean, in seconds, for Poisson arrivals at `servers` servers:
/// `P ≈ ρ^(√(2(c+1))-1)`, `E[W | W > 0] = (1 + cv²)/2 · service / (c (1-ρ))`.
fn stationary(utilisation: f64, servers: f64, service: f64, cv: f64) -> (f64, f64) {
    let servers = servers.max(1.0);
    let probability = libm::pow(utilisation, (2.0 * (servers + 1.0)).sqrt() - 1.0);
    (probability, (1.0 + cv * cv) / 2.0 * service / (servers * (1.0 - utilisation)))
}
