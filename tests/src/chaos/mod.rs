//! What do clients notice when a hub fails, and what would they have noticed behind HAProxy?
//!
//! **Owns** the rig of that comparison: four real hubs and their faults ([`Fleet`]), a crowd of clients at a fixed rate
//! that forgives nothing ([`Crowd`]), legacy sessions that call all the time ([`Sessions`])
//! or only listen ([`Listener`]), HAProxy before the same hubs
//! ([`HaProxy`]), what the gateway told of it meanwhile ([`Change`]), and the arithmetic of what was suffered
//! ([`Suffering`]). It **does not know** who should win.

mod changes;
mod crowd;
mod fleet;
mod haproxy;
mod listeners;
mod sessions;
mod suffering;

pub use changes::Change;
pub use crowd::{CLIENTS, Call, Crowd, End, METHOD, PER_SECOND};
pub use fleet::{FLEET, Fleet, Slowness};
pub use haproxy::{HaProxy, Order, Retries};
pub use listeners::Listener;
pub use sessions::{Life, Sessions};
pub use suffering::{LATE, Suffering};
