//! `wharf build`: sources in, component out. Not in here: which Rust does it (`toolchain.rs`).

pub(crate) mod cargo;
mod c;
mod go;
mod javascript;
mod module;
mod python;
pub(crate) mod recipe;
mod tool;
mod world;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::output::{self, Paint};
use crate::service::Service;
use crate::toolchain::Profile;

/// Build services into components
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf build                     build the service in this folder
  wharf build hello guestbook     build two services, with one cargo run where they share a workspace
  wharf build --json hello        print the result as JSON

The component is written to the manifest's `component`, or else to DIR/.wharf/build/NAME.wasm.
A Rust for WebAssembly is found through WHARF_WASM_CARGO and WHARF_WASM_RUSTC, rustup's wasm32-wasip2
target, or Debian's rustc-web with rust-web-src, in this order.
Other languages are named in the manifest, as in `[build]` `language = \"python\"` `entry = \"service.py\"`: javascript,
typescript, python, c, go, and module (a core module that another compiler made). Their tools are looked for in node_modules/.bin
and .venv/bin of the service's folder and those above it, and in PATH; what is missing is named with the command that
installs it.")]
pub(crate) struct Arguments {
    /// Folders with a wharf.toml [default: the current one]
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Whether a program that a build needs is there for the service of a folder.
pub(crate) fn tool_is_there(folder: &Path, program: &'static str) -> bool {
    tool::places(folder).iter().any(|place| place.join(program).is_file())
}

/// What one build made.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Built {
    /// The service.
    pub(crate) name: String,
    /// The component's file.
    pub(crate) component: PathBuf,
    /// Its size.
    pub(crate) bytes: u64,
    /// How long its build took; services of one workspace are built together.
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub(crate) time: Duration,
}

fn as_seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// How cargo builds and how much it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mode {
    pub(crate) profile: Profile,
    pub(crate) progress: Progress,
}

/// How much cargo tells while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Everything.
    Shown,
    /// Warnings and errors.
    Quiet,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let services = Service::open_all(&arguments.folders)?;
    let built = build(&services, Mode { profile: Profile::Release, progress: Progress::Shown }).await?;
    if arguments.json {
        return output::json(&built);
    }
    let rows: Vec<_> = built
        .iter()
        .map(|built| {
            let path = relative(&built.component).display().to_string();
            [built.name.clone(), output::size(built.bytes), output::time(built.time), path]
        })
        .collect();
    output::result(output::table(Paint::stdout(), ["SERVICE", "SIZE", "TIME", "COMPONENT"], &rows));
    Ok(())
}

/// Builds the services that have sources; the others must have their component already. Cancellation safe: a
/// dropped build kills its cargo and leaves the last component in place.
pub(crate) async fn build(services: &[Service], mode: Mode) -> Result<Vec<Built>> {
    let start = Instant::now();
    let mut outcomes = cargo::build(services, mode).await?;
    let mut placed = from_recipes(services, mode).await?;
    let mut built = Vec::with_capacity(services.len());
    for service in services {
        let component = service.component(mode.profile);
        let time = match (outcomes.remove(&service.folder), placed.remove(&service.folder)) {
            (Some((artifact, time)), _) => {
                place(&artifact, &component)?;
                time
            }
            (None, Some(time)) => time,
            (None, None) => start.elapsed(),
        };
        let meta = std::fs::metadata(&component).with_context(|| {
            let (name, component) = (&service.name, component.display());
            format!("service `{name}` has neither sources (a Cargo.toml, or `[build]`) nor its component `{component}`")
        })?;
        if meta.len() == 0 {
            bail!("`{}` is empty", component.display());
        }
        built.push(Built { name: service.name.clone(), component, bytes: meta.len(), time });
    }
    Ok(built)
}

/// Builds those that are no cargo packages, puts their components in place, and tells how long each took: as many at once
/// as there are cores, as each tool uses one.
async fn from_recipes(services: &[Service], mode: Mode) -> Result<HashMap<PathBuf, Duration>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (turns, mut building) = (Arc::new(Semaphore::new(cores)), JoinSet::new());
    for service in services {
        let (Some(recipe), Some(manifest)) = (service.recipe.clone(), service.manifest.clone()) else {
            continue;
        };
        let (folder, turns, component) =
            (service.folder.clone(), turns.clone(), service.component(mode.profile));
        building.spawn(async move {
            let _turn = turns.acquire_owned().await;
            let _alone = alone(&folder, &manifest.name).await?;
            let start = Instant::now();
            let artifact = recipe.build(&folder, &manifest, mode).await?;
            place(&artifact, &component)?;
            anyhow::Ok((folder, start.elapsed()))
        });
    }
    let mut placed = HashMap::new();
    while let Some(built) = building.join_next().await {
        let (folder, took) = built.context("a build ended in a panic")??;
        placed.insert(folder, took);
    }
    Ok(placed)
}

/// Waits until no other process builds this service: what lies between its sources and its component is in one folder.
async fn alone(folder: &Path, name: &str) -> Result<File> {
    let folder = folder.join(".wharf/build");
    let path = folder.join(format!("{name}.lock"));
    let lock = move || {
        std::fs::create_dir_all(folder)?;
        let file = File::create(path)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    };
    let locked =
        tokio::task::spawn_blocking(lock).await.context("waiting for another build ended in a panic")?;
    locked.with_context(|| format!("failed to lock the build of `{name}`"))
}

/// Copies the artifact to the component's place, whole or not at all: a host may read it at any time.
fn place(artifact: &Path, target: &Path) -> Result<()> {
    // Of this process: another one may be building the same.
    let partial = target.with_extension(format!("wasm.{}.partial", std::process::id()));
    let write = || {
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::copy(artifact, &partial)?;
        std::fs::rename(&partial, target)
    };
    write().with_context(|| format!("failed to write `{}`", target.display()))
}

/// The path from the current folder, when it lies below it.
pub(crate) fn relative(path: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).to_path_buf()
}
