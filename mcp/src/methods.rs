//! *May this method be sent twice?* And what is it called in a metric, whatever a client invents.
//!
//! No revision of MCP has an idempotency key, so safety is a property of the method, or of a tool's annotations where
//! the operator trusts them.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

/// What kind of thing a method does, as far as repeating and routing it go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// `initialize`: opens a legacy session, may not be cancelled, and is sent to one hub only.
    Initialize,
    /// Lists what a hub has: `tools/list` and its kin.
    List,
    /// Looks without changing anything: `ping`, reads, `prompts/get`, `completion/complete`, `server/discover`.
    Read,
    /// Sets what is the same when set again: `logging/setLevel`, `resources/subscribe`, `resources/unsubscribe`.
    Setting,
    /// `subscriptions/listen`: a modern stream that a client may open again at will.
    Listen,
    /// `tools/call`: may do anything.
    ToolCall,
    /// Task methods: bound to the hub that holds the task.
    Task(Repeat),
    /// Any `notifications/…`: has no answer.
    Notification,
    /// A method we do not know: forwarded, never repeated.
    Other,
}

/// Whether a request may be sent again after its fate has become unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// Always.
    Safe,
    /// Only if the tool is marked read-only or idempotent, and the operator trusts the marks.
    IfAnnotated,
    /// Not unless no byte of it was written.
    Never,
}

impl Class {
    /// Whether a request of this class may be sent again.
    #[must_use]
    pub fn repeat(self) -> Repeat {
        match self {
            Self::List | Self::Read | Self::Setting | Self::Listen => Repeat::Safe,
            Self::ToolCall => Repeat::IfAnnotated,
            Self::Task(repeat) => repeat,
            Self::Initialize | Self::Notification | Self::Other => Repeat::Never,
        }
    }
}

/// What a request's target is called, in `params` and thus in `Mcp-Name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// It has none.
    None,
    /// `params.name`.
    Name,
    /// `params.uri`.
    Uri,
    /// `params.taskId`.
    TaskId,
}

/// One method of the specification.
#[derive(Debug)]
pub struct Method {
    /// Its name on the wire; also its label in metrics.
    pub name: &'static str,
    /// What it does.
    pub class: Class,
    /// What the modern era requires in `Mcp-Name`.
    pub target: Target,
}

const fn method(name: &'static str, class: Class, target: Target) -> Method {
    Method { name, class, target }
}

/// Every client method of the revisions 2024-11-05 to 2026-07-28 and of the tasks extension, sorted by name.
static METHODS: [Method; 26] = [
    method("completion/complete", Class::Read, Target::None),
    method("initialize", Class::Initialize, Target::None),
    method("logging/setLevel", Class::Setting, Target::None),
    method("notifications/cancelled", Class::Notification, Target::None),
    method("notifications/elicitation/complete", Class::Notification, Target::None),
    method("notifications/initialized", Class::Notification, Target::None),
    method("notifications/progress", Class::Notification, Target::None),
    method("notifications/roots/list_changed", Class::Notification, Target::None),
    method("notifications/tasks/status", Class::Notification, Target::None),
    method("ping", Class::Read, Target::None),
    method("prompts/get", Class::Read, Target::Name),
    method("prompts/list", Class::List, Target::None),
    method("resources/list", Class::List, Target::None),
    method("resources/read", Class::Read, Target::Uri),
    method("resources/subscribe", Class::Setting, Target::None),
    method("resources/templates/list", Class::List, Target::None),
    method("resources/unsubscribe", Class::Setting, Target::None),
    method("server/discover", Class::Read, Target::None),
    method("subscriptions/listen", Class::Listen, Target::None),
    method("tasks/cancel", Class::Task(Repeat::Never), Target::TaskId),
    method("tasks/get", Class::Task(Repeat::Safe), Target::TaskId),
    method("tasks/list", Class::Task(Repeat::Safe), Target::None),
    // Hands the answer out once the task is done; nothing says that it may be asked for twice.
    method("tasks/result", Class::Task(Repeat::Never), Target::TaskId),
    method("tasks/update", Class::Task(Repeat::Never), Target::TaskId),
    method("tools/call", Class::ToolCall, Target::Name),
    method("tools/list", Class::List, Target::None),
];

