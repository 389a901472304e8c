//! Buckets in one redb file: a write that was answered survives a crash.
//!
//! One thread writes. It takes all batches that wait, applies each to the same redb transaction, commits
//! (and thereby syncs to disk) once, and answers them all: with many writers the cost of a sync is
//! shared. Reads are redb snapshots, taken where they are asked for; they never wait for the writer.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use futures_util::future::{BoxFuture, FutureExt};
use redb::{
    Database, ReadOnlyTable, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError,
    WriteTransaction,
};
use tokio::sync::{mpsc, oneshot};

use crate::bindings::wharf::platform::kv::{Error, Features};
use crate::error::chain;

use super::batch::{Applied, Batch, Stored};
use super::range::Range;
use super::{KvError, Store, charge, now};

/// (bucket, key) to version, expiry and value.
const ENTRIES: TableDefinition<'_, (&str, &str), Row<'_>> = TableDefinition::new("entries");
/// (expiry, bucket, key): what to sweep, soonest first.
const EXPIRIES: TableDefinition<'_, (u64, &str, &str), ()> = TableDefinition::new("expiries");
/// Counters of the store; `version` is the last one given.
const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");

type Row<'a> = (u64, Option<u64>, &'a [u8]);
type Entries = ReadOnlyTable<(&'static str, &'static str), Row<'static>>;

/// Batches that wait for the writer before callers wait, and that share one commit.
const QUEUE: usize = 1_024;
const MOST_TOGETHER: usize = 256;
/// Expired entries that one commit clears away, or twice as many as it writes: none pile up.
const LEAST_SWEPT: usize = 256;

