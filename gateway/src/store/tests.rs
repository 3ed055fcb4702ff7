//! What is said of the store in its table of troubles, one by one.

mod children;
mod records;
mod telemetry;
mod torn;

use super::*;
use mcphub_predictor::{Leave, Wish};
use std::fs;

const PATIENCE: Duration = Duration::from_secs(30);

fn hub(name: &str) -> HubId {
    HubId::new(name).expect("a hub id")
}

fn wish(note: &str) -> WishRecord {
    let wish = Wish { out: Some(Leave::Now), weight: None };
    WishRecord { wish, at_unix_ms: 1, note: Some(note.to_owned()) }
}

fn failover(id: u64) -> FailoverRecord {
    FailoverRecord {
        id,
        at_unix_ms: id,
        hub: "a".into(),
        backup: Some("b".into()),
        by: Trigger::Automatic,
        reason: "refused connections".into(),
        noticed_to_published_ms: 3,
        sessions_pinned: 4,
        requests_failed: 5,
        requests_moved: 6,
        sessions_moved: 0,
        ended_unix_ms: None,
        back_unix_ms: None,
        expected_recovery_ms: Some(30_000),
        how: "ejected".into(),
        ended_because: None,
    }
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// A store whose file is open and known.
async fn opened(directory: &Path) -> Store {
    let store = Store::open(directory);
    assert!(store.loaded(PATIENCE).await, "{store:?}");
    store
}

/// Closes the file and drops the store.
async fn closed(store: Store) {
    assert!(store.release(PATIENCE).await, "{store:?}");
}

/// Why a store is in trouble.
fn trouble(store: &Store) -> String {
    match store.condition() {
        Condition::Degraded { why } => why,
        other => panic!("{other:?}"),
    }
}

fn ids(store: &Store) -> Vec<u64> {
    store.failovers(usize::MAX).iter().map(|record| record.id).collect()
}

#[tokio::test]
async fn what_was_said_is_there_after_a_restart() {
    let directory = directory();
    let store = opened(directory.path()).await;
    store.set_wish(&hub("a"), Some(wish("disk")));
    store.set_wish(&hub("b"), Some(wish("gone soon")));
    store.set_wish(&hub("b"), None);
    let id = store.next_failover_id();
    store.put_failover(failover(id));
    store.put_failover(FailoverRecord { back_unix_ms: Some(9), ..failover(id) });
    closed(store).await;

    let store = opened(directory.path()).await;
    assert_eq!(store.condition(), Condition::Ready);
    assert_eq!(store.wishes(), BTreeMap::from([(hub("a"), wish("disk"))]));
    assert_eq!(store.failovers(10), [FailoverRecord { back_unix_ms: Some(9), ..failover(id) }]);
    assert!(store.next_failover_id() > id);
}

#[tokio::test]
async fn what_nobody_waited_for_is_written_when_the_last_handle_goes() {
    let directory = directory();
    let store = opened(directory.path()).await;
    let other = store.clone();
    drop(store);
    other.put_failover(failover(7));
    drop(other);
    // Its thread is still at it: this one waits.
    let store = opened(directory.path()).await;
    assert_eq!(ids(&store), [7]);
}

#[tokio::test]
async fn without_a_file_everything_is_served_and_nothing_kept() {
    let store = Store::in_memory();
    assert!(store.loaded(Duration::ZERO).await);
    store.set_wish(&hub("a"), Some(wish("x")));
    assert!(store.flushed(Duration::ZERO).await && store.release(Duration::ZERO).await);
    assert_eq!((store.wishes().len(), store.condition()), (1, Condition::Ready));
}

#[tokio::test]
async fn numbers_grow_whatever_the_clock_says() {
    let store = Store::in_memory();
    let numbers: Vec<_> = (0..1_000).map(|_| store.next_failover_id()).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next));
    // A journal from before the clock was set back.
    let future = clock::unix_millis() + 3_600_000;
    store.put_failover(failover(future));
    assert_eq!(store.next_failover_id(), future + 1);
}

#[tokio::test]
async fn the_journal_keeps_the_newest() {
    let directory = directory();
    let store = opened(directory.path()).await;
    let max = FAILOVERS_MAX as u64;
    (1..=max).for_each(|id| store.put_failover(failover(id)));
    assert!(store.flushed(PATIENCE).await);
    (max + 1..=max + 5).for_each(|id| store.put_failover(failover(id)));
    let newest_first: Vec<_> = (6..=max + 5).rev().collect();
    assert_eq!(ids(&store), newest_first);
    assert_eq!(store.failovers(2).len(), 2);
    closed(store).await;
    let store = opened(directory.path()).await;
    assert_eq!(ids(&store), newest_first, "in the file too");
    let size = fs::metadata(directory.path().join(FILE_NAME)).expect("a file").len();
    println!("a full journal takes {size} bytes");
}

