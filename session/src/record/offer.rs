//! What was the client told it can have? As much of a hub's offer as must be compared when a session moves.

use std::collections::BTreeSet;
use std::fmt;

use ring::digest;
use serde_json::Value;

/// Most capabilities remembered. A hub with everything in the specification has some thirty.
pub const CAPABILITIES_MAX: usize = 128;

/// Longest path of a capability, bytes.
pub const CAPABILITY_MAX: usize = 128;

/// Capabilities are looked into so deep: `/tasks/requests/tools/call` is the deepest in the specification.
const DEPTH_MAX: usize = 4;

/// What a client was offered, or a hub offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The capabilities in an `initialize` result; `None` where they are not known.
    pub capabilities: Option<Capabilities>,
    /// What was in its lists.
    pub catalogue: Catalogue,
}

/// The `capabilities` of an `initialize` result, as a set of paths: `/tools`, `/tools/listChanged`. What is `false` or
/// `null` is not there.
///
/// Two bounds keep a hostile hub's set small: what is beyond them is left out, in the order of the paths, and so two
/// hubs with the same capabilities have the same set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(BTreeSet<Box<str>>);

impl Capabilities {
    /// Of this `capabilities` object; `None` if it is no JSON object.
    #[must_use]
    pub fn read(json: &str) -> Option<Self> {
        let Ok(Value::Object(members)) = serde_json::from_str(json) else { return None };
        let mut all = BTreeSet::new();
        collect(&Value::Object(members), &mut String::new(), 0, &mut all);
        Some(Self(all.into_iter().take(CAPABILITIES_MAX).collect()))
    }

    /// Of paths that were written before; `None` if they break the bounds.
    pub(super) fn from_paths(paths: Vec<Box<str>>) -> Option<Self> {
        let sound = |path: &str| path.starts_with('/') && path.len() <= CAPABILITY_MAX;
        let fits = paths.len() <= CAPABILITIES_MAX && paths.iter().all(|path| sound(path));
        fits.then(|| Self(paths.into_iter().collect()))
    }

    /// Whether everything in `others` is here as well: a client that was offered `others` may be served with these.
    #[must_use]
    pub fn cover(&self, others: &Self) -> bool {
        self.0.is_superset(&others.0)
    }

    /// What of `others` is missing here, first of all.
    #[must_use]
    pub fn first_missing<'a>(&'a self, others: &'a Self) -> Option<&'a str> {
        others.0.difference(&self.0).next().map(|path| &**path)
    }

    /// Is this one there? As in `/tools/listChanged`.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.0.contains(path)
    }

    /// The paths in the order of their bytes.
    pub fn iter(&self) -> impl Iterator<Item = &str> + '_ {
        self.0.iter().map(|path| &**path)
    }
}

/// Collects the paths of everything below `value` that is not denied. Paths are as in RFC 6901.
fn collect(value: &Value, path: &mut String, depth: usize, all: &mut BTreeSet<Box<str>>) {
    let Value::Object(members) = value else { return };
    if depth == DEPTH_MAX {
        return;
    }
    for (name, value) in members {
        if matches!(value, Value::Null | Value::Bool(false)) {
            continue;
        }
        let end = path.len();
        path.push('/');
        path.push_str(&name.replace('~', "~0").replace('/', "~1"));
        if path.len() <= CAPABILITY_MAX {
            all.insert(path.as_str().into());
            collect(value, path, depth + 1, all);
        }
        path.truncate(end);
    }
}

/// What a list held: the same number for the same items in any order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListDigest(pub(super) u64);

impl ListDigest {
    /// Of the items of a whole list, each as the JSON it came in. A list that came in pages is digested when the last
    /// page is there.
    pub fn of<'a>(items: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hashes: Vec<_> = items
            .into_iter()
            .map(|item| {
                let mut hash = [0; 32];
                hash.copy_from_slice(digest::digest(&digest::SHA256, item).as_ref());
                hash
            })
            .collect();
        hashes.sort_unstable();
        let whole = digest::digest(&digest::SHA256, hashes.as_flattened());
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&whole.as_ref()[..8]);
        Self(u64::from_be_bytes(bytes))
    }
}

impl fmt::Display for ListDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for ListDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListDigest({self})")
    }
}

/// The lists of a hub, as far as they are known: they are learned from answers that pass by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// `tools/list`.
    pub tools: Option<ListDigest>,
    /// `prompts/list`.
    pub prompts: Option<ListDigest>,
    /// `resources/list`.
    pub resources: Option<ListDigest>,
}
