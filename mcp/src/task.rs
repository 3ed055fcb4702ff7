//! *Does a result hand out a task?* The hub that has made a task is the only one that knows it.

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Longest task id that is remembered, bytes; more than any hub has been seen to use.
const ID_MAX: usize = 1_024;

/// A task that a result hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task<'a> {
    /// Its id.
    pub id: Cow<'a, str>,
    /// How long after its creation its hub keeps it; `None` if there is no limit, or the hub does not say.
    pub ttl: Option<Duration>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    result: Fields<'a>,
}

/// The tasks extension of 2026-07-28 has the task's fields in the result itself; 2025-11-25 has them in `task`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    result_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    task_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ttl_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    task: Option<Inner<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inner<'a> {
    #[serde(borrow)]
    task_id: Cow<'a, str>,
    #[serde(borrow)]
    ttl: Option<&'a RawValue>,
}

static TASK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"taskId\""));

/// Whether these bytes may speak of a task. Almost no answer does: the search is all that it costs.
#[must_use]
pub fn may_tell_of_task(bytes: &[u8]) -> bool {
    TASK.find(bytes).is_some()
}

/// The task that a JSON-RPC result hands out. A result that merely speaks of tasks hands out none.
#[must_use]
pub fn task_of(message: &[u8]) -> Option<Task<'_>> {
    if !may_tell_of_task(message) {
        return None;
    }
    let Message { result } = serde_json::from_slice(message).ok()?;
    let (id, ttl) = match (result.task, result.task_id) {
        (None, Some(id)) if result.result_type.as_deref() == Some("task") => (id, result.ttl_ms),
        (Some(Inner { task_id, ttl }), None) => (task_id, ttl),
        _ => return None,
    };
    let ttl = ttl.and_then(|ttl| ttl.get().parse().ok()).map(Duration::from_millis);
    (!id.is_empty() && id.len() <= ID_MAX).then_some(Task { id, ttl })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, expected: Option<(&str, Option<Duration>)>) {
        let task = task_of(message.as_bytes());
        let seen = task.as_ref().map(|task| (&*task.id, task.ttl));
        assert_eq!(seen, expected, "{message}");
    }

    #[test]
    fn both_eras_hand_out_tasks() {
        let minute = Some(Duration::from_secs(60));
        check(
            r#"{"id":1,"result":{"resultType":"task","taskId":"t1","status":"working","createdAt":"x","lastUpdatedAt":"x","ttlMs":60000}}"#,
            Some(("t1", minute)),
        );
        check(
            r#"{"id":1,"result":{"task":{"taskId":"t\"2","status":"working","ttl":60000}}}"#,
            Some(("t\"2", minute)),
        );
        check(r#"{"id":1,"result":{"resultType":"task","taskId":"t"}}"#, Some(("t", None)));
        check(r#"{"id":1,"result":{"resultType":"task","taskId":"t","ttlMs":1.5}}"#, Some(("t", None)));
    }

    #[test]
    fn what_only_speaks_of_tasks_hands_out_none() {
        check(r#"{"id":1,"result":{"resultType":"complete","taskId":"t","status":"working"}}"#, None);
        check(r#"{"id":1,"result":{"structuredContent":{"taskId":"t"}}}"#, None);
        check(r#"{"id":1,"result":{"content":[{"type":"text","text":"{\"taskId\":1}"}]}}"#, None);
        check(r#"{"id":1,"error":{"code":1,"message":"m","data":{"taskId":"t"}}}"#, None);
        check(r#"{"id":1,"result":{"task":{"taskId":""}}}"#, None);
        check(&format!(r#"{{"result":{{"task":{{"taskId":"{}"}}}}}}"#, "x".repeat(ID_MAX + 1)), None);
        check("\"taskId\"", None);
    }
}
