//! *Which keys seal and open?* Secrets from files, and the ring they make.

use std::fmt;

use crate::principal::{Bind, Fingerprint};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::{hkdf, hmac};
use zeroize::Zeroize as _;

/// Most keys in a ring. One seals; the others are those whose tokens are not yet too old.
pub const KEYS_MAX: usize = 16;

/// 32 secret bytes. `Debug` hides them; they are wiped on drop.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// A key file that does not hold a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither encoding, or another length.
    #[error("a session key is 32 random bytes, written as 64 hexadecimal digits or in Base64")]
    NotAKey,
    /// One byte over and over: a placeholder.
    #[error("the session key is one byte repeated, not 32 random bytes")]
    NotRandom,
}

impl SecretKey {
    /// A key made of 32 bytes from a cryptographic source of randomness.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let key = Self(bytes);
        if key.0.iter().all(|byte| *byte == key.0[0]) { Err(KeyError::NotRandom) } else { Ok(key) }
    }

    /// Reads the contents of a key file: hexadecimal or Base64 (either alphabet, padded or not), white space around.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let mut decoded = hex(text)
            .or_else(|| {
                [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD]
                    .into_iter()
                    .find_map(|engine| engine.decode(text).ok())
            })
            .ok_or(KeyError::NotAKey)?;
        let bytes = <[u8; 32]>::try_from(decoded.as_slice()).map_err(|_| KeyError::NotAKey);
        decoded.zeroize();
        Self::from_bytes(bytes?)
    }

    /// The contents of a new key file: Base64 and a line end.
    #[must_use]
    pub fn to_file(&self) -> String {
        format!("{}\n", STANDARD.encode(self.0))
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// A short name of a key, derived from it one way: stands in tokens and may stand in logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(crate) [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Keys that make no ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// No key at all.
    #[error("no session key is given")]
    Empty,
    /// More than [`KEYS_MAX`].
    #[error("more than {KEYS_MAX} session keys are given")]
    TooMany,
    /// The same key twice.
    #[error("session key {0} is given twice")]
    Twice(KeyId),
}

/// What one secret is used for: each use has a key of its own, derived from it.
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) seal: LessSafeKey,
    principal: hmac::Key,
    /// The caller without a credential, who need not be hashed anew for each request.
    anonymous: Fingerprint,
}

impl Key {
    fn derive(secret: &SecretKey) -> Self {
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, b"mcphub session key v1").extract(&secret.0);
        // HKDF-SHA256 yields up to 8,160 bytes; 32 always fit.
        let seal: UnboundKey =
            derived.expand(&[b"seal"], &AES_256_GCM).expect("32 bytes fit HKDF-SHA256").into();
        let principal: hmac::Key =
            derived.expand(&[b"principal"], hmac::HMAC_SHA256).expect("32 bytes fit HKDF-SHA256").into();
        let name = hmac::sign(&principal, b"\xffkey id");
        let mut id = [0; 4];
        id.copy_from_slice(&name.as_ref()[..4]);
        let anonymous = Fingerprint::of(&principal, Bind::None, None);
        Self { id: KeyId(id), seal: LessSafeKey::new(seal), principal, anonymous }
    }

    /// The caller with this `Authorization` header; without one, the anonymous caller, which is one and the same.
    pub(crate) fn caller(&self, bind: Bind, authorization: Option<&[u8]>) -> Fingerprint {
        match authorization {
            None => self.anonymous,
            Some(_) => Fingerprint::of(&self.principal, bind, authorization),
        }
    }
}

/// The keys in use: the first seals, all open.
///
/// To rotate, put a new key in front and keep the old ones until their tokens are too old. Nonces are random, 96 bits
/// each, so one key should seal no more than 2³² tokens (NIST SP 800-38D): at 1,000 new sessions a second, that is
/// seven weeks.
pub struct KeyRing {
    keys: Vec<Key>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl KeyRing {
    /// A ring of these keys, newest first.
    pub fn new(secrets: &[SecretKey]) -> Result<Self, RingError> {
        if secrets.len() > KEYS_MAX {
            return Err(RingError::TooMany);
        }
        let mut keys: Vec<Key> = Vec::with_capacity(secrets.len());
        for secret in secrets {
            let key = Key::derive(secret);
            if keys.iter().any(|other| other.id == key.id) {
                return Err(RingError::Twice(key.id));
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(RingError::Empty) } else { Ok(Self { keys }) }
    }

    /// The names of the keys, newest first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.keys.iter().map(|key| key.id)
    }

    /// The key that seals.
    pub(crate) fn newest(&self) -> &Key {
        self.keys.first().expect("a ring is never empty: `new` refuses it")
    }

    pub(crate) fn find(&self, id: KeyId) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<[u8; 32], KeyError>) {
        assert_eq!(SecretKey::parse(text).map(|key| key.0), expected, "{text}");
    }

    fn counting() -> [u8; 32] {
        std::array::from_fn(|at| u8::try_from(at * 8).unwrap())
    }

    #[test]
    fn files_hold_hex_or_base64() {
        let hex: String = counting().iter().map(|byte| format!("{byte:02x}")).collect();
        check(&hex, Ok(counting()));
        check(&hex.to_uppercase(), Ok(counting()));
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            check(&format!(" {}\r\n", engine.encode(counting())), Ok(counting()));
        }
        let written = SecretKey(counting()).to_file();
        check(&written, Ok(counting()));
    }

    #[test]
    fn anything_else_is_refused() {
        check("", Err(KeyError::NotAKey));
        check("password", Err(KeyError::NotAKey));
        check(&"0f".repeat(31), Err(KeyError::NotAKey));
        check(&"0f".repeat(33), Err(KeyError::NotAKey));
        check(&"é".repeat(32), Err(KeyError::NotAKey));
        check(&"00".repeat(32), Err(KeyError::NotRandom));
    }

    #[test]
    fn a_ring_has_distinct_keys_and_shows_only_their_names() {
        let key = |salt: u8| SecretKey::from_bytes(counting().map(|byte| byte ^ salt)).unwrap();
        assert_eq!(KeyRing::new(&[]).err(), Some(RingError::Empty));
        let twice = KeyRing::new(&[key(1), key(2), key(1)]);
        assert!(matches!(twice, Err(RingError::Twice(_))));
        let many: Vec<_> = (0..17).map(key).collect();
        assert_eq!(KeyRing::new(&many).err(), Some(RingError::TooMany));
        assert!(KeyRing::new(&many[..16]).is_ok());
        assert_eq!(format!("{:?}", key(1)), "SecretKey(…)");
    }

    /// The name of a key is part of every token: it must never change for a given key.
    #[test]
    fn the_name_of_a_key_is_fixed() {
        let ring = KeyRing::new(&[SecretKey(counting())]).unwrap();
        assert_eq!(ring.ids().next().unwrap().to_string(), "85571f97");
    }
}
