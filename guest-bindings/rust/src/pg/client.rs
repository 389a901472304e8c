//! One granted database.

use super::{
    CopyIn, CopyOut, Retry, Retryable, StatementInfo, Transaction, TransactionOptions, queries::queries,
    transaction::run,
};
use crate::{Error, Result, bindings::wharf::platform::pg_client::Database, time::sleep};
use std::time::Duration;

/// A database that the manifest grants: cheap, and holding no connection between calls.
///
/// Every call is its own transaction and may run on another connection; what belongs together goes into
/// [`transaction`](Self::transaction) or [`pipeline`](Self::pipeline).
#[derive(Debug)]
pub struct PgClient(Database);

impl PgClient {
    /// Opens the database of the grant `pg.<name>`, e.g. `"main"`. Does not connect.
    ///
    /// # Errors
    /// [`Error::is_denied`] when the manifest grants no such database.
    pub fn open(name: &str) -> Result<Self> {
        Ok(Self(Database::open(name)?))
    }

    /// The same, limiting each later call to `timeout` (whole milliseconds, at least one).
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.0.set_timeout(millis(timeout));
        self
    }

    /// Checks a statement against the schema without running it. Never needed for speed.
    ///
    /// # Errors
    /// When the statement is not valid in this database.
    pub fn prepare(&self, sql: &str) -> Result<StatementInfo> {
        Ok(self.0.prepare(sql)?)
    }

    /// Runs `work` in a transaction: committed when it returns `Ok`, rolled back when it returns `Err` or
    /// the instance ends in any other way.
    ///
    /// # Errors
    /// Whatever `work` returns, or that beginning or committing failed.
    pub fn transaction<T, E: From<Error>>(
        &self,
        work: impl FnOnce(&Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        run(self.begin()?, work)
    }

    /// The same with an isolation level, read only, or a deadline of its own.
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction).
    pub fn transaction_with<T, E: From<Error>>(
        &self,
        options: TransactionOptions,
        work: impl FnOnce(&Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        run(self.begin_with(options)?, work)
    }

    /// Runs `work` in a transaction, and from the start again in a new one when it collided with another
    /// (SQLSTATE 40001 or 40P01): what `serializable` and `repeatable read` call for.
    ///
    /// ```no_run
    /// # use wharf_guest::{PgClient, Result, pg::{Isolation, Retry, TransactionOptions}};
    /// # fn main() -> Result<()> {
    /// let options = TransactionOptions::new().isolation(Isolation::Serializable);
    /// let left: i64 = PgClient::open("main")?.transaction_retry(options, Retry::default(), |tx| {
    ///     tx.execute("update seats set taken = true where id = $1", &[&7])?;
    ///     tx.query_value("select count(*) from seats where not taken", &[])
    /// })?;
    /// # Ok(()) }
    /// ```
    ///
    /// `work` may run several times: what it does besides the transaction happens each time. Nothing is run
    /// again after any other error, least of all when the outcome is unknown.
    ///
    /// # Errors
    /// Whatever the last attempt gives, as [`transaction`](Self::transaction).
    pub fn transaction_retry<T, E: From<Error> + Retryable>(
        &self,
        options: TransactionOptions,
        retry: Retry,
        mut work: impl FnMut(&Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        retry.run(sleep, || self.transaction_with(options, &mut work))
    }

    /// Starts a transaction; dropping it without a commit rolls back.
    ///
    /// # Errors
    /// When no connection became free in time, or the database is down.
    pub fn begin(&self) -> Result<Transaction> {
        self.begin_with(TransactionOptions::default())
    }

    /// The same with an isolation level, read only, or a deadline of its own.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn begin_with(&self, options: TransactionOptions) -> Result<Transaction> {
        Ok(Transaction::new(self.0.begin(options.raw())?))
    }

    /// Sends a notification to whoever listens on `channel`; `payload` has at most 7,999 bytes.
    ///
    /// # Errors
    /// When it could not be sent.
    pub fn notify(&self, channel: &str, payload: &str) -> Result<()> {
        Ok(self.0.notify(channel, payload)?)
    }

    /// Runs `copy ... from stdin`, fed by what it returns. It holds a connection until it is dropped.
    ///
    /// # Errors
    /// When the statement is no such copy, or the database refuses it.
    pub fn copy_in(&self, sql: &str) -> Result<CopyIn> {
        Ok(CopyIn::new(self.0.copy_in(sql)?))
    }

    /// Runs `copy ... to stdout`, drained through what it returns. It holds a connection until it is dropped.
    ///
    /// # Errors
    /// When the statement is no such copy, or the database refuses it.
    pub fn copy_out(&self, sql: &str) -> Result<CopyOut> {
        Ok(CopyOut::new(self.0.copy_out(sql)?))
    }

    /// The contract's own resource.
    #[must_use]
    pub fn raw(&self) -> &Database {
        &self.0
    }
}

queries!(PgClient);

/// Whole milliseconds, at least one: zero would mean something else.
pub(super) fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX).max(1)
}
