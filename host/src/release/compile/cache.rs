//! Machine code that is kept between starts. A file is believed only with the seal of this host's own key: wasmtime
//! runs what it is given, and finds few of the flipped bits (21 of 55 files, behaviour.md).
//!
//! One file per component and engine, `<key>.code`: the seal (HMAC-SHA-256 over key and code), then the code. A file
//! that is torn, foreign or old is compiled anew, so nothing here is synced.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use wasmtime::Engine;

use crate::release::hex;

use super::Order;

/// Bytes of all files; the least recently used go first.
const LARGEST: u64 = 4 << 30;
const SEAL: usize = 32;
/// After which nobody writes a file any more.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// Names machine code: the component, what is done to it, and the engine with all its settings and its version.
pub(super) struct Key(String);

impl Key {
    pub(super) fn of(engine: &Engine, order: &Order) -> Self {
        let mut hash = Sum(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hash);
        order.prepare.hash(&mut hash);
        // What decides whether preparing succeeds is part of what is prepared.
        if order.prepare {
            order.memory.hash(&mut hash);
        }
        hash.0.update(&order.component);
        Self(hex(&hash.0.finalize()))
    }
}

/// Wasmtime says what it depends on to a `Hasher`; those of the standard library are not made to be kept.
struct Sum(Sha256);

impl Hasher for Sum {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let sum = self.0.clone().finalize();
        sum.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }
}

/// A folder of machine code.
#[derive(Clone)]
pub(super) struct Cache(Arc<Folder>);

struct Folder {
    path: PathBuf,
    secret: Option<[u8; SEAL]>,
}

impl Cache {
    /// A folder that cannot be used is warned of, and nothing is kept.
    pub(super) fn open(path: &Path) -> Self {
        let secret = secret(path)
            .inspect_err(|error| {
                let path = path.display();
                tracing::warn!(%path, %error, "compiled components are not kept: the folder cannot be used");
            })
            .ok();
        Self(Arc::new(Folder { path: path.to_owned(), secret }))
    }

    pub(super) async fn get(&self, key: &Key) -> Option<Bytes> {
        let (folder, key) = (self.0.clone(), key.0.clone());
        tokio::task::spawn_blocking(move || folder.get(&key)).await.ok()?
    }

    pub(super) async fn put(&self, key: &Key, code: Bytes) {
        let (folder, key) = (self.0.clone(), key.0.clone());
        let kept = tokio::task::spawn_blocking(move || folder.put(&key, &code)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, "a compiled component is not kept");
        }
    }
}

/// The key of the folder's seals, made when there is none.
fn secret(folder: &Path) -> io::Result<[u8; SEAL]> {
    fs::create_dir_all(folder)?;
    let path = folder.join("key");
    let mut secret = [0; SEAL];
    match fs::File::open(&path) {
        // One that is too short is left of a machine that lost its power.
        Ok(mut file) => match file.read_exact(&mut secret) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                fs::remove_file(&path).and_then(|()| self::secret(folder))
            }
            read => read.map(|()| secret),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::File::open("/dev/urandom")?.read_exact(&mut secret)?;
            let file = temporary(folder)?;
            (&file.0).write_all(&secret)?;
            file.0.sync_all()?;
            // Whoever links first has made the key.
            match fs::hard_link(&file.1, &path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => fs::remove_file(&file.1)?,
            }
            let mut file = fs::File::open(&path)?;
            file.read_exact(&mut secret).map(|()| secret)
        }
        Err(error) => Err(error),
    }
}

fn temporary(folder: &Path) -> io::Result<(fs::File, PathBuf)> {
    let path = folder.join(format!("{:016x}.part", fastrand::u64(..)));
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    Ok((file, path))
}

impl Folder {
    fn seal(&self, key: &str, code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut seal = Hmac::<Sha256>::new_from_slice(self.secret.as_ref()?).ok()?;
        seal.update(key.as_bytes());
        seal.update(code);
        Some(seal)
    }

    fn file(&self, key: &str) -> PathBuf {
        self.path.join(format!("{key}.code"))
    }

    fn get(&self, key: &str) -> Option<Bytes> {
        let path = self.file(key);
        let bytes = Bytes::from(fs::read(&path).ok()?);
        let (seal, code) = bytes.split_at_checked(SEAL)?;
        if self.seal(key, code)?.verify_slice(seal).is_err() {
            tracing::warn!(path = %path.display(), "a compiled component was changed on disk: compiling it anew");
            return None;
        }
        // When it was used last, for `trim`.
        let _read_only =
            fs::File::options().append(true).open(&path).and_then(|f| f.set_modified(SystemTime::now()));
        Some(bytes.slice(SEAL..))
    }

    fn put(&self, key: &str, code: &[u8]) -> io::Result<()> {
        let Some(seal) = self.seal(key, code) else { return Ok(()) };
        let (mut file, path) = temporary(&self.path)?;
        let seal = seal.finalize().into_bytes();
        let written = file.write_all(&seal).and_then(|()| file.write_all(code));
        if let Err(error) = written.and_then(|()| fs::rename(&path, self.file(key))) {
            let _full = fs::remove_file(&path);
            return Err(error);
        }
        self.trim()
    }

    /// Removes what was used longest ago, until all fits.
    fn trim(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let (path, facts) = (entry.path(), entry.metadata()?);
            if path.extension().is_some_and(|extension| extension == "part")
                && facts.modified()?.elapsed().is_ok_and(|age| age > ABANDONED)
            {
                fs::remove_file(&path)?;
            }
            if path.extension().is_some_and(|extension| extension == "code") {
                files.push((facts.modified()?, facts.len(), path));
            }
        }
        files.sort();
        let mut sum: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if sum <= LARGEST {
                break;
            }
            fs::remove_file(path)?;
            sum -= size;
        }
        Ok(())
    }
}
