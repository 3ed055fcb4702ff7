//! Does everything keep its promises? Counted here anew, from what was sent and answered, from the tables, and from how
//! the hubs really are: nothing of the code under test is asked.
//!
//! This file holds the promises about requests; `turns` those about plans; `seen` what was seen of a hub.

mod seen;
mod turns;

use std::collections::BTreeMap;
use std::time::Duration;

use mcphub_health::{Outcome, ProbeId, ProbeReport};
use mcphub_routing::{Choice, Generation, Hub as Listed, HubState, MonoTime, Pin, Share};

use crate::control::{Control, NUDGE_GAP};
use crate::traffic::{PLACES, Request};
use crate::truth::Hub;
use seen::Seen;

/// A hub that answers nothing is out within this by probes alone: 3 s, and a few looks.
const DEAD_MOST: Duration = Duration::from_millis(3_100);
/// The same for one that had faults lately: more silence is usual there, and doubt is nothing new.
const DEAD_MOST_ODD: Duration = Duration::from_millis(6_100);
/// What was odd longer ago than this is forgotten.
const ODD_REMEMBERED: Duration = Duration::from_secs(60);

/// What a request asked for, besides what it says itself.
pub struct Asked {
    pub pin: Option<Pin>,
}

pub struct Watch {
    /// The first promise that was broken.
    pub broken: Option<String>,
    rules: Vec<String>,
    seen: Vec<Seen>,
    fall: u32,
    /// When another configuration came.
    reloaded: MonoTime,
    /// When the control task was last away.
    away: MonoTime,
    /// The generation that each request lives in; those of the last few.
    generations: BTreeMap<u64, Generation>,
    /// When the last panic ended.
    panic_ended: Option<MonoTime>,
    /// Since when no hub in service answers.
    dark: Option<MonoTime>,
}

/// How well a hub may take a new placement; less is better, `None` not at all.
fn rank(hub: &Listed<'_>, panic: bool) -> Option<u8> {
    match hub.state {
        HubState::Serving { weight: share } | HubState::Recovering { share, .. } => {
            Some(u8::from(share == Share::NONE))
        }
        HubState::Ejected { .. } if panic => Some(2),
        _ => None,
    }
}

impl Watch {
    pub fn new(rules: &[String], hubs: &[Hub], control: &Control) -> Self {
        Self {
            broken: None,
            rules: rules.to_vec(),
            seen: hubs.iter().map(|_| Seen::default()).collect(),
            fall: control.policy.fall,
            reloaded: MonoTime::ZERO,
            away: MonoTime::ZERO,
            generations: BTreeMap::new(),
            panic_ended: None,
            dark: None,
        }
    }

    /// A promise was broken; the first one counts.
    pub fn fail(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    fn hold(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(what());
        }
    }

    /// The control task is away until then: it keeps no promise about time meanwhile.
    pub fn away(&mut self, until: MonoTime) {
        self.away = self.away.max(until);
    }

    /// A hub was added or removed.
    pub fn reloaded(&mut self, hub: usize, now: MonoTime) {
        self.seen[hub] = Seen::new(now);
        self.reloaded = now;
    }

    pub fn probe_sent(&mut self, hub: usize, id: ProbeId, now: MonoTime) {
        let lately = self.seen[hub].probe_sent(id, now);
        // The regular one, and one burst: what the schedule promises for its interval.
        self.hold(lately <= 5, || format!("{lately} probes to hub {} within 2 s", hub + 1));
    }

    pub fn probe_ended(&mut self, hub: usize, probe: &ProbeReport, now: MonoTime) {
        self.seen[hub].probe_ended(probe, now);
    }

    /// A request to this hub came to something.
    pub fn came_to(&mut self, hub: usize, outcome: Outcome, truth: &Hub, now: MonoTime) {
        self.seen[hub].came_to(outcome, truth.dead_since, self.fall, now);
    }

