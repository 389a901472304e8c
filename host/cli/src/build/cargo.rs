//! Components from cargo packages: one cargo run per workspace, the artifact found through its messages.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{Mode, Progress};
use crate::service::{Package, Service};
use crate::toolchain::Toolchain;

/// What cargo made for each service's folder, and how long its workspace took.
pub(crate) type Artifacts = HashMap<PathBuf, (PathBuf, Duration)>;

/// The services of one workspace.
#[derive(Debug)]
struct Group {
    root: PathBuf,
    toolchain: Toolchain,
    /// Service folder, cargo's id of the package, its name.
    packages: Vec<(PathBuf, String, String)>,
}

/// Builds the services that come from cargo packages.
pub(crate) async fn build(services: &[Service], mode: Mode) -> Result<Artifacts> {
    let mut artifacts = Artifacts::new();
    for group in groups(services)? {
        let start = Instant::now();
        let made = group.build(mode).await?;
        let time = start.elapsed();
        for (folder, id, name) in group.packages {
            let artifact = made.get(&id).with_context(|| {
                format!("package `{name}` makes no component: its Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\"]`")
            })?;
            artifacts.insert(folder, (artifact.clone(), time));
        }
    }
    Ok(artifacts)
}

impl Group {
    /// Runs cargo and returns the component of each package id.
    async fn build(&self, mode: Mode) -> Result<HashMap<String, PathBuf>> {
        let mut command = self.toolchain.build(mode.profile);
        command.current_dir(&self.root).arg("--message-format=json-render-diagnostics");
        if mode.progress == Progress::Quiet {
            command.arg("--quiet");
        }
        for (_, id, _) in &self.packages {
            command.args(["-p", id]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let program = command.get_program().to_owned();
        let child = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("failed to start `{}`", program.display()))?;
        let output = child.wait_with_output().await.context("failed to wait for cargo")?;
        if !output.status.success() {
            let names: Vec<_> = self.packages.iter().map(|(_, _, name)| name.as_str()).collect();
            bail!("building {} failed; cargo says why above", names.join(", "));
        }
        Ok(output.stdout.split(|byte| *byte == b'\n').filter_map(component).collect())
    }
}

/// The package id and the component in a message of cargo's, when it is about one.
fn component(line: &[u8]) -> Option<(String, PathBuf)> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        package_id: String,
        filenames: Vec<PathBuf>,
        target: Target,
    }
    let message: Message = serde_json::from_slice(line).ok()?;
    let made =
        message.reason == "compiler-artifact" && message.target.kind.iter().any(|kind| kind == "cdylib");
    let is_component = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "wasm");
    made.then_some((message.package_id, message.filenames.into_iter().find(is_component)?))
}

/// What `cargo metadata` says, as far as we ask.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_root: PathBuf,
    #[serde(default)]
    resolve: Option<Resolve>,
}

#[derive(Debug, Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
    manifest_path: PathBuf,
    source: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
}

impl Metadata {
    fn read(toolchain: &Toolchain, folder: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = toolchain.cargo("metadata");
        let output = command
            .args(["--format-version=1", "--quiet"])
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("failed to start `{}`", command.get_program().display()))?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            bail!("cargo cannot read the package in `{}`:\n{reason}", folder.display());
        }
        serde_json::from_slice(&output.stdout).context("failed to read what `cargo metadata` says")
    }

    fn package(&self, wanted: &Package) -> Option<&MetadataPackage> {
        self.packages.iter().find(|package| match wanted {
            Package::At(manifest) => &package.manifest_path == manifest,
            Package::Named(name) => &package.name == name,
        })
    }
}

/// The services by workspace, in the order in which they were named.
fn groups(services: &[Service]) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for service in services {
        let Some(wanted) = &service.package else { continue };
        let toolchain = Toolchain::find(&service.folder)?;
        let metadata = Metadata::read(&toolchain, &service.folder, &["--no-deps"])?;
        let package = metadata
            .package(wanted)
            .with_context(|| format!("cargo finds no package for `{}`", service.folder.display()))?;
        let entry = (service.folder.clone(), package.id.clone(), package.name.clone());
        match groups
            .iter_mut()
            .find(|group| group.root == metadata.workspace_root && group.toolchain == toolchain)
        {
            Some(group) => group.packages.push(entry),
            None => groups.push(Group { root: metadata.workspace_root, toolchain, packages: vec![entry] }),
        }
    }
    Ok(groups)
}

/// The folders of the service's own package and of the packages that it depends on by path.
pub(crate) fn local_folders(service: &Service) -> Result<Vec<PathBuf>> {
    let Some(wanted) = &service.package else { return Ok(Vec::new()) };
    let toolchain = Toolchain::find(&service.folder)?;
    let metadata = Metadata::read(&toolchain, &service.folder, &[])?;
    let mut reached: Vec<&str> =
        metadata.package(wanted).map(|package| package.id.as_str()).into_iter().collect();
    let nodes = metadata.resolve.as_ref().map(|resolve| resolve.nodes.as_slice()).unwrap_or_default();
    let mut next = 0;
    while let Some(id) = reached.get(next).copied() {
        let dependencies = nodes.iter().filter(|node| node.id == id).flat_map(|node| &node.dependencies);
        for dependency in dependencies {
            if !reached.contains(&dependency.as_str()) {
                reached.push(dependency);
            }
        }
        next += 1;
    }
    let local = metadata.packages.iter().filter(|package| package.source.is_none());
    let used = local.filter(|package| reached.contains(&package.id.as_str()));
    Ok(used.filter_map(|package| Some(package.manifest_path.parent()?.to_path_buf())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_about_components_count() {
        let about = |kind: &str, file: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"path+file:///x#0.1.0","target":{{"kind":["{kind}"]}},"filenames":["/t/{file}"]}}"#
            )
        };
        let found = component(about("cdylib", "x.wasm").as_bytes()).unwrap();
        assert_eq!(found, ("path+file:///x#0.1.0".to_owned(), PathBuf::from("/t/x.wasm")));
        for other in [about("lib", "libx.rlib"), about("cdylib", "libx.so"), "{}".to_owned(), String::new()] {
            assert_eq!(component(other.as_bytes()), None, "{other}");
        }
    }
}
