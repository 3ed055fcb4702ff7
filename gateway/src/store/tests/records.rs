//! Records of sessions in the file: restarts, change of hands, rows of others, a slow disk.

use super::*;
use crate::store::sessions::conformance::{NOW, conflict, ending, key, live, next};
use mcphub_session::record::{Ended, RecordError};
use mcphub_session::{Change, Found, Record, Revision, SessionStore as _, StoreCondition, StoreError};

async fn get(records: &Records, number: u64) -> Option<Found> {
    records.get(key(number)).await.expect("readable")
}

async fn put(records: &Records, number: u64, record: Record) -> Revision {
    let of = get(records, number).await.map_or(Revision::NONE, |found| found.revision);
    records.write(key(number), of, &record).await.expect("a write")
}

#[tokio::test]
async fn what_became_of_sessions_is_there_after_a_restart() {
    let directory = directory();
    let store = opened(directory.path()).await;
    let records = Records::embedded(&store);
    put(&records, 1, live(1, "a")).await;
    let last = put(&records, 1, live(2, "b")).await;
    let end = records.end(key(2), ending(Ended::ByClient)).await.expect("an end");
    put(&records, 3, Record { expires_at: NOW, ..live(1, "a") }).await;
    assert_eq!(records.sweep(NOW + 1).await.expect("a sweep"), 1);
    let expected = [Some(Found { record: live(2, "b"), revision: last }), get(&records, 2).await, None];
    assert_eq!(expected[1].as_ref().expect("kept").revision, end);
    // No handle is left, so the removal is written too.
    drop((records, store));

    let store = opened(directory.path()).await;
    let records = Records::embedded(&store);
    for (number, expected) in (1..).zip(expected) {
        assert_eq!(get(&records, number).await, expected, "{number}");
    }
    let newer = put(&records, 1, live(3, "c")).await;
    assert!(newer.0 > last.0.max(end.0), "no number comes twice");
    let lost = records.write(key(1), last, &live(3, "d")).await;
    assert_eq!(conflict(lost).expect("there").revision, newer);
}

/// Two processes know of the same sessions, and neither of them of all that the other has done.
#[tokio::test]
async fn when_the_file_changes_hands_the_later_stay_and_every_tombstone_are_kept() {
    let directory = directory();
    let old_store = opened(directory.path()).await;
    let old = Records::embedded(&old_store);
    for number in 0..8 {
        put(&old, number, live(1, "old")).await;
    }
    let new_store = Store::open(directory.path());
    assert!(!new_store.loaded(Duration::from_millis(200)).await);
    let new = Records::embedded(&new_store);
    assert!(matches!(new.condition(), StoreCondition::Degraded { .. }), "{new:?}");
    let mut changes = new.watch();

    let tombstone = || Record::from(ending(Ended::ByClient));
    let (at_old, at_new) = (|stay| live(stay, "old"), |stay| live(stay, "new"));
    // What the old one does, what the new one does, what is to stand in the end.
    let stories = [
        (None, None, at_old(1)),
        (None, Some(at_new(2)), at_new(2)),
        (Some(at_old(3)), Some(at_new(2)), at_old(3)),
        (Some(at_old(2)), Some(at_new(2)), at_new(2)),
        (Some(tombstone()), Some(at_new(9)), tombstone()),
        (Some(at_old(9)), Some(tombstone()), tombstone()),
        (None, Some(tombstone()), tombstone()),
        (Some(at_old(2)), None, at_old(2)),
    ];
    let mut written = Vec::new();
    for (number, (by_old, by_new, _)) in (0..).zip(&stories) {
        if let Some(record) = by_new {
            // The new one does not know the file yet, and decides without it, at once.
            written.push((number, put(&new, number, record.clone()).await));
        }
        if let Some(record) = by_old {
            put(&old, number, record.clone()).await;
        }
    }
    drop(old);
    closed(old_store).await;
    assert!(new_store.loaded(PATIENCE).await && new_store.flushed(PATIENCE).await, "{new_store:?}");
    let mut told = BTreeMap::new();
    while told.len() < stories.len() {
        if let Change::Record { key, found } = next(&mut changes).await {
            told.insert(key, found);
        }
    }
    for (number, (.., expected)) in (0..).zip(&stories) {
        let found = get(&new, number).await.expect("kept");
        assert_eq!(&found.record, expected, "{number}");
        assert_eq!(told[&key(number)], found, "{number}: whoever watches knows");
    }
    for (number, revision) in written {
        // Who wrote what did not win must see that, and who won may go on.
        let found = get(&new, number).await.expect("kept");
        let goes_on = new.write(key(number), revision, &live(20, "next")).await;
        let won = found.record == stories[usize::try_from(number).expect("few")].1.clone().expect("written");
        assert_eq!(goes_on.is_ok(), won && !found.record.has_ended(), "{number}: {goes_on:?}");
    }
    let expected = futures(&new).await;
    drop((new, changes));
    closed(new_store).await;
    let third = Records::embedded(&opened(directory.path()).await);
    assert_eq!(futures(&third).await, expected, "on disk too");
}

