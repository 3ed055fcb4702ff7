//! `make bench`: the gateway beside nginx and HAProxy, in requests per CPU second of the proxy.
//!
//! One program in three roles, so that they are always built from the same source: it runs itself again as the bench
//! hub (`hub`) and as the load generator (`load`).

// The report is this program's product, and progress belongs on the terminal.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};
use mcphub_benches::peers::Site;
use mcphub_benches::rounds::Settings;
use mcphub_benches::wire::Case;
use mcphub_benches::{hub, load, page, report, rounds};

/// Measures requests per proxy-CPU-second: direct, through the gateway, HAProxy and nginx.
#[derive(Parser)]
#[command(name = "peers", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Role {
    /// Serve as the bench hub (started by the bench itself).
    Hub {
        /// Where to listen.
        #[arg(long)]
        listen: SocketAddr,
    },
    /// Make load once and print the result as JSON (started by the bench itself).
    Load(Load),
}

#[derive(Args)]
struct Bench {
    /// Rounds of each case.
    #[arg(long, env = "ROUNDS", default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measured window.
    #[arg(long, env = "SECONDS_PER_RUN", default_value_t = 4.0)]
    seconds: f64,
    /// Keep-alive connections of the main tables.
    #[arg(long, env = "CONNECTIONS", default_value_t = 64)]
    connections: usize,
    /// Idle sessions of other clients, opened at each peer before all else.
    #[arg(long, env = "OTHERS", default_value_t = 0)]
    others: usize,
    /// Cases to run, comma-separated; all by default.
    #[arg(long, env = "CASES", value_enum, value_delimiter = ',')]
    cases: Vec<Case>,
    /// Peers to run, comma-separated names as in the report; all by default.
    #[arg(long, env = "PEERS", value_delimiter = ',')]
    peers: Vec<String>,
    /// The gateway's binary; by default the one built beside this program, else target/dist, else target/release.
    #[arg(long, env = "EDGE")]
    edge: Option<PathBuf>,
    /// Core of the proxies.
    #[arg(long, env = "PROXY_CORE", default_value_t = 0)]
    proxy_core: usize,
    /// Core of the load generator and the hub.
    #[arg(long, env = "LOAD_CORE", default_value_t = 1)]
    load_core: usize,
    /// Also write the report into benches/README.md.
    #[arg(long)]
    write: bool,
}

#[derive(Args)]
struct Load {
    /// The endpoint.
    #[arg(long)]
    target: SocketAddr,
    /// What to send.
    #[arg(long, value_enum)]
    case: Case,
    /// Connections.
    #[arg(long)]
    connections: usize,
    /// Seconds of load before the window.
    #[arg(long)]
    warmup: f64,
    /// Seconds of the window.
    #[arg(long)]
    window: f64,
    /// Process id of the proxy.
    #[arg(long)]
    proxy: Option<u32>,
    /// Process id of the hub.
    #[arg(long)]
    hub: u32,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    match cli.role {
        Some(Role::Hub { listen }) => {
            let listener = TcpListener::bind(listen).with_context(|| format!("listening on {listen}"))?;
            hub::serve(&listener)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Role::Load(load)) => make_load(&load),
        None => bench(cli.bench),
    }
}

fn make_load(args: &Load) -> Result<ExitCode> {
    let plan = load::Plan {
        target: args.target,
        case: args.case,
        connections: args.connections,
        warmup: Duration::try_from_secs_f64(args.warmup).context("reading --warmup")?,
        window: Duration::try_from_secs_f64(args.window).context("reading --window")?,
        proxy: args.proxy,
        hub: args.hub,
    };
    let run = load::run(&plan)?;
    println!("{}", serde_json::to_string(&run).context("writing the result")?);
    Ok(ExitCode::SUCCESS)
}

fn bench(args: Bench) -> Result<ExitCode> {
    ensure!(args.rounds > 0 && args.connections > 0 && args.seconds > 0.0, "nothing to measure");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    ensure!(
        args.proxy_core != args.load_core && args.proxy_core.max(args.load_core) < cores,
        "proxy and load need a core each; this machine has {cores}"
    );
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = std::env::current_exe().context("finding this program")?;
    let built = built.parent().context("finding the folder of this program")?;
    let site = Site {
        configs: home.join("peers"),
        scratch: built.join("bench-peers"),
        edge: args.edge.or_else(|| find_edge(built)),
        proxy_core: args.proxy_core,
        load_core: args.load_core,
    };
    let cases = if args.cases.is_empty() { Case::ALL.to_vec() } else { args.cases };
    let settings = Settings {
        rounds: args.rounds,
        seconds: args.seconds,
        connections: args.connections,
        others: args.others,
        cases,
        peers: args.peers,
    };
    let all = rounds::measure(&site, &settings)?;
    let report = report::markdown(&site, &settings, &all, &invocation(&settings));
    println!("{report}");
    if args.write {
        page::write(&home.join("README.md"), "peers", &report)?;
    }
    let sound = all.iter().all(|series| series.errors().is_empty());
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn find_edge(built: &Path) -> Option<PathBuf> {
    let target = built.parent()?;
    [built.to_owned(), target.join("dist"), target.join("release")]
        .into_iter()
        .map(|folder| folder.join("mcphub-edge"))
        .find(|file| file.is_file())
}

fn invocation(settings: &Settings) -> String {
    let mut out = format!(
        "ROUNDS={} SECONDS_PER_RUN={} CONNECTIONS={} make bench",
        settings.rounds, settings.seconds, settings.connections
    );
    if settings.others > 0 {
        out.insert_str(0, &format!("OTHERS={} ", settings.others));
    }
    if settings.cases != Case::ALL {
        let names = settings.cases.iter().map(|case| case.name());
        out.insert_str(0, &format!("CASES={} ", names.collect::<Vec<_>>().join(",")));
    }
    if !settings.peers.is_empty() {
        out.insert_str(0, &format!("PEERS='{}' ", settings.peers.join(",")));
    }
    out
}
