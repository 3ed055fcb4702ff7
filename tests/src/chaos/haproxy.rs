//! How does HAProxy stand before the same hubs?

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Command;

use super::METHOD;
use crate::Hub;
use crate::http::exchange;
use crate::ports::free_address;
use crate::process::Process;
use crate::raw_script::{MODERN, modern_body};
use crate::wait::until;

/// How hubs are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// In turn.
    RoundRobin,
    /// The first, and the others only when it is down: what a gateway does that prefers the nearest.
    FirstThenBackups,
}

/// What is asked once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retries {
    /// What HAProxy does by itself: what could not be sent.
    Default,
    /// All that it can be told to, but only for methods that are safe to repeat. An operator who knows MCP may write
    /// this; the manual warns everybody else.
    SafeMethods,
}

/// A running HAProxy.
#[derive(Debug)]
pub struct HaProxy {
    /// The process, for its logs.
    pub process: Process,
    address: SocketAddr,
    socket: PathBuf,
    _directory: TempDir,
}

impl HaProxy {
    /// Starts Debian's HAProxy before these hubs and waits until it answers.
    pub async fn start(hubs: &[Hub], order: Order, retries: Retries) -> anyhow::Result<Self> {
        let directory = TempDir::new()?;
        let (address, socket) = (free_address(), directory.path().join("stats"));
        let file = directory.path().join("haproxy.cfg");
        std::fs::write(&file, configuration(address, &socket, hubs, order, retries))?;
        let mut command = Command::new(program()?);
        command.arg("-db").arg("-f").arg(&file);
        let process = Process::spawn("haproxy", directory.path(), command)?;
        let mut haproxy = Self { process, address, socket, _directory: directory };
        let look = async || {
            if let Some(status) = haproxy.process.exit_status() {
                return Ok(Err(status));
            }
            match exchange(address, "GET", "/counters", "").await {
                Ok(answer) if answer.status == 200 => Ok(Ok(())),
                Ok(answer) => Err(answer.status.to_string()),
                Err(error) => Err(format!("{error:#}")),
            }
        };
        if let Err(status) = until("HAProxy to answer", look).await? {
            bail!("HAProxy exited: {status}\n{}", haproxy.process.tail());
        }
        Ok(haproxy)
    }

    /// The clients' address.
    pub fn listener(&self) -> SocketAddr {
        self.address
    }

    /// Requests under way at one hub, and what HAProxy thinks of it.
    pub async fn server(&self, hub: &str) -> anyhow::Result<(usize, String)> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(b"show stat\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let names = lines.next().context("a line of names")?;
        let column =
            |name: &str| names.iter().position(|n| n.trim_start_matches("# ") == name).context("a column");
        let (server, current, status) = (column("svname")?, column("scur")?, column("status")?);
        let line =
            lines.find(|line| line.get(server) == Some(&hub)).with_context(|| format!("{hub} in {text}"))?;
        let value = |at: usize| line.get(at).copied().unwrap_or_default();
        Ok((value(current).parse()?, value(status).to_owned()))
    }
}

fn program() -> anyhow::Result<PathBuf> {
    // Daemons live in /usr/sbin, which is not in everybody's PATH.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join("haproxy")).find(|program| program.is_file());
    found.context("HAProxy is missing: run tests/tools/install.sh peers")
}

/// Its usual settings, each as its manual has it, and as fair as we can make them:
///
/// - `check inter 2s fall 3 rise 2` are its defaults. A bare `check` only opens a connection, which the kernel of a
///   stopped process grants for ever; so it asks what our own probe asks, `server/discover`, and `timeout check` is our
///   probe's second (left out, it would be `inter`).
/// - `observe layer7` judges real answers too; `error-limit 10` is its default; of the four reactions, `on-error
///   mark-down` is the quickest, since the default only counts for one failed check of three.
/// - `retries 3` is the default; `option redispatch` lets the last of them go to another server.
/// - `timeout connect` and `timeout server` are what the gateway beside it is given: `connect_deadline` and
///   `answer_deadline`.
fn configuration(address: SocketAddr, socket: &Path, hubs: &[Hub], order: Order, retries: Retries) -> String {
    let body = modern_body(1, "server/discover", serde_json::json!({}));
    let safe = "server/discover ping tools/list prompts/list prompts/get resources/list resources/read \
                resources/templates/list completion/complete";
    assert!(safe.split(' ').any(|method| method == METHOD));
    let retries = match retries {
        Retries::Default => String::new(),
        Retries::SafeMethods => format!(
            "    option redispatch 1\n    \
             retry-on conn-failure empty-response response-timeout 500 502 503 504\n    \
             http-request disable-l7-retry unless {{ req.hdr(Mcp-Method) -m str {safe} }}\n"
        ),
    };
    let mut text = format!(
        "global\n    maxconn 4096\n    stats socket {} mode 600 level operator\n\
         defaults\n    mode http\n    timeout connect 2s\n    timeout server 5s\n    timeout check 1s\n    \
         timeout client 120s\n    timeout http-keep-alive 120s\n    retries 3\n    option redispatch\n\
         frontend clients\n    bind {address}\n    default_backend hubs\n\
         backend hubs\n    balance roundrobin\n{retries}    \
         option httpchk\n    \
         http-check send meth POST uri /mcp ver HTTP/1.1 hdr Host localhost hdr Content-Type application/json \
         hdr Accept \"application/json, text/event-stream\" hdr MCP-Protocol-Version {MODERN} \
         hdr Mcp-Method server/discover body '{body}'\n    \
         http-check expect status 200\n    \
         default-server check inter 2s fall 3 rise 2 observe layer7 error-limit 10 on-error mark-down\n",
        socket.display()
    );
    for (number, hub) in hubs.iter().enumerate() {
        let backup = if order == Order::FirstThenBackups && number > 0 { " backup" } else { "" };
        let _ = writeln!(text, "    server {} {}{backup}", hub.id(), hub.address());
    }
    text
}
