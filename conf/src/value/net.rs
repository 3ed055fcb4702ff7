//! Addresses, networks and hosts.

use super::{quote, text};
use crate::field::{Value, Wrong};
use crate::settings::AllowedHost;
use ipnet::IpNet;
use schemars::{Schema, json_schema};
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use toml::de::DeValue;

impl Value for SocketAddr {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let written = text(value, "\"127.0.0.1:8080\"")?;
        written.parse().map_err(|_| {
            let what = format!("{} is not an address and port", quote(written));
            Wrong::new(what, address_advice(written))
        })
    }

    fn show(&self) -> serde_json::Value {
        json!(self.to_string())
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "pattern": r"^([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$" })
    }
}

fn address_advice(written: &str) -> String {
    let port_of = |text: &str| text.parse::<u16>().ok();
    if let Ok(ip) = written.parse::<IpAddr>() {
        return format!("add the port, such as \"{}\"", SocketAddr::new(ip, 8080));
    }
    if let Some(port) = written.strip_prefix(':').or_else(|| written.strip_prefix("*:")).and_then(port_of) {
        return format!(
            "write \"0.0.0.0:{port}\" for every address, or \"127.0.0.1:{port}\" for this machine"
        );
    }
    if let Some(port) = written.strip_prefix("localhost:").and_then(port_of) {
        return format!("write \"127.0.0.1:{port}\"");
    }
    "write an IP address and a port up to 65535, such as \"127.0.0.1:8080\" or \"[::1]:8080\"".to_owned()
}

impl Value for IpNet {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let written = text(value, "\"10.0.0.0/8\"")?;
        let what = format!("{} is not a network", quote(written));
        if let Ok(ip) = written.parse::<IpAddr>() {
            return Err(Wrong::new(what, format!("write \"{}\" for this one address", Self::from(ip))));
        }
        let net: Self = written
            .parse()
            .map_err(|_| Wrong::new(what.clone(), "write a network such as \"10.0.0.0/8\""))?;
        if net.trunc() != net {
            return Err(Wrong::new(what, format!("did you mean \"{}\"?", net.trunc())));
        }
        Ok(net)
    }

    fn show(&self) -> serde_json::Value {
        json!(self.to_string())
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9A-Fa-f.:]+/[0-9]{1,3}$" })
    }
}

/// An entry of `allowed_hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostEntry {
    Any,
    One(AllowedHost),
}

impl Value for HostEntry {
    fn read(value: &DeValue<'_>) -> Result<Self, Wrong> {
        let written = text(value, "\"mcp.example.com\"")?;
        if written == "*" {
            return Ok(Self::Any);
        }
        let what = format!("{} is not a host", quote(written));
        let bare = written.split_once("://").map_or(written, |(_, rest)| rest);
        let bare = bare.split(['/', '?', '#']).next().unwrap_or("");
        match host(bare) {
            Some(host) if bare == written => Ok(Self::One(host)),
            Some(host) => Err(Wrong::new(what, format!("did you mean \"{}\"?", show_host(&host)))),
            None if written.contains('*') => {
                Err(Wrong::new(what, "write each host by name, or \"*\" alone for any"))
            }
            None => Err(Wrong::new(
                what,
                "write a host as it stands in a URL, such as \"mcp.example.com\" or \"[::1]:8080\"",
            )),
        }
    }

    fn show(&self) -> serde_json::Value {
        match self {
            Self::Any => json!("*"),
            Self::One(host) => json!(show_host(host)),
        }
    }

    fn describe() -> Schema {
        json_schema!({ "type": "string", "pattern": r"^(\*|[^*/?#@\s]+)$" })
    }
}

fn show_host(host: &AllowedHost) -> String {
    match host.port {
        Some(port) => format!("{}:{port}", host.host),
        None => host.host.clone(),
    }
}

/// `name`, `name:port`, `1.2.3.4:port`, `[::1]:port`.
fn host(written: &str) -> Option<AllowedHost> {
    let (name, port) = match written.rfind(':') {
        // A colon inside brackets belongs to the address.
        Some(colon) if !written[colon..].contains(']') => {
            let digits = &written[colon + 1..];
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            (&written[..colon], Some(digits.parse::<u16>().ok().filter(|&port| plain && port > 0)?))
        }
        _ => (written, None),
    };
    // `Host::parse` would percent-decode and turn `1` into 0.0.0.1: no surprises in a security check.
    if name.contains(|c: char| c == '%' || c == '*' || c.is_whitespace()) {
        return None;
    }
    let parsed = url::Host::parse(name).ok()?;
    if let url::Host::Ipv4(ip) = &parsed
        && ip.to_string() != name
    {
        return None;
    }
    Some(AllowedHost { host: parsed.to_string(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_they_stand_in_a_header() {
        let check = |written: &str, expected: Option<(&str, Option<u16>)>| {
            let got = host(written).map(|h| (h.host, h.port));
            assert_eq!(got, expected.map(|(h, p)| (h.to_owned(), p)), "{written}");
        };
        check("mcp.example.com", Some(("mcp.example.com", None)));
        check("MCP.Example.com:8443", Some(("mcp.example.com", Some(8443))));
        check("127.0.0.1:8080", Some(("127.0.0.1", Some(8080))));
        check("[::1]:8080", Some(("[::1]", Some(8080))));
        check("[::1]", Some(("[::1]", None)));
        check("[0:0:0:0:0:0:0:1]", Some(("[::1]", None)));
        check("::1", None);
        check("1", None);
        check("a:0", None);
        check("a:", None);
        check("a:+1", None);
        check("a:99999", None);
        check("a b", None);
        check("a@b", None);
        check("%61", None);
        check("", None);
    }
}
