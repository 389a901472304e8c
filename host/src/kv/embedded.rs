//! Buckets in one redb file: a write that was answered survives a crash.
//!
//! One thread writes. It takes all batches that wait, applies each to the same redb transaction, commits
//! (and thereby syncs to disk) once, and answers them all: with many writers the cost of a sync is
//! shared. Reads are redb snapshots, taken where they are asked for; they never wait for the writer.

mod file;
mod writer;

use std::cell::Cell;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use futures_util::future::{BoxFuture, FutureExt, ready};
use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use tokio::sync::{mpsc, oneshot};

use crate::error::chain;

use super::batch::{Applied, Batch, Stored, charge};
use super::inbox::{Feeds, SWEEP};
use super::range::Range;
use super::store::{Answer, Settings, Store, Usage, common};
use super::{Error, Features, Inbox, KvError, now};
use file::File;
use writer::Job;

/// (bucket, key) to version, expiry and value.
const ENTRIES: TableDefinition<'_, (&str, &str), Row<'_>> = TableDefinition::new("entries");
/// (expiry, bucket, key): what to sweep, soonest first.
const EXPIRIES: TableDefinition<'_, (u64, &str, &str), ()> = TableDefinition::new("expiries");
/// Counters of the store; `version` is the last one given.
const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");
/// Bucket to what its entries take: their number and the bytes of keys and values.
const USAGES: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("usages");

type Row<'a> = (u64, Option<u64>, &'a [u8]);
type Entries = ReadOnlyTable<(&'static str, &'static str), Row<'static>>;

/// Batches that wait for the writer before callers wait.
const QUEUE: usize = 1_024;
/// Expired entries that a scan may walk over before it asks for them to be cleared away.
const PASSED: usize = 256;
/// What a full disk is called.
const FULL: &str = "the disk of the key-value store is full";

pub(super) struct Embedded {
    file: Arc<File>,
    /// None only while this is dropped.
    writer: Option<mpsc::Sender<Job>>,
    feeds: Arc<Feeds>,
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

impl Embedded {
    pub(super) fn open(folder: &Path) -> Result<Self, KvError> {
        let path = folder.join("kv.redb");
        let failed =
            |source: Box<dyn std::error::Error + Send + Sync>| KvError::Open { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(|e| failed(e.into()))?;
        let created = path.clone();
        let file = File::open(move || Database::create(&created)).map_err(|e| failed(e.into()))?;
        Self::start(file).map_err(failed)
    }

    fn start(file: File) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        if let Ok(database) = file.database() {
            writer::count_usages(&database)?;
        }
        let (writer, jobs) = mpsc::channel(QUEUE);
        let (file, feeds) = (Arc::new(file), Arc::new(Feeds::default()));
        let (written, told) = (file.clone(), feeds.clone());
        let thread = std::thread::Builder::new()
            .name("wharf-kv".to_owned())
            .spawn(move || writer::write_all(&written, &told, jobs))?;
        Ok(Self { file, writer: Some(writer), feeds, thread: Some(thread) })
    }

    /// Lets the writer clear away what has expired, and open the file again if it has to be.
    fn wake(&self) {
        if let Some(writer) = &self.writer {
            let (reply, _nobody) = oneshot::channel();
            let _full_is_awake = writer.try_send(Job { work: None, reply });
        }
    }

    fn entries(&self) -> Result<Option<Entries>, Error> {
        match self.file.database()?.begin_read().map_err(unavailable)?.open_table(ENTRIES) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    fn usages(&self) -> Result<Vec<(String, Usage)>, Error> {
        let read = self.file.database()?.begin_read().map_err(unavailable)?;
        let usages = read.open_table(USAGES).map_err(unavailable)?;
        let rows = usages.iter().map_err(unavailable)?.map(|row| {
            let (name, usage) = row.map_err(unavailable)?;
            let (entries, bytes) = usage.value();
            Ok((name.value().to_owned(), Usage { entries, bytes }))
        });
        let used = |row: &Result<(String, Usage), Error>| row.as_ref().map_or(true, |(_, u)| u.entries > 0);
        rows.filter(used).collect()
    }

    /// Whether a sweep would find anything.
    fn has_expired(&self) -> Result<bool, Error> {
        match self.file.database()?.begin_read().map_err(unavailable)?.open_table(EXPIRIES) {
            Ok(table) => {
                let first = table.first().map_err(unavailable)?;
                Ok(first.is_some_and(|(key, _)| key.value().0 <= now()))
            }
            Err(TableError::TableDoesNotExist(_)) => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
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
        let (now, passed) = (now(), Cell::new(0));
        let rows = entries.range::<(&str, &str)>((from, to)).map_err(unavailable)?.map(|row| {
            let (key, row) = row.map_err(unavailable)?;
            let (version, expires_at, value) = row.value();
            let live = expires_at.is_none_or(|at| at > now);
            passed.set(passed.get() + usize::from(!live));
            let value = if live && !range.keys_only { value.to_vec() } else { Vec::new() };
            Ok((key.value().1.to_owned(), Stored { value, version, expires_at }))
        });
        let found = if range.reverse { range.collect(now, rows.rev()) } else { range.collect(now, rows) };
        if passed.get() > PASSED {
            self.wake();
        }
        found
    }

    async fn write(&self, work: Option<(Arc<Settings>, Batch)>) -> Result<Option<Applied>, Error> {
        let (reply, answer) = oneshot::channel();
        let stopped = || Error::Unavailable("the key-value store has stopped".to_owned());
        let writer = self.writer.clone().ok_or_else(stopped)?;
        writer.send(Job { work, reply }).await.map_err(|_closed| stopped())?;
        let unknown = || Error::ConnectionLost("the key-value store's writer ended".to_owned());
        answer.await.unwrap_or_else(|_| Err(unknown()))
    }
}

impl Store for Embedded {
    fn features(&self) -> Answer<'_, Features> {
        let features = common() | Features::TRANSACTIONS | Features::LINEARIZABLE | Features::DURABLE;
        ready(Ok(features)).boxed()
    }

    fn get<'a>(
        &'a self,
        bucket: &'a Arc<Settings>,
        keys: &'a [String],
        most: usize,
    ) -> Answer<'a, Vec<Option<Stored>>> {
        ready(self.get(&bucket.name, keys, most).inspect_err(|_| self.wake())).boxed()
    }

