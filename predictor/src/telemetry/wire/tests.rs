//! Does every past come back as it was, and is everything else refused?

use super::*;
use crate::telemetry::{Marks, Missing, Sample};
use proptest::prelude::*;

/// A past of so many periods, from a seed: signals that wander, some unknown, with gaps and episodes.
fn history(periods: u64, seed: u64) -> History {
    let mut history = History::default();
    let mut state = seed;
    let mut lot = |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    let mut levels = [100.0f32; SIGNALS];
    let mut end = 1_795_000_000;
    for _ in 0..periods {
        let mut sample = Sample::UNKNOWN;
        for (signal, level) in Signal::ALL.into_iter().zip(&mut levels) {
            *level *= 0.9 + lot(20) as f32 / 100.0;
            if signal != Signal::Cpu && lot(50) > 0 {
                sample.set(signal, *level);
            }
        }
        let missing = if lot(40) == 0 { lot(30) } else { 0 };
        end += 15 * (missing + 1);
        history.push(Missing::Counted(missing), &sample, end);
        if lot(60) == 0 {
            let marks = Marks { acted: lot(2) == 0, restarted: lot(2) == 0, common: lot(2) == 0 };
            history.episodes_mut().fail((end - 15, end), marks);
            if lot(2) == 0 {
                history.episodes_mut().classify(FailureType::Known(Kind::Network));
            }
        }
    }
    if lot(2) == 0 {
        history.restart(end);
    }
    history
}

/// The same bytes with a check sum that is right.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let body = bytes.len() - SUM;
    let sum = crc32fast::hash(&bytes[..body]);
    bytes[body..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[test]
fn a_past_comes_back_as_it_was() {
    for (periods, seed) in [(0, 1), (1, 2), (479, 3), (481, 4), (3_000, 5), (7_000, 6)] {
        let history = history(periods, seed);
        let bytes = history.to_bytes(seed);
        assert_eq!(History::from_bytes(&bytes), Ok((seed, history)), "{periods} periods");
        println!("{periods} periods take {} bytes", bytes.len());
    }
}

#[test]
fn bytes_are_bounded_even_if_nothing_is_alike() {
    let mut history = History::default();
    for n in 0..6_000u64 {
        let values =
            std::array::from_fn(|signal| if (n / 4 + signal as u64).is_multiple_of(2) { 1e-3 } else { 2e5 });
        history.push(Missing::Counted(0), &Sample::new(values), 15 * n);
    }
    (0..600).for_each(|n| history.episodes_mut().fail((n * 1_000, n * 1_000 + 15), Marks::default()));
    let bytes = history.to_bytes(7);
    assert!(bytes.len() <= BYTES_MAX, "{} of {BYTES_MAX}", bytes.len());
    assert!(bytes.len() > BYTES_MAX * 8 / 10, "the worst case is near the bound: {}", bytes.len());
    assert_eq!(History::from_bytes(&bytes), Ok((7, history.clone())));
    let total = history.bytes() + BYTES_MAX;
    println!("in memory {}, written at most {BYTES_MAX}, together {total}", history.bytes());
    assert!(total <= 128 * 1024, "a hub has 128 KiB, its bytes in the store included");
}

#[test]
fn the_bytes_of_version_1_stay_readable() {
    let mut history = History::default();
    let mut sample = Sample::UNKNOWN;
    sample.set(Signal::ProbeMs, 1.0);
    history.push(Missing::Counted(0), &sample, 600);
    history.episodes_mut().fail((585, 600), Marks { restarted: true, ..Marks::default() });
    history.episodes_mut().classify(FailureType::Known(Kind::Software));
    let bytes = history.to_bytes(0x0102);
    let mut expected = b"MCHT\x01".to_vec();
    expected.extend([2, 1, 0, 0, 0, 0, 0, 0, 0x58, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // One period was sampled.
    expected.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([0, 0, 1, 0, 1, 0, 0x49, 2, 0, 0, 0, 0, 0, 0, 0x58, 2, 0, 0, 0, 0, 0, 0, 2, 2]);
    // 1.0 has code 14 · 2,048.
    expected.extend([PLAIN, 0x00, 0x70]);
    expected.extend([UNKNOWN; SIGNALS - 1]);
    assert_eq!(bytes[..bytes.len() - SUM], expected);
}

#[test]
fn foreign_and_later_bytes_are_told_apart() {
    let bytes = history(10, 1).to_bytes(0);
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        History::from_bytes(&sealed(bytes)).map(drop)
    };
    assert_eq!(with(0, b'x'), Err(WireError::Foreign));
    assert_eq!(with(4, 2), Err(WireError::Version(2)));
    assert_eq!(with(4, 0), Err(WireError::Part("version")));
    assert_eq!(with(38, 0xFF), Err(WireError::Part("number of samples")));
    assert_eq!(with(42, 0xFF), Err(WireError::Part("number of episodes")));
    assert_eq!(with(41, 0xFF), Err(WireError::Part("episode")));
    assert_eq!(with(HEAD, 9), Err(WireError::Part("probe_ms")));
    assert_eq!(History::from_bytes(&[]), Err(WireError::CheckSum));
    assert_eq!(History::from_bytes(&vec![b'M'; BYTES_MAX + 1]), Err(WireError::Foreign));
    let mut longer = bytes.clone();
    longer.insert(bytes.len() - SUM, 0);
    assert_eq!(History::from_bytes(&sealed(longer)), Err(WireError::Part("length")));
}

#[test]
fn no_cut_is_mistaken_for_a_whole() {
    let bytes = history(200, 3).to_bytes(0);
    for length in 0..bytes.len() {
        assert!(History::from_bytes(&bytes[..length]).is_err(), "{length}");
        if length >= HEAD {
            let cut = sealed(bytes[..length].to_vec());
            assert!(History::from_bytes(&cut).is_err(), "{length}, with a check sum");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_was_pushed_comes_back(periods in 0u64..1_500, seed: u64) {
        let history = history(periods, seed);
        let bytes = history.to_bytes(seed);
        prop_assert!(bytes.len() <= BYTES_MAX);
        prop_assert_eq!(History::from_bytes(&bytes), Ok((seed, history)));
    }

    #[test]
    fn a_byte_that_rots_is_noticed(at: prop::sample::Index, with in 1u8.., seed in 0u64..9) {
        let mut bytes = history(100, seed).to_bytes(0);
        let at = at.index(bytes.len());
        bytes[at] ^= with;
        prop_assert!(History::from_bytes(&bytes).is_err());
    }

    #[test]
    fn behind_a_right_check_sum_only_sound_pasts_are_read(
        at: prop::sample::Index, with in 1u8.., seed in 0u64..9,
    ) {
        let mut bytes = history(600, seed).to_bytes(0);
        let at = at.index(bytes.len() - SUM);
        bytes[at] ^= with;
        if let Ok((origin, read)) = History::from_bytes(&sealed(bytes)) {
            let again = read.to_bytes(origin);
            prop_assert!(read.samples().len() <= COARSE_MAX + FINE_MAX);
            prop_assert_eq!(History::from_bytes(&again), Ok((origin, read)));
        }
    }

    #[test]
    fn strangers_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), SUM..400)) {
        let with_head = [b"MCHT\x01".to_vec(), bytes.clone()].concat();
        let _ = (History::from_bytes(&bytes), History::from_bytes(&sealed(with_head)));
    }
}
