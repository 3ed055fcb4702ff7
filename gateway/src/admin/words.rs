//! In which words do operators give orders, and in which are they answered? The fields of the failover interface, in
//! camel case; times in milliseconds; what is not known is `null`.

use mcphub_routing::{HubId, Share};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest note, in characters.
const NOTE_MAX: usize = 500;
/// Longest deadline of a drain: a week.
const DEADLINE_MAX_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Shortest and longest window of a forecast: a minute and a day, as the horizon in the configuration.
const WINDOW_MIN_MS: u64 = 60 * 1000;
const WINDOW_MAX_MS: u64 = 24 * 60 * 60 * 1000;

/// The name of a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HubName(pub(super) HubId);

impl<'de> Deserialize<'de> for HubName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        HubId::new(&text).map(Self).map_err(D::Error::custom)
    }
}

impl JsonSchema for HubName {
    fn schema_name() -> Cow<'static, str> {
        "HubName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "description": "The lasting name of a hub, as configured.",
            "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$", "examples": ["us-east-1"],
        })
    }
}

/// What an operator says about an order; shown wherever the order is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note(pub(super) String);

impl<'de> Deserialize<'de> for Note {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.chars().count() > NOTE_MAX || text.chars().any(char::is_control) {
            let rule = format!("a note is one line of at most {NOTE_MAX} characters");
            return Err(D::Error::custom(rule));
        }
        Ok(Self(text))
    }
}

impl JsonSchema for Note {
    fn schema_name() -> Cow<'static, str> {
        "Note".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "description": "What the operator says about it: one line.",
            "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", "maxLength": NOTE_MAX,
        })
    }
}

/// How far ahead a forecast looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeWindow(pub(super) Duration);

impl<'de> Deserialize<'de> for TimeWindow {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // To JSON, 5000.0 is a whole number as well.
        let ms = f64::deserialize(from)?;
        if ms.fract() == 0.0 && (WINDOW_MIN_MS as f64..=WINDOW_MAX_MS as f64).contains(&ms) {
            return Ok(Self(Duration::from_millis(ms as u64)));
        }
        let rule = format!(
            "a time window is a whole number of milliseconds from {WINDOW_MIN_MS} (a minute) to {WINDOW_MAX_MS} (a day)"
        );
        Err(D::Error::custom(rule))
    }
}

impl JsonSchema for TimeWindow {
    fn schema_name() -> Cow<'static, str> {
        "TimeWindow".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "integer", "description": "How far ahead a forecast looks, in milliseconds.",
            "minimum": WINDOW_MIN_MS, "maximum": WINDOW_MAX_MS, "examples": [600_000],
        })
    }
}

/// How long a drain may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadline(pub(super) Duration);

impl<'de> Deserialize<'de> for Deadline {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // To JSON, 5000.0 is a whole number as well.
        let ms = f64::deserialize(from)?;
        if ms.fract() == 0.0 && (0.0..=DEADLINE_MAX_MS as f64).contains(&ms) {
            return Ok(Self(Duration::from_millis(ms as u64)));
        }
        let rule =
            format!("a deadline is a whole number of milliseconds, at most {DEADLINE_MAX_MS} (a week)");
        Err(D::Error::custom(rule))
    }
}

impl JsonSchema for Deadline {
    fn schema_name() -> Cow<'static, str> {
        "Deadline".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "integer", "minimum": 0, "maximum": DEADLINE_MAX_MS,
            "description": "Longest time for the sessions to leave, in milliseconds; less than 2 s counts as 2 s.",
        })
    }
}

/// A part of a hub's traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Percentage(pub(super) f64);

impl Percentage {
    /// What is left, to a tenth of a per cent.
    pub(super) fn rest(self) -> Share {
        // 0 to 1000: checked when it was read.
        Share::saturating(((100.0 - self.0) * 10.0).round() as u16)
    }
}

impl<'de> Deserialize<'de> for Percentage {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match f64::deserialize(from)? {
            percentage if (0.0..=100.0).contains(&percentage) => Ok(Self(percentage)),
            _ => Err(D::Error::custom("a percentage is 0 to 100")),
        }
    }
}

impl JsonSchema for Percentage {
    fn schema_name() -> Cow<'static, str> {
        "Percentage".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number", "minimum": 0, "maximum": 100,
            "description": "Which part of the hub's new placements goes elsewhere, in per cent, to a tenth.",
        })
    }
}

