//! Whatever has happened to the file, the gateway starts, and keeps what it is told from then on.

use super::*;
use crate::store::sessions::conformance::{key, live};
use mcphub_session::{Revision, SessionStore as _};

/// A file of the last good days: 40 failovers in four commits, two wishes, 40 records of sessions.
async fn good() -> Vec<u8> {
    let directory = directory();
    let store = opened(directory.path()).await;
    store.set_wish(&hub("a"), Some(wish("x")));
    store.set_wish(&hub("b"), Some(wish("y")));
    for commit in 0..4 {
        (1..=10).for_each(|id| store.put_failover(failover(commit * 10 + id)));
        assert!(store.flushed(PATIENCE).await);
    }
    let records = Records::embedded(&store);
    for number in 0..40 {
        records.write(key(number), Revision::NONE, &live(1, "a")).await.expect("a write");
    }
    closed(store).await;
    fs::read(directory.path().join(FILE_NAME)).expect("a file")
}

/// Starts on these bytes. `true` if they were set aside.
async fn check(what: &str, bytes: &[u8]) -> bool {
    let directory = directory();
    let path = directory.path().join(FILE_NAME);
    fs::write(&path, bytes).expect("room");
    let store = opened(directory.path()).await;
    let kept = fs::read_dir(directory.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .find(|entry| *entry != path);
    match &kept {
        Some(kept) => {
            let name = kept.file_name().expect("a name").to_string_lossy();
            assert!(name.starts_with("edge.redb.broken-"), "{what}: {name}");
            assert!(fs::read(kept).expect("readable").len() >= bytes.len().min(1), "{what}");
            assert!(trouble(&store).contains(&*name), "{what}: {store:?}");
        }
        None => assert_eq!(store.condition(), Condition::Ready, "{what}"),
    }
    for record in store.failovers(usize::MAX) {
        assert_eq!(record, failover(record.id), "{what}: what is there is what was written");
    }
    let records = Records::embedded(&store);
    for number in 0..40 {
        let found = records.get(key(number)).await.expect("what is there can be read");
        assert!(found.is_none_or(|found| found.record == live(1, "a")), "{what}: {number}");
    }
    store.put_failover(failover(99));
    let revision = records.write(key(99), Revision::NONE, &live(2, "b")).await.expect("a write");
    assert!(store.flushed(PATIENCE).await, "{what}: {store:?}");
    let before = (store.wishes(), store.failovers(usize::MAX));
    closed(store).await;
    let store = opened(directory.path()).await;
    assert_eq!(store.condition(), Condition::Ready, "{what}");
    let found = Records::embedded(&store).get(key(99)).await.expect("readable").expect("kept");
    assert_eq!((found.record, found.revision), (live(2, "b"), revision), "{what}");
    assert_eq!((store.wishes(), store.failovers(usize::MAX)), before, "{what}");
    kept.is_some()
}

#[tokio::test]
async fn a_file_that_was_cut_short() {
    let good = good().await;
    assert!(!check("whole", &good).await);
    for length in [0, 1, 8, 100, 4_095, 4_096, 4_097, good.len() / 3, good.len() / 2, good.len() - 1] {
        let aside = check(&format!("cut to {length} bytes"), &good[..length]).await;
        assert!(aside || length == 0, "cut to {length} bytes of {} and not noticed", good.len());
    }
}

#[tokio::test]
async fn a_file_that_was_never_ours() {
    for other in ["", "SQLite format 3\0", "[gateway]\nname = \"a\"\n"] {
        let bytes = other.repeat(1_000).into_bytes();
        assert_eq!(check(other, &bytes).await, !bytes.is_empty());
    }
    assert!(check("zeros", &[0; 100_000]).await);
}

#[tokio::test]
async fn a_file_with_bytes_that_changed() {
    let good = good().await;
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut throw = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(dice >> 33).expect("31 bits") % sides
    };
    let used = good.len() - good.iter().rev().take_while(|byte| **byte == 0).count();
    let mut noticed = 0;
    for round in 0..60 {
        let mut bytes = good.clone();
        // The head of the file three times in four rounds: there is more to break there.
        let start = if round % 4 == 0 { throw(used) } else { throw(1_024) };
        let length = [1, 8, 512, 4_096][round / 4 % 4].min(good.len() - start);
        for byte in &mut bytes[start..start + length] {
            *byte ^= u8::try_from(throw(255)).expect("below 255") + 1;
        }
        let aside = check(&format!("{length} bytes at {start}"), &bytes).await;
        noticed += usize::from(aside);
    }
    println!("of 60 files with changed bytes, {noticed} were set aside; the others could be read or mended");
    assert!(noticed > 10, "{noticed}");
}
