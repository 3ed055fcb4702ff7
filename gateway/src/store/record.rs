//! What is remembered, and how is it written down?
//!
//! Rows are JSON, so that a file can be read by a person in need. The number in a table's name is the version of its
//! rows: a field may be added under the same number (old rows lack it, old programs pass over it), any other change
//! begins a new table.

use mcphub_predictor::{Leave, Wish};
use mcphub_routing::Share;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest text in a record, in characters: whoever writes more says it in the log.
pub const TEXT_MAX: usize = 1024;

/// What the operator wants of one hub, since when, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WishRecord {
    /// What is wanted.
    pub wish: Wish,
    /// When it was said, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// What the operator wrote beside it; cut after [`TEXT_MAX`] characters.
    pub note: Option<String>,
}

/// Who took a hub out of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The control loop.
    Automatic,
    /// A person.
    Operator,
}

/// One hub taken out of service, and what became of it. Texts are cut after [`TEXT_MAX`] characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailoverRecord {
    /// Its number, from [`super::Store::next_failover_id`]: later ones are greater.
    pub id: u64,
    /// When it was published, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// The hub that went.
    pub hub: String,
    /// The hub that takes most of its place; `None` where nobody can.
    pub backup: Option<String>,
    /// Who wanted it.
    pub by: Trigger,
    /// Why, in words.
    pub reason: String,
    /// From the first sign of it to the table without the hub, in milliseconds.
    pub noticed_to_published_ms: u64,
    /// Sessions pinned to the hub at that moment.
    pub sessions_pinned: u64,
    /// Requests that failed of it, as far as counted.
    pub requests_failed: u64,
    /// Requests that were answered by another hub instead, as far as counted.
    pub requests_moved: u64,
    /// Sessions that have moved away from it since the first sign, as far as counted.
    #[serde(default)]
    pub sessions_moved: u64,
    /// When the hub was empty or its time was up, in milliseconds since 1970; `None` while it is going on.
    pub ended_unix_ms: Option<u64>,
    /// When the hub was back in service, in milliseconds since 1970.
    pub back_unix_ms: Option<u64>,
    /// How long the hub is expected to stay away, in milliseconds; `None` where nobody can say.
    pub expected_recovery_ms: Option<u64>,
    /// In what way it went: `drained` or `ejected`.
    pub how: String,
    /// What ended it, in words: the last session, the deadline, its return.
    pub ended_because: Option<String>,
}

impl WishRecord {
    pub(super) fn trimmed(mut self) -> Self {
        self.note.iter_mut().for_each(trim);
        self
    }

    pub(super) fn to_row(&self) -> Vec<u8> {
        let leave = self.wish.out.map(|out| match out {
            Leave::Now => LeaveRow::Now,
            Leave::Drain { deadline } => LeaveRow::Drain {
                deadline_ms: deadline.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
            },
        });
        let row = WishRow {
            leave,
            weight_per_mille: self.wish.weight.map(Share::per_mille),
            at_unix_ms: self.at_unix_ms,
            note: self.note.clone(),
        };
        bytes(&row)
    }

    pub(super) fn from_row(row: &[u8]) -> serde_json::Result<Self> {
        let row: WishRow = serde_json::from_slice(row)?;
        let out = row.leave.map(|leave| match leave {
            LeaveRow::Now => Leave::Now,
            LeaveRow::Drain { deadline_ms } => {
                Leave::Drain { deadline: deadline_ms.map(Duration::from_millis) }
            }
        });
        let weight = row.weight_per_mille.map(Share::saturating);
        Ok(Self { wish: Wish { out, weight }, at_unix_ms: row.at_unix_ms, note: row.note })
    }
}

impl FailoverRecord {
    pub(super) fn trimmed(mut self) -> Self {
        [&mut self.hub, &mut self.reason, &mut self.how].into_iter().for_each(trim);
        [&mut self.backup, &mut self.ended_because].into_iter().flatten().for_each(trim);
        self
    }

    pub(super) fn to_row(&self) -> Vec<u8> {
        bytes(self)
    }

    pub(super) fn from_row(row: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(row)
    }
}

/// [`WishRecord`] on paper.
#[derive(Serialize, Deserialize)]
struct WishRow {
    leave: Option<LeaveRow>,
    weight_per_mille: Option<u16>,
    at_unix_ms: u64,
    note: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LeaveRow {
    Now,
    Drain { deadline_ms: Option<u64> },
}

fn bytes(row: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(row).expect("numbers and texts under fixed names always have a JSON form")
}

fn trim(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wish: Wish, expected: &str) {
        let record = WishRecord { wish, at_unix_ms: 7, note: Some("disk \"sda\"".into()) };
        let row = record.to_row();
        assert_eq!(String::from_utf8_lossy(&row), expected);
        assert_eq!(WishRecord::from_row(&row).expect("just written"), record);
    }

    #[test]
    fn every_wish_has_a_row_that_stays_readable() {
        let note = r#""at_unix_ms":7,"note":"disk \"sda\""}"#;
        check(Wish::default(), &format!(r#"{{"leave":null,"weight_per_mille":null,{note}"#));
        check(
            Wish { out: Some(Leave::Now), weight: Share::from_per_mille(250) },
            &format!(r#"{{"leave":"now","weight_per_mille":250,{note}"#),
        );
        check(
            Wish { out: Some(Leave::Drain { deadline: None }), weight: None },
            &format!(r#"{{"leave":{{"drain":{{"deadline_ms":null}}}},"weight_per_mille":null,{note}"#),
        );
        check(
            Wish { out: Some(Leave::Drain { deadline: Some(Duration::from_secs(60)) }), weight: None },
            &format!(r#"{{"leave":{{"drain":{{"deadline_ms":60000}}}},"weight_per_mille":null,{note}"#),
        );
    }

    #[test]
    fn rows_of_a_later_program_may_say_more_and_of_an_earlier_one_less() {
        let row = br#"{"leave":"now","at_unix_ms":1,"colour":"blue"}"#;
        let read = WishRecord::from_row(row).expect("unknown fields are passed over, missing ones are none");
        assert_eq!((read.wish.out, read.wish.weight, read.note), (Some(Leave::Now), None, None));
        assert!(WishRecord::from_row(b"{}").is_err());
        assert!(WishRecord::from_row(b"\xff").is_err());
    }

    /// What a gateway wrote that knew of no sessions that move.
    #[test]
    fn an_old_failover_is_one_that_moved_no_session() {
        let row = br#"{"id":7,"at_unix_ms":1,"hub":"a","backup":null,"by":"operator","reason":"r",
            "noticed_to_published_ms":0,"sessions_pinned":3,"requests_failed":0,"requests_moved":0,
            "ended_unix_ms":null,"back_unix_ms":null,"expected_recovery_ms":null,"how":"drained",
            "ended_because":null}"#;
        let read = FailoverRecord::from_row(row).expect("it can be read");
        assert_eq!((read.sessions_pinned, read.sessions_moved), (3, 0));
        let now = FailoverRecord { sessions_moved: 2, ..read };
        assert_eq!(FailoverRecord::from_row(&now.to_row()).expect("just written"), now);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let mut text = "é".repeat(TEXT_MAX + 5);
        trim(&mut text);
        assert_eq!(text.chars().count(), TEXT_MAX);
        let mut short = "x".repeat(TEXT_MAX);
        trim(&mut short);
        assert_eq!(short.len(), TEXT_MAX);
    }
}
