//! How does a plan become the next table?

use std::collections::BTreeSet;

use mcphub_routing::{Generation, HubId, HubState, Revision, RoutingTable};

use crate::Plan;

/// A plan does not fit a table. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// It was drawn from another generation.
    #[error("the plan was drawn from generation {drawn_from}, and this is {found}")]
    Stale {
        /// The generation it fits.
        drawn_from: Generation,
        /// The generation of the table.
        found: Generation,
    },
    /// It speaks of a hub that the table does not have.
    #[error("the plan changes hub {0}, which is not in the table")]
    UnknownHub(HubId),
    /// It speaks of a state that the hub is not in, or changes it twice.
    #[error("the plan takes hub {hub} from {planned:?}, but it is in {found:?}")]
    OtherState {
        /// The hub.
        hub: HubId,
        /// The state the plan begins with.
        planned: HubState,
        /// The state the hub is in.
        found: HubState,
    },
}

impl Plan {
    /// Makes the next table. All steps are taken or none.
    ///
    /// # Errors
    /// [`ApplyError`] when the plan does not fit the table.
    pub(crate) fn apply(&self, table: &RoutingTable) -> Result<RoutingTable, ApplyError> {
        Ok(self.revise(table)?.build(table.generation().next()))
    }

    /// The next table before it is made, which is most of the work.
    ///
    /// # Errors
    /// [`ApplyError`] when the plan does not fit the table.
    pub(crate) fn revise<'t>(&self, table: &'t RoutingTable) -> Result<Revision<'t>, ApplyError> {
        if self.drawn_from != table.generation() {
            return Err(ApplyError::Stale { drawn_from: self.drawn_from, found: table.generation() });
        }
        let mut revision = table.revise().panic(self.panic);
        let mut changed = BTreeSet::new();
        for step in &self.steps {
            let unknown = || ApplyError::UnknownHub(step.hub.clone());
            let hub = table.find(step.hub.as_str()).and_then(|hub| revision.hub(hub)).ok_or_else(unknown)?;
            let (twice, found) = (!changed.insert(hub.index), hub.state);
            if twice || found != step.from {
                return Err(ApplyError::OtherState { hub: step.hub.clone(), planned: step.from, found });
            }
            revision = revision.state(hub.index, step.to);
        }
        for tuning in &self.tunings {
            let unknown = || ApplyError::UnknownHub(tuning.hub.clone());
            let hub = table.find(tuning.hub.as_str()).ok_or_else(unknown)?;
            revision = revision.health(hub, tuning.health).eras(hub, tuning.eras);
        }
        Ok(revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reason, Step};
    use mcphub_routing::{
        Algorithm, Cause, HubSpec, HubType, LocationName, MonoTime, PlaceResidency, PlaceSpec, Reach,
        TableSpec,
    };

    const DRAINED: HubState = HubState::Drained { cause: Cause::Operator };

    fn id(name: &str) -> HubId {
        HubId::new(name).unwrap()
    }

    fn table() -> RoutingTable {
        let hub = |name| HubSpec::new(id(name), HubType::Primary, LocationName::new("x").unwrap());
        let reach = Reach { cost_ms: 1, within_radius: false };
        let place =
            PlaceSpec { name: "here".into(), residency: PlaceResidency::Anywhere, reach: vec![reach; 2] };
        let spec = TableSpec {
            algorithm: Algorithm::Geographic,
            hubs: vec![hub("a"), hub("b")],
            residencies: vec![],
            places: vec![place],
        };
        RoutingTable::build(&spec, Generation::new(7)).unwrap()
    }

    fn step(hub: &str, from: HubState, to: HubState) -> Step {
        Step { hub: id(hub), from, to, reason: Reason::Operator }
    }

    fn state(table: &RoutingTable, hub: &str) -> HubState {
        table.hub(table.find(hub).unwrap()).unwrap().state
    }

    #[test]
    fn a_plan_makes_the_next_generation() {
        let table = table();
        let nothing = Plan::nothing(&table);
        assert!(!nothing.changes(&table));
        let ejected = HubState::Ejected { retry_at: MonoTime::from_millis(5), strikes: 1 };
        let plan = Plan { steps: vec![step("b", HubState::SERVING, ejected)], panic: true, ..nothing };
        assert!(plan.changes(&table));
        let next = plan.apply(&table).unwrap();
        assert_eq!((next.generation(), next.panic()), (Generation::new(8), true));
        assert_eq!((state(&next, "a"), state(&next, "b")), (HubState::SERVING, ejected));
        assert_eq!(state(&table, "b"), HubState::SERVING, "the old table stays");
        let stale = ApplyError::Stale { drawn_from: Generation::new(7), found: Generation::new(8) };
        assert_eq!(plan.apply(&next).unwrap_err(), stale);
    }

    #[test]
    fn a_plan_that_does_not_fit_is_refused_whole() {
        let table = table();
        let check = |steps: Vec<Step>, expected: ApplyError| {
            let plan = Plan { steps, ..Plan::nothing(&table) };
            assert_eq!(plan.apply(&table).unwrap_err(), expected);
        };
        check(vec![step("c", HubState::SERVING, DRAINED)], ApplyError::UnknownHub(id("c")));
        let other = |planned, found| ApplyError::OtherState { hub: id("a"), planned, found };
        check(vec![step("a", DRAINED, HubState::SERVING)], other(DRAINED, HubState::SERVING));
        let twice = vec![step("a", HubState::SERVING, DRAINED), step("a", DRAINED, HubState::SERVING)];
        check(twice, other(DRAINED, DRAINED));
    }
}