/// Take a hub out of service gently.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Drain {
    /// The hub.
    pub(super) hub: HubName,
    /// Longest time for its sessions to leave; the configured one where none is given.
    #[serde(default)]
    pub(super) deadline_ms: Option<Deadline>,
    /// What the operator says about it.
    #[serde(default)]
    pub(super) note: Option<Note>,
}

/// Let a hub serve again.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Undrain {
    /// The hub.
    pub(super) hub: HubName,
}

/// Take a hub out of service at once.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExecuteFailover {
    /// The hub that goes.
    pub(super) failed_hub_id: HubName,
    /// A hub that must be fit to take its place, or nothing is done.
    #[serde(default)]
    pub(super) backup_hub_id: Option<HubName>,
    /// What the operator says about it.
    #[serde(default)]
    pub(super) note: Option<Note>,
}

/// Move part of a hub's new placements elsewhere.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SwitchTraffic {
    /// The hub that keeps the rest.
    pub(super) from_hub_id: HubName,
    /// The hub that is expected to take it, which must be in service.
    pub(super) to_hub_id: HubName,
    /// How much of it; 0 takes an earlier switch back.
    pub(super) percentage: Percentage,
}

/// Would a failover go well?
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ValidateFailover {
    /// The hub that would go; without it, the backup is looked at for itself.
    #[serde(default)]
    pub(super) failed_hub_id: Option<HubName>,
    /// The hub that would take its place.
    pub(super) backup_hub_id: HubName,
}

/// What is to be expected of a hub?
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PredictFailure {
    /// The hub.
    pub(super) hub_id: HubName,
    /// How far ahead; the configured horizon where it is not said.
    #[serde(default)]
    pub(super) time_window: Option<TimeWindow>,
}

/// A question about one hub.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AboutHub {
    /// The hub.
    pub(super) hub_id: HubName,
}

/// What is to be expected of a hub.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FailurePrediction {
    /// The hub.
    pub(super) hub_id: String,
    /// How likely it fails within the window, 0 to 1.
    pub(super) failure_probability: f64,
    /// How far ahead that looks, in milliseconds.
    pub(super) time_window: u64,
    /// How likely that would be by its past alone, 0 to 1.
    pub(super) base_rate: f64,
    /// When it fails, in milliseconds from now; `null` unless that is likelier than not, or its memory runs out.
    pub(super) estimated_time_to_failure: Option<u64>,
    /// What would fail: `hardware`, `software`, `network`, `overload`, or `unknown` where nothing is clearly ahead.
    pub(super) failure_type: String,
    /// How far this may be believed, 0 to 1: as far as the weakest of how well such probabilities are known, how long the
    /// hub has been watched (a week is all), and how much it looks like what the model was taught with.
    pub(super) confidence: f64,
    /// Whether its past alone speaks: it has been watched for less than a day, or there is no model.
    pub(super) past_alone: bool,
    /// Whether more would be expected, but its requests have just doubled: then this is what was expected before.
    pub(super) load_jumped: bool,
    /// What moved the forecast, the strongest first; empty where little is expected.
    pub(super) evidence: Vec<Influence>,
    /// What should be done, the least first; each can be taken back.
    pub(super) recommended_actions: Vec<RecommendedAction>,
}

/// A feature that moved a forecast.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Influence {
    /// Its name.
    pub(super) feature: String,
    /// What it is now.
    pub(super) value: f64,
    /// What it was on average in training.
    pub(super) usual: f64,
    /// What part of all movement it makes up: towards failure above 0, away from it below; −1 to 1.
    pub(super) part: f64,
    /// The same in words.
    pub(super) detail: String,
}

/// Something that should be done.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecommendedAction {
    /// `probe_more`, `prewarm_backup`, `shift_weight`, `drain` or `call_operator`.
    pub(super) action: String,
    /// What speaks for it, in words.
    pub(super) because: Vec<String>,
}

