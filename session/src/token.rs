//! *Is this one of ours?* Sealing a session into the id the client holds, and opening it again.
//!
//! `base64url( version 1 | key id 4 | nonce 12 | AES-256-GCM(claims) | tag 16 )`, without padding; the bytes before the
//! nonce are authenticated along with the claims.

mod last;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcphub_routing::{HubId, ResidencyId};
use ring::aead::{self, Aad};

use crate::claims::{Claims, Sealed};
use crate::key::{KeyId, KeyRing};
use crate::principal::{Bind, Fingerprint};
use crate::record::{Life, Live, Offer, Record, Stay, Subscriptions};
pub use last::LastOpened;

/// Longest token looked at, characters. With every field at its longest ours have 4,742, and header blocks of 8 KiB
/// are what clients and proxies commonly allow.
pub const TOKEN_MAX: usize = 6 * 1024;

/// How far apart the clocks of two gateways may be, seconds.
pub const SKEW: u64 = 300;

/// Bytes in a nonce.
pub const NONCE_LEN: usize = 12;

/// 96 random bits, a new one for each token. They make the id unguessable and must come from a cryptographic source.
pub type Nonce = [u8; NONCE_LEN];

/// The layout of [`crate::claims`].
const VERSION: u8 = 1;
const HEAD_LEN: usize = 1 + 4;
const OVERHEAD: usize = HEAD_LEN + NONCE_LEN + 16;

/// A short name for a session, the same for as long as its token lives: key id and nonce. It may stand in logs, maps
/// and stores, since nobody can make the token from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey([u8; 16]);

impl SessionKey {
    fn of(key: KeyId, nonce: &Nonce) -> Self {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&key.0);
        bytes[4..].copy_from_slice(nonce);
        Self(bytes)
    }

    /// The name that has these bytes, as a store gives them back.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads what `Display` wrote: 32 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = if digits { u128::from_str_radix(text, 16).ok()? } else { return None };
        Some(Self(number.to_be_bytes()))
    }

    /// The name as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({self})")
    }
}

/// A session that its caller may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// What was sealed.
    pub claims: Claims<'a>,
    /// The session's short name.
    pub session: SessionKey,
    /// When it was sealed, seconds since 1970.
    pub issued_at: u64,
    /// What the session is bound to.
    pub bind: Bind,
    /// The caller it was sealed for.
    pub caller: Fingerprint,
    /// Which key sealed it.
    pub key: KeyId,
}

/// Why a session was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A claim is longer than the format allows.
    #[error("{0} is too long for a session id")]
    TooLong(&'static str),
    /// The cipher refused, which it does for inputs of many gigabytes only.
    #[error("the session id could not be encrypted")]
    Cipher,
}

/// Why a token was not opened. For the log alone: to the client, each of them is *session not found*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Longer than [`TOKEN_MAX`], shorter than the shortest, or not Base64: some other server's id.
    #[error("not one of our session ids")]
    Foreign,
    /// Sealed by a later version of this software.
    #[error("the session id has format version {0}, which is not known here")]
    Version(u8),
    /// Sealed with a key that is not on the ring, or no longer.
    #[error("the session id was sealed with key {0}, which is not on the ring")]
    UnknownKey(KeyId),
    /// Forged or damaged.
    #[error("the session id does not authenticate")]
    Forged,
    /// Authentic, but not laid out as its version says.
    #[error("the session id is authentic, but its contents cannot be read")]
    Unreadable,
    /// Older than the configured age.
    #[error("the session is {age} s old")]
    TooOld {
        /// Seconds since it was sealed.
        age: u64,
    },
    /// Sealed in the future by more than [`SKEW`]: some clock is wrong.
    #[error("the session was sealed {ahead} s in the future")]
    FromTheFuture {
        /// Seconds from now.
        ahead: u64,
    },
    /// Bound more loosely than the configuration now wants.
    #[error("the session is bound to less than is now required")]
    BoundTooLoosely,
    /// Another caller's session.
    #[error("the session belongs to another caller")]
    OtherCaller,
}

/// Seals sessions and opens them.
#[derive(Debug)]
pub struct Sealer {
    keys: KeyRing,
    bind: Bind,
    age_max: u64,
    /// No two sealers of a process have the same.
    number: u64,
}

/// Numbers the sealers.
static SEALERS: AtomicU64 = AtomicU64::new(0);

impl Sealer {
    /// Seals with the newest key of `keys`, binds new sessions by `bind`, and opens none older than `age_max`.
    #[must_use]
    pub fn new(keys: KeyRing, bind: Bind, age_max: Duration) -> Self {
        let number = SEALERS.fetch_add(1, Ordering::Relaxed);
        Self { keys, bind, age_max: age_max.as_secs(), number }
    }

