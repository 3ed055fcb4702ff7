//! What only a process of its own can show: sudden death, a full disk. The child is this test binary.

use super::*;
use crate::store::sessions::conformance::{ending, key, live};
use mcphub_session::record::Ended;
use mcphub_session::{Found, Revision, SessionStore as _, StoreCondition};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

/// Tells a child that it is one, and where to work.
const DIRECTORY: &str = "MCPHUB_STORE_TEST_DIRECTORY";

/// Runs one test of this module in a process of its own, under `wrapper`.
fn child(wrapper: &[&str], test: &str, directory: &Path) -> Command {
    let exe = std::env::current_exe().expect("the path of this program");
    let name = format!("{}::{test}", module_path!().split_once("::").expect("a path").1);
    let mut words = wrapper.iter().map(std::ffi::OsStr::new).chain([exe.as_os_str()]);
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).args(["--exact", &name, "--nocapture", "--test-threads=1"]);
    command.env(DIRECTORY, directory).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Where to do it; `None` unless this process is a child.
fn place() -> Option<std::path::PathBuf> {
    std::env::var_os(DIRECTORY).map(Into::into)
}

#[tokio::test]
async fn child_writes_until_it_dies() {
    let Some(directory) = place() else { return };
    let store = opened(&directory).await;
    let last = ids(&store).first().copied().unwrap_or(0);
    for id in last + 1.. {
        store.put_failover(failover(id));
        store.set_wish(&hub("a"), Some(wish(&id.to_string())));
        assert!(store.flushed(PATIENCE).await);
        println!("\nacknowledged {id}");
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let directory = directory();
    let mut last = 0;
    for round in 1..=5 {
        let mut dying = child(&[], "child_writes_until_it_dies", directory.path()).spawn().expect("a child");
        let mut lines = BufReader::new(dying.stdout.take().expect("piped")).lines();
        let mut next = || {
            lines.by_ref().map_while(Result::ok).find_map(|l| l.strip_prefix("acknowledged ")?.parse().ok())
        };
        let target = last + 7 * round;
        while last < target {
            last = next().expect("the child goes on until it is killed");
        }
        // Opened while the other lives, so that the file changes hands at its death.
        let store = Store::open(directory.path());
        assert!(!store.loaded(Duration::from_millis(50)).await);
        assert_eq!(store.condition(), Condition::Waiting);
        dying.kill().expect("alive until now");
        dying.wait().expect("dead");
        while let Some(more) = next() {
            last = more;
        }
        assert!(store.loaded(PATIENCE).await);
        assert_eq!(store.condition(), Condition::Ready, "a crash is no damage");
        let found = ids(&store);
        // One more may have been written, but not acknowledged.
        assert!(found[0] == last || found[0] == last + 1, "{last} acknowledged, {} found", found[0]);
        assert!(found.iter().rev().copied().eq(1..=found[0]), "none is missing: {found:?}");
        // Of the last two changes, the first may have gone to disk alone.
        let wishes = store.wishes();
        let written = [last, found[0]].map(|id| wish(&id.to_string()));
        assert!(written.contains(&wishes[&hub("a")]), "{last} acknowledged, {wishes:?}");
        last = found[0];
        closed(store).await;
    }
    println!("{last} writes acknowledged over five sudden deaths, none lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn child_of_many_writers() {
    let Some(directory) = place() else { return };
    let records = Records::embedded(&opened(&directory).await);
    let begin = clock::random_u64() >> 1;
    let write = |writer: u64| {
        let records = records.clone();
        async move {
            for number in (0..).map(|round| begin + round * 64 + writer) {
                let of = records.write(key(number), Revision::NONE, &live(1, "a")).await.expect("a write");
                println!("\nacknowledged {number} 1");
                records.write(key(number), of, &live(2, "b")).await.expect("a write");
                println!("\nacknowledged {number} 2");
                if number % 2 == 0 {
                    records.end(key(number), ending(Ended::ByClient)).await.expect("an end");
                    println!("\nacknowledged {number} 3");
                }
            }
        }
    };
    let writers: Vec<_> = (0..64).map(|writer| tokio::spawn(write(writer))).collect();
    for writer in writers {
        writer.await.expect("no panic");
    }
}

#[tokio::test]
async fn records_that_were_acknowledged_survive_kill_9() {
    let directory = directory();
    let mut acknowledged = BTreeMap::new();
    for round in 1..=4 {
        let mut dying = child(&[], "child_of_many_writers", directory.path()).spawn().expect("a child");
        let lines = BufReader::new(dying.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let mut said = lines.filter_map(|line| {
            let (number, step) = line.strip_prefix("acknowledged ")?.split_once(' ')?;
            Some((number.parse::<u64>().ok()?, step.parse::<u8>().ok()?))
        });
        acknowledged.extend(said.by_ref().take(500 * round));
        dying.kill().expect("alive until now");
        dying.wait().expect("dead");
        acknowledged.extend(said);
        let store = opened(directory.path()).await;
        assert_eq!(store.condition(), Condition::Ready, "a crash is no damage");
        let records = Records::embedded(&store);
        for (number, step) in &acknowledged {
            let found = records.get(key(*number)).await.expect("readable").expect("kept");
            let reached = found.record.live().map_or(3, |live| live.stay.number);
            // One more may have been written, but not acknowledged.
            let possible = u32::from(*step)..=u32::from(*step) + 1;
            assert!(possible.contains(&reached), "{number}: {step} acknowledged, {reached} found");
        }
        drop(records);
        closed(store).await;
    }
    let steps: u64 = acknowledged.values().map(|step| u64::from(*step)).sum();
    println!("{steps} writes of {} records over four sudden deaths, none lost", acknowledged.len());
}

/// Fills the room, writes, makes room: nothing may be lost on the way, and nobody may wait for it.
async fn suffer_and_recover(directory: &Path, fill: impl FnOnce(), make_room: impl FnOnce()) {
    let store = opened(directory).await;
    store.put_failover(failover(1));
    assert!(store.flushed(PATIENCE).await);
    fill();
    let long = FailoverRecord { reason: "é".repeat(TEXT_MAX), ..failover(0) };
    for id in 2..=1_000 {
        store.put_failover(FailoverRecord { id, ..long.clone() });
    }
    assert!(!store.flushed(Duration::from_secs(2)).await, "2 MB found room");
    println!("\nfull: {}", trouble(&store));
    let records = Records::embedded(&store);
    let begun = clock::instant();
    let revision = records.write(key(1), Revision::NONE, &live(1, "a")).await.expect("it wins in memory");
    assert!(begun.elapsed() < Duration::from_millis(900), "at once");
    assert!(matches!(records.condition(), StoreCondition::Degraded { .. }), "{records:?}");
    records.end(key(2), ending(Ended::ByClient)).await.expect("it wins in memory");
    store.set_wish(&hub("a"), Some(wish("while it is full")));
    assert_eq!((store.failovers(usize::MAX).len(), store.wishes().len()), (1_000, 1), "memory serves");
    make_room();
    assert!(store.flushed(PATIENCE).await, "{store:?}");
    assert_eq!((store.condition(), records.condition()), (Condition::Ready, StoreCondition::Ready));
    drop(records);
    closed(store).await;
    let store = opened(directory).await;
    assert_eq!(store.condition(), Condition::Ready);
    assert_eq!((store.failovers(usize::MAX).len(), store.wishes().len()), (1_000, 1));
    let records = Records::embedded(&store);
    let found = Found { record: live(1, "a"), revision };
    assert_eq!(records.get(key(1)).await.expect("readable"), Some(found));
    assert!(records.get(key(2)).await.expect("readable").expect("kept").record.has_ended());
    assert_eq!(fs::read_dir(directory).expect("a directory").count(), 1, "nothing was set aside");
    println!("\nrecovered");
}

#[tokio::test]
async fn child_on_a_small_disk() {
    let Some(directory) = place() else { return };
    let filler = directory.join("filler");
    let fill = || {
        let chunk = vec![1; 4_096];
        let mut file = fs::File::create(&filler).expect("room for a name");
        while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
    };
    let make_room = || fs::remove_file(&filler).expect("there");
    suffer_and_recover(&directory, fill, make_room).await;
}

#[tokio::test]
async fn child_with_small_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Some(directory) = place() else { return };
    let before = getrlimit(Resource::Fsize);
    let limit = |current| setrlimit(Resource::Fsize, Rlimit { current, ..before }).expect("allowed");
    suffer_and_recover(&directory, || limit(Some(128 * 1024)), || limit(before.current)).await;
}

/// Runs a child to its end. `false` if it could not even begin.
fn recovers(wrapper: &[&str], test: &str) -> bool {
    let directory = directory();
    let output = child(wrapper, test, directory.path()).stderr(Stdio::piped()).output().expect("a process");
    let (said, also) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !said.contains("running 1 test") {
        println!("skipped, since it is not permitted here: {}", also.trim());
        return false;
    }
    assert!(output.status.success() && said.contains("\nrecovered"), "{said}\n{also}");
    said.lines().filter(|line| line.starts_with("full: ")).for_each(|line| println!("{line}"));
    true
}

#[test]
fn a_full_disk_is_waited_out() {
    let small_disk = r#"mount -t tmpfs -o size=16m none "$MCPHUB_STORE_TEST_DIRECTORY" && exec "$0" "$@""#;
    recovers(
        &["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", small_disk],
        "child_on_a_small_disk",
    );
}

#[test]
fn a_file_that_must_not_grow_is_waited_out() {
    // Without the signal, a write beyond the limit is an error like that of a full disk.
    let begun = recovers(&["sh", "-c", r#"trap '' XFSZ; exec "$0" "$@""#], "child_with_small_files");
    assert!(begun, "needs no permission");
}
