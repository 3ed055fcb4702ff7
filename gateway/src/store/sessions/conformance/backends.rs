//! Which stores are there, and which checks does each of them pass? All of them.

use super::server::Server;
use super::*;

/// A test per check, for one backend.
macro_rules! conformance {
    ($backend:ident) => {
        conformance! { $backend:
            a_write_can_be_read
            a_write_of_something_else_loses_and_is_told_what_is_there
            of_twenty_writers_one_wins
            of_twenty_first_writers_one_wins
            a_tombstone_is_final
            an_end_wins_over_any_number_of_writers
            a_watcher_is_told_everything_once
            a_slow_watcher_is_told_the_last_writing_only
            a_watcher_that_gives_up_waiting_misses_nothing
            what_is_over_is_swept_and_nothing_else
            what_cannot_be_written_down_is_refused
        }
    };
    ($backend:ident: $($check:ident)*) => {
        mod $backend {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $check() {
                    let place = super::$backend().await;
                    super::checks::$check(&place.one, &place.two).await;
                }
            )*
        }
    };
}

conformance!(memory);
conformance!(embedded);
conformance!(embedded_reopened);
conformance!(embedded_without_a_disk);
conformance!(nats);

/// Two gateways, each with a connection of its own.
async fn nats() -> Place {
    let server = Server::start();
    let (one, two) = (server.records().await, server.records().await);
    Place { one, two, _around: Box::new(server) }
}

async fn memory() -> Place {
    let one = Records::in_memory();
    Place { two: one.clone(), one, _around: Box::new(()) }
}

/// A store whose file is open.
async fn opened(directory: &std::path::Path) -> Records {
    let store = Store::open(directory);
    assert!(store.loaded(PATIENCE).await, "{store:?}");
    Records::embedded(&store)
}

async fn embedded() -> Place {
    let directory = tempfile::tempdir().expect("a directory");
    let one = opened(directory.path()).await;
    Place { two: one.clone(), one, _around: Box::new(directory) }
}

/// On a file that has been in use before.
async fn embedded_reopened() -> Place {
    let directory = tempfile::tempdir().expect("a directory");
    {
        let before = opened(directory.path()).await;
        before.write(key(u64::MAX), Revision::NONE, &live(1, "a")).await.expect("a write");
        let over = NOW + 1_000_000;
        assert_eq!(before.sweep(over).await.expect("a sweep"), 1);
    }
    let one = opened(directory.path()).await;
    Place { two: one.clone(), one, _around: Box::new(directory) }
}

/// On a file that has been let go of: everything is decided in memory, at once.
async fn embedded_without_a_disk() -> Place {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path());
    assert!(store.loaded(PATIENCE).await && store.release(PATIENCE).await, "{store:?}");
    let one = Records::embedded(&store);
    Place { two: one.clone(), one, _around: Box::new(directory) }
}
