//! Where does a stream go whose hub is lost, or lets it go?

use super::hub::Fate;
use super::{Ear, End, hub};
use crate::proxy::exchange::Job;
use crate::proxy::gather::Context;
use crate::proxy::{forward, route};
use crate::snapshot::Snapshot;
use crate::upstream::Upstream;
use mcphub_routing::{Choice, Excluded, HubId, HubState};
use std::sync::Arc;
use std::time::Duration;

/// How often a hub is tried for a stream that did not stand for some time ([`mcphub_session::migration::STREAM_STOOD`]) in between.
const TRIES: u32 = 8;

/// Before the third try and, doubled each time up to the longest, before those that follow. In all some 3.5 s.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);

impl Ear<'_> {
    /// Goes on without a hub, unless another one is being asked already.
    pub(super) fn seek_another(&mut self) -> Option<End> {
        if self.doing.is_some() { None } else { self.seek() }
    }

    /// Has the next hub tried, now or after a pause. One that drains keeps the stream for as long as there is none.
    pub(super) fn seek(&mut self) -> Option<End> {
        if self.tries >= TRIES {
            return self.give_up();
        }
        let pause = match self.tries {
            0 | 1 => Duration::ZERO,
            later => (PAUSE * 2_u32.pow(later - 2)).min(PAUSE_MAX),
        };
        self.tries += 1;
        self.doing = Some(hub::pause(pause));
        None
    }

    /// No other hub can have the stream now. One that drains keeps it until its deadline.
    fn give_up(&mut self) -> Option<End> {
        let Some(source) = &mut self.source else { return Some(End::NoHub) };
        // When it has stood here for a while longer, others are asked again.
        source.since = hub::now();
        let (hub, upstream) = (source.hub.clone(), Arc::clone(&source.upstream));
        (self.fate(&hub, Some(&upstream)) == Fate::Gone).then_some(End::NoHub)
    }

    pub(super) fn try_next(&mut self) -> Option<End> {
        self.doing = None;
        let snapshot = self.job.edge.snapshots.load_full();
        let next = self.choose(&snapshot).or_else(|| {
            if self.source.is_some() {
                return None;
            }
            // A new round, with the hub that was lost first: it may be back.
            self.tried.clear();
            self.choose(&snapshot)
        });
        match next {
            Some((hub, upstream)) => {
                let job = Job { snapshot: &snapshot, ..*self.job };
                let mut letter = forward::head(&job, &upstream);
                letter.extend_from_slice(self.job.body);
                let limit = snapshot.settings.limits.sse_event;
                let id = self.request.id.clone();
                self.doing = Some(hub::open(snapshot, (hub, upstream), letter, id, limit));
                None
            }
            None if self.source.is_some() => self.give_up(),
            None => self.seek(),
        }
    }

    /// The next hub, by the table of this moment.
    fn choose(&self, snapshot: &Arc<Snapshot>) -> Option<(HubId, Arc<Upstream>)> {
        let mut excluded = Excluded::none();
        for hub in self.tried.iter().filter_map(|hub| snapshot.table.find(hub.as_str())) {
            if !excluded.insert(hub) {
                return None;
            }
        }
        let context = self.job.context;
        let standing = snapshot.standing(context.client);
        // A place is a number in one table.
        let context = Context {
            client: context.client,
            place: standing.region,
            scope: context.scope,
            session: None,
            key: context.key,
            residency: standing.residency,
            task: None,
        };
        let job = Job { snapshot, context: &context, ..*self.job };
        match route::choose(&job, excluded, self.job.edge.turn()) {
            Choice::Keep(hub) | Choice::Place(hub) | Choice::Move { to: hub, .. } => {
                let name = snapshot.table.hub(hub)?.id.clone();
                Some((name, snapshot.upstreams.get(hub.get())?.clone()))
            }
            Choice::Refuse(_) => None,
        }
    }

    /// The present hub lets the stream go, if it still has a reason to.
    pub(super) fn may_go(&mut self) -> Option<End> {
        let source = self.source.take()?;
        self.settle(&source);
        let fate = self.fate(&source.hub, Some(&source.upstream));
        // One that is gone may be back under its name, elsewhere.
        self.tried = if fate == Fate::Gone { Vec::new() } else { vec![source.hub.clone()] };
        self.source = Some(source);
        if fate == Fate::Serves {
            return None;
        }
        if self.tries >= TRIES && fate == Fate::Leaves {
            return None;
        }
        self.try_next()
    }

    /// What the table of this moment has in store for a hub.
    pub(super) fn fate(&self, hub: &HubId, upstream: Option<&Arc<Upstream>>) -> Fate {
        let snapshot = self.job.edge.snapshots.load();
        let listed = snapshot.table.find(hub.as_str()).and_then(|hub| snapshot.table.hub(hub));
        let same = |at: usize| {
            upstream.is_none_or(|upstream| {
                snapshot.upstreams.get(at).is_some_and(|listed| Arc::ptr_eq(listed, upstream))
            })
        };
        match listed.filter(|hub| same(hub.index.get())).map(|hub| hub.state) {
            Some(HubState::Serving { .. } | HubState::Recovering { .. }) => Fate::Serves,
            Some(HubState::Ejected { .. }) if snapshot.table.panic() => Fate::Serves,
            Some(HubState::Draining { .. } | HubState::Ejected { .. }) => Fate::Leaves,
            Some(HubState::Drained { .. }) | None => Fate::Gone,
        }
    }
}
