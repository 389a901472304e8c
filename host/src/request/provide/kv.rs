//! `wharf:platform/kv`: buckets over whatever backend the host is configured with.
//! This file checks arguments and grants; `kv/batch.rs` holds the semantics; the others store.

#![expect(unreachable_pub, reason = "the generated bindings re-export the resources of this file")]

mod batch;
mod embedded;
mod memory;
mod range;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use http::Extensions;
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::bindings::wharf::platform::kv::{
    self, Check, Condition, Entry, Error, Features, HostBucket, IncrementItem, Mutation, Page, PutItem,
    ScanOptions, Version,
};
use crate::capability::{Capability, PrepareError};
use crate::config::KvStorage;
use crate::manifest::Manifest;
use crate::request::RequestState;

use batch::{Applied, Batch, Change, Stored};
use range::Range;

/// Bounds of `wit/kv.wit`.
const LONGEST_KEY: usize = 1_024;
const LARGEST_VALUE: usize = 1 << 20;
const MOST_ITEMS: usize = 1_000;
/// Bytes of values that one `get-many` gives; a scan gives as many and goes on with its cursor.
const LARGEST_ANSWER: usize = 4 << 20;

/// Why the store did not open.
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
}

/// What a backend does. Keys and buckets were checked; expired entries are never seen.
trait Store: Send + Sync {
    fn features(&self) -> Features;
    /// The entries of `keys`, in their order; an error when they take more than `most` bytes.
    fn get(&self, bucket: &str, keys: &[String], most: usize) -> Result<Vec<Option<Stored>>, Error>;
    fn scan(&self, bucket: &str, range: &Range) -> Result<Vec<(String, Stored)>, Error>;
    /// Applies a batch wholly or, when a check does not hold, not at all (none).
    fn apply(&self, bucket: &str, batch: Batch) -> BoxFuture<'static, Result<Option<Applied>, Error>>;
}

/// The capability.
pub(super) struct Kv {
    store: Arc<dyn Store>,
}

/// The buckets that a service may open.
#[derive(Clone)]
struct Buckets {
    store: Arc<dyn Store>,
    granted: Arc<HashSet<String>>,
}

/// One open bucket.
pub struct Bucket {
    store: Arc<dyn Store>,
    name: String,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bucket({})", self.name)
    }
}

impl Kv {
    pub(super) fn open(storage: &KvStorage) -> Result<Self, KvError> {
        let store: Arc<dyn Store> = match storage {
            KvStorage::Memory => Arc::new(memory::Memory::default()),
            KvStorage::Folder(folder) => Arc::new(embedded::Embedded::open(folder)?),
        };
        Ok(Self { store })
    }
}

impl Capability for Kv {
    fn interfaces(&self) -> &'static [&'static str] {
        &["wharf:platform/kv@0.1.0"]
    }

    fn link(&self, linker: &mut Linker<RequestState>) -> wasmtime::Result<()> {
        kv::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }

    fn prepare(&self, service: &Manifest, prepared: &mut Extensions) -> Result<(), PrepareError> {
        let granted = Arc::new(service.grants.kv.iter().cloned().collect());
        prepared.insert(Buckets { store: self.store.clone(), granted });
        Ok(())
    }
}

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl kv::Host for RequestState {}

impl HostBucket for RequestState {
    fn open(&mut self, name: String) -> Answer<Resource<Bucket>> {
        let buckets = self.prepared::<Buckets>().filter(|buckets| buckets.granted.contains(&name));
        let Some(buckets) = buckets else {
            return Ok(Err(Error::Denied(format!("bucket `{name}` is not in this service's `grants.kv`"))));
        };
        let store = buckets.store.clone();
        Ok(Ok(self.table.push(Bucket { store, name })?))
    }

    fn features(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<Features> {
        Ok(self.table.get(&bucket)?.store.features())
    }

    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Entry>> {
        let found = self.table.get(&bucket)?.get(&[key]);
        Ok(found.map(|mut entries| entries.pop().flatten()))
    }

    async fn get_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<Vec<Option<Entry>>> {
        Ok(self.table.get(&bucket)?.get(&keys))
    }

    async fn put(
        &mut self,
        bucket: Resource<Bucket>,
        item: PutItem,
        condition: Condition,
    ) -> Answer<Option<Version>> {
        let check = Check { key: item.key.clone(), condition };
        let applied = self.table.get(&bucket)?.apply(vec![check], vec![put(item)]).await;
        Ok(applied.map(|applied| applied.map(|a| a.version)))
    }

    async fn put_many(&mut self, bucket: Resource<Bucket>, items: Vec<PutItem>) -> Answer<()> {
        let changes = items.into_iter().map(put).collect();
        Ok(self.table.get(&bucket)?.apply(Vec::new(), changes).await.map(drop))
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String, condition: Condition) -> Answer<bool> {
        let exists = Check { key: key.clone(), condition: Condition::IfPresent };
        let checks = vec![exists, Check { key: key.clone(), condition }];
        let applied = self.table.get(&bucket)?.apply(checks, vec![Change::Delete(key)]).await;
        Ok(applied.map(|applied| applied.is_some()))
    }

    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        item: IncrementItem,
        initial: i64,
        ttl_ms: Option<u64>,
    ) -> Answer<i64> {
        let change = Change::Increment { key: item.key, delta: item.delta, initial, ttl_ms };
        let applied = self.table.get(&bucket)?.apply(Vec::new(), vec![change]).await;
        Ok(applied.and_then(|applied| {
            let sum = applied.and_then(|a| a.sums.first().copied());
            sum.ok_or_else(|| Error::Other("the store gave no sum".to_owned()))
        }))
    }

