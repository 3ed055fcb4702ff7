//! How does it stay known, after a `kill -9`, what was executed?
//!
//! One line for each execution of `act`: the hub, a space, the key as a JSON string. Lines are appended with one write
//! each, so that several hubs may share a file, and what the kernel has taken survives the process.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
};

use anyhow::Context as _;
use serde_json::json;
use tracing::error;

/// A file that is only ever appended to.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    hub: String,
}

impl Journal {
    pub(crate) fn open(path: &Path, hub: &str) -> anyhow::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .with_context(|| format!("cannot open the journal {}", path.display()))?;
        Ok(Self { file, hub: hub.to_owned() })
    }

    /// Writes the line of one execution.
    pub(crate) fn write(&self, key: &str) {
        let line = format!("{} {}\n", self.hub, json!(key));
        if let Err(error) = (&self.file).write_all(line.as_bytes()) {
            error!(%error, "the journal cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hubs_that_share_a_file_lose_no_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("journal");
        let [one, two] = ["a", "b"].map(|hub| Journal::open(&path, hub).expect("a journal"));
        for (journal, key) in [(&one, "x"), (&two, "y\nz"), (&one, "x")] {
            journal.write(key);
        }
        let text = std::fs::read_to_string(&path).expect("lines");
        assert_eq!(text, "a \"x\"\nb \"y\\nz\"\na \"x\"\n");
    }
}