/// What the failures of a hub have in common.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FailurePatterns {
    /// The hub.
    pub(super) hub_id: String,
    /// How many failures of the last 30 days are known.
    pub(super) failures: usize,
    /// How many of them looked like which kind while they lasted: `hardware`, `software`, `network`, `overload`, or
    /// `unknown` where none was clearly ahead. Those that nobody could look at in time are in none.
    pub(super) failure_types: BTreeMap<&'static str, usize>,
    /// How long it has been watched in all, in milliseconds.
    pub(super) watched: u64,
    /// What they have in common; empty where chance could do it as well.
    pub(super) patterns: Vec<FailurePattern>,
}

/// Something that failures have in common.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FailurePattern {
    /// `recurring_hour`, `sibling`, `slow_rise` or `after_restart`.
    pub(super) pattern: String,
    /// In words.
    pub(super) detail: String,
    /// How likely chance would do that, 0 to 1, all that was looked at taken into account; `null` where that cannot be
    /// told.
    pub(super) chance: Option<f64>,
}

/// What should be done about a hub.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PreventiveActions {
    /// The hub.
    pub(super) hub_id: String,
    /// The least first; each can be taken back.
    pub(super) actions: Vec<RecommendedAction>,
}

/// How risky a hub is.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RiskScore {
    /// The hub.
    pub(super) hub_id: String,
    /// How likely it fails within the window by its past alone, 0 to 100: on the scale of a day, nothing else is known
    /// to tell.
    pub(super) risk_score: f64,
    /// How far ahead that looks, in milliseconds: 24 hours.
    pub(super) time_window: u64,
    /// How often it fails, recent failures counting for more.
    pub(super) failures_per_day: f64,
    /// How many failures of the last 30 days are known.
    pub(super) failures: usize,
    /// How long it has been watched in all, in milliseconds.
    pub(super) watched: u64,
}

/// What came of a drain, or of the end of one.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Drained {
    /// The hub.
    pub(super) hub: String,
    /// Its state now: `serving`, `draining`, `drained`, `ejected` or `recovering`.
    pub(super) state: String,
    /// What part of its new placements it takes now, 0 to 1.
    pub(super) share: f64,
    /// Of *draining*: time left for its sessions.
    pub(super) deadline_in_ms: Option<u64>,
    /// What came of it, in words.
    pub(super) message: String,
    /// What keeps it from happening now. The wish stays, and is granted when this is over.
    pub(super) held_up: Option<HeldUp>,
    /// Legacy sessions pinned to it.
    pub(super) sessions_pinned: u64,
    /// Requests that wait for it, open streams included.
    pub(super) requests_in_flight: u32,
    /// Where new clients nearest to this gateway go now.
    pub(super) receives_hub_id: Option<String>,
    /// The number of the failover in the journal that this began.
    pub(super) failover_id: Option<u64>,
    /// The generation of the routing table in force.
    pub(super) generation: u64,
    /// From the asking to the publication.
    pub(super) took_ms: u64,
}

/// What keeps a wish from being granted now.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HeldUp {
    /// The state that was wanted.
    pub(super) wanted: String,
    /// Which guard rail objects, in words.
    pub(super) objection: String,
}

/// What a failover by hand came to. Measured, not guessed: what is not known is null.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FailoverResult {
    /// Whether the hub is out of service.
    pub(super) success: bool,
    /// The hub that was to go.
    pub(super) failed_hub_id: String,
    /// Where its new clients really go now, the hub that was asked for or not; `null` when nobody can take them, or
    /// nothing was done.
    pub(super) backup_hub_id: Option<String>,
    /// Milliseconds from the asking until the table without that hub was in force; `null` when it is not.
    pub(super) failover_time: Option<u64>,
    /// Who felt it, as counted for this hub.
    pub(super) user_impact: UserImpact,
    /// Milliseconds until the hub is expected back: `null` when nothing is known, or when it waits for the operator,
    /// as it does after a failover by hand.
    pub(super) estimated_recovery_time: Option<u64>,
    /// How long past outages of this hub took.
    pub(super) past_outages: PastOutages,
    /// Why it came out so, in words.
    pub(super) reason: String,
    /// What keeps it from happening now. The wish stays, and is granted when this is over.
    pub(super) held_up: Option<HeldUp>,
    /// The number of the failover in the journal.
    pub(super) failover_id: Option<u64>,
    /// The generation of the routing table in force.
    pub(super) generation: u64,
    /// Of the hub that was asked for: what was looked at.
    pub(super) checks: Vec<Check>,
}

