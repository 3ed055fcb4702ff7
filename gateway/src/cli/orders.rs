//! `drain`, `undrain` and `failover`: take a hub out of service, and let it back.

use std::io::{BufRead, IsTerminal as _, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::admin::{Admin, Said, Where};
use super::hubs::{percent, state, target};
use super::lines::{count, plain, span};
use super::wait::{Goal, wait};
use super::{Failure, print_json};

/// Flags of `drain`.
#[derive(Debug, clap::Args)]
pub struct DrainArgs {
    /// The hub.
    #[arg(value_name = "HUB")]
    hub: String,

    /// Longest time for its sessions to leave, such as 90s or 5m [default: the configured one].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    deadline: Option<Duration>,

    /// What to say about it; shown wherever the hub is.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,

    #[command(flatten)]
    patience: Patience,

    #[command(flatten)]
    consent: Consent,

    #[command(flatten)]
    gateway: Where,
}

/// Flags of `undrain`.
#[derive(Debug, clap::Args)]
pub struct UndrainArgs {
    /// The hub.
    #[arg(value_name = "HUB")]
    hub: String,

    #[command(flatten)]
    patience: Patience,

    #[command(flatten)]
    gateway: Where,
}

/// Flags of `failover`.
#[derive(Debug, clap::Args)]
pub struct FailoverArgs {
    /// The hub that goes.
    #[arg(value_name = "HUB")]
    hub: String,

    /// A hub that must be fit to take its place, or nothing is done.
    #[arg(long, value_name = "HUB")]
    to: Option<String>,

    /// What to say about it; shown wherever the hub is.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,

    #[command(flatten)]
    patience: Patience,

    #[command(flatten)]
    consent: Consent,

    #[command(flatten)]
    gateway: Where,
}

/// Whether to wait for the end.
#[derive(Debug, clap::Args)]
struct Patience {
    /// Wait until the hub is out, or back in full service; exit 1 when it is not.
    #[arg(long)]
    wait: bool,

    /// Longest wait, such as 90s or 5m.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10m", requires = "wait")]
    timeout: Duration,
}

/// Whether to ask first.
#[derive(Debug, clap::Args)]
struct Consent {
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

/// `90s`, `5m`: a number and a unit.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("write a number and a unit: 500ms, 90s, 5m, 1h".to_owned()),
    };
    let ms = number.parse().ok().and_then(|number: u64| number.checked_mul(unit_ms));
    let ms = ms.filter(|ms| *ms <= 7 * 86_400_000);
    ms.map(Duration::from_millis).ok_or_else(|| "that is longer than a week".to_owned())
}

/// The person at the terminal, if there is one.
pub(super) struct Person<'a> {
    pub(super) present: bool,
    pub(super) answers: &'a mut dyn BufRead,
    pub(super) screen: &'a mut dyn Write,
}

impl Person<'_> {
    /// Runs with whoever sits at this process's terminal.
    pub(super) fn with<T>(run: impl FnOnce(&mut Person<'_>) -> T) -> T {
        let (mut answers, mut screen) = (std::io::stdin().lock(), std::io::stderr());
        let present = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        run(&mut Person { present, answers: &mut answers, screen: &mut screen })
    }

    /// Whether the person wants this. Nobody there: say `--yes`.
    fn agrees(&mut self, verb: &str, what: &dyn Fn() -> Result<String, Failure>) -> Result<(), Failure> {
        if !self.present {
            let hint = "there is no terminal to confirm it at; say --yes to go ahead without being asked";
            return Err(Failure::Usage(format!("{verb}: {hint}")));
        }
        write!(self.screen, "{}Go ahead? [y/N] ", what()?)?;
        self.screen.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
            return Ok(());
        }
        Err(Failure::Runtime(anyhow::anyhow!("nothing was done")))
    }
}

pub(super) fn drain(args: &DrainArgs, person: &mut Person<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    let admin = Admin::find(&args.gateway)?;
    target(&args.hub)?;
    if !args.consent.yes {
        person.agrees("drain", &|| {
            let before = Before::look(&admin, &args.hub)?;
            let within = args.deadline.map_or_else(|| "the configured deadline".to_owned(), |d| span(ms(d)));
            let sessions = before.sessions();
            Ok(format!("{}Its {sessions} move to other hubs within {within}.\n", before.told()))
        })?;
    }
    let body = json!({ "hub": args.hub, "deadlineMs": args.deadline.map(ms), "note": args.note });
    let said = admin.post("/v1/drain", Some(&body))?;
    finish(
        &Finish { admin, hub: &args.hub, goal: Goal::Out, patience: &args.patience, said },
        args.gateway.json,
        out,
    )
}

pub(super) fn undrain(args: &UndrainArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let admin = Admin::find(&args.gateway)?;
    target(&args.hub)?;
    let said = admin.post("/v1/undrain", Some(&json!({ "hub": args.hub })))?;
    finish(
        &Finish { admin, hub: &args.hub, goal: Goal::Back, patience: &args.patience, said },
        args.gateway.json,
        out,
    )
}

