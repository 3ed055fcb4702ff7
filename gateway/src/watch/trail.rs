//! What does a name lead to, and which directories decide that?

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// Symbolic links followed in one name; the kernel's own limit.
const LINKS_MAX: usize = 40;

/// What stood at the end of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sight {
    /// Nothing could be seen there.
    Nothing(io::ErrorKind),
    /// A file (or directory).
    There {
        /// Its name with every link resolved.
        resolved: PathBuf,
        /// Device and inode.
        id: (u64, u64),
        /// Length in bytes.
        length: u64,
        /// Last change of the content and of the inode, seconds and nanoseconds.
        changed: [(i64, i64); 2],
    },
}

/// A name, walked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trail {
    /// What stood at its end.
    pub(super) sight: Sight,
    /// The lookups that decided it: each link on the way, and the last one. Their parents are the directories to
    /// watch; plain directories on the way are left to the poll.
    pub(super) lookups: BTreeSet<PathBuf>,
}

/// Walks `path` as the kernel would, and remembers where it turned.
pub(super) fn walk(path: &Path) -> Trail {
    let mut lookups = BTreeSet::new();
    let sight = std::path::absolute(path).and_then(|path| follow(&path, &mut lookups));
    Trail { sight: sight.unwrap_or_else(|error| Sight::Nothing(error.kind())), lookups }
}

fn follow(path: &Path, lookups: &mut BTreeSet<PathBuf>) -> io::Result<Sight> {
    let mut ahead = steps(path);
    let mut at = PathBuf::from("/");
    let mut meta = fs::symlink_metadata(&at)?;
    let mut links = 0;
    while let Some(step) = ahead.pop_front() {
        if step == ".." {
            at.pop();
            continue;
        }
        let here = at.join(step);
        let found = fs::symlink_metadata(&here);
        let is_link = found.as_ref().is_ok_and(Metadata::is_symlink);
        if is_link || found.is_err() || ahead.is_empty() {
            lookups.insert(here.clone());
        }
        meta = found?;
        if !is_link {
            at = here;
            continue;
        }
        links += 1;
        if links > LINKS_MAX {
            return Err(io::Error::other("too many symbolic links"));
        }
        let target = fs::read_link(&here)?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        for step in steps(&target).into_iter().rev() {
            ahead.push_front(step);
        }
    }
    Ok(Sight::There {
        resolved: at,
        id: (meta.dev(), meta.ino()),
        length: meta.len(),
        changed: [(meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec())],
    })
}

fn steps(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
        })
        .collect()
}
