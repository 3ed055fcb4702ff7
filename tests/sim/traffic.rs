//! Clients of both eras, near and far, with sessions of limited lives. Requests are routed by the real `select`.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mcphub_health::Outcome;
use mcphub_routing::{
    Choice, Era, Excluded, HubIndex, HubSpec, Loads, MonoTime, Pin, PlaceIndex, PlaceResidency, PlaceSpec,
    Reach, Residency, ResidencyId, ResidencySpec, RouteQuery, RoutingTable, TableSpec, select,
};

use crate::dice::Dice;
use crate::script::Script;
use crate::truth::Hub;
use crate::watch::Asked;

/// Where clients come from; the last place is one that nobody knows.
pub const PLACES: [&str; 4] = ["eu", "us", "ap", "nowhere"];
/// Sessions at once.
const SESSIONS_MAX: usize = 40;
/// Hubs that one request is tried at, as in the gateway.
pub const ATTEMPTS_MAX: u8 = 3;

/// The table of the hubs that are configured now, and which of all hubs each of its indices means.
pub fn layout(script: &Script, hubs: &[Hub]) -> (TableSpec, Rc<Vec<usize>>) {
    let present: Vec<usize> = (0..hubs.len()).filter(|&n| hubs[n].present).collect();
    let reach = |place: &str| {
        let near = |n: &usize| hubs[*n].location.as_str() == place;
        let cost = |n| Reach { cost_ms: if near(n) { 10 } else { 100 }, within_radius: near(n) };
        present.iter().map(cost).collect()
    };
    let place = |name: &&str| PlaceSpec {
        name: (*name).into(),
        residency: match script.rules.iter().position(|rule| rule == name) {
            Some(rule) => PlaceResidency::Rule(rule),
            None if *name == "nowhere" && !script.rules.is_empty() => PlaceResidency::Refused,
            None => PlaceResidency::Anywhere,
        },
        reach: reach(name),
    };
    let spec = TableSpec {
        algorithm: script.algorithm,
        hubs: present
            .iter()
            .map(|&n| HubSpec::new(hubs[n].id.clone(), hubs[n].kind, hubs[n].location.clone()))
            .collect(),
        residencies: script.rules.iter().map(|rule| residency(rule)).collect(),
        places: PLACES.iter().map(place).collect(),
    };
    (spec, Rc::new(present))
}

fn residency(location: &str) -> ResidencySpec {
    ResidencySpec { id: ResidencyId::new(location).unwrap(), hubs_in: vec![location.parse().unwrap()] }
}

/// A client that comes back.
struct Session {
    place: usize,
    era: Era,
    /// State lives at its hub: a legacy session, or a task.
    hard: bool,
    hub: usize,
    residency: Option<ResidencyId>,
    ends: MonoTime,
}

pub struct Clients {
    /// Requests a second.
    pub rate: u64,
    sessions: BTreeMap<u64, Session>,
    count: u64,
}

/// A request on its way.
pub struct Request {
    pub number: u64,
    pub place: usize,
    pub era: Era,
    key: Option<u64>,
    session: Option<u64>,
    /// A session begins with it, pinned in this way.
    begins: Option<bool>,
    pub harmless: bool,
    /// The one table it lives in.
    pub table: Arc<RoutingTable>,
    pub positions: Rc<Vec<usize>>,
    pub tried: Excluded,
    pub attempts: u8,
}

struct View<'a>(&'a [Hub], &'a [usize]);

impl Loads for View<'_> {
    fn in_flight(&self, hub: HubIndex) -> u32 {
        self.0[self.1[hub.get()]].meter.in_flight.get()
    }
}

impl Clients {
    pub fn new(rate: u64) -> Self {
        Self { rate, sessions: BTreeMap::new(), count: 0 }
    }

    /// When the next request comes; while nobody is there, when to look again.
    pub fn next(&self, now: MonoTime, dice: &mut Dice) -> MonoTime {
        let mean = Duration::from_secs(1) / u32::try_from(self.rate.max(1)).unwrap_or(u32::MAX);
        now.after(dice.about(mean))
    }

    pub fn request(
        &mut self,
        table: Arc<RoutingTable>,
        positions: Rc<Vec<usize>>,
        now: MonoTime,
        dice: &mut Dice,
    ) -> Request {
        self.count += 1;
        let (place, era) = (dice.between(0, 19) as usize, dice.pick(&[Era::Legacy, Era::Modern]));
        let mut request = Request {
            number: self.count,
            place: if place == 19 { 3 } else { place % 3 },
            era,
            key: dice.chance(300).then(|| dice.between(0, 50)),
            session: None,
            begins: None,
            harmless: dice.chance(700),
            table,
            positions,
            tried: Excluded::none(),
            attempts: 0,
        };
        let old = self.sessions.range(dice.between(0, self.count)..).next();
        if let Some((&number, session)) = old.filter(|(_, session)| session.ends > now)
            && dice.chance(600)
        {
            (request.place, request.era) = (session.place, session.era);
            request.session = Some(number);
        } else if self.sessions.len() < SESSIONS_MAX && dice.chance(500) {
            request.begins = Some(era == Era::Legacy || dice.chance(500));
        }
        request
    }

    /// Where does it go?
    pub fn route(&self, request: &Request, hubs: &[Hub]) -> (Choice, Asked) {
        let (table, session) = (&request.table, request.session.and_then(|n| self.sessions.get(&n)));
        let pin = session.and_then(|session| {
            let index = table.find(hubs[session.hub].id.as_str())?;
            Some(if session.hard { Pin::Hard(index) } else { Pin::Soft(index) })
        });
        let sealed = session.and_then(|session| session.residency.as_ref());
        let sealed = sealed.and_then(|id| table.find_residency(id.as_str()));
        let place = PlaceIndex::new(request.place as u16);
        let loads = View(hubs, &request.positions);
        let query = RouteQuery {
            pin,
            key: request.key,
            residency: sealed.map_or(Residency::OfRegion, Residency::Sealed),
            excluded: request.tried,
            turn: request.number,
            ..RouteQuery::new(place, request.era, &loads)
        };
        (select(table, &query), Asked { pin })
    }

    /// It was answered by this hub: a session begins there, or has moved there.
    pub fn answered(&mut self, request: &Request, hub: usize, now: MonoTime, dice: &mut Dice) {
        if let Some(session) = request.session.and_then(|number| self.sessions.get_mut(&number)) {
            session.hub = hub;
        }
        let Some(hard) = request.begins else { return };
        let query =
            RouteQuery::new(PlaceIndex::new(request.place as u16), request.era, &mcphub_routing::NoLoads);
        let residency = request.table.residency(&query).ok();
        let session = Session {
            place: request.place,
            era: request.era,
            hard,
            hub,
            residency: residency.and_then(|index| request.table.residency_id(index).cloned()),
            ends: now.after(Duration::from_millis(dice.between(1_000, 20_000))),
        };
        self.sessions.insert(request.number, session);
    }

    /// How many sessions are pinned to each hub.
    pub fn pins(&mut self, hubs: usize, now: MonoTime) -> Vec<u64> {
        self.sessions.retain(|_, session| session.ends > now);
        let mut pins = vec![0; hubs];
        self.sessions.values().filter(|session| session.hard).for_each(|session| pins[session.hub] += 1);
        pins
    }
}

/// May it be sent again?
pub fn again(request: &Request, outcome: Outcome) -> bool {
    outcome.is_failure() && outcome.retryable(request.harmless) && request.attempts < ATTEMPTS_MAX
}
