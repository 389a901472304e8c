//! Transactions and savepoints. However a transaction ends, its connection goes on only when it is idle
//! and clean.
//!
//! One connection is shared by a transaction, its savepoints and its cursors ([`Session`]). A call takes
//! the lease out of it and puts it back when the call is done: a call that is dropped half-way drops the
//! lease with it, which cancels the statement and throws the connection away. `Drop` of the outermost
//! [`Transaction`] is the single way out for all the rest: it rolls back in a task of its own.

#![expect(unreachable_pub, reason = "the generated bindings re-export the resources of this file")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::component::Resource;

use crate::bindings::wharf::platform::pg_client::{
    Error, HostTransaction, Isolation, PgValue, RowSet, Statement, TransactionOptions,
};
use crate::request::RequestState;

use super::pool::{Lease, Pools};
use super::{Answer, CopyReader, CopyWriter, Cursor, error, no_copy, prepare_all, within};

/// How long a ROLLBACK that nobody waits for may take before its connection is thrown away.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(5);

/// A transaction, or a savepoint inside one.
pub struct Transaction {
    session: Arc<Session>,
    /// 0 for the transaction itself, then one more per savepoint.
    level: u32,
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("level", &self.level).finish_non_exhaustive()
    }
}

/// The connection of a transaction.
pub(super) struct Session {
    state: Mutex<State>,
    deadline: Option<Instant>,
}

struct State {
    /// None while a call has it, and once the transaction has ended.
    lease: Option<Lease>,
    /// The innermost open level; none once the transaction has ended.
    level: Option<u32>,
    /// A statement failed at this level or below: nothing but a rollback to before it helps.
    failed_at: Option<u32>,
    /// A savepoint whose handle was dropped without waiting: to be rolled back before the next statement.
    abandoned: Option<u32>,
}

impl Session {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one call on the connection, if `level` is the innermost open one.
    pub(super) async fn with<T>(
        &self,
        level: u32,
        call: impl AsyncFnOnce(&mut Lease) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (mut lease, abandoned) = self.take(level)?;
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // On a time-out the lease is dropped inside: that cancels the statement and ends the transaction.
        let (lease, result) = within(left, async move {
            if let Some(level) = abandoned {
                lease.control(&undo(level)).await?;
            }
            let result = call(&mut lease).await;
            Ok((lease, result))
        })
        .await
        .inspect_err(|_| self.state().level = None)?;
        self.put(level, lease, result.as_ref().err());
        result
    }

    fn take(&self, level: u32) -> Result<(Lease, Option<u32>), Error> {
        let mut state = self.state();
        if state.level != Some(level) {
            return Err(Error::TransactionClosed);
        }
        let lease = state.lease.take().ok_or(Error::TransactionClosed)?;
        Ok((lease, state.abandoned.take()))
    }

    fn put(&self, level: u32, lease: Lease, error: Option<&Error>) {
        let mut state = self.state();
        if lease.is_busy() {
            state.level = None;
            return;
        }
        if matches!(error, Some(Error::Db(_) | Error::Cancelled)) && state.failed_at.is_none() {
            state.failed_at = Some(level);
        }
        state.lease = Some(lease);
    }
}

fn undo(level: u32) -> String {
    format!("rollback to savepoint wharf_{level}; release savepoint wharf_{level}")
}

impl Transaction {
    pub(super) async fn begin(pools: &Pools, options: &TransactionOptions) -> Result<Self, Error> {
        let timeout = options.timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut lease = pools.lease().await?;
        lease.set_in_transaction(true);
        within(timeout, lease.control(&begin(options))).await?;
        let state = State { lease: Some(lease), level: Some(0), failed_at: None, abandoned: None };
        Ok(Self { session: Arc::new(Session { state: Mutex::new(state), deadline }), level: 0 })
    }

    pub(super) async fn run<T>(
        &self,
        call: impl AsyncFnOnce(&mut Lease) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.session.with(self.level, call).await
    }

    pub(super) fn session(&self) -> (&Arc<Session>, u32) {
        (&self.session, self.level)
    }

