use super::*;
use crate::{Forecast, Policy};

const HOUR: Duration = Duration::from_secs(3600);
const HORIZON: Duration = Duration::from_secs(600);

/// One hub's ledger, and the time.
struct Book {
    ledger: AlarmLedger,
    policy: ForecastPolicy,
    now: MonoTime,
    events: Vec<AlarmEvent>,
}

impl Book {
    fn new(hold_out: u16) -> Self {
        let policy = ForecastPolicy { hold_out: Share::saturating(hold_out), ..Policy::default().forecast };
        Self { ledger: AlarmLedger::default(), policy, now: MonoTime::from_millis(1), events: vec![] }
    }

    /// Looks twice, since the second look must change nothing, and gives what the first told.
    fn look(&mut self, change: impl FnOnce(&mut Sight)) -> String {
        let outlook = Forecast::new(Share::FULL, HORIZON).outlook();
        let mut sight = Sight {
            known: true,
            ill: false,
            well: true,
            panic: false,
            present: true,
            settled: true,
            expected: Some(outlook),
        };
        change(&mut sight);
        sight.well &= !sight.ill;
        let hub = hub();
        self.events.clear();
        self.ledger.look(&hub, sight, (&self.policy, 7), self.now, &mut self.events);
        let (told, before) = (self.events.len(), self.ledger.clone());
        self.ledger.look(&hub, sight, (&self.policy, 7), self.now, &mut self.events);
        assert_eq!((self.events.len(), &self.ledger), (told, &before), "looking twice");
        let word = |event: &AlarmEvent| event.verdict.map_or("raised", AlarmVerdict::as_str);
        self.events.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    fn later(&mut self, wait: Duration) -> &mut Self {
        self.now = self.now.after(wait);
        self
    }
}

fn hub() -> HubId {
    HubId::new("a").unwrap()
}

fn quiet(sight: &mut Sight) {
    sight.expected = None;
}

#[test]
fn an_alarm_is_right_false_or_unknown() {
    let check = |change: fn(&mut Sight), acted: bool, wait: Duration, expected: &str| {
        let mut book = Book::new(0);
        assert_eq!(book.look(|_| ()), "raised");
        if acted {
            book.ledger.acted(&hub(), Band::Relieve);
        }
        assert_eq!(book.later(wait).look(change), expected);
    };
    let ill = |sight: &mut Sight| (sight.ill, sight.expected) = (true, None);
    check(ill, false, HORIZON / 2, "right");
    check(ill, true, HORIZON / 2, "right");
    check(quiet, false, HORIZON / 2, "");
    check(quiet, false, HORIZON, "false");
    check(quiet, true, HORIZON, "unknown");
    check(|sight| (sight.known, sight.expected) = (false, None), false, HORIZON, "unknown");
    check(|sight| sight.present = false, false, HORIZON / 2, "unknown");
    check(|sight| (sight.ill, sight.panic) = (true, true), false, HORIZON / 2, "unknown");
    check(|_| (), false, HORIZON, "false raised");
}

#[test]
fn nothing_is_raised_where_it_would_mean_nothing() {
    let check = |change: fn(&mut Sight)| assert_eq!(Book::new(0).look(change), "");
    check(quiet);
    check(|sight| sight.ill = true);
    check(|sight| sight.panic = true);
    check(|sight| sight.present = false);
    check(|sight| sight.settled = false);
    let mut book = Book::new(0);
    book.look(|sight| sight.ill = true);
    assert_eq!(
        book.later(HORIZON).look(|sight| sight.well = false),
        "",
        "it has failed and is not well since"
    );
    assert_eq!(book.look(|_| ()), "raised");
}

#[test]
fn what_is_wrong_too_often_is_not_heard() {
    let mut book = Book::new(0);
    let mut raised = vec![];
    for hour in 0..24 * 10 {
        if book.look(|_| ()).contains("raised") {
            raised.push(hour);
        }
        book.later(HORIZON).look(quiet);
        book.later(HOUR - HORIZON);
    }
    assert_eq!(raised, [0, 1, 48, 96, 144, 192], "two at once, then one in two days");
    book.policy.alarm_every = Duration::ZERO;
    assert_eq!(book.look(|_| ()), "raised", "without a budget every alarm is heard");
}

#[test]
fn what_was_right_is_paid_back() {
    let mut book = Book::new(0);
    for _ in 0..50 {
        assert_eq!(book.look(|_| ()), "raised");
        assert_eq!(book.later(HORIZON / 2).look(|sight| sight.ill = true), "right");
        book.later(HORIZON).look(quiet);
    }
    assert_eq!(book.ledger.tally().idle, Verdicts { right: 50, wrong: 0, unknown: 0 });
}

#[test]
fn a_few_alarms_are_held_out_the_same_each_time() {
    let held_out = |seed, share| {
        let hubs = (0..2000).map(|n| HubId::new(&format!("hub-{n}")).unwrap());
        hubs.filter(|hub| lot(seed, hub, 1) < share).count()
    };
    assert!((70..130).contains(&held_out(1, 50)), "{}", held_out(1, 50));
    assert_eq!((held_out(1, 0), held_out(1, 1000)), (0, 2000));
    let lots = |seed| (1..200).map(|number| lot(seed, &hub(), number)).collect::<Vec<_>>();
    assert_eq!(lots(1), lots(1));
    assert_ne!(lots(1), lots(2));
    let mut book = Book::new(1000);
    book.look(|_| ());
    book.ledger.acted(&hub(), Band::Leave);
    assert!(!book.ledger.calls(&hub()));
    book.later(HORIZON).look(quiet);
    assert_eq!(book.ledger.tally().held_out, Verdicts { right: 0, wrong: 1, unknown: 0 });
}

#[test]
fn the_held_out_ones_tell_what_forecasts_are_worth() {
    let verdicts = |right, wrong| Verdicts { right, wrong, unknown: 0 };
    let mut tally = AlarmTally { idle: verdicts(30, 10), missed: 30, ..AlarmTally::default() };
    assert_eq!(tally.idle.precision(), Some(0.75));
    assert_eq!(
        tally.recall(Share::saturating(50)),
        Some(0.5),
        "while forecasts only advise, every alarm tells"
    );
    tally = AlarmTally { held_out: verdicts(3, 1), acted: verdicts(1, 0), missed: 60, ..tally };
    assert_eq!(tally.recall(Share::saturating(50)), Some(0.5), "3 of one in twenty stand for 60");
    assert_eq!(tally.recall(Share::NONE), None);
    assert_eq!(AlarmTally::default().recall(Share::FULL), None);
    assert_eq!(Verdicts::default().precision(), None);
}

#[test]
fn hubs_that_leave_take_their_alarms_with_them() {
    let mut book = Book::new(0);
    book.look(|_| ());
    let mut events = vec![];
    book.ledger.retain(|_| true, &mut events);
    assert!(events.is_empty());
    book.ledger.retain(|_| false, &mut events);
    assert_eq!(events[0].verdict, Some(AlarmVerdict::Unknown));
    assert!(book.ledger.open(&hub()).is_none());
    assert_eq!(book.ledger.tally().idle.unknown, 1);
}
