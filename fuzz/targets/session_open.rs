//! Whatever a client sends as its session id is refused, unless it was sealed here; what was sealed opens.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mcphub_session::{Bind, Claims, InitParams, KeyRing, Sealer, SecretKey, UpstreamId, affinity};

const NOW: u64 = 1_800_000_000;

static SEALERS: LazyLock<[Sealer; 3]> = LazyLock::new(|| {
    [Bind::Subject, Bind::Token, Bind::None].map(|bind| {
        let secret =
            SecretKey::from_bytes(*b"a key for fuzzing, 32 bytes long").expect("not one byte repeated");
        Sealer::new(KeyRing::new(&[secret]).expect("one key"), bind, Duration::from_secs(3_600))
    })
});

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let (token, header, rest) =
        (lines.next().unwrap_or_default(), lines.next(), lines.next().unwrap_or_default());
    let mut buffer = Vec::new();
    for sealer in &*SEALERS {
        assert!(sealer.open(token, header, NOW, &mut buffer).is_err(), "opened what was never sealed");
    }
    let _ = affinity(Bind::Subject, header);
    let _ = SecretKey::parse(&String::from_utf8_lossy(token));

    let (Ok(upstream), Ok(text)) = (UpstreamId::new(token), std::str::from_utf8(rest)) else { return };
    let claims = Claims {
        version: "2025-11-25",
        hub: "h",
        upstream,
        place: "",
        residency: "",
        init: InitParams::fitting(text),
    };
    for sealer in &*SEALERS {
        let sealed = sealer.seal(&claims, header, NOW, [7; 12]).expect("all claims fit");
        let opened = sealer.open(sealed.as_bytes(), header, NOW, &mut buffer).expect("sealed here");
        assert_eq!(opened.claims, claims);
    }
});
