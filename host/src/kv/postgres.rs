//! Buckets in a table of a PostgreSQL database, so that one server serves everything. A function of the server
//! (`postgres/schema.sql`) makes each operation one statement and one round trip, by the server's clock; watchers
//! are told through NOTIFY.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::Bound;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryFutureExt, stream};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Row, Statement};

use crate::config::DatabaseConfig;
use crate::database::{AbortOnDrop, Address, ConnectError, Opened};
use crate::error::chain;

use super::batch::{self, Applied, Batch, Change, Stored, charge};
use super::lines::{Line, Lines, OPERATION};
use super::range::{LARGEST_PAGE, Range};
use super::store::{Answer, KvError, Quota, Settings, Store, Usage, common};
use super::{Condition, Error, Features, Inbox};

const SCHEMA: &str = include_str!("postgres/schema.sql");
/// Held while the schema is made, by one host at a time.
const SCHEMA_LOCK: i64 = 0x77_6b_76_31;
/// Expired entries that one batch clears away, besides twice as many as it changes.
const LEAST_SWEPT: usize = 64;
/// The same when nothing else is done: as many as no statement holds too many locks for, again and again.
const SWEPT_AT_ONCE: i32 = 500;
/// How often a watcher looks for them.
const SWEEP: Duration = Duration::from_millis(500);

const APPLY: &str = "select version, sums from wharf_kv.apply_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::numeric, \
     $12::text::numeric, $13)";
const GET: &str = "select key, version, expires_at, case when sum(octet_length(value)) over () <= $3 then value end \
     from wharf_kv.entries where bucket = $1 and key = any($2) and (expires_at is null or expires_at > wharf_kv.now_1())";
const SWEEP_SQL: &str =
    "select from wharf_kv.apply_1($1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', null, null, $2)";
/// Whether there are more than one sweep takes.
const DUE_SQL: &str =
    "select exists (select from wharf_kv.entries where bucket = $1 and expires_at <= wharf_kv.now_1())";
/// What a connection must not leave to its role: checks see the latest rows, and nobody waits for what was given up.
const SESSION: &str = "set default_transaction_isolation = 'read committed'; set statement_timeout = 2500";
/// How many sweeps make room in a bucket that is full.
const SWEEPS_FOR_ROOM: usize = 50;

pub(super) struct Postgres {
    address: Address,
    lines: Lines<Connection>,
}

/// A connection whose statements are prepared as they are needed.
struct Connection {
    client: Client,
    statements: Mutex<HashMap<String, Statement>>,
    _driver: AbortOnDrop,
}

impl Postgres {
    pub(super) fn open(url: &str, cores: usize) -> Result<Self, KvError> {
        let address = Address::parse(&DatabaseConfig::new(url))
            .map_err(|source| KvError::Address { store: "in PostgreSQL", source: source.into() })?;
        Ok(Self { address: address.for_use("kv"), lines: Lines::new(cores) })
    }

    async fn line(&self) -> Result<Arc<Line<Connection>>, Error> {
        let line = self.lines.get(self.connect()).await?;
        if line.connection.client.is_closed() {
            line.break_off();
            return self.lines.get(self.connect()).await;
        }
        Ok(line)
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let Opened { client, driver, .. } =
            self.address.connect().await.map_err(|error| unreachable(&error))?;
        let driver = tokio::spawn(driver);
        let connection =
            Connection { client, statements: Mutex::default(), _driver: AbortOnDrop::new(&driver) };
        connection.client.batch_execute(SESSION).await.map_err(|error| failure(&error, false))?;
        set_up(&connection.client).await.map_err(|error| failure(&error, false))?;
        Ok(connection)
    }

    async fn query(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        writes: bool,
    ) -> Result<Vec<Row>, Error> {
        let line = self.line().await?;
        line.wait(async {
            let connection = &line.connection;
            let statement = connection.prepared(sql).await.map_err(|error| failure(&error, false))?;
            connection.client.query(&statement, parameters).await.map_err(|error| failure(&error, writes))
        })
        .await
    }

