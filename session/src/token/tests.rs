use super::*;
use crate::{INIT_PARAMS_MAX, InitParams, SecretKey, UPSTREAM_ID_MAX, UpstreamId};
use proptest::prelude::*;

const NOW: u64 = 1_800_000_000;
const AGE_MAX: u64 = 30 * 24 * 3600;
const NONCE: Nonce = *b"twelve bytes";

fn secret(salt: u8) -> SecretKey {
    SecretKey::from_bytes(std::array::from_fn(|at| u8::try_from(at).unwrap() ^ salt)).unwrap()
}

fn sealer(salts: &[u8], bind: Bind) -> Sealer {
    let secrets: Vec<_> = salts.iter().copied().map(secret).collect();
    Sealer::new(KeyRing::new(&secrets).unwrap(), bind, Duration::from_secs(AGE_MAX))
}

fn claims() -> Claims<'static> {
    Claims {
        version: "2025-11-25",
        hub: "eu-central-1",
        upstream: UpstreamId::new(b"0a1b2c3d-0000-4000-8000-1234567890ab").unwrap(),
        place: "DE",
        residency: "eu-central+eu-west",
        init: InitParams::Inline(r#"{"protocolVersion":"2025-11-25","capabilities":{}}"#),
    }
}

fn sealed() -> String {
    sealer(&[1], Bind::Subject).seal(&claims(), Some(b"Bearer abc"), NOW, NONCE).unwrap()
}

/// What opening the token says, with `sealer` at `now` for the usual caller.
fn check(sealer: &Sealer, token: &[u8], now: u64, expected: Result<Claims<'_>, OpenError>) {
    let mut buffer = Vec::new();
    let opened = sealer.open(token, Some(b"Bearer abc"), now, &mut buffer);
    assert_eq!(opened.map(|opened| opened.claims), expected, "{}", String::from_utf8_lossy(token));
}

/// A session id handed out once must open for as long as it lives, whatever later versions do. If this test fails,
/// the format has changed: give it another version byte and go on reading this one.
#[test]
fn the_format_of_version_1_is_fixed() {
    let token = sealed();
    let expected = concat!(
        "AfZ6EYt0d2VsdmUgYnl0ZXOPehHyvZNRJtrQt9DGKT7Nokcp513-4D5qK1J0_K-ENH_WmzIaaA6vqe2S",
        "Z13H80QUPwhtv_M-xmv_w4iMAYZGGdj259fCN57n__1CCS15CoHEzeFp5jLP05xfE_6UPc7dzm-AQhyz",
        "gj8BDqXmMTgsrYZur95JN_-XeLfg0BTMhg4ed8t8RXP8jHX00ljnBLIDQWR-scambnyi_mZFEdBh3A2b",
        "lqnqx_F5JtPSLTysxAq73g",
    );
    assert_eq!(token, expected);
    check(&sealer(&[1], Bind::Subject), token.as_bytes(), NOW, Ok(claims()));
}

#[test]
fn everything_comes_back() {
    let sealer = sealer(&[1], Bind::Subject);
    let mut buffer = b"left over".to_vec();
    let token = sealed();
    let opened = sealer.open(token.as_bytes(), Some(b"Bearer abc"), NOW + 5, &mut buffer).unwrap();
    assert_eq!(opened.claims, claims());
    assert_eq!(opened.issued_at, NOW);
    assert_eq!(opened.bind, Bind::Subject);
    assert_eq!(Some(opened.key), sealer.keys().ids().next());
    assert!(opened.session.to_string().ends_with("7477656c7665206279746573"));
    assert!(token.bytes().all(|byte| byte.is_ascii_graphic()));
}

#[test]
fn what_a_connection_brings_again_is_the_same() {
    let (bound, token) = (sealer(&[1], Bind::Subject), sealed());
    let stored = Claims { init: InitParams::Stored, place: "", residency: "", ..claims() };
    let other = bound.seal(&stored, None, NOW + 1, *b"other nonces").unwrap();
    let mut last = LastOpened::default();
    for (token, caller) in [
        (&token, Some(&b"Bearer abc"[..])),
        (&token, Some(b"Bearer abc")),
        (&other, None),
        (&token, Some(b"Bearer abc")),
    ] {
        let mut buffer = Vec::new();
        let opened = bound.open(token.as_bytes(), caller, NOW + 9, &mut buffer).unwrap();
        assert_eq!(bound.open_again(token.as_bytes(), caller, NOW + 9, &mut last), Ok(opened));
    }
    assert!(!format!("{last:?}").contains("Bearer"));
}

