//! How do alarms outlive the process that raised them?
//!
//! Monotonic time ends with a process, so what is kept is dated by the wall clock. What cannot be any more is put right when
//! it is taken up again: an alarm whose time has passed while nobody looked is *unknown*, and a clock that has jumped makes
//! no alarm last longer, and no budget be spent for longer, than either could.

use std::collections::BTreeMap;
use std::time::Duration;

use mcphub_routing::{HubId, MonoTime, Share};
use serde::{Deserialize, Serialize};

use super::{Alarm, AlarmLedger, AlarmTally, AlarmVerdict, BURST, Course, Entry, LIFE_MAX, Verdicts};
use crate::{Band, FailureType, ForecastPolicy, Outlook};

/// All alarms, ready to be written down.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeptAlarms {
    hubs: BTreeMap<String, KeptHub>,
    tally: KeptTally,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptHub {
    raised: u32,
    failing: bool,
    /// Seconds since 1970.
    spent_until: u64,
    open: Option<KeptAlarm>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptAlarm {
    number: u32,
    /// Seconds since 1970.
    until: u64,
    probability: u16,
    horizon_s: u64,
    confidence: u16,
    failure_type: String,
    course: String,
}

/// Right, wrong and unknown, for each course.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct KeptTally {
    held_out: [u64; 3],
    idle: [u64; 3],
    acted: [u64; 3],
    missed: u64,
}

/// One instant, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct BothClocks {
    /// By the clock of this process.
    pub now: MonoTime,
    /// In seconds since 1970.
    pub unix_s: u64,
}

impl BothClocks {
    fn to_unix(self, at: MonoTime) -> u64 {
        let ahead = at.since(self.now).as_secs();
        self.unix_s.saturating_add(ahead).saturating_sub(self.now.since(at).as_secs())
    }

    fn to_mono(self, unix_s: u64) -> MonoTime {
        let ahead = Duration::from_secs(unix_s.saturating_sub(self.unix_s));
        self.now.after(ahead).before(Duration::from_secs(self.unix_s.saturating_sub(unix_s)))
    }
}

impl AlarmLedger {
    /// What is to be written down.
    pub fn keep(&self, at: BothClocks) -> KeptAlarms {
        let alarm = |alarm: Alarm| KeptAlarm {
            number: alarm.number,
            until: at.to_unix(alarm.until),
            probability: alarm.outlook.probability.per_mille(),
            horizon_s: alarm.outlook.horizon.as_secs(),
            confidence: alarm.outlook.confidence.per_mille(),
            failure_type: alarm.outlook.failure_type.as_str().to_owned(),
            course: alarm.course.as_str().to_owned(),
        };
        let hub = |(hub, entry): (&HubId, &Entry)| {
            let kept = KeptHub {
                raised: entry.raised,
                failing: entry.failing,
                spent_until: at.to_unix(entry.spent_until),
                open: entry.open.map(alarm),
            };
            (hub.to_string(), kept)
        };
        let three = |verdicts: Verdicts| [verdicts.right, verdicts.wrong, verdicts.unknown];
        let AlarmTally { held_out, idle, acted, missed } = self.tally;
        KeptAlarms {
            hubs: self.hubs.iter().map(hub).collect(),
            tally: KeptTally { held_out: three(held_out), idle: three(idle), acted: three(acted), missed },
        }
    }

    /// Puts what an earlier process knew before what is known here. What this one has seen of a hub already goes before.
    pub fn precede(&mut self, earlier: &KeptAlarms, policy: &ForecastPolicy, at: BothClocks) {
        let three = |[right, wrong, unknown]: [u64; 3]| Verdicts { right, wrong, unknown };
        let KeptTally { held_out, idle, acted, missed } = earlier.tally;
        self.tally.held_out.add(three(held_out));
        self.tally.idle.add(three(idle));
        self.tally.acted.add(three(acted));
        self.tally.missed = self.tally.missed.saturating_add(missed);
        let spent_most = at.now.after(policy.alarm_every.saturating_mul(BURST));
        for (hub, kept) in &earlier.hubs {
            let Ok(hub) = HubId::new(hub) else { continue };
            let open = kept.open.as_ref().and_then(|alarm| alarm.take_up(at));
            let passed = open.filter(|open| open.until <= at.now);
            if let Some(alarm) = passed {
                self.tally.of(alarm.course).count(AlarmVerdict::Unknown);
            }
            let entry = Entry {
                raised: kept.raised,
                failing: kept.failing,
                open: if passed.is_some() { None } else { open },
                spent_until: at.to_mono(kept.spent_until).min(spent_most),
            };
            self.hubs.entry(hub).or_insert(entry);
        }
    }
}

impl KeptAlarm {
    /// `None` for what no alarm is like.
    fn take_up(&self, at: BothClocks) -> Option<Alarm> {
        Some(Alarm {
            number: self.number,
            until: at.to_mono(self.until).min(at.now.after(LIFE_MAX)),
            outlook: Outlook {
                probability: Share::saturating(self.probability),
                horizon: Duration::from_secs(self.horizon_s),
                confidence: Share::saturating(self.confidence),
                failure_type: FailureType::named(&self.failure_type)?,
            },
            course: Course::ALL.into_iter().find(|course| course.as_str() == self.course)?,
        })
    }
}

