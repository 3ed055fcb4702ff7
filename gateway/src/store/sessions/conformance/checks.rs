//! The promises, one by one.

use super::*;
use std::collections::BTreeMap;

pub(super) async fn a_write_can_be_read(one: &Records, two: &Records) {
    assert_eq!(one.get(key(1)).await.expect("readable"), None);
    assert_eq!(one.latest(key(1)).await.expect("readable"), None);
    let mut of = Revision::NONE;
    for stay in 1..=3 {
        let record = live(stay, "a");
        let revision = one.write(key(1), of, &record).await.expect("a write");
        assert_ne!(revision, of);
        let found = Found { record, revision };
        assert_eq!(one.get(key(1)).await.expect("readable"), Some(found.clone()), "at once");
        assert_eq!(two.latest(key(1)).await.expect("readable"), Some(found.clone()), "at once");
        assert_eq!(seen(two, key(1), revision).await, found);
        of = revision;
    }
    assert_eq!(one.get(key(2)).await.expect("readable"), None);
}

pub(super) async fn a_write_of_something_else_loses_and_is_told_what_is_there(one: &Records, two: &Records) {
    for of in [Revision(1), Revision(u64::MAX)] {
        assert_eq!(conflict(one.write(key(1), of, &live(1, "a")).await), None);
    }
    let first = one.write(key(1), Revision::NONE, &live(1, "a")).await.expect("the first");
    let there = Some(Found { record: live(1, "a"), revision: first });
    assert_eq!(conflict(two.write(key(1), Revision::NONE, &live(1, "b")).await), there);
    let second = two.write(key(1), first, &live(2, "b")).await.expect("of the right one");
    let there = Some(Found { record: live(2, "b"), revision: second });
    for of in [Revision::NONE, first, Revision(second.0 + 1)] {
        assert_eq!(conflict(one.write(key(1), of, &live(3, "c")).await), there, "{of:?}");
    }
    assert_eq!(one.latest(key(1)).await.expect("readable"), there);
}

pub(super) async fn of_twenty_writers_one_wins(one: &Records, two: &Records) {
    let mut of = Revision::NONE;
    for round in 1..=20 {
        of = race(one, two, key(1), of, round).await;
    }
}

pub(super) async fn of_twenty_first_writers_one_wins(one: &Records, two: &Records) {
    for round in 1..=20 {
        race(one, two, key(round.into()), Revision::NONE, round).await;
    }
}

/// Twenty writers want to move a session that they have all seen in the same state.
async fn race(one: &Records, two: &Records, key: SessionKey, of: Revision, stay: u32) -> Revision {
    let writers: Vec<_> = (0..20)
        .map(|writer| {
            let (records, record) = ([one, two][writer % 2].clone(), live(stay, &format!("hub-{writer}")));
            tokio::spawn(async move { (record.clone(), records.write(key, of, &record).await) })
        })
        .collect();
    let (mut won, mut lost) = (Vec::new(), Vec::new());
    for writer in writers {
        match writer.await.expect("no panic") {
            (record, Ok(revision)) => won.push(Found { record, revision }),
            (_, lose) => lost.push(conflict(lose)),
        }
    }
    assert_eq!((won.len(), lost.len()), (1, 19));
    for found in lost {
        assert_eq!(found.as_ref(), Some(&won[0]), "losers are told who has won");
    }
    assert_eq!(one.latest(key).await.expect("readable").as_ref(), Some(&won[0]));
    won[0].revision
}

pub(super) async fn a_tombstone_is_final(one: &Records, two: &Records) {
    let live_revision = one.write(key(1), Revision::NONE, &live(1, "a")).await.expect("a write");
    for (number, ended_first) in [(1, live_revision), (2, Revision::NONE)] {
        let key = key(number);
        let revision = two.end(key, ending(Ended::ByClient)).await.expect("an end");
        let there = Found { record: ending(Ended::ByClient).into(), revision };
        // Its own revision too, whether or not news of it has come here.
        for of in [revision, ended_first, Revision::NONE, Revision(revision.0 + 1)] {
            for records in [one, two] {
                for record in [live(9, "b"), ending(Ended::Idle).into()] {
                    assert_eq!(
                        conflict(records.write(key, of, &record).await),
                        Some(there.clone()),
                        "{of:?}"
                    );
                }
            }
        }
        for records in [one, two] {
            let again = records.end(key, ending(Ended::ByOperator)).await;
            assert_eq!(again.expect("it counts as done"), revision);
            assert_eq!(records.latest(key).await.expect("readable"), Some(there.clone()));
        }
    }
}

