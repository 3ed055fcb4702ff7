//! Does a new model take the old one's place by what it says of hubs that fail, through hours of these tests' own time and
//! two processes?
//!
//! What the control task does each second is done here every three: look, record, keep, forecast, note what came, decide.
//! Three hubs fail in turn, each twice an hour; before each failure the hub answers slowly for ten minutes. One of the two
//! models hears that, the other one does not.

use super::*;
use crate::forecast::{Forecaster, Recorder, Study, Telemetry, records};
use crate::snapshot::Snapshot;
use crate::snapshot::tests::snapshot;
use mcphub_health::{Evidence, Quantiles};
use mcphub_predictor::Policy;
use mcphub_predictor::model::file::Model;
use mcphub_predictor::model::{Estimator, Forest, Node};
use mcphub_predictor::telemetry::{History, Missing, PERIOD, Sample, Signal};
use mcphub_routing::HubId;
use std::collections::BTreeMap;
use tempfile::TempDir;

const NOON: u64 = 1_795_435_200;
const ON: LearningSettings =
    LearningSettings { enabled: true, interval: Duration::from_secs(86_400), failures: 1_000 };
const HUBS: [(&str, u16); 3] = [("a", 1), ("b", 2), ("c", 3)];
const TEN_MINUTES: u64 = 600;
/// A hub fails for a minute, half an hour after its last failure.
const EVERY: u64 = 3 * TEN_MINUTES;
const FAILS_FOR: u64 = 60;
/// How long all hubs were well before, in seconds.
const WELL_FOR: u64 = 8 * 86_400;

/// Of a hub that answers slowly it says that it fails, or says the same of every hub.
fn speaker(hears: bool, origin: Origin) -> Arc<Speaker> {
    let mut model: Model = mcphub_predictor::model::teacher().expect("it ships");
    let width = model.columns.names.len();
    let slow = model.columns.names.iter().position(|name| name == "p50_ms_z_1m").expect("a feature");
    let leaf = |mean| Node { mean, threshold: 0.0, above: 0, feature: 0 };
    let root = Node { mean: 0.02, threshold: 3.0, above: 2, feature: slow as u16 };
    let tree = if hears { vec![root, leaf(0.01), leaf(0.7)] } else { vec![leaf(0.02)] };
    let mut importance = vec![0.0; width];
    importance[slow] = 1.0;
    let forest = Forest::from_nodes(width, vec![tree], importance).expect("a forest");
    for horizon in &mut model.horizons {
        horizon.estimator = Estimator::Forest(forest.clone());
    }
    model.kinds = None;
    Arc::new(Speaker::of(&model.to_bytes().expect("a model"), origin).expect("a model"))
}

/// How far a hub is in its half hour, in seconds: it fails in the first minute. They fail ten minutes after each other, the
/// last of them first, ten minutes after noon.
fn course(hub: usize, unix_s: u64) -> u64 {
    let since = i128::from(unix_s) - i128::from(NOON + TEN_MINUTES * (hub as u64 + 2));
    since.rem_euclid(i128::from(EVERY)) as u64
}

/// One process.
struct Process {
    telemetry: Telemetry,
    forecaster: Forecaster,
    study: Study,
    recorder: Recorder,
    learner: Learner,
    champion: Arc<Speaker>,
    present: Snapshot,
    store: Store,
    seconds: u64,
    unix_s: u64,
}

impl Process {
    async fn start(state: &TempDir, named: &Arc<Speaker>, unix_s: u64) -> Self {
        let store = Store::open(state.path());
        assert!(store.loaded(Duration::from_secs(30)).await, "{store:?}");
        let (seconds, present) = (3_600, snapshot(state.path(), &HUBS, None));
        let now = MonoTime::from_millis(1_000 * seconds);
        let mut telemetry = Telemetry::new(store.clone());
        telemetry.follow(&present, now);
        telemetry.adopt(unix_s);
        let mut learner = Learner::new(Some(state.path().to_owned()), store.clone(), now);
        let champion = learner.follow(ON, Some(named), None, (now, unix_s)).expect("a model speaks");
        let mut forecaster = Forecaster::new();
        forecaster.listen_to(Some(Arc::clone(&champion)));
        let (study, recorder) = (Study::new(now), Recorder::new(state.path()));
        Self { telemetry, forecaster, study, recorder, learner, champion, present, store, seconds, unix_s }
    }