#[test]
fn what_was_opened_once_is_refused_all_the_same() {
    let (bound, token) = (sealer(&[1], Bind::Subject), sealed());
    let mut last = LastOpened::default();
    let caller = Some(&b"Bearer abc"[..]);
    let mut again = |sealer: &Sealer, token: &[u8], caller: Option<&[u8]>, now| {
        let mut buffer = Vec::new();
        let found =
            sealer.open_again(token, caller, now, &mut last).map(|opened| opened.claims.hub.to_owned());
        let once = sealer.open(token, caller, now, &mut buffer).map(|opened| opened.claims.hub.to_owned());
        assert_eq!(found, once);
        found
    };
    assert!(again(&bound, token.as_bytes(), caller, NOW).is_ok());
    assert_eq!(again(&bound, token.as_bytes(), Some(b"Bearer xyz"), NOW), Err(OpenError::OtherCaller));
    assert!(again(&bound, token.as_bytes(), caller, NOW).is_ok());
    assert_eq!(again(&bound, token.as_bytes(), None, NOW), Err(OpenError::OtherCaller));
    assert!(again(&bound, token.as_bytes(), caller, NOW).is_ok());
    let age = AGE_MAX + 1;
    assert_eq!(again(&bound, token.as_bytes(), caller, NOW + age), Err(OpenError::TooOld { age }));
    let mut forged = token.clone().into_bytes();
    forged[40] ^= 1;
    assert!(again(&bound, token.as_bytes(), caller, NOW).is_ok());
    assert_eq!(again(&bound, &forged, caller, NOW), Err(OpenError::Forged));
    assert!(again(&bound, token.as_bytes(), caller, NOW).is_ok());
    assert!(matches!(
        again(&sealer(&[2], Bind::Subject), token.as_bytes(), caller, NOW),
        Err(OpenError::UnknownKey(_))
    ));
}

#[test]
fn keys_rotate() {
    let token = sealed();
    check(&sealer(&[2, 1], Bind::Subject), token.as_bytes(), NOW, Ok(claims()));
    let id = sealer(&[1], Bind::Subject).keys().ids().next().unwrap();
    check(&sealer(&[2, 3], Bind::Subject), token.as_bytes(), NOW, Err(OpenError::UnknownKey(id)));
    let newest = sealer(&[2, 1], Bind::Subject).seal(&claims(), Some(b"Bearer abc"), NOW, NONCE).unwrap();
    check(&sealer(&[2], Bind::Subject), newest.as_bytes(), NOW, Ok(claims()));
}

#[test]
fn a_token_of_another_key_under_our_name_is_forged() {
    let ours = URL_SAFE_NO_PAD.decode(sealed()).unwrap();
    let theirs = sealer(&[9], Bind::Subject).seal(&claims(), Some(b"Bearer abc"), NOW, NONCE).unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(theirs).unwrap();
    bytes[1..5].copy_from_slice(&ours[1..5]);
    let forged = URL_SAFE_NO_PAD.encode(bytes);
    check(&sealer(&[1], Bind::Subject), forged.as_bytes(), NOW, Err(OpenError::Forged));
}

#[test]
fn sessions_age() {
    let (sealer, token) = (sealer(&[1], Bind::Subject), sealed());
    check(&sealer, token.as_bytes(), NOW + AGE_MAX, Ok(claims()));
    check(&sealer, token.as_bytes(), NOW + AGE_MAX + 1, Err(OpenError::TooOld { age: AGE_MAX + 1 }));
    check(&sealer, token.as_bytes(), NOW - SKEW, Ok(claims()));
    check(&sealer, token.as_bytes(), NOW - SKEW - 1, Err(OpenError::FromTheFuture { ahead: SKEW + 1 }));
    check(&sealer, token.as_bytes(), u64::MAX, Err(OpenError::TooOld { age: u64::MAX - NOW }));
}

#[test]
fn sessions_belong_to_their_caller() {
    let (usual, other): (Option<&[u8]>, Option<&[u8]>) = (Some(b"Bearer abc"), Some(b"Bearer xyz"));
    let open = |token: &str, bind: Bind, caller| {
        sealer(&[1], bind).open(token.as_bytes(), caller, NOW, &mut Vec::new()).map(|_| ())
    };
    let seal = |bind: Bind, caller| sealer(&[1], bind).seal(&claims(), caller, NOW, NONCE).unwrap();

    let token = seal(Bind::Subject, usual);
    assert_eq!(open(&token, Bind::Subject, other), Err(OpenError::OtherCaller));
    assert_eq!(open(&token, Bind::Subject, None), Err(OpenError::OtherCaller));
    assert_eq!(open(&token, Bind::None, other), Ok(()));
    assert_eq!(open(&token, Bind::Token, usual), Err(OpenError::BoundTooLoosely));
    let anonymous = seal(Bind::Subject, None);
    assert_eq!(open(&anonymous, Bind::Subject, None), Ok(()));
    assert_eq!(open(&anonymous, Bind::Subject, usual), Err(OpenError::OtherCaller));
    let tight = seal(Bind::Token, usual);
    assert_eq!(open(&tight, Bind::Subject, usual), Ok(()));
    assert_eq!(open(&tight, Bind::Subject, other), Err(OpenError::OtherCaller));
    let loose = seal(Bind::None, usual);
    assert_eq!(open(&loose, Bind::Subject, usual), Err(OpenError::BoundTooLoosely));
    assert_eq!(open(&loose, Bind::None, None), Ok(()));
}

