//! `mcphub-hub`: one hub as a program of its own.

use std::io::stderr;

use anyhow::Context as _;
use clap::Parser;
use mcphub_hub::{Args, serve};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A real MCP hub, both eras, for demos, tests and benches.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { args } = Cli::parse();
    // The SDK calls every session that ends an error; its own log is worth reading only when asked for.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,rmcp=off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).init();
    let mut term = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    serve(args, async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    })
    .await
}
