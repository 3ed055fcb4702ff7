//! A word with a running gateway, over its admin interface; and the two verbs that need no more: `status`, `reload`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde_json::Value;

use super::http::{Answer, exchange, post};
use super::lines::lines;
use super::{Failure, load, print_json};

/// Where an admin interface listens that nobody moved.
const ADMIN_ADDRESS: &str = "127.0.0.1:9090";

/// How long to wait for an answer. A reload builds the whole table before it answers.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Which gateway.
#[derive(Debug, clap::Args)]
pub struct Where {
    /// The admin interface's address [default: the configuration's, else 127.0.0.1:9090].
    #[arg(long, value_name = "ADDR:PORT")]
    admin: Option<SocketAddr>,

    /// File with the bearer token, where the interface asks for one [default: the configuration's].
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// The gateway's configuration, to take address and token from.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print the answer in JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Flags of `status`.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    #[command(flatten)]
    gateway: Where,
}

/// Flags of `reload`.
#[derive(Debug, clap::Args)]
pub struct ReloadArgs {
    #[command(flatten)]
    gateway: Where,
}

/// The admin interface of a running gateway.
#[derive(Debug)]
pub(super) struct Admin {
    address: SocketAddr,
    token: Option<String>,
    json: bool,
}

/// What it said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: u16,
    /// JSON, or a text as it came.
    pub(super) value: Value,
}

impl Admin {
    /// Finds it: the flags first, then the configuration, then the defaults. Asks nothing yet.
    pub(super) fn find(gateway: &Where) -> Result<Self, Failure> {
        let configured = gateway.config.as_deref().map(load).transpose()?.map(|loaded| loaded.settings.admin);
        let address = match (gateway.admin, &configured) {
            (Some(address), _) => address,
            (None, Some(admin)) => admin.address,
            (None, None) => ADMIN_ADDRESS.parse().context("the default address")?,
        };
        let token = match &gateway.token_file {
            Some(file) => Some(read_token(file)?),
            None => configured.and_then(|admin| admin.token).map(|token| token.expose().to_owned()),
        };
        Ok(Self { address, token, json: gateway.json })
    }

    /// Looks at something.
    pub(super) fn get(&self, target: &str) -> Result<Said, Failure> {
        let line = format!("GET {target}");
        self.said(&exchange(self.address, &line, self.token.as_deref(), ANSWER_WITHIN)?)
    }

    /// Gives an order, with a body or without.
    pub(super) fn post(&self, target: &str, body: Option<&Value>) -> Result<Said, Failure> {
        let (line, token) = (format!("POST {target}"), self.token.as_deref());
        let answer = match body {
            Some(body) => post(self.address, &line, token, body, ANSWER_WITHIN),
            None => exchange(self.address, &line, token, ANSWER_WITHIN),
        };
        self.said(&answer?)
    }

    fn said(&self, answer: &Answer) -> Result<Said, Failure> {
        if answer.status == 401 || answer.status == 403 {
            let why =
                anyhow!("{} wants a bearer token: name it with --token-file, or --config", self.address);
            return Err(Failure::Runtime(why));
        }
        let value = serde_json::from_slice::<Value>(&answer.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&answer.body).trim_end().to_owned()));
        Ok(Said { status: answer.status, value })
    }

    /// What it said, if it was no refusal. With `--json`, a refusal is printed as it came.
    pub(super) fn accepted(&self, said: Said, out: &mut dyn Write) -> Result<Value, Failure> {
        if (200..300).contains(&said.status) {
            return Ok(said.value);
        }
        if self.json {
            print_json(&said.value, out)?;
            return Err(Failure::Told);
        }
        Err(Failure::Runtime(match said.value.get("error").and_then(Value::as_str) {
            Some(error) => anyhow!("{error}"),
            None => anyhow!(
                "{} is not the admin interface of a gateway that knows this ({})",
                self.address,
                said.status
            ),
        }))
    }
}

pub(super) fn status(args: &StatusArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let admin = Admin::find(&args.gateway)?;
    let said = admin.accepted(admin.get("/v1/status")?, out)?;
    tell(&args.gateway, &said, out)
}

/// Says what the reload did. A refused one (its status is not 2xx) is a failure; the gateway runs on as before.
pub(super) fn reload(args: &ReloadArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let admin = Admin::find(&args.gateway)?;
    let said = admin.post("/v1/reload", None)?;
    if said.value.get("result").is_some() {
        tell(&args.gateway, &said.value, out)?;
        return if said.status == 200 { Ok(()) } else { Err(Failure::Told) };
    }
    let value = admin.accepted(said, out)?;
    tell(&args.gateway, &value, out)
}

/// An answer as it is, in JSON or in lines.
pub(super) fn tell(gateway: &Where, said: &Value, out: &mut dyn Write) -> Result<(), Failure> {
    if gateway.json {
        return print_json(said, out);
    }
    Ok(write!(out, "{}", lines(said))?)
}

fn read_token(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the token in {}", file.display()))?;
    let token = text.lines().next().unwrap_or_default().trim();
    anyhow::ensure!(!token.is_empty(), "{} holds no token", file.display());
    Ok(token.to_owned())
}
