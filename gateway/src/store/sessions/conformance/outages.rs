//! What the store on NATS does while the server is out, and when it comes back.

use super::server::Server;
use super::*;
use crate::clock;
use mcphub_session::record::RecordError;

async fn put(records: &Records, number: u64, stay: u32) -> Revision {
    let found = records.get(key(number)).await.expect("readable");
    let of = found.map_or(Revision::NONE, |found| found.revision);
    records.write(key(number), of, &live(stay, "a")).await.expect("a write")
}

async fn ready(records: &Records) {
    assert!(records.known(PATIENCE).await, "{records:?}");
}

/// Waits until it is known that the server is out.
async fn out(records: &Records) {
    let look = async {
        while !matches!(records.condition(), StoreCondition::Unreachable { .. }) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("it is noticed");
}

fn unreachable<T: fmt::Debug>(result: Result<T, StoreError>) -> bool {
    match result {
        Err(StoreError::Unreachable { may_be_written, .. }) => may_be_written,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_and_everything_heals() {
    let mut server = Server::start();
    let (one, two) = (server.records().await, server.records().await);
    let mut changes = two.watch();
    let mut last = std::collections::BTreeMap::new();
    for round in 1..=3 {
        // Writers who are not told to stop.
        let writers: Vec<_> = (0..8)
            .map(|number| {
                let records = one.clone();
                tokio::spawn(async move {
                    let mut last = None;
                    for stay in (round * 1_000_000).. {
                        let of = match records.latest(key(number)).await {
                            Ok(found) => found.map_or(Revision::NONE, |found| found.revision),
                            Err(_) => return last,
                        };
                        match records.write(key(number), of, &live(stay, "a")).await {
                            Ok(revision) => last = Some((stay, revision)),
                            Err(_) => return last,
                        }
                    }
                    last
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.kill();
        for (number, writer) in (0..).zip(writers) {
            let acknowledged = writer.await.expect("no panic").expect("some writes were acknowledged");
            last.insert(number, acknowledged);
        }
        out(&one).await;
        out(&two).await;
        // What was known can be read, and nothing can be written, which is said at once.
        let begun = clock::instant();
        for (number, (stay, _)) in &last {
            let found = one.get(key(*number)).await.expect("readable").expect("known");
            assert!(found.record.live().expect("alive").stay.number >= *stay);
            assert!(!unreachable(one.write(key(*number), found.revision, &live(1, "b")).await));
            assert!(!unreachable(two.end(key(*number), ending(Ended::ByClient)).await));
            assert!(!unreachable(two.latest(key(*number)).await));
        }
        assert_eq!(one.get(key(777)).await.expect("all was known here"), None);
        assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());

        server.revive();
        ready(&one).await;
        ready(&two).await;
        for (number, (stay, revision)) in &last {
            let found = one.latest(key(*number)).await.expect("readable").expect("kept");
            let there = found.record.live().expect("alive").stay.number;
            // One more may have been written, but not acknowledged.
            assert!(found.revision == *revision || there == stay + 1, "{number}: {stay}, {there}");
            assert_eq!(seen(&two, key(*number), found.revision).await, found, "the mirror was read anew");
            put(&two, *number, round * 1_000_000 + 900_000).await;
        }
    }
    // The watcher has been told to begin again, and knows how it ended.
    let (mut begun, mut complete, mut known) = (0, 0, std::collections::BTreeMap::new());
    while begun != complete || begun == 0 || known.len() < 8 {
        match next(&mut changes).await {
            Change::Begin => (begun, known) = (begun + 1, std::collections::BTreeMap::new()),
            Change::Complete => complete += 1,
            Change::Record { key, found } => drop(known.insert(key, found)),
        }
    }
    quiet(&mut changes).await;
    for number in 0..8 {
        assert_eq!(one.latest(key(number)).await.expect("readable").as_ref(), Some(&known[&key(number)]));
    }
    assert_eq!(begun, 1, "it slept through all of it, and there is one present");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_gateway_that_starts_without_a_server_waits_for_it() {
    let mut server = Server::absent();
    let records = Records::nats(&server.settings());
    assert!(!records.known(Duration::from_millis(300)).await);
    assert!(matches!(records.condition(), StoreCondition::Unreachable { .. }), "{records:?}");
    // It cannot be said that there is none.
    assert!(!unreachable(records.get(key(1)).await));
    assert!(!unreachable(records.write(key(1), Revision::NONE, &live(1, "a")).await));
    let mut changes = records.watch();
    assert_eq!(next(&mut changes).await, Change::Begin);
    quiet(&mut changes).await;
    server.revive();
    ready(&records).await;
    let revision = put(&records, 1, 1).await;
    // The record may be told as one of those that there are, or as the first of the news.
    let (mut told, mut complete) = (None, false);
    while told.is_none() || !complete {
        match next(&mut changes).await {
            Change::Begin => (told, complete) = (None, false),
            Change::Complete => complete = true,
            Change::Record { key, found } => told = Some((key, found)),
        }
    }
    assert_eq!(told, Some((key(1), Found { record: live(1, "a"), revision })));
    assert_eq!(records.get(key(2)).await.expect("now it can be said"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_answers_nothing_leaves_the_outcome_open() {
    let server = Server::start();
    let (one, two) = (server.records().await, server.records().await);
    let of = put(&one, 1, 1).await;
    server.freeze();
    let begun = clock::instant();
    assert!(unreachable(one.write(key(1), of, &live(2, "b")).await), "it may have been written");
    assert!(begun.elapsed() < Duration::from_millis(1_900), "{:?}", begun.elapsed());
    assert!(matches!(one.condition(), StoreCondition::Unreachable { .. }), "{one:?}");
    assert_eq!(one.get(key(1)).await.expect("known here").expect("known").revision, of);
    assert!(!unreachable(one.latest(key(1)).await), "to ask writes nothing");
    server.thaw();
    ready(&one).await;
    ready(&two).await;
    // The next who asks knows: it was either of the two.
    let found = two.latest(key(1)).await.expect("readable").expect("kept");
    assert!(found.record == live(2, "b") || found.revision == of, "{found:?}");
    assert_eq!(one.latest(key(1)).await.expect("readable"), Some(found.clone()));
    one.write(key(1), found.revision, &live(3, "c")).await.expect("it goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_gateways_one_wins() {
    let server = Server::start();
    let mut gateways = Vec::new();
    for _ in 0..8 {
        gateways.push(server.records().await);
    }
    let mut of = Revision::NONE;
    for stay in 1..=20 {
        let writers: Vec<_> = gateways
            .iter()
            .enumerate()
            .map(|(number, records)| {
                let (records, record) = (records.clone(), live(stay, &format!("hub-{number}")));
                tokio::spawn(async move { records.write(key(1), of, &record).await })
            })
            .collect();
        let mut won = Vec::new();
        for writer in writers {
            match writer.await.expect("no panic") {
                Ok(revision) => won.push(revision),
                lost => drop(conflict(lost)),
            }
        }
        assert_eq!(won.len(), 1);
        of = won[0];
    }
    for records in &gateways {
        seen(records, key(1), of).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_others_leave_in_the_bucket_is_understood_or_left_alone() {
    let server = Server::start();
    let records = server.records().await;
    let bucket = server.bucket().await;
    // An operator removes a key by hand: a marker stays, and there is no record.
    let revision = put(&records, 1, 1).await;
    bucket.delete(key(1).to_string()).await.expect("allowed");
    let gone = async {
        while records.get(key(1)).await.expect("readable").is_some() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it arrives");
    assert_eq!(conflict(records.write(key(1), revision, &live(2, "a")).await), None);
    put(&records, 1, 3).await;
    // A record of a later version.
    let later = format!(r#"{{"schema":2,"expires_at":{NOW},"colour":"blue"}}"#);
    let at = bucket.put(key(2).to_string(), later.clone().into()).await.expect("room");
    for of in [Revision(at), Revision::NONE] {
        let refused = records.write(key(2), of, &live(1, "a")).await;
        assert!(matches!(refused, Err(StoreError::Record(RecordError::Newer(2)))), "{refused:?}");
    }
    assert!(matches!(records.get(key(2)).await, Err(StoreError::Record(RecordError::Newer(2)))));
    assert_eq!(bucket.get(key(2).to_string()).await.expect("readable").expect("kept"), later.as_bytes());
    assert_eq!(records.sweep(NOW + 1).await.expect("a sweep"), 1);
    assert_eq!(bucket.get(key(2).to_string()).await.expect("readable"), None);
    // Something that is none of ours.
    bucket.put("note.to.self", "hello".into()).await.expect("room");
    put(&records, 3, 1).await;
    assert_eq!(records.condition(), StoreCondition::Ready);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bucket_that_is_full_says_so() {
    let server = Server::start();
    let client = async_nats::connect(&server.settings().urls[0]).await.expect("it answers");
    let bucket = server.settings().bucket;
    let config = async_nats::jetstream::stream::Config {
        name: format!("KV_{bucket}"),
        subjects: vec![format!("$KV.{bucket}.>")],
        max_messages_per_subject: 1,
        max_bytes: 4_096,
        discard: async_nats::jetstream::stream::DiscardPolicy::New,
        ..Default::default()
    };
    async_nats::jetstream::new(client).create_stream(config).await.expect("a bucket");
    let records = server.records().await;
    let mut written = 0;
    let refused = loop {
        match records.write(key(written), Revision::NONE, &live(1, "a")).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 100);
    };
    assert!(matches!(refused, StoreError::Full { .. }), "{refused:?}");
    assert_eq!(records.condition(), StoreCondition::Ready, "it answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn credentials_come_from_a_file_and_are_never_told() {
    for (arguments, right, wrong) in [
        (vec!["--user", "edge", "--pass", "s3:cret"], "edge:s3:cret\n", "edge:hunter2\n"),
        (vec!["--auth", "s3cret"], "s3cret", "hunter2"),
    ] {
        let server = Server::start_with(&arguments);
        let settings = server.credentials(wrong);
        let records = Records::nats(&settings);
        assert!(!records.known(Duration::from_millis(500)).await);
        let StoreCondition::Unreachable { why } = records.condition() else { panic!("{records:?}") };
        assert!(!why.contains("hunter2") && why.contains("authorization"), "{why}");
        // Mended while it runs.
        server.credentials(right);
        ready(&records).await;
        put(&records, 1, 1).await;
    }
    let server = Server::start();
    let settings = NatsSettings { credentials_file: Some("/nowhere/login".into()), ..server.settings() };
    let records = Records::nats(&settings);
    assert!(!records.known(Duration::from_millis(300)).await);
    assert!(format!("{records:?}").contains("/nowhere/login"), "{records:?}");
}

/// How long a writer waits for the server, and how long until another gateway knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writes_and_news_are_measured() {
    let server = Server::start();
    let (one, two) = (server.records().await, server.records().await);
    let (mut wrote, mut heard) = (Vec::new(), Vec::new());
    let mut changes = two.watch();
    while next(&mut changes).await != Change::Complete {}
    for number in 0..300 {
        let begun = clock::instant();
        put(&one, number, 1).await;
        wrote.push(begun.elapsed());
        assert!(matches!(next(&mut changes).await, Change::Record { .. }));
        heard.push(begun.elapsed());
    }
    for (what, mut took) in [("a write", wrote), ("news at another gateway", heard)] {
        took.sort();
        println!("{what}: p50 {:?}, p99 {:?}", took[took.len() / 2], took[took.len() * 99 / 100]);
    }
}
