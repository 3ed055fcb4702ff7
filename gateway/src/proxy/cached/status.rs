//! What is a client told of how its answer came about? `Cache-Status` (RFC 9211).

use std::fmt::Write as _;

/// How we are called in it.
const CACHE: &str = "mcphub-edge";

/// A kept answer, good for `left` seconds more.
pub(super) fn hit(left: i64) -> String {
    format!("{CACHE}; hit; ttl={left}")
}

/// What another request has brought.
pub(super) fn collapsed(refresh: bool, left: i64) -> String {
    format!("{CACHE}; fwd={}; collapsed; ttl={left}", reason(refresh))
}

/// A kept answer whose time has passed, since no hub could be asked. `status`: what one has answered, if one did.
pub(super) fn stale(collapsed: bool, status: Option<u16>, left: i64) -> String {
    let mut said = format!("{CACHE}; fwd=stale; ttl={left}; detail=stale-if-error");
    if let Some(status) = status {
        let _ = write!(said, "; fwd-status={status}");
    }
    if collapsed {
        said.push_str("; collapsed");
    }
    said
}

/// A hub's answer. `stored`: for how many seconds it is kept, if it is. `waited`: another request was waited for in vain.
pub(super) fn forwarded(refresh: bool, stored: Option<i64>, waited: bool) -> String {
    let mut said = format!("{CACHE}; fwd={}", reason(refresh));
    if let Some(left) = stored {
        let _ = write!(said, "; stored; ttl={left}");
    }
    if waited {
        said.push_str("; collapsed=?0");
    }
    said
}

/// The answer to a request that must go to a hub; `wanted`: since its client says so.
pub(super) fn passed(wanted: bool) -> String {
    format!("{CACHE}; fwd={}", if wanted { "request" } else { "bypass" })
}

fn reason(refresh: bool) -> &'static str {
    if refresh { "stale" } else { "uri-miss" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_standard() {
        assert_eq!(hit(376), "mcphub-edge; hit; ttl=376");
        assert_eq!(collapsed(false, 5), "mcphub-edge; fwd=uri-miss; collapsed; ttl=5");
        assert_eq!(stale(false, None, -4), "mcphub-edge; fwd=stale; ttl=-4; detail=stale-if-error");
        assert_eq!(
            stale(true, Some(503), -4),
            "mcphub-edge; fwd=stale; ttl=-4; detail=stale-if-error; fwd-status=503; collapsed"
        );
        assert_eq!(forwarded(false, Some(9), false), "mcphub-edge; fwd=uri-miss; stored; ttl=9");
        assert_eq!(forwarded(true, None, true), "mcphub-edge; fwd=stale; collapsed=?0");
        assert_eq!([passed(false), passed(true)], ["mcphub-edge; fwd=bypass", "mcphub-edge; fwd=request"]);
    }
}
