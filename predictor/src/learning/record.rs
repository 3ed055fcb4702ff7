//! What is written down of a hub, and how does it become something to learn from?
//!
//! Telemetry forgets single periods after two hours, and a model is made of many days of them. So from time to time the
//! new ones are cut off as a *chunk*, with the failures among them, and put behind the chunks before. A record is read
//! from its beginning; where a chunk is torn or altered, what is behind it is lost and nothing before it.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | how many bytes follow the check sum |
//! | 4 | CRC-32 of them |
//! | 1 | how many stretches we had a hand in, at most 64 |
//! | 4 each | a stretch: its first sample, and the first after it (2, 2) |
//! | the rest | the samples and their failures, as [`History`] is written down |

use std::ops::Range;

use crate::telemetry::{ACTED_WITHIN, FINE_MAX, History, Marks, Missing, PERIOD, Sample, Slot};
use crate::training::{Failed, Pupil};

/// New samples that are worth a chunk: an hour.
pub const CHUNK_PERIODS: u64 = 240;

/// Stretches in one chunk; where there are more, all of it counts as one.
const STRETCHES_MAX: usize = 64;

/// Where nobody looked for longer than this, what was before says nothing about what is after: a day, as telemetry has it.
const AWAY_MAX: u64 = 86_400;

/// What is cut off.
#[derive(Debug, Clone, Copy)]
pub struct Cut<'a> {
    /// Tells the hub from another of the same name.
    pub origin: u64,
    /// How many periods of it were cut off before, of [`History::periods`].
    pub after: u64,
    /// When we had a hand in how it was, in seconds since 1970.
    pub acted: &'a [(u64, u64)],
}

/// The samples after those that were cut off before, written down; `None` where there are none.
pub fn chunk(history: &History, cut: &Cut<'_>) -> Option<Vec<u8>> {
    let new = usize::try_from(history.periods().checked_sub(cut.after)?).ok()?;
    let mut left = new;
    let fine = |slot: &Slot| slot.span == PERIOD;
    let mut slots: Vec<(u64, Slot)> = history
        .samples()
        .rev()
        .take(FINE_MAX)
        .take_while(|(_, slot)| {
            let take = fine(slot) && left > 0;
            left -= usize::from(take && slot.sample.is_some());
            take
        })
        .collect();
    slots.reverse();
    let (begin, end) = (slots.first()?.0, history.newest()?);
    let (mut part, mut missing) = (History::default(), 0);
    for (start, slot) in &slots {
        match slot.sample {
            Some(sample) => {
                part.push(Missing::Counted(missing), &sample, start + PERIOD.as_secs());
                missing = 0;
            }
            None => missing += 1,
        }
    }
    for episode in history.episodes().iter().filter(|episode| episode.end > begin && episode.start < end) {
        let marks = Marks { acted: episode.acted, restarted: episode.restarted, common: episode.common };
        part.episodes_mut().fail((episode.start.max(begin), episode.end.min(end)), marks);
    }
    let samples = part.samples().len() as u64;
    let first = part.newest()? - samples * PERIOD.as_secs();
    let place = |at: u64| ((at.saturating_sub(first)) / PERIOD.as_secs()).min(samples) as u16;
    let within = cut.acted.iter().filter(|(from, until)| *until > first && *from < end);
    let mut stretches: Vec<(u16, u16)> = within
        .map(|(from, until)| (place(*from), place(until.saturating_add(PERIOD.as_secs() - 1))))
        .collect();
    if stretches.len() > STRETCHES_MAX {
        stretches = vec![(0, samples as u16)];
    }
    let mut body = vec![stretches.len() as u8];
    body.extend(
        stretches.iter().flat_map(|(from, until)| [from.to_le_bytes(), until.to_le_bytes()].concat()),
    );
    body.extend(part.to_bytes(cut.origin));
    let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
    bytes.extend(crc32fast::hash(&body).to_le_bytes());
    bytes.extend(body);
    Some(bytes)
}

/// What was recorded of one hub.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    origin: u64,
    begin: u64,
    samples: Vec<Sample>,
    failures: Vec<Failed>,
    acted: Vec<Range<usize>>,
}

