//! Transactions and savepoints. However a transaction ends, its connection goes on only when it is idle
//! and clean.
//!
//! One connection is shared by a transaction, its savepoints and its cursors ([`Session`]). A call takes
//! the lease out of it and puts it back when the call is done: a call that is dropped half-way drops the
//! lease with it, which cancels the statement and throws the connection away. `Drop` of the outermost
//! [`Transaction`] is the single way out for all the rest: it drops the lease, which is then reset behind
//! the request, rolling back first.

#![expect(unreachable_pub, reason = "the generated bindings re-export the resources of this file")]

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;
use wasmtime::component::Resource;

use crate::bindings::wharf::platform::pg_client::{
    Error, HostTransaction, Isolation, PgValue, RawRowSet, RawRows, RowSet, Statement, TransactionOptions,
};
use crate::request::RequestState;

use super::pool::{Lease, Pools};
use super::rows::{Dropped, Rows, Values};
use super::statement::Around;
use super::{Answer, CopyReader, CopyWriter, Cursor, copy, error, within};

/// A transaction, or a savepoint inside one.
pub struct Transaction {
    session: Arc<Session>,
    /// 0 for the transaction itself; each savepoint has a number of its own.
    serial: u64,
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("serial", &self.serial).finish_non_exhaustive()
    }
}

/// The connection of a transaction.
pub(super) struct Session {
    state: Mutex<State>,
    deadline: Option<Instant>,
    /// Ends the transaction at its deadline, whatever the guest does meanwhile.
    timer: OnceLock<AbortHandle>,
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.get() {
            timer.abort();
        }
    }
}

struct State {
    /// None while a call has it, and once the transaction has ended.
    lease: Option<Lease>,
    /// The transaction and the savepoints that are open, outermost first; empty once it has ended.
    open: Vec<u64>,
    /// The number that the last savepoint got.
    last: u64,
    /// How many were open when a statement failed: nothing but a rollback to before them helps.
    failed_at: Option<usize>,
    /// A savepoint whose handle was dropped without waiting: to be rolled back before the next statement.
    abandoned: Option<u64>,
}

impl State {
    /// Closes a level and all inside it.
    fn close(&mut self, position: usize) {
        self.open.truncate(position);
        self.failed_at = self.failed_at.filter(|failed| *failed <= position);
    }
}

impl Session {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one call on the connection, if `serial` is the innermost that is open.
    pub(super) async fn with<T>(
        &self,
        serial: u64,
        call: impl AsyncFnOnce(&mut Lease) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (mut lease, abandoned) = self.take(serial)?;
        // On a time-out the lease is dropped inside: that cancels the statement and ends the transaction.
        let call = pin!(async move {
            undo_abandoned(&mut lease, abandoned).await?;
            let result = call(&mut lease).await;
            Ok((lease, result))
        });
        let (lease, result) = within(self.left(), call).await.inspect_err(|_| self.state().open.clear())?;
        self.put(lease, serial, result.as_ref().err());
        result
    }

    /// Lets go of the connection, which rolls back behind the request.
    fn expire(&self) {
        let mut state = self.state();
        state.open.clear();
        state.lease = None;
    }

    /// From now on, a deadline holds between calls, too.
    fn watch(self: &Arc<Self>) {
        let Some(deadline) = self.deadline else { return };
        let session = Arc::downgrade(self);
        let timer = tokio::spawn(async move {
            tokio::time::sleep_until(deadline.into()).await;
            if let Some(session) = session.upgrade() {
                session.expire();
            }
        });
        let _first = self.timer.set(timer.abort_handle());
    }

    /// Hands out the connection, until it is put back.
    pub(super) async fn lend(&self, serial: u64) -> Result<Lease, Error> {
        let (mut lease, abandoned) = self.take(serial)?;
        let call = pin!(async move {
            undo_abandoned(&mut lease, abandoned).await?;
            Ok(lease)
        });
        within(self.left(), call).await.inspect_err(|_| self.state().open.clear())
    }

    /// What is left of the transaction's own time.
    pub(super) fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    fn take(&self, serial: u64) -> Result<(Lease, Option<u64>), Error> {
        let mut state = self.state();
        if state.open.last() != Some(&serial) {
            return Err(Error::TransactionClosed);
        }
        let lease = state.lease.take().ok_or(Error::TransactionClosed)?;
        Ok((lease, state.abandoned.take()))
    }