#[test]
fn lengths_are_bounded() {
    let sealer = sealer(&[1], Bind::Subject);
    let (long, id) = ("x".repeat(INIT_PARAMS_MAX + 1), vec![b'u'; UPSTREAM_ID_MAX]);
    let largest = Claims {
        version: &long[..32],
        hub: &long[..64],
        upstream: UpstreamId::new(&id).unwrap(),
        place: &long[..64],
        residency: &long[..256],
        init: InitParams::Inline(&long[..INIT_PARAMS_MAX]),
    };
    let token = sealer.seal(&largest, Some(b"Bearer abc"), NOW, NONCE).unwrap();
    assert_eq!(token.len(), 4_742);
    check(&sealer, token.as_bytes(), NOW, Ok(largest));
    for too_long in [
        Claims { version: &long[..33], ..claims() },
        Claims { hub: &long[..65], ..claims() },
        Claims { place: &long[..65], ..claims() },
        Claims { residency: &long[..257], ..claims() },
        Claims { init: InitParams::Inline(&long), ..claims() },
    ] {
        assert!(matches!(sealer.seal(&too_long, None, NOW, NONCE), Err(SealError::TooLong(_))));
    }
    assert_eq!(InitParams::fitting(&long), InitParams::Stored);
    assert!(matches!(InitParams::fitting(&long[1..]), InitParams::Inline(_)));
}

#[test]
fn other_peoples_ids_are_foreign() {
    let sealer = sealer(&[1], Bind::Subject);
    let uuid = &b"0a1b2c3d-0000-4000-8000-1234567890ab"[..];
    for token in [&b""[..], b"A", uuid, &vec![b'A'; TOKEN_MAX + 1], "é".as_bytes(), b"\0", b"AQ=="] {
        check(&sealer, token, NOW, Err(OpenError::Foreign));
    }
    let zeros = URL_SAFE_NO_PAD.encode([0; OVERHEAD]);
    check(&sealer, zeros.as_bytes(), NOW, Err(OpenError::Version(0)));
}

#[test]
fn contents_are_read_whole_or_not_at_all() {
    let fingerprint = Fingerprint([7; 16]);
    let sealed = Sealed { issued_at: NOW, bind: Bind::Token, fingerprint, claims: claims() };
    let mut plain = Vec::new();
    sealed.write(&mut plain).unwrap();
    assert_eq!(Sealed::read(&plain), Some(sealed));
    for length in 0..plain.len() {
        assert_eq!(Sealed::read(&plain[..length]), None, "{length}");
    }
    plain.push(0);
    assert_eq!(Sealed::read(&plain), None);
}

