//! Every way in which people and machines replace a file, seen by the kernel's events alone and by polling alone.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

/// Far longer than any machine needs; only a failing test waits it out.
const AMPLE: Duration = Duration::from_secs(30);

/// How long to listen for a report that must not come.
const SILENCE: Duration = Duration::from_millis(400);

const FOREVER: Duration = Duration::from_secs(24 * 3600);

fn timing(poll: Duration) -> Timing {
    Timing { quiet: Duration::from_millis(60), burst_max: Duration::from_millis(600), poll }
}

/// The two senses, each without the other.
const SENSES: [(bool, Duration); 2] = [(true, FOREVER), (false, Duration::from_millis(20))];

async fn next(changes: &mut Changes) -> Changed {
    tokio::time::timeout(AMPLE, changes.next())
        .await
        .expect("a change is reported")
        .expect("the watch goes on")
}

async fn check_silence(changes: &mut Changes) {
    if let Ok(changed) = tokio::time::timeout(SILENCE, changes.next()).await {
        panic!("reported {changed:?} though nothing changed");
    }
}

/// Prepares `file` under a fresh directory, changes it, and expects a report after which `new` is read.
async fn check(prepare: impl Fn(&Path), file: &str, change: impl Fn(&Path)) {
    for (kernel_events, poll) in SENSES {
        let directory = tempfile::tempdir().expect("temp");
        let root = directory.path();
        prepare(root);
        let file = root.join(file);
        let (watch, mut changes) =
            Watch::start_with([file.clone()], timing(poll), kernel_events).expect("a thread");
        check_silence(&mut changes).await;
        change(root);
        loop {
            let changed = next(&mut changes).await;
            assert_eq!(changed.files, BTreeSet::from([file.clone()]));
            assert!(!changed.asked);
            if fs::read_to_string(&file).is_ok_and(|text| text == "new") {
                break;
            }
        }
        // Reading is no change; nor is what happens to a neighbour.
        fs::write(root.join("neighbour"), "noise").expect("written");
        while tokio::time::timeout(SILENCE, changes.next()).await.is_ok() {}
        fs::read(&file).expect("read");
        fs::write(root.join("neighbour"), "more noise").expect("written");
        check_silence(&mut changes).await;
        drop(watch);
    }
}

fn old_file(root: &Path) {
    fs::write(root.join("conf.toml"), "old").expect("written");
}

#[tokio::test]
async fn written_in_place() {
    check(old_file, "conf.toml", |root| fs::write(root.join("conf.toml"), "new").expect("written")).await;
}

#[tokio::test]
async fn renamed_over() {
    check(old_file, "conf.toml", |root| {
        fs::write(root.join("conf.toml.tmp"), "new").expect("written");
        fs::rename(root.join("conf.toml.tmp"), root.join("conf.toml")).expect("renamed");
    })
    .await;
}

#[tokio::test]
async fn deleted_and_recreated() {
    check(old_file, "conf.toml", |root| {
        fs::remove_file(root.join("conf.toml")).expect("removed");
        fs::write(root.join("conf.toml"), "new").expect("written");
    })
    .await;
}

#[tokio::test]
async fn created_where_nothing_was() {
    check(|_| (), "conf.toml", |root| fs::write(root.join("conf.toml"), "new").expect("written")).await;
    check(
        |_| (),
        "deep/er/conf.toml",
        |root| {
            fs::create_dir_all(root.join("deep/er")).expect("made");
            fs::write(root.join("deep/er/conf.toml"), "new").expect("written");
        },
    )
    .await;
}

#[tokio::test]
async fn a_symbolic_link_swapped() {
    let prepare = |root: &Path| {
        fs::create_dir(root.join("releases")).expect("made");
        fs::write(root.join("releases/1"), "old").expect("written");
        fs::write(root.join("releases/2"), "new").expect("written");
        symlink("releases/1", root.join("conf.toml")).expect("linked");
    };
    check(prepare, "conf.toml", |root| {
        symlink("releases/2", root.join("link.tmp")).expect("linked");
        fs::rename(root.join("link.tmp"), root.join("conf.toml")).expect("renamed");
    })
    .await;
}

#[tokio::test]
async fn the_target_of_a_symbolic_link_written() {
    let prepare = |root: &Path| {
        fs::create_dir(root.join("elsewhere")).expect("made");
        fs::write(root.join("elsewhere/real"), "old").expect("written");
        symlink(root.join("elsewhere/real"), root.join("conf.toml")).expect("linked");
    };
    check(prepare, "conf.toml", |root| fs::write(root.join("elsewhere/real"), "new").expect("written")).await;
}

/// A volume as Kubernetes mounts a ConfigMap: `conf.toml → ..data/conf.toml`, `..data → ..1`.
fn config_map(root: &Path) {
    for (version, text) in [("..1", "old"), ("..2", "new")] {
        fs::create_dir(root.join(version)).expect("made");
        fs::write(root.join(version).join("conf.toml"), text).expect("written");
    }
    symlink("..1", root.join("..data")).expect("linked");
    symlink("..data/conf.toml", root.join("conf.toml")).expect("linked");
}

#[tokio::test]
async fn two_symbolic_links_swapped_at_the_outer_one() {
    check(config_map, "conf.toml", |root| {
        symlink("..2", root.join("..data_tmp")).expect("linked");
        fs::rename(root.join("..data_tmp"), root.join("..data")).expect("renamed");
        fs::remove_dir_all(root.join("..1")).expect("removed");
    })
    .await;
}

