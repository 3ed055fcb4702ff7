//! *What does this message say, as far as a gateway must know?*
//!
//! Just enough of MCP on the wire: which era a request belongs to, the envelope of a JSON-RPC body, the headers of the
//! modern era, whole events out of a stream of bytes, and the body of every failure the gateway answers itself.
//!
//! It **owns** the reading rules (strict, bounded, borrowed) and the one table from failure to status and code.
//!
//! It **does not know** hubs, routing, sessions' contents, HTTP servers, async, clocks or chance: bytes in, facts out.
//!
//! A tour, in the order of a request:
//!
//! | module | question |
//! |---|---|
//! | [`mod@era`] | legacy or modern, from one header |
//! | [`headers`] | modern: what may be routed on without reading the body |
//! | [`envelope`] | legacy: request, notification, answer or batch; its id, method and target |
//! | [`methods`] | may it be repeated, and what is it called in a metric |
//! | [`mod@relayed`] | what a hub calls its requests, and how to call them otherwise |
//! | [`sse`] | where an event ends, what is in it, whether it is *the* answer |
//! | [`mod@listen`] | modern: what a client listens to, and what it may have missed |
//! | [`cache`] | modern: may this answer be given to the next who asks the same |
//! | [`task_of`] | does a result hand out a task |
//! | [`is_hub_error`] | does an answer speak of the hub rather than of the request |
//! | [`reply`] | what the client is told when things go wrong |

pub mod cache;
pub mod envelope;
pub mod era;
pub mod headers;
pub mod id;
pub mod listen;
pub mod methods;
mod plain;
pub mod relayed;
pub mod reply;
pub mod sse;

mod hub_error;
mod json;
mod task;

pub use envelope::{Envelope, EnvelopeError, Kind, peek};
pub use era::{EraDecision, ProtocolVersion, era};
pub use headers::{HeaderFlaw, ModernHeaders};
pub use hub_error::{is_error, is_hub_error, is_result, may_tell_of_error, says_session_unknown};
pub use id::{Id, RawId};
pub use listen::Listen;
pub use methods::{Class, MethodName, Repeat};
pub use relayed::{Named, Relayed, progress_in, relayed};
pub use reply::{Answer, Asked, Failure, Scope, answer};
pub use sse::{Event, EventSplitter, EventTooLarge};
pub use task::{Task, may_tell_of_task, task_of};
