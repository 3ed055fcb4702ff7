//! How does a client reach us? Sockets, the accept loop, and what comes before HTTP: PROXY headers, TLS, the choice
//! of HTTP version.
//!
//! The accept loop is ours, inside a Pingora service: it must empty the kernel's queue before it closes a socket
//! that others listen on too, and it must read a PROXY header before TLS begins.

pub mod client_addr;
mod connection;
mod http2;
pub mod proxy_protocol;
mod service;
pub mod socket;
pub mod tls;

pub use service::{Door, EdgeService, Started};

/// Whom a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// MCP clients, at the listener of this position in the configuration.
    Clients(usize),
    /// Operators.
    Operators,
}
