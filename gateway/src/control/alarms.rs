//! Which alarms were raised, and what became of them? Told as they come, and kept across restarts.

use super::view::share;
use crate::clock::{self, Rfc3339};
use crate::store::Store;
use mcphub_predictor::{
    AlarmEvent, AlarmLedger, AlarmTally, BothClocks, Forecast, ForecastPolicy, KeptAlarms, Verdicts,
};
use mcphub_routing::{HubId, MonoTime, Share};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::{Duration, UNIX_EPOCH};

/// Alarms that are told of; the oldest goes first. A thousand hubs may raise that many in a day, ten in two months.
const NOTES_MAX: usize = 500;
/// The most bytes that are read: the notes, and what is remembered of ten thousand hubs.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// One alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlarmView {
    /// The hub.
    pub hub: String,
    /// Counted for each hub, from 1.
    pub number: u32,
    /// When it was raised, RFC 3339.
    pub raised: String,
    /// When it was judged, RFC 3339; `null` while it is open.
    pub ended: Option<String>,
    /// How likely the hub was to fail within the horizon, 0 to 1.
    pub probability: f64,
    /// How likely it was by its past alone, 0 to 1.
    pub base_rate: f64,
    /// How far ahead that looked.
    pub horizon_ms: u64,
    /// How far it could be believed, 0 to 1.
    pub confidence: f64,
    /// How it would fail.
    pub failure_type: String,
    /// The features that moved the forecast, the strongest first, each with its part in it.
    pub evidence: Vec<String>,
    /// What was done about it: `held_out`, `idle`, `watched`, `relieved` or `drained`.
    pub course: String,
    /// `right`, `false` or `unknown`; `null` while it is open.
    pub verdict: Option<String>,
}

/// What alarms came to, since they are counted.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TallyView {
    /// Those about which nothing was done, to see what comes of it.
    pub held_out: VerdictsView,
    /// Those about which nothing was done for other reasons.
    pub idle: VerdictsView,
    /// Those about which something was done: what would have come is unknown, unless the hub failed.
    pub acted: VerdictsView,
    /// Failures that no alarm was open for.
    pub missed: u64,
    /// What part of all failures was foretold, 0 to 1; `null` where that cannot be told.
    pub recall: Option<f64>,
}

/// How many alarms came to what.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VerdictsView {
    /// The hub failed.
    pub right: u64,
    /// It did not.
    #[serde(rename = "false")]
    pub wrong: u64,
    /// Nobody can tell.
    pub unknown: u64,
    /// What part of those that could be judged was right, 0 to 1.
    pub precision: Option<f64>,
}

/// What is written down.
#[derive(Serialize, Deserialize)]
struct Written {
    alarms: KeptAlarms,
    notes: VecDeque<AlarmView>,
}

/// The alarms as they are told.
#[derive(Default)]
pub(super) struct AlarmBook {
    /// The oldest first.
    notes: VecDeque<AlarmView>,
    adopted: bool,
    /// The ledger as it was last written down.
    kept: Option<AlarmLedger>,
}

impl AlarmBook {
    /// Takes over what an earlier process knew, as soon as the store knows it.
    pub(super) fn adopt(
        &mut self,
        store: &Store,
        ledger: &mut AlarmLedger,
        policy: &ForecastPolicy,
        now: MonoTime,
    ) {
        if self.adopted || !store.is_loaded() {
            return;
        }
        self.adopted = true;
        let Some(bytes) = store.alarms() else { return };
        let read = (bytes.len() <= BYTES_MAX).then(|| serde_json::from_slice::<Written>(&bytes));
        let Some(Ok(written)) = read else {
            tracing::warn!("what was kept of alarms is passed over: it cannot be read");
            return;
        };
        ledger.precede(&written.alarms, policy, BothClocks { now, unix_s: clock::unix_seconds() });
        let own = std::mem::replace(&mut self.notes, written.notes);
        for note in self.notes.iter_mut().filter(|note| note.verdict.is_none()) {
            let hub = HubId::new(&note.hub).ok();
            let open = hub.and_then(|hub| ledger.open(&hub).map(|alarm| alarm.number));
            if open != Some(note.number) {
                (note.verdict, note.ended) = (Some("unknown".to_owned()), Some(Rfc3339::now().to_string()));
            }
        }
        self.notes.extend(own);
        self.shorten();
    }

    /// Notes an alarm that was raised or judged.
    pub(super) fn note(&mut self, event: &AlarmEvent, forecast: Option<&Forecast>) {
        let (alarm, at) = (&event.alarm, Rfc3339::now().to_string());
        let known = self.notes.iter_mut().rev().find(|note| {
            note.number == alarm.number && note.verdict.is_none() && note.hub == event.hub.as_str()
        });
        if let (Some(known), Some(verdict)) = (known, event.verdict) {
            known.course = alarm.course.as_str().to_owned();
            (known.ended, known.verdict) = (Some(at), Some(verdict.as_str().to_owned()));
            return;
        }
        self.notes.push_back(AlarmView {
            hub: event.hub.to_string(),
            number: alarm.number,
            raised: at.clone(),
            ended: event.verdict.map(|_| at),
            probability: share(alarm.outlook.probability),
            base_rate: share(forecast.map_or(Share::NONE, |forecast| forecast.base_rate)),
            horizon_ms: u64::try_from(alarm.outlook.horizon.as_millis()).unwrap_or(u64::MAX),
            confidence: share(alarm.outlook.confidence),
            failure_type: alarm.outlook.failure_type.to_string(),
            evidence: forecast.map(evidence).unwrap_or_default(),
            course: alarm.course.as_str().to_owned(),
            verdict: event.verdict.map(|verdict| verdict.as_str().to_owned()),
        });
        self.shorten();
    }

