//! What a store does, and the stores of one host.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::config::Config;

use super::batch::{Applied, Batch, Stored};
use super::bucket::{Bucket, bounded};
use super::range::Range;
use super::{BucketConfig, Error, Features, Inbox, KvStorage, embedded, memory, nats, postgres, redis};

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KvError {
    /// The folder or the file in it.
    #[error("failed to open the key-value store `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system or the store says, e.g. that another process has it open.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An address that cannot be used. Whether its server answers is not tried.
    #[error("the address of the key-value store {store} is not valid")]
    Address {
        /// As in "in Redis"; never the address itself.
        store: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A bucket's limits.
    #[error("the limits of bucket `{bucket}` cannot be given: {why}")]
    Limits {
        /// Its name.
        bucket: String,
        /// Which one, and what would be right.
        why: String,
    },
}

/// What a store answers.
pub(super) type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// What a store does. Keys, values and buckets were checked; the caller bounds the wait; expired entries are
/// never seen.
pub(super) trait Store: Send + Sync {
    /// Asks the server where only that knows.
    fn features(&self) -> Answer<'_, Features>;
    /// The entries of `keys`, in their order; an error when they take more than `most` bytes.
    fn get<'a>(
        &'a self,
        bucket: &'a Arc<Settings>,
        keys: &'a [String],
        most: usize,
    ) -> Answer<'a, Vec<Option<Stored>>>;
    /// What [`Range::collect`] takes of all entries.
    fn scan<'a>(&'a self, bucket: &'a Arc<Settings>, range: &'a Range) -> Answer<'a, Vec<(String, Stored)>>;
    /// Whether a batch of several changes is applied at one instant; if not, one by one.
    fn transacts(&self) -> bool {
        true
    }
    /// Applies a batch wholly or, when a check does not hold, not at all (none).
    fn apply<'a>(&'a self, bucket: &'a Arc<Settings>, batch: Batch) -> Answer<'a, Option<Applied>>;
    /// The buckets that hold something, by name, and what their entries take.
    fn buckets(&self) -> Answer<'_, Vec<(String, Usage)>>;
    /// Tells the inbox of every key that is written, deleted or expires, from the moment on when it says
    /// [`Inbox::watching`]; ends with why it cannot any more.
    fn watch<'a>(&'a self, bucket: &'a Arc<Settings>, inbox: &'a Arc<Inbox>) -> BoxFuture<'a, Error>;
}

/// What every store can do.
pub(super) fn common() -> Features {
    Features::CONDITIONS | Features::TTL | Features::COUNTERS | Features::ORDERED | Features::WATCH
}

/// One bucket's name and limits.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    /// Bytes.
    pub(super) key: usize,
    pub(super) value: usize,
    pub(super) quota: Quota,
}

/// What all entries of a bucket may take; `u64::MAX` for no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) entries: u64,
    /// Of keys and values.
    pub(super) bytes: u64,
}

/// What the entries of a bucket take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Live ones, and those that have expired and were not cleared away yet.
    pub entries: u64,
    /// Of keys and values.
    pub bytes: u64,
}

impl Usage {
    /// What one entry takes.
    pub(super) fn of(key: &str, value: &[u8]) -> u64 {
        u64::try_from(key.len() + value.len()).unwrap_or(u64::MAX)
    }

    /// With `after` instead of `before` (bytes of one entry; none where there is no entry).
    pub(super) fn replace(self, before: Option<u64>, after: Option<u64>) -> Self {
        let count = |entry: Option<u64>| u64::from(entry.is_some());
        Self {
            entries: (self.entries + count(after)).saturating_sub(count(before)),
            bytes: (self.bytes + after.unwrap_or(0)).saturating_sub(before.unwrap_or(0)),
        }
    }
}

impl Quota {
    /// Refuses what grows beyond it. What shrinks is always taken.
    pub(super) fn check(&self, before: Usage, after: Usage) -> Result<(), Error> {
        if after.entries > self.entries && after.entries > before.entries {
            return Err(Self::full(self.entries, "entries"));
        }
        if after.bytes > self.bytes && after.bytes > before.bytes {
            return Err(Self::full(self.bytes, "bytes"));
        }
        Ok(())
    }

    pub(super) fn full(most: u64, what: &str) -> Error {
        Error::LimitExceeded(format!("the bucket is full: it may hold {most} {what}"))
    }
}

/// What is kept in memory, unless the operator says otherwise.
const MEMORY_BYTES: u64 = 256 << 20;

