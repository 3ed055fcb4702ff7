//! Was what was promised kept?

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{At, End, Executions, Kill, Kind, Operation, Record};

/// Longest an operation may take beyond its own running time.
const HANG: Duration = Duration::from_secs(5);

/// Longest until a lost call that may not be repeated is refused, from the death of its hub.
const REFUSED_WITHIN: Duration = Duration::from_secs(2);

/// Longest silence of a subscription to a resource that changes each second.
const DEAF: Duration = Duration::from_secs(7);

/// The code of a call whose outcome is unknown.
const UNKNOWN_OUTCOME: i64 = -32_603;

/// How many examples of each flaw are told.
const TOLD: usize = 4;

/// A promise that was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// A session was given another id.
    IdChanged,
    /// An operation took far longer than it may.
    Hung,
    /// An operation ended without an answer of JSON-RPC.
    Cut,
    /// What may be repeated was answered with an error.
    SafeLost,
    /// What may not be repeated was refused although no hub was lost under it, or with another code.
    Refused,
    /// It was refused as it should be, but late.
    RefusedLate,
    /// It was executed twice.
    Twice,
    /// It was answered, but never executed.
    Undone,
    /// Its progress did not grow.
    Backwards,
    /// A stream that should stand was closed.
    StreamClosed,
    /// A subscription fell silent.
    Deaf,
}

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Operations answered with a result.
    pub answered: BTreeMap<Kind, usize>,
    /// Calls lost with their hub and refused as they should be.
    pub lost: usize,
    /// Updates that subscriptions delivered.
    pub updates: usize,
    /// For each session of each killed hub: from the kill to its next answer, less what the hub takes for it.
    pub moves: Vec<Duration>,
    /// For each subscription there: from the kill to its next update.
    pub resumed: Vec<Duration>,
    /// How long each lost call waited to be refused, from the kill.
    pub refused_after: Vec<Duration>,
    /// What was not kept, each time in words.
    pub flaws: BTreeMap<Flaw, Vec<String>>,
}

impl Verdict {
    /// Compares what clients saw with what hubs did.
    pub fn of(record: &Record, executions: &Executions) -> Self {
        let mut verdict = Self::default();
        for (session, id) in &record.other_ids {
            verdict.note(Flaw::IdChanged, format!("{session}: {id}"));
        }
        for operation in &record.operations {
            verdict.operation(operation, record);
            verdict.execution(operation, executions);
        }
        for (key, hubs) in executions.iter().filter(|(_, hubs)| hubs.len() > 1) {
            verdict.note(Flaw::Twice, format!("{key} on {hubs:?}"));
        }
        verdict.watches(record);
        verdict.moves(record);
        for times in [&mut verdict.moves, &mut verdict.resumed, &mut verdict.refused_after] {
            times.sort_unstable();
        }
        verdict
    }

    /// Whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        self.flaws.is_empty()
    }

    /// How often one was not.
    pub fn count(&self, flaw: Flaw) -> usize {
        self.flaws.get(&flaw).map_or(0, Vec::len)
    }

    fn note(&mut self, flaw: Flaw, words: String) {
        self.flaws.entry(flaw).or_default().push(words);
    }

    fn operation(&mut self, operation: &Operation, record: &Record) {
        let Operation { session, kind, asked, over, own, end, progress, .. } = operation;
        let out = record.outages.iter().any(|(from, to)| asked < to && from < over);
        if out && *end != End::Result {
            return;
        }
        let told = || {
            let seconds = |at: &At| format!("{:.2}", at.as_secs_f64());
            format!("{session}: {kind:?} from {} to {} s: {end:?}", seconds(asked), seconds(over))
        };
        let kill = record.kills.iter().rev().find(|kill| asked <= &kill.dead && kill.at <= *over);
        let begun = kill.map_or(*asked, |kill| kill.dead.max(*asked));
        if !out && over.saturating_sub(begun) > *own + HANG || *end == End::Silent {
            self.note(Flaw::Hung, told());
        }
        if progress.windows(2).any(|pair| pair[1] <= pair[0]) {
            self.note(Flaw::Backwards, format!("{}; {progress:?}", told()));
        }
        match (end, kind) {
            (End::Result, _) => *self.answered.entry(*kind).or_default() += 1,
            (End::Broken(_), _) => self.note(Flaw::Cut, told()),
            (End::Silent, _) => {}
            (End::Error { .. }, Kind::Safe | Kind::Progress) => self.note(Flaw::SafeLost, told()),
            (End::Error { code, .. }, Kind::Act) => match kill {
                Some(kill) if *code == UNKNOWN_OUTCOME => {
                    self.lost += 1;
                    let after = over.saturating_sub(kill.at);
                    self.refused_after.push(after);
                    if after > REFUSED_WITHIN {
                        self.note(Flaw::RefusedLate, format!("{} after {after:.2?}", told()));
                    }
                }
                _ => self.note(Flaw::Refused, told()),
            },
        }
    }

    fn execution(&mut self, operation: &Operation, executions: &Executions) {
        let Some(key) = operation.key.as_ref().filter(|_| operation.end == End::Result) else { return };
        if !executions.contains_key(key) {
            self.note(Flaw::Undone, key.clone());
        }
    }

    fn watches(&mut self, record: &Record) {
        let excused = |from: At, to: At| -> Duration {
            let over = |(start, end): &(At, At)| (*end).min(to).saturating_sub((*start).max(from));
            record.outages.iter().map(over).sum()
        };
        for (session, watch) in &record.watches {
            self.updates += watch.updates.len();
            let mut last = watch.since;
            for at in watch.updates.iter().chain([&record.until]) {
                let silence = at.saturating_sub(last).saturating_sub(excused(last, *at));
                if silence > DEAF {
                    let words =
                        format!("{session}: silent for {silence:.1?} before {:.2} s", at.as_secs_f64());
                    self.note(Flaw::Deaf, words);
                }
                last = *at;
            }
            for (at, how) in &watch.closed {
                let out = record.outages.iter().any(|(from, to)| from <= at && at <= to);
                if !out {
                    self.note(Flaw::StreamClosed, format!("{session} at {:.2} s: {how}", at.as_secs_f64()));
                }
            }
        }
    }

    fn moves(&mut self, record: &Record) {
        let mut by_session: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
        for operation in record.operations.iter().filter(|operation| operation.end == End::Result) {
            by_session.entry(&operation.session).or_default().push(operation);
        }
        for kill in &record.kills {
            for session in &kill.sessions {
                let own = by_session.get(&**session).into_iter().flatten();
                let answered = own.copied().find(|operation| operation.over > kill.at);
                let took = answered.map(|operation| operation.over.saturating_sub(kill.at + operation.own));
                self.moves.extend(took);
                self.resumed.extend(record.watches.get(session).and_then(|watch| resumed(watch, kill)));
            }
        }
    }
}