impl Record {
    /// Reads chunks that stand one behind the other, but for those that ended before `since`, in seconds since 1970. What
    /// cannot be read ends it. A hub that has got another address, or that nobody has looked at for a day, begins anew.
    pub fn read(mut bytes: &[u8], since: u64) -> Self {
        let mut record = Self::default();
        while let Some((chunk, rest)) = split(bytes) {
            bytes = rest;
            let Some((stretches, history)) =
                chunk.split_first().and_then(|(count, rest)| rest.split_at_checked(4 * usize::from(*count)))
            else {
                break;
            };
            let Ok((origin, history)) = History::from_bytes(history) else { break };
            if history.newest().is_some_and(|newest| newest >= since) {
                record.append(origin, &history, stretches);
            }
        }
        record
    }

    /// How many bytes chunks take that ended before `since`: they may be dropped from the beginning of a record.
    pub fn stale(bytes: &[u8], since: u64) -> usize {
        let (mut rest, mut stale) = (bytes, 0);
        while let Some((chunk, after)) = split(rest) {
            let count = chunk.first().map_or(0, |count| usize::from(*count));
            let read = chunk.get(1 + 4 * count..).and_then(|history| History::from_bytes(history).ok());
            if read.and_then(|(_, history)| history.newest()).is_none_or(|newest| newest >= since) {
                break;
            }
            rest = after;
            stale = bytes.len() - rest.len();
        }
        stale
    }

    fn append(&mut self, origin: u64, history: &History, stretches: &[u8]) {
        let samples = history.samples();
        let (Some((start, _)), Some(end)) = (samples.clone().next(), history.newest()) else { return };
        let known = self.begin + self.samples.len() as u64 * PERIOD.as_secs();
        let away = start.saturating_sub(known);
        if self.samples.is_empty() || origin != self.origin || away > AWAY_MAX {
            *self = Self { origin, begin: start, ..Self::default() };
        } else {
            // To the nearest period. A clock that was set back says nothing: the new ones follow on the old.
            let missing = (away + PERIOD.as_secs() / 2) / PERIOD.as_secs();
            self.samples.extend((0..missing).map(|_| Sample::UNKNOWN));
        }
        let offset = self.samples.len();
        self.samples.extend(samples.map(|(_, slot)| slot.sample.unwrap_or(Sample::UNKNOWN)));
        let here = self.samples.len() - offset;
        for stretch in stretches.chunks_exact(4) {
            let place = |at: usize| usize::from(u16::from_le_bytes([stretch[at], stretch[at + 1]])).min(here);
            self.acted.push(offset + place(0)..offset + place(2).max(place(0)));
        }
        let place = |at: u64| (at.saturating_sub(start).div_ceil(PERIOD.as_secs()) as usize).min(here);
        for episode in history.episodes().iter().filter(|episode| episode.start < end) {
            let (start, end) = (offset + place(episode.start), offset + place(episode.end));
            if end <= start {
                continue;
            }
            if episode.acted || episode.common {
                // What it would have been like without us, or to other eyes, nobody knows.
                self.acted.push(start.saturating_sub(samples_in_half_an_hour())..end);
            }
            match self.failures.last_mut().filter(|last| last.end >= start) {
                Some(last) => last.end = last.end.max(end),
                None if !episode.common => self.failures.push(Failed { start, end, kind: None }),
                None => {}
            }
        }
    }

    /// How many samples there are, those that are missing included.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether nothing is on record.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// How many failures there are.
    pub fn failures(&self) -> usize {
        self.failures.len()
    }

    /// What is learnt from.
    pub fn pupil(&self) -> Pupil<'_> {
        let Self { begin, samples, failures, acted, .. } = self;
        Pupil { minutes: &[], samples, begin: *begin, failures, acted, around: &[] }
    }
}

fn samples_in_half_an_hour() -> usize {
    (ACTED_WITHIN.as_secs() / PERIOD.as_secs()) as usize
}

/// The first chunk, and what is behind it; `None` at the end, or where it is torn or altered.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let (body, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    (crc32fast::hash(body) == u32::from_le_bytes(*sum)).then_some((body, rest))
}