#[tokio::test]
async fn a_successor_waits_and_what_it_was_told_meanwhile_wins() {
    let directory = directory();
    let old = opened(directory.path()).await;
    for name in ["a", "b", "c"] {
        old.set_wish(&hub(name), Some(wish("old")));
    }
    old.put_failover(failover(1));
    assert!(old.flushed(PATIENCE).await);

    let new = Store::open(directory.path());
    assert!(!new.loaded(Duration::from_millis(300)).await);
    assert_eq!(new.condition(), Condition::Waiting);
    new.set_wish(&hub("a"), Some(wish("new")));
    new.set_wish(&hub("b"), None);
    new.put_failover(failover(2));
    assert!(!new.flushed(Duration::from_millis(10)).await, "nothing is on disk yet");
    old.put_failover(failover(3));

    closed(old).await;
    assert!(new.loaded(PATIENCE).await && new.flushed(PATIENCE).await);
    let expected = BTreeMap::from([(hub("a"), wish("new")), (hub("c"), wish("old"))]);
    for _ in 0..2 {
        assert_eq!((new.wishes(), ids(&new)), (expected.clone(), vec![3, 2, 1]));
    }
    closed(new).await;
    let third = opened(directory.path()).await;
    assert_eq!((third.wishes(), ids(&third)), (expected, vec![3, 2, 1]), "on disk too");
}

#[tokio::test]
async fn a_store_that_was_let_go_can_be_taken_back() {
    let directory = directory();
    let old = opened(directory.path()).await;
    old.set_wish(&hub("a"), Some(wish("old")));
    old.set_wish(&hub("b"), Some(wish("old")));
    assert!(old.release(PATIENCE).await);
    assert_eq!(old.condition(), Condition::Released);
    // The successor comes, changes something, and fails.
    let new = opened(directory.path()).await;
    new.set_wish(&hub("a"), None);
    old.set_wish(&hub("c"), Some(wish("meanwhile")));
    assert!(!old.flushed(Duration::from_millis(10)).await, "let go is let go");
    old.reclaim();
    closed(new).await;
    assert!(old.flushed(PATIENCE).await);
    assert_eq!(old.condition(), Condition::Ready);
    let expected = BTreeMap::from([(hub("b"), wish("old")), (hub("c"), wish("meanwhile"))]);
    assert_eq!(old.wishes(), expected);
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_tried_again() {
    let directory = directory();
    let state = directory.path().join("state");
    fs::write(&state, "in the way").expect("a file where the directory belongs");
    let store = Store::open(&state);
    assert!(!store.loaded(PATIENCE).await, "known as soon as it has been tried");
    assert!(trouble(&store).contains(FILE_NAME), "{store:?}");
    store.set_wish(&hub("a"), Some(wish("x")));
    assert!(!store.flushed(Duration::from_millis(10)).await);
    assert_eq!(store.wishes().len(), 1, "memory serves");
    fs::remove_file(&state).expect("out of the way");
    assert!(store.flushed(PATIENCE).await);
    assert_eq!(store.condition(), Condition::Ready);
}

#[tokio::test]
async fn a_file_of_a_later_version_is_not_touched() {
    let directory = directory();
    closed(opened(directory.path()).await).await;
    let path = directory.path().join(FILE_NAME);
    let database = redb::Database::open(&path).expect("a database");
    let writing = database.begin_write().expect("a transaction");
    let meta = redb::TableDefinition::<&str, u64>::new("meta");
    writing.open_table(meta).expect("a table").insert("schema", 2).expect("room");
    writing.commit().expect("a disk");
    drop(database);
    let before = fs::read(&path).expect("a file");

    let store = Store::open(directory.path());
    assert!(!store.loaded(PATIENCE).await);
    assert!(trouble(&store).contains("schema 2"), "{store:?}");
    store.put_failover(failover(1));
    assert!(!store.flushed(Duration::from_millis(100)).await);
    assert_eq!(ids(&store), [1], "memory serves");
    drop(store);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(fs::read(&path).expect("a file") == before, "not a byte has changed");
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1);
}
