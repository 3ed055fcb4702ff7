//! A proxy that only reacts: three failed probes in a row, two seconds apart, take a hub out, and two that pass bring
//! it back (`inter 2s fall 3 rise 2`, the defaults of HAProxy). Sessions stick to their server while it is up.

use crate::days::HUBS;
use crate::life::{Condition, Proxy, Scene, Standing};

const INTERVAL_MS: u64 = 2_000;
/// `timeout check`, as `inter` where it is not set.
const TIMEOUT_MS: u64 = 2_000;
const FALL: u32 = 3;
const RISE: u32 = 2;

#[derive(Debug, Default)]
pub struct Strikes {
    hubs: [Server; HUBS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Server {
    down: bool,
    /// Probes in a row that spoke against its state.
    strikes: u32,
    /// When the next probe ends.
    next: u64,
}

impl Proxy for Strikes {
    fn look(&mut self, scene: &Scene<'_>) -> Option<u64> {
        for (server, condition) in self.hubs.iter_mut().zip(scene.hubs) {
            if scene.now < server.next {
                continue;
            }
            // Errors in a ramp are rare, and three in a row of them rarer than a stretch is long.
            let passes = matches!(condition, Condition::Answers(_));
            server.strikes = if passes == server.down { server.strikes + 1 } else { 0 };
            if server.strikes >= if server.down { RISE } else { FALL } {
                (server.down, server.strikes) = (!server.down, 0);
            }
            let wait = if *condition == Condition::Hangs { INTERVAL_MS + TIMEOUT_MS } else { INTERVAL_MS };
            server.next = scene.now + wait;
        }
        self.hubs.iter().map(|server| server.next).min()
    }

    fn standings(&self) -> [Standing; HUBS] {
        let up = self.hubs.iter().filter(|server| !server.down).count().max(1) as f64;
        self.hubs.map(|server| {
            let weight = if server.down { 0.0 } else { 1.0 };
            Standing { share: weight / up, weight, keeps: !server.down }
        })
    }
}
