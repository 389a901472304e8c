//! Statements that hold together.

use super::{CopyIn, CopyOut, Isolation, client::millis, queries::queries};
use crate::{Error, Result, bindings::wharf::platform::pg_client};
use std::time::Duration;

/// A transaction, or a savepoint inside one. Dropping it without [`commit`](Self::commit) rolls back.
#[derive(Debug)]
pub struct Transaction(pg_client::Transaction);

impl Transaction {
    pub(super) fn new(raw: pg_client::Transaction) -> Self {
        Self(raw)
    }

    /// Ends the transaction, keeping what it did.
    ///
    /// # Errors
    /// When the database refused (a deferred constraint, a serialization failure): nothing was kept.
    /// [`Error::is_outcome_unknown`] when the connection broke.
    pub fn commit(self) -> Result<()> {
        Ok(self.0.commit()?)
    }

    /// Ends the transaction, undoing what it did. Dropping does the same without reporting errors.
    ///
    /// # Errors
    /// When the connection broke; the database rolls back then, too.
    pub fn rollback(self) -> Result<()> {
        Ok(self.0.rollback()?)
    }

    /// Starts a transaction inside this one: its commit releases the savepoint, anything else rolls back to
    /// it. This one cannot be used until that one has ended.
    ///
    /// # Errors
    /// When this transaction has ended, or failed before.
    pub fn savepoint(&self) -> Result<Self> {
        Ok(Self(self.0.savepoint()?))
    }

    /// Runs `work` in a savepoint: released when it returns `Ok`, undone when it returns `Err`. The
    /// transaction goes on either way.
    ///
    /// # Errors
    /// Whatever `work` returns, or that the savepoint failed.
    pub fn transaction<T, E: From<Error>>(&self, work: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        run(self.savepoint()?, work)
    }

    /// Runs `copy ... from stdin`, fed by what it returns. The transaction goes on when the copy has ended.
    ///
    /// # Errors
    /// When the statement is no such copy, or the database refuses it.
    pub fn copy_in(&self, sql: &str) -> Result<CopyIn> {
        Ok(CopyIn::new(self.0.copy_in(sql)?))
    }

    /// Runs `copy ... to stdout`, drained through what it returns. The transaction goes on when the copy has ended.
    ///
    /// # Errors
    /// When the statement is no such copy, or the database refuses it.
    pub fn copy_out(&self, sql: &str) -> Result<CopyOut> {
        Ok(CopyOut::new(self.0.copy_out(sql)?))
    }

    /// The contract's own resource.
    #[must_use]
    pub fn raw(&self) -> &pg_client::Transaction {
        &self.0
    }
}

queries!(Transaction);

/// Runs `work` and ends the transaction as its result says.
pub(super) fn run<T, E: From<Error>>(
    tx: Transaction,
    work: impl FnOnce(&Transaction) -> Result<T, E>,
) -> Result<T, E> {
    match work(&tx) {
        Ok(value) => {
            tx.commit()?;
            Ok(value)
        }
        Err(error) => {
            // The first error tells more than one of the clean-up, which the host repeats if need be.
            let _ = tx.rollback();
            Err(error)
        }
    }
}

/// How a transaction behaves; by default as the server is configured, normally `read committed`.
///
/// ```no_run
/// # use wharf_guest::{PgClient, Result, pg::{Isolation, TransactionOptions}};
/// # fn main() -> Result<()> {
/// let options = TransactionOptions::new().isolation(Isolation::Serializable).read_only();
/// let total: i64 = PgClient::open("main")?
///     .transaction_with(options, |tx| tx.query_value("select sum(balance)::int8 from accounts", &[]))?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TransactionOptions(pg_client::TransactionOptions);

impl Default for TransactionOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl TransactionOptions {
    /// What the server is configured for.
    #[must_use]
    pub fn new() -> Self {
        Self(pg_client::TransactionOptions {
            isolation: Isolation::ServerDefault,
            read_only: false,
            deferrable: false,
            timeout_ms: None,
        })
    }

    /// The same at this isolation level.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.0.isolation = isolation;
        self
    }

    /// The same, refusing writes.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.0.read_only = true;
        self
    }

    /// The same, waiting for a snapshot that cannot fail (serializable and read only).
    #[must_use]
    pub fn deferrable(mut self) -> Self {
        self.0.deferrable = true;
        self
    }

    /// The same with a deadline for the whole transaction (whole milliseconds, at least one).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout_ms = Some(millis(timeout));
        self
    }

    pub(super) fn raw(self) -> pg_client::TransactionOptions {
        self.0
    }
}
