//! Which configuration does a test want, beyond what every test wants?

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use crate::hub::Hub;
use crate::ports::free_address;

/// The places that tests speak of.
const LOCATIONS: &str = r"
[locations]
us-east      = { latitude = 39.0, longitude = -77.5 }
us-west      = { latitude = 45.6, longitude = -121.2 }
eu-central   = { latitude = 50.1, longitude = 8.7 }
eu-west      = { latitude = 53.3, longitude = -6.3 }
ap-northeast = { latitude = 35.7, longitude = 139.7 }
";

/// A configuration under way. [`Config::text`] is what the gateway reads.
#[derive(Debug, Clone)]
pub struct Config {
    listener: SocketAddr,
    admin: SocketAddr,
    location: String,
    gateway_keys: String,
    listener_keys: String,
    admin_keys: String,
    hubs: String,
    sections: String,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// A gateway in us-east that listens on free loopback ports and believes `X-Forwarded-For` from loopback,
    /// with no hub yet.
    pub fn new() -> Self {
        Self {
            listener: free_address(),
            admin: free_address(),
            location: "us-east".to_owned(),
            gateway_keys: String::new(),
            listener_keys: "trusted_proxies = [\"127.0.0.0/8\"]\n".to_owned(),
            admin_keys: String::new(),
            hubs: String::new(),
            sections: String::new(),
        }
    }

    /// Where the gateway stands.
    #[must_use]
    pub fn location(mut self, location: &str) -> Self {
        location.clone_into(&mut self.location);
        self
    }

    /// How many worker threads it has; otherwise one for each core. A single one has a runtime of its own kind.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.gateway_keys = format!("threads = {threads}\n");
        self
    }

    /// Adds a running hub as `primary`, `secondary` or `edge`.
    #[must_use]
    pub fn hub(self, hub: &Hub, kind: &str) -> Self {
        self.hub_at(hub.id(), kind, hub.location(), &hub.url())
    }

    /// Adds a hub by its parts; nothing needs to listen there.
    #[must_use]
    pub fn hub_at(mut self, id: &str, kind: &str, location: &str, url: &str) -> Self {
        let _ = writeln!(
            self.hubs,
            "\n[[hub]]\nid = {id:?}\ntype = {kind:?}\nlocation = {location:?}\nurl = {url:?}"
        );
        self
    }

    /// Replaces the keys of the listener other than its address, path and hosts; whole lines of TOML.
    #[must_use]
    pub fn listener_keys(mut self, lines: &str) -> Self {
        self.listener_keys = format!("{lines}\n");
        self
    }

    /// Adds keys of the admin interface, for instance that of its token; whole lines of TOML.
    #[must_use]
    pub fn admin_keys(mut self, lines: &str) -> Self {
        self.admin_keys = format!("{lines}\n");
        self
    }

    /// Adds whole sections as they are, for instance `"[routing]\nalgorithm = \"round-robin\""`.
    #[must_use]
    pub fn section(mut self, text: &str) -> Self {
        self.sections = format!("{}\n{text}\n", self.sections);
        self
    }

    /// Listens for clients at this address, for instance beside another gateway, both with `reuse_port`.
    #[must_use]
    pub fn listen_at(mut self, address: SocketAddr) -> Self {
        self.listener = address;
        self
    }

    /// The clients' address.
    pub fn listener(&self) -> SocketAddr {
        self.listener
    }

    /// The operators' address.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The file's text; `directory` is where the gateway may keep its keys and its state.
    pub fn text(&self, directory: &Path) -> String {
        let Self { listener, admin, location, gateway_keys, listener_keys, admin_keys, hubs, sections } =
            self;
        let port = listener.port();
        let mut text = format!(
            "[gateway]\nname = \"test\"\nlocation = {location:?}\n{gateway_keys}\
             \n[[listener]]\naddress = \"{listener}\"\npath = \"/mcp\"\n\
             allowed_hosts = [\"127.0.0.1:{port}\", \"localhost:{port}\"]\n{listener_keys}\
             \n[admin]\naddress = \"{admin}\"\n{admin_keys}{LOCATIONS}{hubs}{sections}"
        );
        if !sections.contains("[session]") {
            let key = directory.join("session.key");
            let _ = write!(text, "\n[session]\nkey_files = [{key:?}]\n");
        }
        if !sections.contains("[state]") {
            let state = directory.join("state");
            let _ = write!(text, "\n[state]\ndirectory = {state:?}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_toml() {
        let config = Config::new()
            .hub_at("a", "primary", "us-east", "http://127.0.0.1:1/mcp")
            .section("[routing]\nalgorithm = \"round-robin\"");
        let text = config.text(Path::new("/tmp/x"));
        let table: toml::Table = text.parse().expect("TOML");
        assert_eq!(table["hub"][0]["id"].as_str(), Some("a"));
        assert_eq!(table["routing"]["algorithm"].as_str(), Some("round-robin"));
        assert_eq!(table["state"]["directory"].as_str(), Some("/tmp/x/state"));
        assert_eq!(table["listener"][0]["address"].as_str(), Some(config.listener().to_string().as_str()));
    }
}
