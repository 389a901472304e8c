//! How a service that is not a cargo package is built: what `[build]` of its manifest says, as paths that exist.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wharf_host::{Build, Language, Manifest, ScriptEngine};

use super::world::World;
use super::{Mode, Progress, c, go, javascript, module, python};
use crate::output;

/// What a service is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recipe {
    /// JavaScript or TypeScript.
    Script { entry: PathBuf, engine: ScriptEngine },
    /// The module, and the folders with packages beside its own.
    Python { entry: PathBuf, packages: Vec<PathBuf> },
    /// C files.
    C { sources: Vec<PathBuf> },
    /// The folder's Go module, and the folders of modules beside it.
    Go { packages: Vec<PathBuf> },
    /// A core module.
    Module { entry: PathBuf },
}

/// What every recipe needs to know beside itself.
#[derive(Debug)]
pub(super) struct Job<'a> {
    /// The service's folder, where tools are looked for first.
    pub(super) folder: &'a Path,
    /// Where intermediate files go: the recipe's own, and there already.
    pub(super) scratch: &'a Path,
    /// What the component is to import and export.
    pub(super) world: &'a World,
    /// Optimised, or quick.
    pub(super) mode: Mode,
}

impl Recipe {
    /// None for Rust, and for a component that is not built here.
    pub(crate) fn of(folder: &Path, build: Option<&Build>) -> Result<Option<Self>> {
        let Some(build) = build else { return Ok(None) };
        let file = |name: &String, key: &str| {
            let path = folder.join(name);
            let there = path.canonicalize();
            there.with_context(|| format!("`build.{key}` names `{}`, which is not there", path.display()))
        };
        let entry = || match &build.entry {
            Some(entry) => file(entry, "entry"),
            None => bail!("`build.entry` is missing: the file in which the program begins"),
        };
        let packages =
            || build.packages.iter().map(|name| file(name, "packages")).collect::<Result<Vec<_>>>();
        Ok(Some(match build.language {
            Language::Javascript | Language::Typescript => {
                Self::Script { entry: entry()?, engine: build.engine.unwrap_or(ScriptEngine::Quickjs) }
            }
            Language::Python => Self::Python { entry: entry()?, packages: packages()? },
            Language::Go => Self::Go { packages: packages()? },
            Language::C => Self::C {
                sources: build.sources.iter().map(|name| file(name, "sources")).collect::<Result<_>>()?,
            },
            Language::Module => Self::Module { entry: entry()? },
            _ => return Ok(None),
        }))
    }

    /// Folders with sources, which may lie outside of the service's own.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let parent = |file: &PathBuf| file.parent().map(Path::to_path_buf);
        match self {
            Self::Script { entry, .. } | Self::Module { entry } => parent(entry).into_iter().collect(),
            Self::Python { entry, packages } => parent(entry).into_iter().chain(packages.clone()).collect(),
            Self::C { sources } => sources.iter().filter_map(parent).collect(),
            Self::Go { packages } => packages.clone(),
        }
    }

    /// Builds, and returns the component's file, which lies in a scratch folder.
    pub(super) async fn build(&self, folder: &Path, manifest: &Manifest, mode: Mode) -> Result<PathBuf> {
        if mode.progress == Progress::Shown {
            output::note(format!("building `{}` with {}", manifest.name, self.tool()));
        }
        let scratch = folder.join(".wharf/build").join(format!("{}.parts", manifest.name));
        std::fs::create_dir_all(&scratch)
            .with_context(|| format!("failed to create `{}`", scratch.display()))?;
        // What an earlier build left is not what this one made.
        for left in ["module.wasm", "component.wasm"] {
            let _gone = std::fs::remove_file(scratch.join(left));
        }
        let world = World::place(&scratch, folder, manifest)?;
        let job = Job { folder, scratch: &scratch, world: &world, mode };
        match self {
            Self::Script { entry, engine } => javascript::build(&job, entry, *engine).await,
            Self::Python { entry, packages } => python::build(&job, entry, packages).await,
            Self::C { sources } => c::build(&job, sources).await,
            Self::Go { packages } => go::build(&job, packages).await,
            Self::Module { entry } => module::build(&job, entry),
        }
        .with_context(|| format!("building `{}` failed", manifest.name))
    }

    fn tool(&self) -> &'static str {
        match self {
            Self::Script { engine: ScriptEngine::Starlingmonkey, .. } => "StarlingMonkey",
            Self::Script { .. } => "QuickJS",
            Self::Python { .. } => "componentize-py",
            Self::C { .. } => "clang",
            Self::Go { .. } => "Go",
            Self::Module { .. } => "wit-component",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(folder: &Path, build: &str) -> Result<Option<Recipe>> {
        let text = format!("name = \"a\"\n[[routes]]\npath = \"/\"\n[build]\n{build}");
        let manifest = Manifest::parse(&text)?;
        Recipe::of(folder, manifest.build.as_ref())
    }

    #[test]
    fn sources_that_are_not_there_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = "language = \"python\"\nentry = \"service.py\"";
        let error = recipe(folder.path(), wanted).unwrap_err().to_string();
        assert!(error.contains("`build.entry`") && error.contains("service.py"), "{error}");
        std::fs::write(folder.path().join("service.py"), "").unwrap();
        let found = recipe(folder.path(), wanted).unwrap().unwrap();
        assert_eq!(found.folders(), [folder.path().canonicalize().unwrap()]);
    }

    #[test]
    fn rust_is_cargo_s_business() {
        assert_eq!(recipe(Path::new("."), "language = \"rust\"").unwrap(), None);
    }
}
