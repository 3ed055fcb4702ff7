//! `[log]`.

use crate::field::default;
use crate::reader::At;
use crate::section::section;
use crate::settings::{LogFormat, LogLevel, LogSettings};

section! {
    /// What is written to the log and how.
    RawLog {
        /// The least severe level that is written.
        level: At<LogLevel> = default(LogLevel::Info),
        /// One JSON object per line, or text for people.
        format: At<LogFormat> = default(LogFormat::Json),
        /// Whether each request writes one access line.
        access: At<bool> = default(true),
    }
    instead {}
}

pub(super) fn lower(raw: &RawLog) -> LogSettings {
    LogSettings { level: raw.level.value, format: raw.format.value, access: raw.access.value }
}
