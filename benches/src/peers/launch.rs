//! How does a peer come to run: where is its program, what does it find beside its configuration?

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::running::Running;
use super::{EDGE, Launch, Peer, Site};

/// Where the gateway keeps what outlives it, beside its configuration.
const STATE: &str = "state";

impl Peer {
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

    /// What the program says about its version: the line that has it.
    #[must_use]
    pub fn version(&self, site: &Site) -> Option<String> {
        let launch = self.launch.as_ref()?;
        let program = program(launch, site)?;
        let output = Command::new(&program).args(launch.version).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        // Some say where they are, which is nobody's business.
        Some(line.replace(&*program.to_string_lossy(), launch.program))
    }

    /// Starts the program on the proxies' core and waits for its first good answer.
    ///
    /// # Errors
    /// When the port is taken, or the program does not start or does not serve in time.
    pub fn start(&self, site: &Site) -> Result<Option<Running>> {
        let (Some(launch), Some(command)) = (self.launch.as_ref(), self.command(site)) else {
            return Ok(None);
        };
        fs::copy(site.configs.join(launch.config), site.scratch.join(launch.config))
            .with_context(|| format!("copying {}", launch.config))?;
        start(self.name, &command, self.address(), site, &site.scratch).map(Some)
    }
}

/// Starts `command` in `folder` on the proxies' core, without what an earlier run kept, and waits until it serves at
/// `address`.
///
/// # Errors
/// When the port is taken, what was kept cannot be cleared, or the program does not start or does not serve in time.
pub fn start(
    name: &str,
    command: &[String],
    address: SocketAddr,
    site: &Site,
    folder: &Path,
) -> Result<Running> {
    port_is_free(address)?;
    // Sessions that an earlier run opened would be taken up again, and be counted to this one.
    match fs::remove_dir_all(folder.join(STATE)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).context("clearing what an earlier run kept");
        }
        _ => {}
    }
    let log_path = folder.join(format!("{}.log", name.to_lowercase().replace(' ', "-")));
    let mut running = Running::start(command, site.proxy_core, folder, &log_path)
        .with_context(|| format!("starting {name}"))?;
    running.wait_ready(address).with_context(|| {
        let log = fs::read_to_string(&log_path).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(20).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        format!("waiting for {name}, whose log ends:\n{}", tail.join("\n"))
    })?;
    Ok(running)
}

fn program(launch: &Launch, site: &Site) -> Option<PathBuf> {
    if launch.program == EDGE {
        return site.edge.clone();
    }
    if let Some(environment) = launch.environment {
        let file = site.tools.join(environment).join("bin").join(launch.program);
        return file.is_file().then_some(file);
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

impl Site {
    /// The certificate that every peer shows on its port with TLS.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.scratch.join("cert.pem")
    }

    /// Makes the scratch directory, and in it a certificate for this run: ECDSA on P-256, for 127.0.0.1.
    ///
    /// # Errors
    /// When `openssl` cannot be run or fails.
    pub fn prepare(&self) -> Result<()> {
        fs::create_dir_all(&self.scratch).with_context(|| format!("creating {}", self.scratch.display()))?;
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", "30", "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1"])
            // It is its own authority, but no authority for others: clients take it as the server's.
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(&self.scratch)
            .output()
            .context("running openssl (package openssl)")?;
        ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr).trim());
        let read = |name| fs::read(self.scratch.join(name)).with_context(|| format!("reading {name}"));
        // HAProxy wants both in one file.
        let both = [read("cert.pem")?, read("key.pem")?].concat();
        fs::write(self.scratch.join("both.pem"), both).context("writing both.pem")
    }
}