    /// Takes the connection back from `serial`, which may have been given up meanwhile; a connection that is busy
    /// ends the transaction.
    pub(super) fn put(&self, lease: Lease, serial: u64, error: Option<&Error>) {
        let mut state = self.state();
        // Over by now: its deadline passed, or the guest let go of it. The drop of the lease rolls back.
        if lease.is_busy() || state.open.is_empty() {
            state.open.clear();
            return;
        }
        let failed = matches!(error, Some(Error::Db(_) | Error::Cancelled)) && state.failed_at.is_none();
        if failed && let Some(level) = state.open.iter().position(|open| *open == serial) {
            state.failed_at = Some(level + 1);
        }
        state.lease = Some(lease);
    }
}

fn undo(serial: u64) -> String {
    format!("rollback to savepoint wharf_{serial}; release savepoint wharf_{serial}")
}

async fn undo_abandoned(lease: &mut Lease, abandoned: Option<u64>) -> Result<(), Error> {
    match abandoned {
        Some(serial) => lease.control(&undo(serial)).await,
        None => Ok(()),
    }
}

impl Transaction {
    pub(super) async fn begin(pools: &Pools, options: &TransactionOptions) -> Result<Self, Error> {
        let timeout = options.timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut lease = pools.lease().await?;
        within(timeout, pin!(lease.begin(&begin(options)))).await?;
        let state = State { lease: Some(lease), open: vec![0], last: 0, failed_at: None, abandoned: None };
        let session = Arc::new(Session { state: Mutex::new(state), deadline, timer: OnceLock::new() });
        session.watch();
        Ok(Self { session, serial: 0 })
    }

    pub(super) async fn run<T>(
        &self,
        call: impl AsyncFnOnce(&mut Lease) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.session.with(self.serial, call).await
    }

    pub(super) fn session(&self) -> (&Arc<Session>, u64) {
        (&self.session, self.serial)
    }

    async fn query<R: Rows>(&self, sql: &str, params: &[PgValue]) -> Result<R::Set, Error> {
        self.run(async |lease| lease.query::<R>(sql, params).await).await
    }

    async fn pipeline<R: Rows>(&self, statements: &[Statement]) -> Result<Vec<R::Set>, Error> {
        let run = self.run(async |lease| {
            let ready = lease.prepare_all(statements).await?;
            let ran = lease.pipeline::<R>(&ready, Around::Nothing).await;
            if lease.take_stale() {
                lease.forget(statements.iter().map(|statement| statement.sql.as_str()))?;
            }
            ran
        });
        run.await
    }

    async fn savepoint(&self) -> Result<Self, Error> {
        let serial = self.session.state().last + 1;
        self.run(async |lease| lease.control(&format!("savepoint wharf_{serial}")).await).await?;
        let mut state = self.session.state();
        state.last = serial;
        state.open.push(serial);
        Ok(Self { session: self.session.clone(), serial })
    }

    async fn commit(&self) -> Result<(), Error> {
        let position = self.innermost()?;
        let failed = self.session.state().failed_at.is_some_and(|failed| failed > position);
        if failed {
            self.rollback().await?;
            return Err(error::aborted());
        }
        if self.serial == 0 {
            return self.finish("commit").await;
        }
        let release = format!("release savepoint wharf_{}", self.serial);
        self.run(async |lease| lease.control(&release).await).await?;
        self.session.state().close(position);
        Ok(())
    }

    async fn rollback(&self) -> Result<(), Error> {
        let position = self.innermost()?;
        if self.serial == 0 {
            return self.finish("rollback").await;
        }
        self.run(async |lease| lease.control(&undo(self.serial)).await).await?;
        self.session.state().close(position);
        Ok(())
    }

    /// Ends the transaction, whatever comes of it: the drop of the lease decides about its connection.
    async fn finish(&self, how: &str) -> Result<(), Error> {
        let (mut lease, abandoned) = self.session.take(self.serial)?;
        self.session.state().open.clear();
        let call = pin!(async move {
            undo_abandoned(&mut lease, abandoned).await?;
            lease.control(how).await?;
            lease.set_in_transaction(false);
            Ok(())
        });
        within(self.session.left(), call).await
    }

    /// Where this one stands among those that are open, if it is the innermost.
    fn innermost(&self) -> Result<usize, Error> {
        let state = self.session.state();
        match state.open.last() {
            Some(last) if *last == self.serial => Ok(state.open.len() - 1),
            _ => Err(Error::TransactionClosed),
        }
    }
}