pub(super) async fn an_end_wins_over_any_number_of_writers(one: &Records, two: &Records) {
    let writers: Vec<_> = [one, two, one, two]
        .into_iter()
        .cloned()
        .map(|records| {
            tokio::spawn(async move {
                let (mut of, mut wins) = (Revision::NONE, 0);
                loop {
                    match records.write(key(1), of, &live(wins + 1, "a")).await {
                        Ok(revision) => (of, wins) = (revision, wins + 1),
                        Err(StoreError::Conflict { found: Some(found) }) if found.record.has_ended() => {
                            return wins;
                        }
                        lost => of = conflict(lost).map_or(Revision::NONE, |found| found.revision),
                    }
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let end = async {
        loop {
            match two.end(key(1), ending(Ended::ByClient)).await {
                Ok(revision) => return revision,
                Err(StoreError::Unreachable { may_be_written: false, .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    };
    let revision = tokio::time::timeout(PATIENCE, end).await.expect("an end");
    for writer in writers {
        let wins = tokio::time::timeout(PATIENCE, writer).await.expect("it is told").expect("no panic");
        assert!(wins < 1_000_000);
    }
    let there = Found { record: ending(Ended::ByClient).into(), revision };
    assert_eq!(one.latest(key(1)).await.expect("readable"), Some(there));
}

pub(super) async fn a_watcher_is_told_everything_once(one: &Records, two: &Records) {
    let mut written = BTreeMap::new();
    for number in 0..50 {
        let revision = one.write(key(number), Revision::NONE, &live(1, "a")).await.expect("a write");
        written.insert(key(number), Found { record: live(1, "a"), revision });
        seen(two, key(number), revision).await;
    }
    let mut changes = two.watch();
    assert_eq!(next(&mut changes).await, Change::Begin);
    let mut told = BTreeMap::new();
    loop {
        match next(&mut changes).await {
            Change::Record { key, found } => assert_eq!(told.insert(key, found), None, "once"),
            Change::Complete => break,
            Change::Begin => panic!("begun already"),
        }
    }
    assert_eq!(told, written);
    quiet(&mut changes).await;
    let revision = one.write(key(7), written[&key(7)].revision, &live(2, "b")).await.expect("a write");
    let found = Found { record: live(2, "b"), revision };
    assert_eq!(next(&mut changes).await, Change::Record { key: key(7), found });
    let revision = one.end(key(99), ending(Ended::Expired)).await.expect("an end");
    let found = Found { record: ending(Ended::Expired).into(), revision };
    assert_eq!(next(&mut changes).await, Change::Record { key: key(99), found });
    quiet(&mut changes).await;
}

pub(super) async fn a_slow_watcher_is_told_the_last_writing_only(one: &Records, two: &Records) {
    let mut changes = two.watch();
    assert_eq!(next(&mut changes).await, Change::Begin);
    assert_eq!(next(&mut changes).await, Change::Complete);
    let mut of = [Revision::NONE; 3];
    for stay in 1..=100 {
        for (number, of) in (0..).zip(&mut of) {
            *of = one.write(key(number), *of, &live(stay, "a")).await.expect("a write");
        }
    }
    for (number, revision) in (0..).zip(of) {
        seen(two, key(number), revision).await;
    }
    let mut told = BTreeMap::new();
    for _ in 0..3 {
        match next(&mut changes).await {
            Change::Record { key, found } => assert_eq!(told.insert(key, found.revision), None),
            other => panic!("{other:?}"),
        }
    }
    assert!(told.into_values().eq(of), "the last one of each");
    quiet(&mut changes).await;
}

pub(super) async fn a_watcher_that_gives_up_waiting_misses_nothing(one: &Records, two: &Records) {
    let mut changes = two.watch();
    let writer = one.clone();
    let writing = tokio::spawn(async move {
        let mut of = Revision::NONE;
        for stay in 1..=200 {
            of = writer.write(key(1), of, &live(stay, "a")).await.expect("a write");
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        of
    });
    let (mut last, mut complete) = (None, false);
    let follow = async {
        loop {
            // Given up after next to nothing, again and again.
            match tokio::time::timeout(Duration::from_micros(50), changes.next()).await {
                Err(_) if writing.is_finished() && last == Some(200) => return,
                Err(_) => {}
                Ok(Change::Begin) => assert_eq!((last, complete), (None, false)),
                Ok(Change::Complete) => complete = true,
                Ok(Change::Record { found, .. }) => {
                    let stay = found.record.live().expect("alive").stay.number;
                    assert!(Some(stay) > last, "{stay} after {last:?}");
                    last = Some(stay);
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, follow).await.expect("the last one comes");
    assert!(complete);
    let revision = writing.await.expect("no panic");
    assert_eq!(seen(two, key(1), revision).await.record, live(200, "a"));
}

pub(super) async fn what_is_over_is_swept_and_nothing_else(one: &Records, two: &Records) {
    let record = |number: u64| {
        let record = if number.is_multiple_of(2) { live(1, "a") } else { ending(Ended::ByClient).into() };
        Record { expires_at: NOW + number % 4, ..record }
    };
    for number in 0..40 {
        let revision = one.write(key(number), Revision::NONE, &record(number)).await.expect("a write");
        seen(two, key(number), revision).await;
    }
    assert_eq!(sweep_all(one, NOW).await, 0, "a record is good until its last second is over");
    assert_eq!(sweep_all(one, NOW + 2).await, 20);
    for number in 0..40 {
        let expected = (number % 4 >= 2).then(|| record(number));
        for found in
            [one.get(key(number)).await, one.latest(key(number)).await, two.latest(key(number)).await]
        {
            assert_eq!(found.expect("readable").map(|found| found.record), expected, "{number}");
        }
    }
    // To each view what is over must go, whoever swept first.
    sweep_all(two, NOW + 2).await;
    assert_eq!(two.get(key(0)).await.expect("readable"), None);
    assert!(two.get(key(2)).await.expect("readable").is_some());
    let revision = two.write(key(1), Revision::NONE, &live(5, "b")).await.expect("as if there had been none");
    assert_eq!(seen(one, key(1), revision).await.record, live(5, "b"));
}

/// Sweeps until there is nothing to be swept, and says how many went.
async fn sweep_all(records: &Records, now: u64) -> usize {
    let mut swept = 0;
    loop {
        match records.sweep(now).await.expect("reachable") {
            0 => return swept,
            more => swept += more,
        }
    }
}

pub(super) async fn what_cannot_be_written_down_is_refused(one: &Records, _two: &Records) {
    let mut record = live(1, "a");
    if let mcphub_session::record::Life::Live(live) = &mut record.life {
        live.version = "x".repeat(33).into();
    }
    let refused = one.write(key(1), Revision::NONE, &record).await;
    assert!(matches!(refused, Err(StoreError::Record(_))), "{refused:?}");
    assert_eq!(one.latest(key(1)).await.expect("readable"), None);
}
