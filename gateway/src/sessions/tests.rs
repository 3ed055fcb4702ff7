//! Counting, idling, ending, forgetting.

use super::*;
use mcphub_session::{Bind, KeyRing, Sealer, SecretKey};

const IDLE: Duration = Duration::from_secs(60);
const AT_ONCE: Duration = Duration::ZERO;
const THOROUGH: Duration = Duration::from_secs(3600);

/// The `n`-th session. Their first random bytes differ, as those of real ones do.
pub(super) fn session(n: u64) -> SessionKey {
    let secret = SecretKey::from_bytes(std::array::from_fn(|at| at as u8)).expect("32 different bytes");
    let keys = KeyRing::new(&[secret]).expect("one key");
    let mut nonce = [0; 12];
    nonce[0] = n as u8;
    nonce[4..].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    Sealer::new(keys, Bind::None, THOROUGH).name(&nonce)
}

pub(super) fn hub(name: &str) -> HubId {
    HubId::new(name).expect("a hub id")
}

/// So many seconds after the moment that the process calls its beginning.
fn at(seconds: u64) -> Duration {
    clock::HEAD_START + Duration::from_secs(seconds)
}

/// What a hub's count says: sessions, busy ones.
fn check(sessions: &Sessions, name: &str, expected: (u64, u64)) {
    let pins = sessions.pins_of(&hub(name));
    assert_eq!((pins.sessions(), pins.busy()), expected, "{name}");
}

#[test]
fn sessions_are_counted_by_hub_from_first_sight_to_their_end() {
    let sessions = Sessions::default();
    let kept = sessions.pins_of(&hub("a"));
    sessions.open(session(1), &hub("a"), at(0));
    sessions.enter(&session(2), "a", at(0), IDLE).expect("a session from before our time");
    sessions.enter(&session(2), "a", at(1), IDLE).expect("seen already");
    sessions.touch(&session(3), "b", at(1), IDLE).expect("a session from before our time");
    check(&sessions, "a", (2, 0));
    check(&sessions, "b", (1, 0));
    assert_eq!(kept.sessions(), 2, "the count that was handed out is the count");
    sessions.end(&session(1));
    sessions.end(&session(1));
    sessions.end(&session(9));
    check(&sessions, "a", (1, 0));
    let hubs: Vec<_> = sessions.pins().into_iter().map(|(hub, pins)| (hub, pins.sessions())).collect();
    assert_eq!(hubs, [(hub("a"), 1), (hub("b"), 1)]);
}

#[test]
fn a_session_is_busy_while_a_request_is_in_flight_and_not_for_a_stream() {
    let sessions = Sessions::default();
    let first = sessions.enter(&session(1), "a", at(0), IDLE).expect("new");
    let second = sessions.enter(&session(1), "a", at(0), IDLE).expect("known");
    sessions.touch(&session(2), "a", at(0), IDLE).expect("new");
    check(&sessions, "a", (2, 1));
    drop(first);
    check(&sessions, "a", (2, 1));
    drop(second);
    check(&sessions, "a", (2, 0));
    // A request may outlive its session.
    let last = sessions.enter(&session(1), "a", at(0), IDLE).expect("known");
    sessions.end(&session(1));
    check(&sessions, "a", (1, 1));
    drop(last);
    check(&sessions, "a", (1, 0));
}

#[test]
fn what_is_over_stays_over() {
    let sessions = Sessions::default();
    sessions.open(session(1), &hub("a"), at(0));
    sessions.end(&session(1));
    sessions.end(&session(2));
    for n in [1, 2] {
        assert_eq!(sessions.enter(&session(n), "a", at(1), IDLE).err(), Some(Over::Ended));
        assert_eq!(sessions.touch(&session(n), "a", at(1), IDLE), Err(Over::Ended));
    }
    check(&sessions, "a", (0, 0));
}

#[test]
fn a_session_that_was_idle_for_too_long_is_over() {
    let sessions = Sessions::default();
    sessions.open(session(1), &hub("a"), at(0));
    assert_eq!(sessions.touch(&session(1), "a", at(60), IDLE), Ok(()), "as long as is allowed");
    assert_eq!(sessions.touch(&session(1), "a", at(120), IDLE), Ok(()), "every use begins it anew");
    assert_eq!(sessions.touch(&session(1), "a", at(181), IDLE), Err(Over::Idle));
    assert_eq!(sessions.touch(&session(1), "a", at(181), THOROUGH), Err(Over::Ended), "for good");
    check(&sessions, "a", (0, 0));
}

#[test]
fn where_sessions_are_shared_idle_ones_are_forgotten_and_not_ended() {
    let sessions = Sessions::default();
    sessions.share();
    for n in 1..=2 {
        sessions.open(session(n), &hub("a"), at(0));
    }
    assert_eq!(sessions.find(&session(1), at(61), IDLE).map(|found| found.is_some()), Ok(false));
    assert_eq!(sessions.sweep(at(61), IDLE, THOROUGH), 1);
    check(&sessions, "a", (0, 0));
    for n in 1..=2 {
        assert!(!sessions.is_over(&session(n)));
        assert_eq!(sessions.touch(&session(n), "b", at(61), IDLE), Ok(()), "its client is back");
    }
    check(&sessions, "b", (2, 0));
    sessions.end(&session(1));
    assert_eq!(sessions.touch(&session(1), "b", at(62), IDLE), Err(Over::Ended), "an end is an end");
}

