//! JavaScript and TypeScript: esbuild makes one script of the entry and all that it imports, an engine's tool makes a
//! component of it. The contract is imported as `wharf:platform/kv@0.1.0`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tokio::process::Command;
use wharf_host::ScriptEngine;

use super::recipe::Job;
use super::tool::{Tool, run};

const BUNDLER: Tool = Tool { names: &["esbuild"], install: "npm install --save-dev esbuild@0.25.12" };
const QUICKJS: Tool =
    Tool { names: &["componentize-qjs"], install: "npm install --save-dev componentize-qjs@0.4.5" };
const STARLINGMONKEY: Tool = Tool {
    names: &["jco"],
    // The override is part of it: a later shim does not work with this jco.
    install: "npm pkg set 'overrides.@bytecodealliance/preview2-shim=0.26.0' && npm install --save-dev @bytecodealliance/jco@1.35.0",
};

/// QuickJS runs no jobs while it answers a plain `func`, so its own `async` functions would never go on. Made of `Promise`
/// instead, they run to the end with the one of `guest-bindings/javascript`.
const WITHOUT_ASYNC: &[&str] =
    &["--supported:async-await=false", "--supported:async-generator=false", "--supported:for-await=false"];

pub(super) async fn build(job: &Job<'_>, entry: &Path, engine: ScriptEngine) -> Result<PathBuf> {
    let bundler = BUNDLER.find(job.folder)?;
    let tool = match engine {
        ScriptEngine::Starlingmonkey => STARLINGMONKEY.find(job.folder)?,
        _ => QUICKJS.find(job.folder)?,
    };
    let bundle = job.scratch.join("bundle.js");
    let mut bundling = Command::new(bundler);
    bundling
        .arg(entry)
        .args([
            "--bundle",
            "--format=esm",
            "--platform=neutral",
            "--main-fields=module,main",
            "--target=es2022",
        ])
        .args(["--external:wharf:*", "--external:wasi:*", "--log-level=warning", "--color=false"])
        .args(if engine == ScriptEngine::Quickjs { WITHOUT_ASYNC } else { &[] })
        .arg(format!("--outfile={}", bundle.display()))
        .current_dir(job.folder);
    run(bundling).await?;
    let component = job.scratch.join("component.wasm");
    let mut making = Command::new(tool);
    match engine {
        ScriptEngine::Starlingmonkey => making
            .arg("componentize")
            .arg(&bundle)
            .arg("--wit")
            .arg(&job.world.wit)
            .args(["--world-name", &job.world.name, "--disable", "http", "--disable", "fetch-event"])
            .arg("--out")
            .arg(&component),
        _ => making
            .args(["--sync", "--opt-size", "--wit"])
            .arg(&job.world.wit)
            .args(["--world", &job.world.name])
            .arg("--js")
            .arg(&bundle)
            .arg("--output")
            .arg(&component),
    };
    making.current_dir(job.folder);
    run(making).await?;
    Ok(component)
}
