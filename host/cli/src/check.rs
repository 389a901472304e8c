//! `wharf check`: what a component is from its outside, whether its manifest fits it, and whether its SQL fits
//! a database.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use wharf_control::Project;
use wharf_host::{Config, DatabaseConfig, Inspection, Manifest, SqlError, SqlFailure, SqlReport, inspect};

use crate::build::relative;
use crate::databases;
use crate::output::{self, Paint};
use crate::service::Service;

/// Say which world a component fits, what it imports and which grants it needs
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf check hello              check the service in this folder against its wharf.toml
  wharf check hello.wasm         check a component
  wharf check --json hello.wasm  print the result as JSON
  wharf check guestbook --database main=postgres://me@localhost/guestbook
                                 prepare each SQL statement that the component declares (`sql!` in Rust,
                                 `[sql] files` in wharf.toml) without running it, as a deploy does
  wharf check guestbook --database main=postgres://me@localhost/scratch --migrate
                                 the same after applying the service's migrations: for a database to try with

Fails on what is no component (a core module, text, a precompiled or damaged file), on a component
that exports nothing a host calls, and on SQL that would fail when it runs.")]
pub(crate) struct Arguments {
    /// A component, or a folder with a wharf.toml
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
    /// Where a granted database is: its SQL is checked there
    #[arg(long = "database", value_name = "NAME=URL", value_parser = databases::parse)]
    databases: Vec<(String, String)>,
    /// Apply the service's migrations to these databases first
    #[arg(long, requires = "databases")]
    migrate: bool,
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
    /// None where no database was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<Sql>,
}

/// What the databases said.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Sql {
    Checked(SqlReport),
    Failures(Vec<SqlFailure>),
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let (component, manifest) = locate(&arguments.path)?;
    let bytes =
        std::fs::read(&component).with_context(|| format!("failed to read `{}`", component.display()))?;
    let inspection = inspect(&bytes)
        .with_context(|| format!("`{}` cannot be a service", relative(&component).display()))?;
    let warnings = manifest.map(|manifest| ungranted(&inspection, &manifest)).unwrap_or_default();
    let (sql, refused) = match check_sql(arguments).await {
        Ok(sql) => (sql, None),
        Err(error) => match error.downcast_ref() {
            Some(SqlError::Statements { failures, .. }) => {
                (Some(Sql::Failures(failures.clone())), Some(error))
            }
            _ => return Err(error.context("the SQL was not checked")),
        },
    };
    let report = Report { component, bytes: bytes.len(), inspection, warnings, sql };
    if arguments.json {
        output::json(&report)?;
    } else {
        print(&report);
    }
    if report.inspection.world.is_none() {
        bail!("`{}` exports nothing that a host calls", relative(&report.component).display());
    }
    refused.map_or(Ok(()), Err)
}

/// Asks the databases that were named, if any.
async fn check_sql(arguments: &Arguments) -> Result<Option<Sql>> {
    if arguments.databases.is_empty() {
        return Ok(None);
    }
    let artifact = Project::open(&arguments.path)?.artifact()?;
    let mut config = Config::default();
    for (name, url) in &arguments.databases {
        config.databases.insert(name.clone(), DatabaseConfig::new(url.as_str()));
    }
    if arguments.migrate {
        wharf_host::migrate(&config, &artifact).await.context("failed to migrate")?;
    }
    Ok(Some(Sql::Checked(wharf_host::check_sql(&config, &artifact).await?)))
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
    if let Some(Sql::Checked(sql)) = &report.sql {
        let counts: Vec<_> = sql.checked.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let counts = if counts.is_empty() { "none declared".to_owned() } else { counts.join(", ") };
        output::result(format!("sql      {counts}"));
    }
    for warning in &report.warnings {
        output::warning(warning);
    }
}