#[test]
fn a_session_is_not_idle_while_a_request_is_in_flight() {
    let sessions = Sessions::default();
    let busy = sessions.enter(&session(1), "a", at(0), IDLE).expect("new");
    assert_eq!(sessions.sweep(at(9_000), IDLE, THOROUGH), 0);
    assert_eq!(sessions.touch(&session(1), "a", at(9_000), IDLE), Ok(()));
    // Its idle time begins with the end of the request, which is now.
    let now = clock::since_start();
    drop(busy);
    assert_eq!(sessions.sweep(now + IDLE, IDLE, THOROUGH), 0);
    assert_eq!(sessions.sweep(now + IDLE * 2, IDLE, THOROUGH), 1);
}

#[test]
fn a_sweep_ends_what_is_idle_and_goes_on_where_the_last_one_stopped() {
    let sessions = Sessions::default();
    for n in 0..1_000 {
        sessions.open(session(n), &hub("a"), at(if n % 2 == 0 { 0 } else { 50 }));
    }
    let first = sessions.sweep(at(61), IDLE, AT_ONCE);
    assert!(first <= 4, "one part has four that are idle, or none: {first}");
    let rest: usize = (1..SHARDS).map(|_| sessions.sweep(at(61), IDLE, AT_ONCE)).sum();
    assert_eq!(first + rest, 500);
    check(&sessions, "a", (500, 0));
    assert_eq!(sessions.touch(&session(0), "a", at(61), IDLE), Err(Over::Ended));
    assert_eq!(sessions.touch(&session(1), "a", at(61), IDLE), Ok(()));
}

#[test]
fn the_least_recently_used_are_forgotten_first_and_may_come_back() {
    // 32 in each part; forgotten two at a time.
    let sessions = Sessions::with_bounds(32 * SHARDS, SHARDS);
    // All of one part: the first random byte is the same.
    let of_one_part = |n: u64| session(n * 256);
    let busy = sessions.enter(&of_one_part(0), "a", at(0), THOROUGH).expect("new");
    for n in 1..32 {
        sessions.open(of_one_part(n), &hub("a"), at(n));
    }
    sessions.touch(&of_one_part(1), "a", at(40), THOROUGH).expect("known");
    check(&sessions, "a", (32, 1));
    sessions.open(of_one_part(32), &hub("b"), at(41));
    check(&sessions, "a", (30, 1));
    let knows = |n| sessions.shard(&of_one_part(n)).read().live.contains_key(&of_one_part(n));
    assert!([0, 1, 4, 31, 32].into_iter().all(knows), "busy, used lately, or newer");
    assert!(!knows(2) && !knows(3), "the oldest");
    sessions.touch(&of_one_part(2), "a", at(42), THOROUGH).expect("forgotten is not ended");
    check(&sessions, "a", (31, 1));
    drop(busy);
}

#[test]
fn many_of_one_age_are_not_all_forgotten_at_once() {
    let sessions = Sessions::with_bounds(32 * SHARDS, SHARDS);
    for n in 0..33 {
        sessions.open(session(n * 256), &hub("a"), at(0));
    }
    check(&sessions, "a", (31, 0));
}

#[test]
fn the_memory_of_what_is_over_is_bounded() {
    let sessions = Sessions::with_bounds(SHARDS, 2 * SHARDS);
    for n in 0..3 {
        sessions.end(&session(n * 256));
    }
    assert_eq!(sessions.touch(&session(0), "a", at(0), IDLE), Ok(()), "forgotten");
    assert_eq!(sessions.touch(&session(256), "a", at(0), IDLE), Err(Over::Ended));
    assert_eq!(sessions.touch(&session(512), "a", at(0), IDLE), Err(Over::Ended));
}

#[test]
fn counts_are_right_after_many_hands() {
    let sessions = Sessions::with_bounds(40 * SHARDS, 10 * SHARDS);
    std::thread::scope(|scope| {
        for hand in 0..4_u64 {
            let sessions = &sessions;
            scope.spawn(move || {
                for step in 0..20_000_u64 {
                    let n = (step * 7919 + hand * 31) % 20_000;
                    let name = if n % 3 == 0 { "a" } else { "b" };
                    let busy = sessions.enter(&session_fast(n), name, at(step / 500), THOROUGH);
                    if step % 5 == hand {
                        sessions.end(&session_fast(n));
                    }
                    drop(busy);
                    if step % 5_000 == 0 {
                        sessions.sweep(at(step / 500), Duration::from_secs(20), AT_ONCE);
                    }
                }
            });
        }
    });
    let live: usize = sessions.shards.iter().map(|shard| shard.read().live.len()).sum();
    let (a, b) = (sessions.pins_of(&hub("a")), sessions.pins_of(&hub("b")));
    assert_eq!(a.sessions() + b.sessions(), live as u64);
    assert_eq!(a.busy() + b.busy(), 0);
    assert!(live > 0 && live <= 40 * SHARDS, "{live}");
}

/// [`session`], with the sealer made once.
fn session_fast(n: u64) -> SessionKey {
    static KEYS: std::sync::OnceLock<Vec<SessionKey>> = std::sync::OnceLock::new();
    KEYS.get_or_init(|| (0..20_000).map(session).collect())[usize::try_from(n).expect("small")]
}