async fn futures(records: &Records) -> Vec<Option<Found>> {
    let mut all = Vec::new();
    for number in 0..8 {
        all.push(get(records, number).await);
    }
    all
}

#[tokio::test]
async fn a_file_that_comes_back_emptier_gets_what_it_misses() {
    let directory = directory();
    let store = opened(directory.path()).await;
    let records = Records::embedded(&store);
    let end = records.end(key(1), ending(Ended::ByClient)).await.expect("an end");
    assert!(store.release(PATIENCE).await);
    fs::remove_file(directory.path().join(FILE_NAME)).expect("there");
    store.reclaim();
    put(&records, 2, live(1, "a")).await;
    assert!(store.flushed(PATIENCE).await, "{store:?}");
    assert!(store.loaded(PATIENCE).await && store.flushed(PATIENCE).await);
    drop(records);
    closed(store).await;
    let records = Records::embedded(&opened(directory.path()).await);
    assert_eq!(get(&records, 1).await.expect("kept").revision, end);
    assert!(get(&records, 2).await.is_some());
}

#[tokio::test]
async fn a_row_of_a_later_version_is_left_alone_until_it_is_over() {
    let directory = directory();
    closed(opened(directory.path()).await).await;
    let bytes = format!(r#"{{"schema":2,"expires_at":{NOW},"colour":"blue"}}"#);
    let table = redb::TableDefinition::<&[u8; 16], (u64, &[u8])>::new("sessions/1");
    let path = directory.path().join(FILE_NAME);
    {
        let database = redb::Database::open(&path).expect("a database");
        let writing = database.begin_write().expect("a transaction");
        let row = (7, bytes.as_bytes());
        writing.open_table(table).expect("a table").insert(key(1).as_bytes(), row).expect("room");
        writing.commit().expect("a disk");
    }
    let store = opened(directory.path()).await;
    let records = Records::embedded(&store);
    let refused = |result: Result<_, StoreError>| {
        assert!(matches!(result, Err(StoreError::Record(RecordError::Newer(2)))), "{result:?}");
    };
    refused(records.get(key(1)).await.map(|_| ()));
    for of in [Revision(7), Revision::NONE] {
        refused(records.write(key(1), of, &live(1, "a")).await.map(|_| ()));
    }
    refused(records.end(key(1), ending(Ended::ByClient)).await.map(|_| ()));
    put(&records, 2, live(1, "a")).await;
    drop(records);
    closed(store).await;
    {
        let database = redb::Database::open(&path).expect("a database");
        let reading = redb::ReadableDatabase::begin_read(&database).expect("a transaction");
        let row = reading.open_table(table).expect("a table").get(key(1).as_bytes()).expect("read");
        assert_eq!(row.expect("there").value(), (7, bytes.as_bytes()));
    }
    let records = Records::embedded(&opened(directory.path()).await);
    assert_eq!(records.sweep(NOW).await.expect("a sweep"), 0);
    assert_eq!(records.sweep(NOW + 1).await.expect("a sweep"), 1);
    assert_eq!(get(&records, 1).await, None);
}

#[tokio::test]
async fn a_disk_that_takes_too_long_is_told_and_undoes_nothing() {
    // A file that is open, and no thread that would write.
    let shared = Arc::new(Shared::new(Progress::begun()));
    let well = Progress { condition: Condition::Ready, holds_file: true, ..Progress::begun() };
    shared.tell(|progress| *progress = well);
    let records = Records::embedded(&Store { shared: Arc::clone(&shared), _end: None });
    assert_eq!(records.condition(), StoreCondition::Ready);
    let record = live(1, "a");
    let writing = records.write(key(1), Revision::NONE, &record);
    let revision =
        tokio::time::timeout(PATIENCE, writing).await.expect("nobody waits for long").expect("won");
    assert_eq!(get(&records, 1).await.expect("kept").revision, revision);
    let StoreCondition::Degraded { why } = records.condition() else { panic!("{records:?}") };
    assert!(why.contains("disk"), "{why}");
    shared.tell(|progress| progress.durable = 1);
    assert_eq!(records.condition(), StoreCondition::Ready);
}

/// How long a writer waits for the disk, alone and among many.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_share_commits() {
    let directory = directory();
    let records = Records::embedded(&opened(directory.path()).await);
    for (writers, each) in [(1, 100), (64, 50)] {
        let begun = clock::instant();
        let tasks: Vec<_> = (0..writers)
            .map(|writer| {
                let records = records.clone();
                tokio::spawn(async move {
                    let mut took = Vec::new();
                    for number in 0..each {
                        let key = key(writers * 1_000_000 + writer * 1_000 + number);
                        let begun = clock::instant();
                        records.write(key, Revision::NONE, &live(1, "a")).await.expect("a write");
                        took.push(begun.elapsed());
                    }
                    took
                })
            })
            .collect();
        let mut took = Vec::new();
        for task in tasks {
            took.extend(task.await.expect("no panic"));
        }
        took.sort();
        let (p50, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
        let rate = took.len() as f64 / begun.elapsed().as_secs_f64();
        println!("{writers} writers: p50 {p50:?}, p99 {p99:?}, {rate:.0} writes a second");
    }
}
