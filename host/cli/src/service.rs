//! A service as it lies on disk: its folder, its manifest, and the place of its component.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wharf_control::Project;
use wharf_host::Manifest;

use crate::build::recipe::Recipe;
use crate::toolchain::Profile;

/// The folder, or a component file, that a person named.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// Absolute.
    pub(crate) folder: PathBuf,
    /// From the manifest, or the cargo package's where there is no manifest.
    pub(crate) name: String,
    /// Where the component is, or will be once it is built.
    pub(crate) component: PathBuf,
    /// The cargo package, when it is built from one.
    pub(crate) package: Option<Package>,
    /// How it is built, when that is in another language.
    pub(crate) recipe: Option<Recipe>,
    /// None for a cargo package or a component file without a `wharf.toml`.
    pub(crate) manifest: Option<Manifest>,
}

/// Which cargo package makes the component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Package {
    /// The one of this `Cargo.toml`.
    At(PathBuf),
    /// The one of this name in the workspace around the folder.
    Named(String),
}

impl Service {
    /// Reads the `wharf.toml` of a folder. Without one, a cargo package may still be built and checked.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let folder =
            folder.canonicalize().with_context(|| format!("there is no folder `{}`", folder.display()))?;
        if !folder.is_dir() {
            bail!("`{}` is not a folder", folder.display());
        }
        let cargo = folder.join("Cargo.toml");
        if !folder.join("wharf.toml").exists() {
            if !cargo.exists() {
                bail!("`{}` holds no wharf.toml", folder.display());
            }
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let component = folder.join(".wharf/build").join(format!("{name}.wasm"));
            return Ok(Self {
                folder,
                name,
                component,
                package: Some(Package::At(cargo)),
                recipe: None,
                manifest: None,
            });
        }
        let project = Project::open(&folder)?;
        let manifest = project.manifest().clone();
        let recipe = Recipe::of(&folder, manifest.build.as_ref())?;
        let package = match manifest.build.as_ref().and_then(|build| build.package.clone()) {
            Some(name) => Some(Package::Named(name)),
            None => (recipe.is_none() && cargo.exists()).then_some(Package::At(cargo)),
        };
        let component = project.component().to_path_buf();
        Ok(Self { name: manifest.name.clone(), component, package, recipe, manifest: Some(manifest), folder })
    }

    /// Where a build of this profile puts the component. Quick builds are kept apart from what is deployed.
    pub(crate) fn component(&self, profile: Profile) -> PathBuf {
        match profile {
            Profile::Quick if self.package.is_some() || self.recipe.is_some() => {
                self.folder.join(".wharf/dev").join(format!("{}.wasm", self.name))
            }
            _ => self.component.clone(),
        }
    }

    /// The names of the databases that it is granted.
    pub(crate) fn databases(&self) -> &[String] {
        self.manifest.as_ref().map(|manifest| manifest.grants.pg.as_slice()).unwrap_or_default()
    }

    /// Whether it is a guard for others.
    pub(crate) fn is_guard(&self) -> bool {
        self.manifest.as_ref().is_some_and(|manifest| manifest.guard)
    }

    /// Opens several; without any, the current folder.
    pub(crate) fn open_all(folders: &[PathBuf]) -> Result<Vec<Self>> {
        if folders.is_empty() {
            return Ok(vec![Self::open(Path::new("."))?]);
        }
        folders.iter().map(|folder| Self::open(folder)).collect()
    }
}

/// Where `wharf dev` keeps the services' databases and buckets: the folder of the project that holds all of
/// them. That is one with a `Cargo.toml`, `wharf.toml` or `.git`, because a workspace's `examples/*` takes any
/// folder beside the examples for a package.
pub(crate) fn project_root(services: &[Service]) -> PathBuf {
    let Some((first, rest)) = services.split_first() else {
        return PathBuf::from(".");
    };
    let holds_all = |root: &&Path| rest.iter().all(|service| service.folder.starts_with(root));
    let common = first.folder.ancestors().find(holds_all).unwrap_or(Path::new("/"));
    let is_project =
        |root: &&Path| ["Cargo.toml", "wharf.toml", ".git"].iter().any(|name| root.join(name).exists());
    common.ancestors().find(is_project).unwrap_or(common).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(folder: &Path) -> Service {
        Service {
            folder: folder.into(),
            name: String::new(),
            component: PathBuf::new(),
            package: None,
            recipe: None,
            manifest: None,
        }
    }

    #[test]
    fn the_root_is_the_nearest_project_that_holds_all_services() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for folder in ["a/b/c", "a/b/d"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let named = |folder: &str| service(&root.join(folder));
        assert_eq!(project_root(&[named("a/b/c"), named("a/b/d")]), root.join("a/b"));
        std::fs::write(root.join("a/Cargo.toml"), "").unwrap();
        assert_eq!(project_root(&[named("a/b/c"), named("a/b/d")]), root.join("a"));
        std::fs::write(root.join("a/b/c/wharf.toml"), "").unwrap();
        assert_eq!(project_root(&[named("a/b/c")]), root.join("a/b/c"));
    }

    #[test]
    fn a_folder_without_a_manifest_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = Service::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("holds no wharf.toml"), "{error}");
        assert!(Service::open(&folder.path().join("missing")).is_err());
    }
}
