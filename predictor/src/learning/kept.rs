//! How does a trial outlive the process that began it?
//!
//! It is written down with the names of the two models, since what they said tells nothing of any other two. What was said
//! in the last ten minutes is not kept: it has not come to anything yet, and both lose the same of it.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `MCHC` |
//! | 1 | the version, 1 |
//! | 1 and as many | the name of the champion |
//! | 1 and as many | the name of the challenger |
//! | 8, 8 | when the trial began; when all is known about the failure that decides, or 0 (seconds since 1970) |
//! | 4 | how many failures |
//! | 1 and as many, 8 | for each by its number: the hub, and when it began |
//! | 4 | how many rounds |
//! | 4, 4, 4 each | the number of the failure, or 2³² − 1; what the champion said, and the challenger |
//! | 4 | CRC-32 of all before |
//!
//! All numbers are little-endian. The check sum finds torn and rotten bytes, and everything behind it is held against its
//! bounds all the same.

use std::collections::BTreeMap;

use mcphub_routing::HubId;

use crate::frame::{self, Unframed};

use super::trial::{FAILURES_MAX, NONE, ROUNDS_MAX, Trial};

const MAGIC: [u8; 4] = *b"MCHC";
/// The version of the bytes written.
const VERSION: u8 = 1;
/// The longest name, in bytes: what one byte counts.
const NAME_MAX: usize = u8::MAX as usize;
const ROUND: usize = 12;

/// The most bytes a trial takes: 4.8 MB of rounds, and some.
const BYTES_MAX: usize =
    MAGIC.len() + 1 + 2 * (1 + NAME_MAX) + 4 * 6 + FAILURES_MAX * (1 + NAME_MAX + 8) + ROUNDS_MAX * ROUND + 4;

/// Whose trial it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parties {
    /// The name of the model that speaks, at most 255 bytes.
    pub champion: String,
    /// The name of the one that is tried, at most 255 bytes.
    pub challenger: String,
    /// When the trial began, in seconds since 1970.
    pub began: u64,
}

/// Bytes that are no trial, or not one that can be read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeptError {
    /// Not written by us.
    #[error("the bytes are no trial of two models")]
    Foreign,
    /// Written by a later program.
    #[error("the trial has version {0}, written by a later program; this one reads {VERSION}")]
    Version(u8),
    /// Cut off, or rotten.
    #[error("the trial is damaged: its check sum is wrong")]
    CheckSum,
    /// A part breaks its bounds.
    #[error("the trial has a bad {0}")]
    Part(&'static str),
}

impl From<Unframed> for KeptError {
    fn from(unframed: Unframed) -> Self {
        match unframed {
            Unframed::Foreign => Self::Foreign,
            Unframed::Version(later) => Self::Version(later),
            Unframed::CheckSum => Self::CheckSum,
            Unframed::NoVersion => Self::Part("version"),
        }
    }
}

impl Trial {
    /// The bytes to keep.
    pub fn to_bytes(&self, of: &Parties) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128 + 64 * self.failures.len() + ROUND * self.rounds.len());
        frame::begin(&mut bytes, MAGIC, VERSION);
        name(&mut bytes, &of.champion);
        name(&mut bytes, &of.challenger);
        bytes.extend(of.began.to_le_bytes());
        bytes.extend(self.ripe_at.unwrap_or(0).to_le_bytes());
        let mut failures: Vec<_> = self.failures.iter().collect();
        failures.sort_unstable_by_key(|(_, number)| **number);
        count(&mut bytes, failures.len());
        for ((hub, start), _) in failures {
            name(&mut bytes, hub.as_str());
            bytes.extend(start.to_le_bytes());
        }
        count(&mut bytes, self.rounds.len());
        for (failure, champion, challenger) in &self.rounds {
            bytes.extend(failure.to_le_bytes());
            bytes.extend(champion.to_le_bytes());
            bytes.extend(challenger.to_le_bytes());
        }
        frame::end(bytes)
    }

    /// Reads what [`Self::to_bytes`] wrote: whose it is, and the trial.
    ///
    /// # Errors
    /// The bytes are damaged, a later program's, or somebody else's.
    pub fn from_bytes(bytes: &[u8]) -> Result<(Parties, Self), KeptError> {
        let mut reader = Reader(frame::contents(bytes, MAGIC, VERSION, BYTES_MAX)?);
        let (champion, challenger) = (reader.name("name")?, reader.name("name")?);
        let (began, ripe_at) = (reader.long()?, reader.long()?);
        let failures = reader.failures()?;
        let rounds = reader.rounds(failures.len())?;
        if !reader.0.is_empty() {
            return Err(KeptError::Part("length"));
        }
        let ripe_at = (ripe_at > 0).then_some(ripe_at);
        Ok((Parties { champion, challenger, began }, Self { rounds, failures, ripe_at }))
    }
}

