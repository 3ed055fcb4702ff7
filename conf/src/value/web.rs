//! URLs, paths of URLs, and origins.

use super::{quote, text};
use crate::field::{Value, Wrong};
use crate::settings::{HubScheme, HubUrl};
use schemars::{Schema, json_schema};
use serde_json::json;
use toml::de::DeValue;
use url::Url;

const HUB_EXAMPLE: &str = "\"http://127.0.0.1:3001/mcp\"";

impl Value for HubUrl {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let written = text(value, HUB_EXAMPLE)?;
        let url = web_url(written, &["http", "https"], HUB_EXAMPLE)?;
        let scheme = if url.scheme() == "https" { HubScheme::Https } else { HubScheme::Http };
        let host = match url.host() {
            Some(url::Host::Ipv6(ip)) => ip.to_string(),
            Some(host) => host.to_string(),
            None => return Err(not_a_url(written, HUB_EXAMPLE)),
        };
        let port = url.port().unwrap_or(scheme.default_port());
        if port == 0 {
            return Err(Wrong::new("port 0 cannot be connected to", "write the hub's port"));
        }
        Ok(Self { scheme, host, port, path: url.path().to_owned() })
    }

    fn show(&self) -> serde_json::Value {
        json!(self.to_string())
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "pattern": r"^https?://[^\s@?#\\]+$" })
    }
}

/// Where a hub's metrics are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MetricsAt {
    /// On the hub's own host and port.
    Path(UrlPath),
    Url(HubUrl),
}

impl MetricsAt {
    pub(crate) fn is_https(&self) -> bool {
        matches!(self, Self::Url(url) if url.scheme == HubScheme::Https)
    }
}

impl Value for MetricsAt {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        const EXAMPLE: &str = "\"/metrics\", or \"http://127.0.0.1:9100/metrics\"";
        let written = text(value, EXAMPLE)?;
        if written.contains("://") || written.contains('@') {
            let url = HubUrl::read(value)?;
            if url.path == "/" {
                let what = format!("{} has no path", quote(written));
                return Err(Wrong::new(what, format!("did you mean \"{url}metrics\"?")));
            }
            return Ok(Self::Url(url));
        }
        UrlPath::read(value).map(Self::Path)
    }

    fn show(&self) -> serde_json::Value {
        match self {
            Self::Path(path) => path.show(),
            Self::Url(url) => url.show(),
        }
    }

    fn describe() -> Schema {
        json_schema!({ "anyOf": [UrlPath::describe(), HubUrl::describe()] })
    }
}

/// The URL of a NATS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NatsUrl(pub(crate) String);

impl Value for NatsUrl {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        const EXAMPLE: &str = "\"nats://127.0.0.1:4222\"";
        let written = text(value, EXAMPLE)?;
        let url = web_url(written, &["nats", "tls"], EXAMPLE)?;
        if !matches!(url.path(), "" | "/") {
            return Err(Wrong::new(format!("{} has a path", quote(written)), format!("write {EXAMPLE}")));
        }
        Ok(Self(written.trim_end_matches('/').to_owned()))
    }

    fn show(&self) -> serde_json::Value {
        json!(self.0)
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "pattern": r"^(nats|tls)://[^\s@?#\\/]+/?$" })
    }
}

/// One NATS server, or several of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NatsUrls(pub(crate) Vec<String>);

/// Servers named: a client finds the others of the cluster by itself.
const NATS_URLS_MAX: usize = 16;

impl Value for NatsUrls {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        const EXAMPLE: &str = "[\"nats://10.0.0.1:4222\", \"nats://10.0.0.2:4222\"]";
        let DeValue::Array(list) = value else { return NatsUrl::read(value).map(|url| Self(vec![url.0])) };
        if list.is_empty() || list.len() > NATS_URLS_MAX {
            let what = format!("a list of {} servers", list.len());
            return Err(Wrong::new(what, format!("write 1 to {NATS_URLS_MAX}, such as {EXAMPLE}")));
        }
        let urls: Vec<_> = list
            .iter()
            .map(|item| NatsUrl::read(item.get_ref()).map(|url| url.0))
            .collect::<Result<_, _>>()?;
        // One server in the clear would be asked for the credentials of the others.
        if urls.iter().any(|url| url.starts_with("tls:")) != urls.iter().all(|url| url.starts_with("tls:")) {
            return Err(Wrong::new("some of the servers are asked over TLS only", "write tls:// for all"));
        }
        Ok(Self(urls))
    }

    fn show(&self) -> serde_json::Value {
        json!(self.0)
    }

    fn describe() -> Schema {
        let one = NatsUrl::describe();
        json_schema!({ "anyOf": [one, {
            "type": "array", "items": one, "minItems": 1, "maxItems": NATS_URLS_MAX,
        }] })
    }
}

