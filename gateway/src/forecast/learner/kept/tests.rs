//! Does a trial go on in the next process, and only where it still means something?

use super::*;
use crate::forecast::learner::tests::{NOON, ON, at, learnt_at, now, shipped, trial, turned};
use crate::store::Store;
use mcphub_conf::settings::LearningSettings;
use mcphub_predictor::learning::{Came, Said};
use mcphub_routing::HubId;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// A process that has a store and the model that ships, and has just begun.
async fn process(state: &TempDir) -> Learner {
    let store = Store::open(state.path());
    assert!(store.loaded(PATIENCE).await, "{store:?}");
    begun(state, store)
}

fn begun(state: &TempDir, store: Store) -> Learner {
    let mut learner = Learner::new(Some(state.path().to_owned()), store, at(0));
    learner.follow(ON, Some(&shipped()), None, (at(0), NOON)).expect("a model speaks");
    learner
}

/// It ends; in order, or not.
async fn ended(mut learner: Learner, orderly: bool) {
    if orderly {
        learner.keep_now(at(700), NOON + 700);
    }
    assert!(learner.store.release(PATIENCE).await, "{:?}", learner.store);
}

fn beside(state: &TempDir) -> std::path::PathBuf {
    state.path().join("learned-built-in.challenger.model")
}

/// A trial of this model begins, and so many failures are met.
fn try_out(learner: &mut Learner, state: &TempDir, challenger: &Arc<Speaker>, failures: u64) {
    let bytes = challenger.model.to_bytes().expect("a model");
    std::fs::write(beside(state), bytes).expect("written");
    learner.listen(Arc::clone(challenger), &now(&shipped(), 0));
    *learner.trial().expect("it is listened to") = trial(failures, 0.6);
}

/// So many seconds after noon, when the process has just begun.
fn later<'a>(champion: &'a Arc<Speaker>, seconds: u64) -> Now<'a> {
    Now { unix_s: NOON + seconds, ..now(champion, 0) }
}

fn said(learner: &Learner) -> String {
    learner.ended().map(|(_, said)| said.clone()).unwrap_or_default()
}

