//! *Has this connection brought the same token before?* Clients send it with every request.

use std::fmt;

use super::{OpenError, Opened, Sealer, SessionKey};
use crate::claims::{Claims, InitParams};
use crate::key::KeyId;
use crate::principal::{Bind, Fingerprint};
use crate::upstream::UpstreamId;

/// The token that one connection has brought last, opened, with the `Authorization` header that came with it. About twice
/// the size of both.
///
/// It is no cache of sessions: it answers for the very bytes that were opened before by the very sealer, and for nothing
/// else, so that it cannot be wrong for longer than one connection lives.
#[derive(Default)]
pub struct LastOpened {
    token: Vec<u8>,
    authorization: Option<Vec<u8>>,
    opened: Option<Kept>,
}

/// What was sealed, in a piece of memory of its own.
struct Kept {
    /// By the number of the sealer that opened it.
    sealer: u64,
    /// The texts of the claims, one after the other.
    text: String,
    /// Where the first five end in it: version, hub, the hub's own id, place, residency. What follows are the parameters.
    ends: [u32; 5],
    stored: bool,
    session: SessionKey,
    issued_at: u64,
    bind: Bind,
    caller: Fingerprint,
    key: KeyId,
}

impl Kept {
    fn of(sealer: u64, opened: &Opened<'_>) -> Self {
        let Opened { claims, session, issued_at, bind, caller, key } = *opened;
        let Claims { version, hub, upstream, place, residency, init } = claims;
        let params = match init {
            InitParams::Inline(params) => params,
            InitParams::Stored => "",
        };
        let mut text = String::with_capacity(128 + params.len());
        let ends = [version, hub, upstream.as_str(), place, residency].map(|part| {
            text.push_str(part);
            text.len() as u32
        });
        text.push_str(params);
        let stored = init == InitParams::Stored;
        Self { sealer, text, ends, stored, session, issued_at, bind, caller, key }
    }

    fn opened(&self) -> Opened<'_> {
        let mut from = 0;
        let mut next = |end: u32| {
            let part = self.text.get(from..end as usize).unwrap_or_default();
            from = end as usize;
            part
        };
        let [version, hub, upstream, place, residency] = self.ends.map(&mut next);
        let init =
            if self.stored { InitParams::Stored } else { InitParams::Inline(next(self.text.len() as u32)) };
        let upstream = UpstreamId::trusted(upstream);
        let &Self { session, issued_at, bind, caller, key, .. } = self;
        let claims = Claims { version, hub, upstream, place, residency, init };
        Opened { claims, session, issued_at, bind, caller, key }
    }
}

impl Sealer {
    /// As [`open`](Self::open), but at the price of a comparison where `last` is of the same token and caller.
    pub fn open_again<'l>(
        &self,
        token: &[u8],
        authorization: Option<&[u8]>,
        now: u64,
        last: &'l mut LastOpened,
    ) -> Result<Opened<'l>, OpenError> {
        let same = last.opened.as_ref().is_some_and(|opened| opened.sealer == self.number)
            && last.token == token
            && last.authorization.as_deref() == authorization;
        if !same {
            last.opened = None;
            let mut buffer = Vec::new();
            let opened = self.open(token, authorization, now, &mut buffer)?;
            last.token.clear();
            last.token.extend_from_slice(token);
            last.authorization = authorization.map(<[u8]>::to_vec);
            last.opened = Some(Kept::of(self.number, &opened));
        }
        let opened = last.opened.as_ref().ok_or(OpenError::Foreign)?.opened();
        // All else follows from the bytes and the sealer; the time does not.
        self.check_age(opened.issued_at, now)?;
        Ok(opened)
    }
}

/// Neither token nor credentials may be printed.
impl fmt::Debug for LastOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastOpened").field("session", &self.opened.as_ref().map(|it| it.session)).finish()
    }
}
