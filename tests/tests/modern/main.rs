//! What outlives a hub in the modern era, where there are no sessions?
//!
//! A client's stream, the way to a task, the habit of a caller, and a call that its hub says may be done twice.

mod affinity;
mod annotations;
mod listen;
mod listen_raw;
mod sdks;
mod tasks;
