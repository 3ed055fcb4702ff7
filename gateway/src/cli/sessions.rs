//! `sessions`: how many are there, where, and what moved? `sessions move`: some shall leave a hub.

use std::io::Write;

use serde_json::{Value, json};

use super::admin::{Admin, Where};
use super::hubs::target;
use super::lines::{count, plain, span, table};
use super::{Failure, print_json};

/// Flags of `sessions`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SessionsArgs {
    /// What to do with them.
    #[command(subcommand)]
    order: Option<Order>,

    #[command(flatten)]
    gateway: Where,
}

/// What can be done with sessions.
#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Move sessions away from a hub; their clients do not notice.
    Move(MoveArgs),
}

/// Flags of `sessions move`.
#[derive(Debug, clap::Args)]
struct MoveArgs {
    /// The hub that they leave.
    #[arg(long, value_name = "HUB")]
    from: String,

    /// The hub they shall go to [default: by the order of preference of each client].
    #[arg(long, value_name = "HUB")]
    to: Option<String>,

    /// So many at most, those with an open stream first [default: all].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    most: Option<u32>,

    #[command(flatten)]
    gateway: Where,
}

pub(super) fn sessions(args: &SessionsArgs, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(Order::Move(order)) = &args.order {
        return away(order, out);
    }
    let admin = Admin::find(&args.gateway)?;
    let said = admin.accepted(admin.get("/v1/sessions")?, out)?;
    if args.gateway.json {
        return print_json(&said, out);
    }
    Ok(write!(out, "{}", text(&said))?)
}

fn away(order: &MoveArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let admin = Admin::find(&order.gateway)?;
    for hub in std::iter::once(&order.from).chain(&order.to) {
        target(hub)?;
    }
    let body = json!({ "fromHubId": order.from, "toHubId": order.to, "sessions": order.most });
    let said = admin.accepted(admin.post("/v1/migrateUserSessions", Some(&body))?, out)?;
    if order.gateway.json {
        return print_json(&said, out);
    }
    Ok(writeln!(out, "{}", plain(&said["message"]))?)
}

fn text(said: &Value) -> String {
    let rows: Vec<_> = members(&said["by_hub"]).iter().map(row).collect();
    let headings = ["HUB", "SESSIONS", "BUSY", "LISTENING", "MOVED", "LEAVING", "CAME", "LEFT"];
    let total = &said["since_start"];
    let refused = total["requests_refused_by_reason"].as_object().into_iter().flatten();
    let refused: Vec<_> = refused.map(|(why, requests)| format!("{why} {}", plain(requests))).collect();
    let refused = if refused.is_empty() { String::new() } else { format!(" ({})", refused.join(", ")) };
    let place = |place: &Value| {
        format!("{} {}", place["place"].as_str().unwrap_or("unknown"), plain(&place["sessions"]))
    };
    [
        table(headings, &rows),
        line("places", &members(&said["by_place"]).iter().map(place).collect::<Vec<_>>()),
        line("age", &buckets(&said["by_age"])),
        line("idle", &buckets(&said["by_idle"])),
        format!(
            "since the start: {} opened, {} moved, {} followed; {} refused{refused}, {} lost\n",
            plain(&total["opened"]),
            plain(&total["moved"]),
            plain(&total["followed"]),
            count(&total["requests_refused"], "request"),
            plain(&total["requests_lost"]),
        ),
        format!("sessions are counted that were seen since {}\n", plain(&said["seen_since"])),
    ]
    .concat()
}

fn members(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn row(hub: &Value) -> [String; 8] {
    ["hub", "sessions", "busy", "listening", "moved", "leaving", "came", "left"].map(|name| plain(&hub[name]))
}

fn line(name: &str, parts: &[String]) -> String {
    format!("{name}: {}\n", if parts.is_empty() { "-".to_owned() } else { parts.join(", ") })
}

/// Those that hold any.
fn buckets(list: &Value) -> Vec<String> {
    let mut from = None;
    let mut told = Vec::new();
    for bucket in members(list) {
        let under = bucket["under_ms"].as_u64();
        let name = match (from, under) {
            (_, Some(under)) => format!("under {}", span(under)),
            (Some(from), None) => format!("{} or more", span(from)),
            (None, None) => "any".to_owned(),
        };
        if bucket["sessions"] != 0 {
            told.push(format!("{name} {}", plain(&bucket["sessions"])));
        }
        from = under;
    }
    told
}
