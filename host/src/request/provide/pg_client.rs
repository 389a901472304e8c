//! `wharf:platform/pg-client`: PostgreSQL by granted name.
//! This file opens databases and runs single statements; `transaction`, `cursor`, `pool`, `statement`
//! and `convert` lie below it.

#![expect(unreachable_pub, reason = "the generated bindings re-export the resources of this file")]

mod budget;
mod convert;
mod copy;
mod cursor;
mod error;
mod kind;
mod pool;
mod rows;
mod statement;
mod transaction;

use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::Extensions;
use tokio_util::task::TaskTracker;
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::bindings::wharf::platform::pg_client::{
    self, Error, HostDatabase, PgValue, RawRowSet, RawRows, RowSet, Statement, StatementInfo,
    TransactionOptions,
};
use crate::capability::{Capability, PrepareError};
use crate::config::Config;
use crate::database::Address;
use crate::manifest::Manifest;
use crate::request::RequestState;

pub use copy::{CopyReader, CopyWriter};
pub use cursor::Cursor;
pub use transaction::Transaction;

use pool::{Lease, Pools, Watched};
use rows::{Dropped, Rows, Values};
use statement::{Around, may_commit_blindly};

/// Why values of a case of the contract do not fit a parameter.
pub(crate) use convert::misfit as parameter_misfit;

/// Longest payload of NOTIFY: the server's own bound.
const LONGEST_PAYLOAD: usize = 7_999;

/// The capability.
pub(super) struct PgClient {
    host: Config,
    cleanup: TaskTracker,
}

impl PgClient {
    /// `cleanup` counts what goes on behind requests.
    pub(super) fn new(host: &Config, cleanup: TaskTracker) -> Self {
        Self { host: host.clone(), cleanup }
    }
}

/// The pools of one release, by granted name.
#[derive(Clone)]
struct Databases(Arc<HashMap<String, Arc<Pools>>>);

/// One granted database. Holds no connection between calls.
pub struct Database {
    pools: Arc<Pools>,
    timeout: Option<Duration>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Capability for PgClient {
    fn interfaces(&self) -> &'static [&'static str] {
        &["wharf:platform/pg-client@0.1.0"]
    }

    fn link(&self, linker: &mut Linker<RequestState>) -> wasmtime::Result<()> {
        pg_client::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }

    fn prepare(&self, service: &Manifest, prepared: &mut Extensions) -> Result<(), PrepareError> {
        let mut databases = HashMap::new();
        // A service that listens is called on one more thread, whose connections live there.
        let cores = self.host.cores.get() + usize::from(!service.listen.is_empty());
        for name in &service.grants.pg {
            let grant = format!("pg.{name}");
            let Some(database) = self.host.databases.get(name) else {
                let known: Vec<&str> = self.host.databases.keys().map(String::as_str).collect();
                let hint = if known.is_empty() {
                    format!("give its address with `--database {name}=postgres://...`")
                } else {
                    format!("known databases: {}", known.join(", "))
                };
                return Err(PrepareError::UnknownGrant { grant, hint });
            };
            let address = Address::parse(database)
                .map_err(|error| PrepareError::Unusable { grant, source: error.into() })?;
            let watched = self.host.observer.clone().map(|observer| Watched {
                observer,
                service: service.name.as_str().into(),
                database: name.as_str().into(),
            });
            let pools = Pools::new(&address.for_use(&service.name), cores, &self.cleanup, watched.as_ref());
            databases.insert(name.clone(), Arc::new(pools));
        }
        prepared.insert(Databases(Arc::new(databases)));
        Ok(())
    }
}

type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// Bounds one call. It comes pinned because a future that is handed on by value is stored twice. A statement that is cut off is cancelled by the drop of its lease.
async fn within<T>(
    timeout: Option<Duration>,
    call: Pin<&mut impl Future<Output = Result<T, Error>>>,
) -> Result<T, Error> {
    match timeout {
        None => call.await,
        Some(timeout) => tokio::time::timeout(timeout, call).await.unwrap_or(Err(Error::Timeout)),
    }
}

impl Database {
    async fn query<R: Rows>(&self, sql: &str, params: &[PgValue]) -> Result<R::Set, Error> {
        within(self.timeout, pin!(async { self.pools.lease().await?.query::<R>(sql, params).await })).await
    }

    async fn pipeline<R: Rows>(&self, statements: &[Statement]) -> Result<Vec<R::Set>, Error> {
        let call = pin!(async {
            let mut lease = self.pools.lease().await?;
            let ran = transact::<R>(&mut lease, statements).await;
            if !lease.take_stale() {
                return ran;
            }
            // The server refused a plan that no longer fits the schema, and with it the whole transaction.
            lease.forget(statements.iter().map(|statement| statement.sql.as_str()))?;
            transact::<R>(&mut lease, statements).await
        });
        within(self.timeout, call).await
    }
}

/// Runs statements in a transaction of their own: all or none.
async fn transact<R: Rows>(lease: &mut Lease, statements: &[Statement]) -> Result<Vec<R::Set>, Error> {
    let ready = lease.prepare_all(statements).await?;
    let blindly = may_commit_blindly(&ready);
    lease.set_in_transaction(true);
    let ran = lease.pipeline::<R>(&ready, if blindly { Around::BeginCommit } else { Around::Begin }).await;
    match &ran {
        Ok(_) if blindly => {}
        Ok(_) => lease.control("commit").await?,
        // What is still running is cancelled, and rolled back, when the lease is dropped.
        Err(_) if lease.is_busy() => return ran,
        Err(_) => lease.control("rollback").await?,
    }
    lease.set_in_transaction(false);
    ran
}

