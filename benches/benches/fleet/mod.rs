//! Fleets to measure with: 250 places, any number of hubs, in good times and bad, and what is known about them.
// Each bench uses its own part of it.
#![allow(dead_code)]

use std::time::Duration;

use mcphub_health::{Outcome, ProbeReport, ProbeSettings, Recorder, Schedule};
use mcphub_routing::{
    Algorithm, EraSet, Generation, HubId, HubIndex, HubSpec, HubState, HubType, LocationName, MonoTime,
    PlaceResidency, PlaceSpec, Reach, ResidencyId, ResidencySpec, RoutingTable, Share, TableSpec,
};

/// Hubs in the fleets measured.
pub(crate) const SIZES: [usize; 4] = [10, 100, 1000, 5000];
/// Places in each table: about one for each country.
pub(crate) const PLACES: u16 = 250;
const LOCATIONS: usize = 64;
/// The instant of every measurement: there was time for windows to fill.
pub(crate) const NOW: MonoTime = MonoTime::from_millis(1_000_900);

/// Spreads the bits of a number over all of it (the finisher of SplitMix64): dice that fall alike in every run.
pub(crate) fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

fn location(name: &str) -> LocationName {
    LocationName::new(name).expect("a good name")
}

/// In the order of their numbers, as a sorted map has them.
pub(crate) fn id(at: usize) -> HubId {
    HubId::new(&format!("hub-{at:04}")).expect("a good id")
}

/// A spot on the inhabited part of the earth, by dice: latitude and longitude in radians.
fn spot(dice: u64) -> (f64, f64) {
    let part = |dice: u64| mix(dice) as f64 / u64::MAX as f64;
    ((part(dice) * 95.0 - 35.0).to_radians(), (part(!dice) * 360.0).to_radians())
}

fn kilometres((lat, lon): (f64, f64), (to_lat, to_lon): (f64, f64)) -> f64 {
    let cos = lat.sin() * to_lat.sin() + lat.cos() * to_lat.cos() * (lon - to_lon).cos();
    6371.0 * cos.clamp(-1.0, 1.0).acos()
}

fn spot_of_place(place: usize) -> (f64, f64) {
    spot(1_000 + place as u64)
}

/// Which of the locations a hub stands at.
fn location_of(hub: usize) -> usize {
    mix(hub as u64) as usize % LOCATIONS
}

/// A quarter of the hubs primary, half of them secondary, a quarter edge, in 64 locations; every tenth place under a
/// rule that allows two of these. The last hub stands alone, and another rule allows only that one.
pub(crate) fn spec(hubs: usize, algorithm: Algorithm) -> TableSpec {
    let hub_types = [HubType::Primary, HubType::Secondary, HubType::Edge, HubType::Secondary];
    let stands = |at: usize| match at {
        at if at + 1 == hubs => location("lonely"),
        at => location(&format!("location-{}", location_of(at))),
    };
    let rule =
        |name: &str, hubs_in| ResidencySpec { id: ResidencyId::new(name).expect("a good id"), hubs_in };
    let reach = |place: usize, hub: usize| {
        let distance = kilometres(spot_of_place(place), spot(location_of(hub) as u64));
        Reach { cost_ms: (distance / 100.0) as u32, within_radius: distance < 1_500.0 }
    };
    TableSpec {
        algorithm,
        hubs: (0..hubs).map(|at| HubSpec::new(id(at), hub_types[at % hub_types.len()], stands(at))).collect(),
        residencies: vec![rule("rule", vec![stands(0), stands(1)]), rule("lonely", vec![location("lonely")])],
        places: (0..usize::from(PLACES))
            .map(|place| PlaceSpec {
                name: format!("place {place}").into(),
                residency: if place.is_multiple_of(10) {
                    PlaceResidency::Rule(0)
                } else {
                    PlaceResidency::Anywhere
                },
                reach: (0..hubs).map(|hub| reach(place, hub)).collect(),
            })
            .collect(),
    }
}

pub(crate) fn table(hubs: usize, algorithm: Algorithm) -> RoutingTable {
    RoutingTable::build(&spec(hubs, algorithm), Generation::FIRST).expect("a good spec")
}

pub(crate) const OUT: HubState = HubState::Ejected { retry_at: MonoTime::from_millis(1_030_000), strikes: 1 };

