//! Would a test notice a bad intermediary?
//!
//! **Owns** a TCP relay that passes bytes on as they come, or swaps one string of bytes for another on the way.
//! It **does not know** HTTP, so a swap must keep the length wherever a length has been announced.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What is put in place of what, in each piece that one read gives.
#[derive(Debug, Clone, Default)]
pub struct Swaps {
    /// In bytes from the client.
    pub up: Vec<(String, String)>,
    /// In bytes from the server.
    pub down: Vec<(String, String)>,
}

/// A running relay; it ends when dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Relay {
    /// A relay that changes nothing.
    pub async fn faithful(target: SocketAddr) -> io::Result<Self> {
        Self::start(target, Swaps::default()).await
    }

    /// A relay in front of `target` that swaps bytes.
    pub async fn start(target: SocketAddr, swaps: Swaps) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let swaps = Arc::new(swaps);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(relay(client, target, swaps.clone()));
            }
        });
        Ok(Self { address, task })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The MCP endpoint behind it.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(client: TcpStream, target: SocketAddr, swaps: Arc<Swaps>) -> io::Result<()> {
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_reader, client_writer) = client.into_split();
    let (server_reader, server_writer) = server.into_split();
    tokio::try_join!(
        pass(client_reader, server_writer, &swaps.up),
        pass(server_reader, client_writer, &swaps.down),
    )?;
    Ok(())
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, swaps: &[(String, String)]) -> io::Result<()> {
    let mut buffer = vec![0_u8; 64 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        let mut piece = buffer[..count].to_vec();
        for (old, new) in swaps {
            piece = swap(&piece, old.as_bytes(), new.as_bytes());
        }
        to.write_all(&piece).await?;
    }
}

fn swap(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut swapped = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = crate::raw_http::find(rest, old) {
        swapped.extend_from_slice(&rest[..at]);
        swapped.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    swapped.extend_from_slice(rest);
    swapped
}
