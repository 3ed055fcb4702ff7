//! A hub hands out a task: whoever asks for it later must be led there.
//!
//! Within a session there is nothing to be remembered: the session leads to the hub.

use super::exchange::Job;
use crate::clock;
use mcphub_http1::Known;
use mcphub_mcp::sse::{Event, events};
use mcphub_mcp::{Class, may_tell_of_task, task_of};
use mcphub_routing::HubIndex;

/// Looks for a task in an answer that is all here.
pub(super) fn learn(job: &Job<'_>, hub: Option<HubIndex>, answer: &[u8]) {
    if job.message.class() != Class::ToolCall || job.lodging.is_some() {
        return;
    }
    let Some(task) = task_of(answer) else { return };
    let Some(hub) = hub.and_then(|hub| job.snapshot.table.hub(hub)) else { return };
    let authorization = job.arrival.head.fields.get(Known::Authorization);
    let name = mcphub_session::task_name(job.snapshot.bind, authorization, &task.id);
    job.edge.tasks.learn(name, hub.id, task.ttl, clock::since_start());
}

/// Looks for a task among whole events, before the client has them.
pub(super) fn learn_from_events(job: &Job<'_>, hub: Option<HubIndex>, whole: &[u8]) {
    let may = job.message.class() == Class::ToolCall && job.lodging.is_none();
    if may && may_tell_of_task(whole) {
        events(whole).filter_map(|event| Event::parse(event).data).for_each(|data| learn(job, hub, &data));
    }
}
