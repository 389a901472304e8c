//! Guests on disk: `components/contract/<guest>/<language>/`.

use std::path::{Path, PathBuf};

/// One implementation of what a suite exercises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// What it implements.
    pub name: String,
    /// In which language.
    pub language: String,
    /// Its folder, with a `wharf.toml`.
    pub folder: PathBuf,
}

impl Guest {
    /// The guest `name` that is served beside this one: that of its own language, or else that in Rust.
    pub(crate) fn beside<'a>(&self, name: &str, guests: &'a [Self]) -> Option<&'a Self> {
        let find = |language: &str| guests.iter().find(|it| it.name == name && it.language == language);
        find(&self.language).or_else(|| find("rust"))
    }
}

/// The manifests of guests that need no other one beside them.
const MANIFESTS: [(&str, &str); 11] = [
    ("config-log", include_str!("../../components/contract/config-log/rust/wharf.toml")),
    ("faults", include_str!("../../components/contract/faults/rust/wharf.toml")),
    ("http", include_str!("../../components/contract/http/rust/wharf.toml")),
    ("http-client", include_str!("../../components/contract/http-client/rust/wharf.toml")),
    ("kv", include_str!("../../components/contract/kv/rust/wharf.toml")),
    ("kv-watcher", include_str!("../../components/contract/kv-watcher/rust/wharf.toml")),
    ("lifecycle", include_str!("../../components/contract/lifecycle/rust/wharf.toml")),
    ("pg-client", include_str!("../../components/contract/pg-client/rust/wharf.toml")),
    ("pg-listener", include_str!("../../components/contract/pg-listener/rust/wharf.toml")),
    ("wasi-http", include_str!("../../components/contract/wasi-http/rust-03/wharf.toml")),
    ("wasi-keyvalue", include_str!("../../components/contract/wasi-keyvalue/rust/wharf.toml")),
];

/// Why guests were not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
    /// A component of which it is not known what it implements.
    #[error("there is no guest `{name}` that stands alone; there are {}", MANIFESTS.map(|(name, _)| name).join(", "))]
    Unknown {
        /// What it was said to be.
        name: String,
    },
    /// The manifest for a component.
    #[error("failed to write a manifest to `{}`", path.display())]
    Manifest {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder, or one below.
    #[error("failed to list `{}`", path.display())]
    List {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Guest {
    /// A component that implements the guest `name`, with that guest's manifest, which is written to `folder`.
    ///
    /// # Errors
    /// A guest that there is not, or that needs others beside it; a folder that cannot be written to.
    pub fn of_component(name: &str, component: &Path, folder: &Path) -> Result<Self, GuestError> {
        let manifest = MANIFESTS.iter().find(|(known, _)| *known == name);
        let (_, text) = manifest.ok_or_else(|| GuestError::Unknown { name: name.to_owned() })?;
        let path = folder.join("wharf.toml");
        let failed = |source| GuestError::Manifest { path: path.clone(), source };
        let mut table: toml::Table =
            toml::from_str(text).map_err(|error| failed(std::io::Error::other(error)))?;
        table.remove("build");
        table.insert("component".to_owned(), component.display().to_string().into());
        std::fs::write(&path, table.to_string()).map_err(failed)?;
        let language = file_name(component).trim_end_matches(".wasm").to_owned();
        Ok(Self { name: name.to_owned(), language, folder: folder.to_owned() })
    }
}

/// Every guest below a folder, by name and language.
///
/// # Errors
/// A folder that cannot be listed.
pub fn guests(folder: &Path) -> Result<Vec<Guest>, GuestError> {
    let mut found = Vec::new();
    for guest in folders(folder)? {
        for language in folders(&guest)? {
            if language.join("wharf.toml").is_file() {
                found.push(Guest {
                    name: file_name(&guest),
                    language: file_name(&language),
                    folder: language,
                });
            }
        }
    }
    Ok(found)
}

fn folders(of: &Path) -> Result<Vec<PathBuf>, GuestError> {
    let failed = |source| GuestError::List { path: of.to_owned(), source };
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(of).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() && !file_name(&path).starts_with('.') {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_a_guest_is_one_of_its_language_or_one_in_rust() {
        let guest = |name: &str, language: &str| Guest {
            name: name.to_owned(),
            language: language.to_owned(),
            folder: "x".into(),
        };
        let guests = [guest("guard", "c"), guest("guard", "rust"), guest("guarded", "c")];
        let beside = |language: &str| guest("guarded", language).beside("guard", &guests).cloned();
        assert_eq!(beside("c"), Some(guest("guard", "c")));
        assert_eq!(beside("go"), Some(guest("guard", "rust")));
        assert_eq!(guest("guarded", "c").beside("other", &guests), None);
    }

    #[test]
    fn a_component_gets_the_manifest_of_its_guest() {
        let folder = tempfile::tempdir().unwrap();
        let guest = Guest::of_component("kv", Path::new("/x/mine.wasm"), folder.path()).unwrap();
        assert_eq!((guest.name.as_str(), guest.language.as_str()), ("kv", "mine"));
        let text = std::fs::read_to_string(folder.path().join("wharf.toml")).unwrap();
        assert!(text.contains("component = \"/x/mine.wasm\"") && text.contains("durable"), "{text}");
        let error =
            Guest::of_component("guarded", Path::new("x.wasm"), folder.path()).unwrap_err().to_string();
        assert!(error.contains("`guarded`") && error.contains("pg-client"), "{error}");
    }

    #[test]
    fn every_manifest_is_one() {
        for (name, text) in MANIFESTS {
            let manifest = wharf_host::Manifest::parse(text).unwrap();
            assert!(!manifest.routes.is_empty(), "{name}");
        }
    }
}