    async fn scan(&mut self, bucket: Resource<Bucket>, options: ScanOptions) -> Answer<Page> {
        let bucket = self.table.get(&bucket)?;
        Ok(range::page(options, |range| bucket.store.scan(&bucket.name, range)))
    }

    async fn transact(
        &mut self,
        bucket: Resource<Bucket>,
        checks: Vec<Check>,
        mutations: Vec<Mutation>,
    ) -> Answer<Option<Version>> {
        let changes = mutations.into_iter().map(change).collect();
        let applied = self.table.get(&bucket)?.apply(checks, changes).await;
        Ok(applied.map(|applied| applied.map(|a| a.version)))
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl Bucket {
    fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, Error> {
        check_count(keys.len())?;
        keys.iter().try_for_each(|key| check_key(key))?;
        let found = self.store.get(&self.name, keys, LARGEST_ANSWER)?;
        Ok(found.into_iter().map(|stored| stored.map(Entry::from)).collect())
    }

    async fn apply(&self, checks: Vec<Check>, changes: Vec<Change>) -> Result<Option<Applied>, Error> {
        check_count(checks.len().max(changes.len()))?;
        checks.iter().try_for_each(|check| check_key(&check.key))?;
        changes.iter().try_for_each(check_change)?;
        self.store.apply(&self.name, Batch { checks, changes }).await
    }
}

/// Takes a value's bytes from what an answer may have.
fn charge(left: &mut usize, stored: Option<&Stored>) -> Result<(), Error> {
    let bytes = stored.map_or(0, |stored| stored.value.len());
    let too_many = || Error::LimitExceeded(format!("the values have more than {} MiB", LARGEST_ANSWER >> 20));
    *left = left.checked_sub(bytes).ok_or_else(too_many)?;
    Ok(())
}

fn put(item: PutItem) -> Change {
    Change::Put { key: item.key, value: item.value, ttl_ms: item.ttl_ms }
}

fn change(mutation: Mutation) -> Change {
    match mutation {
        Mutation::Put(item) => put(item),
        Mutation::Delete(key) => Change::Delete(key),
        Mutation::Increment(item) => {
            Change::Increment { key: item.key, delta: item.delta, initial: 0, ttl_ms: None }
        }
    }
}

fn check_count(count: usize) -> Result<(), Error> {
    if count <= MOST_ITEMS {
        return Ok(());
    }
    Err(Error::LimitExceeded(format!("{count} items in one call; at most {MOST_ITEMS} are taken")))
}

fn check_key(key: &str) -> Result<(), Error> {
    match key.len() {
        0 => Err(Error::InvalidArgument("the key is empty".to_owned())),
        1..=LONGEST_KEY => Ok(()),
        length => {
            Err(Error::LimitExceeded(format!("the key has {length} bytes; at most {LONGEST_KEY} are taken")))
        }
    }
}

fn check_change(change: &Change) -> Result<(), Error> {
    let (key, value, ttl) = match change {
        Change::Put { key, value, ttl_ms } => (key, value.len(), *ttl_ms),
        Change::Delete(key) => (key, 0, None),
        Change::Increment { key, ttl_ms, .. } => (key, 0, *ttl_ms),
    };
    check_key(key)?;
    if value > LARGEST_VALUE {
        let why = format!("the value has {value} bytes; at most {LARGEST_VALUE} are taken");
        return Err(Error::LimitExceeded(why));
    }
    if ttl == Some(0) {
        return Err(Error::InvalidArgument("the ttl is 0: delete the key instead".to_owned()));
    }
    Ok(())
}

/// Unix time in milliseconds.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl From<Stored> for Entry {
    fn from(stored: Stored) -> Self {
        Self { value: stored.value, version: stored.version, expires_at: stored.expires_at }
    }
}
