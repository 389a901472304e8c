//! Blobs by the hash of their bytes: the files that artifacts consist of. Whatever is there is whole.
//!
//! A blob is written beside its place, put on the disk, renamed into it, and the folder is put on the disk: a name is never
//! seen before its bytes. What no deployment refers to is taken away once nobody has asked for it for an hour: whoever
//! uploads, or is told that a blob need not be uploaded, makes it young again, so nothing goes between an upload and the
//! deployment that it is for.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::kill_point::kill_point;
use crate::record::is_full;

/// How long a blob stays that no deployment refers to.
const GRACE: Duration = Duration::from_hours(1);

/// Keeps blobs. Implementations may block; the control plane calls them off the threads that serve.
pub trait Artifacts: Send + Sync + 'static {
    /// Whether a blob is there. If so it stays for an hour at least.
    ///
    /// # Errors
    /// A store that cannot be read.
    fn has(&self, sha256: &str) -> Result<bool, BlobError>;

    /// Keeps a blob; once it has returned, the blob survives whatever happens to the process or the machine.
    ///
    /// # Errors
    /// Bytes of another hash, or a store that cannot be written.
    fn put(&self, sha256: &str, bytes: &[u8]) -> Result<(), BlobError>;

    /// The bytes of a blob, checked against its name.
    ///
    /// # Errors
    /// A blob that is not there or is damaged.
    fn get(&self, sha256: &str) -> Result<Bytes, BlobError>;

    /// What is not `referenced`. What writers left half done long ago may go meanwhile.
    ///
    /// # Errors
    /// A store that cannot be read.
    fn unused(&self, referenced: &HashSet<String>) -> Result<Unused, BlobError>;

    /// Takes away those of these blobs that have not been asked for in the last hour; returns how many went.
    fn take_away(&self, names: &[String]) -> usize;
}

/// Blobs that no deployment refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unused {
    /// Bytes of all of them.
    pub bytes: u64,
    /// Those that nobody has asked for in the last hour.
    pub old: Vec<String>,
}

/// Why a blob was not kept, or not found again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// Not 64 hexadecimal digits in lower case.
    #[error("`{0}` is no SHA-256: write 64 hexadecimal digits, lower case")]
    Name(String),
    /// The bytes are others.
    #[error("the bytes are not those of blob `{asked}`: their SHA-256 is `{found}`")]
    Mismatch {
        /// What they should be.
        asked: String,
        /// What they are.
        found: String,
    },
    /// Never uploaded, or taken away since.
    #[error("blob `{0}` is not here: upload it first")]
    Missing(String),
    /// Its bytes changed on the disk.
    #[error("blob `{0}` is damaged on the disk: deploy it again")]
    Damaged(String),
    /// The disk is full. It works again once there is room.
    #[error("there is no room on the disk of `{0}`")]
    Full(String),
    /// The disk failed.
    #[error("failed to {what} `{}`", path.display())]
    Disk {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

/// Blobs in a folder: `<folder>/<first two digits>/<sha256>`.
pub struct Folder {
    root: PathBuf,
    grace: Duration,
    /// Tells files apart that are being written.
    counter: AtomicU64,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Folder {
    /// Blobs below `root`, which is made where it is missing.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn open(root: &Path) -> Result<Self, BlobError> {
        fs::create_dir_all(root).map_err(failed("create", root))?;
        Ok(Self { root: root.to_owned(), grace: GRACE, counter: AtomicU64::new(0) })
    }

    /// Another time than an hour.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    fn path(&self, sha256: &str) -> Result<PathBuf, BlobError> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let first = sha256.get(..2).filter(|_| sha256.len() == 64 && sha256.bytes().all(digit));
        let first = first.ok_or_else(|| BlobError::Name(sha256.to_owned()))?;
        Ok(self.root.join(first).join(sha256))
    }

    /// Whether it may go: unreferenced for longer than the grace.
    fn is_old(&self, path: &Path) -> bool {
        let age = |changed: SystemTime| changed.elapsed().unwrap_or_default();
        fs::metadata(path).and_then(|data| data.modified()).is_ok_and(|changed| age(changed) >= self.grace)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), BlobError> {
        let folder = path.parent().unwrap_or(&self.root);
        if !folder.is_dir() {
            fs::create_dir_all(folder).map_err(failed("create", folder))?;
            sync_folder(&self.root)?;
        }
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let beside = folder.join(format!(".new-{}-{number}", std::process::id()));
        let written = write_new(&beside, bytes).and_then(|()| {
            kill_point(|| "blob-written".to_owned());
            fs::rename(&beside, path).map_err(failed("rename", &beside))?;
            kill_point(|| "blob-named".to_owned());
            sync_folder(folder)
        });
        if written.is_err() {
            let _may_be_gone = fs::remove_file(&beside);
        }
        written
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), BlobError> {
    let mut file = File::create(path).map_err(failed("create", path))?;
    file.write_all(bytes).map_err(failed("write", path))?;
    file.sync_all().map_err(failed("write", path))
}

/// Puts the names in a folder on the disk.
fn sync_folder(folder: &Path) -> Result<(), BlobError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("write", folder))
}

