//! `wharf:platform/kv`: the buckets that a service is granted. What they do is in `crate::kv`.

#![expect(unreachable_pub, reason = "the generated bindings re-export the resources of this file")]

use std::collections::HashMap;
use std::sync::Arc;

use http::Extensions;
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::bindings::wharf::platform::kv::{
    self, Check, Condition, Entry, Error, Features, HostBucket, IncrementItem, Mutation, Page, PutItem,
    ScanOptions, Version,
};
use crate::capability::{Capability, PrepareError};
use crate::kv::Stores;
use crate::manifest::Manifest;
use crate::request::RequestState;

pub use crate::kv::Bucket;

/// The capability.
pub(super) struct Kv {
    stores: Stores,
}

/// The buckets that a service may open.
#[derive(Clone)]
pub(super) struct Granted(Arc<HashMap<String, Bucket>>);

impl Granted {
    pub(super) fn get(&self, name: &str) -> Option<Bucket> {
        self.0.get(name).cloned()
    }

    /// The bucket that the manifest lists first.
    pub(super) fn first(&self, service: &Manifest) -> Option<Bucket> {
        self.get(service.grants.kv.first()?)
    }
}

impl Kv {
    pub(super) fn new(stores: Stores) -> Self {
        Self { stores }
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
        let names = service.grants.kv.iter();
        let granted = names.map(|name| (name.clone(), self.stores.bucket(name))).collect();
        prepared.insert(Granted(Arc::new(granted)));
        Ok(())
    }
}

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl kv::Host for RequestState {}

impl HostBucket for RequestState {
    fn open(&mut self, name: String) -> Answer<Resource<Bucket>> {
        let Some(bucket) = self.prepared::<Granted>().and_then(|granted| granted.get(&name)) else {
            return Ok(Err(Error::Denied(format!("bucket `{name}` is not in this service's `grants.kv`"))));
        };
        Ok(Ok(self.table.push(bucket)?))
    }

    async fn features(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<Features> {
        // The contract has no error here: what is not known is not promised.
        Ok(self.table.get(&bucket)?.features().await.unwrap_or(Features::empty()))
    }

    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Entry>> {
        Ok(self.table.get(&bucket)?.get(key).await)
    }

    async fn get_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<Vec<Option<Entry>>> {
        Ok(self.table.get(&bucket)?.get_many(&keys).await)
    }

    async fn put(
        &mut self,
        bucket: Resource<Bucket>,
        item: PutItem,
        condition: Condition,
    ) -> Answer<Option<Version>> {
        Ok(self.table.get(&bucket)?.put(item, condition).await)
    }

    async fn put_many(&mut self, bucket: Resource<Bucket>, items: Vec<PutItem>) -> Answer<()> {
        Ok(self.table.get(&bucket)?.put_many(items).await)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String, condition: Condition) -> Answer<bool> {
        Ok(self.table.get(&bucket)?.delete(key, condition).await)
    }

    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        item: IncrementItem,
        initial: i64,
        ttl_ms: Option<u64>,
    ) -> Answer<i64> {
        Ok(self.table.get(&bucket)?.increment(item, initial, ttl_ms).await)
    }

    async fn scan(&mut self, bucket: Resource<Bucket>, options: ScanOptions) -> Answer<Page> {
        Ok(self.table.get(&bucket)?.scan(options).await)
    }

    async fn transact(
        &mut self,
        bucket: Resource<Bucket>,
        checks: Vec<Check>,
        mutations: Vec<Mutation>,
    ) -> Answer<Option<Version>> {
        Ok(self.table.get(&bucket)?.transact(checks, mutations).await)
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}
