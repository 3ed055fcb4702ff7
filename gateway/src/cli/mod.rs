//! What can an operator type?
//!
//! The verbs of `mcphub-edge`, their flags, and what each prints. A verb writes to the streams it is given and
//! returns; only `main` turns the result into an exit status.
//!
//! Owns: flags, help, exit statuses, the demo. Does not know: how the gateway runs or builds a table; that is
//! asked of [`Handlers`], so that `route` explains exactly what a request would meet.

use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use mcphub_conf::{Loaded, Report, Settings};
use mcphub_routing::{PlaceIndex, Residency, RoutingTable};
use orders::Person;

pub mod admin;
pub mod check;
pub mod completions;
pub mod demo;
mod http;
mod hub;
pub mod hubs;
mod lines;
pub mod orders;
pub mod predictor;
pub mod route;
pub mod schema;
pub mod sessions;
mod wait;

/// The gateway of MCPHub Edge: one MCP endpoint in front of many hubs.
#[derive(Debug, Parser)]
#[command(name = "mcphub-edge", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Exit status: 0 done, 1 failed, 2 used wrongly, 3 the configuration has mistakes.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the gateway.
    Run(RunArgs),
    /// Check a configuration and report every mistake in it.
    Check(check::Args),
    /// Explain, step by step, which hub a client would get.
    Route(route::Args),
    /// Run the gateway in front of four small hubs on this machine.
    Demo(demo::Args),
    /// Run one small MCP hub, for demos and tests.
    Hub(hub::HubArgs),
    /// Ask a running gateway how it is.
    Status(admin::StatusArgs),
    /// Show the hubs of a running gateway: state, share, sessions, and why.
    Hubs(hubs::HubsArgs),
    /// Take a hub out of service gently: nobody new, and its sessions move to other hubs.
    Drain(orders::DrainArgs),
    /// Let a hub serve again.
    Undrain(orders::UndrainArgs),
    /// Take a hub out of service at once.
    Failover(orders::FailoverArgs),
    /// Show how many sessions there are, where, how old, and what moved; `sessions move` moves some.
    Sessions(sessions::SessionsArgs),
    /// Show which hubs went out of service, why, and what it cost.
    Failovers(hubs::FailoversArgs),
    /// Show what the gateway decided lately, and why.
    Report(hubs::ReportArgs),
    /// Have a running gateway read its configuration again.
    Reload(admin::ReloadArgs),
    /// Teach and test forecasts of failure, without a running gateway.
    #[command(subcommand)]
    Predictor(predictor::Predictor),
    /// Print the JSON Schema of the configuration, for editors.
    ConfigSchema,
    /// Print the completions of a shell.
    Completions(completions::Args),
    /// Print the manual page.
    Man,
}

/// Flags of `run`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct RunArgs {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,

    /// Take the listeners over from the gateway that runs with the same state directory: wait until it gets
    /// SIGQUIT, then serve in its place.
    #[arg(long)]
    pub upgrade: bool,
}

/// What the verbs ask of the gateway.
pub trait Handlers {
    /// Serves until told to stop.
    ///
    /// # Errors
    /// Why it could not start, or had to stop.
    fn run_gateway(&self, args: &RunArgs) -> Result<(), Failure>;

    /// The table that these settings make, all hubs well, and the place of this client on it, found exactly as for
    /// a request.
    ///
    /// # Errors
    /// The geographic database cannot be read, or no table can be made.
    fn place(&self, settings: &Settings, client: IpAddr) -> Result<Placement, Failure>;
}

/// A client on the map.
#[derive(Debug)]
pub struct Placement {
    /// The table.
    pub table: RoutingTable,
    /// The client's place in it.
    pub region: PlaceIndex,
    /// The residency that its address leads to.
    pub residency: Residency,
    /// How the address became a place, as pairs of a name and a value: `country`, `JP`.
    pub found: Vec<(&'static str, String)>,
}

/// Why a verb failed, and with it the exit status.
#[derive(Debug)]
pub enum Failure {
    /// It was tried and went wrong: 1.
    Runtime(anyhow::Error),
    /// It was asked in a way that makes no sense: 2.
    Usage(String),
    /// The configuration has mistakes: 3.
    Config(Report),
    /// The verb has said what is wrong; only the status is left: 1.
    Told,
}

impl Failure {
    /// The exit status.
    #[must_use]
    pub const fn status(&self) -> u8 {
        match self {
            Self::Runtime(_) | Self::Told => 1,
            Self::Usage(_) => 2,
            Self::Config(_) => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The whole chain of causes, here and nowhere below.
            Self::Runtime(error) => writeln!(f, "mcphub-edge: {error:#}"),
            Self::Usage(what) => writeln!(f, "mcphub-edge: {what}"),
            Self::Config(report) => f.write_str(&report.render_text()),
            Self::Told => Ok(()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Runtime(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Runtime(error.into())
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        Self::Config(report)
    }
}

/// Does what was typed.
pub fn run(cli: Cli, handlers: &dyn Handlers) -> ExitCode {
    let mut out = io::stdout();
    match dispatch(cli.verb, handlers, &mut out).and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        // `mcphub-edge man | head` has had enough: not a failure of ours.
        Err(Failure::Runtime(error)) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(failure) => {
            // If this cannot be written either, the status has to do.
            let _ = write!(io::stderr(), "{failure}");
            ExitCode::from(failure.status())
        }
    }
}

fn dispatch(verb: Verb, handlers: &dyn Handlers, out: &mut dyn Write) -> Result<(), Failure> {
    match verb {
        Verb::Run(args) => handlers.run_gateway(&args),
        Verb::Check(args) => check::run(&args, out),
        Verb::Route(args) => route::run(&args, handlers, out),
        Verb::Demo(args) => demo::run(args, handlers, out),
        Verb::Hub(args) => hub::run(args),
        Verb::Status(args) => admin::status(&args, out),
        Verb::Hubs(args) => hubs::hubs(&args, out),
        Verb::Drain(args) => Person::with(|person| orders::drain(&args, person, out)),
        Verb::Undrain(args) => orders::undrain(&args, out),
        Verb::Failover(args) => Person::with(|person| orders::failover(&args, person, out)),
        Verb::Sessions(args) => sessions::sessions(&args, out),
        Verb::Failovers(args) => hubs::failovers(&args, out),
        Verb::Report(args) => hubs::report(&args, out),
        Verb::Reload(args) => admin::reload(&args, out),
        Verb::Predictor(verb) => predictor::run(&verb, out),
        Verb::ConfigSchema => schema::run(out),
        Verb::Completions(args) => completions::run(&args, &mut Cli::command(), out),
        Verb::Man => completions::man(Cli::command(), out),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Reads a configuration with the process's environment.
fn load(path: &std::path::Path) -> Result<Loaded, Report> {
    mcphub_conf::load(path, &|name| std::env::var(name).ok())
}

/// Prints a JSON value, for programs and readably.
fn print_json(value: &serde_json::Value, out: &mut dyn Write) -> Result<(), Failure> {
    Ok(writeln!(out, "{value:#}")?)
}

#[cfg(test)]
mod tests;
