//! How does an operator talk to a gateway, as a program and by the command line?
//!
//! A [`Desk`] holds every answer against the gateway's own OpenAPI document: status, media type and schema. So each
//! test that uses it also tests that the document is true.

use std::net::SocketAddr;
use std::process::Output;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::binary::edge_binary;
use crate::gateway::Gateway;
use crate::raw_http::{Answer, RawClient};

/// An operator's view of one gateway.
#[derive(Debug, Clone)]
pub struct Desk {
    address: SocketAddr,
    token: Option<String>,
    document: Value,
}

impl Desk {
    /// Reads the document first.
    pub async fn open(gateway: &Gateway, token: Option<&str>) -> anyhow::Result<Self> {
        let mut desk =
            Self { address: gateway.admin(), token: token.map(str::to_owned), document: Value::Null };
        let answer = desk.send("GET", "/v1/openapi.json", &[], "").await?;
        ensure!(answer.status == 200, "no document: {} {}", answer.status, answer.text());
        desk.document = serde_json::from_slice(&answer.body)?;
        Ok(desk)
    }

    /// The same desk with somebody at it who has no token.
    #[must_use]
    pub fn without_token(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// The document.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Looks at something; the status and the JSON of the answer, which must be as the document says.
    pub async fn get(&self, target: &str) -> anyhow::Result<(u16, Value)> {
        self.exchange("GET", target, "").await
    }

    /// Gives an order; the status and the JSON of the answer, which must be as the document says.
    pub async fn post(&self, target: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        self.exchange("POST", target, &body.to_string()).await
    }

    /// One hub as it is now.
    pub async fn hub(&self, id: &str) -> anyhow::Result<Value> {
        let (status, hub) = self.get(&format!("/v1/hubs/{id}")).await?;
        ensure!(status == 200, "hub {id}: {status} {hub}");
        Ok(hub)
    }

    async fn exchange(&self, method: &str, target: &str, body: &str) -> anyhow::Result<(u16, Value)> {
        let fields = if method == "POST" { &["Content-Type: application/json"][..] } else { &[] };
        let answer = self.send(method, target, fields, body).await?;
        self.check(method, target, &answer)?;
        Ok((answer.status, serde_json::from_slice(&answer.body)?))
    }

    /// One request as it is, with these header lines; the answer is not held against anything.
    pub async fn send(
        &self,
        method: &str,
        target: &str,
        fields: &[&str],
        body: &str,
    ) -> anyhow::Result<Answer> {
        let mut client = RawClient::connect(self.address).await.context("connect to the admin interface")?;
        let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n"));
        let fields: String = fields.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\n{}{fields}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            token.unwrap_or_default(),
            body.len()
        );
        client.send(request.as_bytes()).await?;
        let answer = if method == "HEAD" { client.head().await } else { client.answer().await };
        answer.map_err(|broken| anyhow::anyhow!("{method} {target}: {broken:?}"))
    }

    /// Whether an answer is one that the document knows.
    pub fn check(&self, method: &str, target: &str, answer: &Answer) -> anyhow::Result<()> {
        let path = target.split('?').next().unwrap_or_default();
        let path = match path.strip_prefix("/v1/hubs/") {
            Some(hub) if hub.ends_with("/telemetry") => "/v1/hubs/{id}/telemetry",
            Some(_) => "/v1/hubs/{id}",
            None => path,
        };
        let operation = &self.document["paths"][path][method.to_ascii_lowercase()];
        let response = &operation["responses"][answer.status.to_string()];
        let said = || format!("{method} {target}: {} {}", answer.status, answer.text());
        ensure!(response.is_object(), "not in the document: {}", said());
        let media_type = answer.field("content-type").unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default();
        let schema = &response["content"][essence]["schema"];
        ensure!(schema.is_object(), "{media_type} is not in the document: {}", said());
        if essence != "application/json" {
            return Ok(());
        }
        let body: Value = serde_json::from_slice(&answer.body).with_context(said)?;
        // References lead from the root of the document.
        let schema = json!({ "allOf": [schema], "components": self.document["components"] });
        let validator = jsonschema::validator_for(&schema).context("a schema of the document")?;
        let errors: Vec<_> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
        if !errors.is_empty() {
            bail!("{}\nis not as the document says: {}", said(), errors.join("; "));
        }
        Ok(())
    }
}

/// Runs `mcphub-edge VERB... --admin ADDRESS` to its end, without a terminal.
pub async fn operate(gateway: &Gateway, verb: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(edge_binary()?);
    command.args(verb).args(["--admin", &gateway.admin().to_string()]);
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(crate::PATIENCE * 2, command.output()).await;
    Ok(output.with_context(|| format!("{verb:?} does not end"))??)
}
