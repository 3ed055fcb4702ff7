//! Where is what was built?

use std::path::PathBuf;

use anyhow::{Context, bail};

/// The build folder: `target`, or what `CARGO_TARGET_DIR` said when this test was built.
pub fn target_directory() -> anyhow::Result<PathBuf> {
    Ok(profile_directory()?.parent().context("a profile folder has a parent")?.to_path_buf())
}

/// The folder of the profile this test was built with, for instance `target/debug`.
fn profile_directory() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe().context("find the test's own executable")?;
    // target/<profile>/deps/<test>-<hash>
    let folder = test.ancestors().nth(2).context("a test lies two folders deep in its profile")?;
    Ok(folder.to_path_buf())
}

/// The binary `mcphub-edge` of the same profile as this test; `MCPHUB_EDGE` names another one.
pub fn edge_binary() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("MCPHUB_EDGE") {
        return Ok(path.into());
    }
    let path = profile_directory()?.join("mcphub-edge");
    if !path.is_file() {
        bail!("{} is missing: build it with `cargo build --workspace --bins --tests`", path.display());
    }
    Ok(path)
}
