//! Buckets in this process: fast, linearizable, and gone with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt, ready};

use crate::clock::{Clock, unix_millis};

use super::batch::{Applied, Batch, Stored, charge};
use super::inbox::{Feeds, SWEEP};
use super::range::Range;
use super::store::{Answer, Settings, Store, Usage, common};
use super::{Error, Features, Inbox};

/// Expired entries that one batch clears away, or twice as many as it writes: none pile up.
const LEAST_SWEPT: usize = 64;

pub(super) struct Memory {
    clock: Arc<dyn Clock>,
    buckets: Mutex<Buckets>,
    feeds: Feeds,
}

#[derive(Default)]
struct Buckets {
    version: u64,
    by_name: HashMap<String, Rows>,
}

#[derive(Default)]
struct Rows {
    entries: BTreeMap<String, Stored>,
    expiries: BTreeSet<(u64, String)>,
    usage: Usage,
}

impl Memory {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, buckets: Mutex::default(), feeds: Feeds::default() }
    }

    fn now(&self) -> u64 {
        unix_millis(self.clock.now())
    }

    fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, bucket: &str, keys: &[String], mut most: usize) -> Result<Vec<Option<Stored>>, Error> {
        let (buckets, now) = (self.lock(), self.now());
        let rows = buckets.by_name.get(bucket);
        let mut get = |key: &String| {
            let stored = rows.and_then(|rows| rows.entries.get(key)).filter(|stored| stored.is_live(now));
            charge(&mut most, stored)?;
            Ok(stored.cloned())
        };
        keys.iter().map(&mut get).collect()
    }

    fn scan(&self, bucket: &str, range: &Range) -> Result<Vec<(String, Stored)>, Error> {
        let mut buckets = self.lock();
        let Some(rows) = buckets.by_name.get_mut(bucket) else { return Ok(Vec::new()) };
        // Once: no other scan walks over them again.
        let expired = rows.sweep(self.now(), usize::MAX);
        self.feeds.tell(bucket, &expired);
        let rows = rows.entries.range((range.from.clone(), range.to.clone()));
        let now = self.now();
        let rows = rows.map(|(key, stored)| {
            let wanted = stored.is_live(now) && !range.keys_only;
            let value = if wanted { stored.value.clone() } else { Vec::new() };
            Ok((key.clone(), Stored { value, ..*stored }))
        });
        if range.reverse { range.collect(now, rows.rev()) } else { range.collect(now, rows) }
    }

    fn apply(&self, bucket: &Settings, batch: Batch) -> Result<Option<Applied>, Error> {
        let mut buckets = self.lock();
        let (now, version) = (self.now(), buckets.version + 1);
        if !buckets.by_name.contains_key(&bucket.name) {
            buckets.by_name.insert(bucket.name.clone(), Rows::default());
        }
        let Some(rows) = buckets.by_name.get_mut(&bucket.name) else { return Ok(None) };
        let most = LEAST_SWEPT.max(2 * batch.changes.len());
        let mut changed = rows.sweep(now, most);
        let applied = rows.apply(bucket, batch, now, version, &mut changed);
        buckets.version = version;
        // Under the lock: watchers learn of changes in their order.
        self.feeds.tell(&bucket.name, &changed);
        applied
    }
}

