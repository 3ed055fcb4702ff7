//! What can an operator have done to a hub? Every verb tells the control task what is wanted, and says in words what
//! came of it at once. The control task alone changes anything.

use super::reply::{Problem, Reply};
use super::successors::successors;
use super::words::{
    Drain, Drained, HeldUp, HubName, Note, Percentage, Successor, SwitchTraffic, TrafficSwitched, Undrain,
};
use crate::control::view::{HubView, StepView, WishView, Wished};
use crate::control::{Handle, Reloaded, Wishing};
use crate::edge::Edge;
use mcphub_predictor::{Leave, Wish};
use mcphub_routing::Share;
use std::time::Duration;

pub(super) async fn reload(control: &Handle) -> Result<Reply, Problem> {
    let outcome = control.reload().await?;
    let status = match outcome {
        Reloaded::Swapped { .. } | Reloaded::Unchanged { .. } => 200,
        Reloaded::NeedsRestart { .. } => 409,
        Reloaded::Refused { .. } => 422,
    };
    Ok(Reply::json(status, &outcome))
}

pub(super) async fn drain(control: &Handle, order: Drain) -> Result<Reply, Problem> {
    let before = find(&control.hubs().await?, &order.hub, "hub")?;
    let deadline = order.deadline_ms.map(|deadline| deadline.0);
    let wish = Wish { out: Some(Leave::Drain { deadline }), ..present(&before) };
    let wished = ask(control, order.hub, wish, order.note).await?;
    Ok(told(&wished, drained_message(&wished)))
}

pub(super) async fn undrain(control: &Handle, order: Undrain) -> Result<Reply, Problem> {
    let before = find(&control.hubs().await?, &order.hub, "hub")?;
    let was_wanted_out = before.wish.as_ref().is_some_and(|wish| wish.out.is_some());
    let wish = Wish { out: None, ..present(&before) };
    // What the operator said about the drain goes with it; the switch that may stay had none.
    let wished = ask(control, order.hub, wish, None).await?;
    let message = undrained_message(&wished, was_wanted_out);
    Ok(told(&wished, message))
}

pub(super) async fn switch(edge: &Edge, order: SwitchTraffic) -> Result<Reply, Problem> {
    let hubs = edge.control.hubs().await?;
    let from = find(&hubs, &order.from_hub_id, "fromHubId")?;
    let to = find(&hubs, &order.to_hub_id, "toHubId")?;
    if from.id == to.id {
        return Err(Problem::new(409, "a hub cannot take its own traffic").at("toHubId"));
    }
    let kept = order.percentage.rest();
    if kept != Share::FULL && to.state.share <= 0.0 {
        return Err(
            Problem::new(409, format!("{} is not in service: it is {}", to.id, to.state.name)).at("toHubId")
        );
    }
    let weight = (kept != Share::FULL).then_some(kept);
    let note = from.wish.as_ref().and_then(|wish| wish.note.clone()).map(Note);
    let wish = Wish { weight, ..present(&from) };
    let wished = ask(&edge.control, order.from_hub_id, wish, note).await?;
    let table = &edge.snapshots.load_full().table;
    let receives = table.find(&from.id).map(|index| successors(table, index)).unwrap_or_default();
    Ok(Reply::json(200, &switched(&wished, &to.id, order.percentage, receives)))
}

fn switched(wished: &Wished, to: &str, moved: Percentage, receives: Vec<Successor>) -> TrafficSwitched {
    let (hub, kept) = (&wished.hub, f64::from(moved.rest().per_mille()) / 1000.0);
    let elsewhere: Vec<&str> = receives
        .iter()
        .map(|successor| successor.hub.as_deref().unwrap_or("nobody"))
        .filter(|hub| *hub != to)
        .collect();
    let warning = if kept >= 1.0 {
        None
    } else if hub.state.share <= 0.0 && kept > 0.0 {
        let state = hub.state.name;
        Some(format!("{} is {state}: this is kept for when it serves again", hub.id))
    } else if receives.is_empty() {
        Some(format!("no place prefers {}: there is nothing to move", hub.id))
    } else if elsewhere.is_empty() {
        None
    } else {
        Some(format!("by the order of preference, not only {to} receives it: {}", elsewhere.join(", ")))
    };
    TrafficSwitched {
        success: wished.held_up.is_none() && hub.state.share <= kept,
        from_hub_id: hub.id.clone(),
        to_hub_id: to.to_owned(),
        percentage: moved.0,
        share: hub.state.share,
        receives,
        warning,
        held_up: held_up(wished),
        generation: wished.generation,
        took_ms: wished.took_ms,
    }
}

