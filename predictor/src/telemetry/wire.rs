//! How is a hub's past written down?
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `MCHT` |
//! | 1 | the version, 1 |
//! | 8 | whose it is: any number that tells this hub from another of the same name |
//! | 8, 8 | the end of the newest period; when the hub was last started again, or 0 (seconds since 1970) |
//! | 8 | how many periods were sampled, however long ago |
//! | 2, 2, 2 | how many minutes, periods, episodes |
//! | 18 each | the episodes: start, end (8, 8), marks, type (1, 1) |
//! | for each signal | how its codes are written (1), and the codes, oldest first |
//! | 4 | CRC-32 of all before |
//!
//! All numbers are little-endian. Most signals change little from one period to the next, so their codes are written as
//! differences (zigzag, seven bits a byte): as a rule a byte or two each, and one byte in all for a signal that a hub
//! does not have. Where that would take more than the codes themselves, they are written as they are, so that no past
//! takes more than [`BYTES_MAX`].
//!
//! Under one version nothing is ever added or changed. The check sum finds torn and rotten bytes; it is no protection
//! against whoever means to deceive, so everything behind it is still held against its bounds.

use super::code::{Code, Row};
use super::episodes::{EPISODES_MAX, Episode, Episodes};
use super::history::History;
use super::ring::{COARSE_MAX, FINE_MAX, Ring};
use super::{SIGNALS, Signal};
use crate::FailureType;
use crate::frame::{self, Unframed};
use crate::model::Kind;

const MAGIC: [u8; 4] = *b"MCHT";
/// The version of the bytes written.
pub const VERSION: u8 = 1;
const HEAD: usize = 4 + 1 + 4 * 8 + 3 * 2;
const EPISODE: usize = 18;
const SUM: usize = 4;

/// The most bytes a past takes: every column as it is.
pub const BYTES_MAX: usize =
    HEAD + EPISODES_MAX * EPISODE + SIGNALS * (1 + 2 * (COARSE_MAX + FINE_MAX)) + SUM;

/// How the codes of one signal are written.
const UNKNOWN: u8 = 0;
const DIFFERENCES: u8 = 1;
const PLAIN: u8 = 2;

/// Bytes that are no hub's past, or not one that can be read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not written by us.
    #[error("the bytes are not a hub's telemetry")]
    Foreign,
    /// Written by a later program.
    #[error("the telemetry has version {0}, written by a later program; this one reads {VERSION}")]
    Version(u8),
    /// Cut off, or rotten.
    #[error("the telemetry is damaged: its check sum is wrong")]
    CheckSum,
    /// A part breaks its bounds.
    #[error("the telemetry has a bad {0}")]
    Part(&'static str),
}

impl From<Unframed> for WireError {
    fn from(unframed: Unframed) -> Self {
        match unframed {
            Unframed::Foreign => Self::Foreign,
            Unframed::Version(later) => Self::Version(later),
            Unframed::CheckSum => Self::CheckSum,
            Unframed::NoVersion => Self::Part("version"),
        }
    }
}

impl History {
    /// The bytes to keep; `origin` says whose they are.
    pub fn to_bytes(&self, origin: u64) -> Vec<u8> {
        let Ring { coarse, fine } = &self.ring;
        let mut bytes = Vec::with_capacity(HEAD + 2 * SIGNALS * (coarse.len() + fine.len()));
        frame::begin(&mut bytes, MAGIC, VERSION);
        for number in [origin, self.newest, self.restarted_at.unwrap_or(0), self.periods] {
            bytes.extend(number.to_le_bytes());
        }
        for count in [coarse.len(), fine.len(), self.episodes.len()] {
            let count = u16::try_from(count).expect("rings and episodes hold some thousands at most");
            bytes.extend(count.to_le_bytes());
        }
        for episode in self.episodes.iter() {
            bytes.extend(episode.start.to_le_bytes());
            bytes.extend(episode.end.to_le_bytes());
            let marks = [episode.acted, episode.restarted, episode.common];
            bytes.push((0..).zip(marks).map(|(bit, mark)| u8::from(mark) << bit).sum());
            bytes.push(type_code(episode.failure_type));
        }
        let mut codes = Vec::with_capacity(coarse.len() + fine.len());
        for signal in 0..SIGNALS {
            codes.clear();
            codes.extend(coarse.iter().chain(fine).map(|row| row.0[signal]));
            column(&mut bytes, &codes);
        }
        frame::end(bytes)
    }

    /// Reads what [`Self::to_bytes`] wrote: whose it is, and the past.
    ///
    /// # Errors
    /// The bytes are damaged, a later program's, or somebody else's.
    pub fn from_bytes(bytes: &[u8]) -> Result<(u64, Self), WireError> {
        let mut reader = Reader(frame::contents(bytes, MAGIC, VERSION, BYTES_MAX)?);
        let read = reader.history();
        let (origin, history) = read.ok_or(WireError::Part("length"))?.map_err(WireError::Part)?;
        if reader.0.is_empty() { Ok((origin, history)) } else { Err(WireError::Part("length")) }
    }
}