    fn scan<'a>(&'a self, bucket: &'a Arc<Settings>, range: &'a Range) -> Answer<'a, Vec<(String, Stored)>> {
        ready(self.scan(&bucket.name, range).inspect_err(|_| self.wake())).boxed()
    }

    fn apply<'a>(&'a self, bucket: &'a Arc<Settings>, batch: Batch) -> Answer<'a, Option<Applied>> {
        self.write(Some((bucket.clone(), batch))).boxed()
    }

    fn buckets(&self) -> Answer<'_, Vec<(String, Usage)>> {
        ready(self.usages()).boxed()
    }

    fn watch<'a>(&'a self, bucket: &'a Arc<Settings>, inbox: &'a Arc<Inbox>) -> BoxFuture<'a, Error> {
        async move {
            self.feeds.add(&bucket.name, inbox);
            inbox.watching(true);
            loop {
                tokio::time::sleep(SWEEP).await;
                match self.has_expired() {
                    Ok(false) => {}
                    Ok(true) => {
                        if let Err(error) = self.write(None).await {
                            return error;
                        }
                    }
                    Err(error) => return error,
                }
            }
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

/// An error of the file: nothing was written.
fn unavailable(error: impl Into<redb::Error>) -> Error {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error.into() {
        redb::Error::Io(error) if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) => {
            Error::Unavailable(FULL.to_owned())
        }
        error => Error::Unavailable(chain(&error)),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};

    use redb::{DatabaseError, StorageBackend, backends::FileBackend};

    use super::*;
    use crate::kv::{BucketConfig, Condition, PutItem, bucket::Bucket};

    /// A disk that can be full.
    #[derive(Debug)]
    struct Disk {
        file: FileBackend,
        full: Arc<AtomicBool>,
    }

    impl Disk {
        fn check(&self) -> io::Result<()> {
            if self.full.load(Ordering::Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
    }

    impl StorageBackend for Disk {
        fn len(&self) -> io::Result<u64> {
            self.file.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.file.read(offset, out)
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.check()?;
            self.file.set_len(len)
        }
        fn sync_data(&self) -> io::Result<()> {
            self.check()?;
            self.file.sync_data()
        }
        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.check()?;
            self.file.write(offset, data)
        }
        fn close(&self) -> io::Result<()> {
            self.file.close()
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_said_and_the_store_works_again_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let (path, full) = (folder.path().join("kv.redb"), Arc::new(AtomicBool::new(false)));
        let disk_full = full.clone();
        let file = File::open(move || {
            let file =
                std::fs::File::options().read(true).write(true).create(true).truncate(false).open(&path);
            let file = FileBackend::new(file.map_err(|e| DatabaseError::Storage(e.into()))?)?;
            Database::builder().create_with_backend(Disk { file, full: disk_full.clone() })
        });
        let store = Arc::new(Embedded::start(file.unwrap()).unwrap());
        let bucket = Bucket::new(store, crate::kv::store::settings("b", &BucketConfig::default(), false));
        let put = async |key: &str| {
            let item = PutItem { key: key.to_owned(), value: vec![b'x'; 100_000], ttl_ms: None };
            bucket.put(item, Condition::Always).await
        };
        put("kept").await.unwrap();
        full.store(true, Ordering::Relaxed);
        for _ in 0..3 {
            let error = put("lost").await.unwrap_err();
            assert!(matches!(error, Error::LimitExceeded(_) | Error::Unavailable(_)), "{error:?}");
        }
        full.store(false, Ordering::Relaxed);
        let begun = std::time::Instant::now();
        while let Err(error) = put("again").await {
            assert!(begun.elapsed().as_secs() < 5, "{error:?}");
        }
        for (key, there) in [("kept", true), ("lost", false), ("again", true)] {
            assert_eq!(bucket.get(key.to_owned()).await.unwrap().is_some(), there, "{key}");
        }
    }
}