fn name(bytes: &mut Vec<u8>, name: &str) {
    let name = &name.as_bytes()[..name.len().min(NAME_MAX)];
    bytes.push(name.len() as u8);
    bytes.extend(name);
}

fn count(bytes: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("failures and rounds are fewer than half a million");
    bytes.extend(count.to_le_bytes());
}

/// What is left to read.
struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], KeptError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(KeptError::Part("length"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn long(&mut self) -> Result<u64, KeptError> {
        self.take().map(u64::from_le_bytes)
    }

    /// How many there are of what takes at least `each` bytes: no more than there may be, nor than there are bytes for.
    fn count(&mut self, most: usize, each: usize) -> Result<usize, KeptError> {
        let count = self.take().map(u32::from_le_bytes)? as usize;
        if count > most || count.saturating_mul(each) > self.0.len() {
            return Err(KeptError::Part("number"));
        }
        Ok(count)
    }

    fn name(&mut self, what: &'static str) -> Result<String, KeptError> {
        let [length] = self.take()?;
        let (name, rest) = self.0.split_at_checked(usize::from(length)).ok_or(KeptError::Part("length"))?;
        self.0 = rest;
        std::str::from_utf8(name).map(str::to_owned).map_err(|_| KeptError::Part(what))
    }

    fn failures(&mut self) -> Result<BTreeMap<(HubId, u64), u32>, KeptError> {
        let count = self.count(FAILURES_MAX, 1 + 8)? as u32;
        let mut failures = BTreeMap::new();
        for number in 0..count {
            let hub = HubId::new(&self.name("hub")?).map_err(|_| KeptError::Part("hub"))?;
            if failures.insert((hub, self.long()?), number).is_some() {
                return Err(KeptError::Part("failure: it is there twice"));
            }
        }
        Ok(failures)
    }

    fn rounds(&mut self, failures: usize) -> Result<Vec<(u32, f32, f32)>, KeptError> {
        let count = self.count(ROUNDS_MAX, ROUND)?;
        let mut rounds = Vec::with_capacity(count);
        let proper = |said: f32| (0.0..=1.0).contains(&said);
        for _ in 0..count {
            let failure = self.take().map(u32::from_le_bytes)?;
            let (champion, challenger) =
                (self.take().map(f32::from_le_bytes)?, self.take().map(f32::from_le_bytes)?);
            let known = failure == NONE || (failure as usize) < failures;
            if !known || !proper(champion) || !proper(challenger) {
                return Err(KeptError::Part("round"));
            }
            rounds.push((failure, champion, challenger));
        }
        Ok(rounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learning::{Came, Said};
    use proptest::prelude::*;

    const NOON: u64 = 1_795_435_200;

    fn parties() -> Parties {
        Parties { champion: "0a1b2c".to_owned(), challenger: "3d4e5f".to_owned(), began: NOON }
    }

    /// So many failures of two hubs, with three rounds before each, and so many quiet rounds.
    fn trial(failures: u64, quiet: u64) -> Trial {
        let mut trial = Trial::default();
        let said = |at: u64| Said { at, champion: (at % 97) as f32 / 97.0, challenger: Some(0.25) };
        for n in 0..quiet {
            trial.add(&HubId::new("z").unwrap(), &Came { said: said(NOON + 30 * n), failed_at: None });
        }
        for n in 0..failures {
            let (hub, start) = (HubId::new(["z", "a"][n as usize % 2]).unwrap(), NOON + 7_000 * n);
            for ahead in 1..4 {
                trial.add(&hub, &Came { said: said(start - 30 * ahead), failed_at: Some(start) });
            }
        }
        trial
    }

    #[test]
    fn a_trial_goes_on_where_it_was() {
        for (failures, quiet) in [(0, 0), (3, 100), (12, 1_000)] {
            let (mut before, of) = (trial(failures, quiet), parties());
            let bytes = before.to_bytes(&of);
            let (whose, mut after) = Trial::from_bytes(&bytes).unwrap();
            assert_eq!((&whose, &after, after.to_bytes(&of)), (&of, &before, bytes));
            // A failure that is known goes on under its number, and another one gets the next.
            for trial in [&mut before, &mut after] {
                let said = Said { at: NOON, champion: 0.5, challenger: Some(0.5) };
                for start in [NOON, NOON + 500_000] {
                    trial.add(&HubId::new("z").unwrap(), &Came { said, failed_at: Some(start) });
                }
            }
            assert_eq!(after, before);
        }
    }

    #[test]
    fn what_is_decided_is_the_same() {
        let whole = trial(12, 1_000);
        let (_, read) = Trial::from_bytes(&whole.to_bytes(&parties())).unwrap();
        assert_eq!(
            (read.decide(), read.is_ripe(NOON + 77_000)),
            (whole.decide(), whole.is_ripe(NOON + 77_000))
        );
        assert!(!read.is_ripe(NOON + 63_600) && read.is_ripe(NOON + 63_601));
    }

    /// The same bytes with a right check sum.
    fn signed(mut bytes: Vec<u8>, alter: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        bytes.truncate(bytes.len() - 4);
        alter(&mut bytes);
        frame::end(bytes)
    }

    #[test]
    fn what_no_trial_is_like_is_refused_in_words() {
        let good = trial(3, 10).to_bytes(&parties());
        let check = |bytes: &[u8], expected: KeptError| {
            assert_eq!(Trial::from_bytes(bytes).unwrap_err(), expected);
        };
        check(b"nonsense", KeptError::Foreign);
        check(&vec![b'M'; BYTES_MAX + 1], KeptError::Foreign);
        check(&[], KeptError::CheckSum);
        check(&good[..good.len() - 1], KeptError::CheckSum);
        check(&signed(good.clone(), |bytes| bytes[4] = 2), KeptError::Version(2));
        check(&signed(good.clone(), |bytes| bytes[4] = 0), KeptError::Part("version"));
        check(&signed(good.clone(), |bytes| bytes.push(0)), KeptError::Part("length"));
        let head = 4 + 1 + 2 * 7 + 16;
        check(&signed(good.clone(), |bytes| bytes[head + 3] = 1), KeptError::Part("number"));
        check(&signed(good.clone(), |bytes| bytes[head + 5] = b' '), KeptError::Part("hub"));
        let twice = |bytes: &mut Vec<u8>| bytes.copy_within(head + 4..head + 14, head + 24);
        check(&signed(good.clone(), twice), KeptError::Part("failure: it is there twice"));
        // A round's failure that nobody knows, and what is no probability.
        let last = good.len() - 4 - ROUND;
        check(&signed(good.clone(), |bytes| bytes[last] = 3), KeptError::Part("round"));
        let not_a_number =
            |bytes: &mut Vec<u8>| bytes[last + 4..last + 8].copy_from_slice(&f32::NAN.to_le_bytes());
        check(&signed(good, not_a_number), KeptError::Part("round"));
    }

    proptest! {
        #[test]
        fn torn_and_altered_bytes_never_panic_nor_pass(at in 0..400_usize, flip in 1..=255_u8, torn in any::<bool>()) {
            let good = trial(3, 10).to_bytes(&parties());
            let at = at % good.len();
            let mut bytes = good.clone();
            if torn { bytes.truncate(at) } else { bytes[at] ^= flip }
            prop_assert!(Trial::from_bytes(&bytes).is_err());
            // Whatever stands there under a right sum: refused, or read without a panic.
            if bytes.len() > 4 {
                let _ = Trial::from_bytes(&signed(bytes, |_| ())).map(|(_, trial)| trial.decide());
            }
        }
    }
}
