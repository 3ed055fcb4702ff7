//! *Which question is this the answer to?* The ids of requests from hub to client.
//!
//! Every hub counts its own requests from 0. After a move, a late answer to the old hub's question would answer the new
//! hub's. So the client is given an id of ours, which holds the stay and the hub's own id; what comes back for another
//! stay is taken and dropped. `"mcphub1.<stay>.<hub's id>"`, the last in Base64.
//!
//! The same goes for what else names such a request: `params.requestId` of a `notifications/cancelled`, and
//! `params._meta.progressToken`, which the client repeats in its `notifications/progress`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcphub_mcp::{Id, RawId};

use crate::mark::Mark;

/// Longest id taken of a hub, bytes of JSON. Numbers and UUIDs are what SDKs use.
pub const HUB_ID_MAX: usize = 512;

const HEAD: &str = "mcphub1.";

/// A hub's id that is longer than [`HUB_ID_MAX`]: its request cannot be passed on, and is answered to the hub with an
/// error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hub's request id is longer than {HUB_ID_MAX} bytes")]
pub struct IdTooLong;

/// The id of a hub's request, as the client is given it: JSON text.
pub fn to_client(stay: Mark, id: RawId<'_>) -> Result<String, IdTooLong> {
    let json = id.as_json();
    if json.len() > HUB_ID_MAX {
        return Err(IdTooLong);
    }
    Ok(format!("\"{HEAD}{stay}.{}\"", URL_SAFE_NO_PAD.encode(json)))
}

/// What a client has brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignId {
    /// The stay in which the hub asked.
    pub stay: Mark,
    /// The hub's own id.
    pub hub: Id,
}

impl ForeignId {
    /// Reads one; `None` if it is none of ours.
    #[must_use]
    pub fn parse(id: RawId<'_>) -> Option<Self> {
        let text = id.text()?;
        let (stay, hub) = text.strip_prefix(HEAD)?.split_once('.')?;
        if hub.len() > HUB_ID_MAX * 4 / 3 + 1 {
            return None;
        }
        let hub = String::from_utf8(URL_SAFE_NO_PAD.decode(hub).ok()?).ok()?;
        Some(Self { stay: Mark::parse(stay)?, hub: RawId::parse(&hub)?.to_id() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark::tests::stay;
    use proptest::prelude::*;

    fn id(json: &str) -> RawId<'_> {
        RawId::parse(json).unwrap()
    }

    fn check(json: &str, expected: &str) {
        let mark = Mark::of(&stay(3, "eu-1", "abc"));
        let given = to_client(mark, id(json)).unwrap();
        assert_eq!(given, expected);
        assert_eq!(ForeignId::parse(id(&given)), Some(ForeignId { stay: mark, hub: id(json).to_id() }));
    }

    #[test]
    fn ids_come_back_as_the_hub_wrote_them() {
        check("0", r#""mcphub1.3-86f9f0e9.MA""#);
        check("\"0\"", r#""mcphub1.3-86f9f0e9.IjAi""#);
        check(r#""\u00e9.""#, r#""mcphub1.3-86f9f0e9.Ilx1MDBlOS4i""#);
        // However the client escapes it.
        let escaped = id(r#""\u006dcphub1.3-86f9f0e9.MA""#);
        assert_eq!(ForeignId::parse(escaped).map(|foreign| foreign.hub), Some(id("0").to_id()));
    }

    #[test]
    fn other_ids_are_not_ours() {
        for other in [
            "0",
            "\"0\"",
            "\"mcphub1.3-86f9f0e9\"",
            "\"mcphub1.3-86f9f0e9.\"",
            "\"mcphub1.3.MA\"",
            "\"mcphub1.3-86f9f0e9.bnVsbA\"",
            "\"mcphub1.3-86f9f0e9.M.A\"",
        ] {
            assert_eq!(ForeignId::parse(id(other)), None, "{other}");
        }
        let mark = Mark::of(&stay(u32::MAX, "h", "u"));
        let longest = format!("\"{}\"", "x".repeat(HUB_ID_MAX - 2));
        let given = to_client(mark, id(&longest)).unwrap();
        assert_eq!(ForeignId::parse(id(&given)).map(|foreign| foreign.hub), Some(id(&longest).to_id()));
        assert_eq!(to_client(mark, id(&format!("\"{}\"", "x".repeat(HUB_ID_MAX - 1)))), Err(IdTooLong));
        let too_long = format!("\"mcphub1.3-86f9f0e9.{}\"", "A".repeat(HUB_ID_MAX * 2));
        assert_eq!(ForeignId::parse(id(&too_long)), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let json = serde_json::to_string(&format!("{HEAD}3-86f9f0e9.{text}")).unwrap();
            let _ = ForeignId::parse(id(&json));
        }
    }
}
