//! Tables of chains, honest and forged.

use proptest::prelude::*;

use super::*;

/// Trusts 10.0.0.0/8 and fd00::/8.
fn trusted() -> TrustedProxies {
    TrustedProxies::new(["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a network")))
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn peer(text: &str) -> Peer {
    Peer::new(ip(text), None, &trusted())
}

fn client(peer: Peer, x_forwarded_for: &[&str], forwarded: &[&str]) -> ClientAddr {
    peer.client(
        &trusted(),
        x_forwarded_for.iter().map(|line| line.as_bytes()),
        forwarded.iter().map(|line| line.as_bytes()),
    )
}

/// One row: the socket's peer, the lines of one header, the client they lead to.
fn check_x(socket: &str, lines: &[&str], expected: &str) {
    assert_eq!(client(peer(socket), lines, &[]).ip, ip(expected), "{socket} with {lines:?}");
}

fn check_forwarded(lines: &[&str], expected: &str) {
    assert_eq!(client(peer("10.0.0.1"), &[], lines).ip, ip(expected), "{lines:?}");
}

#[test]
fn headers_of_an_untrusted_peer_change_nothing() {
    for lines in [&["133.11.93.0"][..], &["10.0.0.9"], &["133.11.93.0, 10.0.0.1"], &["127.0.0.1"], &[""]] {
        check_x("203.0.113.5", lines, "203.0.113.5");
        let found = client(peer("203.0.113.5"), &[], &["for=133.11.93.0"]);
        assert_eq!(found, ClientAddr { ip: ip("203.0.113.5"), source: Source::Socket });
    }
}

#[test]
fn nobody_is_trusted_by_default() {
    let nobody = TrustedProxies::default();
    let found = Peer::new(ip("127.0.0.1"), Some("8.8.8.8:1".parse().expect("an address")), &nobody);
    assert_eq!((found.ip(), found.is_trusted()), (ip("127.0.0.1"), false));
}

#[test]
fn the_walk_ends_at_the_first_hop_nobody_vouches_for() {
    check_x("10.0.0.1", &["133.11.93.0"], "133.11.93.0");
    check_x("10.0.0.1", &["133.11.93.0, 10.0.0.2"], "133.11.93.0");
    check_x("10.0.0.1", &["133.11.93.0 , 10.0.0.2,10.0.0.3"], "133.11.93.0");
    check_x("10.0.0.1", &["133.11.93.0", "10.0.0.2"], "133.11.93.0");
    check_x("fd00::1", &["2001:db8::7, fd00::2"], "2001:db8::7");
    check_x("::ffff:10.0.0.1", &["::ffff:133.11.93.0"], "133.11.93.0");
}

#[test]
fn a_forged_left_end_is_never_reached() {
    check_x("10.0.0.1", &["8.8.8.8, 203.0.113.5"], "203.0.113.5");
    check_x("10.0.0.1", &["8.8.8.8, 10.9.9.9, 203.0.113.5, 10.0.0.2"], "203.0.113.5");
    check_x("10.0.0.1", &["8.8.8.8", "203.0.113.5"], "203.0.113.5");
    check_x("10.0.0.1", &["\"8.8.8.8, 203.0.113.5"], "203.0.113.5");
}

#[test]
fn an_unreadable_hop_ends_the_walk_at_the_last_good_one() {
    for left in [
        "garbage",
        "unknown",
        "_hidden",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:99999",
        "1.2.3.4:+80",
        "fe80::1%eth0",
        "[fe80::1%eth0]",
        "[::1",
        "[1.2.3.4]",
        "::g",
        "0.0.0.0",
        "::",
        "a b",
        "\"1.2.3.4\"",
    ] {
        check_x("10.0.0.1", &[&format!("8.8.8.8, {left}, 10.0.0.2")], "10.0.0.2");
        check_x("10.0.0.1", &[&format!("8.8.8.8, {left}")], "10.0.0.1");
    }
}

