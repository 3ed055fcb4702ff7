//! Has a flash crowd just come?
//!
//! A load that doubles from one minute to the next could not be foretold, and what comes of it is not for a forecast to
//! say: requests show within a sample whether the hub bears it, and a hub that is left for it hands it on to the next,
//! whose load then doubles. A hub that takes over from another sees the same jump. So nothing is foretold from one: until
//! the load has lasted, no more is said than was said before. Less may be: the load of a hub that has recovered jumps
//! too.
//!
//! What that costs: of 16 jumps on 24 simulated hubs that were well, in six days, 14 ended in a failure, most of them 15 to 60 s later.
//! What is withheld would have been right, and mostly too late to be of use.

use std::ops::RangeInclusive;

/// From which multiple of what it was on a load has jumped. On the training parts of simulated hubs 1.7 to 2.8 silence
/// the same alarms, and no failure that comes gradually is among those.
const JUMP: f32 = 2.0;

/// For how many samples at most, five minutes, no more is said: a load that goes on doubling is spoken of again.
pub const STANDS_FOR: u64 = 20;

/// How old the samples are that the newest is compared with: half a minute to two and a half. A jump is over when it is
/// as old as the middle of them, after a minute and a half.
const BEFORE: RangeInclusive<usize> = 2..=10;

/// The load that any smaller one counts as, in requests a second. Of 30 a sample chance makes 60 twice a year.
const LEAST: f32 = 2.0;

/// How many of the newest samples it takes to tell.
pub const JUMP_TICKS: usize = *BEFORE.end() + 1;

/// Whether no more may be foretold of a hub than before, from sample to sample.
#[derive(Debug, Clone, Default)]
pub struct Restraint {
    /// The last sample at which anything might be foretold; `None` before the first.
    free: Option<u64>,
}

impl Restraint {
    /// Whether no more may be foretold at sample `at` than before it, given whether its load has just jumped. Not at the
    /// first sample, nor at one that lies before the last.
    pub fn holds(&mut self, at: u64, jumped: bool) -> bool {
        let lately = self.free.and_then(|free| at.checked_sub(free)).is_some_and(|ago| ago <= STANDS_FOR);
        let holds = jumped && lately;
        if !holds {
            self.free = Some(at);
        }
        holds
    }
}

/// Has the load just jumped? `rates` are the requests a second of the newest [`JUMP_TICKS`] samples, of those in which
/// they are known, the newest first, each with its age in samples. Of a load that is not known now, or was not in most of
/// the samples before, nothing is said.
pub fn has_jumped(rates: impl IntoIterator<Item = (usize, f32)>) -> bool {
    let (mut now, mut before, mut known) = (None, [0.0_f32; JUMP_TICKS], 0);
    for (age, rate) in rates.into_iter().take_while(|(age, _)| *age < JUMP_TICKS) {
        if age == 0 {
            now = Some(rate);
        } else if BEFORE.contains(&age) {
            before[known] = rate;
            known += 1;
        }
    }
    let before = &mut before[..known];
    before.sort_unstable_by(f32::total_cmp);
    let told = known * 2 > BEFORE.count();
    told && now.is_some_and(|now| now >= JUMP * before[known / 2].max(LEAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads, the newest last; one that is not known is negative.
    fn jumped(loads: &[f32]) -> bool {
        has_jumped(loads.iter().rev().copied().enumerate().filter(|(_, load)| *load >= 0.0))
    }

    #[test]
    fn a_load_that_doubles_has_jumped_for_a_minute_and_a_half() {
        let mut loads = vec![40.0; 20];
        assert!(!jumped(&loads));
        for sample in 0..12 {
            loads.push(81.0);
            assert_eq!(jumped(&loads), sample < 6, "sample {sample}");
        }
        loads.extend([40.0; 12]);
        assert!(!jumped(&loads), "a load that falls is none");
    }

    #[test]
    fn a_ramp_is_none_and_neither_is_a_trickle() {
        // It doubles in six minutes.
        let ramp: Vec<_> = (0..80).map(|at| 40.0 * 2.0_f32.powf(at as f32 / 24.0)).collect();
        assert!((20..80).all(|at| !jumped(&ramp[..at])));
        let trickle = |now| [&[0.1; 20][..], &[now]].concat();
        assert!(!jumped(&trickle(3.9)) && jumped(&trickle(4.0)));
    }

    #[test]
    fn a_load_that_goes_on_jumping_is_spoken_of_again() {
        let mut restraint = Restraint::default();
        assert!(!restraint.holds(7, true), "nothing was said before");
        assert!((8..=7 + STANDS_FOR).all(|at| restraint.holds(at, true)));
        assert!(!restraint.holds(8 + STANDS_FOR, true) && restraint.holds(9 + STANDS_FOR, true));
        assert!(!restraint.holds(10 + STANDS_FOR, false), "it has not jumped");
        assert!(!restraint.holds(3, true), "the record began anew");
    }

    #[test]
    fn of_what_is_not_known_nothing_is_said() {
        let known = [&[40.0; 20][..], &[100.0]].concat();
        assert!(jumped(&known));
        for lost in [0..17, 20..21] {
            let mut loads = known.clone();
            loads[lost].fill(-1.0);
            assert!(!jumped(&loads));
        }
        assert!(!jumped(&[]) && !jumped(&[100.0]));
    }
}
