//! Which gateway do the tests of abuse talk to?
//!
//! **Owns** the configurations in front of [`RawHub`]s: no probe disturbs the count of bytes, and waits are short
//! enough to be reached within a test. It **does not know** what is asserted.

use crate::raw_hub::RawHub;
use crate::{Config, Gateway};

/// Probes that open a connection and say nothing, every ten minutes, and no hub taken out: what a hub reads is what a
/// client caused, whatever came of it before.
pub const QUIET: &str =
    "[health]\nprobe = \"tcp\"\ninterval = \"10min\"\ntimeout = \"5s\"\n[failover]\nautomatic = false\n";

/// A configuration with one scripted hub, no trusted proxy and no probes that speak.
pub fn plain_config(hub: &RawHub) -> Config {
    quiet_config().section(&hub_table("raw", "primary", "us-east", &hub.url()))
}

/// [`plain_config`] without a hub.
pub fn quiet_config() -> Config {
    Config::new().listener_keys("trusted_proxies = []\n").section(QUIET)
}

/// A hub whose eras are told, so that nobody needs to ask it.
pub fn hub_table(id: &str, kind: &str, location: &str, url: &str) -> String {
    format!(
        "[[hub]]\nid = {id:?}\ntype = {kind:?}\nlocation = {location:?}\nurl = {url:?}\neras = [\"legacy\", \"modern\"]\n"
    )
}

/// A gateway with the defaults of the product in front of one scripted hub.
pub async fn plain_edge(hub: &RawHub) -> anyhow::Result<Gateway> {
    Gateway::start(plain_config(hub)).await
}
