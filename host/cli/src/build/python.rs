//! Python: componentize-py puts the entry, what it imports and the interpreter into a component. The contract is the package
//! `wit_world`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::process::Command;

use super::recipe::Job;
use super::tool::{Tool, run};

const TOOL: Tool = Tool {
    names: &["componentize-py"],
    install: "python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1",
};

pub(super) async fn build(job: &Job<'_>, entry: &Path, packages: &[PathBuf]) -> Result<PathBuf> {
    let tool = TOOL.find(job.folder)?;
    let module = entry.file_stem().and_then(|name| name.to_str());
    let module = module.with_context(|| format!("`{}` is no Python module", entry.display()))?;
    let component = job.scratch.join("component.wasm");
    let mut making = Command::new(tool);
    making.arg("-q").arg("-d").arg(&job.world.wit).args(["-w", &job.world.name]).arg("componentize");
    for path in entry.parent().into_iter().chain(packages.iter().map(PathBuf::as_path)) {
        making.arg("-p").arg(path);
    }
    making.arg(module).arg("-o").arg(&component).current_dir(job.folder);
    run(making).await?;
    Ok(component)
}
