//! Logs into memory, into a pipe that nobody reads, and from forgers.

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::*;

/// A writer whose bytes can be read back.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("whole").clone()).expect("UTF-8")
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a subscriber of this kind writes while `say` speaks.
fn check(level: LevelFilter, format: Format, say: impl FnOnce(&LogControl)) -> Vec<String> {
    let paper = Paper::default();
    let (queue, guard) = LogQueue::start(paper.clone()).expect("a thread");
    let (subscriber, control) = subscriber(level, format, queue);
    tracing::subscriber::with_default(subscriber, || say(&control));
    drop(guard);
    paper.text().lines().map(str::to_owned).collect()
}

const PLAIN: Format = Format::Text { colour: false };

#[test]
fn json_lines_are_json() {
    let lines = check(LevelFilter::INFO, Format::Json, |_| {
        tracing::info!(hub = "us-east-1", took_ms = 12, "moved \"it\"");
        tracing::debug!("too quiet");
    });
    assert_eq!(lines.len(), 1);
    let line: serde_json::Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert_eq!(line["message"], "moved \"it\"");
    assert_eq!((&line["level"], &line["hub"]), (&"INFO".into(), &"us-east-1".into()));
    assert_eq!(line["took_ms"], 12);
    let stamp = line["timestamp"].as_str().expect("a time");
    assert!(stamp.len() == 24 && stamp.starts_with("20") && stamp.ends_with('Z'), "{stamp}");
}

#[test]
fn one_event_is_one_line_whatever_a_stranger_sends() {
    let forged = "x\n2026-11-23T00:00:00.000Z ERROR all is lost\r\ntail";
    for format in [PLAIN, Format::Json] {
        let lines = check(LevelFilter::INFO, format, |_| tracing::info!(path = %forged, "{forged}"));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("all is lost"), "{lines:?}");
    }
}

#[test]
fn without_a_terminal_there_is_no_colour() {
    let lines = check(LevelFilter::INFO, PLAIN, |_| tracing::warn!("careful"));
    assert!(lines[0].contains(" WARN ") && !lines[0].contains('\u{1b}'), "{lines:?}");
    assert_eq!(Format::fitting(false), Format::Json);
    assert_eq!(Format::fitting(true), Format::Text { colour: true });
}

#[test]
fn noisy_libraries_are_heard_when_they_warn_and_when_we_look_closely() {
    let say = |_: &LogControl| {
        tracing::info!(target: "pingora_core::server", "chatter");
        tracing::warn!(target: "pingora_core::server", "trouble");
        tracing::error!(target: "rmcp::service", "a session ended");
    };
    let ordinary = check(LevelFilter::INFO, PLAIN, say);
    assert!(ordinary.len() == 1 && ordinary[0].contains("trouble"), "{ordinary:?}");
    assert_eq!(check(LevelFilter::DEBUG, PLAIN, say).len(), 3);
}

#[test]
fn the_level_can_change_while_running() {
    let lines = check(LevelFilter::WARN, PLAIN, |control| {
        tracing::info!("one");
        control.set_level(LevelFilter::INFO);
        tracing::info!("two");
        control.set_level(LevelFilter::ERROR);
        tracing::warn!("three");
    });
    assert!(lines.len() == 1 && lines[0].contains("two"), "{lines:?}");
}

/// A writer that waits for permission before each write.
struct Stuck {
    permission: Receiver<()>,
    paper: Paper,
}

fn stuck() -> (Sender<()>, Paper, Stuck) {
    let (permit, permission) = channel();
    let paper = Paper::default();
    (permit, paper.clone(), Stuck { permission, paper })
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.permission.recv(); // Once the sender is gone, everything may pass.
        self.paper.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_has_stopped_costs_lines_and_nothing_else() {
    let (permit, paper, out) = stuck();
    let (queue, guard) = LogQueue::start(out).expect("a thread");
    let line = [b'x'; 1000];
    // More than fits twice over; would wait for ever if adding a line could wait.
    for _ in 0..4000 {
        queue.push(&line);
    }
    let dropped = queue.dropped();
    assert!((1..4000).contains(&dropped), "{dropped}");
    drop(permit);
    drop(guard);
    let text = paper.text();
    let (whole, told): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.len() == 1000);
    assert_eq!(whole.len() as u64 + dropped, 4000);
    let told: u64 = told
        .iter()
        .map(|line| line.rsplit_once("dropped=").expect("a confession").1.parse::<u64>().expect("a number"))
        .sum();
    assert_eq!(told, dropped);
}

#[test]
fn the_end_does_not_wait_for_a_reader_who_never_comes() {
    let (permit, _paper, out) = stuck();
    let (queue, guard) = LogQueue::start(out).expect("a thread");
    queue.push(b"unread");
    drop(guard); // Returns, or the test never ends.
    queue.push(b"too late");
    assert_eq!(queue.dropped(), 1);
    drop(permit);
}

#[test]
fn lines_of_many_threads_stay_whole_and_all_arrive() {
    let paper = Paper::default();
    let (queue, guard) = LogQueue::start(paper.clone()).expect("a thread");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let queue = &queue;
            scope.spawn(move || (0..500).for_each(|n| queue.push(format!("{thread} {n}").as_bytes())));
        }
    });
    drop(guard);
    let text = paper.text();
    for thread in 0..8 {
        let own: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(&format!("{thread} "))).collect();
        assert_eq!(own, (0..500).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}
