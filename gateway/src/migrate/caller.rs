//! In whose name is a hub asked? With what the client's last request said of itself, credential included.

use bytes::Bytes;
use mcphub_http1::FieldLines;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Who a session is moved for, as the last of its requests said. Kept while the session is tended, and never stored.
#[derive(Clone)]
pub(crate) struct Caller {
    /// Header lines that go to a hub with whatever is asked in this name.
    pub(crate) lines: Arc<[u8]>,
    /// Where it asks from.
    pub(crate) client: IpAddr,
}

/// The lines hold a credential.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("client", &self.client).finish_non_exhaustive()
    }
}

/// What a hub said that wants another credential.
#[derive(Debug, Clone)]
pub(crate) struct Denied {
    /// 401 or 403.
    pub(crate) status: u16,
    /// `WWW-Authenticate` and the type of the body.
    pub(crate) lines: FieldLines,
    /// Its words.
    pub(crate) body: Bytes,
}
