//! `check`: is this configuration right?

use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;

use mcphub_conf::{Loaded, Report};
use serde_json::json;

use super::{Failure, load, print_json};

/// Flags of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(value_name = "FILE", required_unless_present = "config", conflicts_with = "config")]
    file: Option<PathBuf>,

    /// The configuration file, as `run` takes it.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Report in JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    // clap has seen to it that there is one.
    let Some(path) = args.file.as_ref().or(args.config.as_ref()) else {
        return Err(Failure::Usage("check: name a configuration file".into()));
    };
    let result = load(path);
    if args.json {
        print_json(&as_json(&result), out)?;
        // Reported; what is left is the status.
        return result.map(|_| ()).map_err(|_| Failure::Config(Report::default()));
    }
    let rich = std::io::stdout().is_terminal();
    match result {
        Ok(loaded) => {
            write!(out, "{}", render(&loaded.warnings, rich))?;
            let settings = &loaded.settings;
            let counts = [(settings.hubs.len(), "hub"), (settings.listeners.len(), "listener")]
                .map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }));
            writeln!(out, "{}: ok, {}, revision {}", path.display(), counts.join(", "), loaded.revision)?;
            Ok(())
        }
        Err(report) => {
            write!(out, "{}", render(&report, rich))?;
            let count = report.mistakes();
            let what = if count == 1 { "mistake" } else { "mistakes" };
            writeln!(out, "{}: {count} {what}", path.display())?;
            Err(Failure::Config(Report::default()))
        }
    }
}

fn render(report: &Report, rich: bool) -> String {
    if rich { report.render_rich() } else { report.render_text() }
}

fn as_json(result: &Result<Loaded, Report>) -> serde_json::Value {
    let (report, revision) = match result {
        Ok(loaded) => (&loaded.warnings, Some(loaded.revision.to_string())),
        Err(report) => (report, None),
    };
    let mut value = report.render_json();
    if let Some(object) = value.as_object_mut() {
        object.insert("ok".into(), json!(result.is_ok()));
        object.insert("revision".into(), json!(revision));
    }
    value
}
