//! How are keep-alive connections kept busy: as fast as answers come, or at a fixed rate?
//!
//! In the closed loop an answer is what lets the next request go, so that latency and rate are two sides of one figure.
//! At a fixed rate requests fall due by the clock, and latency counts from then: an endpoint that stands still for a
//! moment pays for all who should have been served meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use super::client::{self, Client};
use super::tally::{Clocks, Tally};
use super::{Plan, Run};

/// A request without an answer for so long at the end of the window is an error.
const STALLED_AFTER: Duration = Duration::from_secs(1);
/// Stands for the timer among the numbers of clients.
const TIMER: u64 = u64::MAX;

/// Everything that takes part in a run.
pub(super) struct Stage<'a> {
    plan: &'a Plan,
    poll: rustix::fd::OwnedFd,
    clients: Vec<Client>,
    tally: Tally,
    events: Vec<epoll::Event>,
    pace: Pace,
    /// Where the search for a client that waits for nothing begins.
    turn: usize,
}

/// When the next request may go.
enum Pace {
    /// With the answer before.
    Closed,
    /// By the clock.
    Rate { timer: rustix::fd::OwnedFd, interval: Duration, due: Instant },
}

pub(super) fn run(plan: &Plan, rate: Option<u32>) -> Result<Run> {
    Stage::new(plan, rate)?.run()
}

impl Pace {
    fn rate(rate: u32, poll: &impl rustix::fd::AsFd) -> Result<Self> {
        let interval = Duration::from_secs(1) / rate;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)
            .context("making a timer")?;
        let step = Timespec { tv_sec: 0, tv_nsec: i64::from(interval.subsec_nanos()) };
        let spec = Itimerspec { it_interval: step, it_value: step };
        rustix::time::timerfd_settime(&timer, TimerfdTimerFlags::empty(), &spec)
            .context("setting a timer")?;
        epoll::add(poll, &timer, epoll::EventData::new_u64(TIMER), epoll::EventFlags::IN)
            .context("watching a timer")?;
        Ok(Self::Rate { timer, interval, due: Instant::now() })
    }
}

impl<'a> Stage<'a> {
    /// Opens the connections, and sessions where the era has them.
    pub(super) fn new(plan: &'a Plan, rate: Option<u32>) -> Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC).context("creating an epoll set")?;
        let mut clients = Vec::with_capacity(plan.connections);
        for number in 0..plan.connections {
            let client = Client::connect(plan.target, plan.case, number)
                .with_context(|| format!("opening connection {number}"))?;
            client.watch(&poll, number)?;
            clients.push(client);
        }
        let pace = match rate {
            None => Pace::Closed,
            Some(rate) => Pace::rate(rate, &poll)?,
        };
        let (tally, events) = (Tally::new(plan)?, Vec::with_capacity(256));
        Ok(Self { plan, poll, clients, tally, events, pace, turn: 0 })
    }

    /// Takes every answer of status 200 for right.
    #[cfg(test)]
    pub(super) fn expect_anything(&mut self) {
        self.tally.expected.fill(crate::wire::step::Expect::Ended);
    }

    pub(super) fn run(mut self) -> Result<Run> {
        let found = self.measure();
        for session in self.clients.iter().filter_map(|client| client.session.as_deref()) {
            // Politeness towards the endpoint; the figures are in.
            let _ = client::end(self.plan.target, session);
        }
        let (before, after, seconds) = found?;
        Ok(self.tally.close(&before, &after, seconds))
    }

    /// Warm-up and window. The CPU times at its ends, and its length in seconds.
    fn measure(&mut self) -> Result<(Clocks, Clocks, f64)> {
        let mut now = Instant::now();
        if matches!(self.pace, Pace::Closed) {
            for number in 0..self.plan.in_flight.min(self.clients.len()) {
                self.clients[number].send(now)?;
                self.turn = number + 1;
            }
        }
        let opens = now + self.plan.warmup;
        while now < opens {
            now = self.step()?;
        }
        let before = Clocks::read(self.plan)?;
        self.tally.open();
        let began = Instant::now();
        let closes = began + self.plan.window;
        while now < closes {
            now = self.step()?;
        }
        let ended = Instant::now();
        let after = Clocks::read(self.plan)?;
        let stalled = |client: &&Client| {
            client.waiting && ended.saturating_duration_since(client.sent_at) > STALLED_AFTER
        };
        for client in self.clients.iter().filter(stalled) {
            self.tally.error(&anyhow::anyhow!("no answer after {STALLED_AFTER:?} (id {})", client.id))?;
        }
        Ok((before, after, ended.duration_since(began).as_secs_f64()))
    }

    /// Waits for answers once and sends the next requests. Returns the time.
    fn step(&mut self) -> Result<Instant> {
        // A silent endpoint must not keep the window open.
        let wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        self.events.clear();
        match epoll::wait(&self.poll, spare_capacity(&mut self.events), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("waiting for answers"),
        }
        let mut now = Instant::now();
        for at in 0..self.events.len() {
            let data = self.events[at].data;
            if data.u64() == TIMER {
                continue;
            }
            let number = usize::try_from(data.u64()).context("reading an epoll event")?;
            now = self.receive(number)?;
        }
        self.send_due(now)?;
        Ok(now)
    }

    fn receive(&mut self, number: usize) -> Result<Instant> {
        let client = &mut self.clients[number];
        let outcome = client.receive(&mut self.tally.expected, &mut self.tally.scratch);
        let now = Instant::now();
        match outcome {
            Ok(false) => return Ok(now),
            Ok(true) => self.tally.right(now.saturating_duration_since(client.sent_at).as_micros()),
            Err(error) => {
                self.tally.error(&error)?;
                *client =
                    Client::connect(self.plan.target, self.plan.case, number).context("connecting again")?;
                client.watch(&self.poll, number)?;
            }
        }
        if matches!(self.pace, Pace::Closed)
            && let Some(next) = self.idle()
        {
            self.clients[next].send(Instant::now())?;
        }
        Ok(now)
    }

    /// At a fixed rate: sends what has fallen due, as far as there are clients that wait for nothing.
    fn send_due(&mut self, now: Instant) -> Result<()> {
        let Pace::Rate { timer, interval, due } = &mut self.pace else { return Ok(()) };
        // Only quiets the timer: what is due is counted by the clock.
        let _ = rustix::io::read(&*timer, &mut [0; 8]);
        let (mut next, interval) = (*due, *interval);
        while next <= now {
            let Some(number) = self.idle() else { break };
            self.clients[number].send(next)?;
            next += interval;
        }
        if let Pace::Rate { due, .. } = &mut self.pace {
            *due = next;
        }
        Ok(())
    }

    /// The next client in turn that waits for nothing.
    fn idle(&mut self) -> Option<usize> {
        let count = self.clients.len();
        let found = (0..count).map(|n| (self.turn + n) % count).find(|n| !self.clients[*n].waiting)?;
        self.turn = found + 1;
        Some(found)
    }
}