/// What a fleet goes through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    Healthy,
    /// Every second hub is out, by dice.
    HalfOut,
    /// The half that is nearest to place 1 is out.
    NearestHalfOut,
    /// All are out but the last: where a naive search would look last.
    OneLeft,
    /// All are back after an outage, at a tenth of their share.
    AllRecovering,
    /// All are out.
    NobodyLeft,
}

impl Times {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "all hubs healthy",
            Self::HalfOut => "half of them out",
            Self::NearestHalfOut => "the nearest half out",
            Self::OneLeft => "all out but one",
            Self::AllRecovering => "all at a tenth of their share",
            Self::NobodyLeft => "all out",
        }
    }

    pub(crate) fn befall(self, table: &RoutingTable) -> RoutingTable {
        let recovering = HubState::Recovering { since: NOW, share: Share::saturating(100) };
        let count = table.hubs().len();
        let state = |hub: HubIndex| match self {
            Self::Healthy => None,
            Self::HalfOut => (mix(hub.get() as u64).trailing_zeros() > 0).then_some(OUT),
            Self::NearestHalfOut => {
                let distance = |hub| kilometres(spot_of_place(1), spot(location_of(hub) as u64));
                let nearer = (0..count).filter(|&other| distance(other) < distance(hub.get())).count();
                (nearer * 2 < count).then_some(OUT)
            }
            Self::OneLeft => (hub.get() + 1 < count).then_some(OUT),
            Self::AllRecovering => Some(recovering),
            Self::NobodyLeft => Some(OUT),
        };
        let hubs: Vec<HubIndex> = table.hubs().map(|hub| hub.index).collect();
        let befallen = hubs.into_iter().filter_map(|hub| Some((hub, state(hub)?)));
        let revision = befallen.fold(table.revise(), |revision, (hub, state)| revision.state(hub, state));
        revision.build(table.generation().next())
    }
}

/// Recorders and probes of a busy fleet: ten minutes of ten requests a second at each hub, one of them in sixteen
/// over a new connection, one in a thousand answered with an error; three probes.
pub(crate) struct Watched {
    pub(crate) recorders: Vec<Recorder>,
    pub(crate) schedule: Schedule,
    pub(crate) ids: Vec<HubId>,
}

impl Watched {
    /// Of so many hubs, of which so many refuse all connections since two seconds ago.
    pub(crate) fn new(hubs: usize, refusing: usize) -> Self {
        let ids: Vec<HubId> = (0..hubs).map(id).collect();
        let recorders: Vec<Recorder> = (0..hubs).map(|hub| recorder(hub, hub < refusing)).collect();
        let mut schedule = Schedule::new(1);
        for id in &ids {
            schedule.add(id.clone(), ProbeSettings::default(), NOW.before(Duration::from_secs(20)));
        }
        // Looks every tenth of a second, as often as a busy control loop.
        for look in (0..200).rev() {
            let now = NOW.before(Duration::from_millis(100 * look));
            for order in schedule.due(now) {
                let at: usize = order.hub.as_str()["hub-".len()..].parse().expect("our own name");
                let failed = at < refusing && look < 20;
                let report = ProbeReport {
                    id: order.id,
                    outcome: if failed { Outcome::ConnectError } else { Outcome::Ok },
                    latency: Duration::from_millis(4),
                    eras: (!failed).then_some(EraSet::BOTH),
                    boot: None,
                };
                schedule.ended(&order.hub, &report);
            }
        }
        Self { recorders, schedule, ids }
    }
}

fn recorder(hub: usize, refusing: bool) -> Recorder {
    let recorder = Recorder::default();
    // Somewhere from 4 to 36 ms, and of each request from half to thrice that.
    let usual = 4_000 + mix(hub as u64) % 32_000;
    for request in 0..6_000u64 {
        let at = NOW.before(Duration::from_millis(100 * (5_999 - request)));
        let dice = mix(request << 20 | hub as u64);
        let ago = 5_999 - request;
        if refusing && ago < 20 {
            recorder.record(Outcome::ConnectError, Duration::ZERO, Some(Duration::from_millis(1)), at);
            continue;
        }
        let outcome = if dice.trailing_zeros() >= 10 { Outcome::Http5xx } else { Outcome::Ok };
        let latency =
            Duration::from_micros(usual / 2 + usual * (dice >> 8 & 0xFF) * (dice >> 16 & 0xFF) / 26_000);
        let connect = ((dice >> 24).trailing_zeros() >= 4)
            .then(|| Duration::from_micros(usual / 4 + (dice >> 32 & 0x3FF)));
        recorder.record(outcome, latency, connect, at);
    }
    recorder
}
