//! What is a hub under, in one tick, from all that goes on at once?

/// What becomes of a connection to the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// It opens, and somebody answers.
    Open,
    /// It opens, and nobody answers.
    Hanging,
    /// It is refused.
    Refusing,
    /// Nothing comes back at all.
    Silent,
}

/// What a hub is under. Factors are 1 and parts are 0 where nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Strain {
    /// Factor on demand.
    pub(super) demand: f64,
    /// Factor on the part of service that computes.
    pub(super) cpu: f64,
    /// Factor on the part of service that waits for disks.
    pub(super) disk: f64,
    /// What part of the servers works, 0 to 1.
    pub(super) servers: f64,
    /// Memory taken in addition, as a part of all.
    pub(super) memory: f64,
    /// What part of the requests is answered with an error, 0 to 1.
    pub(super) errors: f64,
    /// What part of the packets is lost in a bad spell, 0 to 1.
    pub(super) loss: f64,
    /// What part of the time spells are bad, 0 to 1.
    pub(super) bad: f64,
    /// Factor on the round trip.
    pub(super) rtt: f64,
    /// The whole machine stands still for so long before it does anything, in seconds.
    pub(super) stall: f64,
    /// Processor time that others take, as a part of all.
    pub(super) stolen: f64,
    /// What becomes of connections.
    pub(super) reach: Reach,
    /// There is no process: what waited in it is lost, and it starts cold.
    pub(super) dead: bool,
}

impl Strain {
    /// Nothing is wrong.
    pub(super) const NONE: Self = Self {
        demand: 1.0,
        cpu: 1.0,
        disk: 1.0,
        servers: 1.0,
        memory: 0.0,
        errors: 0.0,
        loss: 0.0,
        bad: 0.0,
        rtt: 1.0,
        stall: 0.0,
        stolen: 0.0,
        reach: Reach::Open,
        dead: false,
    };

    /// Both at once.
    pub(super) fn and(self, other: Self) -> Self {
        let either = |a: f64, b: f64| 1.0 - (1.0 - a) * (1.0 - b);
        Self {
            demand: self.demand * other.demand,
            cpu: self.cpu * other.cpu,
            disk: self.disk * other.disk,
            servers: self.servers * other.servers,
            memory: self.memory + other.memory,
            errors: either(self.errors, other.errors),
            loss: either(self.loss, other.loss),
            bad: either(self.bad, other.bad),
            rtt: self.rtt * other.rtt,
            stall: self.stall + other.stall,
            stolen: either(self.stolen, other.stolen),
            reach: self.reach.max(other.reach),
            dead: self.dead || other.dead,
        }
    }
}
