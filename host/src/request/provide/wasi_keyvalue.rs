//! `wasi:keyvalue@0.2.0-draft2`: the same buckets for components that were not written for Wharf. A bucket's
//! identifier is a name in `grants.kv`; an empty one is the first of them.

#![expect(unreachable_pub, reason = "the generated bindings re-export the resources of this file")]

use wasmtime::component::{HasSelf, Linker, Resource};

use crate::bindings::keyvalue::wasi::keyvalue::{atomics, batch, store};
use crate::capability::Capability;
use crate::kv::{self, Bucket, Condition, Entry, IncrementItem, PutItem, ScanOptions};
use crate::request::RequestState;

use super::kv::Granted;
use atomics::CasError;
use store::{Error, KeyResponse};

/// Keys of one answer to `list-keys`.
const PAGE: u32 = 1_000;

/// The capability. What it opens is prepared by `wharf:platform/kv`.
pub(super) struct WasiKeyvalue;

/// A value as it was read.
#[derive(Debug)]
pub struct Cas {
    bucket: Bucket,
    key: String,
    entry: Option<Entry>,
}

impl Cas {
    fn bytes(&self) -> usize {
        self.entry.as_ref().map_or(0, |entry| entry.value.len())
    }
}

impl RequestState {
    /// Reads a value to be swapped. It stays here as long as its handle does, out of the guest's memory.
    async fn read(&mut self, bucket: Bucket, key: String) -> Answer<Resource<Cas>> {
        let entry = match bucket.get(key.clone()).await {
            Ok(entry) => entry,
            Err(error) => return Ok(Err(told(error))),
        };
        let cas = Cas { bucket, key, entry };
        if !self.memory.take(cas.bytes()) {
            return Ok(Err(Error::Other("the service reached its memory limit".to_owned())));
        }
        Ok(Ok(self.table.push(cas)?))
    }
}

impl Capability for WasiKeyvalue {
    fn interfaces(&self) -> &'static [&'static str] {
        &[
            "wasi:keyvalue/store@0.2.0-draft2",
            "wasi:keyvalue/atomics@0.2.0-draft2",
            "wasi:keyvalue/batch@0.2.0-draft2",
        ]
    }

    fn link(&self, linker: &mut Linker<RequestState>) -> wasmtime::Result<()> {
        store::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        atomics::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        batch::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }
}

type Answer<T> = wasmtime::Result<Result<T, Error>>;

fn told(error: kv::Error) -> Error {
    match error {
        kv::Error::Denied(_) => Error::AccessDenied,
        error => Error::Other(kv::explain(&error)),
    }
}

fn forever(key: String, value: Vec<u8>) -> PutItem {
    PutItem { key, value, ttl_ms: None }
}

impl store::Host for RequestState {
    async fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        let Some(granted) = self.prepared::<Granted>() else { return Ok(Err(Error::AccessDenied)) };
        let bucket = if identifier.is_empty() {
            granted.first(self.release().manifest())
        } else {
            granted.get(&identifier)
        };
        match bucket {
            Some(bucket) => Ok(Ok(self.table.push(bucket)?)),
            None => Ok(Err(Error::NoSuchStore)),
        }
    }
}

impl store::HostBucket for RequestState {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        let found = self.table.get(&bucket)?.get(key).await;
        Ok(found.map(|entry| entry.map(|entry| entry.value)).map_err(told))
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        let stored = self.table.get(&bucket)?.put(forever(key, value), Condition::Always).await;
        Ok(stored.map(drop).map_err(told))
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        Ok(self.table.get(&bucket)?.delete(key, Condition::Always).await.map(drop).map_err(told))
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        Ok(self.table.get(&bucket)?.get(key).await.map(|entry| entry.is_some()).map_err(told))
    }

    async fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<String>) -> Answer<KeyResponse> {
        let options = ScanOptions {
            prefix: String::new(),
            start: None,
            end: None,
            reverse: false,
            keys_only: true,
            limit: PAGE,
            cursor,
        };
        let page = self.table.get(&bucket)?.scan(options).await;
        Ok(page
            .map(|page| KeyResponse {
                keys: page.entries.into_iter().map(|(key, _)| key).collect(),
                cursor: page.next,
            })
            .map_err(told))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for RequestState {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: i64) -> Answer<i64> {
        let item = IncrementItem { key, delta };
        Ok(self.table.get(&bucket)?.increment(item, 0, None).await.map_err(told))
    }

    async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> wasmtime::Result<Result<(), CasError>> {
        let cas = self.table.delete(cas)?;
        self.memory.give(cas.bytes());
        let Cas { bucket, key, entry } = cas;
        let condition = entry.map_or(Condition::IfAbsent, |entry| Condition::IfVersion(entry.version));
        let swapped = match bucket.put(forever(key.clone(), value), condition).await {
            Ok(version) => version.is_some(),
            Err(error) => return Ok(Err(CasError::StoreError(told(error)))),
        };
        if swapped {
            return Ok(Ok(()));
        }
        Ok(Err(match self.read(bucket, key).await? {
            Ok(cas) => CasError::CasFailed(cas),
            Err(error) => CasError::StoreError(error),
        }))
    }
}

impl atomics::HostCas for RequestState {
    async fn new(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Resource<Cas>> {
        let bucket = self.table.get(&bucket)?.clone();
        self.read(bucket, key).await
    }

    async fn current(&mut self, cas: Resource<Cas>) -> Answer<Option<Vec<u8>>> {
        Ok(Ok(self.table.get(&cas)?.entry.as_ref().map(|entry| entry.value.clone())))
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        let cas = self.table.delete(cas)?;
        self.memory.give(cas.bytes());
        Ok(())
    }
}

impl batch::Host for RequestState {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        let found = self.table.get(&bucket)?.get_many(&keys).await;
        let pair = |(key, entry): (String, Option<Entry>)| entry.map(|entry| (key, entry.value));
        Ok(found.map(|entries| keys.into_iter().zip(entries).map(pair).collect()).map_err(told))
    }

    async fn set_many(&mut self, bucket: Resource<Bucket>, key_values: Vec<(String, Vec<u8>)>) -> Answer<()> {
        let items = key_values.into_iter().map(|(key, value)| forever(key, value)).collect();
        Ok(self.table.get(&bucket)?.put_many(items).await.map_err(told))
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<()> {
        Ok(self.table.get(&bucket)?.delete_many(keys).await.map_err(told))
    }
}
