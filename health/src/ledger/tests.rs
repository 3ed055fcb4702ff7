use super::*;
use mcphub_routing::Share;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

fn at(millis: u64) -> MonoTime {
    MonoTime::from_millis(millis)
}

fn ledger() -> ProbeLedger {
    ProbeLedger::new(ProbeSettings::default())
}

fn report(id: u64, outcome: Outcome, millis: u32) -> ProbeReport {
    ProbeReport { id: ProbeId(id), outcome, latency: MS * millis, eras: None, boot: None }
}

/// Passes, fails, stalled.
fn tally(ledger: &ProbeLedger, millis: u64) -> (u32, u32, u32) {
    let found = ledger.probes(at(millis));
    (found.passes, found.fails, found.stalled)
}

#[test]
fn a_row_ends_with_its_opposite() {
    let mut hub = ledger();
    assert_eq!(tally(&hub, 0), (0, 0, 0));
    let mut check = |id, outcome, expected| {
        assert!(hub.sent(ProbeId(id), at(id * 1_000)));
        assert_eq!(hub.ended(&report(id, outcome, 5)), Some(at(id * 1_000)));
        assert_eq!(tally(&hub, id * 1_000 + 5), expected, "probe {id}");
    };
    check(1, Outcome::Ok, (1, 0, 0));
    check(2, Outcome::Slow, (2, 0, 0));
    check(3, Outcome::Http5xx, (0, 1, 0));
    check(4, Outcome::Timeout, (0, 2, 0));
    check(5, Outcome::Ok, (1, 0, 0));
    // Rows outlast what is kept of them.
    (6..46).for_each(|id| check(id, Outcome::Ok, (id as u32 - 4, 0, 0)));
    (46..86).for_each(|id| check(id, Outcome::Reset, (0, id as u32 - 45, 0)));
    let found = hub.probes(at(90_000));
    assert_eq!((found.last_pass, found.last_end), (Some(at(45_005)), Some(at(85_005))));
    assert_eq!((found.last, found.latency), (Some(Outcome::Reset), Some(5 * MS)));
    assert_eq!(found.sum, crate::ProbeSum { ended: 85, failed: 42, took: 425 * MS });
}

#[test]
fn an_error_is_told_from_silence() {
    let mut hub = ledger();
    let mut check = |id, outcome, expected| {
        assert!(hub.sent(ProbeId(id), at(id * 1_000)));
        hub.ended(&report(id, outcome, 5));
        let found = hub.probes(at(id * 1_000 + 5));
        assert_eq!((found.fails, found.unanswered, found.against_since), expected, "probe {id}");
    };
    check(1, Outcome::Ok, (0, 0, None));
    check(2, Outcome::Timeout, (1, 1, Some(at(2_000))));
    check(3, Outcome::Http5xx, (2, 0, Some(at(2_000))));
    check(4, Outcome::ConnectError, (3, 1, Some(at(2_000))));
    check(5, Outcome::Reset, (4, 2, Some(at(2_000))));
    check(6, Outcome::Ok, (0, 0, None));
    hub.sent(ProbeId(7), at(7_000));
    let found = hub.probes(at(7_300));
    assert_eq!((found.unanswered, found.stalled, found.against_since), (0, 1, Some(at(7_000))));
}

#[test]
fn silence_counts_before_the_time_out() {
    let mut hub = ledger();
    hub.sent(ProbeId(1), at(0));
    hub.sent(ProbeId(2), at(200));
    assert_eq!(tally(&hub, 299), (0, 0, 0));
    assert_eq!(tally(&hub, 300), (0, 0, 1));
    assert_eq!((tally(&hub, 500), hub.probes(at(500)).stalled_since), ((0, 0, 2), Some(at(0))));
    hub.ended(&report(1, Outcome::Timeout, 1_000));
    assert_eq!((tally(&hub, 1_000), hub.probes(at(1_000)).against()), ((0, 1, 1), 2));
    // The later one passes: the earlier one was only unlucky.
    hub.ended(&report(2, Outcome::Ok, 900));
    assert_eq!(tally(&hub, 1_100), (1, 0, 0));
    // For a hub that takes 900 ms, silence of 300 ms means nothing; the time-out is the most it is given.
    hub.sent(ProbeId(3), at(2_000));
    assert_eq!((tally(&hub, 2_999).2, tally(&hub, 3_000).2), (0, 1));
}

