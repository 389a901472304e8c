//! C: bindings from the world (`service.h`), clang, and a component around the module.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::process::Command;
use wit_bindgen_core::Files;
use wit_parser::Resolve;

use super::module::componentize;
use super::recipe::Job;
use super::tool::{Tool, run};
use super::world::World;
use crate::toolchain::{Profile, STACK};

const CLANG: Tool = Tool {
    names: &["clang-19", "clang-20", "clang-21", "clang"],
    install: "apt-get install -y --no-install-recommends clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32",
};

/// Why a clang that is there does not do.
const INCOMPLETE: &str = "this clang makes no program for wasm32-wasi at all; what it needs beside itself is installed by\n  \
    apt-get install -y --no-install-recommends clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32";

/// Generated files are called after this, whatever the world's name is.
const NAME: &str = "service";

pub(super) async fn build(job: &Job<'_>, sources: &[PathBuf]) -> Result<PathBuf> {
    let clang = CLANG.find(job.folder)?;
    let bindings = job.scratch.join("bindings");
    generate(job.world, &bindings)?;
    let module = job.scratch.join("module.wasm");
    let probed = clang.clone();
    let mut compiling = Command::new(clang);
    // What it leaves when it is killed is ours to clear away.
    compiling.env("TMPDIR", job.scratch);
    if let Some(path) = path_without("wasm-opt") {
        compiling.env("PATH", path);
    }
    compiling
        .args([
            "--target=wasm32-wasi",
            "-mexec-model=reactor",
            "-std=gnu17",
            "-Wall",
            "-Wextra",
            "-fno-color-diagnostics",
        ])
        .arg(if job.mode.profile == Profile::Quick { "-O1" } else { "-Oz" })
        // The stack first: one that overflows traps, instead of writing over what the program keeps.
        .args([
            format!("-Wl,-z,stack-size={STACK}"),
            "-Wl,--stack-first,--gc-sections,--strip-debug".to_owned(),
        ])
        .arg("-I")
        .arg(&bindings)
        .args(sources)
        .args(files(&bindings)?)
        .arg("-o")
        .arg(&module)
        .current_dir(job.folder);
    if let Err(error) = run(compiling).await {
        return Err(if links(&probed, job.scratch).await { error } else { error.context(INCOMPLETE) });
    }
    let bytes = std::fs::read(&module).with_context(|| format!("failed to read `{}`", module.display()))?;
    let component = job.scratch.join("component.wasm");
    std::fs::write(&component, componentize(&bytes)?)
        .with_context(|| format!("failed to write `{}`", component.display()))?;
    Ok(component)
}

/// Whether a clang makes the smallest program that there is.
async fn links(clang: &Path, scratch: &Path) -> bool {
    let source = scratch.join("probe.c");
    let mut compiling = Command::new(clang);
    compiling
        .args(["--target=wasm32-wasi", "-mexec-model=reactor"])
        .arg(&source)
        .arg("-o")
        .arg(scratch.join("probe.wasm"));
    std::fs::write(&source, "int answer(void) { return 42; }\n").is_ok() && run(compiling).await.is_ok()
}

/// `PATH` without the folders that hold a program. clang runs any `wasm-opt` that it finds, which takes seconds for each
/// service, and makes another component of it on each machine; told not to (`--no-wasm-opt`), clang 19 links nothing.
fn path_without(program: &str) -> Option<OsString> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path).filter(|folder| !folder.join(program).exists());
    std::env::join_paths(folders).ok()
}

/// Writes the world's header, its code, and the object that tells the linked module what it is to be.
fn generate(world: &World, folder: &Path) -> Result<()> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(&world.wit)?;
    let id = resolve.select_world(&[package], Some(&world.name))?;
    let options =
        wit_bindgen_c::Opts { rename_world: Some(NAME.to_owned()), ..wit_bindgen_c::Opts::default() };
    std::fs::create_dir_all(folder).with_context(|| format!("failed to create `{}`", folder.display()))?;
    let mut files = Files::default();
    options.build().generate(&mut resolve, id, &mut files)?;
    for (name, contents) in files.iter() {
        let path = folder.join(name);
        std::fs::write(&path, contents).with_context(|| format!("failed to write `{}`", path.display()))?;
    }
    Ok(())
}

/// What is linked beside the author's own sources.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = || format!("failed to list `{}`", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(failed)? {
        files.push(entry.with_context(failed)?.path());
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "c" || extension == "o"));
    files.sort();
    Ok(files)
}
