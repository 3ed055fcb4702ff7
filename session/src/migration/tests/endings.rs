//! How a session ends: forgotten by its hub, ended by its client, ended elsewhere; and what is no end.

use super::stories::{TO_B, story};
use super::*;

#[test]
fn an_expired_session_is_over() {
    let machine = story(
        "
        > opened 9 0
        > lost 1 call from 0 forgot
          alarm
          read
        > arrives 2 safe
        > read nothing
          write over 0: ended, expired
        > arrives 3 safe
        > written 1
          over: expired
          answer 1: SessionUnknown
          answer 2: SessionUnknown
          answer 3: SessionUnknown
          end stream 9
        > arrives 4 call
          answer 4: SessionUnknown
        > lost 5 safe from 0 broke
          answer 5: SessionUnknown
        ",
    );
    assert_eq!(machine.over(), Some(Ended::Expired));
}

#[test]
fn a_hub_that_forgot_since_the_session_had_moved_is_no_end() {
    story(
        "
        > opened 9 0
        > lost 1 call from 0 forgot
          alarm
          read
        > read 4 b/1
          moved from a/0 to b/1
          send 1 to b/1
          attach 9 to b/1
        ",
    );
    // A copy of the store that lags behind has not heard of the move; whoever decides about writes has.
    story(
        "
        > lost 1 call from 0 forgot
          alarm
          read
        > read nothing
          write over 0: ended, expired
        > conflict 4 b/1
          moved from a/0 to b/1
          send 1 to b/1
        ",
    );
}

#[test]
fn a_client_may_end_its_session_at_any_moment() {
    let end = "
          write over 0: ended, client
        > arrives 3 call
        > written 1
          over: client
          answer 1: SessionUnknown
          answer 2: Ended
          answer 3: SessionUnknown
        ";
    story(&format!(
        "
        > lost 1 safe from 0 broke
          alarm
          read
        > arrives 2 delete
          delete a/0
          alarm
        {end}"
    ));
    story(&format!(
        "
        > lost 1 safe from 0 broke
          alarm
          read
        {TO_B}
        > arrives 2 delete
          delete b/1
          delete a/0
          alarm
        {end}"
    ));
    // At home, the hub is asked: it may not let clients end sessions.
    story(
        "
        > arrives 1 delete
          send 1 to a/0
        > ended client 0
          alarm
          write over 0: ended, client
        > written 1
          over: client
        ",
    );
    // Its hub is lost to the DELETE itself: nothing needs to move any more.
    story(
        "
        > lost 1 delete from 0 broke
          delete a/0
          alarm
          write over 0: ended, client
        > late write
          write over 0: ended, client
        > alarm
          owe: ended, client
          over: client
          answer 1: Ended
        ",
    );
}

#[test]
fn what_has_ended_elsewhere_has_ended_here() {
    story(&format!(
        "
        > lost 1 call from 0 unreachable
          alarm
          read
        {TO_B}
        > conflict 3 ended client
          delete b/1
          delete a/0
          over: client
          answer 1: SessionUnknown
        "
    ));
    story(
        "
        > lost 1 call from 0 unreachable
          alarm
          read
        > read 3 ended operator
          delete a/0
          over: operator
          answer 1: SessionUnknown
        ",
    );
    story(
        "
        > noticed 3 ended idle
          over: idle
        ",
    );
}