pub(super) struct Embedded {
    database: Arc<Database>,
    /// None only while this is dropped.
    writer: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Embedded {
    /// Waits for the batches under way, so that whoever opens the file next finds it closed.
    fn drop(&mut self) {
        self.writer = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

struct Job {
    bucket: String,
    batch: Batch,
    reply: oneshot::Sender<Result<Option<Applied>, Error>>,
}

impl Embedded {
    pub(super) fn open(folder: &Path) -> Result<Self, KvError> {
        let path = folder.join("kv.redb");
        let failed =
            |source: Box<dyn std::error::Error + Send + Sync>| KvError::Open { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(|e| failed(e.into()))?;
        let database = Arc::new(Database::create(&path).map_err(|e| failed(e.into()))?);
        let (writer, jobs) = mpsc::channel(QUEUE);
        let store = database.clone();
        let thread = std::thread::Builder::new()
            .name("wharf-kv".to_owned())
            .spawn(move || write_all(&store, jobs))
            .map_err(|e| failed(e.into()))?;
        Ok(Self { database, writer: Some(writer), thread: Some(thread) })
    }

    fn entries(&self) -> Result<Option<Entries>, Error> {
        match self.database.begin_read().map_err(unavailable)?.open_table(ENTRIES) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }
}

impl Store for Embedded {
    fn features(&self) -> Features {
        Features::CONDITIONS
            | Features::TTL
            | Features::COUNTERS
            | Features::TRANSACTIONS
            | Features::ORDERED
            | Features::DURABLE
            | Features::LINEARIZABLE
    }

    fn get(&self, bucket: &str, keys: &[String], mut most: usize) -> Result<Vec<Option<Stored>>, Error> {
        let Some(entries) = self.entries()? else { return Ok(vec![None; keys.len()]) };
        let now = now();
        let mut get = |key: &String| {
            let stored = read(&entries, bucket, key)?.filter(|stored| stored.is_live(now));
            charge(&mut most, stored.as_ref())?;
            Ok(stored)
        };
        keys.iter().map(&mut get).collect()
    }

    fn scan(&self, bucket: &str, range: &Range) -> Result<Vec<(String, Stored)>, Error> {
        let Some(entries) = self.entries()? else { return Ok(Vec::new()) };
        let from = range.from.as_ref().map(|key| (bucket, key.as_str()));
        // Bucket names have no NUL: this is the first key behind the bucket.
        let behind = format!("{bucket}\0");
        let to = match &range.to {
            Bound::Unbounded => Bound::Excluded((behind.as_str(), "")),
            bound => bound.as_ref().map(|key| (bucket, key.as_str())),
        };
        let rows = entries.range::<(&str, &str)>((from, to)).map_err(unavailable)?.map(|row| {
            let (key, row) = row.map_err(unavailable)?;
            Ok((key.value().1.to_owned(), stored(row.value())))
        });
        if range.reverse { range.collect(now(), rows.rev()) } else { range.collect(now(), rows) }
    }

    fn apply(&self, bucket: &str, batch: Batch) -> BoxFuture<'static, Result<Option<Applied>, Error>> {
        let (reply, answer) = oneshot::channel();
        let (job, writer) = (Job { bucket: bucket.to_owned(), batch, reply }, self.writer.clone());
        async move {
            let stopped = || Error::Unavailable("the key-value store has stopped".to_owned());
            let writer = writer.ok_or_else(stopped)?;
            writer.send(job).await.map_err(|_closed| stopped())?;
            answer.await.unwrap_or_else(|_| Err(stopped()))
        }
        .boxed()
    }
}

fn read(
    entries: &impl ReadableTable<(&'static str, &'static str), Row<'static>>,
    bucket: &str,
    key: &str,
) -> Result<Option<Stored>, Error> {
    Ok(entries.get((bucket, key)).map_err(unavailable)?.map(|row| stored(row.value())))
}

fn stored((version, expires_at, value): Row<'_>) -> Stored {
    Stored { value: value.to_vec(), version, expires_at }
}

fn unavailable(error: impl std::error::Error + 'static) -> Error {
    Error::Unavailable(chain(&error))
}

/// Runs on the writer's thread until the store is dropped.
fn write_all(database: &Database, mut jobs: mpsc::Receiver<Job>) {
    let mut together = Vec::with_capacity(MOST_TOGETHER);
    while jobs.blocking_recv_many(&mut together, MOST_TOGETHER) > 0 {
        let (replies, batches): (Vec<_>, Vec<_>) =
            together.drain(..).map(|job| (job.reply, (job.bucket, job.batch))).unzip();
        match commit(database, batches) {
            Ok(results) => {
                replies.into_iter().zip(results).for_each(|(reply, result)| drop(reply.send(result)))
            }
            Err(error) => {
                tracing::error!(?error, "the key-value store did not commit");
                replies.into_iter().for_each(|reply| drop(reply.send(Err(error.clone()))));
            }
        }
    }
}

type Results = Vec<Result<Option<Applied>, Error>>;

/// Applies all batches and syncs; an error means that none of them happened.
fn commit(database: &Database, batches: Vec<(String, Batch)>) -> Result<Results, Error> {
    let transaction = database.begin_write().map_err(unavailable)?;
    let mut writer = Tables::open(&transaction)?;
    let mut results = Vec::with_capacity(batches.len());
    for (bucket, batch) in batches {
        match writer.apply(&bucket, batch) {
            Err(error @ Error::Unavailable(_)) => return Err(error),
            result => results.push(result),
        }
    }
    writer.sweep()?;
    drop(writer);
    // Whether a commit that failed while it synced is there after a restart is not known.
    transaction.commit().map_err(|error| Error::ConnectionLost(chain(&error)))?;
    Ok(results)
}

struct Tables<'t> {
    entries: Table<'t, (&'static str, &'static str), Row<'static>>,
    expiries: Table<'t, (u64, &'static str, &'static str), ()>,
    counters: Table<'t, &'static str, u64>,
    now: u64,
    /// Keys written so far: as many expired ones are cleared away, and more.
    written: usize,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, Error> {
        Ok(Self {
            entries: transaction.open_table(ENTRIES).map_err(unavailable)?,
            expiries: transaction.open_table(EXPIRIES).map_err(unavailable)?,
            counters: transaction.open_table(COUNTERS).map_err(unavailable)?,
            now: now(),
            written: 0,
        })
    }

    fn apply(&mut self, bucket: &str, batch: Batch) -> Result<Option<Applied>, Error> {
        let last = self.counters.get("version").map_err(unavailable)?.map_or(0, |row| row.value());
        let planned = batch.plan(self.now, last + 1, |key| read(&self.entries, bucket, key))?;
        let Some((writes, applied)) = planned else { return Ok(None) };
        for (key, write) in writes {
            self.write(bucket, &key, write)?;
        }
        self.counters.insert("version", last + 1).map_err(unavailable)?;
        Ok(Some(applied))
    }

    fn write(&mut self, bucket: &str, key: &str, write: Option<Stored>) -> Result<(), Error> {
        self.written += 1;
        let before = match &write {
            Some(new) => {
                if let Some(at) = new.expires_at {
                    self.expiries.insert((at, bucket, key), ()).map_err(unavailable)?;
                }
                self.entries.insert((bucket, key), (new.version, new.expires_at, new.value.as_slice()))
            }
            None => self.entries.remove((bucket, key)),
        };
        let before = before.map_err(unavailable)?.and_then(|row| row.value().1);
        match before {
            Some(at) if write.and_then(|new| new.expires_at) != Some(at) => {
                self.expiries.remove((at, bucket, key)).map(drop).map_err(unavailable)
            }
            _ => Ok(()),
        }
    }

    fn sweep(&mut self) -> Result<(), Error> {
        let due = (0, "", "")..(self.now.saturating_add(1), "", "");
        let keys: Vec<(u64, String, String)> = self
            .expiries
            .range::<(u64, &str, &str)>(due)
            .map_err(unavailable)?
            .take(LEAST_SWEPT.max(2 * self.written))
            .filter_map(Result::ok)
            .map(|(key, _)| {
                let (at, bucket, key) = key.value();
                (at, bucket.to_owned(), key.to_owned())
            })
            .collect();
        for (at, bucket, key) in keys {
            self.expiries.remove((at, bucket.as_str(), key.as_str())).map_err(unavailable)?;
            self.entries.remove((bucket.as_str(), key.as_str())).map_err(unavailable)?;
        }
        Ok(())
    }
}
