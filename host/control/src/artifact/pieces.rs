//! An artifact as a list of blobs: what is uploaded, kept, and put together again.

use std::collections::BTreeMap;

use bytes::Bytes;
use wharf_host::{Artifact, Manifest, ManifestError, Migration, StatementFile};

use crate::record::{Piece, Role};

use super::{Artifacts, BlobError, sha256};

/// Files of one artifact, besides which there is something wrong with it.
const MOST: usize = 1_000;

/// Bytes of one artifact: a component of 32 MiB, as much of middleware, and room.
const LARGEST: usize = 128 << 20;

/// A piece and its bytes.
#[derive(Clone, Debug)]
pub struct Blob {
    /// What it is for, and its hash.
    pub piece: Piece,
    /// Its content.
    pub bytes: Bytes,
}

/// Why blobs are no artifact.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PiecesError {
    /// There must be one.
    #[error("the artifact has {found} pieces with the role `{role}`: it needs exactly one")]
    Single {
        /// `manifest` or `component`.
        role: &'static str,
        /// How many there are.
        found: usize,
    },
    /// More than any service needs.
    #[error("the artifact has {0} pieces: at most {MOST} are taken")]
    TooMany(usize),
    /// More bytes than any service needs.
    #[error("the pieces of the artifact have more than {} MiB", LARGEST >> 20)]
    TooLarge,
    /// Uploaded to another service.
    #[error("the manifest is that of service `{found}`, not of `{asked}`")]
    Service {
        /// Where it was sent.
        asked: String,
        /// What it says.
        found: String,
    },
    /// The manifest is wrong.
    #[error("the manifest is not valid")]
    Manifest(#[from] ManifestError),
    /// Not text.
    #[error("`{0}` is not UTF-8")]
    Text(String),
    /// A blob is not there, or cannot be read.
    #[error("a piece of the artifact cannot be read")]
    Blob(#[from] BlobError),
}

/// Takes an artifact apart.
pub(super) fn pack(manifest: &str, artifact: Artifact) -> Vec<Blob> {
    let blob = |role, name: String, bytes: Bytes| {
        let piece = Piece { role, name, sha256: sha256(&bytes) };
        Blob { piece, bytes }
    };
    let mut blobs = vec![
        blob(Role::Manifest, String::new(), Bytes::copy_from_slice(manifest.as_bytes())),
        blob(Role::Component, String::new(), artifact.component),
    ];
    let migrations = artifact.migrations.into_iter();
    blobs.extend(migrations.map(|file| blob(Role::Migration, file.name, file.sql.into())));
    let statements = artifact.statements.into_iter();
    blobs.extend(statements.map(|file| blob(Role::Statements, file.name, file.sql.into())));
    blobs.extend(artifact.files.into_iter().map(|(name, bytes)| blob(Role::File, name, bytes)));
    blobs
}

/// Whether a list can be an artifact at all.
pub(crate) fn check(pieces: &[Piece]) -> Result<(), PiecesError> {
    for (role, name) in [(Role::Manifest, "manifest"), (Role::Component, "component")] {
        let found = pieces.iter().filter(|piece| piece.role == role).count();
        if found != 1 {
            return Err(PiecesError::Single { role: name, found });
        }
    }
    if pieces.len() > MOST { Err(PiecesError::TooMany(pieces.len())) } else { Ok(()) }
}

/// Puts an artifact together.
pub(crate) fn unpack(
    service: &str,
    pieces: &[Piece],
    artifacts: &dyn Artifacts,
) -> Result<Artifact, PiecesError> {
    check(pieces)?;
    let mut left = LARGEST;
    let mut read = |sha256: &str| -> Result<Bytes, PiecesError> {
        let bytes = artifacts.get(sha256)?;
        left = left.checked_sub(bytes.len()).ok_or(PiecesError::TooLarge)?;
        Ok(bytes)
    };
    let named = |role| pieces.iter().filter(move |piece: &&Piece| piece.role == role);
    let sha256 = |role| named(role).next().map(|piece| &*piece.sha256).unwrap_or_default();
    let manifest = Manifest::parse(&text("wharf.toml", &read(sha256(Role::Manifest))?)?)?;
    if manifest.name != service {
        return Err(PiecesError::Service { asked: service.to_owned(), found: manifest.name });
    }
    let component = read(sha256(Role::Component))?;
    let (mut migrations, mut statements, mut files) = (Vec::new(), Vec::new(), BTreeMap::new());
    for piece in pieces {
        let name = piece.name.clone();
        match piece.role {
            Role::Migration => migrations.push(Migration { sql: text(&name, &read(&piece.sha256)?)?, name }),
            Role::Statements => {
                statements.push(StatementFile { sql: text(&name, &read(&piece.sha256)?)?, name })
            }
            Role::File => {
                files.insert(name, read(&piece.sha256)?);
            }
            Role::Manifest | Role::Component => {}
        }
    }
    Ok(Artifact { manifest, component, migrations, statements, files })
}

/// Whether the manifest says that this is a guard for others; no, where it cannot be read.
pub(crate) fn is_guard(pieces: &[Piece], artifacts: &dyn Artifacts) -> bool {
    let manifest = pieces.iter().find(|piece| piece.role == Role::Manifest);
    let bytes = manifest.and_then(|piece| artifacts.get(&piece.sha256).ok());
    let text = bytes.and_then(|bytes| text("wharf.toml", &bytes).ok());
    text.and_then(|text| Manifest::parse(&text).ok()).is_some_and(|manifest| manifest.guard)
}

fn text(name: &str, bytes: &[u8]) -> Result<String, PiecesError> {
    String::from_utf8(bytes.to_vec()).map_err(|_told| PiecesError::Text(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Folder, Project};

    #[test]
    fn an_artifact_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "wharf.toml",
            "name = \"a\"\ncomponent = \"a.wasm\"\n[[routes]]\npath = \"/\"\n[grants]\npg = [\"main\"]\n\
             [sql]\nfiles = [\"queries.sql\"]\n",
        );
        write("a.wasm", "bytes");
        write("queries.sql", "select 1;");
        write("migrations/1.sql", "select 2");
        let project = Project::open(folder.path()).unwrap();
        let blobs = project.blobs().unwrap();
        let kept = Folder::open(&folder.path().join("blobs")).unwrap();
        let pieces: Vec<Piece> = blobs.iter().map(|blob| blob.piece.clone()).collect();
        assert!(matches!(unpack("a", &pieces, &kept), Err(PiecesError::Blob(BlobError::Missing(_)))));
        blobs.iter().for_each(|blob| kept.put(&blob.piece.sha256, &blob.bytes).unwrap());
        let (before, after) = (project.artifact().unwrap(), unpack("a", &pieces, &kept).unwrap());
        assert_eq!(format!("{before:?}"), format!("{after:?}"));
        assert!(matches!(unpack("b", &pieces, &kept), Err(PiecesError::Service { .. })));
        assert!(matches!(check(&pieces[1..]), Err(PiecesError::Single { role: "manifest", found: 0 })));
    }

    #[test]
    fn a_lone_components_manifest_can_be_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hello.wasm");
        std::fs::write(&path, "bytes").unwrap();
        let project = Project::open(&path).unwrap();
        let text = project.blobs().unwrap()[0].bytes.clone();
        assert_eq!(Manifest::parse(std::str::from_utf8(&text).unwrap()).unwrap(), *project.manifest());
    }
}
