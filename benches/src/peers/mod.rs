//! Which proxies are compared, and how is each started?
//!
//! Owns the table of peers: name, port, command, reference figures. A new peer is one more [`Peer`] in [`PEERS`] and
//! its configuration in `benches/peers/`. Owns also starting and stopping them, pinned to a core. Does not know what
//! is sent through them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::load;
use crate::wire::Case;

/// Port of the bench hub; the committed configurations name it.
pub const HUB_PORT: u16 = 18400;
/// Longest wait for a peer's first good answer. The gateway may want to probe its hub first.
const READY_MAX: Duration = Duration::from_secs(20);
/// Longest wait for a peer to end after SIGTERM.
const STOP_MAX: Duration = Duration::from_secs(5);

/// A thing to measure.
pub struct Peer {
    /// Its name in the report and on the command line.
    pub name: &'static str,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// How it is started; the direct way to the hub needs no process.
    pub launch: Option<Launch>,
    /// Requests per proxy-CPU-second that this peer reached elsewhere.
    pub reference: Option<Reference>,
}

/// How a peer is started.
pub struct Launch {
    /// The program: a name looked up in `PATH`, or [`EDGE`].
    pub program: &'static str,
    /// Its configuration in `benches/peers/`, copied to the scratch directory before the start.
    pub config: &'static str,
    /// Its arguments; `{config}` and `{scratch}` are filled in.
    pub arguments: &'static [&'static str],
    /// The argument that prints its version.
    pub version: &'static str,
}

/// Figures of the machine in [`REFERENCE_MACHINE`], in requests per proxy-CPU-second.
pub struct Reference {
    /// JSON cases.
    pub json: f64,
    /// SSE cases.
    pub sse: f64,
}

impl Reference {
    /// The figure for `case`.
    #[must_use]
    pub fn of(&self, case: Case) -> f64 {
        if case.is_sse() { self.sse } else { self.json }
    }
}

/// Where the reference figures come from.
pub const REFERENCE_MACHINE: &str =
    "2 cores of an AMD EPYC under KVM, Debian 12, nginx 1.22.1, HAProxy 2.6.12";
/// Below this share of its reference a peer is suspected to be misconfigured.
pub const REFERENCE_FLOOR: f64 = 0.7;
/// Stands for the gateway's binary, which is not in `PATH`.
pub const EDGE: &str = "mcphub-edge";
/// The peer whose figures the others are divided by, first column.
pub const BASE_FIRST: &str = "HAProxy";
/// The same, second column.
pub const BASE_SECOND: &str = "nginx";

/// All peers, in the order of the report.
pub const PEERS: &[Peer] = &[
    Peer { name: "direct", port: HUB_PORT, launch: None, reference: None },
    Peer {
        name: "MCPHub Edge",
        port: 18403,
        launch: Some(Launch {
            program: EDGE,
            config: "edge.toml",
            arguments: &["run", "--config", "{config}"],
            version: "--version",
        }),
        reference: None,
    },
    Peer {
        name: BASE_FIRST,
        port: 18402,
        launch: Some(Launch {
            program: "haproxy",
            config: "haproxy.cfg",
            arguments: &["-db", "-f", "{config}"],
            version: "-v",
        }),
        reference: Some(Reference { json: 54_000.0, sse: 39_600.0 }),
    },
    Peer {
        name: BASE_SECOND,
        port: 18401,
        launch: Some(Launch {
            program: "nginx",
            config: "nginx.conf",
            arguments: &["-p", "{scratch}", "-c", "{config}", "-e", "stderr", "-g", "daemon off;"],
            version: "-v",
        }),
        reference: Some(Reference { json: 52_000.0, sse: 27_400.0 }),
    },
];

/// Where things are and run.
#[derive(Clone, Debug)]
pub struct Site {
    /// `benches/peers`, with the committed configurations.
    pub configs: PathBuf,
    /// A directory of our own for copies, pid files and logs.
    pub scratch: PathBuf,
    /// The gateway's binary.
    pub edge: Option<PathBuf>,
    /// Core of the proxies.
    pub proxy_core: usize,
    /// Core that the load generator and the hub share.
    pub load_core: usize,
}

impl Peer {
    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The command as it is started, without the pinning. `None` for the direct way, or when the program is missing.
    #[must_use]
    pub fn command(&self, site: &Site) -> Option<Vec<String>> {
        let launch = self.launch.as_ref()?;
        let config = site.scratch.join(launch.config);
        let filled = launch.arguments.iter().map(|argument| {
            argument
                .replace("{config}", &config.to_string_lossy())
                .replace("{scratch}", &site.scratch.to_string_lossy())
        });
        let program = program(launch, site)?.to_string_lossy().into_owned();
        Some([program].into_iter().chain(filled).collect())
    }

