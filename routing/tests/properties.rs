//! What holds for every fleet and every request?
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use mcphub_routing::*;
use proptest::prelude::*;
use proptest::sample::Index;

mod fleet;
use fleet::{any_spec, table};

/// A request in numbers, to be met with whatever fleet comes along.
#[derive(Debug, Clone)]
struct Asked {
    region: u16,
    sealed: bool,
    modern: bool,
    pin: Option<(Index, bool)>,
    key: Option<u64>,
    tried: Vec<Index>,
    turn: u64,
    loads: Vec<u32>,
    panic: bool,
}

fn any_request() -> impl Strategy<Value = Asked> {
    let pin = prop::option::of((any::<Index>(), any::<bool>()));
    let tried = prop::collection::vec(any::<Index>(), 0..4);
    let loads = prop::collection::vec(0..50u32, 60);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (0..5u16, flags, pin, any::<Option<u64>>(), tried, any::<u64>(), loads).prop_map(
        |(region, (sealed, modern, panic), pin, key, tried, turn, loads)| Asked {
            region,
            sealed,
            modern,
            pin,
            key,
            tried,
            turn,
            loads,
            panic,
        },
    )
}

impl Asked {
    fn query<'a>(&'a self, table: &RoutingTable) -> RouteQuery<'a> {
        let hubs: Vec<HubIndex> = table.hubs().map(|hub| hub.index).collect();
        let pick = |index: &Index| hubs[index.index(hubs.len())];
        let mut excluded = Excluded::none();
        for tried in &self.tried {
            excluded.insert(pick(tried));
        }
        RouteQuery {
            region: PlaceIndex::new(self.region),
            era: if self.modern { Era::Modern } else { Era::Legacy },
            pin: self.pin.map(|(at, hard)| if hard { Pin::Hard(pick(&at)) } else { Pin::Soft(pick(&at)) }),
            key: self.key,
            residency: match table.find_residency("rule") {
                Some(rule) if self.sealed => Residency::Sealed(rule),
                _ => Residency::OfRegion,
            },
            excluded,
            turn: self.turn,
            loads: &self.loads,
        }
    }
}

fn build(spec: &TableSpec, asked: &Asked) -> RoutingTable {
    table(spec).revise().panic(asked.panic).build(Generation::new(2))
}

/// The hubs that a new placement of this query may have, written down again without any of the table's cleverness.
fn eligible<'t>(spec: &TableSpec, table: &'t RoutingTable, query: &RouteQuery<'_>) -> Vec<Hub<'t>> {
    let bound = query.residency != Residency::OfRegion || query.region.get() == 1;
    table
        .hubs()
        .filter(|hub| !bound || spec.residencies[0].hubs_in.contains(hub.location))
        .filter(|hub| hub.eras.contains(query.era) && !query.excluded.contains(hub.index))
        .filter(|hub| match hub.state {
            HubState::Serving { .. } | HubState::Recovering { .. } => true,
            HubState::Ejected { .. } => table.panic(),
            HubState::Draining { .. } | HubState::Drained { .. } => false,
        })
        .collect()
}

