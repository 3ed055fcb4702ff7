//! Every order of things, by dice and by count.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::Kind;
use super::world::{Dice, World};
use proptest::prelude::*;

struct Drawn<'a>(std::slice::Iter<'a, u8>);

impl Dice for Drawn<'_> {
    fn below(&mut self, bound: usize) -> usize {
        self.0.next().map_or(0, |byte| usize::from(*byte) % bound)
    }
}

/// Runs a world, and if something does not hold, tells the whole course of things.
fn told(pops: usize, mut run: impl FnMut(&mut World)) {
    if catch_unwind(AssertUnwindSafe(|| run(&mut World::new(pops, false)))).is_ok() {
        return;
    }
    let mut world = World::new(pops, true);
    let flaw =
        catch_unwind(AssertUnwindSafe(|| run(&mut world))).expect_err("the same dice, the same course");
    for line in &world.tale {
        println!("{line}");
    }
    resume_unwind(flaw);
}

fn drawn(pops: usize, bytes: &[u8], freezes: bool) {
    told(pops, |world| {
        let mut dice = Drawn(bytes.iter());
        while dice.0.len() > 0 {
            world.happen(&mut dice);
        }
        if freezes {
            world.freeze();
        }
        world.heal();
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn two_gateways_and_all_that_can_happen(bytes in prop::collection::vec(any::<u8>(), 0..600), freezes: bool) {
        drawn(2, &bytes, freezes);
    }

    #[test]
    fn one_gateway_alone(bytes in prop::collection::vec(any::<u8>(), 0..600), freezes: bool) {
        drawn(1, &bytes, freezes);
    }
}

/// Every sequence of numbers, one after the other.
#[derive(Default)]
struct Counted {
    path: Vec<(usize, usize)>,
    at: usize,
}

impl Dice for Counted {
    fn below(&mut self, bound: usize) -> usize {
        if self.at == self.path.len() {
            self.path.push((0, bound));
        }
        self.at += 1;
        self.path[self.at - 1].0
    }
}

impl Counted {
    /// The next sequence; `false` after the last.
    fn next(&mut self) -> bool {
        self.at = 0;
        while let Some((chosen, bound)) = self.path.pop() {
            if chosen + 1 < bound {
                self.path.push((chosen + 1, bound));
                return true;
            }
        }
        false
    }
}

/// Two gateways lose the hub at the same moment. Every order in which their answers can come, with every single fault.
#[test]
fn every_race_of_two_gateways() {
    let (mut dice, mut count) = (Counted::default(), 0_u32);
    loop {
        told(2, |world| {
            dice.at = 0;
            let keys =
                [world.arrives(0, Kind::Call { safe: false }), world.arrives(1, Kind::Call { safe: true })];
            world.bury("a");
            keys.into_iter().for_each(|key| world.meets(key));
            let mut faulty = false;
            loop {
                let open: Vec<_> = (0..2).filter(|pop| world.open(*pop) > 0).collect();
                let pop = match open[..] {
                    [] => break,
                    [only] => only,
                    _ => open[dice.below(open.len())],
                };
                let luck = if faulty { 0 } else { [0, 8, 9][dice.below(3)] };
                faulty |= luck > 0;
                world.answer_first(pop, luck);
            }
            world.heal();
        });
        count += 1;
        if !dice.next() {
            break;
        }
    }
    println!("{count} orders");
    assert!(count > 10_000, "{count} orders are not all");
}

/// What the dice must have come upon, if they are to have tried everything.
const REACHED: [&str; 16] = [
    "another gateway has moved the session",
    "where the session lives was in doubt",
    "the session's record was changed meanwhile",
    "the hub speaks another protocol version",
    "the hub failed during the handshake",
    "the answer came too late",
    "has expired at its hub",
    "was started again",
    "the session shall leave its hub",
    "(client)",
    "NotServed(NoHub)",
    "NotServed(StoreUnreachable)",
    "NotServed(TimeUp)",
    "ResumeLost",
    "Unsubscribe",
    "Attach",
];

#[test]
fn the_dice_come_upon_everything() {
    let mut missing: Vec<_> = REACHED.to_vec();
    let mut seed = 0x9e37_79b9_u32;
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..400)
            .map(|_| {
                seed ^= seed << 13;
                seed ^= seed >> 17;
                seed ^= seed << 5;
                seed.to_le_bytes()[1]
            })
            .collect();
        let mut world = World::new(2, true);
        let mut dice = Drawn(bytes.iter());
        while dice.0.len() > 0 {
            world.happen(&mut dice);
        }
        world.heal();
        missing.retain(|words| !world.tale.iter().any(|line| line.contains("->") && line.contains(words)));
        if missing.is_empty() {
            return;
        }
    }
    panic!("never seen: {missing:?}");
}
