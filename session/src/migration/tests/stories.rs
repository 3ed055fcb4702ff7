//! The principal stories, each from its first event to its end.

use super::script::check;
use super::*;
use crate::record::{Capabilities, LogLevel};

fn machine(live: Live) -> Migration {
    Migration::new(session(live)).unwrap()
}

/// A story of the plainest session.
pub(super) fn story(text: &str) -> Migration {
    check(machine(live()), text)
}

/// The steps from the loss of hub `a` to a session on hub `b`, for stories about what comes then.
pub(super) const TO_B: &str = "
    > read nothing
      choose within eu, not a
    > chosen b
      initialize b
    > greeted b
      confirm b/1
    > done confirm
      write over 0: lives at b/1
";

#[test]
fn a_hub_dies_before_it_could_act() {
    let machine = story(&format!(
        "
        > lost 1 call from 0 unreachable
          alarm
          read
        {TO_B}
        > written 1
          retire a/0
          moved from a/0 to b/1
          send 1 to b/1
        > arrives 2 call
          send 2 to b/1
        "
    ));
    assert!(machine.is_at_rest());
    assert_eq!(machine.stay().number, 1);
}

#[test]
fn what_may_have_been_done_is_not_done_again() {
    story(&format!(
        "
        -- The client is told at once; nobody waits for the move to know this much.
        > lost 1 call from 0 broke
          answer 1: OutcomeUnknown
          alarm
          read
        > lost 2 batch from 0 broke
          answer 2: OutcomeUnknown
        > lost 3 safe from 0 broke
        > lost 4 note from 0 broke
          answer 4: Accepted
        > lost 5 answer a/0 from 0 broke
          answer 5: Accepted
        > lost 6 call from 0 ejected
          answer 6: OutcomeUnknown
        > lost 7 resume a/0 from 0 broke
          answer 7: ResumeLost
        > lost 8 batch from 0 unreachable
          answer 8: not served, BatchLost
        > lost 9 note from 0 unreachable
        {TO_B}
        > written 1
          retire a/0
          moved from a/0 to b/1
          send 3 to b/1
          send 9 to b/1
        "
    ));
}

#[test]
fn requests_that_come_meanwhile_wait_and_leave() {
    story(&format!(
        "
        > lost 1 safe from 0 broke
          alarm
          read
        > arrives 2 call
        > arrives 3 batch
        > arrives 4 answer a/0
        > arrives 5 resume a/0
        > arrives 6 call
        > left 6
        > left 1
        {TO_B}
        > arrives 7 stream
        > written 1
          retire a/0
          moved from a/0 to b/1
          send 2 to b/1
          send 3 to b/1
          answer 4: Accepted
          answer 5: ResumeLost
          send 7 to b/1
        "
    ));
}

