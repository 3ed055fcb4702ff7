//! How much CPU time has a process used, its threads and its children included, and how much memory does it hold?
//!
//! Owns the reading of `/proc`. The kernel's `utime + stime` of a process cover all of its threads, dead ones too;
//! worker processes are found by their parent. Does not know what the processes are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result};

struct Stat {
    parent: u32,
    /// Own user and system time, and that of reaped children, in clock ticks.
    ticks: u64,
    reaped: u64,
}

/// CPU seconds used so far by `root` and all processes below it. Resolution: one clock tick, 10 ms.
///
/// # Errors
/// When `root` is gone or `/proc` cannot be read.
pub fn cpu_seconds(root: u32) -> Result<f64> {
    let ticks: u64 = family(root)?.values().map(|stat| stat.ticks + stat.reaped).sum();
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Bytes of memory that `root` and all processes below it hold, each counted with what it shares with others.
///
/// # Errors
/// When `root` is gone or `/proc` cannot be read.
pub fn resident_bytes(root: u32) -> Result<u64> {
    Ok(family(root)?.keys().filter_map(|pid| resident(*pid)).sum())
}

fn resident(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// `root` and all processes below it.
fn family(root: u32) -> Result<BTreeMap<u32, Stat>> {
    let root_stat = stat(root).with_context(|| format!("reading the CPU time of process {root}"))?;
    let mut all = BTreeMap::from([(root, root_stat)]);
    for entry in fs::read_dir("/proc").context("listing /proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end between the listing and the reading: it is then in its parent's `reaped`.
        if let Some(stat) = stat(pid) {
            all.entry(pid).or_insert(stat);
        }
    }
    let mut family = BTreeSet::from([root]);
    let mut known = 0;
    while family.len() > known {
        known = family.len();
        family.extend(
            all.iter()
                .filter(|(_, stat)| family.contains(&stat.parent))
                .map(|(pid, _)| *pid)
                .collect::<Vec<_>>(),
        );
    }
    all.retain(|pid, _| family.contains(pid));
    Ok(all)
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may hold spaces and brackets: count fields from behind its last bracket (field 3 follows).
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(4)?).ok()?,
        ticks: number(14)? + number(15)?,
        reaped: number(16)? + number(17)?,
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_that_works_is_counted_and_a_missing_process_is_an_error() {
        let mut shell = Command::new("sh")
            .args(["-c", "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exec sleep 60' & wait"])
            .spawn()
            .expect("sh starts");
        // The grandchild's loop takes some hundred milliseconds; wait for the first of them to show.
        let seen = (0..1000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            cpu_seconds(shell.id()).is_ok_and(|s| s >= 0.05)
        });
        let children =
            fs::read_to_string(format!("/proc/{0}/task/{0}/children", shell.id())).unwrap_or_default();
        for pid in children.split_whitespace() {
            // The shell's own `kill`: a bare system has no program of that name.
            let _ = Command::new("sh").args(["-c", "kill \"$1\"", "sh", pid]).status();
        }
        let _ = shell.wait();
        assert!(seen, "the grandchild's CPU time never showed");
        assert!(cpu_seconds(u32::MAX).is_err());
    }
}
