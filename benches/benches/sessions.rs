//! What does it cost to know which sessions are here: once per request, and once per second?

// `criterion_group!` makes public functions.
#![allow(missing_docs)]

mod cpu_time;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use mcphub_gateway::clock;
use mcphub_gateway::sessions::Sessions;
use mcphub_routing::HubId;
use mcphub_session::{Bind, KeyRing, Sealer, SecretKey, SessionKey};

use crate::cpu_time::CpuTime;

const IDLE_AGE: Duration = Duration::from_secs(24 * 3600);

/// Keys as random as real ones: a fixed mixture of a counter.
fn keys(count: u64) -> Vec<SessionKey> {
    let secret = SecretKey::from_bytes(std::array::from_fn(|at| at as u8)).expect("a key");
    let sealer = Sealer::new(KeyRing::new(&[secret]).expect("a ring"), Bind::None, IDLE_AGE);
    let mixed = |n: u64| {
        let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    };
    let key = |n: u64| {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&mixed(2 * n).to_le_bytes());
        nonce[8..].copy_from_slice(&mixed(2 * n + 1).to_le_bytes()[..4]);
        sealer.name(&nonce)
    };
    (0..count).map(key).collect()
}

fn filled(keys: &[SessionKey], hub: &HubId, now: Duration) -> Sessions {
    let sessions = Sessions::default();
    for key in keys {
        sessions.open(*key, hub, now);
    }
    sessions
}

fn benches(criterion: &mut Criterion<CpuTime>) {
    let hub = HubId::new("eu-central-1").expect("an id");
    let now = clock::since_start();
    for others in [0, 1_000, 100_000, 1_000_000] {
        let known = keys(others + 1);
        let sessions = filled(&known, &hub, now);
        // In turn, so that a request does not find its session in the cache because it was the last one's too.
        let mut turn = 0;
        let mut next = || {
            turn = (turn + 7_919) % known.len();
            &known[turn]
        };
        criterion.bench_function(&format!("request within a session, {others} others"), |bencher| {
            bencher.iter(|| drop(black_box(sessions.enter(next(), "eu-central-1", now, IDLE_AGE))));
        });
        criterion.bench_function(&format!("stream of a session, {others} others"), |bencher| {
            bencher.iter(|| black_box(sessions.touch(next(), "eu-central-1", now, IDLE_AGE)));
        });
        criterion.bench_function(&format!("sweep of all, {others} others"), |bencher| {
            bencher.iter(|| black_box(sessions.sweep(now, IDLE_AGE, IDLE_AGE)));
        });
    }
    let many = keys(100_000);
    criterion.bench_function("open and end, 100000 others", |bencher| {
        let sessions = filled(&many[1..], &hub, now);
        bencher.iter(|| {
            sessions.open(many[0], &hub, now);
            sessions.end(&many[0]);
        });
    });
    criterion.bench_function("open one session of a new million", |bencher| {
        let sessions = Sessions::default();
        let mut fresh = many.iter().cycle();
        bencher.iter_batched(
            || *fresh.next().expect("a cycle"),
            |key| sessions.open(key, &hub, now),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("look at the clock", |bencher| bencher.iter(clock::since_start));
}

criterion_group! {
    name = sessions;
    config = cpu_time::criterion();
    targets = benches
}
criterion_main!(sessions);
