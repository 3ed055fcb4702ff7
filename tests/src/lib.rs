//! How do we start the real thing, talk to it, and know when it is ready?
//!
//! **Owns** the rig of the end-to-end tests: processes of the real binary ([`Hub`], [`Gateway`]) with their
//! configuration ([`Config`]), ports, signals and logs; clients that speak MCP in both eras ([`mcp`]) or plain
//! bytes ([`raw_http`]); an operator ([`admin`]); the public conformance suite ([`conformance`]) and a relay to prove
//! that a test can fail ([`relay`]), a wide-area network in a box ([`wan`]), and crowds of sessions whose hubs are killed
//! ([`outlive`]). Everything started here dies with the
//! value that holds it.
//!
//! **Does not know** what is right: every judgement stands in the tests under `tests/tests`.
//!
//! Nothing here sleeps and hopes: [`until`] asks again until a condition holds, and gives up with a message.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use mcphub_tests::{Config, Gateway, Hub, mcp::Legacy};
//!
//! let hub = Hub::start("us-east-1", "us-east", &[]).await?;
//! let gateway = Gateway::start(Config::new().hub(&hub, "primary")).await?;
//! let mut client = Legacy::initialize(gateway.listener()).await?;
//! assert_eq!(client.tool("whoami", serde_json::json!({})).await?["hub"], "us-east-1");
//! assert!((200..300).contains(&client.delete().await?));
//! # Ok(())
//! # }
//! ```

pub mod admin;
pub mod chaos;
pub mod conformance;
pub mod load;
pub mod mcp;
pub mod outlive;
pub mod raw_cases;
pub mod raw_edge;
pub mod raw_h2;
pub mod raw_h2_cases;
pub mod raw_http;
pub mod raw_hub;
pub mod raw_mcp;
pub mod raw_script;
pub mod raw_tls;
pub mod relay;
pub mod wan;

mod binary;
mod config;
mod gateway;
mod http;
mod hub;
mod ports;
mod process;
mod sse;
mod tools;
mod wait;

pub use binary::{edge_binary, target_directory};
pub use config::Config;
pub use gateway::Gateway;
pub use http::exchange;
pub use hub::Hub;
pub use ports::{free_address, free_port};
pub use process::{Process, Signal};
pub use sse::{Event, SseParser};
pub use tools::{node, node_package, node_script, python, python_program, tools_directory};
pub use wait::{PATIENCE, until};
