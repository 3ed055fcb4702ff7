//! What happens to one request, and what to all of them?
//!
//! The same story twice: told by chance for the few requests that telemetry sees ([`Passage::draw`]), and worked out
//! for all of them ([`Passage::failing`]), which is the truth that telemetry estimates.

use super::dice::Dice;
use super::network::{JITTER, Path, RTO_CONNECT, RTO_DATA};
use super::server::Work;
use super::strain::{Reach, Strain};
use super::traits::Traits;

/// Most losses in a row that are followed, connecting and later: 1 + 2 + 4 + 8 s is beyond every client's patience.
const LOSSES_MAX: i32 = 4;

/// Loss below which the failures it causes are not worth working out: four in a row are one in 10¹².
const LOSS_MIN: f64 = 0.001;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Answered,
    Failed,
    Refused,
    TimedOut,
}

/// One request: what its client saw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    pub(super) end: End,
    /// Seconds until the end, and until the connection was open; at most the client's patience.
    pub(super) took: f64,
    pub(super) connected: f64,
}

/// What requests go through in one tick.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passage {
    reach: Reach,
    timeout: f64,
    errors: f64,
    path: Path,
    stall: f64,
    work: Work,
    /// Deviation of the logarithm of service.
    sigma: f64,
}

impl Passage {
    pub(super) fn new(traits: &Traits, strain: &Strain, path: Path, work: Work) -> Self {
        Self {
            reach: strain.reach,
            timeout: traits.timeout,
            errors: 1.0 - (1.0 - strain.errors) * (1.0 - traits.errors),
            path,
            stall: strain.stall,
            work,
            sigma: libm::log(1.0 + traits.service_cv * traits.service_cv).sqrt(),
        }
    }

    /// One request, by chance.
    pub(super) fn draw(&self, dice: &mut Dice) -> Answer {
        let lost = |connected| Answer { end: End::TimedOut, took: self.timeout, connected };
        if self.reach == Reach::Silent {
            return lost(self.timeout);
        }
        let connected = self.round_trip(RTO_CONNECT, self.path.loss, dice) + self.stall;
        if connected >= self.timeout {
            return lost(self.timeout);
        }
        match self.reach {
            Reach::Refusing => return Answer { end: End::Refused, took: connected, connected },
            Reach::Hanging => return lost(connected),
            Reach::Open | Reach::Silent => {}
        }
        let exchange = self.round_trip(RTO_DATA, self.loss_of_exchange(), dice);
        let dropped = dice.chance(self.work.dropped);
        let inside = if dropped { 0.0 } else { self.wait(dice) + self.serve(dice) };
        let took = connected + exchange + inside;
        if took >= self.timeout {
            return lost(connected);
        }
        let failed = dropped || dice.chance(self.errors);
        Answer { end: if failed { End::Failed } else { End::Answered }, took, connected }
    }

    fn round_trip(&self, rto: f64, loss: f64, dice: &mut Dice) -> f64 {
        let (mut took, mut rto) = (dice.lognormal(self.path.rtt, JITTER), rto.max(self.path.rtt));
        for _ in 0..=LOSSES_MAX {
            if !dice.chance(loss) {
                break;
            }
            took += rto;
            rto *= 2.0;
        }
        took
    }

    fn wait(&self, dice: &mut Dice) -> f64 {
        let (from, to) = self.work.backlog_wait;
        let (probability, mean) = self.work.queueing;
        let uneven = if dice.chance(probability) { dice.exponential(mean) } else { 0.0 };
        dice.between(from.min(to), from.max(to)) + uneven
    }

    fn serve(&self, dice: &mut Dice) -> f64 {
        dice.lognormal(self.work.service * libm::exp(-self.sigma * self.sigma / 2.0), self.sigma)
    }

    /// A packet there or one back.
    fn loss_of_exchange(&self) -> f64 {
        1.0 - (1.0 - self.path.loss) * (1.0 - self.path.loss)
    }

    /// What part of all requests does not come to an answer in time, 0 to 1.
    pub(super) fn failing(&self) -> f64 {
        if self.reach != Reach::Open {
            return 1.0;
        }
        let late = self.late();
        let dropped = self.work.dropped;
        // A dropped request fails at once; the others fail late, or with an error in time.
        dropped + (1.0 - dropped) * (late + (1.0 - late) * self.errors)
    }

    /// What part of the requests that are let in runs out of time, over all numbers of losses.
    fn late(&self) -> f64 {
        let tail = Tail::new(self);
        let fixed = 2.0 * self.path.rtt + self.stall;
        if self.path.loss < LOSS_MIN {
            return tail.beyond(self.timeout - fixed);
        }
        let (connect, exchange) = (self.path.loss, self.loss_of_exchange());
        let (rto_connect, rto_data) = (RTO_CONNECT.max(self.path.rtt), RTO_DATA.max(self.path.rtt));
        let mut late = 0.0;
        let (mut p_connect, mut delay_connect) = (1.0, 0.0);
        for syn in 0..=LOSSES_MAX + 1 {
            let (mut p_data, mut delay_data) = (1.0, 0.0);
            for data in 0..=LOSSES_MAX + 1 {
                let stop_connect = if syn > LOSSES_MAX { 1.0 } else { 1.0 - connect };
                let stop_data = if data > LOSSES_MAX { 1.0 } else { 1.0 - exchange };
                let left = self.timeout - fixed - delay_connect - delay_data;
                late += p_connect * stop_connect * p_data * stop_data * tail.beyond(left);
                p_data *= exchange;
                delay_data = 2.0 * delay_data + rto_data;
            }
            p_connect *= connect;
            delay_connect = 2.0 * delay_connect + rto_connect;
        }
        late
    }

