//! Buckets in NATS JetStream: a stream for each, in which only the last message of a subject stays, and a subject for
//! each key. A message's place in the stream is its entry's version, and the server takes a message only if the one
//! before it has the place that the writer saw: that gives conditions and counters. Nothing is asked of a server that
//! 2.9 does not have. Times are those of the host.
//!
//! Decided: no consumer or cache stays around for reads. One key is one request to the stream's leader; a scan lets
//! the bucket pass by, since subjects have no order. Nobody keeps keys in memory for that, and no write waits for one
//! who does; who scans large buckets often is better off in a store that has an order.
//!
//! Decided: not `durable`. The server answers a write when its file has it, and by default syncs the file two minutes
//! later; how it is set up, or how often the stream is replicated, it does not tell users. A process that crashes
//! loses nothing, a machine may. Redis is held to the same.
//!
//! A stream is made with one replica when it is first written to. An operator may make it before, or edit it.

mod address;
mod entry;
mod follow;
mod link;
mod litter;
mod reader;
mod room;
mod scan;
#[cfg(test)]
mod tests;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt, ready};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::batch::{Applied, Batch, Change, Stored, charge};
use super::lines::{Line, Lines};
use super::range::Range;
use super::store::{Answer, KvError, Settings, Store, Usage, common, settings};
use super::{BucketConfig, Error, Features, Inbox, now};
use address::Address;
use link::{Intent, Link, Refusal};
use litter::Litter;
use room::Counts;

/// Requests of one operation that are under way at once.
const AT_ONCE: usize = 32;
/// What each write clears away on its side.
const TIDIED: usize = 4;

pub(super) struct Nats {
    address: Address,
    /// One: the client serves all cores.
    lines: Lines<Link>,
    /// Buckets whose streams were seen.
    seen: Mutex<BTreeSet<String>>,
    litter: Litter,
    counts: Counts,
}

impl Nats {
    pub(super) fn open(url: &str) -> Result<Self, KvError> {
        Ok(Self {
            address: Address::parse(url)?,
            lines: Lines::new(0),
            seen: Mutex::default(),
            litter: Litter::default(),
            counts: Counts::default(),
        })
    }

    async fn line(&self) -> Result<Arc<Line<Link>>, Error> {
        let line = self.lines.get(Link::connect(&self.address).boxed()).await?;
        if line.connection.is_lost() {
            line.break_off();
            return self.lines.get(Link::connect(&self.address).boxed()).await;
        }
        Ok(line)
    }

    /// Makes the bucket's stream if it is not there.
    async fn ready(&self, line: &Line<Link>, bucket: &Settings) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Info {
            config: Config,
        }
        #[derive(Deserialize)]
        struct Config {
            max_msgs_per_subject: i64,
        }
        if self.seen().contains(&bucket.name) {
            return Ok(());
        }
        let stream = entry::stream(&bucket.name);
        let look = format!("STREAM.INFO.{stream}");
        let mut found: Result<Info, Refusal> = line.api(&look, &json!({}), Intent::Read).await?;
        if found.as_ref().is_err_and(|refusal| refusal.err_code == Refusal::NO_STREAM) {
            let config = json!({
                "name": stream,
                "description": "a key-value bucket of Wharf",
                "subjects": [entry::subjects(&bucket.name)],
                "retention": "limits",
                "storage": "file",
                "discard": "new",
                "max_msgs_per_subject": 1,
                "max_consumers": -1,
                "max_msgs": -1,
                "max_bytes": -1,
                "max_age": 0,
                "max_msg_size": -1,
                "num_replicas": 1,
                "allow_direct": false,
            });
            found = line.api(&format!("STREAM.CREATE.{stream}"), &config, Intent::Read).await?;
            // Somebody else made it at the same time; or the subjects are those of a stream of another name.
            if found.as_ref().is_err_and(Refusal::is_taken) {
                let again: Result<Info, Refusal> = line.api(&look, &json!({}), Intent::Read).await?;
                found = again.or(found);
            }
        }
        if found?.config.max_msgs_per_subject != 1 {
            let why =
                format!("the stream `{stream}` is no bucket: it keeps more than one message of a subject");
            return Err(Error::Other(why));
        }
        self.seen().insert(bucket.name.clone());
        Ok(())
    }

    fn forget(&self, bucket: &str) {
        self.seen().remove(bucket);
    }

    fn seen(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn apply(
        &self,
        line: &Arc<Line<Link>>,
        bucket: &Settings,
        batch: Batch,
    ) -> Result<Option<Applied>, Error> {
        self.ready(line, bucket).await?;
        let Batch { checks, changes } = batch;
        let changes = match <[Change; 1]>::try_from(changes) {
            Ok([change]) => return self.change(line, bucket, &checks, change).await,
            Err(changes) => changes,
        };
        if !checks.is_empty() {
            return Err(several());
        }
        // The last word on a key counts; then their order is all the same.
        let mut last = BTreeMap::new();
        for change in changes {
            match &change {
                Change::Put { key, .. } | Change::Delete(key) => last.insert(key.clone(), change),
                Change::Increment { .. } => return Err(several()),
            };
        }
        let written = stream::iter(last.into_values())
            .map(|change| self.change(line, bucket, &[], change))
            .buffer_unordered(AT_ONCE)
            .try_fold(0, |version: u64, applied| {
                ready(Ok(applied.map_or(version, |applied| version.max(applied.version))))
            });
        Ok(Some(Applied { version: written.await?, sums: Vec::new() }))
    }
}

