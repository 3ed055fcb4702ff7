//! What does the gateway make of hubs that are far away?
//!
//! **Owns** a wide-area network in a box. A [`Site`] is a place of its own, a network namespace, reached from where the
//! test runs over one link that delays, loses and cuts packets as [`Conditions`] say, changed while it runs. Every test
//! gets a sandbox first ([`run`]): namespaces for processes and network that nothing outlives. The link is a pair of
//! TUN devices with a forwarder between them, so it needs no network scheduler of the kernel.
//!
//! **Does not know** what is sent over it, nor what is right.
//!
//! Where a machine has no namespaces or no TUN devices, the tests are listed as ignored, and one that always runs says
//! how many and why. `MCPHUB_WAN=required` makes that a failure.
//!
//! ```text
//! the sandbox: gateway, clients, nearby hubs            site "us-east": hubs
//! 198.18.1.1 ── TUN ── [ delay, loss, cut ] ──▶ TUN ── 198.18.1.2
//!                  ◀── [ delay, loss, cut ] ──
//! ```

mod lane;
mod sandbox;
mod site;

pub use lane::{Conditions, Traffic};
pub use sandbox::{Case, Sandbox, run};
pub use site::{Site, Way};