impl pg_client::Host for RequestState {}

impl HostDatabase for RequestState {
    fn open(&mut self, name: String) -> Answer<Resource<Database>> {
        let pools = self.prepared::<Databases>().and_then(|databases| databases.0.get(&name)).cloned();
        let Some(pools) = pools else {
            return Ok(Err(Error::Denied(format!("database `{name}` is not in this service's `grants.pg`"))));
        };
        Ok(Ok(self.table.push(Database { pools, timeout: None })?))
    }

    fn set_timeout(&mut self, database: Resource<Database>, timeout_ms: u32) -> wasmtime::Result<()> {
        let timeout = (timeout_ms > 0).then(|| Duration::from_millis(timeout_ms.into()));
        self.table.get_mut(&database)?.timeout = timeout;
        Ok(())
    }

    async fn query(
        &mut self,
        database: Resource<Database>,
        sql: String,
        params: Vec<PgValue>,
    ) -> Answer<RowSet> {
        Ok(self.table.get(&database)?.query::<Values>(&sql, &params).await)
    }

    async fn execute(
        &mut self,
        database: Resource<Database>,
        sql: String,
        params: Vec<PgValue>,
    ) -> Answer<u64> {
        Ok(self.table.get(&database)?.query::<Dropped>(&sql, &params).await)
    }

    async fn pipeline(
        &mut self,
        database: Resource<Database>,
        statements: Vec<Statement>,
    ) -> Answer<Vec<RowSet>> {
        Ok(self.table.get(&database)?.pipeline::<Values>(&statements).await)
    }

    async fn query_raw(
        &mut self,
        database: Resource<Database>,
        sql: String,
        params: Vec<PgValue>,
    ) -> Answer<RawRowSet> {
        Ok(self.table.get(&database)?.query::<RawRows>(&sql, &params).await)
    }

    async fn pipeline_raw(
        &mut self,
        database: Resource<Database>,
        statements: Vec<Statement>,
    ) -> Answer<Vec<RawRowSet>> {
        Ok(self.table.get(&database)?.pipeline::<RawRows>(&statements).await)
    }

    async fn prepare(&mut self, database: Resource<Database>, sql: String) -> Answer<StatementInfo> {
        let database = self.table.get(&database)?;
        let prepared =
            within(database.timeout, pin!(async { database.pools.lease().await?.prepare(&sql).await })).await;
        Ok(prepared.map(|prepared| StatementInfo {
            params: prepared.statement.params().iter().map(tokio_postgres::types::Type::oid).collect(),
            columns: prepared.columns(),
        }))
    }

    async fn cursor(
        &mut self,
        database: Resource<Database>,
        sql: String,
        params: Vec<PgValue>,
    ) -> Answer<Resource<Cursor>> {
        let database = self.table.get(&database)?;
        let cursor = within(database.timeout, pin!(Cursor::alone(&database.pools, &sql, &params))).await;
        Ok(match cursor {
            Ok(cursor) => Ok(self.table.push(cursor)?),
            Err(error) => Err(error),
        })
    }

    async fn copy_in(&mut self, database: Resource<Database>, sql: String) -> Answer<Resource<CopyWriter>> {
        let Database { pools, timeout } = self.table.get(&database)?;
        let opened = async { CopyWriter::open(copy::from_pool(pools, *timeout).await?, &sql).await };
        Ok(match opened.await {
            Ok(writer) => Ok(self.table.push(writer)?),
            Err(error) => Err(error),
        })
    }

    async fn copy_out(&mut self, database: Resource<Database>, sql: String) -> Answer<Resource<CopyReader>> {
        let Database { pools, timeout } = self.table.get(&database)?;
        let opened = async { CopyReader::open(copy::from_pool(pools, *timeout).await?, &sql).await };
        Ok(match opened.await {
            Ok(reader) => Ok(self.table.push(reader)?),
            Err(error) => Err(error),
        })
    }

    async fn begin(
        &mut self,
        database: Resource<Database>,
        options: TransactionOptions,
    ) -> Answer<Resource<Transaction>> {
        let database = self.table.get(&database)?;
        let begun = within(database.timeout, pin!(Transaction::begin(&database.pools, &options))).await;
        Ok(match begun {
            Ok(transaction) => Ok(self.table.push(transaction)?),
            Err(error) => Err(error),
        })
    }

    async fn notify(&mut self, database: Resource<Database>, channel: String, payload: String) -> Answer<()> {
        if payload.len() > LONGEST_PAYLOAD {
            let why = format!("the payload has {} bytes; at most {LONGEST_PAYLOAD} are taken", payload.len());
            return Ok(Err(Error::InvalidArgument(why)));
        }
        const SQL: &str = "select pg_notify($1, $2)";
        let text = |text| PgValue::Scalar(pg_client::Scalar::Text(text));
        let params = [text(channel), text(payload)];
        Ok(self.table.get(&database)?.query::<Dropped>(SQL, &params).await.map(drop))
    }

    fn drop(&mut self, database: Resource<Database>) -> wasmtime::Result<()> {
        self.table.delete(database)?;
        Ok(())
    }
}
