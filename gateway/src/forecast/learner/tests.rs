//! Does the better of two models speak, now, after a restart, and until somebody wants the old one back?

use super::process::speaker_of;
use super::*;
use mcphub_conf::settings::ModelSource;
use mcphub_predictor::learning::{Came, Said};
use mcphub_routing::HubId;
use std::path::Path;

pub(super) const NOON: u64 = 1_795_435_200;
pub(super) const ON: LearningSettings =
    LearningSettings { enabled: true, interval: Duration::from_secs(86_400), failures: 20 };

pub(super) fn shipped() -> Arc<Speaker> {
    Speaker::find(&ModelSource::BuiltIn, None).expect("it ships").expect("it can be read")
}

/// A model that was learnt at this time.
pub(super) fn learnt_at(at: u64) -> Arc<Speaker> {
    let mut model = shipped().model.clone();
    (model.training.at, model.training.simulated) = (at, false);
    let bytes = model.to_bytes().expect("a model");
    Arc::new(Speaker::of(&bytes, Origin::Learned).expect("a model"))
}

pub(super) fn at(seconds: u64) -> MonoTime {
    MonoTime::from_millis(3_600_000 + 1_000 * seconds)
}

/// What both said before so many failures, where the challenger says this.
pub(super) fn trial(failures: u64, challenger: f32) -> Trial {
    let (mut trial, hub) = (Trial::default(), HubId::new("a").expect("a name"));
    let said = |at, challenger| Said { at, champion: 0.01, challenger: Some(challenger) };
    for n in 0..1_000 {
        trial.add(&hub, &Came { said: said(NOON + 30 * n, 0.005), failed_at: None });
    }
    for n in 0..failures {
        let start = NOON + 10_000 * n;
        trial.add(&hub, &Came { said: said(start - 30, challenger), failed_at: Some(start) });
    }
    trial
}

pub(super) fn now(champion: &Arc<Speaker>, seconds: u64) -> Now<'_> {
    Now { settings: ON, champion, failures: 0, now: at(seconds), unix_s: NOON + 200_000 }
}