fn tier(spec: &TableSpec, query: &RouteQuery<'_>, hub: &Hub<'_>) -> Tier {
    let within = spec.places[query.region.get()].reach[hub.index.get()].within_radius;
    match (hub.hub_type, within) {
        (HubType::Edge, true) => Tier::NearEdge,
        (HubType::Primary, _) => Tier::Primary,
        (HubType::Secondary, _) => Tier::Secondary,
        (HubType::Edge, false) => Tier::FarEdge,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_choice_is_allowed_and_a_refusal_is_needed(spec in any_spec(12), asked in any_request()) {
        let table = build(&spec, &asked);
        let query = asked.query(&table);
        let choice = select(&table, &query);
        prop_assert_eq!(choice, select(&table, &query), "the same question has the same answer");
        if query.region.get() > 2 || (query.region.get() == 2 && query.residency == Residency::OfRegion) {
            prop_assert_eq!(choice, Choice::Refuse(Refusal::Unplaced));
            return Ok(());
        }
        let eligible = eligible(&spec, &table, &query);
        let may = |hub: HubIndex| eligible.iter().any(|e| e.index == hub);
        match choice {
            Choice::Place(hub) => prop_assert!(query.pin.is_none() && may(hub)),
            Choice::Move { from, to } => {
                prop_assert!(query.pin.map(Pin::hub) == Some(from) && from != to && may(to));
            }
            Choice::Keep(hub) => {
                prop_assert_eq!(query.pin.map(Pin::hub), Some(hub));
                let draining = matches!(table.hub(hub).unwrap().state, HubState::Draining { .. });
                let hard = matches!(query.pin, Some(Pin::Hard(_)));
                prop_assert!(may(hub) || (draining && hard && !query.excluded.contains(hub)));
            }
            Choice::Refuse(_) => prop_assert!(eligible.is_empty(), "{:?} could serve", eligible),
        }
        if let Some(hub) = choice.hub() {
            let hub = table.hub(hub).unwrap();
            prop_assert!(hub.eras.contains(query.era));
            if asked.sealed || query.region.get() == 1 {
                prop_assert!(spec.residencies[0].hubs_in.contains(hub.location), "residency is broken");
            }
        }
    }

    #[test]
    fn explain_and_select_agree(spec in any_spec(12), asked in any_request()) {
        let table = build(&spec, &asked);
        let query = asked.query(&table);
        let told = explain(&table, &query);
        prop_assert_eq!(told.choice, select(&table, &query));
        let new = matches!(told.choice, Choice::Place(_) | Choice::Move { .. });
        if let Some(hub) = told.choice.hub().filter(|_| new) {
            let chosen = told.steps.iter().any(|step| matches!(step, Step::Chosen { hub: h, .. } if *h == hub));
            prop_assert!(chosen, "{:?}", told.steps);
            let view = told.groups.iter().flat_map(|g| &g.hubs).find(|v| v.hub.index == hub).unwrap();
            prop_assert!(view.verdicts.is_empty(), "{:?}", view);
        }
        for group in &told.groups {
            prop_assert!(group.hubs.is_sorted_by_key(|view| view.cost_ms));
        }
        if query.region.get() < 2 {
            prop_assert_eq!(told.groups.iter().map(|g| g.hubs.len()).sum::<usize>(), table.hubs().len());
        }
    }

    #[test]
    fn a_refusal_names_what_alone_keeps_some_hub_from_it(spec in any_spec(12), asked in any_request()) {
        let table = build(&spec, &asked);
        let query = asked.query(&table);
        let told = explain(&table, &query);
        let alone = |verdict| told.groups.iter().flat_map(|g| &g.hubs).any(|view| view.verdicts == [verdict]);
        let expected = if told.groups.is_empty() {
            Refusal::Unplaced
        } else if alone(Verdict::Residency) {
            Refusal::Residency
        } else if alone(Verdict::Era) {
            Refusal::EraUnsupported
        } else if alone(Verdict::Tried) {
            Refusal::AllTried
        } else {
            Refusal::NoneServing
        };
        if let Choice::Refuse(why) = told.choice {
            prop_assert_eq!(why, expected, "{:?}", told.groups);
        }
    }

    #[test]
    fn a_better_tier_in_full_service_is_never_passed_by(spec in any_spec(12), asked in any_request()) {
        let table = build(&spec, &asked);
        let query = RouteQuery { pin: None, ..asked.query(&table) };
        let Some(hub) = select(&table, &query).hub() else { return Ok(()) };
        let chosen = tier(&spec, &query, &table.hub(hub).unwrap());
        let full = |hub: &Hub<'_>| hub.state.takes() == Some(Share::FULL);
        let best = eligible(&spec, &table, &query).iter().filter(|h| full(h)).map(|h| tier(&spec, &query, h)).min();
        prop_assert!(best.is_none_or(|best| chosen <= best), "{:?} though {:?} serves", chosen, best);
    }

    #[test]
    fn strict_order_takes_the_cheapest_in_full_service(mut spec in any_spec(12), asked in any_request()) {
        spec.algorithm = Algorithm::Geographic;
        for hub in &mut spec.hubs {
            if hub.state.takes().is_some() {
                hub.state = HubState::SERVING;
            }
        }
        let table = table(&spec);
        let query = RouteQuery { pin: None, ..asked.query(&table) };
        let Choice::Place(hub) = select(&table, &query) else { return Ok(()) };
        let cost = |hub: HubIndex| spec.places[query.region.get()].reach[hub.get()].cost_ms;
        let rank = |hub: &Hub<'_>| (tier(&spec, &query, hub), cost(hub.index), hub.index);
        let best = eligible(&spec, &table, &query).iter().map(rank).min().unwrap();
        prop_assert_eq!(rank(&table.hub(hub).unwrap()), best);
    }

    #[test]
    fn a_revision_is_the_table_that_its_states_would_have_made(spec in any_spec(8), other in any_spec(8), asked in any_request()) {
        let mut changed = spec.clone();
        let old = table(&spec);
        let mut revision = old.revise();
        for (hub, now) in changed.hubs.iter_mut().zip(&other.hubs) {
            (hub.state, hub.health, hub.eras) = (now.state, now.health, now.eras);
            let index = old.find(hub.id.as_str()).unwrap();
            revision = revision.state(index, now.state).health(index, now.health).eras(index, now.eras);
        }
        let (revised, built) = (revision.build(Generation::new(2)), table(&changed));
        let query = asked.query(&built);
        prop_assert_eq!(select(&revised, &query), select(&built, &query));
        prop_assert_eq!(revised.generation(), Generation::new(2));
        prop_assert_eq!(select(&old, &query), select(&table(&spec), &query), "the old table stays as it is");
    }
}