#[test]
fn when_every_hop_is_trusted_the_client_is_the_outermost() {
    check_x("10.0.0.1", &["10.0.0.7, 10.0.0.2"], "10.0.0.7");
    check_x("10.0.0.1", &[""], "10.0.0.1");
    check_x("10.0.0.1", &[" , ,"], "10.0.0.1");
}

#[test]
fn addresses_come_in_many_spellings() {
    for spelling in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443", "[2001:DB8:0::1]:1"] {
        check_x("10.0.0.1", &[spelling], "2001:db8::1");
    }
    check_x("10.0.0.1", &["192.0.2.1:49152, , 10.0.0.2:80"], "192.0.2.1");
}

#[test]
fn a_long_chain_is_looked_at_only_so_far() {
    let near: Vec<String> = (0..HOPS_MAX).map(|n| format!("10.1.0.{n}")).collect();
    check_x("10.0.0.1", &[&format!("8.8.8.8, {}", near.join(", "))], "10.1.0.0");
    check_x("10.0.0.1", &[&format!("8.8.8.8, {}", near[1..].join(", "))], "8.8.8.8");
}

#[test]
fn the_forwarded_header_is_read_by_its_own_grammar() {
    check_forwarded(&["for=192.0.2.43"], "192.0.2.43");
    check_forwarded(&["For=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17");
    check_forwarded(&["for=192.0.2.60;proto=http;by=203.0.113.43"], "192.0.2.60");
    check_forwarded(&["by=203.0.113.43; for=\"192.0.2.60:_port\" ;host=\"a,b;for=9.9.9.9\""], "192.0.2.60");
    check_forwarded(&["for=192.0.2.43, for=10.0.0.2"], "192.0.2.43");
    check_forwarded(&["for=192.0.2.43", "for=\"10.0.0.2:80\""], "192.0.2.43");
    check_forwarded(&["for=8.8.8.8, for=192.0.2.43, for=10.0.0.2"], "192.0.2.43");
}

#[test]
fn unclear_elements_of_forwarded_end_the_walk() {
    for left in [
        "for=unknown",
        "for=_gazonk",
        "for=2001:db8::1",
        "proto=http",
        "for",
        "for=1.2.3.4;for=5.6.7.8",
        "for=\"1.2.3.4",
        "for=\"\\1.2.3.4\"",
        "for=\"[fe80::1%25eth0]\"",
        "for=",
        "x",
    ] {
        check_forwarded(&[&format!("for=8.8.8.8, {left}, for=10.0.0.2")], "10.0.0.2");
    }
}

#[test]
fn a_dangling_quote_swallows_nothing_that_a_proxy_wrote() {
    for forged in ["for=\"8.8.8.8", "for=\"", "\"", "host=\"x", "for=8.8.8.8;host=\"\\"] {
        check_forwarded(&[&format!("{forged}, for=192.0.2.43")], "192.0.2.43");
        check_forwarded(&[&format!("{forged}, for=\"[2001:db8::7]:1\"")], "2001:db8::7");
        check_forwarded(&[forged, "for=192.0.2.43"], "192.0.2.43");
    }
}

#[test]
fn x_forwarded_for_speaks_before_forwarded() {
    let both = client(peer("10.0.0.1"), &["192.0.2.1"], &["for=8.8.8.8"]);
    assert_eq!(both, ClientAddr { ip: ip("192.0.2.1"), source: Source::XForwardedFor });
    let unreadable = client(peer("10.0.0.1"), &["garbage"], &["for=8.8.8.8"]);
    assert_eq!(unreadable, ClientAddr { ip: ip("10.0.0.1"), source: Source::Socket });
}

#[test]
fn a_proxy_header_counts_only_from_a_trusted_peer() {
    let named = |source: &str| Some(source.parse().expect("a socket address"));
    let rows = [
        ("10.0.0.1", named("198.51.100.7:1"), ("198.51.100.7", Source::ProxyHeader)),
        ("203.0.113.5", named("198.51.100.7:1"), ("203.0.113.5", Source::Socket)),
        ("10.0.0.1", None, ("10.0.0.1", Source::Socket)),
    ];
    for (socket, source, (address, from)) in rows {
        let found = Peer::new(ip(socket), source, &trusted());
        let expected = ClientAddr { ip: ip(address), source: from };
        let none: [&[u8]; 0] = [];
        assert_eq!(found.client(&trusted(), none, none), expected);
    }
}

#[test]
fn behind_a_proxy_header_the_client_cannot_forge_either() {
    let outsider = Peer::new(ip("10.0.0.1"), Some("198.51.100.7:1".parse().expect("an address")), &trusted());
    assert_eq!(client(outsider, &["8.8.8.8"], &[]).ip, ip("198.51.100.7"));
    let proxy = Peer::new(ip("10.0.0.1"), Some("10.0.0.2:1".parse().expect("an address")), &trusted());
    assert_eq!(client(proxy, &["8.8.8.8"], &[]).ip, ip("8.8.8.8"));
}

fn onward(peer: Peer, lines: &[&str]) -> String {
    let mut sent = Vec::new();
    peer.write_x_forwarded_for(&mut sent, lines.iter().map(|line| line.as_bytes()));
    String::from_utf8(sent).expect("addresses")
}

#[test]
fn towards_a_hub_a_trusted_chain_grows_and_a_strangers_is_replaced() {
    assert_eq!(onward(peer("10.0.0.1"), &["192.0.2.1, 10.0.0.2"]), "192.0.2.1, 10.0.0.2, 10.0.0.1");
    assert_eq!(
        onward(peer("10.0.0.1"), &["192.0.2.1:80", "[2001:db8::1]:1"]),
        "192.0.2.1, 2001:db8::1, 10.0.0.1"
    );
    assert_eq!(onward(peer("10.0.0.1"), &["8.8.8.8, evil, 192.0.2.1"]), "192.0.2.1, 10.0.0.1");
    assert_eq!(onward(peer("10.0.0.1"), &[]), "10.0.0.1");
    assert_eq!(onward(peer("203.0.113.5"), &["192.0.2.1"]), "203.0.113.5");
    assert_eq!(onward(peer("::ffff:203.0.113.5"), &[]), "203.0.113.5");
    let long = vec!["1.1.1.1"; 100].join(",");
    assert_eq!(onward(peer("10.0.0.1"), &[&long]).split(", ").count(), HOPS_MAX);
}

#[test]
fn the_scheme_towards_a_hub_is_one_of_two_words() {
    let (proxy, stranger) = (peer("10.0.0.1"), peer("203.0.113.5"));
    assert_eq!(proxy.onward_x_forwarded_proto(Some(b"HTTPS"), false), "https");
    assert_eq!(proxy.onward_x_forwarded_proto(Some(b"http"), true), "http");
    assert_eq!(proxy.onward_x_forwarded_proto(Some(b"https\r\nX: y"), false), "http");
    assert_eq!(stranger.onward_x_forwarded_proto(Some(b"https"), false), "http");
    assert_eq!(stranger.onward_x_forwarded_proto(None, true), "https");
}

proptest! {
    #[test]
    fn no_byte_of_a_header_can_reach_a_hub_but_in_an_address(
        lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..4)
    ) {
        let mut sent = Vec::new();
        peer("10.0.0.1").write_x_forwarded_for(&mut sent, lines.iter().map(Vec::as_slice));
        let sent = String::from_utf8(sent).expect("addresses");
        for hop in sent.split(", ") {
            prop_assert!(hop.parse::<IpAddr>().is_ok(), "{:?}", hop);
        }
    }

    #[test]
    fn whatever_a_client_writes_its_own_address_stays(
        forged in "[0-9a-f:.,;=\"\\\\\\[\\] _fornukw]{0,80}", own: [u8; 4]
    ) {
        let own = IpAddr::from(own);
        prop_assume!(!trusted().contains(own) && !own.is_unspecified());
        let x = format!("{forged}, {own}");
        prop_assert_eq!(client(peer("10.0.0.1"), &[&x], &[]).ip, own);
        let forwarded = format!("{forged}, for=\"{own}:80\", for=10.0.0.2");
        prop_assert_eq!(client(peer("10.0.0.1"), &[], &[&forwarded]).ip, own);
    }
}
