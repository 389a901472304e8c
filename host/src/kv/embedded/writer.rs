//! The one thread that writes: all batches that wait share a redb transaction, and thereby a sync.

use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;

use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table, TableError, WriteTransaction,
};
use tokio::sync::{mpsc, oneshot};

use crate::kv::batch::{Applied, Batch, Mark, Stored, Writes};
use crate::kv::inbox::Feeds;
use crate::kv::store::{Settings, Usage};
use crate::kv::{Error, now};

use super::file::File;
use super::{COUNTERS, ENTRIES, EXPIRIES, FULL, Row, USAGES, read, unavailable};

/// Batches that share one commit.
const MOST_TOGETHER: usize = 256;
/// Expired entries that one commit clears away, or twice as many as it writes: none pile up.
const LEAST_SWEPT: usize = 256;
/// The same when a watcher or a scan asks for it.
const SWEPT_ON_REQUEST: usize = 10_000;

/// A batch for a bucket, or a look for what has expired.
pub(super) struct Job {
    pub(super) work: Option<(Arc<Settings>, Batch)>,
    pub(super) reply: oneshot::Sender<Result<Option<Applied>, Error>>,
}

/// For whoever asked: a full disk is a limit.
fn told(error: Error) -> Error {
    match error {
        Error::Unavailable(text) if text == FULL => Error::LimitExceeded(text),
        error => error,
    }
}