impl Store for Memory {
    fn features(&self) -> Answer<'_, Features> {
        let features = common() | Features::TRANSACTIONS | Features::LINEARIZABLE;
        ready(Ok(features)).boxed()
    }

    fn get<'a>(
        &'a self,
        bucket: &'a Arc<Settings>,
        keys: &'a [String],
        most: usize,
    ) -> Answer<'a, Vec<Option<Stored>>> {
        ready(self.get(&bucket.name, keys, most)).boxed()
    }

    fn scan<'a>(&'a self, bucket: &'a Arc<Settings>, range: &'a Range) -> Answer<'a, Vec<(String, Stored)>> {
        ready(self.scan(&bucket.name, range)).boxed()
    }

    fn apply<'a>(&'a self, bucket: &'a Arc<Settings>, batch: Batch) -> Answer<'a, Option<Applied>> {
        ready(self.apply(bucket, batch)).boxed()
    }

    fn buckets(&self) -> Answer<'_, Vec<(String, Usage)>> {
        let buckets = self.lock();
        let used = buckets.by_name.iter().filter(|(_, rows)| rows.usage.entries > 0);
        ready(Ok(used.map(|(name, rows)| (name.clone(), rows.usage)).collect())).boxed()
    }

    fn watch<'a>(&'a self, bucket: &'a Arc<Settings>, inbox: &'a Arc<Inbox>) -> BoxFuture<'a, Error> {
        async move {
            self.feeds.add(&bucket.name, inbox);
            inbox.watching(true);
            loop {
                tokio::time::sleep(SWEEP).await;
                let mut buckets = self.lock();
                let Some(rows) = buckets.by_name.get_mut(&bucket.name) else { continue };
                let expired = rows.sweep(self.now(), usize::MAX);
                self.feeds.tell(&bucket.name, &expired);
            }
        }
        .boxed()
    }
}

impl Rows {
    fn apply(
        &mut self,
        bucket: &Settings,
        batch: Batch,
        now: u64,
        version: u64,
        changed: &mut Vec<String>,
    ) -> Result<Option<Applied>, Error> {
        let planned = batch.plan(
            now,
            version,
            |key| Ok(self.entries.get(key).map(Stored::mark)),
            |key| Ok(self.entries.get(key).cloned()),
        )?;
        let Some((writes, applied)) = planned else { return Ok(None) };
        let after = writes.iter().fold(self.usage, |usage, (key, write)| {
            let size = |stored: &Stored| Usage::of(key, &stored.value);
            usage.replace(self.entries.get(key).map(size), write.as_ref().map(size))
        });
        if bucket.quota.check(self.usage, after).is_err() {
            // What has expired takes no room. What is written again counts as it did.
            let (before, kept) = (self.usage, |key: &String| writes.contains_key(key));
            let expired: Vec<String> = self.expired(now).filter(|key| !kept(key)).collect();
            expired.iter().for_each(|key| self.write(key, None));
            changed.extend(expired);
            let freed = |before: u64, left: u64, after: u64| after.saturating_sub(before - left);
            let after = Usage {
                entries: freed(before.entries, self.usage.entries, after.entries),
                bytes: freed(before.bytes, self.usage.bytes, after.bytes),
            };
            bucket.quota.check(self.usage, after)?;
        }
        for (key, write) in writes {
            self.write(&key, write);
            changed.push(key);
        }
        Ok(Some(applied))
    }

    fn write(&mut self, key: &str, write: Option<Stored>) {
        let after = write.as_ref().map(|stored| Usage::of(key, &stored.value));
        if let Some(at) = write.as_ref().and_then(|stored| stored.expires_at) {
            self.expiries.insert((at, key.to_owned()));
        }
        let expires_at = write.as_ref().and_then(|stored| stored.expires_at);
        let before = match write {
            Some(stored) => self.entries.insert(key.to_owned(), stored),
            None => self.entries.remove(key),
        };
        if let Some(at) = before.as_ref().and_then(|stored| stored.expires_at)
            && expires_at != Some(at)
        {
            self.expiries.remove(&(at, key.to_owned()));
        }
        self.usage = self.usage.replace(before.map(|stored| Usage::of(key, &stored.value)), after);
    }

    fn expired(&self, now: u64) -> impl Iterator<Item = String> {
        self.expiries.iter().take_while(move |(at, _)| *at <= now).map(|(_, key)| key.clone())
    }

    /// Lets expired entries go, the oldest first, and gives their keys.
    fn sweep(&mut self, now: u64, most: usize) -> Vec<String> {
        let mut keys = Vec::new();
        while keys.len() < most && self.expiries.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.expiries.pop_first() else { break };
            self.write(&key, None);
            keys.push(key);
        }
        keys
    }
}
