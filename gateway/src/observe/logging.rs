//! What did the process say, and did saying it cost a request anything?
//!
//! One subscriber for everybody: our own events, and what libraries say through `log`. Lines go into memory and a
//! thread writes them out, so that a reader who has stopped reading (a full disk, a paused terminal, a stuck
//! collector) costs log lines and never a request. What was lost is counted, and said once there is room again.
//!
//! Every event is exactly one line, whatever stands in its fields: nobody forges a second one by sending a newline.
//!
//! Owns: the level, the shape of a line, the queue. Does not know: what is said. Secrets never get here: the types
//! that hold them print `***`.

use std::fmt;
use std::io;
use std::str::FromStr as _;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{Directive, EnvFilter};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

use crate::clock::Rfc3339;

mod queue;

pub use queue::{LogGuard, LogQueue};

/// The shape of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object.
    Json,
    /// Text for people, in colour or not.
    Text {
        /// Whether to use the terminal's colours.
        colour: bool,
    },
}

impl Format {
    /// What suits the place where the lines go: text in colour on a terminal, JSON elsewhere.
    #[must_use]
    pub const fn fitting(terminal: bool) -> Self {
        if terminal { Self::Text { colour: true } } else { Self::Json }
    }
}

/// Libraries that call ordinary events of a busy day *info* or *error*. They are heard from `warn` up (the MCP SDK
/// not at all: it calls every session that ends an error; the NATS client neither: it repeats at each try what our
/// store says once), unless the whole log is at `debug` or below.
const NOISY: [&str; 10] = [
    "async_nats=off",
    "pingora=warn",
    "pingora_core=warn",
    "pingora_pool=warn",
    "h2=warn",
    "hyper=warn",
    "hyper_util=warn",
    "rustls=warn",
    "tower=warn",
    "rmcp=off",
];

/// The log could not be started: there is one already in this process.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the log: this process has one already")]
pub struct AlreadyStarted(#[source] tracing_subscriber::util::TryInitError);

/// Changes the level of a running log.
#[derive(Clone)]
pub struct LogControl {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl fmt::Debug for LogControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogControl").finish_non_exhaustive()
    }
}

impl LogControl {
    /// From now on, writes this level and everything more severe.
    pub fn set_level(&self, level: LevelFilter) {
        // It fails only when the subscriber is gone, and then there is nothing to set.
        let _ = self.filter.reload(filter(level));
    }
}

/// Starts the process's log. Libraries that use `log` are heard through it too.
///
/// # Errors
/// There is a log already.
pub fn start(level: LevelFilter, format: Format, queue: LogQueue) -> Result<LogControl, AlreadyStarted> {
    let (subscriber, control) = subscriber(level, format, queue);
    subscriber.try_init().map_err(AlreadyStarted)?;
    Ok(control)
}

fn subscriber(
    level: LevelFilter,
    format: Format,
    queue: LogQueue,
) -> (impl Subscriber + Send + Sync, LogControl) {
    let (filter, handle) = reload::Layer::new(filter(level));
    let layer = tracing_subscriber::fmt::layer().with_writer(queue).with_timer(Now);
    let layer = match format {
        Format::Json => {
            layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
        }
        Format::Text { colour } => layer.with_ansi(colour).boxed(),
    };
    (Registry::default().with(filter).with(layer), LogControl { filter: handle })
}

fn filter(level: LevelFilter) -> EnvFilter {
    let mut filter = EnvFilter::default().add_directive(level.into());
    if level <= LevelFilter::INFO {
        for directive in NOISY {
            filter = filter.add_directive(Directive::from_str(directive).expect("NOISY is spelt correctly"));
        }
    }
    filter
}

/// The gateway's clock, for the subscriber.
struct Now;

impl FormatTime for Now {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", Rfc3339::now())
    }
}

impl<'w> MakeWriter<'w> for LogQueue {
    type Writer = EventWriter<'w>;

    fn make_writer(&'w self) -> Self::Writer {
        EventWriter(self)
    }
}

/// Takes one event, already formatted and ended by a newline, in one write.
#[derive(Debug)]
pub struct EventWriter<'q>(&'q LogQueue);

impl io::Write for EventWriter<'_> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = event.strip_suffix(b"\n").unwrap_or(event);
        if line.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            let mut one_line = Vec::with_capacity(line.len() + 8);
            for byte in line {
                match byte {
                    b'\n' => one_line.extend_from_slice(b"\\n"),
                    b'\r' => one_line.extend_from_slice(b"\\r"),
                    _ => one_line.push(*byte),
                }
            }
            self.0.push(&one_line);
        } else {
            self.0.push(line);
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