    /// What is to be written down, if anything has changed; nothing before it is known what was.
    pub(super) fn due(&mut self, ledger: &AlarmLedger, now: MonoTime) -> Option<Vec<u8>> {
        if !self.adopted || self.kept.as_ref() == Some(ledger) {
            return None;
        }
        self.kept = Some(ledger.clone());
        let alarms = ledger.keep(BothClocks { now, unix_s: clock::unix_seconds() });
        serde_json::to_vec(&Written { alarms, notes: self.notes.clone() }).ok()
    }

    /// The open alarm of a hub.
    pub(super) fn open(&self, hub: &HubId) -> Option<&AlarmView> {
        self.notes.iter().rev().find(|note| note.verdict.is_none() && note.hub == hub.as_str())
    }

    /// The newest first.
    pub(super) fn newest(&self, most: usize) -> Vec<AlarmView> {
        self.notes.iter().rev().take(most).cloned().collect()
    }

    fn shorten(&mut self) {
        while self.notes.len() > NOTES_MAX {
            self.notes.pop_front();
        }
    }
}

/// The features that moved a forecast, each with its part in it.
pub(super) fn evidence(forecast: &Forecast) -> Vec<String> {
    let told = |by: i16| format!("{:+} %", f32::from(by) / 10.0);
    forecast.evidence.iter().flatten().map(|mover| format!("{} {}", mover.feature, told(mover.by))).collect()
}

impl TallyView {
    pub(super) fn of(tally: &AlarmTally, hold_out: Share) -> Self {
        let of = |verdicts: &Verdicts| VerdictsView {
            right: verdicts.right,
            wrong: verdicts.wrong,
            unknown: verdicts.unknown,
            precision: verdicts.precision(),
        };
        Self {
            held_out: of(&tally.held_out),
            idle: of(&tally.idle),
            acted: of(&tally.acted),
            missed: tally.missed,
            recall: tally.recall(hold_out),
        }
    }
}

/// A second since 1970, RFC 3339.
pub(super) fn moment(unix_s: u64) -> String {
    // The year 9999 at most, which is as far as the spelling goes.
    Rfc3339(UNIX_EPOCH + Duration::from_secs(unix_s.min(253_402_300_799))).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcphub_predictor::model::Kind;
    use mcphub_predictor::{Alarm, AlarmVerdict, Course, FailureType, Influence, Outlook};

    fn event(number: u32, verdict: Option<AlarmVerdict>) -> AlarmEvent {
        let outlook = Outlook {
            probability: Share::saturating(340),
            horizon: Duration::from_secs(600),
            confidence: Share::saturating(800),
            failure_type: FailureType::Known(Kind::Network),
        };
        let alarm = Alarm { number, until: MonoTime::from_millis(9_000_000), outlook, course: Course::Idle };
        AlarmEvent { hub: HubId::new("a").expect("a name"), alarm, verdict }
    }

    fn forecast() -> Forecast {
        let mut forecast = Forecast::new(Share::saturating(340), Duration::from_secs(600));
        forecast.evidence[0] = Some(Influence { feature: "connect_ms deviation 1m", by: 412 });
        forecast
    }

    #[test]
    fn an_alarm_is_told_with_what_speaks_for_it_and_how_it_ended() {
        let (mut book, hub) = (AlarmBook::default(), HubId::new("a").expect("a name"));
        book.note(&event(1, None), Some(&forecast()));
        let open = book.open(&hub).expect("it is open").clone();
        assert_eq!(
            (open.evidence, open.failure_type.as_str()),
            (vec!["connect_ms deviation 1m +41.2 %".to_owned()], "network")
        );
        book.note(&event(1, Some(AlarmVerdict::Right)), None);
        assert_eq!(book.open(&hub), None);
        let told = book.newest(9);
        assert_eq!((told.len(), told[0].verdict.as_deref()), (1, Some("right")));
        (2..700).for_each(|number| book.note(&event(number, None), None));
        assert_eq!((book.newest(999).len(), book.newest(1)[0].number), (NOTES_MAX, 699));
    }

    #[test]
    fn a_book_is_read_by_the_next_process_and_a_torn_one_passed_over() {
        let (store, now, policy) = (
            Store::in_memory(),
            MonoTime::from_millis(5_000_000),
            mcphub_predictor::Policy::default().forecast,
        );
        let (mut book, mut ledger) = (AlarmBook::default(), AlarmLedger::default());
        assert_eq!(book.due(&ledger, now), None, "nothing is written before it is known what was");
        book.adopt(&store, &mut ledger, &policy, now);
        book.note(&event(1, Some(AlarmVerdict::False)), Some(&forecast()));
        book.note(&event(2, None), Some(&forecast()));
        store.put_alarms(book.due(&ledger, now).expect("it has changed"));
        assert_eq!(book.due(&ledger, now), None, "nothing has changed");
        let mut next = AlarmBook::default();
        next.adopt(&store, &mut AlarmLedger::default(), &policy, now);
        let told: Vec<_> = next.newest(9).into_iter().map(|note| note.verdict).collect();
        // The ledger has no open alarm: what became of the second, nobody saw.
        assert_eq!(told, [Some("unknown".to_owned()), Some("false".to_owned())]);
        for bytes in [&b"{"[..], b"[]", &vec![b' '; BYTES_MAX + 1]] {
            store.put_alarms(bytes.to_vec());
            let mut torn = AlarmBook::default();
            torn.adopt(&store, &mut ledger, &policy, now);
            assert_eq!(torn.newest(9), []);
        }
    }
}