/// The method of this exact name, if the specification has it.
#[must_use]
pub fn known(name: &str) -> Option<&'static Method> {
    let at = METHODS.binary_search_by(|method| method.name.cmp(name)).ok()?;
    METHODS.get(at)
}

/// A method as a message names it, looked up once.
#[derive(Clone, Debug)]
pub struct MethodName<'a> {
    name: Cow<'a, str>,
    known: Option<&'static Method>,
    class: Class,
}

impl<'a> MethodName<'a> {
    /// The method of this name, which may be any.
    #[must_use]
    pub fn new(name: Cow<'a, str>) -> Self {
        let known = known(&name);
        let class = known.map_or_else(|| class_of_stranger(&name), |method| method.class);
        Self { name, known, class }
    }

    /// What it does.
    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }

    /// What `Mcp-Name` says of it.
    #[must_use]
    pub fn target(&self) -> Target {
        self.known.map_or(Target::None, |method| method.target)
    }

    /// As [`label`].
    #[must_use]
    pub fn label(&self) -> &'static str {
        self.known.map_or(STRANGER, |method| method.name)
    }
}

impl Deref for MethodName<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl PartialEq for MethodName<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for MethodName<'_> {}

impl fmt::Display for MethodName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What a method of this name does.
#[must_use]
pub fn class(name: &str) -> Class {
    known(name).map_or_else(|| class_of_stranger(name), |method| method.class)
}

fn class_of_stranger(name: &str) -> Class {
    if name.starts_with("notifications/") { Class::Notification } else { Class::Other }
}

/// The label of all that the specification does not have.
const STRANGER: &str = "other";

/// A label for metrics: the name of a known method, else `other`, so that clients cannot invent time series.
#[must_use]
pub fn label(name: &str) -> &'static str {
    known(name).map_or(STRANGER, |method| method.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, class_expected: Class, repeat: Repeat) {
        assert_eq!(class(name), class_expected, "{name}");
        assert_eq!(class(name).repeat(), repeat, "{name}");
    }

    #[test]
    fn the_table_is_sorted_and_finds_each_of_its_own() {
        assert!(METHODS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for method in &METHODS {
            assert_eq!(known(method.name).map(|found| found.name), Some(method.name));
        }
    }

    #[test]
    fn only_what_cannot_do_harm_is_repeated() {
        for name in ["tools/list", "resources/templates/list", "prompts/list", "resources/list"] {
            check(name, Class::List, Repeat::Safe);
        }
        for name in ["ping", "resources/read", "prompts/get", "completion/complete", "server/discover"] {
            check(name, Class::Read, Repeat::Safe);
        }
        for name in ["logging/setLevel", "resources/subscribe", "resources/unsubscribe"] {
            check(name, Class::Setting, Repeat::Safe);
        }
        check("subscriptions/listen", Class::Listen, Repeat::Safe);
        check("tasks/get", Class::Task(Repeat::Safe), Repeat::Safe);
        check("tasks/update", Class::Task(Repeat::Never), Repeat::Never);
        check("tools/call", Class::ToolCall, Repeat::IfAnnotated);
        check("initialize", Class::Initialize, Repeat::Never);
        check("notifications/of/tomorrow", Class::Notification, Repeat::Never);
        check("tools/Call", Class::Other, Repeat::Never);
        check("", Class::Other, Repeat::Never);
    }

    #[test]
    fn strangers_share_one_label() {
        assert_eq!(label("tools/call"), "tools/call");
        assert_eq!(label("x".repeat(10_000).as_str()), "other");
    }
}
