//! How busy was the machine, and with what?
//!
//! Two cores that somebody else uses too make everything late. A figure says whether a late answer may have been that.

#![allow(clippy::disallowed_methods, reason = "measures what really happened, when it happened")]

use std::fmt;
use std::fs::read_to_string;
use std::time::{Duration, Instant};

/// Ticks of the kernel's clock in a second, on every Linux there is.
const TICKS: u64 = 100;

/// Seconds of processor time, and of the wall.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    begun: Instant,
    machine: u64,
    ours: u64,
}

/// What was used since.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    wall: Duration,
    machine: u64,
    ours: u64,
    gateway: u64,
}

impl Load {
    /// Begins to measure; what these processes and this one have used so far is left aside.
    pub fn begin(children: &[i32]) -> Self {
        Self { begun: Instant::now(), machine: machine(), ours: ours(children) }
    }

    /// What was used since by the machine, by this process and all of its children (those that are named, and those
    /// that have ended), and by the gateway since its start.
    pub fn used(&self, children: &[i32], gateway: i32) -> Used {
        Used {
            wall: self.begun.elapsed(),
            machine: machine().saturating_sub(self.machine),
            ours: ours(children).saturating_sub(self.ours),
            gateway: process(gateway, false),
        }
    }
}

impl fmt::Display for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wall, machine, ours, gateway } = self;
        let [machine, ours, gateway] = [machine, ours, gateway].map(|ticks| ticks / TICKS);
        let wall = wall.as_secs();
        write!(
            f,
            "processor time in {wall} s: {machine} s by the whole machine, {ours} s of it by this test with all of its \
             processes, {gateway} s of that by the gateway"
        )
    }
}

fn ours(children: &[i32]) -> u64 {
    let own = i32::try_from(std::process::id()).map_or(0, |own| process(own, true));
    own + children.iter().map(|pid| process(*pid, false)).sum::<u64>()
}

/// Ticks that a process has used, with its ended children or without.
fn process(pid: i32, with_children: bool) -> u64 {
    let text = read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field is a name that may hold anything; the third follows its closing bracket.
    let fields: Vec<_> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let times = fields.iter().skip(11).take(if with_children { 4 } else { 2 });
    times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// Ticks that all cores were not idle.
fn machine() -> u64 {
    let text = read_to_string("/proc/stat").unwrap_or_default();
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<u64> = fields.filter_map(|ticks| ticks.parse().ok()).collect();
    let idle = ticks.iter().skip(3).take(2).sum::<u64>();
    ticks.iter().take(8).sum::<u64>().saturating_sub(idle)
}
