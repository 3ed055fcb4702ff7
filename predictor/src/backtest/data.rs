//! What did the telemetry of a folder look like? Reads its files; opening and unpacking them is left to the caller.

use std::io::{self, Read};

use csv::StringRecord;

use super::split::SAMPLES_MAX;
use super::{DataError, Episode, Failure, FileError, Label, Listed, Protocol, Settings, Split, Timeline};
use crate::telemetry::{SIGNALS, Sample, Signal};

/// How much of a file is read, in bytes: the most samples there may be, at 1 KiB each. What breaks off there is refused
/// as a torn row.
const BYTES_MAX: u64 = SAMPLES_MAX as u64 * 1024;

/// The telemetry of a folder.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Which kind of telemetry it is.
    pub protocol: Protocol,
    /// How it is judged.
    pub settings: Settings,
    /// What each row of an entity holds, in this order: for [`Protocol::Hubsim`] every [`Signal`].
    pub columns: Vec<String>,
    /// Whether the entities were simulated, as far as the folder tells.
    pub simulated: bool,
    /// The entities, by name.
    pub entities: Vec<Entity>,
}

/// One hub or machine.
#[derive(Debug, Clone)]
pub struct Entity {
    /// Its name.
    pub name: String,
    /// When it failed, and when a forecast of it may be judged.
    pub timeline: Timeline,
    /// What is known of its failures, one for each episode of the timeline.
    pub failures: Vec<Failure>,
    /// The row from which on models are judged and no longer fitted.
    pub cut: usize,
    /// What was known of each sample.
    pub labels: Vec<Label>,
    pub(super) width: usize,
    pub(super) values: Vec<f32>,
}

impl Entity {
    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Is there no sample?
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// What was measured at this sample, in the order of the data set's columns; unknown values are NaN.
    pub fn row(&self, at: usize) -> &[f32] {
        &self.values[at * self.width..(at + 1) * self.width]
    }

    /// All rows in the order of time.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// All rows as samples of a hub; `None` where the columns are not those of [`Signal`]. In files the use of processor
    /// and memory is in per cent, in samples it is a part of the whole.
    pub fn samples(&self) -> Option<impl ExactSizeIterator<Item = Sample>> {
        let sample = |row: &[f32]| {
            let mut values: [f32; SIGNALS] = row.try_into().expect("as wide as a sample");
            for signal in [Signal::Cpu, Signal::Memory] {
                values[signal as usize] /= 100.0;
            }
            Sample::new(values)
        };
        (self.width == Signal::ALL.len()).then(|| self.rows().map(sample))
    }
}

impl Dataset {
    /// Reads every entity that `split` lists, in files that `open` opens by name, unpacked.
    ///
    /// # Errors
    /// The first thing that is wrong: a file that cannot be opened, a column that is missing, a row that is too short
    /// or too long, a cell that is no number, a label that is none, failures other than those that are listed.
    pub fn read<R: Read>(
        split: &Split,
        mut open: impl FnMut(&str) -> io::Result<R>,
    ) -> Result<Self, DataError> {
        let columns = match split.protocol {
            Protocol::Hubsim => Signal::ALL.map(|signal| signal.as_str().to_owned()).to_vec(),
            Protocol::Smd => split.columns.clone(),
        };
        let mut entities = Vec::with_capacity(split.entities.len());
        for listed in &split.entities {
            let file = || listed.file.clone();
            let reader = open(&listed.file).map_err(|source| DataError::Open { file: file(), source })?;
            let table = Table::read(reader, split.protocol, &columns);
            let table = table.map_err(|source| DataError::File { file: file(), source })?;
            let entity = entity(split, listed, columns.len(), table);
            entities.push(entity.map_err(|source| DataError::File { file: file(), source })?);
        }
        let Split { protocol, settings, simulated, .. } = *split;
        Ok(Self { protocol, settings, columns, simulated, entities })
    }
}

