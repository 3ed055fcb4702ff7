//! Where may a test build networks, and what makes sure that nothing of it is left?
//!
//! Each case runs in a process of its own, the first of a fresh process namespace, in a fresh network. When that process
//! ends, however it ends, the kernel kills everything it has started, and networks and devices go with the last process
//! in them; nothing has a name that could stay behind. The case ends with the test that wanted it, too: it holds one end
//! of a pipe (the lifeline), and exits when the other end is gone.
//!
//! Root makes the namespaces as root; everybody else within a user namespace, where the kernel allows that.

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context as _, bail};
use libtest_mimic::{Arguments, Failed, Trial};

use super::site::{device, new_namespace};

/// Tells the process in the sandbox which case it is.
const CASE: &str = "MCPHUB_WAN_CASE";

/// The name of the case that only looks whether a sandbox can be had.
const PROBE: &str = "probe";

/// `required` makes it a failure that there is no sandbox.
const WANTED: &str = "MCPHUB_WAN";

/// The device that TUN devices are made with.
const TUN: &str = "/dev/net/tun";

/// In a new network even loopback is down.
pub(super) const LOOPBACK_UP: &str = "link set lo up";

const AS_ROOT: &[&str] = &["--net", "--pid", "--fork", "--kill-child"];
const AS_USER: &[&str] = &["--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child"];

/// A test of a program whose `main` is [`run`].
#[derive(Debug, Clone, Copy)]
pub enum Case {
    /// Runs in a sandbox of its own.
    Inside(&'static str, fn()),
    /// Runs in a sandbox when another case asks for it by name; not a test by itself.
    OnCall(&'static str, fn()),
    /// Runs outside, and may start sandboxes.
    Outside(&'static str, fn(Sandbox)),
}

/// The way to make sandboxes on this machine.
#[derive(Debug, Clone, Copy)]
pub struct Sandbox {
    flags: &'static [&'static str],
}

/// Runs these tests as `cargo test` and `cargo nextest` want it; the whole of a test program's `main`.
pub fn run(cases: &[Case]) -> ExitCode {
    if let Some(name) = std::env::var(CASE).ok().filter(|_| is_inside()) {
        return run_inside(&name, cases);
    }
    let arguments = Arguments::from_args();
    let sandbox = Sandbox::find();
    let count = cases.iter().filter(|case| !matches!(case, Case::OnCall(..))).count();
    let mut trials: Vec<_> = cases.iter().filter_map(|case| trial(*case, &sandbox)).collect();
    trials.push(Trial::test("network_namespaces", move || report(count, &sandbox)));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A case as a test; ignored where there is no sandbox.
fn trial(case: Case, sandbox: &Result<Sandbox, String>) -> Option<Trial> {
    let missing = sandbox.is_err();
    let sandbox = sandbox.clone();
    let trial = match case {
        Case::OnCall(..) => return None,
        Case::Inside(name, _) => Trial::test(name, move || Ok(sandbox?.run(name)?)),
        Case::Outside(name, body) => Trial::test(name, move || {
            body(sandbox?);
            Ok(())
        }),
    };
    Some(trial.with_ignored_flag(missing))
}

/// The test that always runs, so that skipped ones are not passed over in silence.
#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn report(count: usize, sandbox: &Result<Sandbox, String>) -> Result<(), Failed> {
    match sandbox {
        Ok(Sandbox { flags }) => {
            let how =
                if flags.contains(&"--user") { "in user namespaces" } else { "in namespaces made by root" };
            println!("{count} WAN tests run {how}");
            Ok(())
        }
        Err(why) => {
            let skipped = format!("{count} WAN tests skipped: no network namespaces here ({why})");
            println!("{skipped}");
            let required = std::env::var_os(WANTED).is_some_and(|wanted| wanted == "required");
            if required { Err(skipped.into()) } else { Ok(()) }
        }
    }
}

impl Sandbox {
    /// Tries what this machine allows; an error says why there is none.
    fn find() -> Result<Self, String> {
        if !Path::new(TUN).exists() {
            return Err(format!("there is no {TUN}"));
        }
        let ways = if rustix::process::geteuid().is_root() { &[AS_ROOT, AS_USER][..] } else { &[AS_USER] };
        let mut reasons = Vec::new();
        for &flags in ways {
            let sandbox = Self { flags };
            match sandbox.probe() {
                Ok(()) => return Ok(sandbox),
                Err(why) => reasons.push(format!("{why:#}")),
            }
        }
        reasons.dedup();
        Err(reasons.join("; "))
    }

    fn probe(self) -> anyhow::Result<()> {
        let output = self.command(PROBE)?.stdin(Stdio::null()).output().context("start unshare")?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            bail!("{}", if lines.is_empty() { told(output.status) } else { lines.join(", ") });
        }
        Ok(())
    }

    /// The command that runs a case. What holds its input holds its lifeline.
    pub fn command(self, case: &str) -> anyhow::Result<Command> {
        let mut command = Command::new("unshare");
        command.args(self.flags).arg("--").arg(std::env::current_exe()?);
        command.env(CASE, case).stdin(Stdio::piped());
        Ok(command)
    }

    /// Runs a case to its end; an error unless it ended well.
    fn run(self, case: &str) -> Result<(), String> {
        let end = || {
            let mut child = self.command(case)?.spawn().context("start unshare")?;
            let lifeline = child.stdin.take();
            let status = child.wait()?;
            drop(lifeline);
            Ok::<_, anyhow::Error>(status)
        };
        match end() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{case}: {}", told(status))),
            Err(error) => Err(format!("{case}: {error:#}")),
        }
    }
}

fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(101), _) => "panicked".to_owned(),
        (Some(code), _) => format!("exit code {code}"),
        (None, signal) => format!("ended by signal {}", signal.unwrap_or_default()),
    }
}

/// Whether this process is the first in a sandbox of ours.
pub(super) fn is_inside() -> bool {
    std::env::var_os(CASE).is_some() && std::process::id() == 1
}

#[expect(clippy::print_stderr, reason = "read by the process outside")]
fn run_inside(name: &str, cases: &[Case]) -> ExitCode {
    if name == PROBE {
        return match look_around() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        };
    }
    let body = cases.iter().find_map(|case| match *case {
        Case::Inside(known, body) | Case::OnCall(known, body) if known == name => Some(body),
        _ => None,
    });
    hold_the_lifeline();
    match (ip(LOOPBACK_UP), body) {
        (Ok(()), Some(body)) => {
            body();
            ExitCode::SUCCESS
        }
        (up, _) => {
            eprintln!("cannot run {name:?}: {up:?}");
            ExitCode::FAILURE
        }
    }
}

/// Ends this process, and all that it started, when nobody waits for it any more.
fn hold_the_lifeline() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        #[expect(clippy::disallowed_methods, reason = "nobody is left to read a log")]
        std::process::exit(1);
    });
}

/// Does once what every site needs.
fn look_around() -> anyhow::Result<()> {
    ip(LOOPBACK_UP)?;
    let [here, there] = [1, 2].map(|end| std::net::Ipv4Addr::new(198, 18, 0, end));
    device(PROBE, here, there)?;
    let thread = std::thread::spawn(new_namespace);
    thread.join().ok().context("look at namespaces")?.context("make a network namespace")?;
    Ok(())
}

/// Runs `ip` in the network of this thread.
pub(super) fn ip(words: &str) -> anyhow::Result<()> {
    let output = Command::new("ip").args(words.split(' ')).output().context("run ip (Debian: iproute2)")?;
    if !output.status.success() {
        bail!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
