//! What does it cost to find out where a client is, from the database that ships with the gateway?

// `criterion_group!` makes public functions.
#![allow(missing_docs)]

mod cpu_time;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use mcphub_geo::Database;

use crate::cpu_time::CpuTime;

/// Addresses in a set: more than fit the nearest cache with their paths through the tree.
const ADDRESSES: u32 = 4096;

/// Spread over the address space by a multiplicative step (Knuth's constant), the unknown ones left out: they are
/// found out early and would flatter the figure.
fn addresses(database: &Database, make: impl Fn(u32) -> IpAddr) -> Vec<IpAddr> {
    (1..u32::MAX)
        .map(|n| make(n.wrapping_mul(2_654_435_761)))
        .filter(|address| database.lookup(*address).is_some())
        .take(ADDRESSES as usize)
        .collect()
}

fn benches(criterion: &mut Criterion<CpuTime>) {
    let database = Database::built_in();
    let sets = [
        ("IPv4", addresses(&database, |bits| IpAddr::V4(Ipv4Addr::from_bits(bits)))),
        // 2400::/8 to 2bff::/8 hold most of what is in use; the step fills the 32 bits that registries give out.
        (
            "IPv6",
            addresses(&database, |bits| {
                let network = 0x2400_0000 | (bits & 0x0fff_ffff);
                IpAddr::V6(Ipv6Addr::from_bits(u128::from(network) << 96 | 1))
            }),
        ),
    ];
    let mut group = criterion.benchmark_group("geo lookup");
    for (name, set) in sets {
        assert_eq!(set.len(), ADDRESSES as usize, "{name}");
        let mut turn = set.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| turn.next().map(|address| black_box(database.lookup(black_box(*address)))));
        });
    }
    group.finish();
}

criterion_group! {
    name = geo;
    config = cpu_time::criterion();
    targets = benches
}
criterion_main!(geo);