fn any_claims() -> impl Strategy<Value = (String, String, String, Option<String>, u64)> {
    let params = prop::option::of("[ -~é]{0,300}");
    ("[a-z0-9-]{0,32}", "[a-z0-9.-]{1,64}", "[!-~]{1,200}", params, 0..=u64::MAX / 2)
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens((version, hub, upstream, params, now) in any_claims(), nonce: Nonce, header: Option<Vec<u8>>) {
        let sealer = sealer(&[1], Bind::Subject);
        let upstream = UpstreamId::new(upstream.as_bytes()).unwrap();
        let init = params.as_deref().map_or(InitParams::Stored, InitParams::Inline);
        let claims = Claims { version: &version, hub: &hub, upstream, place: "", residency: "", init };
        let token = sealer.seal(&claims, header.as_deref(), now, nonce).unwrap();
        let mut buffer = Vec::new();
        let opened = sealer.open(token.as_bytes(), header.as_deref(), now, &mut buffer).unwrap();
        prop_assert_eq!(opened.claims, claims);
        prop_assert_eq!(&opened.session.as_bytes()[4..], nonce);
    }

    #[test]
    fn any_other_character_anywhere_fails(at in any::<prop::sample::Index>(), byte: u8) {
        let mut token = sealed().into_bytes();
        let at = at.index(token.len());
        prop_assume!(token[at] != byte);
        token[at] = byte;
        prop_assert!(sealer(&[1], Bind::Subject).open(&token, Some(b"Bearer abc"), NOW, &mut Vec::new()).is_err());
    }

    #[test]
    fn any_flipped_bit_fails(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let token = URL_SAFE_NO_PAD.encode(bytes);
        prop_assert!(sealer(&[1], Bind::Subject).open(token.as_bytes(), Some(b"Bearer abc"), NOW, &mut Vec::new()).is_err());
    }

    #[test]
    fn anything_shorter_or_longer_fails(at in any::<prop::sample::Index>(), more in "[A-Za-z0-9_=-]{1,8}") {
        let token = sealed();
        let sealer = sealer(&[1], Bind::Subject);
        for wrong in [token[..at.index(token.len())].to_owned(), format!("{token}{more}")] {
            prop_assert!(sealer.open(wrong.as_bytes(), Some(b"Bearer abc"), NOW, &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn another_nonce_is_another_id(one: Nonce, other: Nonce) {
        prop_assume!(one != other);
        let seal = |nonce| sealer(&[1], Bind::Subject).seal(&claims(), None, NOW, nonce).unwrap();
        prop_assert_ne!(seal(one), seal(other));
    }

    #[test]
    fn no_bytes_panic(token: Vec<u8>, text in "[A-Za-z0-9_-]{0,200}") {
        let sealer = sealer(&[1], Bind::Subject);
        prop_assert!(sealer.open(&token, None, NOW, &mut Vec::new()).is_err());
        prop_assert!(sealer.open(text.as_bytes(), None, NOW, &mut Vec::new()).is_err());
    }

    #[test]
    fn no_authentic_contents_panic(plain: Vec<u8>) {
        let _ = Sealed::read(&plain);
    }
}

#[test]
fn a_first_record_says_what_the_token_says() {
    let sealer = sealer(&[1], Bind::Subject);
    let (token, mut buffer) = (sealed(), Vec::new());
    let opened = sealer.open(token.as_bytes(), Some(b"Bearer abc"), NOW + 5, &mut buffer).unwrap();
    let record = sealer.first_record(&opened, NOW + 5).unwrap();
    let live = record.live().unwrap();
    assert_eq!(record.caller, opened.caller);
    assert_eq!((live.stay.number, live.stay.hub.as_str()), (0, "eu-central-1"));
    assert_eq!(live.stay.upstream.as_id(), claims().upstream);
    assert_eq!(live.residency.as_ref().map(ResidencyId::as_str), Some("eu-central+eu-west"));
    assert_eq!((&*live.version, live.last_used), ("2025-11-25", NOW + 5));
    // A record goes only when no gateway, however wrong its clock, opens the token any more.
    let oldest = NOW + AGE_MAX;
    assert!(sealer.open(token.as_bytes(), Some(b"Bearer abc"), oldest, &mut Vec::new()).is_ok());
    assert!(!record.is_over(oldest + SKEW) && record.is_over(oldest + SKEW + 1));
    let nameless = Opened { claims: Claims { hub: "Not A Hub", ..claims() }, ..opened };
    assert_eq!(sealer.first_record(&nameless, NOW), None);
}

#[test]
fn parameters_are_in_the_token_or_in_the_record() {
    let sealer = sealer(&[1], Bind::Subject);
    let (token, mut buffer) = (sealed(), Vec::new());
    let opened = sealer.open(token.as_bytes(), Some(b"Bearer abc"), NOW, &mut buffer).unwrap();
    let Some(Record { life: Life::Live(mut live), .. }) = sealer.first_record(&opened, NOW) else { panic!() };
    for (len, in_token, in_record) in [
        (INIT_PARAMS_MAX, true, false),
        (INIT_PARAMS_MAX + 1, false, true),
        (crate::record::INIT_STORED_MAX, false, true),
        (crate::record::INIT_STORED_MAX + 1, false, false),
    ] {
        let params = "x".repeat(len);
        let init = InitParams::fitting(&params);
        live.init = InitParams::to_store(&params);
        assert_eq!(init == InitParams::Inline(&params), in_token, "{len}");
        assert_eq!(live.init.is_some(), in_record, "{len}");
        assert_eq!(init.resolve(None).is_some(), in_token, "{len}");
        let resolved = init.resolve(Some(&live));
        assert_eq!(resolved, (in_token || in_record).then_some(&*params), "{len}");
    }
}

#[test]
fn short_names_can_be_read_back() {
    let name = sealer(&[1], Bind::Subject).name(&NONCE);
    assert_eq!(SessionKey::parse(&name.to_string()), Some(name));
    assert_eq!(SessionKey::from_bytes(*name.as_bytes()), name);
    for bad in ["", "0", &"g".repeat(32), &"+".repeat(32), &"0".repeat(33)] {
        assert_eq!(SessionKey::parse(bad), None);
    }
}
