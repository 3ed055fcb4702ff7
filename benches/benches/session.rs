//! What does a sealed session id cost: sealing once per session, opening once per request?

// `criterion_group!` makes public functions.
#![allow(missing_docs)]

mod cpu_time;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use mcphub_session::{Bind, Claims, InitParams, KeyRing, Nonce, Sealer, SecretKey, UpstreamId};

use crate::cpu_time::CpuTime;

/// What clients send: 200 to 500 bytes.
const INIT_PARAMS: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"roots":{"listChanged":true},"sampling":{},"elicitation":{}},"clientInfo":{"name":"an-ordinary-client","title":"An ordinary client","version":"1.32.0"}}"#;
/// Any time will do; seconds since 1970.
const NOW: u64 = 1_800_000_000;
/// The payload reads `{"iss":"https://id.example","sub":"somebody"}`; nobody checks the signature here.
const JWT: &[u8] =
    b"Bearer eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJzdWIiOiJzb21lYm9keSJ9.c2lnbmF0dXJl";

fn benches(criterion: &mut Criterion<CpuTime>) {
    let key = |first: u8| {
        SecretKey::from_bytes(std::array::from_fn(|at| first.wrapping_add(at as u8))).expect("a key")
    };
    let keys = KeyRing::new(&[key(1), key(100)]).expect("a ring");
    let sealer = Sealer::new(keys, Bind::Subject, Duration::from_secs(30 * 24 * 3600));
    let claims = Claims {
        version: "2025-11-25",
        hub: "eu-central-1",
        upstream: UpstreamId::new(b"5ca1ab1e-0000-4000-8000-000000000001").expect("an id"),
        place: "DE",
        residency: "",
        init: InitParams::fitting(INIT_PARAMS),
    };
    for (who, authorization) in [("anonymous", None), ("JWT", Some(JWT))] {
        let mut counter = 0u64;
        criterion.bench_function(&format!("token seal, {who}"), |bencher| {
            bencher.iter(|| {
                counter += 1;
                let mut nonce = Nonce::default();
                nonce[..8].copy_from_slice(&counter.to_le_bytes());
                black_box(sealer.seal(black_box(&claims), authorization, NOW, nonce))
            });
        });
        let token = sealer.seal(&claims, authorization, NOW, Nonce::default()).expect("sealed").into_bytes();
        let mut buffer = Vec::new();
        let opened = sealer.open(&token, authorization, NOW, &mut buffer).expect("opened");
        assert_eq!(opened.claims, claims);
        criterion.bench_function(&format!("token open, {who}, {} B", token.len()), |bencher| {
            bencher
                .iter(|| black_box(sealer.open(black_box(&token), authorization, NOW, &mut buffer)).is_ok());
        });
    }
}

criterion_group! {
    name = session;
    config = cpu_time::criterion();
    targets = benches
}
criterion_main!(session);