    /// A request is routed: at first, or again.
    pub fn choice(&mut self, request: &Request, asked: &Asked, choice: Choice, hubs: &[Hub], now: MonoTime) {
        let table = &request.table;
        let place = PLACES[request.place];
        let lost = place == "nowhere" && !self.rules.is_empty();
        let bound = self.rules.iter().any(|rule| rule == place);
        let fits = |hub: &Listed<'_>| {
            !lost
                && (!bound || hub.location.as_str() == place)
                && hub.eras.contains(request.era)
                && !request.tried.contains(hub.index)
        };
        let best = table.hubs().filter(fits).filter_map(|hub| rank(&hub, table.panic())).min();
        let pinned = asked.pin.and_then(|pin| table.hub(pin.hub()).filter(fits)).filter(|hub| {
            match (asked.pin, hub.state) {
                (_, HubState::Serving { weight: share } | HubState::Recovering { share, .. }) => {
                    share > Share::NONE || matches!(asked.pin, Some(Pin::Hard(_)))
                }
                (Some(Pin::Hard(_)), HubState::Draining { .. }) => true,
                (Some(Pin::Hard(_)), HubState::Ejected { .. }) => table.panic(),
                _ => false,
            }
        });
        let say = |what: &str| format!("request {} from {place}: {what}: {choice:?}", request.number);
        let chosen = choice.hub().and_then(|index| table.hub(index));
        match (pinned, chosen) {
            (Some(pin), chosen) => {
                let kept =
                    matches!(choice, Choice::Keep(_)) && chosen.map(|hub| hub.index) == Some(pin.index);
                self.hold(kept, || say("its hub could have kept it"));
            }
            (None, None) => self.hold(best.is_none(), || say("a hub could have had it")),
            (None, Some(hub)) => {
                self.hold(fits(&hub), || say("residency, era, or tried already"));
                let right = rank(&hub, table.panic()) == best;
                self.hold(right, || say(&format!("{} is not the best state there is", hub.state)));
            }
        }
        let drawn = *self.generations.entry(request.number).or_insert(table.generation());
        self.hold(drawn == table.generation(), || say("two generations in one life"));
        if self.generations.len() > 500 {
            self.generations.pop_first();
        }
        if let (0, Some(hub)) = (request.attempts, chosen) {
            self.not_to_the_dead(request, &hub, hubs, now);
        }
    }

    /// No new request goes to a hub that answers nothing, once that can be known and another can serve.
    fn not_to_the_dead(&mut self, request: &Request, chosen: &Listed<'_>, hubs: &[Hub], now: MonoTime) {
        let at = request.positions[chosen.index.get()];
        let (hub, seen) = (&hubs[at], &self.seen[at]);
        let Some(since) = hub.dead_since.filter(|_| hub.is_honest()) else { return };
        let others = request.table.hubs().filter(|other| other.index != chosen.index);
        let serves = |other: &Listed<'_>| {
            let truth = &hubs[request.positions[other.index.get()]];
            other.state.takes().is_some() && truth.clean_for(now) > Duration::from_secs(4)
        };
        if chosen.state.takes().is_none() || !others.into_iter().any(|other| serves(&other)) {
            return;
        }
        let most = if hub.clean_before < ODD_REMEMBERED { DEAD_MOST_ODD } else { DEAD_MOST };
        let soon = NUDGE_GAP + Duration::from_millis(2);
        if now.since(self.reloaded) <= soon {
            return;
        }
        let known = seen.dead_known(since).map(|known| known.max(self.away));
        let since = since.max(seen.known_since).max(self.away);
        let told = format!("request {} goes to {}, which is dead", request.number, hub.id);
        self.hold(now.since(since) <= most, || format!("{told} for {:?}", now.since(since)));
        let late = known.is_some_and(|known| now.since(known) > soon);
        self.hold(!late, || format!("{told}, as requests have shown"));
    }
}