    /// The keys in use.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Seals a session for the caller with this `Authorization` header: the id to hand out.
    ///
    /// `now` is in seconds since 1970; `nonce` must never have been used before.
    pub fn seal(
        &self,
        claims: &Claims<'_>,
        authorization: Option<&[u8]>,
        now: u64,
        nonce: Nonce,
    ) -> Result<String, SealError> {
        let key = self.keys.newest();
        let fingerprint = key.caller(self.bind, authorization);
        let sealed = Sealed { issued_at: now, bind: self.bind, fingerprint, claims: *claims };
        let mut bytes = Vec::with_capacity(512);
        bytes.push(VERSION);
        bytes.extend_from_slice(&key.id.0);
        let mut plain = Vec::with_capacity(512);
        sealed.write(&mut plain).map_err(SealError::TooLong)?;
        key.seal
            .seal_in_place_append_tag(
                aead::Nonce::assume_unique_for_key(nonce),
                Aad::from(&bytes),
                &mut plain,
            )
            .map_err(|_| SealError::Cipher)?;
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&plain);
        Ok(URL_SAFE_NO_PAD.encode(&bytes))
    }

    /// The short name of a session that is sealed with this nonce.
    #[must_use]
    pub fn name(&self, nonce: &Nonce) -> SessionKey {
        SessionKey::of(self.keys.newest().id, nonce)
    }

    /// Opens the token of a caller with this `Authorization` header. The claims borrow from `buffer`, whose contents
    /// do not matter; keeping it saves the allocation.
    pub fn open<'b>(
        &self,
        token: &[u8],
        authorization: Option<&[u8]>,
        now: u64,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Opened<'b>, OpenError> {
        if token.len() > TOKEN_MAX {
            return Err(OpenError::Foreign);
        }
        buffer.clear();
        URL_SAFE_NO_PAD.decode_vec(token, buffer).map_err(|_| OpenError::Foreign)?;
        if buffer.len() < OVERHEAD {
            return Err(OpenError::Foreign);
        }
        let (head, rest) = buffer.split_at_mut(HEAD_LEN);
        let (nonce, sealed) = rest.split_at_mut(NONCE_LEN);
        let version = head[0];
        if version != VERSION {
            return Err(OpenError::Version(version));
        }
        let id = KeyId([head[1], head[2], head[3], head[4]]);
        let key = self.keys.find(id).ok_or(OpenError::UnknownKey(id))?;
        let nonce: Nonce = (&*nonce).try_into().map_err(|_| OpenError::Foreign)?;
        let plain = key
            .seal
            .open_in_place(aead::Nonce::assume_unique_for_key(nonce), Aad::from(&*head), sealed)
            .map_err(|_| OpenError::Forged)?;
        let Sealed { issued_at, bind, fingerprint, claims } =
            Sealed::read(plain).ok_or(OpenError::Unreadable)?;
        self.check_age(issued_at, now)?;
        self.check_caller(bind, || fingerprint == key.caller(bind, authorization))?;
        let session = SessionKey::of(id, &nonce);
        Ok(Opened { claims, session, issued_at, bind, caller: fingerprint, key: id })
    }

    /// When a token will be too old to be opened, in seconds since 1970, however far apart the clocks of two gateways
    /// are: until then its session's record, above all a tombstone, must be kept.
    #[must_use]
    pub fn expires_at(&self, opened: &Opened<'_>) -> u64 {
        opened.issued_at.saturating_add(self.age_max).saturating_add(SKEW)
    }

    /// The record to begin with, for a session that has none: what the token says. `None` if it names a hub or a
    /// residency as none can be called any more.
    #[must_use]
    pub fn first_record(&self, opened: &Opened<'_>, now: u64) -> Option<Record> {
        let Claims { version, hub, upstream, place, residency, init: _ } = opened.claims;
        let residency = match residency {
            "" => None,
            id => Some(ResidencyId::new(id).ok()?),
        };
        let live = Live {
            stay: Stay { number: 0, hub: HubId::new(hub).ok()?, upstream: upstream.into() },
            version: version.into(),
            place: place.into(),
            residency,
            level: None,
            subscriptions: Subscriptions::default(),
            offer: Offer::default(),
            init: None,
            last_used: now,
        };
        let life = Life::Live(Box::new(live));
        Some(Record { caller: opened.caller, expires_at: self.expires_at(opened), life })
    }

    fn check_age(&self, issued_at: u64, now: u64) -> Result<(), OpenError> {
        let ahead = issued_at.saturating_sub(now);
        if ahead > SKEW {
            return Err(OpenError::FromTheFuture { ahead });
        }
        let age = now.saturating_sub(issued_at);
        if age > self.age_max { Err(OpenError::TooOld { age }) } else { Ok(()) }
    }

    /// A session is checked by what it was bound to, so that a change of the setting does not end the sessions that
    /// satisfy both; one that was bound to less than is now wanted is refused.
    fn check_caller(&self, bound: Bind, same: impl FnOnce() -> bool) -> Result<(), OpenError> {
        match (self.bind, bound) {
            (Bind::None, _) => Ok(()),
            (Bind::Token, Bind::Subject) | (_, Bind::None) => Err(OpenError::BoundTooLoosely),
            _ if same() => Ok(()),
            _ => Err(OpenError::OtherCaller),
        }
    }
}

#[cfg(test)]
mod tests;
