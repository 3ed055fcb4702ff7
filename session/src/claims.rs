//! *What is inside a token?* The claims and their bytes.
//!
//! Version 1, integers big-endian: issued-at (8), binding (1) and fingerprint (16), then protocol version, hub, hub's
//! session id, place, residency, each with its length in front (1 byte; 2 for the hub's session id and the residency),
//! then 1 and the `initialize` parameters with a length of 2 bytes, or 0 where the session's record has them. Nothing
//! may follow. A published version never changes: another layout is another version, and old ones go on being read.

use crate::principal::{Bind, Fingerprint};
use crate::record::{INIT_STORED_MAX, Live};
use crate::upstream::UpstreamId;

/// Largest `initialize` parameters carried in the token, bytes. Clients send 200 to 500.
pub const INIT_PARAMS_MAX: usize = 2 * 1024;

/// What a session is, as far as the client carries it for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims<'a> {
    /// The protocol version that client and hub agreed on, such as `2025-11-25`; up to 32 bytes.
    pub version: &'a str,
    /// The id of the hub; up to 64 bytes.
    pub hub: &'a str,
    /// The hub's own id for the session.
    pub upstream: UpstreamId<'a>,
    /// Where the client was at placement, such as `DE`; up to 64 bytes, empty for nowhere known.
    pub place: &'a str,
    /// The residency under which it was placed, which holds wherever the client goes; up to 256 bytes, empty for none.
    pub residency: &'a str,
    /// How the client introduced itself, for the day the session must move.
    pub init: InitParams<'a>,
}

/// The `params` of the client's `initialize`, verbatim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitParams<'a> {
    /// JSON text of at most [`INIT_PARAMS_MAX`] bytes.
    Inline(&'a str),
    /// Too large for a header: they are in the session's record ([`crate::record::Live::init`]), under the name that
    /// the token itself gives it. If the record is lost, or they were larger than
    /// [`crate::record::INIT_STORED_MAX`], the session works and cannot move.
    Stored,
}

impl<'a> InitParams<'a> {
    /// Inline if small enough. Otherwise the caller puts them into the record before it hands out the token:
    /// [`Self::to_store`] says what.
    #[must_use]
    pub fn fitting(params: &'a str) -> Self {
        if params.len() <= INIT_PARAMS_MAX { Self::Inline(params) } else { Self::Stored }
    }

    /// What of these parameters belongs into the record of a new session; `None` for what the token holds, and for
    /// what is too large for either.
    #[must_use]
    pub fn to_store(params: &'a str) -> Option<Box<str>> {
        let stored = Self::fitting(params) == InitParams::Stored && params.len() <= INIT_STORED_MAX;
        stored.then(|| params.into())
    }

    /// The parameters, wherever they are: in the token, or else in the record. `None`: the session cannot move.
    #[must_use]
    pub fn resolve<'r>(&self, record: Option<&'r Live>) -> Option<&'r str>
    where
        'a: 'r,
    {
        match *self {
            Self::Inline(params) => Some(params),
            Self::Stored => record?.init.as_deref(),
        }
    }
}

/// Everything under the seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sealed<'a> {
    pub(crate) issued_at: u64,
    pub(crate) bind: Bind,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) claims: Claims<'a>,
}

const VERSION_MAX: usize = 32;
const HUB_MAX: usize = 64;
const PLACE_MAX: usize = 64;
const RESIDENCY_MAX: usize = 256;

impl<'a> Sealed<'a> {
    /// Appends the bytes, or names the field that is too long.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> Result<(), &'static str> {
        let Claims { version, hub, upstream, place, residency, init } = self.claims;
        out.extend_from_slice(&self.issued_at.to_be_bytes());
        out.push(self.bind.code());
        out.extend_from_slice(&self.fingerprint.0);
        put_short(out, version, VERSION_MAX).ok_or("the protocol version")?;
        put_short(out, hub, HUB_MAX).ok_or("the hub's id")?;
        put_long(out, upstream.as_str(), crate::UPSTREAM_ID_MAX).ok_or("the hub's session id")?;
        put_short(out, place, PLACE_MAX).ok_or("the place")?;
        put_long(out, residency, RESIDENCY_MAX).ok_or("the residency")?;
        match init {
            InitParams::Stored => out.push(0),
            InitParams::Inline(params) => {
                out.push(1);
                put_long(out, params, INIT_PARAMS_MAX).ok_or("the initialize parameters")?;
            }
        }
        Ok(())
    }

    /// Reads the bytes back. They have been authenticated, so `None` means a bug or a key that is used elsewhere too.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        let issued_at = u64::from_be_bytes(*take_array(&mut rest)?);
        let [bind] = *take_array(&mut rest)?;
        let bind = Bind::from_code(bind)?;
        let fingerprint = Fingerprint(*take_array(&mut rest)?);
        let version = take_short(&mut rest)?;
        let hub = take_short(&mut rest)?;
        let upstream = UpstreamId::new(take_long(&mut rest)?.as_bytes()).ok()?;
        let place = take_short(&mut rest)?;
        let residency = take_long(&mut rest)?;
        let init = match *take_array(&mut rest)? {
            [0] => InitParams::Stored,
            [1] => InitParams::Inline(take_long(&mut rest)?),
            _ => return None,
        };
        let claims = Claims { version, hub, upstream, place, residency, init };
        rest.is_empty().then_some(Self { issued_at, bind, fingerprint, claims })
    }
}

fn put_short(out: &mut Vec<u8>, text: &str, max: usize) -> Option<()> {
    let length = u8::try_from(text.len()).ok().filter(|_| text.len() <= max)?;
    out.push(length);
    out.extend_from_slice(text.as_bytes());
    Some(())
}

fn put_long(out: &mut Vec<u8>, text: &str, max: usize) -> Option<()> {
    let length = u16::try_from(text.len()).ok().filter(|_| text.len() <= max)?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
    Some(())
}

fn take_array<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(head)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a str> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    std::str::from_utf8(head).ok()
}

fn take_short<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let [length] = *take_array(rest)?;
    take(rest, usize::from(length))
}

fn take_long<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = u16::from_be_bytes(*take_array(rest)?);
    take(rest, usize::from(length))
}
