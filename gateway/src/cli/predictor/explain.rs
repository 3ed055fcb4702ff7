//! `predictor explain`: what does a running gateway expect of a hub, and why?

use std::fmt::Write as _;
use std::io::Write;

use serde_json::{Value, json};

use crate::cli::admin::{Admin, Where};
use crate::cli::hubs::target;
use crate::cli::lines::{count, plain, span};
use crate::cli::{Failure, print_json};

/// Flags of `predictor explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The hub.
    #[arg(value_name = "HUB")]
    hub: String,

    /// How far ahead, in minutes [default: the configured horizon].
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..=1_440))]
    window: Option<u32>,

    #[command(flatten)]
    gateway: Where,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    target(&args.hub)?;
    let admin = Admin::find(&args.gateway)?;
    let mut body = json!({ "hubId": args.hub });
    if let Some(minutes) = args.window {
        body["timeWindow"] = json!(u64::from(minutes) * 60_000);
    }
    let about = json!({ "hubId": args.hub });
    let expected = admin.accepted(admin.post("/v1/predictFailure", Some(&body))?, out)?;
    let risk = admin.accepted(admin.post("/v1/calculateRiskScore", Some(&about))?, out)?;
    let past = admin.accepted(admin.post("/v1/analyzeFailurePatterns", Some(&about))?, out)?;
    if args.gateway.json {
        return print_json(&json!({ "forecast": expected, "risk": risk, "past": past }), out);
    }
    Ok(write!(out, "{}", text(&expected, &risk, &past))?)
}

fn text(expected: &Value, risk: &Value, past: &Value) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_text(&mut out, expected, risk, past);
    out
}

fn write_text(out: &mut String, expected: &Value, risk: &Value, past: &Value) -> std::fmt::Result {
    let time = |value: &Value| value.as_u64().map_or_else(|| "an unknown time".to_owned(), span);
    writeln!(
        out,
        "{} fails within {} with a probability of {}; as a rule with {}",
        plain(&expected["hubId"]),
        time(&expected["timeWindow"]),
        percent(&expected["failureProbability"]),
        percent(&expected["baseRate"]),
    )?;
    let past_alone = expected["pastAlone"].as_bool().unwrap_or_default();
    let why = if past_alone { " (its past alone speaks)" } else { "" };
    writeln!(out, "  confidence       {}{why}", percent(&expected["confidence"]))?;
    if expected["loadJumped"].as_bool().unwrap_or_default() {
        writeln!(out, "  load             has just jumped; this was expected before")?;
    }
    writeln!(out, "  type             {}", plain(&expected["failureType"]))?;
    if !expected["estimatedTimeToFailure"].is_null() {
        writeln!(out, "  expected in      {}", time(&expected["estimatedTimeToFailure"]))?;
    }
    let score = risk["riskScore"].as_f64().unwrap_or_default();
    writeln!(out, "  risk, next 24 h  {score:.1} of 100")?;
    let failures = count(&past["failures"], "failure");
    writeln!(out, "  past             {failures} in {} of watching", time(&past["watched"]))?;
    list(out, "What moved the forecast", &expected["evidence"], "detail")?;
    list(out, "What its failures have in common", &past["patterns"], "detail")?;
    for action in expected["recommendedActions"].as_array().into_iter().flatten() {
        writeln!(out, "Recommended: {}", plain(&action["action"]))?;
        for because in action["because"].as_array().into_iter().flatten() {
            writeln!(out, "  {}", plain(because))?;
        }
    }
    Ok(())
}

fn list(out: &mut String, heading: &str, entries: &Value, field: &str) -> std::fmt::Result {
    let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
    if entries.is_empty() {
        return Ok(());
    }
    writeln!(out, "{heading}:")?;
    entries.iter().try_for_each(|entry| writeln!(out, "  {}", plain(&entry[field])))
}

/// A share in per cent; small ones with the digits that they have.
fn percent(share: &Value) -> String {
    let Some(share) = share.as_f64() else { return "-".to_owned() };
    let percent = share * 100.0;
    if percent < 10.0 { format!("{percent:.2} %") } else { format!("{percent:.0} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forecast_is_told_with_what_speaks_for_it() {
        let expected = json!({
            "hubId": "us-east-1", "failureProbability": 0.34, "timeWindow": 600_000, "baseRate": 0.0004,
            "estimatedTimeToFailure": null, "failureType": "network", "confidence": 0.8, "pastAlone": false,
            "evidence": [{ "detail": "the time to connect is 8.2 spreads above what is usual" }],
            "recommendedActions": [{ "action": "probe_more", "because": ["it fails within 10 min with 34 %"] }],
        });
        let risk = json!({ "riskScore": 4.9 });
        let past = json!({ "failures": 2, "watched": 3_600_000, "patterns": [] });
        let told = text(&expected, &risk, &past);
        assert!(
            told.starts_with(
                "us-east-1 fails within 10 min with a probability of 34 %; as a rule with 0.04 %\n"
            ),
            "{told}"
        );
        for part in ["network", "8.2 spreads", "4.9 of 100", "2 failures", "Recommended: probe_more"] {
            assert!(told.contains(part), "{part} is missing in {told}");
        }
        for part in ["expected in", "in common", "jumped"] {
            assert!(!told.contains(part), "{part} is in {told}");
        }
        let after = json!({ "hubId": "us-east-1", "loadJumped": true });
        assert!(
            text(&after, &risk, &past).contains("load             has just jumped; this was expected before")
        );
    }
}