fn not_a_url(written: &str, example: &str) -> Wrong {
    Wrong::new(format!("{} is not a URL", quote(written)), format!("write a URL such as {example}"))
}

/// An absolute URL with a host and one of `schemes`, without credentials, query or fragment.
fn web_url(written: &str, schemes: &[&str], example: &str) -> Result<Url, Wrong> {
    // The parser would mend these silently; what is used should be what is written.
    if written.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(not_a_url(written, example));
    }
    let url = match Url::parse(written) {
        Ok(url) => url,
        // `localhost:3001/mcp` and `10.0.0.1/mcp` lack only the scheme.
        Err(_) if !written.contains("://") && !written.contains('@') && !written.is_empty() => {
            let what = format!("{} has no scheme", quote(written));
            return Err(Wrong::new(what, format!("write {}://{written}", schemes[0])));
        }
        Err(_) if written.contains('@') => return Err(credentials()),
        Err(_) => return Err(not_a_url(written, example)),
    };
    if !url.username().is_empty() || url.password().is_some() || written.contains('@') {
        return Err(credentials());
    }
    if !written.contains("://") {
        let what = format!("{} has no scheme", quote(written));
        return Err(Wrong::new(what, format!("write {}://{written}", schemes[0])));
    }
    if !schemes.contains(&url.scheme()) {
        let what = format!("the scheme `{}` cannot be used here", url.scheme());
        return Err(Wrong::new(what, format!("write {}", crate::suggest::one_of(schemes))));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(not_a_url(written, example));
    }
    for (part, found) in [("query (?…)", url.query().is_some()), ("fragment (#…)", url.fragment().is_some())]
    {
        if found {
            // A query may carry a key.
            let what = format!("a URL with a {part} cannot be used here");
            return Err(Wrong { what, remedy: format!("write it without, as in {example}"), secret: true });
        }
    }
    Ok(url)
}

fn credentials() -> Wrong {
    Wrong {
        what: "a URL with credentials cannot be used here".to_owned(),
        remedy: "write it without `user:password@`".to_owned(),
        secret: true,
    }
}

/// The path of a URL, literally: no dot segments, no escapes, no query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UrlPath(pub(crate) String);

impl Value for UrlPath {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let written = text(value, "\"/mcp\"")?;
        let what = format!("{} is not a path", quote(written));
        if !written.starts_with('/') {
            let tail =
                Url::parse(written).map_or_else(|_| format!("/{written}"), |url| url.path().to_owned());
            let remedy = if is_path(&tail) { tail } else { "/mcp".to_owned() };
            return Err(Wrong::new(what, format!("a path begins with `/`: write \"{remedy}\"")));
        }
        if is_path(written) {
            return Ok(Self(written.to_owned()));
        }
        let tame = written.trim_end_matches('/');
        if is_path(tame) {
            return Err(Wrong::new(what, format!("did you mean \"{tame}\"?")));
        }
        Err(Wrong::new(what, "write letters, digits and `-._~` between single slashes, such as \"/mcp\""))
    }

    fn show(&self) -> serde_json::Value {
        json!(self.0)
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "pattern": r"^/([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*)?$" })
    }
}

fn is_path(text: &str) -> bool {
    let segment = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    };
    text == "/"
        || text.strip_prefix('/').is_some_and(|rest| text.len() <= 1024 && rest.split('/').all(segment))
}

/// An entry of `allowed_origins`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin(pub(crate) String);

impl Value for Origin {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        const EXAMPLE: &str = "\"https://app.example.com\"";
        let written = text(value, EXAMPLE)?;
        let what = format!("{} is not an origin", quote(written));
        match written {
            "*" => {
                return Err(Wrong::new(what, "write each origin: any page could reach the hubs otherwise"));
            }
            "null" => return Err(Wrong::new(what, "leave it out: any sandboxed page sends it")),
            _ => {}
        }
        let Some(serialized) = serialize_origin(written) else {
            return Err(Wrong::new(what, format!("write scheme and host, such as {EXAMPLE}")));
        };
        if serialized != written {
            return Err(Wrong::new(what, format!("did you mean \"{serialized}\"?")));
        }
        Ok(Self(serialized))
    }

    fn show(&self) -> serde_json::Value {
        json!(self.0)
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[a-z][a-z0-9+.-]*://[^\s/@?#]+$" })
    }
}

