//! Stories of the record that others change too, and of a store that is away.

use super::script::check;
use super::stories::{TO_B, story};
use super::*;

#[test]
fn whoever_loses_the_race_goes_to_the_winner() {
    story(&format!(
        "
        > lost 1 call from 0 unreachable
          alarm
          read
        {TO_B}
        > conflict 7 c/1
          delete b/1
          moved from a/0 to c/1
          send 1 to c/1
        "
    ));
}

#[test]
fn a_change_of_settings_by_another_gateway_is_taken_along() {
    story(&format!(
        "
        > lost 1 call from 0 unreachable
          alarm
          read
        {TO_B}
        > conflict 7 a/0 level error on x:1
          level b/1: error
          subscribe b/1: x:1
        > done level
        > done subscribe
          write over 7: lives at b/1
        > conflict 8 a/0 level error
          unsubscribe b/1: x:1
        > done unsubscribe
          write over 8: lives at b/1
        > written 9
          retire a/0
          moved from a/0 to b/1
          send 1 to b/1
        "
    ));
}

#[test]
fn a_record_that_is_fought_over_is_left_alone() {
    story(&format!(
        "
        > lost 1 call from 0 unreachable
          alarm
          read
        {TO_B}
        > conflict 1 a/0
          write over 1: lives at b/1
        > conflict 2 a/0
          write over 2: lives at b/1
        > conflict nothing
          write over 0: lives at b/1
        > conflict 4 a/0
          delete b/1
          answer 1: not served, Contended
        "
    ));
}

#[test]
fn without_the_store_nobody_moves_while_others_might() {
    let machine = story(
        "
        > lost 1 safe from 0 broke
          alarm
          read
        > late read
          answer 1: not served, StoreUnreachable
        ",
    );
    assert!(machine.is_at_rest());
    assert_eq!(machine.stay().number, 0);
}

#[test]
fn a_store_that_says_no_leaves_no_doubt() {
    let machine = story(&format!(
        "
        > lost 1 call from 0 unreachable
          alarm
          read
        {TO_B}
        > failed write broke
          delete b/1
          answer 1: not served, StoreUnreachable
        "
    ));
    assert!(machine.is_at_rest());
    // Unless an earlier writing is still on its way.
    let machine = story(&format!(
        "
        > lost 1 call from 0 unreachable
          alarm
          read
        {TO_B}
        > late write
          write over 0: lives at b/1
        > failed write broke
          write over 0: lives at b/1
        -- It was the first that came through.
        > conflict 4 b/1
          retire a/0
          moved from a/0 to b/1
          send 1 to b/1
        "
    ));
    assert!(machine.is_at_rest());
}

#[test]
fn of_two_moves_that_knew_nothing_of_each_other_the_recorded_one_counts() {
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
        > noticed 2 c/1
          retire b/1
          moved from b/1 to c/1
        "
    ));
}

#[test]
fn alone_the_store_may_follow_later() {
    let machine = Migration::new(Session { alone: true, ..session(live()) }).unwrap();
    check(
        machine,
        "
        > lost 1 safe from 0 broke
          alarm
          read
        > late read
          choose within eu, not a
        > chosen b
          initialize b
        > greeted b
          confirm b/1
        > done confirm
          write over 0: lives at b/1
        > late write
          owe: lives at b/1
          retire a/0
          moved from a/0 to b/1
          send 1 to b/1
        ",
    );
}

#[test]
fn a_claim_without_an_answer_is_doubt_and_doubt_serves_nobody() {
    let doubt = format!(
        "
        > opened 9 0
        > lost 1 safe from 0 broke
          alarm
          read
        {TO_B}
        > late write
          write over 0: lives at b/1
        > late write
          write over 0: lives at b/1
        > late write
          write over 0: lives at b/1
        > late write
          alarm
          answer 1: not served, StoreUnreachable
        "
    );
    // It had been written.
    story(&format!(
        "{doubt}
        > arrives 2 call
          alarm
          read
        > read 3 b/1
          retire a/0
          moved from a/0 to b/1
          send 2 to b/1
          attach 9 to b/1
        "
    ));
    // It had not; the session that was made is still good.
    story(&format!(
        "{doubt}
        > alarm
          alarm
          read
        > read nothing
          write over 0: lives at b/1
        > written 1
          retire a/0
          moved from a/0 to b/1
          attach 9 to b/1
        "
    ));
    // Somebody else had it first.
    story(&format!(
        "{doubt}
        > arrives 2 call
          alarm
          read
        > read 3 c/1
          delete b/1
          moved from a/0 to c/1
          send 2 to c/1
          attach 9 to c/1
        "
    ));
    // The store is still out.
    story(&format!(
        "{doubt}
        > arrives 2 call
          alarm
          read
        > late read
          alarm
          answer 2: not served, StoreUnreachable
        "
    ));
    // The answer comes after all.
    story(&format!(
        "{doubt}
        > written 1
          retire a/0
          moved from a/0 to b/1
          attach 9 to b/1
        "
    ));
    // The answer comes while the record is read again.
    story(&format!(
        "{doubt}
        > arrives 2 call
          alarm
          read
        > written 1
          retire a/0
          moved from a/0 to b/1
          send 2 to b/1
          attach 9 to b/1
        > read 1 b/1
        "
    ));
    // The client has had enough.
    story(&format!(
        "{doubt}
        > arrives 2 delete
          delete b/1
          delete a/0
          alarm
          write over 0: ended, client
        > conflict 1 b/1
          delete b/1
          write over 1: ended, client
        > written 2
          over: client
          answer 2: Ended
          end stream 9
        "
    ));
}
