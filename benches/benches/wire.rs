//! What does reading a message cost: the era from a header, the routing headers, the envelope of a body?

// `criterion_group!` makes public functions.
#![allow(missing_docs)]

mod cpu_time;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mcphub_mcp::{ModernHeaders, era, peek};

use crate::cpu_time::CpuTime;

/// Nesting taken, as in the gateway.
const DEPTH: usize = 64;

/// A `tools/call` of exactly `bytes` bytes: a short string among others in `arguments`, then a long one.
fn tool_call(bytes: usize) -> Vec<u8> {
    let make = |text: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":12345678,"method":"tools/call","params":{{"name":"search","_meta":{{"progressToken":"p-1"}},"arguments":{{"limit":20,"deep":[1,2,{{"of":"these"}}],"text":"{text}"}}}}}}"#
        )
    };
    make(&"some words, ".repeat(bytes)[..bytes - make("").len()]).into_bytes()
}

fn benches(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("era decision");
    for header in [None, Some("2025-11-25"), Some("2026-07-28")] {
        group.bench_function(header.unwrap_or("no header"), |bencher| {
            bencher.iter(|| {
                let _ = black_box(era(black_box(header.map(str::as_bytes))));
            });
        });
    }
    group.finish();

    criterion.bench_function("modern routing headers", |bencher| {
        bencher.iter(|| {
            black_box(ModernHeaders::read(black_box(Some(b"tools/call")), black_box(Some(b"search"))))
        });
    });

    let mut group = criterion.benchmark_group("envelope peek");
    for bytes in [400, 4096] {
        let body = tool_call(bytes);
        let envelope = peek(&body, DEPTH).expect("a good call");
        assert_eq!((body.len(), envelope.tool()), (bytes, Some("search")));
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("{bytes} B"), |bencher| {
            bencher.iter(|| black_box(peek(black_box(&body), DEPTH)));
        });
    }
    group.finish();
}

criterion_group! {
    name = wire;
    config = cpu_time::criterion();
    targets = benches
}
criterion_main!(wire);
