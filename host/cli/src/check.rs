//! `wharf check`: what a component is from its outside, and whether its manifest fits it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use wharf_host::{Inspection, Manifest, inspect};

use crate::build::relative;
use crate::output::{self, Paint};
use crate::service::Service;

/// Say which world a component fits, what it imports and which grants it needs
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf check hello              check the service in this folder against its wharf.toml
  wharf check hello.wasm         check a component
  wharf check --json hello.wasm  print the result as JSON

Fails on what is no component (a core module, text, a precompiled or damaged file) and on a component
that exports nothing a host calls.")]
pub(crate) struct Arguments {
    /// A component, or a folder with a wharf.toml
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What the check found.
#[derive(Debug, Serialize)]
struct Report {
    component: PathBuf,
    bytes: usize,
    #[serde(flatten)]
    inspection: Inspection,
    warnings: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (component, manifest) = locate(&arguments.path)?;
    let bytes =
        std::fs::read(&component).with_context(|| format!("failed to read `{}`", component.display()))?;
    let inspection = inspect(&bytes)
        .with_context(|| format!("`{}` cannot be a service", relative(&component).display()))?;
    let warnings = manifest.map(|manifest| ungranted(&inspection, &manifest)).unwrap_or_default();
    let report = Report { component, bytes: bytes.len(), inspection, warnings };
    if arguments.json {
        output::json(&report)?;
    } else {
        print(&report);
    }
    if report.inspection.world.is_none() {
        bail!("`{}` exports nothing that a host calls", relative(&report.component).display());
    }
    Ok(())
}

/// The component, and the manifest when a service's folder was named.
fn locate(path: &Path) -> Result<(PathBuf, Option<Manifest>)> {
    if !path.is_dir() {
        return Ok((path.to_path_buf(), None));
    }
    let service = Service::open(path)?;
    if !service.component.exists() {
        bail!("`{}` is not built yet: run `wharf build {}`", service.name, path.display());
    }
    Ok((service.component, service.manifest))
}

/// Capabilities that the component imports and the manifest grants nothing of.
fn ungranted(inspection: &Inspection, manifest: &Manifest) -> Vec<String> {
    let grants = [("pg", &manifest.grants.pg), ("kv", &manifest.grants.kv), ("http", &manifest.grants.http)];
    let missing =
        grants.into_iter().filter(|(kind, names)| names.is_empty() && inspection.grants.contains(kind));
    missing
        .map(|(kind, _)| {
            format!(
                "it imports what needs a `{kind}` grant, and wharf.toml grants none: opening answers `denied`"
            )
        })
        .collect()
}

fn print(report: &Report) {
    let paint = Paint::stdout();
    let inspection = &report.inspection;
    let list =
        |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join("\n         ") };
    let grants = if inspection.grants.is_empty() { "none".to_owned() } else { inspection.grants.join(", ") };
    output::result(paint.strong(relative(&report.component).display()));
    output::result(format!("size     {}", output::size(report.bytes as u64)));
    output::result(format!("world    {}", inspection.world.unwrap_or("none")));
    output::result(format!("exports  {}", list(&inspection.exports)));
    output::result(format!("imports  {}", list(&inspection.imports)));
    output::result(format!("grants   {grants}"));
    for warning in &report.warnings {
        output::warning(warning);
    }
}
