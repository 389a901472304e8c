//! A service's folder, or a lone component, to an artifact; an artifact to blobs, and back.

mod blobs;
mod pieces;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use wharf_host::{Artifact, Manifest, ManifestError, Migration, StatementFile};

pub(crate) use blobs::hex;
pub use blobs::{Artifacts, BlobError, Folder, Unused, sha256};
pub use pieces::{Blob, PiecesError};
pub(crate) use pieces::{check, is_guard, unpack};

/// The manifest's file name.
const MANIFEST: &str = "wharf.toml";

/// Why a folder is no service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// A file is missing or cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The manifest is wrong.
    #[error("`{}` is not valid", path.display())]
    Manifest {
        /// Which.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: ManifestError,
    },
    /// The component was never built.
    #[error("there is no component at `{}`; run `wharf build {}` first", path.display(), folder.display())]
    NotBuilt {
        /// Where it should be.
        path: PathBuf,
        /// The service's folder.
        folder: PathBuf,
    },
}

/// A service on disk.
#[derive(Clone, Debug)]
pub struct Project {
    folder: PathBuf,
    manifest: Manifest,
    /// The manifest as it was written.
    text: String,
    component: PathBuf,
}

impl Project {
    /// Reads the manifest of a service's folder. A lone `.wasm` file becomes a service of its name that
    /// answers every path and is granted nothing.
    ///
    /// # Errors
    /// A path that cannot be read, or a manifest that is not valid.
    pub fn open(path: &Path) -> Result<Self, ProjectError> {
        if path.is_file() && path.extension().is_some_and(|extension| extension == "wasm") {
            return Self::lone(path);
        }
        let folder = if path.ends_with(MANIFEST) { path.parent().unwrap_or(path) } else { path };
        let file = folder.join(MANIFEST);
        let text = read_text(&file)?;
        let manifest =
            Manifest::parse(&text).map_err(|source| ProjectError::Manifest { path: file, source })?;
        let component = match &manifest.component {
            Some(component) => folder.join(component),
            None => folder.join(".wharf/build").join(format!("{}.wasm", manifest.name)),
        };
        Ok(Self { folder: folder.to_owned(), manifest, text, component })
    }

    fn lone(path: &Path) -> Result<Self, ProjectError> {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let name = stem.to_ascii_lowercase().replace(['_', '.'], "-");
        let manifest = Manifest::minimal(&name)
            .map_err(|source| ProjectError::Manifest { path: path.to_owned(), source })?;
        let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
        let text = toml::to_string(&manifest).expect("a manifest is a table of text and numbers");
        Ok(Self { folder, manifest, text, component: path.to_owned() })
    }

    /// The folder that holds the manifest.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The checked manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where the component is, or will be once it is built: the manifest's `component`, or
    /// `.wharf/build/<name>.wasm` in the folder.
    #[must_use]
    pub fn component(&self) -> &Path {
        &self.component
    }

    /// The same service with its component in another place: `wharf dev` keeps its quick builds apart.
    #[must_use]
    pub fn with_component(self, component: PathBuf) -> Self {
        Self { component, ..self }
    }

    /// Where the SQL files are, whether or not there are any.
    #[must_use]
    pub fn migrations(&self) -> PathBuf {
        let migrations = self.manifest.migrations.clone().unwrap_or_default();
        self.folder.join(migrations.folder)
    }

    /// Reads the component and the SQL files.
    ///
    /// # Errors
    /// A component that was not built, or a file that cannot be read. A folder of migrations that the
    /// manifest names must exist; the default one need not.
    pub fn artifact(&self) -> Result<Artifact, ProjectError> {
        let component = match std::fs::read(&self.component) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ProjectError::NotBuilt {
                    path: self.component.clone(),
                    folder: self.folder.clone(),
                });
            }
            Err(source) => return Err(ProjectError::Read { path: self.component.clone(), source }),
        };
        let migrations = self.read_migrations()?;
        let statements = self.read_statements()?;
        let files = self.read_files()?;
        let manifest = self.manifest.clone();
        Ok(Artifact { manifest, component: component.into(), migrations, statements, files })
    }

    /// Reads what [`Self::artifact`] reads, as the blobs that a host keeps.
    ///
    /// # Errors
    /// As [`Self::artifact`].
    pub fn blobs(&self) -> Result<Vec<Blob>, ProjectError> {
        Ok(pieces::pack(&self.text, self.artifact()?))
    }

    fn read_files(&self) -> Result<BTreeMap<String, Bytes>, ProjectError> {
        let read = |name: &str| {
            let path = self.folder.join(name);
            let bytes = std::fs::read(&path).map_err(|source| ProjectError::Read { path, source })?;
            Ok((name.to_owned(), bytes.into()))
        };
        self.manifest.files().into_iter().map(read).collect()
    }

    fn read_statements(&self) -> Result<Vec<StatementFile>, ProjectError> {
        let files = self.manifest.sql.iter().flat_map(|sql| &sql.files);
        files
            .map(|file| {
                let sql = read_text(&self.folder.join(file))?;
                Ok(StatementFile { name: file.display().to_string(), sql })
            })
            .collect()
    }

    fn read_migrations(&self) -> Result<Vec<Migration>, ProjectError> {
        let folder = self.migrations();
        if self.manifest.migrations.is_none() && !folder.is_dir() {
            return Ok(Vec::new());
        }
        let failed = |source| ProjectError::Read { path: folder.clone(), source };
        let mut migrations = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "sql") {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                migrations.push(Migration { name, sql: read_text(&path)? });
            }
        }
        migrations.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(migrations)
    }
}

fn read_text(path: &Path) -> Result<String, ProjectError> {
    std::fs::read_to_string(path).map_err(|source| ProjectError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::{Project, ProjectError};

    #[test]
    fn migrations_come_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("wharf.toml", "name = \"a\"\ncomponent = \"a.wasm\"\n[[routes]]\npath = \"/\"\n");
        let project = Project::open(folder.path()).unwrap();
        assert!(matches!(project.artifact(), Err(ProjectError::NotBuilt { .. })));
        write("a.wasm", "bytes");
        assert!(project.artifact().unwrap().migrations.is_empty());
        std::fs::create_dir(folder.path().join("migrations")).unwrap();
        write("migrations/0002_b.sql", "select 2");
        write("migrations/0001_a.sql", "select 1");
        write("migrations/notes.txt", "not sql");
        let names: Vec<_> = project.artifact().unwrap().migrations.into_iter().map(|m| m.name).collect();
        assert_eq!(names, ["0001_a.sql", "0002_b.sql"]);
    }

    #[test]
    fn a_lone_component_answers_every_path_under_its_own_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("My_Service.wasm");
        std::fs::write(&path, "bytes").unwrap();
        let project = Project::open(&path).unwrap();
        assert_eq!(project.manifest().name, "my-service");
        assert_eq!(project.manifest().routes.len(), 2);
    }

    #[test]
    fn a_broken_manifest_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("wharf.toml"), "nam = \"a\"").unwrap();
        let error = wharf_host::chain(&Project::open(folder.path()).unwrap_err());
        assert!(
            error.contains("wharf.toml` is not valid: unknown key `nam`; did you mean `name`?"),
            "{error}"
        );
    }
}