pub(super) fn failover(
    args: &FailoverArgs,
    person: &mut Person<'_>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let admin = Admin::find(&args.gateway)?;
    target(&args.hub)?;
    if !args.consent.yes {
        person.agrees("failover", &|| {
            let before = Before::look(&admin, &args.hub)?;
            let sessions = before.sessions();
            Ok(format!("{}It is out at once; its {sessions} move to other hubs.\n", before.told()))
        })?;
    }
    let body = json!({ "failedHubId": args.hub, "backupHubId": args.to, "note": args.note });
    let said = admin.post("/v1/executeFailover", Some(&body))?;
    finish(
        &Finish { admin, hub: &args.hub, goal: Goal::Out, patience: &args.patience, said },
        args.gateway.json,
        out,
    )
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A hub before anything is done to it.
struct Before(Value);

impl Before {
    fn look(admin: &Admin, hub: &str) -> Result<Self, Failure> {
        let said = admin.get(&target(hub)?)?;
        // Nothing is printed of it: whoever confirms sits at a terminal.
        Ok(Self(admin.accepted(said, &mut std::io::sink())?))
    }

    fn sessions(&self) -> String {
        count(&self.0["sessions"], "session")
    }

    /// How it is, and who would take over.
    fn told(&self) -> String {
        let Self(hub) = self;
        let text = |name: &str| plain(&hub[name]);
        let successors = hub["successors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let takes = successors.iter().map(|successor| match successor["hub"].as_str() {
            Some(hub) => format!("{} to {hub}", percent(&successor["share"])),
            None => format!("{} to nobody", percent(&successor["share"])),
        });
        let takes = takes.collect::<Vec<_>>().join(", ");
        let takes = if takes.is_empty() { "it has none: no place prefers it".to_owned() } else { takes };
        format!(
            "{} ({}, {}) is {}, with {} and {} in flight.\nIts new clients go elsewhere: {takes}.\n",
            text("id"),
            text("type"),
            text("location"),
            state(hub),
            self.sessions(),
            count(&hub["in_flight"], "request"),
        )
    }
}

/// What is left to do once an order has been given.
struct Finish<'a> {
    admin: Admin,
    hub: &'a str,
    goal: Goal,
    patience: &'a Patience,
    said: Said,
}

/// Says what came of an order, and waits for its end where that is wanted.
fn finish(finish: &Finish<'_>, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let Finish { admin, hub, goal, patience, said } = finish;
    let order = admin.accepted(Said { status: said.status, value: said.value.clone() }, out)?;
    // A failover says whether it succeeded; the other orders are granted now or later.
    let failed = order["success"] == Value::Bool(false);
    let waits = patience.wait && !(failed && order["heldUp"].is_null());
    if !json {
        writeln!(out, "{}", words(&order))?;
    }
    if !waits {
        if json {
            print_json(&order, out)?;
        }
        return if failed { Err(Failure::Told) } else { Ok(()) };
    }
    out.flush()?;
    let ended = wait(admin, hub, *goal, patience.timeout);
    if json {
        print_json(&json!({ "order": order, "waited": ended.as_json() }), out)?;
    } else {
        writeln!(out, "{}", ended.words)?;
    }
    if ended.reached { Ok(()) } else { Err(Failure::Told) }
}

/// An order's answer in a sentence or two.
fn words(order: &Value) -> String {
    let said = order["message"].as_str().or(order["reason"].as_str()).unwrap_or_default().to_owned();
    // Of an order that waits, nothing has come yet.
    let receives = order["receivesHubId"].as_str().filter(|_| order["heldUp"].is_null());
    let receives = receives.map(|hub| format!("new clients near this gateway go to {hub}"));
    let took = order["failoverTime"]
        .as_u64()
        .map(|took| format!("the table without it was in force after {}", span(took)));
    let parts = [Some(said), receives, took].into_iter().flatten().collect::<Vec<_>>();
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_end_within_a_week() {
        let good = [("500ms", 500), ("90s", 90_000), ("5m", 300_000), ("5min", 300_000), ("7d", 604_800_000)];
        for (text, expected) in good {
            assert_eq!(duration(text).map(ms), Ok(expected), "{text}");
        }
        for bad in ["", "5", "m", "-5m", "5 m", "8d", "99999999999999999999s", "1.5h", "5m30s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_is_done_without_consent() {
        let check = |present, typed: &str| {
            let mut screen = Vec::new();
            let mut person = Person { present, answers: &mut typed.as_bytes(), screen: &mut screen };
            let agreed = person.agrees("drain", &|| Ok("What happens.\n".to_owned()));
            (agreed.map_err(|failure| failure.status()), String::from_utf8(screen).expect("UTF-8"))
        };
        for yes in ["y\n", "yes\n", " Y \n", "YES"] {
            assert_eq!(check(true, yes), (Ok(()), "What happens.\nGo ahead? [y/N] ".to_owned()), "{yes}");
        }
        for no in ["\n", "", "n\n", "yep\n", "drain\n"] {
            assert_eq!(check(true, no).0, Err(1), "{no:?}");
        }
        assert_eq!(check(false, "y\n"), (Err(2), String::new()));
    }
}
