//! What the demo writes: its configuration, and how to use it.

use std::fmt::Write as _;
use std::path::Path;

use super::hubs::Hub;
use super::{Addresses, reachable};

/// The demo's configuration. The gateway stands in us-east; loopback is trusted, so that anybody may play a client
/// from anywhere by X-Forwarded-For.
pub(super) fn configuration(addresses: Addresses, hubs: &[Hub]) -> String {
    let Addresses { listen, admin } = addresses;
    let port = listen.port();
    let host = reachable(listen);
    let mut text = format!(
        r#"# The configuration of `mcphub-edge demo`. Change it while the demo runs: it is read again when saved.

[gateway]
name = "demo"
location = "us-east"                # clients that are nowhere on the map count as being here

[[listener]]
address = "{listen}"
path = "/mcp"
trusted_proxies = ["127.0.0.0/8", "::1/128"]   # on a real edge: your load balancers, never everybody
allowed_hosts = ["{host}", "localhost:{port}"]

[admin]
address = "{admin}"

[locations]
us-east      = {{ latitude = 39.0, longitude = -77.5 }}
us-west      = {{ latitude = 45.6, longitude = -121.2 }}
eu-central   = {{ latitude = 50.1, longitude = 8.7 }}
ap-northeast = {{ latitude = 35.7, longitude = 139.7 }}
"#
    );
    for Hub { id, hub_type, location, address, .. } in hubs {
        // Writing to a String cannot fail, here and below.
        let _ = write!(
            text,
            "\n[[hub]]\nid = \"{id}\"\ntype = \"{hub_type}\"\nlocation = \"{location}\"\nurl = \"http://{address}/mcp\"\n"
        );
    }
    text.push_str("\n[routing]\nalgorithm = \"geographic\"\nedge_radius = \"1500km\"\n");
    text.push_str("\n[log]\nlevel = \"warn\"\nformat = \"text\"\n");
    text
}

/// What to do with it.
pub(super) fn banner(addresses: Addresses, hubs: &[Hub], folder: &Path) -> String {
    let url = format!("http://{}/mcp", reachable(addresses.listen));
    let admin = format!("http://{}", reachable(addresses.admin));
    let mut text = format!("\nMCPHub Edge is running in front of {} hubs.\n\n", hubs.len());
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<14} {value}");
    };
    row("MCP endpoint", &url);
    row("admin", &format!("{admin}   (/readyz, /metrics, /v1/status)"));
    row("files", &folder.display().to_string());
    let _ = writeln!(text, "\n  {:<16} {:<10} {:<14} {:<18} process", "hub", "type", "location", "address");
    for Hub { id, hub_type, location, address, pid } in hubs {
        let address = address.to_string();
        let _ = writeln!(text, "  {id:<16} {hub_type:<10} {location:<14} {address:<18} {pid}");
    }
    let _ = write!(
        text,
        "
You come from this machine, which is nowhere on the map, so you count as being where the gateway is, in
us-east. The primaries come first, the nearest of them is us-east-1: that is the hub you get.

Modern era (2026-07-28), one request and no session:

{modern}

Legacy era (2025-11-25), a session that outlives its hub:

{legacy}

Any MCP client will do, for instance:

  npx @modelcontextprotocol/inspector --cli {url} --transport http --method tools/call --tool-name whoami

Be somewhere else: this listener trusts loopback as a proxy, so it believes an X-Forwarded-For of yours.
Add  -H 'X-Forwarded-For: 133.11.93.0'  for Japan (the edge hub, ap-northeast-1),
     -H 'X-Forwarded-For: 141.20.1.1'   for Germany (eu-central-1).

Kill a hub to see its requests and its sessions go to the next one:  kill {first}
Change {config} and save it to see it take effect.

Ctrl-C ends everything.

",
        modern = modern(&url),
        legacy = legacy(&url),
        first = hubs.first().map_or(0, |hub| hub.pid),
        config = folder.join("demo.toml").display(),
    );
    text
}

/// One `tools/call` of the modern era.
pub(super) fn modern(url: &str) -> String {
    format!(
        r#"  curl -s {url} \
    -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
    -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: whoami' \
    -d '{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"whoami","arguments":{{}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"curl","version":"1"}}}}}}}}'"#
    )
}

/// A handshake of the legacy era, then one `tools/call` in its session.
pub(super) fn legacy(url: &str) -> String {
    format!(
        r#"  mcp() {{ curl -s {url} -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' "$@"; }}
  SESSION=$(mcp -D - -o /dev/null -d '{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{{}},"clientInfo":{{"name":"curl","version":"1"}}}}}}' | tr -d '\r' | grep -i '^mcp-session-id:' | cut -d ' ' -f 2)
  mcps() {{ mcp -H 'MCP-Protocol-Version: 2025-11-25' -H "Mcp-Session-Id: $SESSION" "$@"; }}
  mcps -d '{{"jsonrpc":"2.0","method":"notifications/initialized"}}'
  mcps -d '{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"whoami","arguments":{{}}}}}}'"#
    )
}
