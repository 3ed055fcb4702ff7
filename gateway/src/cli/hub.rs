//! `hub`: one small MCP hub.

use std::io;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use crate::observe::logging;

/// Flags of `hub`.
#[derive(Debug, clap::Args)]
pub struct HubArgs {
    #[command(flatten)]
    hub: mcphub_hub::Args,

    /// End when this process, our parent, ends. The demo leaves nothing behind, however it ends.
    #[arg(long, hide = true, value_name = "PID")]
    ends_with: Option<i32>,
}

pub(super) fn run(args: HubArgs) -> Result<(), Failure> {
    if let Some(parent) = args.ends_with {
        set_parent_process_death_signal(Some(Signal::TERM)).map_err(io::Error::from)?;
        // It may have ended before we asked to hear of it.
        if getppid().map(Pid::as_raw_pid) != Some(parent) {
            return Ok(());
        }
    }
    let (queue, _guard) = logging::LogQueue::start(io::stderr())?;
    let format = logging::Format::Text { colour: false };
    logging::start(tracing::level_filters::LevelFilter::INFO, format, queue).map_err(anyhow::Error::from)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(runtime.block_on(serve(args.hub))?)
}

async fn serve(args: mcphub_hub::Args) -> anyhow::Result<()> {
    let watch = |kind, name| signal(kind).with_context(|| format!("cannot watch for {name}"));
    let mut terminate = watch(SignalKind::terminate(), "SIGTERM")?;
    let mut interrupt = watch(SignalKind::interrupt(), "SIGINT")?;
    let hub = mcphub_hub::bind(args).await?;
    tracing::info!(address = %hub.address(), "the hub listens");
    hub.serve(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
    .await
}
