//! *Whose session is this, where does it live, and may this caller use it?*
//!
//! The session id a legacy client holds is a sealed token: everything the gateway must know about the session, under
//! authenticated encryption. Any gateway with the key can serve it without asking anybody, and a restart forgets
//! nothing.
//!
//! It **owns** the token's format, the keys that seal it and their rotation, and the binding of a session to the
//! credential it was opened with.
//!
//! It **does not know** transport, HTTP, routing tables, clocks or chance: time and nonces are passed in. Nor does it
//! authenticate anybody: a binding says *the same caller as before*, the hub says who that is.

mod claims;
mod key;
mod principal;
mod token;
mod upstream;

pub use claims::{Claims, INIT_PARAMS_MAX, InitParams};
pub use key::{KEYS_MAX, KeyError, KeyId, KeyRing, RingError, SecretKey};
pub use principal::{Bind, Fingerprint, affinity};
pub use token::{NONCE_LEN, Nonce, OpenError, Opened, SKEW, SealError, Sealer, SessionKey, TOKEN_MAX};
pub use upstream::{BadUpstreamId, UPSTREAM_ID_MAX, UpstreamId};
