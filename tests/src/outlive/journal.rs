//! What have the hubs executed, those that were killed included?

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

/// For each key of `act`, the hubs that executed it, in order.
pub type Executions = BTreeMap<String, Vec<String>>;

/// Reads the file to which hubs append (`--journal`).
pub fn read(path: &Path) -> anyhow::Result<Executions> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let mut found = Executions::new();
    for line in text.lines() {
        let (hub, key) = line.split_once(' ').with_context(|| format!("no hub in {line:?}"))?;
        let key: String = serde_json::from_str(key).with_context(|| format!("no key in {line:?}"))?;
        found.entry(key).or_default().push(hub.to_owned());
    }
    Ok(found)
}