impl Verdicts {
    fn add(&mut self, earlier: Self) {
        self.right = self.right.saturating_add(earlier.right);
        self.wrong = self.wrong.saturating_add(earlier.wrong);
        self.unknown = self.unknown.saturating_add(earlier.unknown);
    }
}

impl Course {
    const ALL: [Self; 6] = [
        Self::HeldOut,
        Self::Idle,
        Self::Acted(Band::Calm),
        Self::Acted(Band::Watch),
        Self::Acted(Band::Relieve),
        Self::Acted(Band::Leave),
    ];

    /// The word used in logs, metrics, the admin interface and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HeldOut => "held_out",
            Self::Idle => "idle",
            Self::Acted(Band::Calm) => "calm",
            Self::Acted(Band::Watch) => "watched",
            Self::Acted(Band::Relieve) => "relieved",
            Self::Acted(Band::Leave) => "drained",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    const AT: BothClocks = BothClocks { now: MonoTime::from_millis(5_000_000), unix_s: 1_800_000_000 };

    fn hub(name: &str) -> HubId {
        HubId::new(name).unwrap()
    }

    fn ledger() -> AlarmLedger {
        let outlook = Outlook {
            probability: Share::saturating(340),
            horizon: Duration::from_secs(600),
            confidence: Share::saturating(800),
            failure_type: FailureType::Known(Kind::Network),
        };
        let course = Course::Acted(Band::Leave);
        let alarm = Alarm { number: 3, until: AT.now.after(Duration::from_secs(400)), outlook, course };
        let open = Entry {
            raised: 3,
            open: Some(alarm),
            failing: false,
            spent_until: AT.now.after(Duration::from_secs(86_400)),
        };
        let spent_until = AT.now.before(Duration::from_secs(1_000));
        let quiet = Entry { raised: 1, failing: true, spent_until, ..Entry::default() };
        let tally = AlarmTally {
            held_out: Verdicts { right: 1, wrong: 2, unknown: 3 },
            missed: 4,
            ..AlarmTally::default()
        };
        AlarmLedger { hubs: [(hub("a"), open), (hub("b"), quiet)].into(), tally }
    }

    fn taken_up(kept: &KeptAlarms, at: BothClocks) -> AlarmLedger {
        let json = serde_json::to_vec(kept).unwrap();
        let mut later = AlarmLedger::default();
        later.precede(&serde_json::from_slice(&json).unwrap(), &crate::Policy::default().forecast, at);
        later
    }

    #[test]
    fn alarms_go_on_in_the_next_process() {
        // 100 s later, in a process whose clock began anew.
        let next = BothClocks { now: MonoTime::from_millis(3_600_000), unix_s: AT.unix_s + 100 };
        let ledger = ledger();
        let later = taken_up(&ledger.keep(AT), next);
        assert_eq!(later.tally(), ledger.tally());
        let (before, after) = (ledger.open(&hub("a")).unwrap(), later.open(&hub("a")).unwrap());
        let same = Alarm { until: before.until, ..*after };
        assert_eq!((same, after.until.since(next.now).as_secs()), (*before, 300));
        assert_eq!(later.hubs[&hub("a")].spent_until.since(next.now).as_secs(), 86_300);
        assert!(later.hubs[&hub("b")].failing);
        assert_eq!(later.keep(next), ledger.keep(AT), "and so on");
        // What is known here already is not undone.
        let mut known = AlarmLedger::default();
        known.hubs.insert(hub("a"), Entry { raised: 9, ..Entry::default() });
        known.precede(&ledger.keep(AT), &crate::Policy::default().forecast, next);
        assert_eq!((known.hubs[&hub("a")].raised, known.hubs[&hub("b")].raised), (9, 1));
    }

    #[test]
    fn what_passed_unseen_is_unknown_and_no_clock_makes_an_alarm_last() {
        let year = 365 * 86_400;
        let later = taken_up(&ledger().keep(AT), BothClocks { unix_s: AT.unix_s + year, ..AT });
        assert_eq!((later.open(&hub("a")), later.tally().acted.unknown), (None, 1));
        assert!(later.hubs[&hub("a")].spent_until <= AT.now);
        let earlier = taken_up(&ledger().keep(AT), BothClocks { unix_s: AT.unix_s - year, ..AT });
        let open = earlier.open(&hub("a")).unwrap();
        assert!(open.until.since(AT.now) <= LIFE_MAX);
        let spent = earlier.hubs[&hub("a")].spent_until.since(AT.now);
        assert_eq!(spent, 2 * crate::Policy::default().forecast.alarm_every);
    }

    #[test]
    fn what_no_alarm_is_like_is_passed_over() {
        let mut kept = ledger().keep(AT);
        kept.hubs.get_mut("a").unwrap().open.as_mut().unwrap().course = "shouted".to_owned();
        let entry = kept.hubs["b"].clone();
        kept.hubs.insert("Not A Name".to_owned(), entry);
        let later = taken_up(&kept, AT);
        assert_eq!((later.open(&hub("a")), later.hubs.len()), (None, 2));
    }

    #[test]
    fn every_course_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Course::ALL.map(Course::as_str).into();
        assert_eq!(words.len(), Course::ALL.len());
    }
}
