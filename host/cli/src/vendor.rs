//! `wharf vendor`: what Wharf brings for a language, written into a project, so that it builds on any machine and without a
//! registry that has it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use include_dir::{Dir, include_dir};
use wharf_host::Language;

use crate::output;
use crate::service::Service;

/// The bindings, as they were when this program was built.
static RUST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-bindings/rust");
static PG_WIRE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-bindings/pg-wire");
static JAVASCRIPT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-bindings/javascript");
static PYTHON: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-bindings/python");
static C: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-bindings/c");
static GO: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-bindings/go");

/// The format of cases.
const CONFORMANCE: &str = include_str!("../../../conformance/README.md");

/// Write what Wharf brings for a service's language into its vendor/wharf
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf vendor                    after an update of wharf: this service's vendor/wharf, as this wharf has it
  wharf vendor shop

What was in vendor/wharf before is replaced. `wharf new` does the same for a new service.")]
pub(crate) struct Arguments {
    /// A folder with a wharf.toml
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let service = Service::open(&arguments.folder)?;
    let build = service.manifest.as_ref().and_then(|manifest| manifest.build.as_ref());
    let bindings = match build.map(|build| build.language) {
        Some(Language::Rust) => "rust",
        Some(Language::Javascript | Language::Typescript) => "javascript",
        Some(Language::Python) => "python",
        Some(Language::C) => "c",
        Some(Language::Go) => "go",
        _ => bail!("`{}` says no `build.language` that Wharf brings something for", service.folder.display()),
    };
    write(&service.folder, bindings)?;
    output::result(service.folder.join("vendor/wharf").display());
    Ok(())
}

/// Writes the bindings of a language below a project's folder.
pub(crate) fn write(project: &Path, language: &str) -> Result<()> {
    let folder = project.join("vendor/wharf");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("failed to replace `{}`", folder.display()))?;
    }
    let readme = format!(
        "# What Wharf brings\n\nWritten by `wharf vendor` of Wharf {}; what is changed here is gone the next time.\n",
        env!("CARGO_PKG_VERSION")
    );
    output::place(&folder.join("README.md"), &readme)?;
    output::place(&folder.join("tests.md"), &tests())?;
    let parts: &[(&str, &Dir<'_>)] = match language {
        "rust" => &[("rust", &RUST), ("pg-wire", &PG_WIRE)],
        "javascript" => &[("javascript", &JAVASCRIPT)],
        "python" => &[("python", &PYTHON)],
        "go" => &[("go", &GO)],
        _ => &[("c", &C)],
    };
    parts.iter().try_for_each(|(name, files)| copy(files, &folder.join(name)))
}

/// What there is to know of `tests/*.toml`: the two parts of a document that are for authors.
fn tests() -> String {
    let begins = |heading: &str| CONFORMANCE.find(heading).unwrap_or(CONFORMANCE.len());
    let cases = CONFORMANCE.get(begins("## A case")..).unwrap_or_default();
    format!(
        "# Tests of a service\n\nWhat `wharf test` runs. Of the first part, `guest`, `deploy`, `needs`, `anew` and\n`expected-failures` are for Wharf's own suites.\n\n{cases}"
    )
}

fn copy(files: &Dir<'_>, folder: &Path) -> Result<()> {
    for file in files.files() {
        let path = folder.join(file.path());
        let text = file.contents_utf8().with_context(|| format!("`{}` is no text", file.path().display()))?;
        if path.file_name().is_some_and(|name| name == "Cargo.toml") {
            output::place(&path, &alone(text))?;
        } else {
            output::place(&path, text)?;
        }
    }
    files.dirs().filter(|below| is_wanted(below.path())).try_for_each(|below| copy(below, folder))
}

/// Not what tools leave in a checkout, nor its own tests.
fn is_wanted(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default();
    !["target", "node_modules", "__pycache__", "tests"].iter().any(|unwanted| name == *unwanted)
}

/// A package's manifest without the workspace that it is part of here.
fn alone(manifest: &str) -> String {
    let mut kept = Vec::new();
    for line in manifest.lines() {
        if line.starts_with("workspace = \"") || line == "[lints]" || line == "workspace = true" {
            continue;
        }
        kept.push(line);
    }
    format!("# Written by `wharf vendor`.\n{}\n", kept.join("\n").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bindings_of_rust_need_no_workspace_of_wharf_s() {
        let project = tempfile::tempdir().unwrap();
        write(project.path(), "rust").unwrap();
        let folder = project.path().join("vendor/wharf");
        for package in ["rust", "rust/macros", "pg-wire"] {
            let text = std::fs::read_to_string(folder.join(package).join("Cargo.toml")).unwrap();
            let manifest: toml::Table = toml::from_str(&text).unwrap();
            assert!(
                manifest["package"].get("workspace").is_none() && !manifest.contains_key("lints"),
                "{text}"
            );
            assert!(folder.join(package).join("src/lib.rs").is_file());
        }
        assert!(
            folder.join("rust/wit/worlds.wit").is_file() && folder.join("rust/macros/wit/kv.wit").is_file()
        );
        std::fs::write(folder.join("old"), "").unwrap();
        write(project.path(), "c").unwrap();
        assert!(folder.join("c/wharf.h").is_file() && !folder.join("old").exists());
        let tests = std::fs::read_to_string(folder.join("tests.md")).unwrap();
        assert!(tests.contains("## A case") && tests.contains("`advance-ms`"), "{tests}");
    }
}
