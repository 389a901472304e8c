//! `wharf serve`: load, listen, serve until told to stop, drain.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use wharf_control::Project;
use wharf_host::{Artifact, Manifest};

use crate::databases;
use crate::hosting::{self, Hosting, Signals};
use crate::output;
use crate::service::Service;

/// Serve components until SIGTERM or Ctrl-C, then drain
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf serve hello guestbook --listen 0.0.0.0:8080 --database main=postgresql://app@db/app --kv-dir /var/lib/wharf
  wharf serve hello.wasm          serve one component on every path, with no grants

Services are folders with a wharf.toml and a component (see `wharf build`), or component files.")]
pub(crate) struct Arguments {
    /// Folders with a wharf.toml, or components
    #[arg(value_name = "DIR|FILE", required = true)]
    services: Vec<PathBuf>,
    #[command(flatten)]
    hosting: Hosting,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { services, hosting } = arguments;
    let mut signals = Signals::catch()?;
    let artifacts = services.iter().map(|path| artifact(path)).collect::<Result<Vec<_>>>()?;
    let granted = artifacts.iter().flat_map(|artifact| &artifact.manifest.grants.pg);
    let databases = databases::all_given(granted, &hosting.databases)?;
    databases::reach(&databases).await?;
    if hosting.kv_dir.is_none() && hosting.kv.is_none() {
        let buckets = artifacts.iter().any(|artifact| !artifact.manifest.grants.kv.is_empty());
        if buckets {
            output::warning("buckets are in memory and gone at the end: pass --kv-dir DIR to keep them");
        }
    }
    let host = hosting.host(&databases, hosting.kv_dir.clone())?;
    let mut releases = Vec::with_capacity(artifacts.len());
    for artifact in artifacts {
        let start = Instant::now();
        let service = artifact.manifest.name.clone();
        let deployed = wharf_control::deploy(&host, artifact)
            .await
            .with_context(|| format!("failed to load service `{service}`"))?;
        releases.push((deployed.release, start.elapsed()));
    }
    let serving = hosting.listen(&host)?;
    hosting::print_releases(serving.local_addr(), &releases);
    drop(releases);
    output::result(format!("listening on http://{}", serving.local_addr()));
    signals.stop().await;
    hosting.shut_down(serving, &mut signals).await
}

/// What a folder or a component file holds. A file gets a manifest that routes everything to it.
fn artifact(path: &Path) -> Result<Artifact> {
    if path.is_dir() {
        let service = Service::open(path)?;
        let unbuilt = || format!("`{}` is not built yet: run `wharf build {}`", service.name, path.display());
        let missing = service.manifest.is_some() && !service.component.exists();
        return match Project::open(path)?.artifact() {
            Err(error) if missing => Err(error).with_context(unbuilt),
            artifact => Ok(artifact?),
        };
    }
    let component = std::fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let manifest =
        Manifest::minimal(&name.to_ascii_lowercase().replace(['_', '.', ' '], "-")).with_context(|| {
            format!("`{}` makes no service name: put it into a folder with a wharf.toml", path.display())
        })?;
    Ok(Artifact { manifest, component: component.into(), migrations: Vec::new() })
}
