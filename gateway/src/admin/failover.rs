//! What does it take to fail over by hand, what came of it, and would it go well?

use super::reply::{Problem, Reply};
use super::successors::successors;
use super::validate::{Question, validate};
use super::verbs::{ask, find, held_up, present, waits};
use super::words::{
    Check, ExecuteFailover, FailoverResult, PastOutages, UserImpact, ValidateFailover, Validation,
};
use crate::clock;
use crate::control::Unasked;
use crate::control::view::{HubView, Wished};
use crate::edge::Edge;
use crate::snapshot::Snapshot;
use crate::store::{FailoverRecord, Trigger};
use mcphub_predictor::{Leave, Policy, Wish};
use std::time::Duration;

/// How far the journal is read back for past outages.
const JOURNAL: usize = 1000;
/// How long the control task may take to see what came of a probe, beside the probe itself: one tick, and some.
const SEEN_WITHIN: Duration = Duration::from_secs(2);
/// First pause between two looks; each is twice the last, up to the longest.
const FIRST_LOOK: Duration = Duration::from_millis(25);
const LONGEST_LOOK: Duration = Duration::from_millis(200);

pub(super) async fn execute(edge: &Edge, order: ExecuteFailover) -> Result<Reply, Problem> {
    let hubs = edge.control.hubs().await?;
    let before = find(&hubs, &order.failed_hub_id, "failedHubId")?;
    let past = past_outages(&edge.control.failovers(JOURNAL).await?.failovers, &before.id);
    let mut checks = Vec::new();
    if let Some(backup) = &order.backup_hub_id {
        find(&hubs, backup, "backupHubId")?;
        checks = look(edge, Some(&before.id), backup.0.as_str()).await?;
        if let Some(reason) = unfit(backup.0.as_str(), &checks) {
            let generation = edge.snapshots.load().table.generation().get();
            return Ok(Reply::json(200, &nothing_done(&before, reason, past, generation, checks)));
        }
    }
    let wish = Wish { out: Some(Leave::Now), ..present(&before) };
    let wished = ask(&edge.control, order.failed_hub_id, wish, order.note).await?;
    let record = record(edge, wished.failover).await;
    let snapshot = edge.snapshots.load_full();
    let asked = order.backup_hub_id.as_ref().map(|backup| backup.0.as_str());
    let done = Done { before: &before, wished: &wished, record: record.as_ref(), past, asked };
    Ok(Reply::json(200, &done.result(&snapshot, checks)))
}

pub(super) async fn check(edge: &Edge, order: &ValidateFailover) -> Result<Reply, Problem> {
    let failed = order.failed_hub_id.as_ref().map(|hub| hub.0.as_str());
    let checks = look(edge, failed, order.backup_hub_id.0.as_str()).await?;
    Ok(Reply::json(200, &Validation { valid: checks.iter().all(|check| check.ok), checks }))
}

/// Looks at everything, with a fresh probe of the backup.
async fn look(edge: &Edge, failed: Option<&str>, backup: &str) -> Result<Vec<Check>, Problem> {
    let snapshot = edge.snapshots.load_full();
    // Where there is nothing to be learnt from it, nobody waits for a probe.
    let sensible = failed.is_none_or(|failed| failed != backup && snapshot.table.find(failed).is_some());
    let probed = if sensible { probe(edge, &snapshot, backup).await? } else { None };
    let hubs = edge.control.hubs().await?;
    let snapshot = edge.snapshots.load_full();
    let question = Question { failed, backup, probed };
    let failover = &snapshot.settings.failover;
    let policy = Policy {
        min_serving_hubs: failover.min_serving_hubs,
        max_out: failover.max_out,
        ..Policy::default()
    };
    Ok(validate(&question, &hubs, &snapshot.table, &policy))
}

/// What a fresh probe of this hub comes to, in words; `None` where there is no such hub.
async fn probe(
    edge: &Edge,
    snapshot: &Snapshot,
    hub: &str,
) -> Result<Option<Result<String, String>>, Problem> {
    let Some(id) = snapshot.table.find(hub).and_then(|index| snapshot.table.hub(index)).map(|hub| hub.id)
    else {
        return Ok(None);
    };
    let began = clock::instant();
    let patience = snapshot.settings.health.timeout + SEEN_WITHIN;
    match edge.control.probe(id.clone()).await {
        // It left with a reload, this very moment.
        Err(Unasked::UnknownHub) => return Ok(None),
        asked => asked?,
    }
    let mut pause = FIRST_LOOK;
    loop {
        tokio::time::sleep(pause).await;
        let elapsed = began.elapsed();
        let hubs = edge.control.hubs().await?;
        let Some(view) = hubs.iter().find(|view| view.id == hub) else { return Ok(None) };
        let probes = &view.evidence.probes;
        let passed = probes.passed_ms_ago.map(Duration::from_millis).filter(|ago| *ago < elapsed);
        if let Some(ago) = passed.filter(|_| probes.fails == 0) {
            return Ok(Some(Ok(format!("a probe passed {} ms ago", ago.as_millis()))));
        }
        if elapsed >= patience {
            let met = view.probe_error.clone().unwrap_or_else(|| "no answer".to_owned());
            let waited = patience.as_secs_f64();
            return Ok(Some(Err(format!("no probe passed within {waited} s: {met}"))));
        }
        pause = (pause * 2).min(LONGEST_LOOK).min(patience.saturating_sub(elapsed));
    }
}