    /// Clears away what has expired, as far as it goes; false when there is nothing.
    async fn make_room(&self, bucket: &Settings) -> Result<bool, Error> {
        for sweeps in 0..SWEEPS_FOR_ROOM {
            let due = self.query(DUE_SQL, &[&bucket.name], false).await?;
            if !due.first().is_some_and(|row| row.get(0)) {
                return Ok(sweeps > 0);
            }
            self.query(SWEEP_SQL, &[&bucket.name, &SWEPT_AT_ONCE], false).await?;
        }
        Ok(true)
    }

    async fn follow(&self, bucket: &Settings, inbox: &Inbox) -> Result<Infallible, Error> {
        // The other connection has made the schema that the sweeps need.
        drop(self.line().await?);
        let Opened { client, mut driver, .. } =
            self.address.connect().await.map_err(|error| unreachable(&error))?;
        let messages = stream::poll_fn(move |context| driver.poll_message(context)).boxed();
        let prefix = format!("{} ", bucket.name);
        let mut listening = Listening { messages, prefix, inbox };
        listening.run(client.batch_execute("listen wharf_kv")).await?;
        inbox.watching(true);
        loop {
            let parameters: [&(dyn ToSql + Sync); 2] = [&bucket.name, &SWEPT_AT_ONCE];
            listening.run(client.execute(SWEEP_SQL, &parameters).map_ok(drop)).await?;
            let name: [&(dyn ToSql + Sync); 1] = [&bucket.name];
            if listening.run(client.query_one(DUE_SQL, &name).map_ok(|row| row.get(0))).await? {
                continue;
            }
            listening.during(tokio::time::sleep(SWEEP)).await?;
        }
    }
}

/// A connection that is told of changes: nothing on it moves unless its messages are taken.
struct Listening<'a> {
    messages: BoxStream<'a, Result<AsyncMessage, tokio_postgres::Error>>,
    /// Name of the bucket and a blank, before the key in hexadecimal.
    prefix: String,
    inbox: &'a Inbox,
}

impl Listening<'_> {
    async fn run<T>(
        &mut self,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        match self.during(tokio::time::timeout(OPERATION, statement)).await? {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(Error::Unavailable(chain(&error))),
            Err(_late) => Err(Error::Timeout),
        }
    }

    /// Takes messages until `work` is done.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Error> {
        let mut work = pin!(work);
        loop {
            let message = tokio::select! {
                done = &mut work => return Ok(done),
                message = self.messages.next() => message,
            };
            match message {
                Some(Ok(AsyncMessage::Notification(notification))) => {
                    let key = notification.payload().strip_prefix(&self.prefix).and_then(unhex);
                    if let Some(key) = key {
                        self.inbox.changed(&key);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Error::Unavailable(chain(&error))),
                None => return Err(Error::Unavailable("the listening connection ended".to_owned())),
            }
        }
    }
}

