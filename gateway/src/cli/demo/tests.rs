//! The demo's own words: they must be true.

use super::hubs::{Hub, WANTED};
use super::*;

fn fleet() -> Vec<Hub> {
    let hub = |(id, hub_type, location, port): (_, _, _, u16)| {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Hub { id, hub_type, location, address, pid: 4711 }
    };
    WANTED.map(hub).to_vec()
}

fn addresses() -> Addresses {
    let address = |text: &str| text.parse().expect("an address");
    Addresses { listen: address("127.0.0.1:8080"), admin: address("127.0.0.1:9090") }
}

/// The configuration of an ordinary demo.
pub(in crate::cli) fn configuration() -> String {
    text::configuration(addresses(), &fleet())
}

#[test]
fn the_configuration_has_no_mistake_and_no_warning() {
    let loaded = mcphub_conf::parse(&configuration(), "demo.toml", Path::new("."), &|_| None);
    let loaded = loaded.unwrap_or_else(|report| panic!("{report}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(loaded.settings.hubs.len(), 4);
    assert!(
        loaded.settings.listeners[0]
            .trusted_proxies
            .iter()
            .any(|net| { net.contains(&IpAddr::from([127, 0, 0, 1])) })
    );
}

#[test]
fn other_addresses_give_a_sound_configuration_too() {
    for listen in ["127.0.0.1:18080", "0.0.0.0:8080", "[::1]:8080", "[::]:8080"] {
        let addresses = Addresses { listen: listen.parse().expect("an address"), ..addresses() };
        let text = text::configuration(addresses, &fleet());
        let loaded = mcphub_conf::parse(&text, "demo.toml", Path::new("."), &|_| None);
        assert!(loaded.is_ok(), "{listen}: {}", loaded.expect_err("mistakes"));
    }
}

#[test]
fn the_banner_names_every_hub_and_both_eras() {
    let banner = text::banner(addresses(), &fleet(), Path::new("/tmp/demo"));
    for hub in fleet() {
        assert!(banner.contains(hub.id) && banner.contains(&hub.address.to_string()), "{}", hub.id);
    }
    for part in
        ["http://127.0.0.1:8080/mcp", "2026-07-28", "2025-11-25", "whoami", "X-Forwarded-For", "kill 4711"]
    {
        assert!(banner.contains(part), "{part}");
    }
}

#[test]
fn the_messages_of_the_commands_are_json() {
    for commands in [text::modern("http://h/mcp"), text::legacy("http://h/mcp")] {
        let messages: Vec<&str> = commands
            .split("-d '")
            .filter(|rest| rest.starts_with('{'))
            .filter_map(|rest| Some(rest.split_once('\'')?.0))
            .collect();
        assert!(!messages.is_empty());
        for message in messages {
            let parsed: serde_json::Value = serde_json::from_str(message).expect("JSON");
            assert_eq!(parsed["jsonrpc"], "2.0");
        }
    }
}

#[test]
fn a_taken_address_is_named_with_a_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound");
    let failure = free(address, "--listen").expect_err("taken");
    assert_eq!(failure.status(), 2);
    let said = failure.to_string();
    assert!(said.contains(&format!("{address} is taken")) && said.contains("--listen 127.0.0.1:"), "{said}");
    drop(taken);
    assert_eq!(free(address, "--listen").ok(), Some(address));
    let any = free("127.0.0.1:0".parse().expect("an address"), "--listen").expect("free");
    assert_ne!(any.port(), 0);
}

#[test]
fn a_url_never_names_the_address_that_means_all() {
    for (listens, reached) in
        [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.1:80", "10.0.0.1:80")]
    {
        let listens: SocketAddr = listens.parse().expect("an address");
        assert_eq!(reachable(listens).to_string(), reached);
    }
}