    /// The command as a reader would type it, with the committed configuration.
    #[must_use]
    pub fn described(&self, site: &Site) -> Option<String> {
        let launch = self.launch.as_ref()?;
        let config = format!("benches/peers/{}", launch.config);
        let words = launch.arguments.iter().map(|argument| {
            let word = argument.replace("{config}", &config).replace("{scratch}", "SCRATCH");
            if word.contains(' ') { format!("'{word}'") } else { word }
        });
        let words: Vec<String> = words.collect();
        Some(format!("taskset -c {} {} {}", site.proxy_core, launch.program, words.join(" ")))
    }

    /// The first line that the program says about its version.
    #[must_use]
    pub fn version(&self, site: &Site) -> Option<String> {
        let launch = self.launch.as_ref()?;
        let output = Command::new(program(launch, site)?).arg(launch.version).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
    }

    /// Starts the program on the proxies' core and waits for its first good answer.
    ///
    /// # Errors
    /// When the port is taken, or the program does not start or does not serve in time.
    pub fn start(&self, site: &Site) -> Result<Option<Running>> {
        let (Some(launch), Some(command)) = (self.launch.as_ref(), self.command(site)) else {
            return Ok(None);
        };
        port_is_free(self.address())?;
        fs::copy(site.configs.join(launch.config), site.scratch.join(launch.config))
            .with_context(|| format!("copying {}", launch.config))?;
        let log_path = site.scratch.join(format!("{}.log", launch.program));
        let mut running = Running::start(&command, site.proxy_core, &site.scratch, &log_path)
            .with_context(|| format!("starting {}", self.name))?;
        running.wait_ready(self.address()).with_context(|| {
            let log = fs::read_to_string(&log_path).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            format!("waiting for {}, whose log ends:\n{}", self.name, tail.join("\n"))
        })?;
        Ok(Some(running))
    }
}

fn program(launch: &Launch, site: &Site) -> Option<PathBuf> {
    if launch.program == EDGE {
        return site.edge.clone();
    }
    // Debian keeps daemons in /usr/sbin, which is not in everybody's PATH.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    std::env::split_paths(&path).map(|folder| folder.join(launch.program)).find(|file| file.is_file())
}

fn port_is_free(address: SocketAddr) -> Result<()> {
    TcpListener::bind(address)
        .map(drop)
        .with_context(|| format!("{address} is taken: is an earlier run still there?"))
}

/// A started process, ended when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts `command` pinned to `core`, with its output in `log_path`. It is told to end if this process dies.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &[String], core: usize, folder: &Path, log_path: &Path) -> Result<Self> {
        let log = fs::File::create(log_path).with_context(|| format!("creating {}", log_path.display()))?;
        let errors = log.try_clone().context("sharing the log file")?;
        let child = Command::new("taskset")
            .args(["-c", &core.to_string(), "setpriv", "--pdeathsig", "TERM"])
            .args(command)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .context("running taskset (package util-linux)")?;
        Ok(Self { child })
    }

    /// Its process id. `taskset` and `setpriv` hand theirs on to the program.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until an MCP handshake through `address` works.
    ///
    /// # Errors
    /// When the process ends, or [`READY_MAX`] passes; then with the last reason.
    pub fn wait_ready(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + READY_MAX;
        loop {
            let Err(error) = load::probe(address) else { return Ok(()) };
            if let Some(status) = self.child.try_wait().context("asking for the process's end")? {
                bail!("it ended at once: {status}");
            }
            ensure!(Instant::now() < deadline, "not ready after {READY_MAX:?}: {error:#}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + STOP_MAX;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_has_its_own_port_and_a_config_that_names_it_and_the_hub() {
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let mut ports: Vec<u16> = PEERS.iter().map(|peer| peer.port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), PEERS.len());
        for peer in PEERS {
            let Some(launch) = &peer.launch else { continue };
            let text = fs::read_to_string(configs.join(launch.config)).expect("a committed configuration");
            for port in [peer.port, HUB_PORT] {
                assert!(
                    text.contains(&format!("127.0.0.1:{port}")),
                    "{} does not name {port}",
                    launch.config
                );
            }
        }
    }

    #[test]
    fn the_gateways_configuration_has_no_mistakes() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/edge.toml");
        let loaded = mcphub_conf::load(&file, &|_| None).expect("no mistakes");
        let settings = loaded.settings;
        assert!(!settings.log.access && settings.gateway.threads.get() == 1, "not what the peers do");
    }
}
