//! `route`: which hub would this client get, and why?

use std::fmt::Write as _;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use mcphub_routing::{
    Choice, Era, Explanation, HubIndex, HubView, NoLoads, RouteQuery, RoutingTable, Step, explain,
};
use serde_json::{Value, json};

use super::{Failure, Handlers, Placement, load, print_json};

/// Flags of `route`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,

    /// The client's address.
    #[arg(long, value_name = "ADDR")]
    client_ip: IpAddr,

    /// The era of the request.
    #[arg(long, value_enum, default_value = "legacy")]
    era: EraArg,

    /// Explain in JSON.
    #[arg(long)]
    json: bool,
}

/// An era, as it is typed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum EraArg {
    /// With sessions: 2025-03-26 to 2025-11-25.
    Legacy,
    /// Without: 2026-07-28.
    Modern,
}

pub(super) fn run(args: &Args, handlers: &dyn Handlers, out: &mut dyn Write) -> Result<(), Failure> {
    let loaded = load(&args.config)?;
    let placement = handlers.place(&loaded.settings, args.client_ip)?;
    let era = match args.era {
        EraArg::Legacy => Era::Legacy,
        EraArg::Modern => Era::Modern,
    };
    let query =
        RouteQuery { residency: placement.residency, ..RouteQuery::new(placement.region, era, &NoLoads) };
    let explanation = explain(&placement.table, &query);
    if args.json {
        return print_json(&as_json(args.client_ip, era, &placement, &explanation), out);
    }
    Ok(write!(out, "{}", as_text(args.client_ip, era, &placement, &explanation))?)
}

fn as_text(client: IpAddr, era: Era, placement: &Placement, explanation: &Explanation<'_>) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12} {value}"); // Writing to a String cannot fail.
    };
    row("client", &format!("{client}, {era} era"));
    for (name, value) in &placement.found {
        row(name, value);
    }
    row("place", explanation.place.map_or("unknown", |place| &**place));
    row("residency", explanation.residency.map_or("any location", |residency| residency.as_str()));
    row("algorithm", explanation.algorithm.as_str());
    for group in &explanation.groups {
        let _ = writeln!(text, "\n{}", group.tier);
        for view in &group.hubs {
            let _ = writeln!(text, "  {}", hub_line(view));
        }
    }
    text.push_str("\nsteps, were every hub well\n");
    for (number, step) in explanation.steps.iter().enumerate() {
        let _ = writeln!(text, "  {}. {}", number + 1, step_text(&placement.table, step));
    }
    let outcome = match (explanation.choice, explanation.choice.hub()) {
        (_, Some(hub)) => format!("goes to {}", hub_name(&placement.table, hub)),
        (Choice::Refuse(refusal), _) => format!("is refused: {refusal}"),
        (_, None) => "goes nowhere".to_owned(),
    };
    let _ = writeln!(text, "\nthe request {outcome}");
    text
}

fn hub_line(view: &HubView<'_>) -> String {
    let hub = &view.hub;
    let verdict = if view.verdicts.is_empty() {
        hub.state.as_str().to_owned()
    } else {
        view.verdicts.iter().map(|verdict| verdict.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (id, location) = (hub.id.as_str(), hub.location.as_str());
    format!("{id:<20} {location:<16} {:>5} ms  {verdict}", view.cost_ms)
}

fn hub_name(table: &RoutingTable, hub: HubIndex) -> &str {
    // An index of this very table always leads to a hub.
    table.hub(hub).map_or("?", |hub| hub.id.as_str())
}

fn step_text(table: &RoutingTable, step: &Step) -> String {
    let name = |hub: &HubIndex| hub_name(table, *hub);
    match step {
        Step::PinLost { hub } => format!("the hub it is bound to, {}, cannot have it", name(hub)),
        Step::TierEmpty { tier } => format!("{tier}: none takes placements"),
        Step::TierTried { tier } => format!("{tier}: every one was tried or declined"),
        Step::TierSpilled { tier, kept } => format!("{tier}: keep {kept} of their traffic, and not this"),
        Step::HubDeclined { hub, share } => {
            format!("{} takes {share} of its traffic, and not this", name(hub))
        }
        Step::AllDeclined => "nobody took it by share: once more without regard to shares".to_owned(),
        Step::ShareOfNothing => "now hubs with a share of nothing".to_owned(),
        Step::Panic => "too many hubs look ill to be true: now ejected ones too".to_owned(),
        Step::Chosen { tier, hub, by_key } => {
            let how = if *by_key { "by the client's key" } else { "by the algorithm" };
            format!("{tier}: {} chosen {how}", name(hub))
        }
    }
}

fn as_json(client: IpAddr, era: Era, placement: &Placement, explanation: &Explanation<'_>) -> Value {
    let table = &placement.table;
    let hub = |view: &HubView<'_>| {
        json!({
            "id": view.hub.id.as_str(),
            "type": view.hub.hub_type.as_str(),
            "location": view.hub.location.as_str(),
            "costMs": view.cost_ms,
            "state": view.hub.state.as_str(),
            "verdicts": view.verdicts.iter().map(|verdict| verdict.as_str()).collect::<Vec<_>>(),
        })
    };
    let groups = explanation.groups.iter().map(|group| {
        json!({ "tier": group.tier.as_str(), "hubs": group.hubs.iter().map(hub).collect::<Vec<_>>() })
    });
    let refusal = match explanation.choice {
        Choice::Refuse(refusal) => {
            Some(json!({ "reason": refusal.as_str(), "message": refusal.to_string() }))
        }
        _ => None,
    };
    json!({
        "client": client.to_string(),
        "era": era.as_str(),
        "found": placement.found.iter().map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect::<serde_json::Map<_, _>>(),
        "place": explanation.place.map(|place| &**place),
        "residency": explanation.residency.map(mcphub_routing::ResidencyId::as_str),
        "algorithm": explanation.algorithm.as_str(),
        "groups": groups.collect::<Vec<_>>(),
        "steps": explanation.steps.iter().map(|step| step_text(table, step)).collect::<Vec<_>>(),
        "hub": explanation.choice.hub().map(|hub| hub_name(table, hub)),
        "refusal": refusal,
    })
}
