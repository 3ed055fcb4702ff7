//! Where in the file is it, and what is wrong there? Collects findings; never decides what is one.

use crate::report::{Finding, Report, Severity};
use std::cell::{Cell, RefCell};
use std::ops::Range;

/// Most findings kept, syntax mistakes aside. A file with more than this is not a configuration, and a
/// report of a hundred thousand lines helps nobody.
const FINDINGS_MAX: usize = 500;

/// A spot in the file, under the key that stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Such as `hub[1].weight`; empty for the whole file.
    pub(crate) key: String,
    /// Bytes of the text without its byte order mark.
    pub(crate) span: Range<usize>,
}

impl Place {
    /// The same spot, under the key `name` below this one: where a missing key is reported.
    pub(crate) fn below(&self, name: &str) -> Self {
        Self { key: join(&self.key, name), span: self.span.clone() }
    }
}

/// `key` and `name` as one path.
pub(crate) fn join(key: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let name = if plain { name.to_owned() } else { format!("{:?}", shorten(name)) };
    if key.is_empty() { name } else { format!("{key}.{name}") }
}

/// What a message repeats of the file: enough to recognise, never a page of it.
pub(crate) fn shorten(text: &str) -> String {
    const MAX: usize = 60;
    if text.chars().count() <= MAX {
        return text.to_owned();
    }
    text.chars().take(MAX - 1).chain(['…']).collect()
}

/// The findings of one file.
pub(crate) struct Book<'a> {
    file: &'a str,
    text: &'a str,
    /// Byte offset of the start of each line.
    starts: Vec<usize>,
    findings: RefCell<Vec<Finding>>,
    untold: Cell<usize>,
}

impl<'a> Book<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file, text, starts, findings: RefCell::default(), untold: Cell::new(0) }
    }

    /// The file cannot be used because of what stands at `place`.
    pub(crate) fn mistake(&self, place: &Place, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Mistake, place, what.into(), remedy.into(), true);
    }

    /// As `mistake`, where the line holds a secret: it is never shown again.
    pub(crate) fn mistake_in_secret(
        &self,
        place: &Place,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Severity::Mistake, place, what.into(), remedy.into(), false);
    }

    /// As `mistake`, unless one about the same key is known: what follows from it needs no telling.
    pub(crate) fn mistake_once(&self, place: &Place, what: &str, remedy: &str) {
        if !self.findings.borrow().iter().any(|f| f.key == place.key) {
            self.mistake(place, what, remedy);
        }
    }

    /// A mistake of the TOML itself; never left out for being one too many.
    pub(crate) fn syntax(&self, place: &Place, what: &str, remedy: &str) {
        let room = FINDINGS_MAX.saturating_sub(1);
        self.findings.borrow_mut().truncate(room);
        let line = self.text[self.starts[self.line_of(place.span.start) - 1]..].lines().next().unwrap_or("");
        let secret = line.split_once('=').is_some_and(|(key, _)| crate::reader::looks_secret(key));
        self.add(Severity::Mistake, place, what.to_owned(), remedy.to_owned(), !secret);
    }

    /// The file can be used, but probably does not say what was meant.
    pub(crate) fn warning(&self, place: &Place, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Warning, place, what.into(), remedy.into(), true);
    }

    /// Whether anything so far forbids the use of the file.
    pub(crate) fn has_mistakes(&self) -> bool {
        self.findings.borrow().iter().any(|f| f.severity == Severity::Mistake)
    }

    /// The line of a byte offset, counted from 1.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset.min(self.text.len())).max(1)
    }

    /// The lines of the file, counted from 1, that open a table (`[…]`).
    pub(crate) fn header_lines(&self) -> Vec<usize> {
        let is_header = |line: &str| line.trim_start().starts_with('[');
        (1..).zip(self.text.split('\n')).filter(|(_, line)| is_header(line)).map(|(n, _)| n).collect()
    }

    /// Forgets findings for which `keep` is false.
    pub(crate) fn retain(&self, keep: impl Fn(&Finding) -> bool) {
        self.findings.borrow_mut().retain(keep);
    }

    /// Everything found, in the order of the file.
    pub(crate) fn close(self) -> Report {
        let mut findings = self.findings.into_inner();
        findings.sort_by_key(|finding| (finding.line, finding.column));
        findings.dedup();
        let untold = self.untold.get();
        if untold > 0 {
            let what = format!("{untold} more findings are not listed");
            findings.extend(Report::whole_file(self.file, &what, "mend those above first").findings);
        }
        Report { findings }
    }

    fn add(&self, severity: Severity, place: &Place, what: String, remedy: String, show: bool) {
        let mut findings = self.findings.borrow_mut();
        if findings.len() >= FINDINGS_MAX {
            self.untold.set(self.untold.get() + 1);
            return;
        }
        let line = self.line_of(place.span.start);
        let start = self.starts[line - 1];
        let before = self.text.get(start..place.span.start.min(self.text.len())).unwrap_or("");
        let source = self.text[start..].lines().next().unwrap_or("");
        // A line this long is data, not something to look at with a caret under it.
        let show = show && source.len() <= 200;
        findings.push(Finding {
            severity,
            file: self.file.to_owned(),
            line: Some(line),
            column: Some(before.chars().count() + 1),
            key: place.key.clone(),
            what,
            remedy,
            source: show.then(|| source.to_owned()),
        });
    }
}