#[tokio::test]
async fn a_trial_goes_on_in_the_next_process_and_is_decided_there() {
    let (state, challenger, champion) = (tempfile::tempdir().expect("a folder"), learnt_at(1), shipped());
    let mut first = process(&state).await;
    first.adopt(&later(&champion, 0));
    assert_eq!((first.told(), said(&first)), (("idle", 0), String::new()), "nothing was kept");
    try_out(&mut first, &state, &challenger, 4);
    ended(first, true).await;

    let mut second = process(&state).await;
    second.adopt(&later(&champion, 900));
    assert_eq!(second.challenger().map(|it| &it.name), Some(&challenger.name));
    assert_eq!((second.told(), second.trial()), (("listening", 4), Some(&mut trial(4, 0.6))));
    *second.trial().expect("it is listened to") = trial(10, 0.6);
    // Killed while it is being decided: what is kept is from before.
    second.keep(at(1), NOON + 901);
    assert!(second.turn(&now(&champion, 1)).await.is_none() && second.told().0 == "deciding");
    while matches!(&second.step, Step::Deciding { decided, .. } if !decided.is_finished()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    ended(second, false).await;

    // The model that won has been written down, so it speaks; nothing is left of its trial.
    let mut third = process(&state).await;
    let speaks = third.follow(ON, Some(&champion), None, (at(0), NOON)).expect("a model speaks");
    assert_eq!((&speaks.name, speaks.origin), (&challenger.name, Origin::Learned));
    third.adopt(&later(&speaks, 200_000));
    assert_eq!((third.told(), said(&third)), (("idle", 0), String::new()));
    assert!(third.store.trial().is_none() && !beside(&state).exists());
}

#[tokio::test]
async fn a_trial_that_is_decided_is_not_found_again() {
    for (says, wins) in [(0.6, true), (0.001, false)] {
        let (state, challenger, champion) = (tempfile::tempdir().expect("a folder"), learnt_at(1), shipped());
        let mut learner = process(&state).await;
        try_out(&mut learner, &state, &challenger, 3);
        ended(learner, true).await;
        let mut learner = process(&state).await;
        learner.adopt(&later(&champion, 900));
        *learner.trial().expect("it goes on") = trial(10, says);
        assert_eq!(turned(&mut learner, &champion).await.is_some(), wins, "{}", said(&learner));
        ended(learner, true).await;
        let next = process(&state).await;
        assert!(next.store.trial().is_none() && !beside(&state).exists());
        assert_eq!(state.path().join("learned-built-in.model").exists(), wins);
    }
}

#[tokio::test]
async fn a_crash_costs_ten_minutes_of_rounds_and_no_failure() {
    let (state, champion) = (tempfile::tempdir().expect("a folder"), shipped());
    let mut learner = process(&state).await;
    try_out(&mut learner, &state, &learnt_at(1), 0);
    let kept = |learner: &Learner| {
        let (_, trial) = Trial::from_bytes(&learner.store.trial().expect("kept")).expect("readable");
        (trial.rounds(), trial.failures())
    };
    assert_eq!(kept(&learner), (0, 0), "from its first moment on");
    let mut check = |seconds, expected| {
        learner.keep(at(seconds), NOON + seconds);
        assert_eq!(kept(&learner), expected, "after {seconds} s");
    };
    check(599, (0, 0));
    check(600, (1_000, 0));
    let came = |failed_at| {
        let at = NOON + 700;
        Came { said: Said { at, champion: 0.1, challenger: Some(0.2) }, failed_at }
    };
    let hub = HubId::new("a").expect("a name");
    learner.trial().expect("listened to").add(&hub, &came(None));
    learner.keep(at(700), NOON + 700);
    assert_eq!(kept(&learner), (1_000, 0));
    learner.trial().expect("listened to").add(&hub, &came(Some(NOON + 710)));
    learner.keep(at(715), NOON + 715);
    assert_eq!(kept(&learner), (1_002, 1));
    ended(learner, false).await;
    let mut next = process(&state).await;
    next.adopt(&later(&champion, 800));
    assert_eq!(next.told(), ("listening", 1));
}

/// What is to be done to a trial between two processes, and what of the settings and the model that speaks then.
type Harm = fn(&TempDir, &Store);

#[tokio::test]
async fn a_trial_that_means_nothing_any_more_is_dropped_in_words() {
    fn row(store: &Store, alter: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = store.trial().expect("kept").to_vec();
        alter(&mut bytes);
        store.put_trial(Some(bytes));
    }
    fn file(state: &TempDir, alter: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(beside(state)).expect("there");
        alter(&mut bytes);
        std::fs::write(beside(state), bytes).expect("written");
    }
    let harms: [(Harm, &str); 9] = [
        (|_, store| row(store, |bytes| bytes.truncate(bytes.len() - 3)), "check sum is wrong"),
        (|_, store| row(store, |bytes| bytes[40] ^= 4), "check sum is wrong"),
        (|_, store| store.put_trial(Some(Vec::new())), "cannot be read"),
        (|_, store| store.put_trial(Some(b"{}".to_vec())), "no trial of two models"),
        (|state, _| file(state, |bytes| bytes.truncate(bytes.len() / 2)), "torn"),
        (|state, _| file(state, |bytes| bytes[5_000] ^= 4), "altered"),
        (|state, _| std::fs::remove_file(beside(state)).expect("removed"), "reading "),
        (
            |state, _| file(state, |bytes| *bytes = learnt_at(2).model.to_bytes().expect("a model")),
            "the file has",
        ),
        (
            |state, _| {
                let mut other = learnt_at(1).model.clone();
                other.columns.hash ^= 1;
                std::fs::write(beside(state), other.to_bytes().expect("a model")).expect("written");
            },
            "other features",
        ),
    ];
    let other = learnt_at(9);
    let off = LearningSettings { enabled: false, ..ON };
    let nothing: Harm = |_, _| ();
    let harms = harms.map(|(harm, word)| (harm, shipped(), ON, word)).into_iter();
    let circumstances = [
        (nothing, other, ON, "which is not the one that speaks"),
        (nothing, shipped(), off, "learning is off"),
    ];
    for (harm, champion, settings, word) in harms.chain(circumstances) {
        let state = tempfile::tempdir().expect("a folder");
        let mut first = process(&state).await;
        try_out(&mut first, &state, &learnt_at(1), 9);
        first.keep_now(at(1), NOON + 1);
        harm(&state, &first.store);
        ended(first, false).await;
        let mut next = process(&state).await;
        next.adopt(&Now { settings, ..later(&champion, 900) });
        assert!(said(&next).contains(word), "{word}: {}", said(&next));
        assert_eq!(next.told(), ("idle", 0), "{word}");
        assert!(next.store.trial().is_none() && !beside(&state).exists(), "{word}");
        // Later a new one begins as if there had been none.
        try_out(&mut next, &state, &learnt_at(3), 2);
        next.adopt(&later(&champion, 1_000));
        assert_eq!(next.told(), ("listening", 2), "{word}");
    }
}

#[tokio::test]
async fn a_trial_is_as_old_as_all_its_processes_and_what_was_between_them() {
    let (state, champion) = (tempfile::tempdir().expect("a folder"), shipped());
    let day = 86_400;
    let mut first = process(&state).await;
    try_out(&mut first, &state, &learnt_at(1), 9);
    first.keep_now(at(20 * day), NOON + 20 * day);
    ended(first, false).await;
    let age = |learner: &Learner, seconds| match &learner.step {
        Step::Listening(listening) => listening.age(at(seconds)).as_secs() / day,
        _ => panic!("{:?}", learner.told()),
    };
    let mut second = process(&state).await;
    second.adopt(&later(&champion, 25 * day));
    assert_eq!((age(&second, 0), age(&second, 2 * day)), (25, 27));
    // Time is what passed here, whatever the wall clock says meanwhile.
    second.keep_now(at(2 * day), NOON + 900 * day);
    ended(second, false).await;
    let mut third = process(&state).await;
    third.adopt(&later(&champion, 900 * day));
    assert_eq!(age(&third, 0), 27);
    // Of a clock that was set back, it began just now.
    ended(third, false).await;
    let mut fourth = process(&state).await;
    fourth.adopt(&later(&champion, day));
    assert_eq!(age(&fourth, 0), 0);
    let next = Now { unix_s: NOON + day, ..now(&champion, 30 * day + 1) };
    assert!(fourth.turn(&next).await.is_none());
    assert!(fourth.told().0 == "idle" && fourth.store.trial().is_none(), "it is not listened to for ever");
}

#[tokio::test]
async fn of_an_earlier_trial_and_one_begun_here_the_one_begun_here_goes_on() {
    let (state, champion) = (tempfile::tempdir().expect("a folder"), shipped());
    let mut old = process(&state).await;
    try_out(&mut old, &state, &learnt_at(1), 3);
    // The next process begins while the old one has the file.
    let mut new = begun(&state, Store::open(state.path()));
    new.adopt(&later(&champion, 900));
    assert!(!new.adopted, "nothing is known yet");
    try_out(&mut new, &state, &learnt_at(2), 5);
    ended(old, true).await;
    assert!(new.store.loaded(PATIENCE).await);
    new.adopt(&later(&champion, 901));
    assert_eq!((new.adopted, new.told()), (true, ("listening", 5)));
    new.keep_now(at(10), NOON + 910);
    ended(new, false).await;
    let mut third = process(&state).await;
    third.adopt(&later(&champion, 1_000));
    assert_eq!(third.challenger().map(|it| it.name.clone()), Some(learnt_at(2).name.clone()));
}

#[tokio::test]
async fn another_champion_ends_a_trial_and_an_idle_revert_does_not() {
    let (state, champion) = (tempfile::tempdir().expect("a folder"), shipped());
    let mut learner = process(&state).await;
    try_out(&mut learner, &state, &learnt_at(1), 3);
    assert!(!learner.go_back(NOON).expect("files"), "nothing was learnt");
    assert_eq!(learner.told(), ("listening", 3));
    assert!(learner.turn(&now(&champion, 1)).await.is_none());
    assert_eq!(learner.told(), ("listening", 3));
    assert!(learner.turn(&now(&learnt_at(8), 2)).await.is_none());
    assert_eq!(learner.told(), ("idle", 0));
    assert!(said(&learner).contains("another model speaks") && learner.store.trial().is_none());
}
