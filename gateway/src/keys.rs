//! Where do the session keys come from?
//!
//! From files that only the gateway reads. A first file that does not exist yet is made, so that a new installation
//! works; the others must exist, since a missing one means sessions that cannot be opened.

use crate::clock;
use mcphub_session::{KeyError, KeyRing, RingError, SecretKey};
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Most bytes read of a key file. A key takes 64.
const FILE_MAX: u64 = 1024;

/// Keys that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// A file.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A new file.
    #[error("cannot create {}", path.display())]
    Create {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What stands in a file.
    #[error("{} holds no session key", path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// The keys together.
    #[error("the session keys make no ring")]
    Ring(#[from] RingError),
}

/// Makes the sealing key where there is none yet. `true` if it was made.
///
/// # Errors
/// It cannot be made.
pub fn prepare(files: &[PathBuf]) -> Result<bool, KeyFileError> {
    match files.first() {
        Some(path) if !path.exists() => create(path).map(|_| true),
        _ => Ok(false),
    }
}

/// Reads the keys, the sealing one first.
///
/// # Errors
/// A file cannot be read, made or understood.
pub fn load(files: &[PathBuf]) -> Result<KeyRing, KeyFileError> {
    let mut keys = Vec::with_capacity(files.len());
    for (position, path) in files.iter().enumerate() {
        let text = match read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && position == 0 => create(path)?,
            Err(source) => return Err(KeyFileError::Read { path: path.clone(), source }),
            Ok(text) => text,
        };
        keys.push(
            SecretKey::parse(&text).map_err(|source| KeyFileError::Key { path: path.clone(), source })?,
        );
    }
    Ok(KeyRing::new(&keys)?)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(FILE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Makes a key that only we can read. Another process that does so at the same moment wins, and its key is used.
fn create(path: &Path) -> Result<String, KeyFileError> {
    let failed = |source| KeyFileError::Create { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let key = SecretKey::from_bytes(clock::random_bytes())
        .map_err(|source| KeyFileError::Key { path: path.to_owned(), source })?;
    let text = key.to_file();
    // Written beside and linked into place: nobody ever reads half a key.
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(failed)?;
    let linked = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    match linked {
        Ok(()) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_first_key_is_made_once_and_only_ours() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/session.key");
        let first: Vec<_> = load(std::slice::from_ref(&path)).expect("made").ids().collect();
        let second: Vec<_> = load(std::slice::from_ref(&path)).expect("read").ids().collect();
        assert_eq!(first, second);
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().expect("a folder")).expect("listed").count(), 1);
    }

    #[test]
    fn an_old_key_that_is_gone_is_a_mistake() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = [folder.path().join("new.key"), folder.path().join("old.key")];
        assert!(matches!(load(&files), Err(KeyFileError::Read { .. })));
        fs::write(&files[1], "not a key").expect("written");
        assert!(matches!(load(&files), Err(KeyFileError::Key { .. })));
    }
}
