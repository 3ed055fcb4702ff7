//! What does this address answer to one plain request?

use std::net::SocketAddr;

use anyhow::{Context, anyhow};

use crate::raw_http::{Answer, RawClient};

/// One request on a connection of its own, for admin ports and the hub's side doors. `body` is JSON or empty.
pub async fn exchange(address: SocketAddr, method: &str, target: &str, body: &str) -> anyhow::Result<Answer> {
    let mut client = RawClient::connect(address).await.with_context(|| format!("connect to {address}"))?;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    client.send(request.as_bytes()).await?;
    client.answer().await.map_err(|broken| anyhow!("{method} {target} at {address}: {broken:?}"))
}
