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
    /// Whether it is the one of this name and language, as in `guard/rust`.
    pub(crate) fn is(&self, name: &str) -> bool {
        name.split_once('/') == Some((self.name.as_str(), self.language.as_str()))
    }
}

/// Why guests were not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
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
