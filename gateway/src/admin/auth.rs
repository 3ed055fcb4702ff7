//! May this operator ask?
//!
//! With a token, whoever has it. Without one, the interface listens on loopback only, and then browsers are the
//! danger: a page must reach it neither through a name of its own that leads here (DNS rebinding), nor by sending a
//! form from elsewhere.

use super::reply::Problem;
use mcphub_conf::settings::Secret;
use mcphub_http1::{Known, Method, RequestHead};
use std::net::IpAddr;
use subtle::ConstantTimeEq as _;

/// Whether this request may be answered.
pub(super) fn authorize(token: Option<&Secret>, head: &RequestHead) -> Result<(), Problem> {
    let Some(token) = token else { return without_token(head) };
    let given = head.fields.get(Known::Authorization).unwrap_or_default();
    let (scheme, given) = given.split_at(given.len().min(b"Bearer ".len()));
    // Compared whole, whatever the first difference: how long it takes tells nothing but the length.
    let same: bool = given.ct_eq(token.expose().as_bytes()).into();
    if scheme.eq_ignore_ascii_case(b"Bearer ") && same {
        Ok(())
    } else {
        Err(Problem::new(401, "a bearer token is required"))
    }
}

fn without_token(head: &RequestHead) -> Result<(), Problem> {
    let host = head.fields.text(Known::Host);
    if !host.is_some_and(is_local) {
        return Err(Problem::new(403, "without a token, Host must be a loopback name or address"));
    }
    let reads = matches!(head.method, Method::Get | Method::Head);
    let own = |origin: &str| origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
    match head.fields.get(Known::Origin) {
        Some(origin) if !reads && !std::str::from_utf8(origin).is_ok_and(own) => {
            Err(Problem::new(403, "without a token, no web page of another origin may change anything"))
        }
        _ => Ok(()),
    }
}

fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use mcphub_http1::HeadLimits;
    use mcphub_http1::head::HeadScan;

    fn head(lines: &str) -> RequestHead {
        let mut text = BytesMut::from(format!("{lines}\r\n\r\n").as_bytes());
        RequestHead::take(&mut text, &mut HeadScan::default(), &HeadLimits::default())
            .expect("a sound head")
            .expect("a whole head")
    }

    fn check(token: Option<&str>, lines: &str, expected: Option<u16>) {
        let token = token.map(|token| Secret::new(token.to_owned()));
        let said = authorize(token.as_ref(), &head(lines)).err().map(|problem| problem.status);
        assert_eq!(said, expected, "{lines:?} with {token:?}");
    }

    #[test]
    fn a_token_is_wanted_whole_and_nothing_else_counts() {
        let get = "GET /v1/status HTTP/1.1\r\nHost: edge.example";
        check(Some("s3cret"), get, Some(401));
        for wrong in ["", "s3cre", "s3crets", "S3CRET", "Bearer s3cret"] {
            check(Some("s3cret"), &format!("{get}\r\nAuthorization: Bearer {wrong}"), Some(401));
        }
        check(Some("s3cret"), &format!("{get}\r\nAuthorization: s3cret"), Some(401));
        check(Some("s3cret"), &format!("{get}\r\nAuthorization: Basic s3cret"), Some(401));
        check(Some("s3cret"), &format!("{get}\r\nAuthorization: bearer s3cret"), None);
    }

    #[test]
    fn without_a_token_only_this_machine_is_served() {
        for host in ["localhost:9090", "LOCALHOST", "127.0.0.1:9090", "127.3.2.1", "[::1]:9090"] {
            check(None, &format!("GET / HTTP/1.1\r\nHost: {host}"), None);
        }
        for host in ["edge.example", "127.0.0.1.nip.example", "10.0.0.1:9090", "[2001:db8::1]", "localhost.x"]
        {
            check(None, &format!("GET / HTTP/1.1\r\nHost: {host}"), Some(403));
        }
    }

    #[test]
    fn pages_of_other_origins_change_nothing() {
        let post = "POST /v1/reload HTTP/1.1\r\nHost: 127.0.0.1:9090\r\nContent-Length: 0";
        check(None, post, None);
        check(None, &format!("{post}\r\nOrigin: http://127.0.0.1:9090"), None);
        for origin in ["http://evil.example", "http://127.0.0.1:8080", "null", "http://localhost:9090"] {
            check(None, &format!("{post}\r\nOrigin: {origin}"), Some(403));
        }
    }
}
