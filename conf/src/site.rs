//! What lowering needs beside the raw values: where paths start, the environment, and the files named.

use crate::Env;
use crate::book::Book;
use crate::reader::At;
use ring::digest::{Context, SHA256};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// Certificates, keys and tokens are small; what is larger is something else.
const SMALL_FILE_MAX: u64 = 1 << 20;

/// The surroundings of one configuration.
pub(crate) struct Site<'a> {
    pub(crate) book: &'a Book<'a>,
    pub(crate) base_dir: &'a Path,
    pub(crate) env: Env<'a>,
    files: RefCell<BTreeSet<PathBuf>>,
    contents: RefCell<Context>,
}

impl<'a> Site<'a> {
    pub(crate) fn new(book: &'a Book<'a>, base_dir: &'a Path, env: Env<'a>) -> Self {
        Self { book, base_dir, env, files: RefCell::default(), contents: RefCell::new(Context::new(&SHA256)) }
    }

    /// `path` as the process can open it. Its changes lead to a reload.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        let path = self.base_dir.join(path);
        self.files.borrow_mut().insert(path.clone());
        path
    }

    /// As `resolve`, for something that is made by the gateway and changes without a reload.
    pub(crate) fn resolve_unwatched(&self, path: &Path) -> PathBuf {
        self.base_dir.join(path)
    }

    /// Resolves a file that must exist; a mistake where it cannot be opened.
    pub(crate) fn existing(&self, at: &At<PathBuf>) -> PathBuf {
        let path = self.resolve(&at.value);
        if let Err((what, remedy)) = open(&path) {
            self.book.mistake(&at.place, what, remedy);
        }
        path
    }

    /// Resolves and reads a small file that must exist; a mistake and `None` where it cannot be read. Its
    /// contents count for the revision.
    pub(crate) fn contents(&self, at: &At<PathBuf>) -> (PathBuf, Option<Vec<u8>>) {
        let path = self.resolve(&at.value);
        match open(&path).and_then(|file| read(file, &path)) {
            Ok(bytes) => {
                self.stamp(&at.place.key, &bytes);
                (path, Some(bytes))
            }
            Err((what, remedy)) => {
                self.book.mistake(&at.place, what, remedy);
                (path, None)
            }
        }
    }

    /// Resolves a PEM file that must hold a block labelled `label`.
    pub(crate) fn pem(&self, at: &At<PathBuf>, label: &str) -> PathBuf {
        let (path, bytes) = self.contents(at);
        let Some(bytes) = bytes else { return path };
        let text = String::from_utf8_lossy(&bytes);
        let found = text.lines().any(|line| line.starts_with("-----BEGIN ") && line.contains(label));
        if !found {
            let what = format!("{} holds no PEM block `{label}`", path.display());
            self.book.mistake(&at.place, what, format!("name a PEM file with `-----BEGIN … {label}-----`"));
        }
        path
    }

    /// Counts `bytes` for the revision.
    pub(crate) fn stamp(&self, name: &str, bytes: &[u8]) {
        let mut contents = self.contents.borrow_mut();
        for part in [name.as_bytes(), bytes] {
            contents.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            contents.update(part);
        }
    }

    /// The files to watch, and the digest of the contents counted.
    pub(crate) fn close(self) -> (Vec<PathBuf>, Context) {
        (self.files.into_inner().into_iter().collect(), self.contents.into_inner())
    }
}

/// What is wrong, and what to do.
pub(crate) type Trouble = (String, String);

/// Opens `path` if it is a plain file. Anything else might block or never end.
pub(crate) fn open(path: &Path) -> Result<File, Trouble> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).map_err(|error| trouble(path, &error))?;
    if metadata.is_dir() {
        return Err((format!("{shown} is a folder"), "name a file in it".to_owned()));
    }
    if !metadata.is_file() {
        return Err((format!("{shown} is not a plain file"), "name a plain file".to_owned()));
    }
    File::open(path).map_err(|error| trouble(path, &error))
}

fn read(file: File, path: &Path) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    file.take(SMALL_FILE_MAX + 1).read_to_end(&mut bytes).map_err(|error| trouble(path, &error))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > SMALL_FILE_MAX {
        return Err((
            format!("{} is larger than 1MiB", path.display()),
            "name the file that was meant".to_owned(),
        ));
    }
    Ok(bytes)
}

/// An I/O failure in words that say what to do.
pub(crate) fn trouble(path: &Path, error: &std::io::Error) -> Trouble {
    let shown = path.display();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => (
            format!("{shown} does not exist"),
            "create it, or mend the path (relative paths start at the folder of the configuration file)"
                .to_owned(),
        ),
        ErrorKind::PermissionDenied => {
            (format!("{shown} may not be read"), "let the gateway's user read it".to_owned())
        }
        _ => (format!("{shown} cannot be read ({error})"), "name a readable file".to_owned()),
    }
}
