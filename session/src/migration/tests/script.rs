//! Stories as text: what happens after `>`, and below it, word for word, what the machine wants done.

use std::fmt::Write as _;

use super::*;
use crate::record::{Capabilities, Found, LogLevel};

/// A machine that is told stories.
pub(super) struct Teller {
    machine: Migration,
    /// What was asked for, by the first word of its action.
    open: Vec<(String, Ticket)>,
}

/// Runs a story on `machine`, and compares.
pub(super) fn check(machine: Migration, story: &str) -> Migration {
    let mut teller = Teller { machine, open: Vec::new() };
    let (mut expected, mut found) = (String::new(), String::new());
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--")) {
        if let Some(event) = line.strip_prefix("> ") {
            writeln!(found, "> {event}").unwrap();
            let event = teller.event(event);
            for step in teller.machine.step(event, NOW) {
                writeln!(found, "{}", teller.told(&step)).unwrap();
            }
        }
        writeln!(expected, "{line}").unwrap();
    }
    assert_eq!(found, expected, "found on the left\n{found}");
    teller.machine
}

impl Teller {
    /// Writes a step down, and remembers what it asks for.
    fn told(&mut self, step: &Step) -> String {
        let line = line_of(&step.action);
        let name = line.split(' ').next().unwrap().to_owned();
        let alarm = match step.action {
            Action::Alarm { ticket } => Some(ticket),
            _ => None,
        };
        if let Some(ticket) = step.action.ticket().or(alarm) {
            self.open.push((name, ticket));
        }
        line
    }

    /// The ticket of the last action of this name.
    fn ticket(&self, name: &str) -> Ticket {
        self.open.iter().rev().find(|(open, _)| open == name).unwrap_or_else(|| panic!("no {name} is open")).1
    }

    /// The same, and it will not be answered again.
    fn last_ticket(&mut self, name: &str) -> Ticket {
        let ticket = self.ticket(name);
        self.open.retain(|(_, open)| *open != ticket);
        ticket
    }

    fn event(&mut self, text: &str) -> Event {
        let words: Vec<_> = text.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let stay = |at: usize| words[at].parse::<u32>().unwrap();
        match words[0] {
            "arrives" => Event::Arrived(request(number(1), &words[2..], 0)),
            "lost" if words[1] == "nothing" => {
                Event::Lost(Lost { request: None, stay: stay(2), how: loss(words[3]) })
            }
            // lost <key> <kind…> from <stay> <how> [sent n]
            "lost" => {
                let from = words.iter().position(|word| *word == "from").unwrap();
                let sends = words.get(from + 4).map_or(1, |_| u8::try_from(number(from + 4)).unwrap());
                let request = Some(request(number(1), &words[2..from], sends));
                Event::Lost(Lost { request, stay: stay(from + 1), how: loss(words[from + 2]) })
            }
            "left" => Event::Left { request: RequestKey(number(1)) },
            "opened" => Event::StreamOpened { stream: RequestKey(number(1)), stay: stay(2) },
            "cut" => {
                let stood = words.get(3) == Some(&"stood");
                Event::StreamCut { stream: RequestKey(number(1)), stay: stay(2), stood }
            }
            "leave" => Event::Leave,
            "ended" => {
                Event::End { why: why(words[1]), stay: words.get(2).map(|stay| stay.parse().unwrap()) }
            }
            "noticed" => Event::Noticed { found: found(&words[1..]).unwrap() },
            "alarm" => Event::TimeUp { ticket: self.ticket("alarm") },
            "read" => Event::Read { ticket: self.ticket("read"), found: found(&words[1..]) },
            "chosen" => {
                let hub = (words[1] != "none").then(|| hub(words[1]));
                Event::Chosen { ticket: self.ticket("choose"), hub }
            }
            "greeted" => Event::Greeted {
                ticket: self.ticket("initialize"),
                hub: hub(words[1]),
                greeting: Box::new(greeting(words[1], words.get(2).copied())),
            },
            "done" => Event::Done { ticket: self.last_ticket(words[1]) },
            "late" => Event::Late { ticket: self.ticket(words[1]) },
            "failed" => {
                let how = match words[2] {
                    "refused" => Failed::Refused,
                    "unauthorized" => Failed::Unauthorized,
                    how => Failed::Lost(loss(how)),
                };
                Event::Failed { ticket: self.last_ticket(words[1]), how }
            }
            "written" => Event::Written { ticket: self.ticket("write"), revision: Revision(number(1)) },
            "conflict" => Event::Conflict { ticket: self.ticket("write"), found: found(&words[1..]) },
            other => panic!("what is {other:?}?"),
        }
    }
}

fn request(key: u64, kind: &[&str], sends: u8) -> Request {
    let stay = || Mark::of(&stay_of(kind[1]));
    let kind = match kind[0] {
        "call" => Kind::Call { safe: false },
        "safe" => Kind::Call { safe: true },
        "batch" => Kind::Batch,
        "note" => Kind::Notification,
        "answer" => Kind::Answer { stay: Some(stay()) },
        "stream" => Kind::Stream,
        "resume" => Kind::Resume { stay: stay() },
        "delete" => Kind::Delete,
        other => panic!("what is {other:?}?"),
    };
    Request { key: RequestKey(key), kind, sends }
}

