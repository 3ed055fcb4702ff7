//! What hubs have been like: kept beside everything else, and by its own rules.

use super::*;
use crate::store::memory::Memory;

fn bytes(store: &Store, name: &str) -> Option<Vec<u8>> {
    store.telemetry_of(&hub(name)).map(|bytes| bytes.to_vec())
}

#[tokio::test]
async fn telemetry_is_there_after_a_restart() {
    let directory = directory();
    let store = opened(directory.path()).await;
    store.put_telemetry(vec![(hub("a"), vec![1; 50_000]), (hub("b"), vec![2])]);
    store.put_telemetry(vec![(hub("b"), vec![3]), (hub("c"), vec![4])]);
    store.forget_telemetry(&hub("c"));
    assert!(store.flushed(PATIENCE).await);
    store.put_telemetry(vec![(hub("d"), vec![5])]);
    closed(store).await;
    let store = opened(directory.path()).await;
    assert_eq!(bytes(&store, "a").map(|bytes| bytes.len()), Some(50_000));
    let kept = ["b", "c", "d"].map(|name| bytes(&store, name));
    assert_eq!(kept, [Some(vec![3]), None, Some(vec![5])]);
}

#[tokio::test]
async fn what_is_newer_here_wins_over_what_the_file_says() {
    let directory = directory();
    let old = opened(directory.path()).await;
    let row = |name: &str, byte: u8| (hub(name), vec![byte]);
    old.put_telemetry(vec![row("a", 1), row("b", 1), row("c", 1)]);
    assert!(old.flushed(PATIENCE).await);
    let new = Store::open(directory.path());
    new.put_telemetry(vec![row("a", 2)]);
    new.forget_telemetry(&hub("b"));
    assert!(!new.is_loaded());
    closed(old).await;
    assert!(new.loaded(PATIENCE).await && new.is_loaded() && new.flushed(PATIENCE).await);
    for _ in 0..2 {
        let kept = ["a", "b", "c"].map(|name| bytes(&new, name));
        assert_eq!(kept, [Some(vec![2]), None, Some(vec![1])]);
    }
    closed(new).await;
    let third = opened(directory.path()).await;
    assert_eq!(["a", "b", "c"].map(|name| bytes(&third, name)), [Some(vec![2]), None, Some(vec![1])]);
}

#[tokio::test]
async fn without_a_disk_memory_serves_and_later_all_of_it_is_written() {
    let directory = directory();
    let state = directory.path().join("state");
    fs::write(&state, "in the way").expect("a file where the directory belongs");
    let store = Store::open(&state);
    assert!(!store.loaded(PATIENCE).await);
    for byte in 0..100 {
        store.put_telemetry(vec![(hub("a"), vec![byte])]);
    }
    assert_eq!(bytes(&store, "a"), Some(vec![99]));
    fs::remove_file(&state).expect("out of the way");
    assert!(store.flushed(PATIENCE).await);
    closed(store).await;
    assert_eq!(bytes(&opened(&state).await, "a"), Some(vec![99]));
}

#[test]
fn only_so_many_hubs_are_kept() {
    let mut memory = Memory::default();
    let put =
        |memory: &mut Memory, n: usize| memory.put_telemetry(&hub(&format!("h{n}")), Some(vec![0].into()));
    assert!((0..TELEMETRY_MAX).all(|n| put(&mut memory, n)));
    assert!(!put(&mut memory, TELEMETRY_MAX) && put(&mut memory, 7), "those that are there go on");
    let batch = memory.take().expect("unwritten");
    assert_eq!(batch.telemetry.len(), TELEMETRY_MAX);
    assert!(memory.take().is_none());
    memory.take_back(batch);
    assert_eq!(memory.take().map(|batch| batch.telemetry.len()), Some(TELEMETRY_MAX));
}

#[tokio::test]
async fn a_trial_is_there_after_a_restart_until_it_is_over() {
    let directory = directory();
    let kept = |store: &Store| store.trial().map(|bytes| bytes.to_vec());
    let old = opened(directory.path()).await;
    assert_eq!(kept(&old), None);
    old.put_trial(Some(vec![1]));
    closed(old).await;
    let old = opened(directory.path()).await;
    assert_eq!(kept(&old), Some(vec![1]));
    // One that is over here is over, whatever the file says, and so is one that is over in the file.
    let new = Store::open(directory.path());
    new.put_trial(None);
    old.put_trial(Some(vec![2]));
    closed(old).await;
    assert!(new.loaded(PATIENCE).await && new.flushed(PATIENCE).await);
    assert_eq!(kept(&new), None);
    closed(new).await;
    let third = opened(directory.path()).await;
    assert_eq!(kept(&third), None);
    third.put_trial(Some(vec![3]));
    closed(third).await;
    let fourth = Store::open(directory.path());
    fourth.put_trial(Some(vec![4]));
    assert!(fourth.loaded(PATIENCE).await);
    closed(fourth).await;
    assert_eq!(kept(&opened(directory.path()).await), Some(vec![4]));
}

#[tokio::test]
async fn alarms_are_there_after_a_restart_and_newer_ones_win() {
    let directory = directory();
    let old = opened(directory.path()).await;
    assert_eq!(old.alarms(), None);
    old.put_alarms(vec![1]);
    assert!(old.flushed(PATIENCE).await);
    old.put_alarms(vec![2]);
    closed(old).await;
    let old = opened(directory.path()).await;
    assert_eq!(old.alarms().as_deref(), Some(&[2][..]));
    let new = Store::open(directory.path());
    new.put_alarms(vec![3]);
    closed(old).await;
    assert!(new.loaded(PATIENCE).await && new.flushed(PATIENCE).await);
    closed(new).await;
    assert_eq!(opened(directory.path()).await.alarms().as_deref(), Some(&[3][..]));
}
