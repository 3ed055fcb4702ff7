//! What is wrong with a file, all of it, for people and for programs.

use serde::Serialize;
use std::fmt::Write as _;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Mistake,
    /// The file can be used, but probably does not say what was meant.
    Warning,
}

/// One thing that is wrong, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Mistake or warning.
    pub severity: Severity,
    /// The file as it was named to `load` or `parse`.
    pub file: String,
    /// First line is 1; `None` where the whole file is meant (it cannot be read).
    pub line: Option<usize>,
    /// First column is 1, counted in characters.
    pub column: Option<usize>,
    /// Path of the key, such as `hub[1].weight`; empty for the file itself. Lists count from 0.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub remedy: String,
    /// The line of the file, for the caret under it; absent where it holds a secret.
    #[serde(skip)]
    pub source: Option<String>,
}

impl Finding {
    /// `file:line:column: key: what; remedy` on one line. Warnings say so.
    #[must_use]
    pub fn line(&self) -> String {
        let mut out = self.file.clone();
        if let (Some(line), Some(column)) = (self.line, self.column) {
            let _ = write!(out, ":{line}:{column}");
        }
        out.push_str(": ");
        if self.severity == Severity::Warning {
            out.push_str("warning: ");
        }
        if !self.key.is_empty() {
            let _ = write!(out, "{}: ", self.key);
        }
        out.push_str(&self.what);
        if !self.remedy.is_empty() {
            let _ = write!(out, "; {}", self.remedy);
        }
        out
    }
}

/// Everything found in one file, in the order of its lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order of the file.
    pub findings: Vec<Finding>,
}

impl Report {
    /// One mistake that concerns the file as a whole.
    pub(crate) fn whole_file(file: &str, what: &str, remedy: &str) -> Self {
        let finding = Finding {
            severity: Severity::Mistake,
            file: file.to_owned(),
            line: None,
            column: None,
            key: String::new(),
            what: what.to_owned(),
            remedy: remedy.to_owned(),
            source: None,
        };
        Self { findings: vec![finding] }
    }

    /// Whether anything forbids the use of the file.
    #[must_use]
    pub fn has_mistakes(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Mistake)
    }

    /// Number of findings that forbid the use of the file.
    #[must_use]
    pub fn mistakes(&self) -> usize {
        self.findings.iter().filter(|f| f.severity == Severity::Mistake).count()
    }

    /// Nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// One line per finding, each ending in a newline.
    #[must_use]
    pub fn render_text(&self) -> String {
        self.findings.iter().map(|f| f.line() + "\n").collect()
    }

    /// As [`Report::render_text`], with the line of the file and a caret under each finding: for terminals.
    #[must_use]
    pub fn render_rich(&self) -> String {
        let mut out = String::new();
        for finding in &self.findings {
            let _ = writeln!(out, "{}", finding.line());
            let (Some(line), Some(column), Some(source)) = (finding.line, finding.column, &finding.source)
            else {
                continue;
            };
            let number = line.to_string();
            let gap = " ".repeat(number.len());
            let indent: String =
                source.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            let _ = writeln!(out, "{number} | {source}\n{gap} | {indent}^");
        }
        out
    }

    /// `{"findings":[{"severity","file","line","column","key","what","remedy"}]}`.
    #[must_use]
    pub fn render_json(&self) -> serde_json::Value {
        let findings = self.findings.iter().map(|f| {
            serde_json::json!({
                "severity": f.severity, "file": f.file, "line": f.line, "column": f.column,
                "key": f.key, "what": f.what, "remedy": f.remedy,
            })
        });
        serde_json::json!({ "findings": findings.collect::<Vec<_>>() })
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.render_text().trim_end())
    }
}

impl std::error::Error for Report {}