#[test]
fn a_time_out_from_before_a_recovery_does_not_speak_against_it() {
    let mut hub = ledger();
    (1..=3).for_each(|id| assert!(hub.sent(ProbeId(id), at(id * 300))));
    hub.ended(&report(3, Outcome::Ok, 5));
    assert_eq!(tally(&hub, 905), (1, 0, 0));
    hub.ended(&report(1, Outcome::Timeout, 1_000));
    hub.ended(&report(2, Outcome::Timeout, 1_000));
    assert_eq!(tally(&hub, 1_600), (1, 0, 0));
    assert_eq!(hub.probes(at(1_600)).last, Some(Outcome::Ok));
}

#[test]
fn a_probe_counts_once() {
    let mut hub = ledger();
    hub.sent(ProbeId(1), at(0));
    assert!(hub.ended(&report(1, Outcome::Reset, 1)).is_some());
    assert!(hub.ended(&report(1, Outcome::Reset, 1)).is_none());
    assert!(hub.ended(&report(9, Outcome::Ok, 1)).is_none());
    assert_eq!(tally(&hub, 10), (0, 1, 0));
    // Nobody reports: given up once, a second after its time-out.
    hub.sent(ProbeId(10), at(0));
    hub.sweep(at(1_999));
    assert_eq!(tally(&hub, 1_999), (0, 1, 1));
    hub.sweep(at(2_000));
    assert_eq!(tally(&hub, 2_000), (0, 2, 0));
}

#[test]
fn flights_are_bounded() {
    let mut hub = ledger();
    let sent = (0..50).filter(|&id| hub.sent(ProbeId(id), at(id))).count();
    assert_eq!(sent, FLIGHTS_MAX);
}

#[test]
fn our_own_absence_is_not_held_against_a_hub() {
    let mut hub = ledger();
    (1..=3).for_each(|id| assert!(hub.sent(ProbeId(id), at(0))));
    hub.excuse(at(9_000));
    assert_eq!(tally(&hub, 9_299), (0, 0, 0));
    assert_eq!(tally(&hub, 9_300), (0, 0, 3));
    hub.ended(&report(1, Outcome::Timeout, 9_400));
    assert_eq!(tally(&hub, 9_400), (0, 0, 2));
    hub.ended(&report(2, Outcome::ConnectError, 9_400));
    assert_eq!(tally(&hub, 9_400), (0, 1, 1));
}

#[test]
fn a_restart_is_a_life_not_seen_before() {
    let mut hub = ledger();
    let mut check = |text: &str, millis, restarts: u32, restarted_at: Option<u64>| {
        hub.note_boot(BootId::of(text), at(millis));
        let expected = Boot { id: Some(BootId::of(text)), restarted_at: restarted_at.map(at), restarts };
        assert_eq!(hub.boot(), expected, "{text} at {millis}");
    };
    check("one", 1, 0, None);
    check("one", 2, 0, None);
    check("two", 3, 1, Some(3));
    // Two processes behind one address take turns.
    check("one", 4, 1, Some(3));
    check("two", 5, 1, Some(3));
    check("three", 6, 2, Some(6));
}

#[test]
fn what_a_late_probe_tells_is_old() {
    let mut hub = ledger();
    (1..=2).for_each(|id| assert!(hub.sent(ProbeId(id), at(0))));
    let told = |id, eras, boot: &str| ProbeReport {
        eras: Some(eras),
        boot: Some(BootId::of(boot)),
        ..report(id, Outcome::Ok, 5)
    };
    hub.ended(&told(2, EraSet::MODERN, "after"));
    hub.ended(&told(1, EraSet::LEGACY, "before"));
    assert_eq!(hub.eras(), Some(EraSet::MODERN));
    assert_eq!((hub.boot().id, hub.boot().restarts), (Some(BootId::of("after")), 0));
    let exported =
        |millis, queue| Exported { at: at(millis), cpu: Some(Share::FULL), memory: None, queue: Some(queue) };
    hub.note_exported(exported(9, 1));
    hub.note_exported(exported(8, 2));
    assert_eq!(hub.exported(), Some(exported(9, 1)));
}

proptest! {
    #[test]
    fn the_order_of_ends_does_not_matter(
        outcomes in proptest::collection::vec((0..7usize, 1u32..999), 1..=FLIGHTS_MAX),
        turn in 0usize..8,
        now in 0u64..3_000,
    ) {
        let run = |order: &[usize]| {
            let mut hub = ledger();
            (0..outcomes.len()).for_each(|n| assert!(hub.sent(ProbeId(n as u64), at(n as u64 * 10))));
            order.iter().for_each(|&n| {
                let (outcome, took) = outcomes[n];
                hub.ended(&report(n as u64, Outcome::ALL[outcome], took));
            });
            hub.probes(at(now))
        };
        let mut order: Vec<_> = (0..outcomes.len()).collect();
        let forth = run(&order);
        order.rotate_left(turn % outcomes.len());
        order.reverse();
        prop_assert_eq!(forth, run(&order));
    }
}
