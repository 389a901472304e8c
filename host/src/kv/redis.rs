//! Buckets in Redis or Valkey: a hash of values, a hash of versions and expiries, and sorted sets for the order
//! of keys and of expiries. Scripts make each operation one step of the server, by its clock; so the entries
//! are not what Redis itself calls keys, and no `EXPIRE` takes one without its watchers knowing.
//! One server, or one that replicates to others; not a cluster.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, RedisError, Script, ScriptInvocation, Value};

use crate::error::chain;

use super::batch::{self, Applied, Batch, Change, Stored};
use super::lines::{CONNECT, Line, Lines, OPERATION};
use super::range::{LARGEST_PAGE, Range};
use super::store::{Answer, KvError, Quota, Settings, Store, Usage, common};
use super::{Condition, Error, Features, Inbox};

/// Expired entries that one batch clears away, besides twice as many as it changes.
const LEAST_SWEPT: usize = 64;
/// The same when a watcher looks for them, and how often it does.
const SWEPT_FOR_WATCHERS: usize = 10_000;
const SWEEP: Duration = Duration::from_millis(500);
/// How often a subscription is tried: one that broke silently is found.
const PING: Duration = Duration::from_secs(10);

pub(super) struct Redis {
    client: Client,
    lines: Lines<MultiplexedConnection>,
    apply: Script,
    get: Script,
    scan: Script,
}

impl Redis {
    pub(super) fn open(url: &str, cores: usize) -> Result<Self, KvError> {
        // What Valkey calls its addresses.
        let url = url.replacen("valkey", "redis", usize::from(url.starts_with("valkey")));
        let failed = |source: RedisError| KvError::Address { store: "in Redis", source: source.into() };
        let info = url.as_str().into_connection_info().map_err(failed)?;
        Ok(Self {
            client: Client::open(info).map_err(failed)?,
            lines: Lines::new(cores),
            apply: Script::new(include_str!("redis/apply.lua")),
            get: Script::new(include_str!("redis/get.lua")),
            scan: Script::new(include_str!("redis/scan.lua")),
        })
    }

    async fn line(&self) -> Result<Arc<Line<MultiplexedConnection>>, Error> {
        self.lines
            .get(async {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(CONNECT))
                    // `Line::wait` bounds it, and then takes another connection.
                    .set_response_timeout(None);
                let connected = self.client.get_multiplexed_async_connection_with_config(&config).await;
                connected.map_err(|error| Error::Unavailable(chain(&error)))
            })
            .await
    }

    async fn run(&self, script: &ScriptInvocation<'_>, writes: bool) -> Result<Value, Error> {
        let line = self.line().await?;
        let mut connection = line.connection.clone();
        line.wait(async {
            script.invoke_async(&mut connection).await.map_err(|error| failure(&error, writes))
        })
        .await
    }

    async fn sweep(&self, bucket: &Settings) -> Result<(), Error> {
        let mut script = self.apply.prepare_invoke();
        keys(&mut script, &bucket.name);
        limits(&mut script, bucket, SWEPT_FOR_WATCHERS);
        self.run(script.arg(0).arg(0), true).await.map(drop)
    }

    async fn follow(&self, bucket: &Settings, inbox: &Inbox) -> Result<Infallible, RedisError> {
        let subscribed = self.client.get_async_pubsub();
        let late = || RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        let mut subscription = tokio::time::timeout(CONNECT, subscribed).await.map_err(|_told| late())??;
        tokio::time::timeout(CONNECT, subscription.subscribe(channel(&bucket.name)))
            .await
            .map_err(|_told| late())??;
        inbox.watching(true);
        let (mut sink, mut messages) = subscription.split();
        let (mut sweep, mut ping) = (tokio::time::interval(SWEEP), tokio::time::interval(PING));
        loop {
            tokio::select! {
                message = messages.next() => {
                    let lost = || RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
                    let message = message.ok_or_else(lost)?;
                    inbox.changed(&String::from_utf8_lossy(message.get_payload_bytes()));
                }
                _ = sweep.tick() => {
                    if let Err(error) = self.sweep(bucket).await {
                        tracing::debug!(?error, bucket = bucket.name, "expired entries were not cleared away");
                    }
                }
                _ = ping.tick() => {
                    let pong: Value = tokio::time::timeout(OPERATION, sink.ping()).await.map_err(|_told| late())??;
                    drop(pong);
                }
            }
        }
    }
}

/// The bucket's own keys. The braces keep them together wherever keys are spread.
fn key(bucket: &str, part: &str) -> String {
    format!("wharf:{{{bucket}}}:{part}")
}

