//! Finds the PostgreSQL server's binaries.
//!
//! Order: `WHARF_PG_BIN`, `pg_config --bindir`, the folders of `PATH`, the usual places (newest version
//! first). A folder counts when it holds `initdb` and a `postgres` that answers `--version`: wrappers and
//! client-only installations don't.

use std::cmp::Reverse;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;

/// The one-line install for this system.
pub const INSTALL: &str = if cfg!(target_os = "macos") {
    "brew install postgresql@17"
} else {
    "apt-get install -y --no-install-recommends postgresql"
};

/// Where packagers put the binaries. `*` stands for a version: the newest is tried first.
const USUAL: [&str; 10] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/opt/local/lib/postgresql*/bin",
    "/usr/local/pgsql/bin",
    "/usr/lib/postgresql/bin",
];

/// The server's binaries, found and tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
    major: String,
}

impl Binaries {
    /// Finds the binaries of this machine.
    ///
    /// # Errors
    /// [`Error::BadOverride`] when `WHARF_PG_BIN` is set and wrong, [`Error::NoBinaries`] when there are none.
    pub fn find() -> Result<Self, Error> {
        if let Some(folder) = std::env::var_os("WHARF_PG_BIN") {
            let folder = PathBuf::from(folder);
            return Self::at(&folder).ok_or(Error::BadOverride(folder));
        }
        Self::among(&std::env::var_os("PATH").unwrap_or_default(), &USUAL)
    }

    /// Finds the binaries through `PATH` (and a `pg_config` on it) or in the usual places.
    fn among(path: &OsString, usual: &[&str]) -> Result<Self, Error> {
        let mut folders: Vec<PathBuf> = pg_config(path).into_iter().collect();
        folders.extend(std::env::split_paths(path).filter_map(|folder| real_folder(&folder)));
        folders.extend(usual.iter().flat_map(|pattern| expand(pattern)));
        folders.iter().find_map(|folder| Self::at(folder)).ok_or_else(|| Error::NoBinaries {
            searched: format!("`pg_config --bindir`, PATH, {}", usual.join(", ")),
        })
    }

    /// The binaries of one folder, when they are there and run.
    fn at(folder: &Path) -> Option<Self> {
        if !folder.join("initdb").is_file() {
            return None;
        }
        let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let version = text.strip_prefix("postgres (PostgreSQL) ")?;
        let major = version.split(|c: char| !c.is_ascii_digit()).next().filter(|major| !major.is_empty())?;
        Some(Self { folder: folder.to_path_buf(), major: major.to_owned() })
    }

    /// The folder that holds them.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server's major version, as it stands in a cluster's `PG_VERSION`.
    pub fn major(&self) -> &str {
        &self.major
    }

    /// The full path of one program.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The folder that `pg_config` names.
fn pg_config(path: &OsString) -> Option<PathBuf> {
    let program = std::env::split_paths(path).map(|f| f.join("pg_config")).find(|p| p.is_file())?;
    let output = Command::new(program).arg("--bindir").output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(folder.trim_end()))
}

/// The folder where a `postgres` on the path really lives: `initdb` stands beside it there.
fn real_folder(folder: &Path) -> Option<PathBuf> {
    let program = folder.join("postgres").canonicalize().ok()?;
    Some(program.parent()?.to_path_buf())
}

/// The folders that match a pattern with at most one `*`, highest version first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = std::fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?;
            let major = version.split('.').next()?.parse().ok()?;
            Some((major, PathBuf::from(format!("{parent}/{name}{after}"))))
        })
        .collect();
    found.sort_by_key(|(major, _)| Reverse(*major));
    found.into_iter().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn fake(folder: &Path, version: &str) {
        std::fs::create_dir_all(folder).unwrap();
        for name in ["postgres", "initdb"] {
            let program = folder.join(name);
            std::fs::write(&program, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn the_newest_of_the_usual_places_wins() {
        let root = tempfile::tempdir().unwrap();
        for (folder, version) in [("9/bin", "9.6.1"), ("15/bin", "15.3"), ("17/bin", "17.2 (Debian 17.2-1)")]
        {
            fake(&root.path().join(folder), version);
        }
        let pattern = format!("{}/*/bin", root.path().display());
        let found = Binaries::among(&OsString::new(), &[&pattern]).unwrap();
        assert_eq!(found.major(), "17");
        assert_eq!(found.folder(), root.path().join("17/bin"));
    }

    #[test]
    fn a_symbolic_link_on_the_path_leads_to_the_real_folder() {
        let root = tempfile::tempdir().unwrap();
        fake(&root.path().join("real"), "16.1");
        std::fs::create_dir(root.path().join("bin")).unwrap();
        std::os::unix::fs::symlink(root.path().join("real/postgres"), root.path().join("bin/postgres"))
            .unwrap();
        let found = Binaries::among(&root.path().join("bin").into_os_string(), &[]).unwrap();
        assert_eq!(found.folder(), root.path().join("real").canonicalize().unwrap());
    }

    #[test]
    fn a_program_that_is_not_a_server_does_not_count() {
        let root = tempfile::tempdir().unwrap();
        fake(root.path(), "x");
        assert_eq!(Binaries::at(root.path()), None);
    }

    #[test]
    fn without_binaries_the_error_says_how_to_install_them() {
        let error = Binaries::among(&OsString::new(), &["/nowhere/*/bin"]).unwrap_err().to_string();
        assert!(error.contains(INSTALL) && error.contains("/nowhere/*/bin"), "{error}");
    }
}
