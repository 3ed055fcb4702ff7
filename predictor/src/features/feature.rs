//! Which number says what?

use std::fmt;

use crate::telemetry::Signal;

/// Over how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// One sample, 15 s.
    S15,
    /// One minute.
    M1,
    /// Five minutes.
    M5,
    /// Half an hour.
    M30,
    /// Two hours.
    M120,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S15 => f.write_str("15s"),
            _ => write!(f, "{}m", self.minutes()),
        }
    }
}

impl Span {
    /// How many samples.
    pub fn ticks(self) -> usize {
        match self {
            Self::S15 => 1,
            Self::M1 => 4,
            Self::M5 => 20,
            Self::M30 => 120,
            Self::M120 => 480,
        }
    }

    /// How many whole minutes.
    pub fn minutes(self) -> usize {
        self.ticks() / 4
    }
}

/// One number of a row. What cannot be told, for want of history or of the signal, is 0, which is what is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// How far the mean of a signal is from its median of 24 h, in spreads (1.4826 times the median absolute
    /// deviation of its minutes), within ±20.
    Deviation(Signal, Span),
    /// How far the mean of a signal is from what the rate of requests lets expect, by a line of least squares over the
    /// minutes of 24 h, in spreads of what the line leaves, within ±20.
    Residual(Signal, Span),
    /// How much a signal rises over the span by a line of least squares, in spreads, within ±20.
    Rise(Signal, Span),
    /// The standard deviation of the samples of five minutes, in spreads, 0 to 20.
    Unrest(Signal),
    /// The mean of a signal as it is: of shares, where 0 is good and 1 is not, on every hub.
    Mean(Signal, Span),
    /// Whether the signal is known now, 0 or 1.
    Known(Signal),
    /// Of ten deviations of one minute the mean of the three largest, in spreads.
    Strain,
    /// How many of the last 20 samples show a median answer of more than 3 spreads above the usual, 0 to 1.
    Slow,
    /// Requests in flight against what rate and median answer let expect (Little's law), in natural logarithms over
    /// five minutes, within ±5.
    Backlog,
    /// What part of the other hubs of its location is failing, 0 to 1.
    Neighbours,
    /// What part of the other hubs of its operator is failing, 0 to 1.
    Kin,
    /// How long ago the last episode started, `ln(1 + hours)`; that of 30 days if there is none.
    SinceEpisode,
    /// How many episodes started in the last 24 hours.
    EpisodesDay,
    /// How many episodes started in the last 7 days.
    EpisodesWeek,
    /// On what part of the last 1, 3 or 7 days, of those with a record, an episode started at this time of day.
    SameTime(u8),
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deviation(signal, span) => write!(f, "{signal}_z_{span}"),
            Self::Residual(signal, span) => write!(f, "{signal}_residual_{span}"),
            Self::Rise(signal, span) => write!(f, "{signal}_rise_{span}"),
            Self::Unrest(signal) => write!(f, "{signal}_unrest_5m"),
            Self::Mean(signal, span) => write!(f, "{signal}_mean_{span}"),
            Self::Known(signal) => write!(f, "{signal}_known"),
            Self::Strain => f.write_str("strain"),
            Self::Slow => f.write_str("slow_5m"),
            Self::Backlog => f.write_str("backlog_5m"),
            Self::Neighbours => f.write_str("neighbours_failing"),
            Self::Kin => f.write_str("kin_failing"),
            Self::SinceEpisode => f.write_str("since_episode"),
            Self::EpisodesDay => f.write_str("episodes_24h"),
            Self::EpisodesWeek => f.write_str("episodes_7d"),
            Self::SameTime(days) => write!(f, "same_time_{days}d"),
        }
    }
}
