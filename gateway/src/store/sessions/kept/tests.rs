use super::*;
use crate::store::sessions::conformance::{NOW, ending, key, live};
use mcphub_session::record::Ended;
use mcphub_session::{Record, StoreError};

fn text(record: &Record) -> Text {
    Text::of(record).expect("it can be written down")
}

/// Records with a number for each change, as the memory gives them.
#[derive(Default)]
struct Book {
    kept: Kept,
    changes: u64,
}

impl Book {
    fn put(&mut self, number: u64, stay: u32) {
        let of = self.kept.shelf.entry(key(number)).map_or(Revision::NONE, |entry| entry.revision);
        let change = self.changes + 1;
        self.kept.write(key(number), of, text(&live(stay, "a")), change, NOW).expect("a write");
        self.changes = change;
    }
}

#[test]
fn a_commit_that_does_not_take_everything_has_all_that_was_changed_before_its_last() {
    let (mut book, many) = (Book::default(), COMMIT_MAX as u64 + 10);
    for number in 0..many {
        book.put(number, 1);
    }
    // The first ones change again. Whoever wrote the first version counts on its place in the first commit.
    for number in 0..5 {
        book.put(number, 2);
    }
    let (batch, all) = book.kept.take();
    assert!(!all);
    assert_eq!(batch.rows.len(), COMMIT_MAX);
    let numbers: Vec<_> = batch.rows.iter().map(|(turn, ..)| *turn).collect();
    assert!(numbers.iter().copied().eq(1..=COMMIT_MAX as u64), "in the order of their first changes");
    for (_, key, row) in batch.rows.iter().take(5) {
        let stay = row.text.record().and_then(|record| record.live()).map(|live| live.stay.number);
        assert_eq!(stay, Some(2), "{key}: as it is now");
    }
    // It was not written after all, and one of them changes meanwhile.
    book.kept.take_back(batch);
    book.put(3, 3);
    let (again, _) = book.kept.take();
    assert_eq!(again.rows.iter().map(|(turn, ..)| *turn).collect::<Vec<_>>(), numbers);
    let (rest, all) = book.kept.take();
    assert!(all);
    assert_eq!(rest.rows.len(), 10);
    assert!(!book.kept.has_unwritten());
}

#[test]
fn what_changes_while_it_is_written_is_written_again() {
    let mut book = Book::default();
    book.put(1, 1);
    let (first, _) = book.kept.take();
    book.put(1, 2);
    assert_eq!(first.rows[0].0, 1);
    let (second, all) = book.kept.take();
    assert!(all);
    assert_eq!(second.rows[0].0, 2);
}

#[test]
fn a_removal_goes_before_what_is_written_anew() {
    let mut book = Book::default();
    book.put(1, 1);
    assert!(book.kept.take().1);
    assert_eq!(book.kept.sweep(NOW * 2, 10, true), 1);
    book.put(1, 2);
    let (batch, _) = book.kept.take();
    assert_eq!((batch.gone, batch.rows.len()), (vec![key(1)], 1));
    // Without a file there is nothing to be removed from.
    assert_eq!(book.kept.sweep(NOW * 2, 10, false), 1);
    assert!(!book.kept.has_unwritten());
}

#[test]
fn a_full_shelf_takes_tombstones_longer_than_living_records() {
    let mut kept = Kept { shelf: Shelf::new(Bounds { records: 16, bytes: 100_000 }), ..Kept::default() };
    let mut change = 0;
    let mut write = |kept: &mut Kept, number: u64, record: &Record| {
        let of = kept.shelf.entry(key(number)).map_or(Revision::NONE, |entry| entry.revision);
        change += 1;
        kept.write(key(number), of, text(record), change, NOW)
    };
    let full = |result| assert!(matches!(result, Err(StoreError::Full { .. })), "{result:?}");
    for number in 0..14 {
        write(&mut kept, number, &live(1, "a")).expect("room");
    }
    full(write(&mut kept, 14, &live(1, "a")));
    write(&mut kept, 13, &live(2, "b")).expect("what is there may change");
    let end = Record::from(ending(Ended::ByClient));
    for number in 14..16 {
        write(&mut kept, number, &end).expect("room for a tombstone");
    }
    full(write(&mut kept, 16, &end));
    write(&mut kept, 0, &end).expect("what is there may end");
    assert_eq!(kept.sweep(NOW * 2, 100, false), 16);
    write(&mut kept, 99, &live(1, "a")).expect("room again");
}

#[test]
fn bytes_are_bounded_too() {
    let one = text(&live(1, "a")).bytes() + 200;
    let mut shelf = Shelf::new(Bounds { records: 1_000_000, bytes: 10 * one });
    let mut taken = 0;
    while shelf.has_room(key(taken), &text(&live(1, "a"))).is_ok() {
        shelf.put(key(taken), text(&live(1, "a")), Revision(1), taken + 1);
        taken += 1;
    }
    assert!((8..=11).contains(&taken), "{taken}");
    let longer = live(1, &"a".repeat(60));
    let mut grown = 0;
    while shelf.has_room(key(grown), &text(&longer)).is_ok() {
        shelf.put(key(grown), text(&longer), Revision(2), taken + grown + 1);
        grown += 1;
    }
    assert!(grown < taken, "what grows needs room too: {grown} of {taken}");
    assert!(shelf.has_room(key(grown), &text(&live(2, "b"))).is_ok(), "what does not needs none");
    for number in 0..taken {
        shelf.remove(key(number));
    }
    assert!(shelf.has_room(key(0), &text(&longer)).is_ok());
}
