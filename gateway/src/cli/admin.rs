//! `status` and `reload`: a word with a running gateway, over its admin interface.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde_json::Value;

use super::http::{Answer, exchange};
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
    json: bool,
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

pub(super) fn status(args: &StatusArgs, out: &mut dyn Write) -> Result<(), Failure> {
    ask(&args.gateway, "GET /v1/status", out)
}

/// Says what the reload did. A refused one (its status is not 2xx) is a failure; the gateway runs on as before.
pub(super) fn reload(args: &ReloadArgs, out: &mut dyn Write) -> Result<(), Failure> {
    ask(&args.gateway, "POST /v1/reload", out)
}

fn ask(gateway: &Where, request_line: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let (address, token) = resolve(gateway)?;
    let answer = exchange(address, request_line, token.as_deref(), ANSWER_WITHIN)?;
    let said = serde_json::from_slice::<Value>(&answer.body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&answer.body).trim().to_owned()));
    if answer.status == 401 || answer.status == 403 {
        let why = anyhow!("{address} wants a bearer token: name it with --token-file, or --config");
        return Err(Failure::Runtime(why));
    }
    if gateway.json {
        print_json(&said, out)?;
    } else {
        write!(out, "{}", lines(&said))?;
    }
    if (200..300).contains(&answer.status) { Ok(()) } else { Err(refused(&answer)) }
}

fn refused(answer: &Answer) -> Failure {
    match answer.status {
        404 => {
            Failure::Runtime(anyhow!("that is not the admin interface of a gateway that knows this (404)"))
        }
        _ => Failure::Told,
    }
}

/// The flags first, then the configuration, then the defaults.
fn resolve(gateway: &Where) -> Result<(SocketAddr, Option<String>), Failure> {
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
    Ok((address, token))
}

fn read_token(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the token in {}", file.display()))?;
    let token = text.lines().next().unwrap_or_default().trim();
    anyhow::ensure!(!token.is_empty(), "{} holds no token", file.display());
    Ok(token.to_owned())
}

/// A JSON value as lines of `path  value`, for people: what is nested is named by its path, members of a list by
/// their `id` where they have one.
fn lines(value: &Value) -> String {
    let mut rows = Vec::new();
    flatten(value, String::new(), &mut rows);
    let width = rows.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
    rows.iter()
        .map(|(path, text)| match path.as_str() {
            "" => format!("{text}\n"),
            path => format!("{path:width$}  {text}\n"),
        })
        .collect()
}

fn flatten(value: &Value, path: String, rows: &mut Vec<(String, String)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                flatten(member, below(name), rows);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (index, item) in items.iter().enumerate() {
                let name =
                    item.get("id").and_then(Value::as_str).map_or_else(|| index.to_string(), str::to_owned);
                flatten(item, format!("{path}[{name}]"), rows);
            }
        }
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().map(plain).collect();
            rows.push((path, if texts.is_empty() { "-".into() } else { texts.join(", ") }));
        }
        scalar => rows.push((path, plain(scalar))),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        other => other.to_string(),
    }
}
