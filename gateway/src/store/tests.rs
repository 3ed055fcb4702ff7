//! What is said of the store in its table of troubles, one by one.

use super::*;
use mcphub_predictor::{Leave, Wish};

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
        ended_unix_ms: None,
        back_unix_ms: None,
        expected_recovery_ms: Some(30_000),
        how: "ejected".into(),
        ended_because: None,
    }
}

#[tokio::test]
async fn what_was_said_is_there_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path());
    assert!(store.loaded(PATIENCE).await);
    store.set_wish(&hub("a"), Some(wish("disk")));
    store.set_wish(&hub("b"), Some(wish("gone soon")));
    store.set_wish(&hub("b"), None);
    let id = store.next_failover_id();
    store.put_failover(failover(id));
    store.put_failover(FailoverRecord { back_unix_ms: Some(9), ..failover(id) });
    assert!(store.release(PATIENCE).await);
    drop(store);

    let store = Store::open(directory.path());
    assert!(store.loaded(PATIENCE).await);
    assert_eq!(store.condition(), Condition::Ready);
    assert_eq!(store.wishes(), BTreeMap::from([(hub("a"), wish("disk"))]));
    assert_eq!(store.failovers(10), [FailoverRecord { back_unix_ms: Some(9), ..failover(id) }]);
    assert!(store.next_failover_id() > id);
}
