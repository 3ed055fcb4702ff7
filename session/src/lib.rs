//! *Whose session is this, where does it live, and may this caller use it?*
//!
//! The session id a legacy client holds is a sealed token: everything the gateway must know about the session, under
//! authenticated encryption. Any gateway with the key can serve it without asking anybody, and a restart forgets
//! nothing.
//!
//! What changes in a session's life has no room in a token that was handed out long ago: it is in a [`record`], kept in
//! a store.
//!
//! It **owns** the token's format, the keys that seal it and their rotation, the binding of a session to the
//! credential it was opened with, and what a record holds.
//!
//! It **does not know** transport, HTTP, routing tables, clocks or chance: time and nonces are passed in. Nor does it
//! authenticate anybody: a binding says *the same caller as before*, the hub says who that is.

mod claims;
mod key;
mod principal;
pub mod record;
pub mod store;
mod token;
mod upstream;

pub use claims::{Claims, INIT_PARAMS_MAX, InitParams};
pub use key::{KEYS_MAX, KeyError, KeyId, KeyRing, RingError, SecretKey};
pub use principal::{Bind, Fingerprint, affinity};
pub use record::{Found, Record, Revision};
pub use store::{Change, Changes, Ending, SessionStore, StoreCondition, StoreError};
pub use token::{NONCE_LEN, Nonce, OpenError, Opened, SKEW, SealError, Sealer, SessionKey, TOKEN_MAX};
pub use upstream::{BadUpstreamId, UPSTREAM_ID_MAX, UpstreamId, UpstreamIdBuf};