fn begin(options: &TransactionOptions) -> String {
    let isolation = match options.isolation {
        Isolation::ServerDefault => "",
        Isolation::ReadCommitted => " isolation level read committed",
        Isolation::RepeatableRead => " isolation level repeatable read",
        Isolation::Serializable => " isolation level serializable",
    };
    let access = if options.read_only { " read only" } else { "" };
    let deferrable = if options.deferrable { " deferrable" } else { "" };
    format!("begin{isolation}{access}{deferrable}")
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let mut state = self.session.state();
        let Some(position) = state.open.iter().position(|serial| *serial == self.serial) else { return };
        state.close(position);
        if self.serial > 0 {
            state.abandoned = Some(self.serial);
        } else {
            // Rolls back behind the request: see `pool`.
            state.lease = None;
        }
    }
}

impl HostTransaction for RequestState {
    async fn query(
        &mut self,
        transaction: Resource<Transaction>,
        sql: String,
        params: Vec<PgValue>,
    ) -> Answer<RowSet> {
        Ok(self.table.get(&transaction)?.query::<Values>(&sql, &params).await)
    }

    async fn execute(
        &mut self,
        transaction: Resource<Transaction>,
        sql: String,
        params: Vec<PgValue>,
    ) -> Answer<u64> {
        Ok(self.table.get(&transaction)?.query::<Dropped>(&sql, &params).await)
    }

    async fn pipeline(
        &mut self,
        transaction: Resource<Transaction>,
        statements: Vec<Statement>,
    ) -> Answer<Vec<RowSet>> {
        Ok(self.table.get(&transaction)?.pipeline::<Values>(&statements).await)
    }

    async fn query_raw(
        &mut self,
        transaction: Resource<Transaction>,
        sql: String,
        params: Vec<PgValue>,
    ) -> Answer<RawRowSet> {
        Ok(self.table.get(&transaction)?.query::<RawRows>(&sql, &params).await)
    }

    async fn pipeline_raw(
        &mut self,
        transaction: Resource<Transaction>,
        statements: Vec<Statement>,
    ) -> Answer<Vec<RawRowSet>> {
        Ok(self.table.get(&transaction)?.pipeline::<RawRows>(&statements).await)
    }

    async fn cursor(
        &mut self,
        transaction: Resource<Transaction>,
        sql: String,
        params: Vec<PgValue>,
    ) -> Answer<Resource<Cursor>> {
        let cursor = Cursor::inside(self.table.get(&transaction)?, &sql, &params).await;
        Ok(match cursor {
            Ok(cursor) => Ok(self.table.push(cursor)?),
            Err(error) => Err(error),
        })
    }

    async fn copy_in(
        &mut self,
        transaction: Resource<Transaction>,
        sql: String,
    ) -> Answer<Resource<CopyWriter>> {
        let transaction = self.table.get(&transaction)?;
        let opened = async { CopyWriter::open(copy::from_transaction(transaction).await?, &sql).await };
        Ok(match opened.await {
            Ok(writer) => Ok(self.table.push(writer)?),
            Err(error) => Err(error),
        })
    }

    async fn copy_out(
        &mut self,
        transaction: Resource<Transaction>,
        sql: String,
    ) -> Answer<Resource<CopyReader>> {
        let transaction = self.table.get(&transaction)?;
        let opened = async { CopyReader::open(copy::from_transaction(transaction).await?, &sql).await };
        Ok(match opened.await {
            Ok(reader) => Ok(self.table.push(reader)?),
            Err(error) => Err(error),
        })
    }

    async fn savepoint(&mut self, transaction: Resource<Transaction>) -> Answer<Resource<Transaction>> {
        let savepoint = self.table.get(&transaction)?.savepoint().await;
        Ok(match savepoint {
            Ok(savepoint) => Ok(self.table.push(savepoint)?),
            Err(error) => Err(error),
        })
    }

    async fn commit(&mut self, transaction: Resource<Transaction>) -> Answer<()> {
        Ok(self.table.get(&transaction)?.commit().await)
    }

    async fn rollback(&mut self, transaction: Resource<Transaction>) -> Answer<()> {
        Ok(self.table.get(&transaction)?.rollback().await)
    }

    /// An explicit drop waits for the rollback, so that the guest's next statement sees its effect.
    async fn drop(&mut self, transaction: Resource<Transaction>) -> wasmtime::Result<()> {
        let transaction = self.table.delete(transaction)?;
        if transaction.innermost().is_ok()
            && let Err(error) = transaction.rollback().await
        {
            tracing::debug!(?error, "a dropped transaction did not roll back; its connection is gone");
        }
        Ok(())
    }
}
