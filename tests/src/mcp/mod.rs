//! How does a careful MCP client speak, in either era?
//!
//! **Owns** two small clients on plain sockets, [`Legacy`] and [`Modern`]: they keep a connection while it can be
//! kept, read answers as JSON or as a stream, and hand out everything they saw. They **do not know** retries:
//! what the peer did is what the test sees.

mod legacy;
mod modern;
mod peer;

use anyhow::{Context, bail};
use serde_json::Value;

pub use legacy::Legacy;
pub use modern::Modern;
pub use peer::{EventStream, Peer, Reply};

/// Newest revision of the legacy era.
pub const LEGACY: &str = "2025-11-25";

/// Newest revision of the modern era.
pub const MODERN: &str = "2026-07-28";

/// What every POST accepts, in both eras.
const ACCEPT: (&str, &str) = ("Accept", "application/json, text/event-stream");

/// What a tool says: its structured content, else its first text read as JSON, else that text. A tool's own
/// failure is an error.
pub fn tool_value(result: &Value) -> anyhow::Result<Value> {
    if result["isError"] == true {
        bail!("the tool failed: {result}");
    }
    if let Some(structured) = result.get("structuredContent") {
        return Ok(structured.clone());
    }
    let text = result["content"][0]["text"].as_str().with_context(|| format!("no text in {result}"))?;
    Ok(serde_json::from_str(text).unwrap_or_else(|_| text.into()))
}