/// As a browser would send it; also for schemes of browser extensions and desktop shells.
fn serialize_origin(written: &str) -> Option<String> {
    if written.contains(|c: char| c.is_whitespace() || c == '@' || c == '\\') {
        return None;
    }
    let url = Url::parse(written).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{host}{port}", url.scheme()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn check<V: Value>(written: &str, expected: Result<&str, &str>) {
        match (V::read(&DeValue::String(Cow::Borrowed(written))), expected) {
            (Ok(value), Ok(shown)) => assert_eq!(value.show(), shown, "{written}"),
            (Err(wrong), Err(part)) => {
                let said = format!("{}; {}", wrong.what, wrong.remedy);
                assert!(said.contains(part), "{written}: {said}");
            }
            (Ok(value), Err(_)) => panic!("{written} reads as {}", value.show()),
            (Err(wrong), Ok(_)) => panic!("{written}: {}", wrong.what),
        }
    }

    #[test]
    fn hub_urls() {
        check::<HubUrl>("http://127.0.0.1:3001/mcp", Ok("http://127.0.0.1:3001/mcp"));
        check::<HubUrl>("https://Hub.Example.com:443/mcp", Ok("https://hub.example.com/mcp"));
        check::<HubUrl>("http://[::1]:3001/mcp", Ok("http://[::1]:3001/mcp"));
        check::<HubUrl>("http://hub", Ok("http://hub/"));
        check::<HubUrl>("ftp://hub/mcp", Err("the scheme `ftp`"));
        check::<HubUrl>("localhost:3001/mcp", Err("write http://localhost:3001/mcp"));
        check::<HubUrl>("10.0.0.1/mcp", Err("write http://10.0.0.1/mcp"));
        check::<HubUrl>("http://u:p@hub/mcp", Err("with credentials"));
        check::<HubUrl>("http://hub/mcp?key=1", Err("query"));
        check::<HubUrl>("http://hub/mcp#a", Err("fragment"));
        check::<HubUrl>("http://", Err("is not a URL"));
        check::<HubUrl>("http://hub\\mcp", Err("is not a URL"));
        check::<HubUrl>("http:hub/mcp", Err("has no scheme"));
        check::<HubUrl>("http://hub:0/mcp", Err("port 0"));
        check::<HubUrl>("http://hub:99999/mcp", Err("is not a URL"));
        check::<HubUrl>(" http://hub/mcp", Err("is not a URL"));
        check::<HubUrl>("", Err("is not a URL"));
    }

    #[test]
    fn credentials_are_never_repeated() {
        for written in ["http://u:hunter2@hub/mcp", "http://u:hunter2@hub:99999/", "u:hunter2@hub/mcp"] {
            let wrong = HubUrl::read(&DeValue::String(Cow::Borrowed(written))).expect_err("credentials");
            assert!(
                wrong.secret && !wrong.what.contains("hunter2") && !wrong.remedy.contains("hunter2"),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn paths_and_origins() {
        check::<UrlPath>("/mcp", Ok("/mcp"));
        check::<UrlPath>("/", Ok("/"));
        check::<UrlPath>("/a/b.c", Ok("/a/b.c"));
        check::<UrlPath>("mcp", Err("write \"/mcp\""));
        check::<UrlPath>("http://h/mcp", Err("write \"/mcp\""));
        check::<UrlPath>("/mcp/", Err("did you mean \"/mcp\"?"));
        check::<UrlPath>("/a/../b", Err("is not a path"));
        check::<UrlPath>("//mcp", Err("is not a path"));
        check::<UrlPath>("/m%63p", Err("is not a path"));
        check::<UrlPath>("", Err("begins with"));
        check::<Origin>("https://app.example.com", Ok("https://app.example.com"));
        check::<Origin>("http://localhost:5173", Ok("http://localhost:5173"));
        check::<Origin>("chrome-extension://abcdef", Ok("chrome-extension://abcdef"));
        check::<Origin>("https://app.example.com/", Err("did you mean \"https://app.example.com\"?"));
        check::<Origin>("https://App.example.com:443", Err("did you mean \"https://app.example.com\"?"));
        check::<Origin>("app.example.com", Err("write scheme and host"));
        check::<Origin>("*", Err("write each origin"));
        check::<Origin>("null", Err("leave it out"));
        check::<MetricsAt>("/metrics", Ok("/metrics"));
        check::<MetricsAt>("http://h:9100/metrics", Ok("http://h:9100/metrics"));
        check::<MetricsAt>("http://h:9100", Err("did you mean \"http://h:9100/metrics\"?"));
        check::<MetricsAt>("http://u:p@h/metrics", Err("with credentials"));
        check::<MetricsAt>("http://h/metrics?a=b", Err("query"));
        check::<MetricsAt>("metrics", Err("write \"/metrics\""));
        check::<NatsUrl>("nats://127.0.0.1:4222", Ok("nats://127.0.0.1:4222"));
        check::<NatsUrl>("http://127.0.0.1:4222", Err("the scheme `http`"));
        check::<NatsUrls>("http://127.0.0.1:4222", Err("the scheme `http`"));
    }
}