#[test]
fn everything_the_session_had_is_restored_and_the_client_hears_what_it_may_have_missed() {
    let mut live = live();
    live.level = Some(LogLevel::Warning);
    live.subscriptions.insert("x:1").unwrap();
    live.subscriptions.insert("x:2").unwrap();
    live.offer.capabilities = Capabilities::read(r#"{"tools":{"listChanged":true}}"#);
    let end = check(
        machine(live),
        "
        > opened 9 0
        > cut 9 0 stood
          attach 9 to a/0
        > failed attach unreachable
          alarm
          read
        > read 5 a/0 level warning on x:1 on x:2 offered {\"tools\":{\"listChanged\":true}}
          choose within eu, not a
        > chosen b
          initialize b
        > greeted b
          confirm b/1
        > done confirm
          level b/1: warning
          subscribe b/1: x:1
          subscribe b/1: x:2
        > done level
        -- This resource is not to be had there: the client will ask, and hear.
        > failed subscribe refused
        > done subscribe
          write over 5: lives at b/1
        > written 6
          retire a/0
          moved from a/0 to b/1, 1 settings refused
          attach 9 to b/1
        > late attach
          notify 9: updated x:1
          notify 9: updated x:2
          notify 9: Tools changed
        ",
    );
    assert!(end.is_at_rest() && !end.owes_notices());
}

#[test]
fn a_stream_is_attached_before_the_client_hears() {
    let mut first = live();
    first.offer.capabilities = Capabilities::read(r#"{"tools":{"listChanged":true}}"#);
    check(
        machine(first),
        "
        > opened 9 0
        > lost nothing 0 broke
          alarm
          read
        > cut 9 0
        > read 5 a/0 on x:1 offered {\"tools\":{\"listChanged\":true}}
          choose within eu, not a
        > chosen b
          initialize b
        > greeted b
          confirm b/1
        > done confirm
          subscribe b/1: x:1
        > failed subscribe refused
          write over 5: lives at b/1
        > written 6
          retire a/0
          moved from a/0 to b/1, 1 settings refused
          attach 9 to b/1
        > done attach
          notify 9: updated x:1
          notify 9: Tools changed
        -- It breaks off again, by itself: the same hub is asked first.
        > cut 9 1 stood
          attach 9 to b/1
        > failed attach refused
        ",
    );
}

#[test]
fn hubs_that_do_not_fit_are_passed_over_and_left_clean() {
    let mut live = live();
    live.offer.capabilities = Capabilities::read(r#"{"tools":{}}"#);
    check(
        machine(live),
        "
        > lost 1 safe from 0 broke
          alarm
          read
        > read 2 a/0 offered {\"tools\":{}}
          choose within eu, not a
        > chosen b
          initialize b
        > greeted b older
          delete b/1
          choose within eu, not a b
        > chosen c
          initialize c
        > greeted c poorer
          delete c/1
          choose within eu, not a b c
        > chosen d
          initialize d
        > greeted d sessionless
          choose within eu, not a b c d
        > chosen e
          initialize e
        > failed initialize broke
          choose within eu, not a b c d e
        > chosen f
          initialize f
        > greeted f
          confirm f/1
        -- The second hub dies while the session moves there.
        > failed confirm broke
          delete f/1
          choose within eu, not a b c d e f
        > chosen g
          initialize g
        > late initialize
          choose within eu, not a b c d e f g
        -- What it made after all serves nobody.
        > greeted g
          delete g/1
        > chosen none
          answer 1: not served, NoHub
        ",
    );
}

#[test]
fn a_hub_that_was_started_again_may_have_its_session_back() {
    story(
        "
        > lost 1 call from 0 restarted
          alarm
          read
        > read nothing
          choose within eu, not -
        > chosen a
          initialize a
        > greeted a
          confirm a/1
        > done confirm
          write over 0: lives at a/1
        > written 1
          moved from a/0 to a/1
          send 1 to a/1
        ",
    );
}

#[test]
fn a_move_that_takes_too_long_frees_who_waits() {
    story(
        "
        > lost 1 safe from 0 broke
          alarm
          read
        > read nothing
          choose within eu, not a
        > chosen b
          initialize b
        > arrives 2 call
        > alarm
          answer 1: not served, TimeUp
          answer 2: not served, TimeUp
        -- Whoever comes next tries anew; what was made meanwhile is ended.
        > arrives 3 call
          send 3 to a/0
        > greeted b
          delete b/1
        ",
    );
}

#[test]
fn a_drain_moves_a_session_that_can_stay_if_it_must() {
    story(&format!(
        "
        > opened 9 0
        > leave
          alarm
          read
        > arrives 1 call
        {TO_B}
        > written 1
          retire a/0
          moved from a/0 to b/1
          send 1 to b/1
          attach 9 to b/1
        > done attach
          notify 9: Tools changed
          notify 9: Prompts changed
          notify 9: Resources changed
        "
    ));
    story(
        "
        > opened 9 0
        > leave
          alarm
          read
        > arrives 1 call
        > read nothing
          choose within eu, not a
        > chosen none
          send 1 to a/0
        ",
    );
}

#[test]
fn another_credential_may_be_wanted() {
    story(
        "
        > lost 1 safe from 0 broke
          alarm
          read
        > arrives 2 note
        > read nothing
          choose within eu, not a
        > chosen b
          initialize b
        > failed initialize unauthorized
          choose within eu, not a b
        > chosen none
          answer 1: Unauthorized
          answer 2: Accepted
        ",
    );
}

#[test]
fn parameters_may_be_in_the_record_or_nowhere() {
    let without = || Migration::new(Session { init: None, ..session(live()) }).unwrap();
    check(
        without(),
        "
        > lost 1 safe from 0 broke
          alarm
          read
        > read nothing
          answer 1: not served, NoParams
        -- The hub is back, and has forgotten: nobody can bring the session to life again.
        > lost 2 safe from 0 restarted
          alarm
          read
        > read nothing
          write over 0: ended, expired
        ",
    );
    let mut stored = live();
    stored.init = Some(INIT.into());
    check(
        Migration::new(Session { init: None, alone: true, ..session(stored) }).unwrap(),
        "
        > leave
          alarm
          read
        > late read
          choose within eu, not a
        ",
    );
}

#[test]
fn late_losses_of_an_earlier_stay_say_nothing_of_the_present_one() {
    story(&format!(
        "
        > lost 1 safe from 0 broke
          alarm
          read
        {TO_B}
        > written 1
          retire a/0
          moved from a/0 to b/1
          send 1 to b/1
        > lost 2 safe from 0 broke
          send 2 to b/1
        > lost 3 call from 0 broke
          answer 3: OutcomeUnknown
        > arrives 4 answer a/0
          answer 4: Accepted
        > arrives 5 answer b/1
          send 5 to b/1
        > arrives 6 resume a/0
          answer 6: ResumeLost
        > arrives 7 resume b/1
          send 7 to b/1
        -- The new hub dies as well.
        > lost 1 safe from 1 broke sent 2
          alarm
          read
        > read 1 b/1
          choose within eu, not b
        "
    ));
}

#[test]
fn nothing_is_sent_for_ever() {
    story(
        "
        > lost 1 safe from 0 broke sent 4
          answer 1: not served, TooOften
          alarm
          read
        > lost 2 call from 0 unreachable sent 4
          answer 2: not served, TooOften
        > lost 3 call from 0 unreachable sent 3
        ",
    );
    let mut machine = machine(live());
    let _ = machine.step(Event::Leave, NOW);
    let arrive =
        |key| Event::Arrived(Request { key: RequestKey(key), kind: Kind::Call { safe: true }, sends: 0 });
    for key in 0..HELD_MAX as u64 {
        assert_eq!(machine.step(arrive(key), NOW), []);
    }
    let refused = machine.step(arrive(1000), NOW);
    let with = Answer::NotServed(Stuck::TooManyWait);
    assert_eq!(refused[0].action, Action::Answer { request: RequestKey(1000), with });
}

#[test]
fn a_stream_too_many_is_ended_and_the_others_stand() {
    let mut machine = machine(live());
    for stream in 1..=STREAMS_MAX as u64 {
        assert_eq!(machine.step(Event::StreamOpened { stream: RequestKey(stream), stay: 0 }, NOW), []);
    }
    let stream = RequestKey(1000);
    let ended = machine.step(Event::StreamOpened { stream, stay: 0 }, NOW);
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].action, Action::EndStream { stream });
    assert_eq!(ended[0].why, Why::Stuck(Stuck::TooManyWait));
    // Whoever is there already has its place.
    assert_eq!(machine.step(Event::StreamOpened { stream: RequestKey(1), stay: 0 }, NOW), []);
}

#[test]
fn a_stream_that_does_not_hold_is_ended_at_last() {
    let mut machine = machine(live());
    let stream = RequestKey(1);
    let _ = machine.step(Event::StreamOpened { stream, stay: 0 }, NOW);
    let mut attached = 0;
    loop {
        let steps = machine.step(Event::StreamCut { stream, stay: 0, stood: false }, NOW);
        match &steps[0].action {
            Action::Attach { ticket, .. } => {
                attached += 1;
                assert_eq!(machine.step(Event::Done { ticket: *ticket }, NOW), []);
            }
            other => {
                assert_eq!(*other, Action::EndStream { stream });
                break;
            }
        }
    }
    assert_eq!(attached, ATTACHES_MAX);
}

#[test]
fn the_client_is_introduced_as_it_introduced_itself() {
    let check = |recorded: &str, expected: Option<&str>| {
        assert_eq!(initialize_params(recorded, "2025-11-25").as_deref(), expected, "{recorded}");
    };
    check(
        r#"{"protocolVersion":"2025-06-18","capabilities":{"x":1.0e2,"y":[ ]},"clientInfo":{"name":"é"}}"#,
        Some(
            r#"{"capabilities":{"x":1.0e2,"y":[ ]},"clientInfo":{"name":"é"},"protocolVersion":"2025-11-25"}"#,
        ),
    );
    check("{}", Some(r#"{"protocolVersion":"2025-11-25"}"#));
    check("[]", None);
    check("", None);
}

#[test]
fn what_may_be_done_twice() {
    use mcphub_mcp::methods::class;
    for (method, marks, trusted, safe) in [
        ("tools/list", Marks::None, false, true),
        ("resources/subscribe", Marks::None, false, true),
        ("tools/call", Marks::None, true, false),
        ("tools/call", Marks::ReadOnly, false, false),
        ("tools/call", Marks::ReadOnly, true, true),
        ("tools/call", Marks::Idempotent, true, true),
        ("tasks/result", Marks::Idempotent, true, false),
        ("something/else", Marks::ReadOnly, true, false),
    ] {
        assert_eq!(is_safe(class(method), marks, trusted), safe, "{method} {marks:?} {trusted}");
    }
}
