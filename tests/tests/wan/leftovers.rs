//! Does a test in a sandbox clean up after itself, however it ends?

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use mcphub_tests::wan::{Sandbox, Site};
use mcphub_tests::{Hub, until};

use crate::on_two_threads;

/// The case that makes a mess.
pub(crate) const MESS: &str = "mess";

/// The id of the hub it starts, by which its process is known.
const MARK: &str = "MCPHUB_WAN_MARK";

/// Starts a hub at a site, and then panics or waits for ever.
pub(crate) fn mess() {
    let mark = std::env::var(MARK).expect("a mark");
    on_two_threads(async {
        let site = Site::new().expect("a site");
        let _hub = Hub::start_in(&site, &mark, "us-east", &[]).await.expect("a hub at the site");
        println!("ready");
        assert!(!mark.ends_with("panics"), "as it was told");
        std::future::pending::<()>().await;
    });
}

/// Processes of this machine with a mark on their command line.
fn processes(mark: &str) -> usize {
    let folders = std::fs::read_dir("/proc").expect("/proc").flatten();
    let lines = folders.filter_map(|folder| std::fs::read(folder.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|word| word == mark.as_bytes())).count()
}

fn start(sandbox: Sandbox, mark: &str) -> Child {
    let mut command = sandbox.command(MESS).expect("a command");
    command.env(MARK, mark).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("a sandbox");
    let mut line = String::new();
    let output = child.stdout.take().expect("its output");
    BufReader::new(output).read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    child
}

pub(crate) fn nothing_is_left(sandbox: Sandbox) {
    on_two_threads(async {
        for end in ["panics", "is killed", "loses its lifeline"] {
            let mark = format!("{} {end}", std::process::id());
            let mut child = start(sandbox, &mark);
            // Waiting for a child would close its input.
            let mut lifeline = child.stdin.take();
            if end != "panics" {
                assert_eq!(processes(&mark), 1, "the hub is there to be seen");
            }
            match end {
                "is killed" => child.kill().expect("killed"),
                "loses its lifeline" => lifeline = None,
                _ => {}
            }
            let status = tokio::task::spawn_blocking(move || child.wait());
            let status = status.await.expect("a thread").expect("a status");
            assert!(!status.success(), "{end}: {status}");
            let gone = async || match processes(&mark) {
                0 => Ok(()),
                left => Err(left),
            };
            until("the hub to be gone", gone).await.unwrap_or_else(|error| panic!("{end}: {error:#}"));
            drop(lifeline);
            println!("after a test that {end}: no process left");
        }
        let devices = std::fs::read_dir("/sys/class/net").expect("/sys").flatten();
        let left: Vec<_> = devices.map(|device| device.file_name()).collect();
        let ours = left.iter().filter(|name| name.to_string_lossy().starts_with("wan")).count();
        assert_eq!(ours, 0, "{left:?}");
    });
}
