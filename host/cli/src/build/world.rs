//! The world that a component is built for, as a folder of WIT that tools of any language read: the contract of this
//! `wharf`, or the author's own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};
use wharf_host::Manifest;

/// The contract, as it was when this program was built.
static CONTRACT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");

/// Where a world is described, and its name there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct World {
    /// A folder of WIT.
    pub(super) wit: PathBuf,
    /// One of its worlds.
    pub(super) name: String,
}

impl World {
    /// The world of a manifest. The contract is written to `scratch`, with a world in it that exports what the manifest
    /// asks to be called for.
    pub(super) fn place(scratch: &Path, folder: &Path, manifest: &Manifest) -> Result<Self> {
        let build = manifest.build.as_ref();
        let named = build.and_then(|build| build.world.clone());
        if let Some(own) = build.and_then(|build| build.wit.as_ref()) {
            let wit = folder.join(own);
            let wit = wit
                .canonicalize()
                .with_context(|| format!("`build.wit` names `{}`, which is not there", wit.display()))?;
            return Ok(Self { wit, name: named.unwrap_or_default() });
        }
        let wit = scratch.join("wit");
        place(&CONTRACT, &wit)?;
        let name = match named {
            Some(name) => name,
            None => {
                let path = wit.join("this-service.wit");
                std::fs::write(&path, text(manifest))
                    .with_context(|| format!("failed to write `{}`", path.display()))?;
                "this-service".to_owned()
            }
        };
        Ok(Self { wit, name })
    }
}

/// Writes embedded files, instead of those that are there.
fn place(files: &Dir<'_>, folder: &Path) -> Result<()> {
    let write = || {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        files.extract(folder)
    };
    write().with_context(|| format!("failed to write `{}`", folder.display()))
}

/// A world with every capability, and an export for each way in which the manifest has the component called.
fn text(manifest: &Manifest) -> String {
    let exports = [
        ("http-handler", !manifest.routes.is_empty()),
        ("guard", manifest.guard),
        ("pg-listener", !manifest.listen.is_empty()),
        ("kv-watcher", !manifest.watch.is_empty()),
    ];
    let exports = exports.into_iter().filter(|(_, wanted)| *wanted);
    let exports: String = exports.map(|(name, _)| format!("  export {name};\n")).collect();
    format!(
        "package wharf:platform@0.1.0;\n\n/// Of the manifest of `{}`.\nworld this-service {{\n  include capabilities;\n{exports}}}\n",
        manifest.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(rest: &str) -> Manifest {
        Manifest::parse(&format!("name = \"a\"\n{rest}")).unwrap()
    }

    #[test]
    fn a_world_exports_what_the_manifest_asks_to_be_called_for() {
        let scratch = tempfile::tempdir().unwrap();
        let manifest = manifest(
            "guard = true\n[[routes]]\npath = \"/\"\n[[listen]]\ndatabase = \"main\"\nchannels = [\"a\"]\n[grants]\npg = [\"main\"]\n",
        );
        let world = World::place(scratch.path(), scratch.path(), &manifest).unwrap();
        let mut resolve = wit_parser::Resolve::default();
        let (package, _) = resolve.push_dir(&world.wit).unwrap();
        let id = resolve.select_world(&[package], Some(&world.name)).unwrap();
        let exports: Vec<_> =
            resolve.worlds[id].exports.keys().map(|key| resolve.name_world_key(key)).collect();
        let named =
            ["http-handler", "guard", "pg-listener"].map(|name| format!("wharf:platform/{name}@0.1.0"));
        assert_eq!(exports, named);
    }

    #[test]
    fn an_author_s_own_world_is_taken_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = manifest(
            "[[routes]]\npath = \"/\"\n[build]\nlanguage = \"c\"\nsources = [\"a.c\"]\nwit = \"mine\"\nworld = \"w\"\n",
        );
        let error = World::place(folder.path(), folder.path(), &manifest).unwrap_err().to_string();
        assert!(error.contains("`build.wit`"), "{error}");
        std::fs::create_dir(folder.path().join("mine")).unwrap();
        let world = World::place(folder.path(), folder.path(), &manifest).unwrap();
        assert!(world.wit.ends_with("mine") && world.name == "w", "{world:?}");
    }
}