    fn now(&self) -> MonoTime {
        MonoTime::from_millis(1_000 * self.seconds)
    }

    /// Looks at the hubs until they have done so much more of their course.
    async fn live(&mut self, seconds: u64) {
        let end = self.unix_s + seconds;
        while self.unix_s < end {
            self.look();
            self.improve().await;
            (self.seconds, self.unix_s) = (self.seconds + 3, self.unix_s + 3);
        }
    }

    fn look(&mut self) {
        let now = self.now();
        let mut evidence = BTreeMap::new();
        for (at, upstream) in self.present.upstreams.iter().enumerate() {
            let (course, mut found) = (course(at, self.unix_s), Evidence::none(now));
            found.probes.last_end = Some(now);
            if course < FAILS_FOR {
                (found.probes.fails, found.probes.unanswered) = (9, 3);
                found.probes.last = Some(mcphub_health::Outcome::ConnectError);
            }
            let slow = course >= EVERY - TEN_MINUTES;
            let takes = Duration::from_millis(if slow { 12 } else { 5 });
            upstream.recorder.record(mcphub_health::Outcome::Ok, takes, None, now);
            found.latency.answer = Quantiles { count: 60, p50: takes, p90: takes, p95: takes };
            evidence.insert(self.present.settings.hubs[at].id.clone(), found);
        }
        let at = (now, self.unix_s);
        if !self.telemetry.look(&self.present, &evidence, &Policy::default(), at) {
            return;
        }
        if let Some(round) = self.telemetry.due(now) {
            round.write();
        }
        if let Some(chunks) = self.recorder.due(&self.telemetry) {
            chunks.write();
        }
        self.learner.keep(now, self.unix_s);
        self.forecaster.wake(&self.telemetry);
        for _ in HUBS {
            let horizon = Duration::from_secs(TEN_MINUTES);
            for looked in self.forecaster.work(&self.telemetry, &self.present, horizon) {
                let history = self.telemetry.history(&looked.hub).expect("it was looked at");
                let row = &self.forecaster.expected(&looked.hub).expect("it was looked at").row;
                self.study.look((&looked.hub, history), row, looked.said, self.learner.trial());
            }
        }
    }

    async fn improve(&mut self) {
        let it =
            Now { settings: ON, champion: &self.champion, failures: 0, now: self.now(), unix_s: self.unix_s };
        self.learner.adopt(&it);
        if let Some(better) = self.learner.turn(&it).await {
            self.forecaster.listen_to(Some(Arc::clone(&better)));
            self.champion = better;
        }
        self.forecaster.compare(self.learner.challenger().cloned());
    }

    /// An orderly end.
    async fn end(mut self) {
        self.learner.keep_now(self.now(), self.unix_s);
        for rest in [self.telemetry.rest(self.now())].into_iter().flatten() {
            rest.write();
        }
        for rest in [self.recorder.rest(&self.telemetry)].into_iter().flatten() {
            rest.write();
        }
        assert!(self.store.release(Duration::from_secs(30)).await, "{:?}", self.store);
    }
}

/// A store in which three hubs were well for eight days: it is known what is usual for them, and models are believed.
async fn raised(state: &TempDir, named: &Arc<Speaker>) {
    let begin = NOON - WELL_FOR;
    let mut first = Process::start(state, named, begin).await;
    first.live(33).await;
    first.telemetry.rest(first.now()).expect("two periods").write();
    for (name, _) in HUBS {
        let hub = HubId::new(name).expect("a name");
        let bytes = first.store.telemetry_of(&hub).expect("kept");
        let (origin, _) = History::from_bytes(&bytes).expect("readable");
        let (mut history, mut sample) = (History::default(), Sample::UNKNOWN);
        for at in 1..=WELL_FOR / PERIOD.as_secs() {
            sample.set(Signal::P50Ms, 5.0 + (at % 7) as f32 / 20.0);
            history.push(Missing::Counted(0), &sample, begin + PERIOD.as_secs() * at);
        }
        first.store.put_telemetry(vec![(hub, history.to_bytes(origin))]);
    }
    assert!(first.store.release(Duration::from_secs(30)).await);
}