fn several() -> Error {
    Error::Unsupported("this bucket has no transactions".to_owned())
}

impl Store for Nats {
    fn features(&self) -> Answer<'_, Features> {
        ready(Ok(common())).boxed()
    }

    fn transacts(&self) -> bool {
        false
    }

    fn get<'a>(
        &'a self,
        bucket: &'a Arc<Settings>,
        keys: &'a [String],
        mut most: usize,
    ) -> Answer<'a, Vec<Option<Stored>>> {
        async move {
            let line = self.line().await?;
            let mut found = Vec::with_capacity(keys.len());
            let reads: Vec<_> = keys.iter().map(|key| self.read(&line, bucket, key)).collect();
            let mut rows = stream::iter(reads).buffered(AT_ONCE);
            while let Some(row) = rows.try_next().await? {
                let stored = row.and_then(|row| row.stored).filter(|stored| stored.is_live(now()));
                charge(&mut most, stored.as_ref())?;
                found.push(stored);
            }
            Ok(found)
        }
        .boxed()
    }

    fn scan<'a>(&'a self, bucket: &'a Arc<Settings>, range: &'a Range) -> Answer<'a, Vec<(String, Stored)>> {
        async move { self.page(&self.line().await?, bucket, range).await }.boxed()
    }

    fn apply<'a>(&'a self, bucket: &'a Arc<Settings>, batch: Batch) -> Answer<'a, Option<Applied>> {
        async move {
            let line = self.line().await?;
            let applied = self.apply(&line, bucket, batch).await?;
            if let Err(error) = self.litter.tidy(&line, Instant::now(), TIDIED).await {
                tracing::debug!(?error, bucket = bucket.name, "what is gone was not cleared away");
            }
            Ok(applied)
        }
        .boxed()
    }

    fn buckets(&self) -> Answer<'_, Vec<(String, Usage)>> {
        #[derive(Deserialize)]
        struct Page {
            total: usize,
            /// Null when there are none.
            streams: Option<Vec<String>>,
        }
        async move {
            let line = self.line().await?;
            let (mut buckets, mut offset) = (Vec::new(), 0);
            loop {
                let asked = json!({ "subject": entry::subjects("*"), "offset": offset });
                let page: Result<Page, Refusal> = line.api("STREAM.NAMES", &asked, Intent::Read).await?;
                let Page { total, streams } = page?;
                let streams = streams.unwrap_or_default();
                offset += streams.len();
                for name in streams.iter().filter_map(|stream| entry::bucket(stream)) {
                    let settings = settings(name, &BucketConfig::default(), false);
                    let usage = self.usage(&line, &settings).await?;
                    if usage.entries > 0 {
                        buckets.push((name.to_owned(), usage));
                    }
                }
                if streams.is_empty() || offset >= total {
                    return Ok(buckets);
                }
            }
        }
        .boxed()
    }

    fn watch<'a>(&'a self, bucket: &'a Arc<Settings>, inbox: &'a Arc<Inbox>) -> BoxFuture<'a, Error> {
        async move {
            let Err(error) = self.follow(bucket, inbox).await;
            error
        }
        .boxed()
    }
}