/// Counts what a file holds that was written before usages were kept.
pub(super) fn count_usages(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut usages = transaction.open_table(USAGES)?;
        let entries = transaction.open_table(ENTRIES)?;
        if usages.is_empty()? && !entries.is_empty()? {
            let mut counted: BTreeMap<String, Usage> = BTreeMap::new();
            for row in entries.iter()? {
                let (key, row) = row?;
                let (bucket, key) = key.value();
                let usage = counted.entry(bucket.to_owned()).or_default();
                *usage = usage.replace(None, Some(Usage::of(key, row.value().2)));
            }
            for (bucket, usage) in counted {
                usages.insert(bucket.as_str(), (usage.entries, usage.bytes))?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Runs on the writer's thread until the store is dropped.
pub(super) fn write_all(file: &File, feeds: &Feeds, mut jobs: mpsc::Receiver<Job>) {
    let mut together = Vec::with_capacity(MOST_TOGETHER);
    while jobs.blocking_recv_many(&mut together, MOST_TOGETHER) > 0 {
        let (replies, batches): (Vec<_>, Vec<_>) =
            together.drain(..).map(|job| (job.reply, job.work)).unzip();
        let before = file.database().and_then(|database| last_version(&database));
        match file.database().and_then(|database| commit(&database, batches)) {
            Ok((results, changed)) => {
                changed.iter().for_each(|(bucket, key)| feeds.tell(bucket, slice::from_ref(key)));
                replies.into_iter().zip(results).for_each(|(reply, result)| drop(reply.send(result)));
            }
            Err(error) => {
                tracing::error!(?error, "the key-value store did not commit; opening it again");
                file.reopen();
                let error = told(settled(file, error, &before));
                feeds.missed();
                replies.into_iter().for_each(|reply| drop(reply.send(Err(error.clone()))));
            }
        }
    }
}

/// The version given last.
fn last_version(database: &Database) -> Result<u64, Error> {
    match database.begin_read().map_err(unavailable)?.open_table(COUNTERS) {
        Ok(counters) => Ok(counters.get("version").map_err(unavailable)?.map_or(0, |row| row.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(unavailable(error)),
    }
}

/// What is known of a commit that failed, now that the file was opened again: it is not there when no version was
/// given since.
fn settled(file: &File, error: Error, before: &Result<u64, Error>) -> Error {
    let Error::ConnectionLost(text) = error else { return error };
    match (before, file.database().and_then(|database| last_version(&database))) {
        (Ok(before), Ok(after)) if *before == after => Error::Unavailable(text),
        _ => Error::ConnectionLost(text),
    }
}

type Results = Vec<Result<Option<Applied>, Error>>;
/// Buckets and keys.
type Changed = Vec<(String, String)>;

/// Applies all batches and syncs; an error means that none of them happened.
fn commit(
    database: &Database,
    batches: Vec<Option<(Arc<Settings>, Batch)>>,
) -> Result<(Results, Changed), Error> {
    let transaction = database.begin_write().map_err(unavailable)?;
    let mut writer = Tables::open(&transaction)?;
    let mut results = Vec::with_capacity(batches.len());
    // First: what has expired takes no room.
    let changes = |work: &Option<(Arc<Settings>, Batch)>| work.as_ref().map_or(0, |(_, b)| b.changes.len());
    let asked = if batches.iter().any(Option::is_none) { SWEPT_ON_REQUEST } else { LEAST_SWEPT };
    let most = asked.max(2 * batches.iter().map(changes).sum::<usize>());
    writer.sweep(most)?;
    for work in batches {
        let result = match work {
            Some((bucket, batch)) => writer.apply(&bucket, batch),
            None => Ok(None),
        };
        match result {
            // Of the file, not of the batch.
            Err(error @ Error::Unavailable(_)) => return Err(error),
            result => results.push(result),
        }
    }
    let changed = writer.finish()?;
    // Whether a commit that failed while it synced is there after a restart is not known.
    transaction.commit().map_err(|error| match unavailable(error) {
        Error::Unavailable(text) => Error::ConnectionLost(text),
        error => error,
    })?;
    Ok((results, changed))
}

struct Tables<'t> {
    entries: Table<'t, (&'static str, &'static str), Row<'static>>,
    expiries: Table<'t, (u64, &'static str, &'static str), ()>,
    counters: Table<'t, &'static str, u64>,
    usages: Table<'t, &'static str, (u64, u64)>,
    /// What of `usages` was touched.
    usage: BTreeMap<String, Usage>,
    changed: Changed,
    now: u64,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, Error> {
        Ok(Self {
            entries: transaction.open_table(ENTRIES).map_err(unavailable)?,
            expiries: transaction.open_table(EXPIRIES).map_err(unavailable)?,
            counters: transaction.open_table(COUNTERS).map_err(unavailable)?,
            usages: transaction.open_table(USAGES).map_err(unavailable)?,
            usage: BTreeMap::new(),
            changed: Vec::new(),
            now: now(),
        })
    }

    fn apply(&mut self, bucket: &Settings, batch: Batch) -> Result<Option<Applied>, Error> {
        let last = self.counters.get("version").map_err(unavailable)?.map_or(0, |row| row.value());
        let look = |key: &str| {
            let row = self.entries.get((bucket.name.as_str(), key)).map_err(unavailable)?;
            Ok(row.map(|row| Mark { version: row.value().0, expires_at: row.value().1 }))
        };
        let planned = batch.plan(self.now, last + 1, look, |key| read(&self.entries, &bucket.name, key))?;
        let Some((writes, applied)) = planned else { return Ok(None) };
        if self.check_quota(bucket, &writes).is_err() {
            // What has expired takes no room.
            self.sweep(usize::MAX)?;
            self.check_quota(bucket, &writes)?;
        }
        for (key, write) in writes {
            self.write(&bucket.name, key, write)?;
        }
        self.counters.insert("version", last + 1).map_err(unavailable)?;
        Ok(Some(applied))
    }

    fn check_quota(&mut self, bucket: &Settings, writes: &Writes) -> Result<(), Error> {
        let before = self.usage(&bucket.name)?;
        let mut after = before;
        for (key, write) in writes {
            let old = self.entries.get((bucket.name.as_str(), key.as_str())).map_err(unavailable)?;
            let old = old.map(|row| Usage::of(key, row.value().2));
            after = after.replace(old, write.as_ref().map(|new| Usage::of(key, &new.value)));
        }
        bucket.quota.check(before, after)
    }

    fn usage(&mut self, bucket: &str) -> Result<Usage, Error> {
        if let Some(usage) = self.usage.get(bucket) {
            return Ok(*usage);
        }
        let row = self.usages.get(bucket).map_err(unavailable)?.map(|row| row.value());
        let usage = row.map_or(Usage::default(), |(entries, bytes)| Usage { entries, bytes });
        self.usage.insert(bucket.to_owned(), usage);
        Ok(usage)
    }

    fn write(&mut self, bucket: &str, key: String, write: Option<Stored>) -> Result<(), Error> {
        let size = write.as_ref().map(|new| Usage::of(&key, &new.value));
        let before = match &write {
            Some(new) => {
                if let Some(at) = new.expires_at {
                    self.expiries.insert((at, bucket, key.as_str()), ()).map_err(unavailable)?;
                }
                let row = (new.version, new.expires_at, new.value.as_slice());
                self.entries.insert((bucket, key.as_str()), row)
            }
            None => self.entries.remove((bucket, key.as_str())),
        };
        let before = before.map_err(unavailable)?.map(|row| (row.value().1, Usage::of(&key, row.value().2)));
        if let Some((Some(at), _)) = before
            && write.and_then(|new| new.expires_at) != Some(at)
        {
            self.expiries.remove((at, bucket, key.as_str())).map(drop).map_err(unavailable)?;
        }
        let usage = self.usage(bucket)?.replace(before.map(|(_, size)| size), size);
        self.usage.insert(bucket.to_owned(), usage);
        self.changed.push((bucket.to_owned(), key));
        Ok(())
    }

    fn sweep(&mut self, most: usize) -> Result<(), Error> {
        let due = (0, "", "")..(self.now.saturating_add(1), "", "");
        let keys: Vec<(String, String)> = self
            .expiries
            .range::<(u64, &str, &str)>(due)
            .map_err(unavailable)?
            .take(most)
            .filter_map(Result::ok)
            .map(|(key, _)| {
                let (_, bucket, key) = key.value();
                (bucket.to_owned(), key.to_owned())
            })
            .collect();
        keys.into_iter().try_for_each(|(bucket, key)| self.write(&bucket, key, None))
    }

    /// Writes down what the buckets take now, and gives what changed.
    fn finish(mut self) -> Result<Changed, Error> {
        for (bucket, usage) in &self.usage {
            self.usages.insert(bucket.as_str(), (usage.entries, usage.bytes)).map_err(unavailable)?;
        }
        Ok(self.changed)
    }
}
