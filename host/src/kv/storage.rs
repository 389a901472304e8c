//! Where buckets are kept, and how much they may hold: what an operator decides.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::manifest::ByteSize;

/// Where buckets are kept.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KvStorage {
    /// In this process, gone with it.
    Memory,
    /// In a file `kv.redb` in this folder, which one process may have open; a write that was answered survives a
    /// crash.
    Folder(PathBuf),
    /// In a table of a PostgreSQL database, `wharf_kv.entries`: its address, as in
    /// [`DatabaseConfig`](crate::DatabaseConfig).
    Postgres(String),
    /// In a Redis or Valkey server: `redis://`, `rediss://` (TLS) or `redis+unix://`, with user, password and the
    /// number of a database.
    Redis(String),
    /// In NATS JetStream, a stream per bucket: `nats://` or `tls://`, with user and password or a token.
    Nats(String),
}

/// Why a text names no storage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no storage: use `memory`, a folder, or an address with postgres://, redis://, rediss:// or nats://"
)]
pub struct StorageError(String);

impl FromStr for KvStorage {
    type Err = StorageError;

    /// `memory`, an address by its scheme, or else a folder.
    fn from_str(text: &str) -> Result<Self, StorageError> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        match scheme {
            Some("postgres" | "postgresql") => Ok(Self::Postgres(text.to_owned())),
            Some("redis" | "rediss" | "valkey" | "valkeys" | "redis+unix" | "unix") => {
                Ok(Self::Redis(text.to_owned()))
            }
            Some("nats" | "tls") => Ok(Self::Nats(text.to_owned())),
            // The rest of it may hold a password.
            Some(other) => Err(StorageError(format!("{other}://"))),
            None if text.is_empty() => Err(StorageError(String::new())),
            None if text == "memory" => Ok(Self::Memory),
            None => Ok(Self::Folder(PathBuf::from(text))),
        }
    }
}

impl fmt::Debug for KvStorage {
    /// Leaves addresses out: they may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("Memory"),
            Self::Folder(folder) => f.debug_tuple("Folder").field(folder).finish(),
            Self::Postgres(_) => f.write_str("Postgres"),
            Self::Redis(_) => f.write_str("Redis"),
            Self::Nats(_) => f.write_str("Nats"),
        }
    }
}

/// One bucket: where it is kept and how much it may hold. What does not fit is `limit-exceeded`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BucketConfig {
    /// None: where the host keeps all that it is told nothing of.
    pub storage: Option<KvStorage>,
    /// Bytes of one key. Default and most: 1,024.
    pub key: usize,
    /// Bytes of one value. Default 1 MiB, at most 4 MiB: half of what a guest may hand over in one call.
    pub value: ByteSize,
    /// Entries. Default: as many as their bytes allow.
    pub entries: Option<u64>,
    /// Bytes of all keys and values together. Default: 256 MiB in memory, elsewhere none. In PostgreSQL and NATS,
    /// writes at the same moment may exceed this and `entries` by what they write.
    pub bytes: Option<ByteSize>,
}

impl BucketConfig {
    /// Bytes of the longest key that any bucket takes.
    pub const LONGEST_KEY: usize = 1_024;
    /// Bytes of the largest value that any bucket takes.
    pub const LARGEST_VALUE: ByteSize = ByteSize::mib(4);
}

impl Default for BucketConfig {
    fn default() -> Self {
        Self { storage: None, key: Self::LONGEST_KEY, value: ByteSize::mib(1), entries: None, bytes: None }
    }
}

#[cfg(test)]
mod tests {
    use super::{KvStorage, PathBuf};

    #[test]
    fn a_storage_is_told_by_its_scheme_and_never_shows_its_password() {
        let cases = [
            ("memory", KvStorage::Memory),
            ("./memory", KvStorage::Folder(PathBuf::from("./memory"))),
            ("/var/lib/wharf", KvStorage::Folder(PathBuf::from("/var/lib/wharf"))),
            ("redis://:secret@h/0", KvStorage::Redis("redis://:secret@h/0".into())),
            ("postgresql://h/d", KvStorage::Postgres("postgresql://h/d".into())),
            ("nats://h:4222", KvStorage::Nats("nats://h:4222".into())),
        ];
        for (text, storage) in cases {
            assert_eq!(text.parse(), Ok(storage.clone()));
            assert!(!format!("{storage:?}").contains("secret"));
        }
        let error = "mysql://u:secret@h".parse::<KvStorage>().unwrap_err().to_string();
        assert!(error.contains("mysql://") && !error.contains("secret"), "{error}");
        assert!("".parse::<KvStorage>().is_err());
    }
}