/// Puts together what the file of an entity and `split.json` say of it.
fn entity(split: &Split, listed: &Listed, width: usize, table: Table) -> Result<Entity, FileError> {
    let Table { labels, values } = table;
    if let Some(expected) = listed.rows.filter(|rows| *rows != labels.len()) {
        return Err(FileError::Rows { found: labels.len(), expected });
    }
    let timeline = Timeline::new(&labels, &split.settings.rules);
    let failures = match &listed.failures {
        Some(failures) => {
            let spans = failures.iter().map(|failure| Episode { start: failure.start, end: failure.end });
            if !spans.eq(timeline.episodes().iter().copied()) {
                return Err(FileError::Failures { found: timeline.episodes().len(), listed: failures.len() });
            }
            failures.clone()
        }
        None => timeline.episodes().iter().map(unknown).collect(),
    };
    let first = labels.iter().position(|label| *label != Label::Unlabelled).unwrap_or(labels.len());
    let labelled = labels.len() - first;
    let cut = listed.cut.unwrap_or(first + (labelled as f64 * split.settings.train_share) as usize);
    Ok(Entity {
        name: listed.name.clone(),
        timeline,
        failures,
        cut: cut.min(labels.len()),
        labels,
        width,
        values,
    })
}

fn unknown(episode: &Episode) -> Failure {
    let Episode { start, end } = *episode;
    Failure { start, end, kind: String::new(), class: String::new() }
}

/// One file.
struct Table {
    labels: Vec<Label>,
    values: Vec<f32>,
}

impl Table {
    /// Reads a CSV with a heading; columns may stand in any order, and further ones are passed over.
    fn read(reader: impl Read, protocol: Protocol, columns: &[String]) -> Result<Self, FileError> {
        let mut csv = csv::ReaderBuilder::new().from_reader(reader.take(BYTES_MAX));
        let heading = csv.headers().map_err(FileError::from)?.clone();
        let place = |column: &str| {
            let found = heading.iter().position(|name| name.trim() == column);
            found.ok_or_else(|| FileError::MissingColumn { column: column.to_owned() })
        };
        let label = place(protocol.label_column())?;
        let places: Vec<_> = columns.iter().map(|column| place(column)).collect::<Result<_, _>>()?;
        let (mut table, mut record) = (Self { labels: Vec::new(), values: Vec::new() }, StringRecord::new());
        while csv.read_record(&mut record).map_err(FileError::from)? {
            let line = record.position().map_or(0, csv::Position::line);
            if table.labels.len() == SAMPLES_MAX {
                return Err(FileError::TooLong { most: SAMPLES_MAX });
            }
            let cell = |place: usize| record.get(place).unwrap_or_default().trim();
            table.labels.push(as_label(protocol, cell(label), line)?);
            for (place, column) in places.iter().zip(columns) {
                table.values.push(as_number(cell(*place), column, line)?);
            }
        }
        if table.labels.is_empty() { Err(FileError::Empty) } else { Ok(table) }
    }
}

fn as_label(protocol: Protocol, cell: &str, line: u64) -> Result<Label, FileError> {
    match (cell, protocol) {
        ("0", _) => Ok(Label::Up),
        ("1", _) => Ok(Label::Down),
        ("-1", Protocol::Smd) => Ok(Label::Unlabelled),
        _ => Err(FileError::Label { line, cell: short(cell) }),
    }
}

/// An empty cell, and one that is not finite, is unknown.
fn as_number(cell: &str, column: &str, line: u64) -> Result<f32, FileError> {
    if cell.is_empty() {
        return Ok(f32::NAN);
    }
    match cell.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Ok(f32::NAN),
        Err(_) => Err(FileError::NotANumber { line, column: column.to_owned(), cell: short(cell) }),
    }
}

/// As much of a cell as a message bears.
fn short(cell: &str) -> String {
    cell.chars().take(40).collect()
}

#[cfg(test)]
mod tests;
