//! When has an order come to its end?

use std::time::Duration;

use serde_json::{Value, json};

use super::admin::Admin;
use super::hubs::{percent, state};
use super::lines::{count, plain, span};
use crate::clock;

/// Pause between two looks: soon enough for a person, seldom enough for the gateway.
const PAUSE: Duration = Duration::from_millis(200);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// Out of service, and empty or at the deadline.
    Out,
    /// Back in full service, or in as much as the operator left it.
    Back,
}

/// How waiting ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ended {
    /// What was waited for has come.
    pub(super) reached: bool,
    /// What ended it, in words.
    pub(super) words: String,
    /// The hub as it was last seen.
    hub: Value,
    took: Duration,
}

impl Ended {
    pub(super) fn as_json(&self) -> Value {
        let took = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        json!({ "reached": self.reached, "words": self.words, "tookMs": took, "hub": self.hub })
    }
}

/// Waits, at most for `timeout`. A gateway that cannot be asked may be one that restarts: it is asked again.
pub(super) fn wait(admin: &Admin, hub: &str, goal: Goal, timeout: Duration) -> Ended {
    let (began, target) = (clock::instant(), format!("/v1/hubs/{hub}"));
    let mut last = Value::Null;
    loop {
        let took = clock::instant().saturating_duration_since(began);
        let trouble = match admin.get(&target) {
            Ok(said) if said.status == 200 => {
                last = said.value;
                None
            }
            Ok(said) if said.status == 404 => {
                let words = format!("{hub} is no longer configured");
                return Ended { reached: goal == Goal::Out, words, hub: Value::Null, took };
            }
            Ok(said) => Some(format!("the gateway answers {}", said.status)),
            Err(failure) => Some(failure.to_string().trim_end().to_owned()),
        };
        if trouble.is_none()
            && let Some((reached, words)) = verdict(&last, goal, took)
        {
            return Ended { reached, words, hub: last, took };
        }
        if took >= timeout {
            let seen = trouble.unwrap_or_else(|| format!("{hub} is {}", now(&last)));
            let words = format!("not after {}: {seen}", span(ms(timeout)));
            return Ended { reached: false, words, hub: last, took };
        }
        std::thread::park_timeout(PAUSE.min(timeout.saturating_sub(took)));
    }
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn now(hub: &Value) -> String {
    let sessions = count(&hub["sessions"], "session");
    format!("{}, with {} of its share and {sessions}", state(hub), percent(&hub["state"]["share"]))
}

/// Whether it is over, and how.
fn verdict(hub: &Value, goal: Goal, took: Duration) -> Option<(bool, String)> {
    let (id, name) = (plain(&hub["id"]), plain(&hub["state"]["name"]));
    let wanted_out = hub["wish"]["out"].is_string();
    let why = hub["reason"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
    let took = span(ms(took));
    match goal {
        Goal::Out if name == "drained" => Some((true, format!("{id} is out after {took}{why}"))),
        Goal::Out if !wanted_out => Some((false, format!("{id} is {name}: somebody took the wish back"))),
        Goal::Back if wanted_out => Some((false, format!("{id} is {name}: somebody wants it out again"))),
        Goal::Back => {
            let share = hub["state"]["share"].as_f64().unwrap_or(0.0);
            let full = hub["wish"]["weight"].as_f64().unwrap_or(1.0);
            let back = name == "serving" && share >= full;
            back.then(|| {
                (true, format!("{id} is back after {took}, with {}", percent(&hub["state"]["share"])))
            })
        }
        Goal::Out => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_ends_when_the_hub_is_where_it_should_be() {
        let check = |goal, hub: Value, expected: Option<(bool, &str)>| {
            let said = verdict(&hub, goal, Duration::from_secs(3));
            let said = said.as_ref().map(|(reached, words)| (*reached, words.as_str()));
            assert_eq!(said, expected, "{goal:?} {hub}");
        };
        let hub = |state: &str, share: f64, wish: Value, reason: Value| json!({ "id": "a", "state": { "name": state, "share": share }, "wish": wish, "reason": reason });
        let out = json!({ "out": "drain" });
        check(Goal::Out, hub("draining", 0.0, out.clone(), Value::Null), None);
        check(Goal::Out, hub("serving", 1.0, out.clone(), Value::Null), None);
        let gone = json!("its last session is gone");
        check(
            Goal::Out,
            hub("drained", 0.0, out.clone(), gone),
            Some((true, "a is out after 3 s: its last session is gone")),
        );
        let back = Some((false, "a is serving: somebody took the wish back"));
        check(Goal::Out, hub("serving", 1.0, Value::Null, Value::Null), back);
        check(Goal::Back, hub("recovering", 0.4, Value::Null, Value::Null), None);
        check(Goal::Back, hub("ejected", 0.0, Value::Null, Value::Null), None);
        let full = Some((true, "a is back after 3 s, with 100 %"));
        check(Goal::Back, hub("serving", 1.0, Value::Null, Value::Null), full);
        let half = Some((true, "a is back after 3 s, with 50 %"));
        check(Goal::Back, hub("serving", 0.5, json!({ "weight": 0.5 }), Value::Null), half);
        let again = Some((false, "a is draining: somebody wants it out again"));
        check(Goal::Back, hub("draining", 0.0, out, Value::Null), again);
    }
}