fn failed(what: &'static str, path: &Path) -> impl Fn(io::Error) -> BlobError {
    move |source| {
        if is_full(&source) {
            return BlobError::Full(path.display().to_string());
        }
        BlobError::Disk { what, path: path.to_owned(), source }
    }
}

/// SHA-256 as a blob's name.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Artifacts for Folder {
    fn has(&self, sha256: &str) -> Result<bool, BlobError> {
        let path = self.path(sha256)?;
        let touched = File::options().append(true).open(&path);
        match touched.and_then(|file| file.set_modified(SystemTime::now())) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("touch", &path)(error)),
        }
    }

    fn put(&self, sha256: &str, bytes: &[u8]) -> Result<(), BlobError> {
        let path = self.path(sha256)?;
        let found = self::sha256(bytes);
        if found != sha256 {
            return Err(BlobError::Mismatch { asked: sha256.to_owned(), found });
        }
        if self.has(sha256)? && self.get(sha256).is_ok() {
            return Ok(());
        }
        self.write(&path, bytes)
    }

    fn get(&self, sha256: &str) -> Result<Bytes, BlobError> {
        let path = self.path(sha256)?;
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::Missing(sha256.to_owned()),
            _ => failed("read", &path)(error),
        })?;
        if self::sha256(&bytes) != sha256 {
            // Aside, so that it is missing, and sent again by the next who deploys it.
            let aside = path.with_file_name(format!(".damaged-{sha256}"));
            fs::rename(&path, aside).map_err(failed("rename", &path))?;
            return Err(BlobError::Damaged(sha256.to_owned()));
        }
        Ok(bytes.into())
    }

    fn unused(&self, referenced: &HashSet<String>) -> Result<Unused, BlobError> {
        let mut unused = Unused::default();
        for folder in fs::read_dir(&self.root).map_err(failed("read", &self.root))? {
            let folder = folder.map_err(failed("read", &self.root))?.path();
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if referenced.contains(&name) {
                    continue;
                }
                unused.bytes += fs::metadata(&path).map_or(0, |facts| facts.len());
                if self.is_old(&path) {
                    // Left by a process that ended while it wrote, or set aside: nobody asks for it.
                    if name.starts_with('.') {
                        let _next_time = fs::remove_file(&path);
                    } else {
                        unused.old.push(name);
                    }
                }
            }
        }
        Ok(unused)
    }

    fn take_away(&self, names: &[String]) -> usize {
        let paths = names.iter().filter_map(|name| self.path(name).ok());
        paths.filter(|path| self.is_old(path) && fs::remove_file(path).is_ok()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Folder::open(folder.path()).unwrap();
        let name = sha256(b"one");
        assert!(!blobs.has(&name).unwrap());
        assert!(matches!(blobs.get(&name), Err(BlobError::Missing(_))));
        assert!(matches!(blobs.put(&name, b"two"), Err(BlobError::Mismatch { .. })));
        blobs.put(&name, b"one").unwrap();
        assert_eq!(&blobs.get(&name).unwrap()[..], b"one");
        fs::write(blobs.path(&name).unwrap(), b"o").unwrap();
        assert!(matches!(blobs.get(&name), Err(BlobError::Damaged(_))));
        assert!(!blobs.has(&name).unwrap());
        blobs.put(&name, b"one").unwrap();
        assert_eq!(&blobs.get(&name).unwrap()[..], b"one");
        for name in ["", "../../etc/passwd", &"A".repeat(64), &"é".repeat(32)] {
            assert!(matches!(blobs.has(name), Err(BlobError::Name(_))), "{name}");
        }
    }

    #[test]
    fn what_is_referenced_or_young_is_not_collected() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Folder::open(folder.path()).unwrap();
        let names = [&b"a"[..], b"b", b"c"].map(|bytes| {
            blobs.put(&sha256(bytes), bytes).unwrap();
            sha256(bytes)
        });
        let referenced = HashSet::from([names[0].clone()]);
        assert_eq!(blobs.unused(&referenced).unwrap(), Unused { bytes: 2, old: Vec::new() }, "all are young");
        let aged = |name: &str| {
            let file = File::options().append(true).open(blobs.path(name).unwrap()).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_hours(2)).unwrap();
        };
        names.iter().for_each(|name| aged(name));
        assert!(blobs.has(&names[1]).unwrap(), "asked for: it is young again");
        let old = blobs.unused(&referenced).unwrap().old;
        assert_eq!(old, [names[2].clone()]);
        assert_eq!(blobs.take_away(&names), 2, "whoever asks says what is referenced");
        blobs.put(&names[0], b"a").unwrap();
        assert_eq!(names.map(|name| blobs.has(&name).unwrap()), [true, true, false]);
    }
}