/// Turns until nothing is being decided any more.
pub(super) async fn turned(learner: &mut Learner, champion: &Arc<Speaker>) -> Option<Arc<Speaker>> {
    loop {
        let better = learner.turn(&now(champion, 1)).await;
        if better.is_some() || learner.told().0 != "deciding" {
            return better;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn learner(state: &Path) -> Learner {
    let mut learner = Learner::new(Some(state.to_owned()), Store::in_memory(), at(0));
    let speaks = learner.follow(ON, Some(&shipped()), None, (at(0), NOON));
    assert_eq!(speaks.map(|speaks| speaks.origin), Some(Origin::BuiltIn));
    learner
}

#[tokio::test]
async fn a_better_model_speaks_and_goes_on_after_a_restart_until_it_is_taken_back() {
    let state = tempfile::tempdir().expect("a folder");
    let mut learner = learner(state.path());
    let (mut champion, first, second) = (shipped(), learnt_at(1), learnt_at(2));
    for challenger in [&first, &second] {
        learner.listen(Arc::clone(challenger), &now(&champion, 0));
        assert_eq!(learner.challenger().map(|it| &it.name), Some(&challenger.name));
        *learner.trial().expect("it is listened to") = trial(10, 0.6);
        champion = turned(&mut learner, &champion).await.expect("it is better");
        assert_eq!((&champion.name, learner.told().0), (&challenger.name, "idle"));
        assert!(learner.challenger().is_none());
    }
    // The next process finds what this one has learnt, and reads it once.
    let mut next = Learner::new(Some(state.path().to_owned()), Store::in_memory(), at(0));
    let speaks = next.follow(ON, Some(&shipped()), None, (at(0), NOON)).expect("a model");
    assert_eq!((&speaks.name, speaks.origin), (&second.name, Origin::Learned));
    assert!(Arc::ptr_eq(
        &speaks,
        &next.follow(ON, Some(&shipped()), Some(&speaks), (at(0), NOON)).expect("the same")
    ));
    // Where learning is off, or another model is named, what was learnt in the place of this one is silent.
    let off = LearningSettings { enabled: false, ..ON };
    assert_eq!(
        next.follow(off, Some(&shipped()), None, (at(0), NOON)).map(|it| it.origin),
        Some(Origin::BuiltIn)
    );
    let named = Speaker::of(&learnt_at(3).model.to_bytes().expect("a model"), Origin::File).map(Arc::new);
    let named = named.expect("a model");
    assert_eq!(next.follow(ON, Some(&named), None, (at(0), NOON)).map(|it| it.origin), Some(Origin::File));
    let speaks = next.follow(ON, Some(&shipped()), None, (at(0), NOON)).expect("a model");
    assert_eq!(speaks.name, second.name);
    // Back, twice, and no further.
    let mut back = || {
        let gone = next.go_back(NOON).expect("files that can be moved");
        (gone, next.follow(ON, Some(&shipped()), None, (at(0), NOON)).expect("a model").name.clone())
    };
    assert_eq!(back(), (true, first.name.clone()));
    assert_eq!(back(), (true, shipped().name.clone()));
    assert_eq!(back(), (false, shipped().name.clone()));
}

#[tokio::test]
async fn a_model_that_is_no_better_or_was_not_tried_enough_never_speaks() {
    let state = tempfile::tempdir().expect("a folder");
    let mut learner = learner(state.path());
    let champion = shipped();
    learner.listen(learnt_at(1), &now(&shipped(), 0));
    *learner.trial().expect("it is listened to") = trial(10, 0.001);
    assert!(turned(&mut learner, &champion).await.is_none());
    assert_eq!(learner.told().0, "idle");
    let said = |learner: &Learner| learner.ended().map(|(_, said)| said.clone()).unwrap_or_default();
    assert!(said(&learner).contains("was not better"), "{}", said(&learner));
    learner.listen(learnt_at(1), &now(&shipped(), 0));
    *learner.trial().expect("it is listened to") = trial(9, 0.6);
    assert!(turned(&mut learner, &champion).await.is_none());
    assert_eq!(learner.told(), ("listening", 9));
    // It is not listened to for ever.
    let late = 30 * 86_400 + 1;
    assert!(learner.turn(&now(&champion, late)).await.is_none());
    assert_eq!(learner.told().0, "idle");
    assert!(said(&learner).contains("met 9 failures, too few"), "{}", said(&learner));
    assert_eq!(std::fs::read_dir(state.path()).expect("a folder").count(), 0, "nothing was written");
}

#[tokio::test]
async fn a_better_model_that_cannot_be_written_down_does_not_speak() {
    let state = tempfile::tempdir().expect("a folder");
    let mut learner = learner(state.path());
    // A folder where the file belongs.
    std::fs::create_dir(state.path().join("learned-built-in.model")).expect("made");
    learner.listen(learnt_at(1), &now(&shipped(), 0));
    *learner.trial().expect("it is listened to") = trial(10, 0.6);
    assert!(turned(&mut learner, &shipped()).await.is_none());
}

#[test]
fn a_learnt_model_that_is_damaged_is_passed_over() {
    let state = tempfile::tempdir().expect("a folder");
    let bytes = learnt_at(1).model.to_bytes().expect("a model");
    std::fs::write(state.path().join("learned-built-in.model"), &bytes[..bytes.len() - 1]).expect("written");
    learner(state.path());
}

#[tokio::test]
async fn none_is_made_too_early_or_of_too_little() {
    let state = tempfile::tempdir().expect("a folder");
    let mut learner = learner(state.path());
    let champion = shipped();
    let turn = async |learner: &mut Learner, failures, seconds| {
        let it = Now { failures, ..now(&champion, seconds) };
        assert!(learner.turn(&it).await.is_none());
        learner.told().0
    };
    assert_eq!(turn(&mut learner, 100, 3_599).await, "idle");
    assert_eq!(turn(&mut learner, 19, 3_600).await, "idle");
    assert_eq!(turn(&mut learner, 20, 3_600).await, "making");
    // Turned off, it is given up.
    learner.follow(LearningSettings { enabled: false, ..ON }, Some(&champion), None, (at(3_600), NOON));
    assert_eq!(learner.told().0, "idle");
    let mut homeless = Learner::new(None, Store::in_memory(), at(0));
    homeless.follow(ON, Some(&champion), None, (at(0), NOON));
    assert_eq!(turn(&mut homeless, 100, 90_000).await, "idle");
}

#[test]
fn who_learns_from_us_goes_on_telling_kinds_apart() {
    let mut model = learnt_at(1).model.clone();
    model.kinds = None;
    let made = speaker_of(&model.to_bytes().expect("a model"), &shipped()).expect("a model");
    assert_eq!(made.model.kinds, shipped().model.kinds);
    assert_eq!((made.origin, made.model.training.at), (Origin::Learned, 1));
}