/// Who felt a failover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserImpact {
    /// Requests that waited for the hub when it was taken out, open streams included.
    pub(super) requests_in_flight: u32,
    /// Legacy sessions pinned to it.
    pub(super) sessions_pinned: u64,
    /// Requests that failed of it so far.
    pub(super) requests_failed: u64,
    /// Requests that another hub has answered instead so far.
    pub(super) requests_moved: u64,
    /// Sessions that have moved to another hub so far; the others move before they are used next.
    pub(super) sessions_moved: u64,
}

/// How long past outages of a hub took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PastOutages {
    /// How many outages with a return are in the journal.
    pub(super) count: usize,
    /// The middle one of their lengths.
    pub(super) median_ms: Option<u64>,
}

/// What came of moving traffic.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrafficSwitched {
    /// Whether the hub keeps what it was told to keep.
    pub(super) success: bool,
    /// The hub that keeps the rest.
    pub(super) from_hub_id: String,
    /// The hub that was expected to take it.
    pub(super) to_hub_id: String,
    /// How much of it was to move, in per cent.
    pub(super) percentage: f64,
    /// What part of its new placements the hub takes now, 0 to 1.
    pub(super) share: f64,
    /// Who really takes what moves, largest part first.
    pub(super) receives: Vec<Successor>,
    /// Whatever is not as expected, in words.
    pub(super) warning: Option<String>,
    /// What keeps it from happening now. The wish stays, and is granted when this is over.
    pub(super) held_up: Option<HeldUp>,
    /// The generation of the routing table in force.
    pub(super) generation: u64,
    /// From the asking to the publication.
    pub(super) took_ms: u64,
}

/// A hub that takes over from another one.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Successor {
    /// The hub; `null` for clients that no other hub may serve.
    pub(super) hub: Option<String>,
    /// For what part of the places that prefer the other one, 0 to 1.
    pub(super) share: f64,
}

/// Whether a failover would go well. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Validation {
    /// Whether every check is ok.
    pub(super) valid: bool,
    /// What was looked at.
    pub(super) checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Check {
    /// `exists`, `in_service`, `eras`, `probes`, `residency`, `rails` or `load`.
    pub(super) name: &'static str,
    /// Whether it speaks for the failover.
    pub(super) ok: bool,
    /// What was found, in words.
    pub(super) detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_and_what_stays_are_the_whole() {
        let kept = [0.0, 12.5, 50.0, 99.96, 100.0].map(|moved| Percentage(moved).rest().per_mille());
        assert_eq!(kept, [1000, 875, 500, 0, 0]);
    }

    /// What is read and what the document says must agree.
    #[test]
    fn the_schemas_allow_what_is_read_and_nothing_else() {
        fn check<T: for<'de> Deserialize<'de> + JsonSchema>(texts: &[&str]) {
            let schema = serde_json::to_value(schemars::schema_for!(T)).expect("JSON");
            let validator = jsonschema::validator_for(&schema).expect("a schema");
            for text in texts {
                let value = serde_json::from_str(text).expect("JSON");
                assert_eq!(serde_json::from_str::<T>(text).is_ok(), validator.is_valid(&value), "{text}");
            }
        }
        let names = ["\"a\"", "\"us-east-1\"", "\"-a\"", "\"A\"", "\"\"", "\"é\"", "\"a\\n\"", "7", "null"];
        check::<HubName>(&names);
        let long = [format!("\"{}\"", "é".repeat(500)), format!("\"{}\"", "x".repeat(501))];
        check::<Note>(&[&long[0], &long[1], "\"\"", "\"a\\tb\"", "\"\\u0085\"", "\"\\u00a0\"", "1"]);
        check::<Deadline>(&["0", "0.0", "604800000", "604800001", "-1", "\"1\"", "1.5", "null"]);
        check::<Percentage>(&["0", "100", "-0.1", "100.1", "1e1", "\"1\""]);
        check::<Drain>(&[r#"{"hub":"a"}"#, r#"{"hub":"a","note":null}"#, "{}", r#"{"hub":"a","x":1}"#]);
        check::<ExecuteFailover>(&[r#"{"failedHubId":"a"}"#, r#"{"failed_hub_id":"a"}"#, r#"{"hub":"a"}"#]);
    }
}