impl Connection {
    async fn prepared(&self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        let known = self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// Makes the schema if it is not there. Who may not create it can use one that somebody else made.
async fn set_up(client: &Client) -> Result<(), tokio_postgres::Error> {
    let there = "select to_regproc('wharf_kv.count_1') is not null";
    if client.query_one(there, &[]).await?.get(0) {
        return Ok(());
    }
    let schema = format!("begin; select pg_advisory_xact_lock({SCHEMA_LOCK}); {SCHEMA}; commit");
    let made = client.batch_execute(&schema).await;
    if made.is_err() {
        client.batch_execute("rollback").await?;
    }
    made
}

impl Store for Postgres {
    fn features(&self) -> Answer<'_, Features> {
        async move {
            let sql =
                "select current_setting('fsync') = 'on' and current_setting('synchronous_commit') <> 'off'";
            let rows = self.query(sql, &[], false).await?;
            let mut features = common() | Features::TRANSACTIONS | Features::LINEARIZABLE;
            if rows.first().is_some_and(|row| row.get(0)) {
                features |= Features::DURABLE;
            }
            Ok(features)
        }
        .boxed()
    }

    fn get<'a>(
        &'a self,
        bucket: &'a Arc<Settings>,
        keys: &'a [String],
        mut most: usize,
    ) -> Answer<'a, Vec<Option<Stored>>> {
        async move {
            let wanted: Vec<&[u8]> = keys.iter().map(String::as_bytes).collect();
            let bytes = i64::try_from(most).unwrap_or(i64::MAX);
            let rows = self.query(GET, &[&bucket.name, &wanted, &bytes], false).await?;
            let mut found: HashMap<String, Stored> = HashMap::with_capacity(rows.len());
            for row in &rows {
                let value: Option<Vec<u8>> = row.get(3);
                let value = value.ok_or_else(batch::too_many_bytes)?;
                found.insert(text(row.get(0))?, stored(value, row.get(1), row.get(2)));
            }
            let mut get = |key: &String| {
                let stored = found.get(key);
                charge(&mut most, stored)?;
                Ok(stored.cloned())
            };
            keys.iter().map(&mut get).collect()
        }
        .boxed()
    }

    fn scan<'a>(&'a self, bucket: &'a Arc<Settings>, range: &'a Range) -> Answer<'a, Vec<(String, Stored)>> {
        async move {
            let (from_sign, from) = match &range.from {
                Bound::Included(key) => (">=", key.as_bytes()),
                Bound::Excluded(key) => (">", key.as_bytes()),
                Bound::Unbounded => (">=", &b""[..]),
            };
            let (to_sign, to) = match &range.to {
                Bound::Included(key) => ("and key <= $3", Some(key.as_bytes())),
                Bound::Excluded(key) => ("and key < $3", Some(key.as_bytes())),
                Bound::Unbounded => ("and $3::bytea is null", None),
            };
            let order = if range.reverse { "desc" } else { "asc" };
            let value = if range.keys_only { "''::bytea" } else { "value" };
            // The size of a page is summed where the values are, so that no more than a page comes over.
            let sql = format!(
                "select key, version, expires_at, value from (select key, version, expires_at, {value} as value, \
                 sum(octet_length(key) + octet_length({value})) over (order by key {order}) \
                 - octet_length(key) - octet_length({value}) as before \
                 from (select * from wharf_kv.entries where bucket = $1 and key {from_sign} $2 {to_sign} \
                 and (expires_at is null or expires_at > wharf_kv.now_1()) order by key {order} limit $4) rows) page \
                 where before < $5 order by key {order}"
            );
            let limit = i64::try_from(range.limit).unwrap_or(i64::MAX);
            let most = i64::try_from(LARGEST_PAGE).unwrap_or(i64::MAX);
            let rows = self.query(&sql, &[&bucket.name, &from, &to, &limit, &most], false).await?;
            rows.iter()
                .map(|row| Ok((text(row.get(0))?, stored(row.get(3), row.get(1), row.get(2)))))
                .collect()
        }
        .boxed()
    }

    fn apply<'a>(&'a self, bucket: &'a Arc<Settings>, batch: Batch) -> Answer<'a, Option<Applied>> {
        async move {
            let sweep = i32::try_from(LEAST_SWEPT.max(2 * batch.changes.len())).unwrap_or(i32::MAX);
            let (mut check_keys, mut check_kinds, mut versions) = (Vec::new(), Vec::new(), Vec::new());
            for check in &batch.checks {
                let (kind, version) = match check.condition {
                    Condition::Always => continue,
                    Condition::IfAbsent => (1_i32, 0),
                    Condition::IfPresent => (2, 0),
                    Condition::IfVersion(version) => (3, i64::try_from(version).unwrap_or(-1)),
                };
                check_keys.push(check.key.as_bytes());
                check_kinds.push(kind);
                versions.push(version);
            }
            let span = |ttl: Option<u64>| ttl.map(|ttl| i64::try_from(ttl).unwrap_or(i64::MAX));
            let (mut kinds, mut keys, mut values) = (Vec::new(), Vec::new(), Vec::new());
            let (mut ttls, mut deltas, mut initials) = (Vec::new(), Vec::new(), Vec::new());
            for change in &batch.changes {
                let (kind, key, value, ttl, delta, initial) = match change {
                    Change::Put { key, value, ttl_ms } => (0_i32, key, value.as_slice(), *ttl_ms, 0, 0),
                    Change::Delete(key) => (1, key, &[][..], None, 0, 0),
                    Change::Increment { key, delta, initial, ttl_ms } => {
                        (2, key, &[][..], *ttl_ms, *delta, *initial)
                    }
                };
                kinds.push(kind);
                keys.push(key.as_bytes());
                values.push(value);
                ttls.push(span(ttl));
                deltas.push(delta);
                initials.push(initial);
            }
            let bound = |most: u64| (most != u64::MAX).then(|| most.to_string());
            let (entries, bytes) = (bound(bucket.quota.entries), bound(bucket.quota.bytes));
            let parameters: [&(dyn ToSql + Sync); 13] = [
                &bucket.name,
                &check_keys,
                &check_kinds,
                &versions,
                &kinds,
                &keys,
                &values,
                &ttls,
                &deltas,
                &initials,
                &entries,
                &bytes,
                &sweep,
            ];
            let mut applied = self.query(APPLY, &parameters, true).await;
            if matches!(applied, Err(Error::LimitExceeded(_))) && self.make_room(bucket).await? {
                applied = self.query(APPLY, &parameters, true).await;
            }
            let rows = applied?;
            let Some(row) = rows.first() else { return Ok(None) };
            let version: Option<i64> = row.get(0);
            Ok(version.map(|version| Applied { version: version.unsigned_abs(), sums: row.get(1) }))
        }
        .boxed()
    }

    fn buckets(&self) -> Answer<'_, Vec<(String, Usage)>> {
        async move {
            let sql = "select bucket, sum(entries)::bigint, sum(bytes)::bigint from wharf_kv.usages group by bucket having sum(entries) > 0";
            let rows = self.query(sql, &[], false).await?;
            let usage = |row: &Row| {
                let (entries, bytes): (i64, i64) = (row.get(1), row.get(2));
                (row.get(0), Usage { entries: entries.unsigned_abs(), bytes: bytes.unsigned_abs() })
            };
            Ok(rows.iter().map(usage).collect())
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

fn stored(value: Vec<u8>, version: i64, expires_at: Option<i64>) -> Stored {
    let expires_at = expires_at.map(i64::unsigned_abs);
    Stored { value, version: version.unsigned_abs(), expires_at }
}

fn text(key: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(key).map_err(|_told| Error::Other("the table has a key that is not UTF-8".to_owned()))
}

fn unhex(digits: &str) -> Option<String> {
    let pair = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(pair).collect();
    String::from_utf8(bytes?).ok()
}

fn unreachable(error: &ConnectError) -> Error {
    Error::Unavailable(chain(error))
}

/// What went wrong, from the function's own codes, the server's, or the connection.
fn failure(error: &tokio_postgres::Error, writes: bool) -> Error {
    let Some(server) = error.as_db_error() else {
        return if writes { Error::ConnectionLost(chain(error)) } else { Error::Unavailable(chain(error)) };
    };
    let key = || unhex(server.message()).unwrap_or_default();
    let most = || server.message().parse().unwrap_or(0);
    match server.code().code() {
        "WK001" => batch::not_a_number(&key()),
        "WK002" => batch::out_of_range(&key()),
        "WK003" => Quota::full(most(), "entries"),
        "WK004" => Quota::full(most(), "bytes"),
        "42501" => Error::Denied(chain(error)),
        // A full disk, shutting down, starting up, too many connections, read-only.
        "57014" | "53100" | "53200" | "53300" | "57P01" | "57P02" | "57P03" | "25006" | "40001" | "40P01" => {
            Error::Unavailable(chain(error))
        }
        _ => Error::Other(chain(error)),
    }
}