/// The hub of this name, or which field names none.
pub(super) fn find(hubs: &[HubView], name: &HubName, field: &str) -> Result<HubView, Problem> {
    let name = name.0.as_str();
    let found = hubs.iter().find(|hub| hub.id == name).cloned();
    found.ok_or_else(|| Problem::unknown_hub(name).at(field))
}

/// What the operator wants of this hub so far.
pub(super) fn present(hub: &HubView) -> Wish {
    let Some(WishView { out, deadline_ms, weight, .. }) = &hub.wish else { return Wish::default() };
    let out = out.map(|out| match out {
        "now" => Leave::Now,
        _ => Leave::Drain { deadline: deadline_ms.map(Duration::from_millis) },
    });
    // A share was shown as a fraction, and is 0 to 1.
    let weight = weight.map(|weight| Share::saturating((weight * 1000.0).round() as u16));
    Wish { out, weight }
}

pub(super) async fn ask(
    control: &Handle,
    hub: HubName,
    wish: Wish,
    note: Option<Note>,
) -> Result<Wished, Problem> {
    let note = note.map(|note| note.0).filter(|note| !note.is_empty());
    Ok(control.wish(Wishing { hub: hub.0, wish, note }).await?)
}

pub(super) fn held_up(wished: &Wished) -> Option<HeldUp> {
    let StepView { to, objection, .. } = wished.held_up.as_ref()?;
    let objection = objection.clone().unwrap_or_else(|| "a guard rail objects".to_owned());
    Some(HeldUp { wanted: (*to).to_owned(), objection })
}

/// 202 where the wish waits: it was accepted, and is not done.
fn told(wished: &Wished, message: String) -> Reply {
    let HubView { id, state, sessions, in_flight, .. } = &wished.hub;
    let answer = Drained {
        hub: id.clone(),
        state: state.name.to_owned(),
        share: state.share,
        deadline_in_ms: state.deadline_in_ms,
        message,
        held_up: held_up(wished),
        sessions_pinned: *sessions,
        requests_in_flight: *in_flight,
        receives_hub_id: wished.receives.clone(),
        failover_id: wished.failover,
        generation: wished.generation,
        took_ms: wished.took_ms,
    };
    Reply::json(if wished.held_up.is_some() { 202 } else { 200 }, &answer)
}

pub(super) fn waits(held: &HeldUp) -> String {
    format!("not yet: {}. It is done as soon as nothing speaks against it", held.objection)
}

fn drained_message(wished: &Wished) -> String {
    let HubView { id, state, sessions, sessions_complete, .. } = &wished.hub;
    if let Some(held) = held_up(wished) {
        return format!("{}; `undrain` takes the wish back", waits(&held));
    }
    match (state.name, state.deadline_in_ms) {
        ("draining", Some(left)) => {
            let seconds = left.div_ceil(1000);
            let s = if *sessions == 1 { "session moves" } else { "sessions move" };
            let unseen = if *sessions_complete {
                ""
            } else {
                "; sessions from before the gateway's start are counted when they next call"
            };
            format!("{id} takes nobody new; its {sessions} {s} elsewhere within {seconds} s{unseen}")
        }
        (state, _) => format!("{id} is out of service: {state}"),
    }
}

fn undrained_message(wished: &Wished, was_wanted_out: bool) -> String {
    let HubView { id, state, .. } = &wished.hub;
    if let Some(held) = held_up(wished) {
        return waits(&held);
    }
    let percent = state.share * 100.0;
    match (state.name, was_wanted_out) {
        ("serving" | "recovering", true) => {
            format!("{id} is {}, with {percent:.0} % of its share", state.name)
        }
        (state, true) => format!("{id} may serve again, and is {state} for now"),
        (state, false) => format!("nobody wanted {id} out: it is {state}"),
    }
}