#[tokio::test]
async fn a_directory_replaced_is_found_by_the_poll() {
    let directory = tempfile::tempdir().expect("temp");
    let root = directory.path();
    fs::create_dir(root.join("conf")).expect("made");
    fs::write(root.join("conf/a"), "old").expect("written");
    let file = root.join("conf/a");
    let (_watch, mut changes) =
        Watch::start([file.clone()], timing(Duration::from_millis(100))).expect("a thread");
    fs::rename(root.join("conf"), root.join("conf.old")).expect("renamed");
    fs::create_dir(root.join("conf")).expect("made");
    fs::write(&file, "new").expect("written");
    next(&mut changes).await;
    // And the new directory is watched from then on.
    for round in 0..3 {
        fs::write(&file, format!("round {round}")).expect("written");
        next(&mut changes).await;
    }
}

#[tokio::test]
async fn a_file_written_in_pieces_is_reported_whole() {
    for (kernel_events, poll) in SENSES {
        let directory = tempfile::tempdir().expect("temp");
        let file = directory.path().join("conf.toml");
        let (_watch, mut changes) =
            Watch::start_with([file.clone()], timing(poll), kernel_events).expect("a thread");
        let mut writer = fs::File::create(&file).expect("created");
        for _ in 0..5 {
            writer.write_all(b"piece,").expect("written");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        writer.write_all(b"end").expect("written");
        drop(writer);
        loop {
            next(&mut changes).await;
            if fs::read(&file).expect("read").ends_with(b"end") {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_never_rests_is_reported_all_the_same_and_once_more_at_rest() {
    let directory = tempfile::tempdir().expect("temp");
    let file = directory.path().join("conf.toml");
    let (_watch, mut changes) = Watch::start_with([file.clone()], timing(FOREVER), true).expect("a thread");
    let restless = tokio::spawn({
        let file = file.clone();
        async move {
            for n in 0_u64.. {
                fs::write(&file, n.to_string()).expect("written");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    next(&mut changes).await;
    next(&mut changes).await;
    restless.abort();
    let _ = restless.await;
    fs::write(&file, "the end").expect("written");
    next(&mut changes).await;
    while tokio::time::timeout(SILENCE, changes.next()).await.is_ok() {}
    fs::write(&file, "the END").expect("written"); // As long as before.
    next(&mut changes).await;
}

#[tokio::test]
async fn the_set_of_files_can_be_replaced() {
    for (kernel_events, poll) in SENSES {
        let directory = tempfile::tempdir().expect("temp");
        let [one, two] = ["one", "two"].map(|name| directory.path().join("sub").join(name));
        fs::create_dir(directory.path().join("sub")).expect("made");
        let (watch, mut changes) =
            Watch::start_with([one.clone()], timing(poll), kernel_events).expect("a thread");
        watch.set_files([two.clone()]);
        check_silence(&mut changes).await;
        fs::write(&one, "nobody cares").expect("written");
        check_silence(&mut changes).await;
        fs::write(&two, "new").expect("written");
        assert_eq!(next(&mut changes).await.files, BTreeSet::from([two]));
    }
}

#[tokio::test]
async fn a_nudge_is_reported_at_once_and_many_are_one() {
    let (watch, mut changes) = Watch::start([], timing(FOREVER)).expect("a thread");
    for _ in 0..100 {
        watch.nudge();
    }
    assert_eq!(next(&mut changes).await, Changed { files: BTreeSet::new(), asked: true });
    check_silence(&mut changes).await;
}

#[tokio::test]
async fn the_end_of_the_watch_is_the_end_of_its_changes() {
    let (watch, mut changes) = Watch::start([], timing(FOREVER)).expect("a thread");
    let reader = tokio::spawn(async move { changes.next().await });
    drop(watch);
    let last = tokio::time::timeout(AMPLE, reader).await.expect("it ends").expect("no panic");
    assert_eq!(last, None);
}

#[tokio::test]
async fn a_crowded_directory_loses_no_change() {
    let directory = tempfile::tempdir().expect("temp");
    let file = directory.path().join("conf.toml");
    let (_watch, mut changes) = Watch::start_with([file.clone()], timing(FOREVER), true).expect("a thread");
    for n in 0..2_000 {
        fs::write(directory.path().join(format!("neighbour-{}", n % 50)), "noise").expect("written");
    }
    fs::write(&file, "new").expect("written");
    for n in 0..2_000 {
        fs::write(directory.path().join(format!("neighbour-{}", n % 50)), "noise").expect("written");
    }
    assert_eq!(next(&mut changes).await.files, BTreeSet::from([file]));
}

#[test]
fn a_name_that_turns_in_circles_is_nothing() {
    let directory = tempfile::tempdir().expect("temp");
    let [one, two] = ["one", "two"].map(|name| directory.path().join(name));
    symlink(&two, &one).expect("linked");
    symlink(&one, &two).expect("linked");
    let trail = trail::walk(&one);
    assert!(matches!(trail.sight, trail::Sight::Nothing(_)), "{trail:?}");
    assert_eq!(trail.lookups, BTreeSet::from([one, two]));
}

#[test]
fn a_walk_turns_where_the_kernel_turns() {
    let directory = tempfile::tempdir().expect("temp");
    let root = fs::canonicalize(directory.path()).expect("there");
    config_map(&root);
    symlink("../..", root.join("..1/up")).expect("linked");
    let name = root.file_name().expect("a name");
    for path in ["conf.toml", "..data/conf.toml", "./..2/../conf.toml"]
        .map(|path| root.join(path))
        .into_iter()
        .chain([root.join("..data/up").join(name).join("conf.toml")])
    {
        let trail = trail::walk(&path);
        let trail::Sight::There { resolved, .. } = &trail.sight else { panic!("{trail:?}") };
        assert_eq!(*resolved, fs::canonicalize(&path).expect("there"), "{}", path.display());
        assert!(trail.lookups.contains(&root.join("..data")), "{trail:?}");
    }
}