/// What comes of a trial of a model that hears, or does not, beside one that does not, or does; and by what figures.
async fn tried(challenger_hears: bool) -> (TempDir, Process, Arc<Speaker>, String) {
    let state = tempfile::tempdir().expect("a folder");
    let (named, challenger) =
        (speaker(!challenger_hears, Origin::BuiltIn), speaker(challenger_hears, Origin::Learned));
    raised(&state, &named).await;
    let mut first = Process::start(&state, &named, NOON).await;
    let path = state.path().join("learned-built-in.challenger.model");
    std::fs::write(path, challenger.model.to_bytes().expect("a model")).expect("written");
    let it = Now { settings: ON, champion: &named, failures: 0, now: first.now(), unix_s: first.unix_s };
    first.learner.listen(Arc::clone(&challenger), &it);
    first.live(6 * TEN_MINUTES).await;
    assert_eq!(first.learner.told(), ("listening", 5), "one each ten minutes");
    first.end().await;

    // A restart of a minute, in the middle of it. The failure in that minute nobody saw; what was said before the next one
    // is known when ten minutes are over.
    let mut second = Process::start(&state, &named, NOON + 6 * TEN_MINUTES + 60).await;
    second.live(TEN_MINUTES + 60).await;
    assert_eq!(second.learner.challenger().map(|it| &it.name), Some(&challenger.name));
    let (step, met) = second.learner.told();
    assert!(step == "listening" && met == 6, "{step}, {met}");
    let mut figures = String::new();
    while let Some(trial) = second.learner.trial() {
        figures = format!("{:?}", trial.decide());
        assert!(
            second.learner.told().1 <= 12 && second.unix_s < NOON + 20 * TEN_MINUTES,
            "it goes on for ever"
        );
        second.live(TEN_MINUTES / 10).await;
    }
    while second.learner.told().0 == "deciding" {
        tokio::time::sleep(Duration::from_millis(5)).await;
        second.improve().await;
    }
    (state, second, challenger, figures)
}

#[tokio::test]
async fn a_model_that_hears_failures_coming_takes_the_place_of_one_that_does_not() {
    let (state, mut process, challenger, figures) = tried(true).await;
    assert_eq!((&process.champion.name, process.learner.told().0), (&challenger.name, "idle"), "{figures}");
    // What was seen meanwhile is on record for the next one.
    process.live(TEN_MINUTES).await;
    let named = speaker(false, Origin::BuiltIn);
    process.end().await;
    let known = records(&state.path().join("record"), 0, 9).expect("a folder");
    assert_eq!(known.len(), 3);
    assert!(known.iter().all(|record| record.failures() >= 3), "{known:?}");

    // The next process hears it too, and the one before comes back when somebody wants it.
    let mut third = Process::start(&state, &named, NOON + 30 * TEN_MINUTES).await;
    third.live(60).await;
    assert_eq!((&third.champion.name, third.learner.told()), (&challenger.name, ("idle", 0)));
    assert!(third.learner.go_back(third.unix_s).expect("files that can be moved"));
    let speaks = third.learner.follow(ON, Some(&named), None, (third.now(), third.unix_s));
    assert_eq!(speaks.map(|it| it.name.clone()), Some(named.name.clone()));
}

#[tokio::test]
async fn a_model_that_hears_nothing_does_not() {
    let (state, process, challenger, figures) = tried(false).await;
    assert_ne!(process.champion.name, challenger.name, "{figures}");
    let said = process.learner.ended().map(|(_, said)| said.clone()).unwrap_or_default();
    assert!(said.contains("was not better"), "{said}");
    assert!(!state.path().join("learned-built-in.model").exists() && process.store.trial().is_none());
}
