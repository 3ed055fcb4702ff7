//! Which life of the hub is this, and what does it offer?
//!
//! A hub that was started again has forgotten its sessions and had a reason to; one that runs on and knows a session no
//! more has expired it. What clients were offered, and what was said of tools, belongs to one life as well.

use super::Upstream;
use mcphub_health::{Boot, BootId};
use mcphub_routing::MonoTime;
use mcphub_session::migration::{Marks, Memory};
use mcphub_session::record::Capabilities;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Most tools whose marks are remembered of one hub; the largest catalogues have some hundreds.
const TOOLS_MAX: usize = 4_096;

/// What is known of the present life of a hub.
#[derive(Debug, Default)]
pub(super) struct Life(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    boot: Boot,
    offered: Option<Capabilities>,
    marks: HashMap<String, Marks>,
}

impl Life {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Takes in what probes say of the present life. That its name becomes known does not make it another one: what it
    /// has said before stays, above all which tools may be called twice.
    fn enter(&mut self, boot: Boot) {
        if self.boot.id.is_some() && self.boot.id != boot.id {
            self.offered = None;
            self.marks.clear();
        }
        self.boot = boot;
    }
}

impl Upstream {
    /// What probes say of the hub's present life.
    pub fn note_boot(&self, boot: Boot) {
        self.life.known().enter(boot);
    }

    /// Had the hub a reason to forget a session with which it last worked at `worked`? `told`: which life of it says so.
    #[must_use]
    pub fn memory(&self, worked: Option<Duration>, told: Option<BootId>) -> Memory {
        let boot = self.life.known().boot;
        let Some(worked) = worked else {
            // We have never seen it work: it was another process of ours that did, and much may have happened since.
            return Memory::FailedSince;
        };
        let moment = MonoTime::ZERO.after(worked);
        match (told, boot.id) {
            (Some(told), Some(known)) if told != known => Memory::Restarted,
            (_, Some(_)) if boot.restarted_at.is_some_and(|at| at > moment) => Memory::Restarted,
            (_, Some(_)) => Memory::SameBoot,
            (_, None) if self.failed_at().is_some_and(|at| at >= worked) => Memory::FailedSince,
            (_, None) => Memory::BootUnknown,
        }
    }

    /// What the hub offers, from an `initialize` result that passed by.
    #[must_use]
    pub fn offered(&self) -> Option<Capabilities> {
        self.life.known().offered.clone()
    }

    /// An `initialize` result has passed by.
    pub fn note_offered(&self, capabilities: Capabilities) {
        self.life.known().offered = Some(capabilities);
    }

    /// What the hub said of a tool.
    #[must_use]
    pub fn marks_of(&self, tool: &str) -> Marks {
        self.life.known().marks.get(tool).copied().unwrap_or_default()
    }

    /// Whether anything is known of this life's tools.
    #[must_use]
    pub fn knows_tools(&self) -> bool {
        !self.life.known().marks.is_empty()
    }

    /// A `tools/list` result has passed by: its tools' marks, none of which is believed unless the operator says so.
    pub fn note_tools(&self, message: &[u8]) {
        let Ok(Message { result }) = serde_json::from_slice::<Message>(message) else { return };
        let mut known = self.life.known();
        for Tool { name, annotations } in result.tools {
            if known.marks.len() >= TOOLS_MAX && !known.marks.contains_key(&name) {
                return;
            }
            known.marks.insert(name, annotations.map(Annotations::marks).unwrap_or_default());
        }
    }
}

#[derive(Deserialize)]
struct Message {
    result: Tools,
}

#[derive(Deserialize)]
struct Tools {
    tools: Vec<Tool>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Annotations {
    read_only_hint: Option<bool>,
    idempotent_hint: Option<bool>,
}

impl Annotations {
    // A pattern, since the value is of no more use.
    #[allow(clippy::needless_pass_by_value, reason = "the marks are all that is wanted of it")]
    fn marks(self) -> Marks {
        match (self.read_only_hint, self.idempotent_hint) {
            (Some(true), _) => Marks::ReadOnly,
            (_, Some(true)) => Marks::Idempotent,
            _ => Marks::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::snapshot;
    use std::sync::Arc;

    fn upstream() -> Arc<Upstream> {
        let directory = tempfile::tempdir().expect("a directory");
        Arc::clone(&snapshot(directory.path(), &[("a", 1)], None).upstreams[0])
    }

    fn boot(name: &str, restarted_s: Option<u64>) -> Boot {
        let at = |seconds| MonoTime::ZERO.after(Duration::from_secs(seconds));
        Boot { id: Some(BootId::of(name)), restarts: 0, restarted_at: restarted_s.map(at) }
    }

    #[test]
    fn a_hub_forgets_for_a_reason_or_not() {
        let hub = upstream();
        let (worked, later) = (Some(Duration::from_secs(10)), Duration::from_secs(11));
        assert_eq!(hub.memory(worked, None), Memory::BootUnknown);
        hub.note_failed(later);
        assert_eq!(hub.memory(worked, None), Memory::FailedSince);
        hub.note_boot(boot("one", None));
        assert_eq!(hub.memory(worked, None), Memory::SameBoot);
        assert_eq!(hub.memory(None, None), Memory::FailedSince);
        // It says so itself, before a probe has seen it.
        assert_eq!(hub.memory(worked, Some(BootId::of("two"))), Memory::Restarted);
        assert_eq!(hub.memory(worked, Some(BootId::of("one"))), Memory::SameBoot);
        hub.note_boot(boot("two", Some(11)));
        assert_eq!(hub.memory(worked, Some(BootId::of("two"))), Memory::Restarted);
        assert_eq!(hub.memory(Some(Duration::from_secs(12)), None), Memory::SameBoot);
    }

    #[test]
    fn marks_belong_to_one_life() {
        let hub = upstream();
        hub.note_tools(
            br#"{"id":1,"result":{"tools":[{"name":"a","annotations":{"readOnlyHint":true}},
            {"name":"b","annotations":{"idempotentHint":true,"readOnlyHint":false}},{"name":"c"}]}}"#,
        );
        hub.note_tools(b"{\"id\":1,\"error\":{}}");
        // A client may ask sooner than the first probe that is told which life this is.
        hub.note_boot(boot("one", None));
        let marks = ["a", "b", "c", "d"].map(|tool| hub.marks_of(tool));
        assert_eq!(marks, [Marks::ReadOnly, Marks::Idempotent, Marks::None, Marks::None]);
        hub.note_boot(boot("two", Some(1)));
        assert_eq!(hub.marks_of("a"), Marks::None);
    }
}