/// Writes the codes of one signal in whatever way is shortest.
fn column(bytes: &mut Vec<u8>, codes: &[Code]) {
    if codes.iter().all(|&code| code == Code::UNKNOWN) {
        return bytes.push(UNKNOWN);
    }
    let begin = bytes.len();
    bytes.push(DIFFERENCES);
    let (mut last, most) = (0, begin + 1 + 2 * codes.len());
    for &Code(code) in codes {
        let difference = i32::from(code) - i32::from(last);
        let mut rest = (difference << 1 ^ difference >> 31) as u32;
        while rest >= 0x80 {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        last = code;
        if bytes.len() > most {
            bytes.truncate(begin);
            bytes.push(PLAIN);
            return bytes.extend(codes.iter().flat_map(|code| code.0.to_le_bytes()));
        }
    }
}

/// What is left to read. `None` from any of it: there is too little left.
struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    fn short(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn long(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn history(&mut self) -> Option<Result<(u64, History), &'static str>> {
        let (origin, newest, restarted, sampled) = (self.long()?, self.long()?, self.long()?, self.long()?);
        let counts = [self.short()?, self.short()?, self.short()?].map(usize::from);
        let [minutes, periods, episodes] = counts;
        if minutes > COARSE_MAX || periods > FINE_MAX || periods == 0 && minutes > 0 {
            return Some(Err("number of samples"));
        }
        if episodes > EPISODES_MAX {
            return Some(Err("number of episodes"));
        }
        let mut told = Vec::with_capacity(episodes);
        for _ in 0..episodes {
            match self.episode()? {
                Some(episode) => told.push(episode),
                None => return Some(Err("episode")),
            }
        }
        let Some(episodes) = Episodes::of(told) else { return Some(Err("episode")) };
        let mut rows = vec![Row::GAP; minutes + periods];
        for signal in Signal::ALL {
            if self.column(&mut rows, signal)?.is_none() {
                return Some(Err(signal.as_str()));
            }
        }
        let mut ring = Ring::default();
        ring.coarse.extend(&rows[..minutes]);
        ring.fine.extend(&rows[minutes..]);
        let restarted_at = (restarted > 0).then_some(restarted);
        Some(Ok((origin, History { ring, episodes, newest, periods: sampled, restarted_at })))
    }

    /// `Some(None)` for one that cannot be.
    fn episode(&mut self) -> Option<Option<Episode>> {
        let (start, end, marks, how) = (self.long()?, self.long()?, self.byte()?, self.byte()?);
        let mark = |bit: u8| marks >> bit & 1 == 1;
        let (acted, restarted, common) = (mark(0), mark(1), mark(2));
        let failure_type = type_of(how);
        let sound = marks < 1 << 3 && failure_type.is_some();
        Some(failure_type.filter(|_| sound).map(|failure_type| Episode {
            start,
            end,
            failure_type,
            acted,
            restarted,
            common,
        }))
    }

    /// `Some(None)` for codes that cannot be.
    fn column(&mut self, rows: &mut [Row], signal: Signal) -> Option<Option<()>> {
        let how = self.byte()?;
        let mut last = 0;
        for row in rows {
            let code = match how {
                UNKNOWN => 0,
                PLAIN => self.short()?,
                DIFFERENCES => {
                    let next = i32::from(last).checked_add(self.difference()?);
                    let Some(next) = next.and_then(|next| u16::try_from(next).ok()) else {
                        return Some(None);
                    };
                    next
                }
                _ => return Some(None),
            };
            row.0[signal as usize] = Code(code);
            last = code;
        }
        Some(Some(()))
    }

    /// A difference of two codes has 17 bits with its sign: three bytes at most.
    fn difference(&mut self) -> Option<i32> {
        let mut zigzag = 0u32;
        for shift in [0, 7, 14] {
            let byte = self.byte()?;
            zigzag |= u32::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Some((zigzag >> 1) as i32 ^ -((zigzag & 1) as i32))
    }
}

/// The number of a failure type; numbers are never given twice.
fn type_code(failure_type: Option<FailureType>) -> u8 {
    match failure_type {
        None => 0,
        Some(FailureType::Known(Kind::Hardware)) => 1,
        Some(FailureType::Known(Kind::Software)) => 2,
        Some(FailureType::Known(Kind::Network)) => 3,
        Some(FailureType::Known(Kind::Overload)) => 4,
        Some(FailureType::Unknown) => 5,
    }
}

/// The failure type of a number; `None` for a number that nobody has given.
fn type_of(code: u8) -> Option<Option<FailureType>> {
    Some(match code {
        0 => None,
        1 => Some(FailureType::Known(Kind::Hardware)),
        2 => Some(FailureType::Known(Kind::Software)),
        3 => Some(FailureType::Known(Kind::Network)),
        4 => Some(FailureType::Known(Kind::Overload)),
        5 => Some(FailureType::Unknown),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
