//! *Whose session is this, where does it live, and may this caller use it?*
//!
//! The session id a legacy client holds is a sealed token: everything the gateway must know about the session, under
//! authenticated encryption. Any gateway with the key can serve it without asking anybody, and a restart forgets
//! nothing.
//!
//! What changes in a session's life has no room in a token that was handed out long ago: it is in a [`record`], kept in
//! a store. When a session's hub is gone, [`migration`] says step by step how the session gets to another one, and what
//! becomes of everything that was in flight.
//!
//! It **owns** the token's format, the keys that seal it and their rotation, the binding of a session to the
//! credential it was opened with, what a record holds, and every decision of a move.
//!
//! It **does not know** transport, HTTP, routing tables, clocks or chance: time and nonces are passed in. Nor does it
//! authenticate anybody: a binding says *the same caller as before*, the hub says who that is.

mod claims;
pub mod event_id;
pub mod foreign_id;
mod key;
mod mark;
pub mod migration;
mod principal;
mod progress;
pub mod record;
pub mod store;
mod token;
mod upstream;

pub use claims::{Claims, INIT_PARAMS_MAX, InitParams};
pub use key::{KEYS_MAX, KeyError, KeyId, KeyRing, RingError, SecretKey};
pub use mark::Mark;
pub use principal::{Bind, Fingerprint, affinity, task_name};
pub use progress::ProgressFilter;
pub use record::{Found, Record, Revision};
pub use store::{Change, Changes, Ending, SessionStore, StoreCondition, StoreError};
pub use token::{
    LastOpened, NONCE_LEN, Nonce, OpenError, Opened, SKEW, SealError, Sealer, SessionKey, TOKEN_MAX,
};
pub use upstream::{BadUpstreamId, UPSTREAM_ID_MAX, UpstreamId, UpstreamIdBuf};
