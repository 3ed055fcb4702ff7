//! `hubs`, `failovers` and `report`: how are the hubs, what happened to them, and what was decided?

use std::io::Write;

use serde_json::Value;

use super::admin::{Admin, Where, tell};
use super::lines::{plain, span, table};
use super::{Failure, print_json};

/// Flags of `hubs`.
#[derive(Debug, clap::Args)]
pub struct HubsArgs {
    /// One hub, with all that is known about it.
    #[arg(value_name = "HUB")]
    hub: Option<String>,

    #[command(flatten)]
    gateway: Where,
}

/// Flags of `failovers`.
#[derive(Debug, clap::Args)]
pub struct FailoversArgs {
    /// At most so many, the newest.
    #[arg(long, value_name = "COUNT", default_value_t = 20,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,

    #[command(flatten)]
    gateway: Where,
}

/// Flags of `report`.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    #[command(flatten)]
    gateway: Where,
}

pub(super) fn hubs(args: &HubsArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let admin = Admin::find(&args.gateway)?;
    if let Some(hub) = &args.hub {
        let said = admin.accepted(admin.get(&target(hub)?)?, out)?;
        return tell(&args.gateway, &said, out);
    }
    let said = admin.accepted(admin.get("/v1/hubs")?, out)?;
    if args.gateway.json {
        return print_json(&said, out);
    }
    let rows: Vec<_> = members(&said["hubs"]).iter().map(row).collect();
    let headings = ["HUB", "TYPE", "LOCATION", "STATE", "SHARE", "HEALTH", "SESSIONS", "IN FLIGHT", "REASON"];
    Ok(write!(out, "{}", table(headings, &rows))?)
}

/// Where a hub is looked at. A name that could not be a hub's must not become another request.
pub(super) fn target(hub: &str) -> Result<String, Failure> {
    match mcphub_routing::HubId::new(hub) {
        Ok(hub) => Ok(format!("/v1/hubs/{hub}")),
        Err(error) => Err(Failure::Usage(error.to_string())),
    }
}

fn members(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn row(hub: &Value) -> [String; 9] {
    let text = |name: &str| plain(&hub[name]);
    [
        text("id"),
        text("type"),
        text("location"),
        state(hub),
        percent(&hub["state"]["share"]),
        text("health"),
        text("sessions"),
        text("in_flight"),
        reason(hub),
    ]
}

/// A hub's state, with the time that it has left.
pub(super) fn state(hub: &Value) -> String {
    let state = &hub["state"];
    let name = plain(&state["name"]);
    let left = |field: &str| state[field].as_u64().map(span);
    match (left("deadline_in_ms"), left("retry_in_ms")) {
        (Some(left), _) => format!("{name} ({left} left)"),
        (_, Some(left)) => format!("{name} ({left} left, strike {})", plain(&state["strikes"])),
        _ => name,
    }
}

/// 0 to 1 as per cent.
pub(super) fn percent(share: &Value) -> String {
    share.as_f64().map_or_else(|| "-".to_owned(), |share| format!("{} %", (share * 1000.0).round() / 10.0))
}

fn reason(hub: &Value) -> String {
    let why = match (&hub["reason"], &hub["probe_error"]) {
        (Value::String(reason), Value::String(error)) => format!("{reason}; last probe: {error}"),
        (Value::String(why), _) | (_, Value::String(why)) => why.clone(),
        _ => String::new(),
    };
    let serves = ["serving", "recovering"].contains(&plain(&hub["state"]["name"]).as_str());
    let waits = (serves && hub["wish"]["out"].is_string()).then(|| "wanted out, and held up".to_owned());
    let note = hub["wish"]["note"].as_str().map(|note| format!("\"{note}\""));
    let parts = [waits, Some(why).filter(|why| !why.is_empty()), note];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

pub(super) fn failovers(args: &FailoversArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let admin = Admin::find(&args.gateway)?;
    let said = admin.accepted(admin.get(&format!("/v1/failovers?limit={}", args.limit))?, out)?;
    if args.gateway.json {
        return print_json(&said, out);
    }
    let records = members(&said["failovers"]);
    if records.is_empty() {
        writeln!(out, "no hub has gone out of service yet")?;
    } else {
        let rows: Vec<_> = records.iter().map(failover).collect();
        let headings =
            ["AT", "HUB", "HOW", "BY", "TO", "SESSIONS", "LEFT", "FAILED", "MOVED", "AWAY", "REASON"];
        write!(out, "{}", table(headings, &rows))?;
    }
    if let Some(error) = said["store_error"].as_str() {
        writeln!(out, "the store is {}: {error}", plain(&said["store"]))?;
    }
    Ok(())
}

fn failover(record: &Value) -> [String; 11] {
    let text = |name: &str| plain(&record[name]);
    let time = |name: &str| record[name].as_u64();
    let away = match (time("at_unix_ms"), time("back_unix_ms")) {
        (Some(left), Some(back)) => span(back.saturating_sub(left)),
        _ => "still".to_owned(),
    };
    let reason = match record["ended_because"].as_str() {
        Some(ended) if ended != text("reason") => format!("{}; it ended: {ended}", text("reason")),
        _ => text("reason"),
    };
    let at = time("at_unix_ms").map_or_else(
        || "-".to_owned(),
        |at| {
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(at);
            crate::clock::Rfc3339(at).to_string()
        },
    );
    [
        at,
        text("hub"),
        text("how"),
        text("by"),
        text("backup"),
        text("sessions_pinned"),
        text("sessions_moved"),
        text("requests_failed"),
        text("requests_moved"),
        away,
        reason,
    ]
}

pub(super) fn report(args: &ReportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let admin = Admin::find(&args.gateway)?;
    let target = if args.gateway.json { "/v1/report" } else { "/v1/report?format=text" };
    let said = admin.accepted(admin.get(target)?, out)?;
    tell(&args.gateway, &said, out)
}