/// Why a backup that was asked for will not do.
fn unfit(backup: &str, checks: &[Check]) -> Option<String> {
    let failing: Vec<&str> =
        checks.iter().filter(|check| !check.ok).map(|check| check.detail.as_str()).collect();
    if failing.is_empty() {
        return None;
    }
    Some(format!("nothing was done, because {backup} may not take over: {}", failing.join("; ")))
}

/// How long the outages of this hub took that nobody asked for, as far as they are over.
fn past_outages(journal: &[FailoverRecord], hub: &str) -> PastOutages {
    let of_hub = journal.iter().filter(|record| record.hub == hub && record.by == Trigger::Automatic);
    let mut spans: Vec<u64> =
        of_hub.filter_map(|record| Some(record.back_unix_ms?.saturating_sub(record.at_unix_ms))).collect();
    spans.sort_unstable();
    PastOutages { count: spans.len(), median_ms: spans.get(spans.len() / 2).copied() }
}

/// The journal's page for this failover.
async fn record(edge: &Edge, id: Option<u64>) -> Option<FailoverRecord> {
    let id = id?;
    // It has just been begun: it is among the newest. Without it, the answer is still true.
    let newest = edge.control.failovers(JOURNAL).await.ok()?.failovers;
    newest.into_iter().find(|record| record.id == id)
}

fn nothing_done(
    hub: &HubView,
    reason: String,
    past_outages: PastOutages,
    generation: u64,
    checks: Vec<Check>,
) -> FailoverResult {
    FailoverResult {
        success: false,
        failed_hub_id: hub.id.clone(),
        backup_hub_id: None,
        failover_time: None,
        user_impact: UserImpact::default(),
        estimated_recovery_time: None,
        past_outages,
        reason,
        held_up: None,
        failover_id: None,
        generation,
        checks,
    }
}

/// A failover that was asked for, and what came of it.
struct Done<'a> {
    before: &'a HubView,
    wished: &'a Wished,
    record: Option<&'a FailoverRecord>,
    past: PastOutages,
    asked: Option<&'a str>,
}

impl Done<'_> {
    fn result(&self, snapshot: &Snapshot, checks: Vec<Check>) -> FailoverResult {
        let Self { before, wished, record, past, .. } = *self;
        let held_up = held_up(wished);
        let success = held_up.is_none() && wished.hub.state.share <= 0.0;
        let receives = success.then(|| self.receives(snapshot)).flatten();
        let impact = UserImpact {
            requests_in_flight: before.in_flight,
            sessions_pinned: record.map_or(before.sessions, |record| record.sessions_pinned),
            requests_failed: record.map_or(0, |record| record.requests_failed),
            requests_moved: record.map_or(0, |record| record.requests_moved),
            sessions_moved: record.map_or(0, |record| record.sessions_moved),
        };
        FailoverResult {
            success,
            failed_hub_id: before.id.clone(),
            failover_time: success.then_some(wished.took_ms),
            user_impact: if success { impact } else { UserImpact::default() },
            estimated_recovery_time: record.and_then(|record| record.expected_recovery_ms),
            past_outages: past,
            reason: match &held_up {
                Some(held) => waits(held),
                None => self.reason(receives.as_deref()),
            },
            backup_hub_id: receives,
            held_up,
            failover_id: wished.failover,
            generation: wished.generation,
            checks,
        }
    }

    /// Who takes most of its clients; where nobody prefers it, who takes clients here.
    fn receives(&self, snapshot: &Snapshot) -> Option<String> {
        let table = &snapshot.table;
        let from = table.find(&self.before.id)?;
        match successors(table, from).into_iter().next() {
            Some(first) => first.hub,
            None => self.wished.receives.clone(),
        }
    }

    fn reason(&self, receives: Option<&str>) -> String {
        let hub = &self.before.id;
        let to = match (receives, self.asked) {
            (None, _) => "nobody can take its clients".to_owned(),
            (Some(receives), Some(asked)) if receives != asked => {
                format!("by the order of preference, {receives} takes most of its clients, and not {asked}")
            }
            (Some(receives), _) => format!("{receives} takes most of its clients"),
        };
        format!("{hub} is out until the operator lets it back; {to}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_outages_are_those_that_nobody_asked_for_and_that_are_over() {
        let record = |id: u64, hub: &str, by, back: Option<u64>| FailoverRecord {
            id,
            at_unix_ms: 1_000,
            hub: hub.to_owned(),
            backup: None,
            by,
            reason: String::new(),
            noticed_to_published_ms: 0,
            sessions_pinned: 0,
            requests_failed: 0,
            requests_moved: 0,
            sessions_moved: 0,
            ended_unix_ms: None,
            back_unix_ms: back,
            expected_recovery_ms: None,
            how: "ejected".to_owned(),
            ended_because: None,
        };
        let automatic = |id, back| record(id, "a", Trigger::Automatic, back);
        let mut journal = vec![
            automatic(1, Some(31_000)),
            automatic(2, Some(91_000)),
            automatic(3, Some(2_000)),
            automatic(4, None),
            record(5, "a", Trigger::Operator, Some(500_000)),
            record(6, "b", Trigger::Automatic, Some(700_000)),
        ];
        assert_eq!(past_outages(&journal, "a"), PastOutages { count: 3, median_ms: Some(30_000) });
        journal.clear();
        assert_eq!(past_outages(&journal, "a"), PastOutages { count: 0, median_ms: None });
    }
}