fn channel(bucket: &str) -> String {
    key(bucket, "changes")
}

fn keys(script: &mut ScriptInvocation<'_>, bucket: &str) {
    for part in ["values", "metas", "order", "expiries", "version", "bytes", "scratch"] {
        script.key(key(bucket, part));
    }
}

fn limits(script: &mut ScriptInvocation<'_>, bucket: &Settings, sweep: usize) {
    let Quota { entries, bytes } = bucket.quota;
    script.arg(channel(&bucket.name)).arg(entries).arg(bytes).arg(sweep);
}

impl Store for Redis {
    fn features(&self) -> Answer<'_, Features> {
        async move {
            let line = self.line().await?;
            let mut connection = line.connection.clone();
            let mut ask = redis::cmd("CONFIG");
            ask.arg("GET").arg("*append*").arg("maxmemory-policy");
            // A server that does not tell is not trusted with it.
            let told = line.wait(async {
                let told: Result<Vec<String>, _> = ask.query_async(&mut connection).await;
                match told {
                    Ok(told) => Ok(told),
                    Err(error) if error.is_io_error() => Err(failure(&error, false)),
                    Err(_refused) => Ok(Vec::new()),
                }
            });
            let told = told.await?;
            let is = |name: &str, value: &str| told.windows(2).any(|pair| pair == [name, value]);
            let mut features = common() | Features::TRANSACTIONS;
            // A server that evicts keys of its choice may take a whole bucket.
            if told.windows(2).any(
                |pair| matches!(pair, [name, policy] if name == "maxmemory-policy" && policy.starts_with("allkeys")),
            ) {
                return Ok(features);
            }
            features |= Features::LINEARIZABLE;
            let synced = is("appendonly", "yes") && is("appendfsync", "always");
            if synced && is("no-appendfsync-on-rewrite", "no") {
                features |= Features::DURABLE;
            }
            Ok(features)
        }
        .boxed()
    }

    fn get<'a>(
        &'a self,
        bucket: &'a Arc<Settings>,
        wanted: &'a [String],
        most: usize,
    ) -> Answer<'a, Vec<Option<Stored>>> {
        async move {
            let mut script = self.get.key(key(&bucket.name, "values"));
            script.key(key(&bucket.name, "metas")).arg(most);
            for key in wanted {
                script.arg(key);
            }
            let rows: Vec<Option<(Vec<u8>, String, String)>> = parsed(self.run(&script, false).await?)?;
            Ok(rows.into_iter().map(|row| row.map(|(value, v, e)| stored(value, &v, &e))).collect())
        }
        .boxed()
    }

    fn scan<'a>(&'a self, bucket: &'a Arc<Settings>, range: &'a Range) -> Answer<'a, Vec<(String, Stored)>> {
        async move {
            let mut script = self.scan.key(key(&bucket.name, "values"));
            script.key(key(&bucket.name, "metas")).key(key(&bucket.name, "order"));
            let (from, to) = range.lex();
            script.arg(from).arg(to).arg(u8::from(range.reverse)).arg(u8::from(range.keys_only));
            script.arg(range.limit).arg(LARGEST_PAGE);
            let flat: Vec<Vec<u8>> = parsed(self.run(&script, false).await?)?;
            let mut rows = Vec::with_capacity(flat.len() / 4);
            let mut flat = flat.into_iter();
            while let (Some(key), Some(value), Some(version), Some(expires)) =
                (flat.next(), flat.next(), flat.next(), flat.next())
            {
                let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_told| misread());
                rows.push((text(key)?, stored(value, &text(version)?, &text(expires)?)));
            }
            Ok(rows)
        }
        .boxed()
    }

    fn apply<'a>(&'a self, bucket: &'a Arc<Settings>, batch: Batch) -> Answer<'a, Option<Applied>> {
        async move {
            let mut script = self.apply.prepare_invoke();
            keys(&mut script, &bucket.name);
            limits(&mut script, bucket, LEAST_SWEPT.max(2 * batch.changes.len()));
            script.arg(batch.checks.len());
            for check in &batch.checks {
                let (condition, version) = match check.condition {
                    Condition::Always => ("always", 0),
                    Condition::IfAbsent => ("absent", 0),
                    Condition::IfPresent => ("present", 0),
                    Condition::IfVersion(version) => ("version", version),
                };
                script.arg(&check.key).arg(condition).arg(version);
            }
            script.arg(batch.changes.len());
            let span = |ttl: Option<u64>| ttl.map(|ttl| ttl.to_string()).unwrap_or_default();
            for change in &batch.changes {
                match change {
                    Change::Put { key, value, ttl_ms } => {
                        script.arg("put").arg(key).arg(value.as_slice()).arg(span(*ttl_ms)).arg(0)
                    }
                    Change::Delete(key) => script.arg("delete").arg(key).arg("").arg("").arg(0),
                    Change::Increment { key, delta, initial, ttl_ms } => {
                        script.arg("increment").arg(key).arg(*delta).arg(span(*ttl_ms)).arg(*initial)
                    }
                };
            }
            let mut applied = self.run(&script, true).await;
            if matches!(applied, Err(Error::LimitExceeded(_))) {
                // What has expired takes no room.
                self.sweep(bucket).await?;
                applied = self.run(&script, true).await;
            }
            let answer: Option<Vec<String>> = parsed(applied?)?;
            let Some(answer) = answer else { return Ok(None) };
            let mut numbers = answer.iter();
            let version = numbers.next().and_then(|text| text.parse().ok()).unwrap_or(0);
            let sums =
                numbers.map(|text| text.parse().map_err(|_told| misread())).collect::<Result<_, _>>()?;
            Ok(Some(Applied { version, sums }))
        }
        .boxed()
    }

    fn buckets(&self) -> Answer<'_, Vec<(String, Usage)>> {
        async move {
            let line = self.line().await?;
            let mut connection = line.connection.clone();
            let mut buckets = Vec::new();
            let mut cursor = 0_u64;
            loop {
                let mut scan = redis::cmd("SCAN");
                scan.arg(cursor).arg("MATCH").arg(key("*", "values")).arg("COUNT").arg(1_000);
                let page: (u64, Vec<String>) = line
                    .wait(async { scan.query_async(&mut connection).await.map_err(|e| failure(&e, false)) })
                    .await?;
                for values in page.1 {
                    let name = values.strip_prefix("wharf:{").and_then(|rest| rest.strip_suffix("}:values"));
                    let Some(name) = name else { continue };
                    let mut ask = redis::pipe();
                    ask.cmd("HLEN").arg(&values).cmd("GET").arg(key(name, "bytes"));
                    let usage: (u64, Option<u64>) = line
                        .wait(async {
                            ask.query_async(&mut connection).await.map_err(|e| failure(&e, false))
                        })
                        .await?;
                    buckets.push((name.to_owned(), Usage { entries: usage.0, bytes: usage.1.unwrap_or(0) }));
                }
                cursor = page.0;
                if cursor == 0 {
                    return Ok(buckets);
                }
            }
        }
        .boxed()
    }

    fn watch<'a>(&'a self, bucket: &'a Arc<Settings>, inbox: &'a Arc<Inbox>) -> BoxFuture<'a, Error> {
        async move {
            let Err(error) = self.follow(bucket, inbox).await;
            Error::Unavailable(chain(&error))
        }
        .boxed()
    }
}

