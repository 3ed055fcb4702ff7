//! `make bench`: the gateway beside other proxies and MCP gateways, in requests per CPU second of the proxy.
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
use mcphub_benches::case::Case;
use mcphub_benches::load::hold::{self, Kind};
use mcphub_benches::peers::Site;
use mcphub_benches::rounds::Settings;
use mcphub_benches::{growth, hub, idle, load, page, report, rounds};

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
    /// Open idle things, say `held`, and let go at the end of the input (started by the bench itself).
    Hold {
        /// The endpoint.
        #[arg(long)]
        target: SocketAddr,
        /// What to open.
        #[arg(long, value_enum)]
        kind: Kind,
        /// How many.
        #[arg(long)]
        count: usize,
    },
}

#[derive(Args)]
struct Bench {
    /// Rounds of each case.
    #[arg(long, env = "ROUNDS", default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measured window.
    #[arg(long, env = "SECONDS_PER_RUN", default_value_t = 1.5)]
    seconds: f64,
    /// Keep-alive connections of the main tables.
    #[arg(long, env = "CONNECTIONS", default_value_t = 64)]
    connections: usize,
    /// Idle sessions of other clients, opened at each peer before all else.
    #[arg(long, env = "OTHERS", default_value_t = 0)]
    others: usize,
    /// Parts to run, comma-separated; all by default, or only the cases where some are named.
    #[arg(long, env = "PARTS", value_enum, value_delimiter = ',')]
    parts: Vec<Part>,
    /// Cases to run, comma-separated; the usual ones by default.
    #[arg(long, env = "CASES", value_enum, value_delimiter = ',')]
    cases: Vec<Case>,
    /// Peers to run, comma-separated names as in the report; all by default.
    #[arg(long, env = "PEERS", value_delimiter = ',')]
    peers: Vec<String>,
    /// The gateway's binary; by default the one built beside this program, else target/dist, else target/release.
    #[arg(long, env = "EDGE")]
    edge: Option<PathBuf>,
    /// Folder of the Python environments of peers; by default bench-tools in the build folder.
    #[arg(long, env = "BENCH_TOOLS")]
    tools: Option<PathBuf>,
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

/// A part of the report with a place of its own in the page.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Cases, peer beside peer.
    Cases,
    /// Memory of what is idle.
    Idle,
    /// What grows with connections, hubs and sessions.
    Growth,
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
    /// Most requests in flight.
    #[arg(long)]
    in_flight: usize,
    /// Seconds of load before the window.
    #[arg(long)]
    warmup: f64,
    /// Seconds of the window.
    #[arg(long)]
    window: f64,
    /// PEM file of the certificate that endpoints with TLS show.
    #[arg(long)]
    certificate: Option<PathBuf>,
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
        Some(Role::Hold { target, kind, count }) => {
            let held = hold::hold(target, kind, count)?;
            println!("held");
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            drop(held);
            Ok(ExitCode::SUCCESS)
        }
        None => bench(cli.bench),
    }
}

fn make_load(args: &Load) -> Result<ExitCode> {
    let plan = load::Plan {
        target: args.target,
        case: args.case,
        connections: args.connections,
        in_flight: args.in_flight,
        warmup: Duration::try_from_secs_f64(args.warmup).context("reading --warmup")?,
        window: Duration::try_from_secs_f64(args.window).context("reading --window")?,
        certificate: args.certificate.clone(),
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
        tools: args.tools.unwrap_or_else(|| built.with_file_name("bench-tools")),
        edge: args.edge.or_else(|| find_edge(built)),
        proxy_core: args.proxy_core,
        load_core: args.load_core,
    };
    let parts = match (args.parts.is_empty(), args.cases.is_empty()) {
        (false, _) => args.parts,
        (true, true) => vec![Part::Cases, Part::Idle, Part::Growth],
        (true, false) => vec![Part::Cases],
    };
    let cases = if args.cases.is_empty() { Case::USUAL.to_vec() } else { args.cases };
    let settings = Settings {
        rounds: args.rounds,
        seconds: args.seconds,
        connections: args.connections,
        others: args.others,
        cases,
        peers: args.peers,
    };
    site.prepare()?;
    let mut sound = true;
    for part in parts {
        let (name, report) = match part {
            Part::Cases => {
                let all = rounds::measure(&site, &settings)?;
                sound &= all.iter().all(|series| series.errors().is_empty());
                if args.write {
                    report::draw(home, &settings, &all)?;
                }
                ("peers", report::markdown(&site, &settings, &all, &invocation(&settings)))
            }
            Part::Idle => {
                let all = idle::measure(&site, &settings)?;
                if args.write {
                    idle::draw(home, &all)?;
                }
                ("idle", format!("{}\n{}", idle::markdown(&all), page::circumstances()))
            }
            Part::Growth => {
                let lines = growth::measure(&site, &settings)?;
                let errors = growth::errors(&lines);
                sound &= errors.is_empty();
                let errors = if errors.is_empty() { "none.".to_owned() } else { errors.join("; ") };
                let report = growth::markdown(&lines);
                ("growth", format!("{report}\nErrors: {errors}\n\n{}", page::circumstances()))
            }
        };
        println!("{report}");
        if args.write {
            page::write(&home.join("README.md"), name, &report)?;
        }
    }
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
    if settings.cases != Case::USUAL {
        let names = settings.cases.iter().map(|case| case.name());
        out.insert_str(0, &format!("CASES={} ", names.collect::<Vec<_>>().join(",")));
    }
    if !settings.peers.is_empty() {
        out.insert_str(0, &format!("PEERS='{}' ", settings.peers.join(",")));
    }
    out
}
