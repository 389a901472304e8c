//! Buckets in this process: fast, linearizable, and gone with it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt, ready};

use crate::bindings::wharf::platform::kv::{Error, Features};

use super::batch::{Applied, Batch, Stored};
use super::range::Range;
use super::{Store, charge, now};

/// After so many batches the expired entries of all buckets are let go.
const SWEEP_EVERY: u64 = 4_096;

#[derive(Default)]
pub(super) struct Memory(Mutex<Buckets>);

#[derive(Default)]
struct Buckets {
    version: u64,
    by_name: HashMap<String, BTreeMap<String, Stored>>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn features(&self) -> Features {
        Features::CONDITIONS
            | Features::TTL
            | Features::COUNTERS
            | Features::TRANSACTIONS
            | Features::ORDERED
            | Features::LINEARIZABLE
    }

    fn get(&self, bucket: &str, keys: &[String], mut most: usize) -> Result<Vec<Option<Stored>>, Error> {
        let (buckets, now) = (self.lock(), now());
        let rows = buckets.by_name.get(bucket);
        let mut get = |key: &String| {
            let stored = rows.and_then(|rows| rows.get(key)).filter(|stored| stored.is_live(now));
            charge(&mut most, stored)?;
            Ok(stored.cloned())
        };
        keys.iter().map(&mut get).collect()
    }

    fn scan(&self, bucket: &str, range: &Range) -> Result<Vec<(String, Stored)>, Error> {
        let buckets = self.lock();
        let Some(rows) = buckets.by_name.get(bucket) else { return Ok(Vec::new()) };
        let rows =
            rows.range((range.from.clone(), range.to.clone())).map(|(k, v)| Ok((k.clone(), v.clone())));
        if range.reverse { range.collect(now(), rows.rev()) } else { range.collect(now(), rows) }
    }

    fn apply(&self, bucket: &str, batch: Batch) -> BoxFuture<'static, Result<Option<Applied>, Error>> {
        ready(self.lock().apply(bucket, batch)).boxed()
    }
}

impl Buckets {
    fn apply(&mut self, bucket: &str, batch: Batch) -> Result<Option<Applied>, Error> {
        let (now, version) = (now(), self.version + 1);
        let rows = self.by_name.entry(bucket.to_owned()).or_default();
        let planned = batch.plan(now, version, |key| Ok(rows.get(key).cloned()))?;
        let Some((writes, applied)) = planned else { return Ok(None) };
        for (key, write) in writes {
            match write {
                Some(stored) => rows.insert(key, stored),
                None => rows.remove(&key),
            };
        }
        self.version = version;
        if version.is_multiple_of(SWEEP_EVERY) {
            self.by_name.values_mut().for_each(|rows| rows.retain(|_, stored| stored.is_live(now)));
        }
        Ok(Some(applied))
    }
}