/// The stores of one host.
#[derive(Clone)]
pub struct Stores(Arc<Inner>);

struct Inner {
    default: Arc<dyn Store>,
    all: Vec<Arc<dyn Store>>,
    default_settings: BucketConfig,
    in_memory: bool,
    buckets: BTreeMap<String, Bucket>,
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stores").field("buckets", &self.0.buckets.keys()).finish_non_exhaustive()
    }
}

impl Stores {
    /// Opens what `config` names; servers are connected to when they are first used.
    ///
    /// # Errors
    /// A folder that cannot be opened, an address that is none, limits that no bucket can have.
    pub fn open(config: &Config) -> Result<Self, KvError> {
        let mut opened: Vec<(KvStorage, Arc<dyn Store>)> = Vec::new();
        let mut store = |storage: &KvStorage| {
            if let Some((_, store)) = opened.iter().find(|(known, _)| known == storage) {
                return Ok(store.clone());
            }
            let store = open(storage, config)?;
            opened.push((storage.clone(), store.clone()));
            Ok(store)
        };
        let default = store(&config.kv)?;
        let mut buckets = BTreeMap::new();
        for (name, bucket) in &config.buckets {
            let storage = bucket.storage.as_ref().unwrap_or(&config.kv);
            check(name, bucket)?;
            let settings = settings(name, bucket, *storage == KvStorage::Memory);
            buckets.insert(name.clone(), Bucket::new(store(storage)?, settings));
        }
        Ok(Self(Arc::new(Inner {
            default,
            all: opened.into_iter().map(|(_, store)| store).collect(),
            default_settings: BucketConfig::default(),
            in_memory: config.kv == KvStorage::Memory,
            buckets,
        })))
    }

    /// The buckets that hold something, in order, and what their entries take.
    ///
    /// # Errors
    /// Whatever keeps a store from answering.
    pub async fn buckets(&self) -> Result<BTreeMap<String, Usage>, Error> {
        let mut buckets = BTreeMap::new();
        for store in &self.0.all {
            for (name, usage) in bounded(store.buckets()).await? {
                // A bucket that was moved may have left something behind where it was.
                if Arc::ptr_eq(store, &self.bucket(&name).store()) {
                    buckets.insert(name, usage);
                }
            }
        }
        Ok(buckets)
    }

    /// A bucket by its name: 1 to 63 of `a-z`, `0-9` and `-`. One that was never written to is empty.
    #[must_use]
    pub fn bucket(&self, name: &str) -> Bucket {
        let inner = &*self.0;
        if let Some(bucket) = inner.buckets.get(name) {
            return bucket.clone();
        }
        Bucket::new(inner.default.clone(), settings(name, &inner.default_settings, inner.in_memory))
    }
}

fn open(storage: &KvStorage, config: &Config) -> Result<Arc<dyn Store>, KvError> {
    let cores = config.cores.get();
    Ok(match storage {
        KvStorage::Memory => Arc::new(memory::Memory::new(config.clock.clone())),
        KvStorage::Folder(folder) => Arc::new(embedded::Embedded::open(folder)?),
        KvStorage::Postgres(url) => Arc::new(postgres::Postgres::open(url, cores)?),
        KvStorage::Redis(url) => Arc::new(redis::Redis::open(url, cores)?),
        KvStorage::Nats(url) => Arc::new(nats::Nats::open(url)?),
    })
}

fn check(name: &str, bucket: &BucketConfig) -> Result<(), KvError> {
    let failed = |why: String| KvError::Limits { bucket: name.to_owned(), why };
    if !(1..=BucketConfig::LONGEST_KEY).contains(&bucket.key) {
        return Err(failed(format!("a key may have 1 to {} bytes", BucketConfig::LONGEST_KEY)));
    }
    if bucket.value > BucketConfig::LARGEST_VALUE {
        return Err(failed(format!("a value may have at most {}", BucketConfig::LARGEST_VALUE)));
    }
    Ok(())
}

pub(super) fn settings(name: &str, bucket: &BucketConfig, in_memory: bool) -> Settings {
    let bytes = match bucket.bytes {
        Some(bytes) => bytes.as_u64(),
        None if in_memory => MEMORY_BYTES,
        None => u64::MAX,
    };
    Settings {
        name: name.to_owned(),
        key: bucket.key,
        value: bucket.value.as_usize(),
        quota: Quota { entries: bucket.entries.unwrap_or(u64::MAX), bytes },
    }
}