fn stored(value: Vec<u8>, version: &str, expires: &str) -> Stored {
    Stored { value, version: version.parse().unwrap_or(0), expires_at: expires.parse().ok() }
}

fn parsed<T: redis::FromRedisValue>(value: Value) -> Result<T, Error> {
    T::from_redis_value(value).map_err(|_told| misread())
}

fn misread() -> Error {
    Error::Other(
        "Redis answered what no script of ours gives: is the bucket's data changed by others?".to_owned(),
    )
}

/// What went wrong, from the scripts' own codes, the server's, or the connection.
fn failure(error: &RedisError, writes: bool) -> Error {
    let detail = error.detail().unwrap_or_default();
    match error.code() {
        Some("NOTANUMBER") => return batch::not_a_number(detail),
        Some("OUTOFRANGE") => return batch::out_of_range(detail),
        Some("TOOMANYBYTES") => return batch::too_many_bytes(),
        Some("FULLENTRIES") => return Quota::full(detail.parse().unwrap_or(0), "entries"),
        Some("FULLBYTES") => return Quota::full(detail.parse().unwrap_or(0), "bytes"),
        Some("OOM") => return Error::LimitExceeded("the Redis server is out of memory".to_owned()),
        Some("NOPERM" | "NOAUTH" | "WRONGPASS") => return Error::Denied(chain(error)),
        Some("LOADING" | "BUSY" | "MASTERDOWN" | "READONLY" | "MISCONF" | "NOREPLICAS" | "TRYAGAIN") => {
            return Error::Unavailable(chain(error));
        }
        _ => {}
    }
    if error.is_timeout() {
        return Error::Timeout;
    }
    if error.is_io_error() || error.is_connection_dropped() {
        return if writes { Error::ConnectionLost(chain(error)) } else { Error::Unavailable(chain(error)) };
    }
    Error::Other(chain(error))
}