    /// Mean time that a request is in flight, in seconds, at most the patience of its client.
    pub(super) fn in_flight(&self) -> f64 {
        match self.reach {
            Reach::Silent | Reach::Hanging => return self.timeout,
            Reach::Refusing => return self.path.rtt.min(self.timeout),
            Reach::Open => {}
        }
        let (from, to) = self.work.backlog_wait;
        let (probability, mean) = self.work.queueing;
        let inside = (1.0 - self.work.dropped) * ((from + to) / 2.0 + probability * mean + self.work.service);
        let lost =
            self.resending(RTO_CONNECT, self.path.loss) + self.resending(RTO_DATA, self.loss_of_exchange());
        (2.0 * self.path.rtt + self.stall + inside + lost).min(self.timeout)
    }

    /// Mean time spent waiting for what is lost, in seconds, cut off at clients' patience.
    fn resending(&self, rto: f64, loss: f64) -> f64 {
        let (mut step, mut waited, mut often, mut mean) = (rto.max(self.path.rtt), 0.0, loss, 0.0);
        for _ in 0..=LOSSES_MAX {
            let more = step.min(self.timeout - waited);
            if often < LOSS_MIN || more <= 0.0 {
                break;
            }
            mean += often * more;
            waited += more;
            often *= loss;
            step *= 2.0;
        }
        mean
    }
}

/// The upper tail of wait and service: a lognormal of the same mean and variance, behind the backlog.
struct Tail {
    backlog: (f64, f64),
    mu: f64,
    sigma: f64,
}

impl Tail {
    fn new(passage: &Passage) -> Self {
        let (probability, wait) = passage.work.queueing;
        let service = passage.work.service;
        let cv2 = libm::exp(passage.sigma * passage.sigma) - 1.0;
        let mean = probability * wait + service;
        let waits = 2.0 * probability * wait * wait - probability * wait * probability * wait;
        let jitter = JITTER * passage.path.rtt * JITTER * passage.path.rtt * 2.0;
        let variance = waits + cv2 * service * service + jitter;
        let sigma2 = libm::log(1.0 + variance / (mean * mean));
        let (from, to) = passage.work.backlog_wait;
        Self {
            backlog: (from.min(to), from.max(to)),
            mu: libm::log(mean) - sigma2 / 2.0,
            sigma: sigma2.sqrt(),
        }
    }

    /// Probability that wait and service take longer than this, in seconds. The backlog moves in the course of the
    /// tick: Simpson's rule over it.
    fn beyond(&self, left: f64) -> f64 {
        let (low, high) = self.backlog;
        let at = |backlog: f64| {
            let left = left - backlog;
            if left <= 0.0 { 1.0 } else { above((libm::log(left) - self.mu) / self.sigma) }
        };
        if high <= 0.0 { at(0.0) } else { (at(low) + 4.0 * at((low + high) / 2.0) + at(high)) / 6.0 }
    }
}

/// Probability that a normal draw is above this.
fn above(z: f64) -> f64 {
    libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage() -> Passage {
        let work = Work {
            backlog_wait: (0.0, 0.0),
            queueing: (0.2, 0.05),
            service: 0.2,
            dropped: 0.0,
            cpu: 0.5,
            memory: 0.5,
            waiting: 0.0,
            killed: false,
        };
        let path = Path { rtt: 0.05, loss: 0.0 };
        Passage { reach: Reach::Open, timeout: 2.0, errors: 0.0, path, stall: 0.0, work, sigma: 0.8 }
    }

    /// Thousands of requests fail in the part that is worked out, and take as long as that.
    fn check(passage: Passage) {
        let mut dice = Dice::new(3, 0);
        let answers: Vec<Answer> = (0..20_000).map(|_| passage.draw(&mut dice)).collect();
        let count = answers.len() as f64;
        let failed = answers.iter().filter(|answer| answer.end != End::Answered).count() as f64 / count;
        let took = answers.iter().map(|answer| answer.took).sum::<f64>() / count;
        // Two of a hundred are what the lognormal tail is off by at worst; time is cut off at patience one by one here.
        assert!((failed - passage.failing()).abs() < 0.02, "{failed}, worked out {}", passage.failing());
        assert!(
            (took / passage.in_flight() - 1.0).abs() < 0.25,
            "{took} s, worked out {}",
            passage.in_flight()
        );
    }

    #[test]
    fn what_is_worked_out_is_what_happens() {
        let base = passage();
        let with = |change: fn(&mut Passage)| {
            let mut changed = base;
            change(&mut changed);
            check(changed);
        };
        check(base);
        with(|passage| passage.errors = 0.3);
        with(|passage| passage.work.dropped = 0.4);
        with(|passage| passage.work.service = 1.2);
        with(|passage| passage.work.backlog_wait = (0.9, 1.7));
        with(|passage| passage.path.loss = 0.15);
        with(|passage| passage.path.loss = 0.4);
        with(|passage| passage.path.rtt = 0.7);
        with(|passage| passage.stall = 1.5);
        with(|passage| passage.reach = Reach::Silent);
        with(|passage| passage.reach = Reach::Hanging);
        with(|passage| passage.reach = Reach::Refusing);
    }
}