/// From a kill to the next update, what was under way aside.
fn resumed(watch: &super::Watch, kill: &Kill) -> Option<Duration> {
    let next = watch.updates.iter().find(|at| **at > kill.dead + Duration::from_millis(50))?;
    Some(next.saturating_sub(kill.at))
}

/// The value that this share (per cent) of sorted times does not exceed.
pub fn quantile(times: &[Duration], per_cent: usize) -> Duration {
    let at = (times.len() * per_cent).div_ceil(100).saturating_sub(1);
    times.get(at).copied().unwrap_or_default()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answered: Vec<_> =
            self.answered.iter().map(|(kind, count)| format!("{count} {kind:?}")).collect();
        writeln!(f, "  answered: {}; lost and refused: {} Act", answered.join(", "), self.lost)?;
        writeln!(f, "  updates delivered: {}", self.updates)?;
        for (what, times) in [
            ("moves, kill to next answer", &self.moves),
            ("subscriptions, kill to next update", &self.resumed),
            ("lost calls, kill to refusal", &self.refused_after),
        ] {
            if !times.is_empty() {
                let [median, p99, max] = [50, 99, 100].map(|q| quantile(times, q).as_millis());
                writeln!(
                    f,
                    "  {what}: {} of them, median {median} ms, p99 {p99} ms, max {max} ms",
                    times.len()
                )?;
            }
        }
        for (flaw, words) in &self.flaws {
            writeln!(f, "  FLAW {flaw:?}: {} times", words.len())?;
            for words in words.iter().take(TOLD) {
                writeln!(f, "    {words}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::outlive::Watch;

    fn at(millis: u64) -> At {
        Duration::from_millis(millis)
    }

    fn error(code: i64) -> End {
        End::Error { code, message: "the outcome is unknown".to_owned() }
    }

    fn operation(kind: Kind, asked: u64, over: u64, end: End) -> Operation {
        let key = (kind == Kind::Act).then(|| format!("act {asked}"));
        let (session, own) = ("a".into(), at(1_000));
        Operation { session, kind, key, asked: at(asked), over: at(over), own, end, progress: Vec::new() }
    }

    /// A hub with session `a` that is killed at 10 s.
    fn killed() -> Record {
        let sessions = BTreeSet::from(["a".into()]);
        let kill = Kill { hub: "hub-0".to_owned(), at: at(10_000), dead: at(10_050), sessions };
        Record { kills: vec![kill], until: at(20_000), ..Record::default() }
    }

    fn executed(hubs: &[&str]) -> Executions {
        let hubs: Vec<_> = hubs.iter().map(|&hub| hub.to_owned()).collect();
        if hubs.is_empty() { Executions::new() } else { Executions::from([("act 9500".to_owned(), hubs)]) }
    }

    fn check(record: &Record, executions: &Executions, expected: &[Flaw]) {
        let verdict = Verdict::of(record, executions);
        let found: Vec<_> = verdict.flaws.keys().copied().collect();
        assert_eq!(found, expected, "{verdict}");
    }

    fn check_operation(operation: Operation, expected: &[Flaw]) {
        let record = Record { operations: vec![operation], ..killed() };
        check(&record, &executed(&["hub-0"]), expected);
    }

    #[test]
    fn what_was_promised_is_no_flaw() {
        check_operation(operation(Kind::Safe, 9_500, 12_000, End::Result), &[]);
        check_operation(operation(Kind::Act, 9_500, 10_000, End::Result), &[]);
        check_operation(operation(Kind::Act, 9_500, 11_900, error(-32_603)), &[]);
        check_operation(operation(Kind::Act, 10_040, 11_000, error(-32_603)), &[]);
    }

    #[test]
    fn a_safe_request_must_be_answered_with_its_result() {
        check_operation(operation(Kind::Safe, 9_500, 10_500, error(-32_603)), &[Flaw::SafeLost]);
        check_operation(operation(Kind::Progress, 9_500, 10_500, error(-32_603)), &[Flaw::SafeLost]);
        check_operation(operation(Kind::Safe, 9_500, 10_500, End::Broken("cut".into())), &[Flaw::Cut]);
        check_operation(operation(Kind::Safe, 9_500, 40_000, End::Silent), &[Flaw::Hung]);
    }

    #[test]
    fn an_act_may_be_refused_only_if_its_hub_was_killed_under_it_and_in_time() {
        check_operation(operation(Kind::Act, 9_500, 12_100, error(-32_603)), &[Flaw::RefusedLate]);
        check_operation(operation(Kind::Act, 9_500, 9_900, error(-32_603)), &[Flaw::Refused]);
        check_operation(operation(Kind::Act, 10_100, 10_900, error(-32_603)), &[Flaw::Refused]);
        check_operation(operation(Kind::Act, 9_500, 10_500, error(-32_000)), &[Flaw::Refused]);
    }

    #[test]
    fn an_operation_has_five_seconds_beyond_its_own_from_the_loss_of_its_hub() {
        check_operation(operation(Kind::Safe, 1_000, 7_000, End::Result), &[]);
        check_operation(operation(Kind::Safe, 1_000, 7_001, End::Result), &[Flaw::Hung]);
        check_operation(operation(Kind::Safe, 9_500, 16_050, End::Result), &[]);
        check_operation(operation(Kind::Safe, 9_500, 16_051, End::Result), &[Flaw::Hung]);
    }

    #[test]
    fn executions_are_counted_over_all_hubs() {
        let record = |end| Record { operations: vec![operation(Kind::Act, 9_500, 10_500, end)], ..killed() };
        check(&record(error(-32_603)), &executed(&["hub-0", "hub-1"]), &[Flaw::Twice]);
        check(&record(error(-32_603)), &executed(&[]), &[]);
        check(&record(End::Result), &executed(&[]), &[Flaw::Undone]);
    }

    #[test]
    fn progress_must_grow() {
        let with = |progress: &[f64]| Operation {
            progress: progress.to_vec(),
            ..operation(Kind::Progress, 9_500, 10_500, End::Result)
        };
        check_operation(with(&[1.0, 3.0, 4.0]), &[]);
        check_operation(with(&[1.0, 2.0, 2.0]), &[Flaw::Backwards]);
        check_operation(with(&[1.0, 2.0, 1.0]), &[Flaw::Backwards]);
    }

    #[test]
    fn a_subscription_may_be_silent_for_seven_seconds() {
        let with = |updates: &[u64], closed: &[u64]| {
            let updates = updates.iter().map(|&millis| at(millis)).collect();
            let closed = closed.iter().map(|&millis| (at(millis), "it ended".to_owned())).collect();
            let watch = Watch { since: at(5_000), updates, closed };
            Record { watches: BTreeMap::from([("a".into(), watch)]), ..killed() }
        };
        check(&with(&[9_000, 15_000], &[]), &Executions::new(), &[]);
        check(&with(&[9_000], &[]), &Executions::new(), &[Flaw::Deaf]);
        check(&with(&[9_000, 15_000], &[10_100]), &Executions::new(), &[Flaw::StreamClosed]);
        let out = Record { outages: vec![(at(10_000), at(15_000))], ..with(&[9_000, 16_500], &[10_100]) };
        check(&out, &Executions::new(), &[]);
    }

    #[test]
    fn a_session_keeps_its_id() {
        let record = Record { other_ids: vec![("a".into(), "another".into())], ..killed() };
        check(&record, &Executions::new(), &[Flaw::IdChanged]);
    }

    #[test]
    fn a_move_takes_until_the_next_result_less_what_the_hub_takes() {
        let operations = vec![
            operation(Kind::Act, 9_500, 10_300, error(-32_603)),
            operation(Kind::Safe, 10_300, 11_700, End::Result),
        ];
        let verdict = Verdict::of(&Record { operations, ..killed() }, &Executions::new());
        assert_eq!((verdict.moves, verdict.refused_after), (vec![at(700)], vec![at(300)]));
        assert_eq!(quantile(&[at(1), at(2), at(3)], 50), at(2));
        assert_eq!(quantile(&[at(1), at(2), at(3)], 99), at(3));
    }
}