/// `<hub>/<number>`, where the hub calls its session `<hub>-<number>`.
fn stay_of(word: &str) -> Stay {
    let (name, number) = word.split_once('/').unwrap();
    Stay { number: number.parse().unwrap(), hub: hub(name), upstream: upstream(&format!("{name}-{number}")) }
}

fn loss(word: &str) -> Loss {
    match word {
        "unreachable" => Loss::Unreachable,
        "broke" => Loss::Broke,
        "ejected" => Loss::Ejected,
        "forgot" => Loss::Unknown(Memory::SameBoot),
        "restarted" => Loss::Unknown(Memory::Restarted),
        other => panic!("what is {other:?}?"),
    }
}

fn why(word: &str) -> Ended {
    match word {
        "client" => Ended::ByClient,
        "expired" => Ended::Expired,
        "idle" => Ended::Idle,
        "operator" => Ended::ByOperator,
        other => panic!("what is {other:?}?"),
    }
}

/// `nothing`, or `<revision> ended <why>`, or `<revision> <hub>/<number> [level L] [on URI]…`
fn found(words: &[&str]) -> Option<Found> {
    if words[0] == "nothing" {
        return None;
    }
    let revision = Revision(words[0].parse().unwrap());
    if words[1] == "ended" {
        return Some(Found { record: record(live()).ended(NOW, why(words[2])), revision });
    }
    let mut there = live();
    there.stay = stay_of(words[1]);
    for pair in words[2..].chunks(2) {
        match pair[0] {
            "level" => there.level = LogLevel::parse(pair[1]),
            "on" => assert!(there.subscriptions.insert(pair[1]).unwrap()),
            "offered" => there.offer.capabilities = Capabilities::read(pair[1]),
            other => panic!("what is {other:?}?"),
        }
    }
    Some(Found { record: record(there), revision })
}

/// How `hub` greets: as it should, or with some flaw.
fn greeting(hub: &str, how: Option<&str>) -> Greeting {
    let mut greeting = Greeting {
        version: "2025-11-25".into(),
        offer: Offer {
            capabilities: Capabilities::read(r#"{"tools":{"listChanged":true}}"#),
            ..Offer::default()
        },
        upstream: Some(upstream(&format!("{hub}-1"))),
    };
    match how {
        None => {}
        Some("older") => greeting.version = "2025-06-18".into(),
        Some("poorer") => greeting.offer.capabilities = Capabilities::read("{}"),
        Some("sessionless") => greeting.upstream = None,
        // The second stay of the story.
        Some("again") => greeting.upstream = Some(upstream(&format!("{hub}-2"))),
        Some(other) => panic!("what is {other:?}?"),
    }
    greeting
}

/// A step in words.
fn line_of(action: &Action) -> String {
    let at = |stay: &Stay| format!("{}/{}", stay.hub, stay.number);
    match action {
        Action::Read { .. } => "read".to_owned(),
        Action::Write { expected, record, .. } => match &record.life {
            Life::Live(live) => format!("write over {}: lives at {}", expected.0, at(&live.stay)),
            Life::Ended { why, .. } => format!("write over {}: ended, {why}", expected.0),
        },
        Action::Owe { record } => match &record.life {
            Life::Live(live) => format!("owe: lives at {}", at(&live.stay)),
            Life::Ended { why, .. } => format!("owe: ended, {why}"),
        },
        Action::Choose { avoid, residency, .. } => {
            let avoid: Vec<_> = avoid.iter().map(HubId::as_str).collect();
            let residency = residency.as_ref().map_or("none", ResidencyId::as_str);
            format!(
                "choose within {residency}, not {}",
                if avoid.is_empty() { "-".into() } else { avoid.join(" ") }
            )
        }
        Action::Initialize { hub, .. } => format!("initialize {hub}"),
        Action::Confirm { to, .. } => format!("confirm {}", at(to)),
        Action::SetLevel { to, level, .. } => format!("level {}: {level}", at(to)),
        Action::Subscribe { to, uri, .. } => format!("subscribe {}: {uri}", at(to)),
        Action::Unsubscribe { to, uri, .. } => format!("unsubscribe {}: {uri}", at(to)),
        Action::Delete { at: stay } => format!("delete {}", at(stay)),
        Action::Retire { at: stay } => format!("retire {}", at(stay)),
        Action::Send { request, to } => format!("send {} to {}", request.0, at(to)),
        Action::Answer { request, with } => match with {
            Answer::NotServed(stuck) => format!("answer {}: not served, {stuck:?}", request.0),
            with => format!("answer {}: {with:?}", request.0),
        },
        Action::Attach { stream, to, .. } => format!("attach {} to {}", stream.0, at(to)),
        Action::Notify { stream, notice } => match notice {
            Notice::Updated(uri) => format!("notify {}: updated {uri}", stream.0),
            notice => format!("notify {}: {notice:?} changed", stream.0),
        },
        Action::EndStream { stream } => format!("end stream {}", stream.0),
        Action::Moved { from, to, refused: 0 } => format!("moved from {} to {}", at(from), at(to)),
        Action::Moved { from, to, refused } => {
            format!("moved from {} to {}, {refused} settings refused", at(from), at(to))
        }
        Action::Over { why } => format!("over: {why}"),
        Action::Alarm { .. } => "alarm".to_owned(),
    }
}
