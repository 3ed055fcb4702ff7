//! What can be wrong with a folder of telemetry?

use std::io;

/// A folder of telemetry could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// `split.json` does not have the expected shape.
    #[error("split.json cannot be read")]
    Split(#[source] serde_json::Error),
    /// It is of a protocol that nobody knows.
    #[error("split.json is of protocol {found:?}, which is not known")]
    UnknownProtocol {
        /// What it says.
        found: String,
    },
    /// It is of another protocol than asked for.
    #[error("split.json is of protocol {found}, not {wanted}")]
    OtherProtocol {
        /// What it says.
        found: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// One of its values makes no sense.
    #[error("{name} in split.json must be {wanted}")]
    Setting {
        /// Which value.
        name: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// It lists nothing.
    #[error("split.json lists no file")]
    NoEntities,
    /// It lists too much.
    #[error("split.json lists {found} {what}; {most} at most are read")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A file would not be in the folder.
    #[error("the file of {entity}, {file:?}, is no plain file name")]
    FileName {
        /// Whose.
        entity: String,
        /// Its name.
        file: String,
    },
    /// A file that is listed cannot be opened.
    #[error("{file}, which split.json lists, cannot be opened")]
    Open {
        /// Which file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A file is not as it should be.
    #[error("{file} cannot be read")]
    File {
        /// Which file.
        file: String,
        /// Why.
        source: FileError,
    },
}

/// A file of telemetry is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It breaks off, or is no CSV.
    #[error("it is no readable CSV")]
    Csv(#[source] csv::Error),
    /// A row has more or fewer cells than the heading.
    #[error("line {line} has {found} cells, and the heading has {expected}")]
    Ragged {
        /// Which line.
        line: u64,
        /// How many cells it has.
        found: u64,
        /// How many it should have.
        expected: u64,
    },
    /// A column is not there.
    #[error("there is no column {column:?}")]
    MissingColumn {
        /// Which.
        column: String,
    },
    /// A cell is no number.
    #[error("line {line}: {cell:?} in column {column:?} is no number")]
    NotANumber {
        /// Which line.
        line: u64,
        /// In which column.
        column: String,
        /// The beginning of what stands there.
        cell: String,
    },
    /// A label is none.
    #[error("line {line}: {cell:?} is no label")]
    Label {
        /// Which line.
        line: u64,
        /// The beginning of what stands there.
        cell: String,
    },
    /// It has no rows.
    #[error("it has no rows")]
    Empty,
    /// It has too many rows.
    #[error("it has more than {most} rows")]
    TooLong {
        /// How many there may be.
        most: usize,
    },
    /// It has another number of rows than `split.json` says.
    #[error("it has {found} rows, and split.json says {expected}")]
    Rows {
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// Its labels make other failures than `split.json` lists.
    #[error("its labels make {found} failures, and split.json lists {listed} others")]
    Failures {
        /// How many the labels make.
        found: usize,
        /// How many are listed.
        listed: usize,
    },
}

impl From<csv::Error> for FileError {
    fn from(error: csv::Error) -> Self {
        match error.kind() {
            csv::ErrorKind::UnequalLengths { pos, expected_len, len } => Self::Ragged {
                line: pos.as_ref().map_or(0, csv::Position::line),
                found: *len,
                expected: *expected_len,
            },
            _ => Self::Csv(error),
        }
    }
}
