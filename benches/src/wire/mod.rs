//! Which bytes go to and fro in a measured case?
//!
//! Owns the requests of the load generator ([`requests`]) and the answers of the bench hub ([`answers`]), in one place so
//! that the load generator can tell a right answer from a wrong one byte by byte. Does not know sockets.
//!
//! Every message is built once as a [`Template`]; a request then costs eight patched digits, the JSON-RPC id. The id
//! is new for each request of a connection, as MCP demands, and the answer must carry it back.

pub mod answers;
pub mod requests;
pub mod step;

use memchr::memmem;

/// Digits of a JSON-RPC id sent by the load generator. Fixed, so that ids can be patched in place and lengths hold.
pub const ID_DIGITS: usize = 8;
/// First id of a connection: the smallest number of [`ID_DIGITS`] digits that does not begin with a zero.
pub const ID_FIRST: u32 = 10_000_000;
/// Bytes of the JSON bodies, both ways: a small tool call with its arguments and a small text result.
pub const BODY_BYTES: usize = 400;
/// Events in an answer of the SSE cases, the last of which carries the result.
pub const SSE_EVENTS: usize = 10;
/// Path of the MCP endpoint at every peer.
pub const PATH: &str = "/mcp";

const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";
const ID_BLANK: &str = "00000000";

/// A message with at most one blank of [`ID_DIGITS`] digits in it.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    id_at: Option<usize>,
}

impl Template {
    /// Takes a message whose blank is written as eight zeros after `"id":`. One without a blank has no id.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        // The last one: an `initialize` answer has the session id's blank in its head and the id's in its body.
        let id_at = memmem::rfind(&bytes, ID_BLANK.as_bytes());
        Self { bytes, id_at }
    }

    /// The message as last filled.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        memmem::find(&self.bytes, b"\r\n\r\n").map_or(&[], |at| &self.bytes[at + 4..])
    }

    /// Writes `id` into the blank. Only the last [`ID_DIGITS`] decimal digits are kept.
    pub fn fill(&mut self, id: u32) {
        self.fill_digits(digits(id));
    }

    /// Writes ready digits into the blank.
    pub fn fill_digits(&mut self, id: [u8; ID_DIGITS]) {
        if let Some(at) = self.id_at {
            self.bytes[at..at + ID_DIGITS].copy_from_slice(&id);
        }
    }
}

/// `id` as exactly [`ID_DIGITS`] decimal digits.
#[must_use]
pub fn digits(id: u32) -> [u8; ID_DIGITS] {
    let mut out = [b'0'; ID_DIGITS];
    let mut rest = id;
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out
}

/// Grows `make`'s text until the whole is `bytes` long.
fn padded(bytes: usize, make: impl Fn(&str) -> String) -> String {
    let bare = make("").len();
    make(&"a".repeat(bytes.saturating_sub(bare)))
}
