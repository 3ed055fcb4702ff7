//! How does an MCP client speak in plain bytes?
//!
//! **Owns** requests of both eras as bytes, with every field open to abuse, and the opening of a legacy session. It
//! **does not know** what a gateway should make of them. Clients that behave are in [`crate::mcp`].

use std::net::SocketAddr;

use anyhow::{Context, bail};

use crate::raw_http::{Answer, RawClient};
use crate::raw_script::{LEGACY, initialize_body, modern_body, modern_fields};

/// A request under way; every part can be replaced.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method and target.
    pub line: String,
    /// Value of `Host`.
    pub host: String,
    /// Value of `Content-Type`; none leaves the field out.
    pub content_type: Option<String>,
    /// Value of `Accept`; none leaves the field out.
    pub accept: Option<String>,
    /// Further lines, each with its end.
    pub lines: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A POST to the endpoint with this body and nothing that tells the era.
    pub fn post(host: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            line: "POST /mcp".into(),
            host: host.into(),
            content_type: Some("application/json".into()),
            accept: Some("application/json, text/event-stream".into()),
            lines: String::new(),
            body: body.into(),
        }
    }

    /// A legacy POST within a session.
    pub fn legacy(host: &str, session: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::post(host, body)
            .with(&format!("Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: {LEGACY}\r\n"))
    }

    /// The request that opens a session.
    pub fn initialize(host: &str, version: &str) -> Self {
        Self::post(host, initialize_body(version))
    }

    /// A modern POST.
    pub fn modern(host: &str, id: u64, method: &str, name: &str, params: serde_json::Value) -> Self {
        Self::post(host, modern_body(id, method, params)).with(&modern_fields(method, name))
    }

    /// A GET for the event stream of a session.
    pub fn stream(host: &str, session: &str) -> Self {
        let mut request = Self::legacy(host, session, "");
        request.line = "GET /mcp".into();
        request.content_type = None;
        request.accept = Some("text/event-stream".into());
        request
    }

    /// With further lines.
    #[must_use]
    pub fn with(mut self, lines: &str) -> Self {
        self.lines += lines;
        self
    }

    /// With another method and target.
    #[must_use]
    pub fn line(self, line: &str) -> Self {
        Self { line: line.into(), ..self }
    }

    /// The bytes, framed by their length; a GET or DELETE has neither type nor length without a body.
    pub fn bytes(&self) -> Vec<u8> {
        let Self { line, host, content_type, accept, lines, body } = self;
        let mut head = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{lines}");
        if let Some(accept) = accept {
            head += &format!("Accept: {accept}\r\n");
        }
        if let Some(content_type) = content_type {
            head += &format!("Content-Type: {content_type}\r\n");
        }
        if !body.is_empty() || content_type.is_some() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        [head.as_bytes(), b"\r\n", body].concat()
    }

    /// Sends it on a connection of its own and reads the answer.
    pub async fn send(&self, address: SocketAddr) -> anyhow::Result<Answer> {
        let mut client = RawClient::connect(address).await?;
        // The peer may have heard enough before all was sent; its answer tells.
        let _ = client.send_cut(&self.bytes(), crate::raw_http::Cut::Whole).await;
        client.answer().await.map_err(|broken| anyhow::anyhow!("{broken:?}"))
    }
}

/// Opens a session with these further lines (for instance an Authorization), and gives back its id.
pub async fn open_session(address: SocketAddr, version: &str, lines: &str) -> anyhow::Result<String> {
    let host = address.to_string();
    let answer = Request::initialize(&host, version).with(lines).send(address).await?;
    if answer.status != 200 {
        bail!("initialize is answered with {} {}", answer.status, answer.text());
    }
    let session = answer.field("mcp-session-id").context("initialize gives a session id")?.to_owned();
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let answer = Request::legacy(&host, &session, initialized).with(lines).send(address).await?;
    if answer.status != 202 {
        bail!("initialized is answered with {} {}", answer.status, answer.text());
    }
    Ok(session)
}
