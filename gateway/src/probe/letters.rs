//! What is asked, ready to be written: head and body in one piece.

use crate::upstream::hear::ID;
use mcphub_conf::settings::{Canary, HubUrl};
use mcphub_http1::write;
use mcphub_mcp::ProtocolVersion;
use serde_json::json;
use serde_json::value::RawValue;

/// A session that no hub has. A hub that is well refuses it, and nothing is left behind. A request without any session
/// would not do: some servers open one before they look at what is asked, and older ones keep it.
const NO_SESSION: &[u8] = b"mcphub-edge-probe-of-no-session";
/// The revision that legacy questions are asked in: the last of its era, known to all servers that are kept up.
const LEGACY: &str = "2025-11-25";

/// The questions that do not change from one probe to the next.
#[derive(Debug)]
pub(super) struct Letters {
    url: HubUrl,
    authority: String,
    /// `server/discover`.
    pub(super) discover: Vec<u8>,
    /// The same in a session that does not exist, for a hub that may be legacy. Modern ones ignore it.
    pub(super) discover_or_refuse: Vec<u8>,
    /// Legacy: `ping` in a session that does not exist.
    pub(super) ping: Vec<u8>,
    /// `tools/call`.
    pub(super) canary: Option<Vec<u8>>,
}

impl Letters {
    pub(super) fn new(url: &HubUrl, canary: Option<&Canary>) -> Self {
        let mut letters = Self {
            url: url.clone(),
            authority: url.authority(),
            discover: Vec::new(),
            discover_or_refuse: Vec::new(),
            ping: Vec::new(),
            canary: None,
        };
        let discover = request("server/discover", "");
        letters.discover = letters.modern("server/discover", &[], &discover);
        letters.discover_or_refuse =
            letters.modern("server/discover", &[("mcp-session-id", NO_SESSION)], &discover);
        let fields = [("mcp-protocol-version", LEGACY.as_bytes()), ("mcp-session-id", NO_SESSION)];
        let ping = format!(r#"{{"jsonrpc":"2.0","id":{ID},"method":"ping"}}"#);
        letters.ping = letters.post(&fields, &ping);
        letters.canary = canary.map(|canary| {
            let params = format!(r#""name":{},"arguments":{},"#, json!(canary.tool), canary.arguments);
            let name = [("mcp-name", canary.tool.as_bytes())];
            letters.modern("tools/call", &name, &request("tools/call", &params))
        });
        letters
    }

    /// `tools/list`, from the beginning or from where the page before ended.
    pub(super) fn tools(&self, cursor: Option<&RawValue>) -> Vec<u8> {
        let params = cursor.map_or_else(String::new, |cursor| format!(r#""cursor":{cursor},"#));
        self.modern("tools/list", &[], &request("tools/list", &params))
    }

    fn modern(&self, method: &str, more: &[(&str, &[u8])], body: &str) -> Vec<u8> {
        let version = ProtocolVersion::V2026_07_28.as_str().as_bytes();
        let mut fields = vec![("mcp-protocol-version", version), ("mcp-method", method.as_bytes())];
        fields.extend_from_slice(more);
        self.post(&fields, body)
    }

    fn post(&self, fields: &[(&str, &[u8])], body: &str) -> Vec<u8> {
        let mut out = head("POST", &self.url.path, &self.authority, "application/json, text/event-stream");
        write::field(&mut out, b"content-type", b"application/json");
        for (name, value) in fields {
            write::field(&mut out, name.as_bytes(), value);
        }
        out.extend_from_slice(b"content-length: ");
        write::decimal(&mut out, body.len() as u64);
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(body.as_bytes());
        out
    }
}

/// A GET of these metrics, whole.
pub(super) fn get_metrics(url: &HubUrl) -> Vec<u8> {
    let mut out = head("GET", &url.path, &url.authority(), "text/plain;version=0.0.4");
    out.extend_from_slice(b"\r\n");
    out
}

/// How we are called in logs of hubs.
pub(super) const AGENT: &str = concat!("mcphub-edge/", env!("CARGO_PKG_VERSION"), " (health)");

fn head(method: &str, path: &str, authority: &str, accept: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(768);
    for part in [method, " ", path, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    write::field(&mut out, b"host", authority.as_bytes());
    write::field(&mut out, b"user-agent", AGENT.as_bytes());
    write::field(&mut out, b"accept", accept.as_bytes());
    out
}

/// A modern request that says all about itself. `params` is JSON members, each with a comma after it.
fn request(method: &str, params: &str) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": ProtocolVersion::V2026_07_28.as_str(),
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "mcphub-edge", "version": env!("CARGO_PKG_VERSION") },
    });
    format!(r#"{{"jsonrpc":"2.0","id":{ID},"method":"{method}","params":{{{params}"_meta":{meta}}}}}"#)
}

#[cfg(test)]
mod tests;