    async fn savepoint(&self) -> Result<Self, Error> {
        let level = self.level + 1;
        self.run(async |lease| lease.control(&format!("savepoint wharf_{level}")).await).await?;
        self.session.state().level = Some(level);
        Ok(Self { session: self.session.clone(), level })
    }

    async fn commit(&self) -> Result<(), Error> {
        let failed = self.session.state().failed_at.is_some();
        if failed {
            self.rollback().await?;
            return Err(error::aborted());
        }
        if self.level > 0 {
            let release = format!("release savepoint wharf_{}", self.level);
            self.run(async |lease| lease.control(&release).await).await?;
            self.close_level();
            return Ok(());
        }
        self.finish("commit").await
    }

    async fn rollback(&self) -> Result<(), Error> {
        if self.level > 0 {
            self.run(async |lease| lease.control(&undo(self.level)).await).await?;
            self.close_level();
            return Ok(());
        }
        self.finish("rollback").await
    }

    fn close_level(&self) {
        let mut state = self.session.state();
        state.level = Some(self.level - 1);
        state.failed_at = state.failed_at.filter(|failed| *failed < self.level);
    }

    /// Ends the transaction and gives its connection back, or throws it away when that is not certain.
    async fn finish(&self, how: &str) -> Result<(), Error> {
        let ended = self.run(async |lease| {
            lease.control(how).await?;
            lease.set_in_transaction(false);
            Ok(())
        });
        let ended = ended.await;
        let mut state = self.session.state();
        state.level = None;
        state.lease = None;
        ended
    }

    /// Still open at this level or deeper?
    fn is_open(&self) -> bool {
        self.session.state().level.is_some_and(|level| level >= self.level)
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
        if !self.is_open() {
            return;
        }
        let mut state = self.session.state();
        if self.level > 0 {
            state.level = Some(self.level - 1);
            state.abandoned = Some(self.level);
            state.failed_at = state.failed_at.filter(|failed| *failed < self.level);
            return;
        }
        state.level = None;
        let Some(mut lease) = state.lease.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        // Owned by nobody, and bounded: if it fails, the lease throws the connection away.
        runtime.spawn(async move {
            if let Ok(Ok(())) = tokio::time::timeout(ROLLBACK_TIMEOUT, lease.control("rollback")).await {
                lease.set_in_transaction(false);
            }
        });
    }
}

impl HostTransaction for RequestState {
    async fn query(
        &mut self,
        transaction: Resource<Transaction>,
        sql: String,
        params: Vec<PgValue>,
    ) -> Answer<RowSet> {
        let transaction = self.table.get(&transaction)?;
        Ok(transaction.run(async |lease| lease.query(&sql, &params).await).await)
    }

    async fn execute(
        &mut self,
        transaction: Resource<Transaction>,
        sql: String,
        params: Vec<PgValue>,
    ) -> Answer<u64> {
        let rows = HostTransaction::query(self, transaction, sql, params).await?;
        Ok(rows.map(|rows| rows.affected))
    }

    async fn pipeline(
        &mut self,
        transaction: Resource<Transaction>,
        statements: Vec<Statement>,
    ) -> Answer<Vec<RowSet>> {
        let transaction = self.table.get(&transaction)?;
        let run = transaction.run(async |lease| {
            let prepared = prepare_all(lease, &statements).await?;
            lease.pipeline(prepared, None).await
        });
        Ok(run.await)
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

    async fn copy_in(&mut self, _: Resource<Transaction>, _: String) -> Answer<Resource<CopyWriter>> {
        Ok(Err(no_copy()))
    }

    async fn copy_out(&mut self, _: Resource<Transaction>, _: String) -> Answer<Resource<CopyReader>> {
        Ok(Err(no_copy()))
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
        let innermost = transaction.session.state().level == Some(transaction.level);
        if innermost && let Err(error) = transaction.rollback().await {
            tracing::debug!(?error, "a dropped transaction did not roll back; its connection is gone");
        }
        Ok(())
    }
}
