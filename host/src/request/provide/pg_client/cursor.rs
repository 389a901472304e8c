//! Results in batches: DECLARE and FETCH, so that neither the driver nor the host holds more than one batch.

#![expect(unreachable_pub, reason = "the generated bindings re-export the resources of this file")]

use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::Resource;

use crate::bindings::wharf::platform::pg_client::{
    Column, Error, HostCursor, Isolation, PgValue, RawRows, Row, TransactionOptions,
};
use crate::request::RequestState;

use super::Answer;
use super::pool::Pools;
use super::rows::{Dropped, Rows, Values};
use super::statement::Prepared;
use super::transaction::{Session, Transaction};

/// Rows of one batch: `wit/pg-client.wit`.
const MOST_ROWS: u32 = 10_000;

/// A cursor, and the transaction that it lives in when it was opened without one.
pub struct Cursor {
    session: Arc<Session>,
    /// The transaction or savepoint that it was opened in.
    serial: u64,
    name: String,
    columns: Vec<Column>,
    /// FETCH of the size that was last asked for.
    fetch: Mutex<Option<(u32, Arc<Prepared>)>>,
    /// Dropped with the cursor: rolls back and gives the connection back.
    own: Option<Transaction>,
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Cursor {
    /// In a transaction of its own.
    pub(super) async fn alone(pools: &Pools, sql: &str, params: &[PgValue]) -> Result<Self, Error> {
        let options = TransactionOptions {
            isolation: Isolation::ServerDefault,
            read_only: false,
            deferrable: false,
            timeout_ms: None,
        };
        let transaction = Transaction::begin(pools, &options).await?;
        let cursor = Self::inside(&transaction, sql, params).await?;
        Ok(Self { own: Some(transaction), ..cursor })
    }

    /// In a transaction that goes on.
    pub(super) async fn inside(
        transaction: &Transaction,
        sql: &str,
        params: &[PgValue],
    ) -> Result<Self, Error> {
        let (name, columns) = transaction
            .run(async |lease| {
                let prepared = lease.prepare(sql).await?;
                if !prepared.returns_rows() {
                    return Err(Error::InvalidArgument("the statement returns no rows".to_owned()));
                }
                lease.note(&prepared).await?;
                let name = lease.name_cursor()?;
                let declare = format!("declare {name} no scroll cursor for {sql}");
                let declare = lease.prepare_own(&declare).await?;
                lease.run::<Dropped>(&declare, params).await?;
                Ok((name, prepared.columns()))
            })
            .await?;
        let (session, serial) = transaction.session();
        Ok(Self { session: session.clone(), serial, name, columns, fetch: Mutex::default(), own: None })
    }

    async fn next<R: Rows>(&self, max: u32) -> Result<R::Set, Error> {
        if !(1..=MOST_ROWS).contains(&max) {
            return Err(Error::InvalidArgument(format!("`max-rows` is {max}: use 1 to {MOST_ROWS}")));
        }
        self.session
            .with(self.serial, async |lease| {
                let known = self.fetch.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let fetch = match known {
                    Some((size, prepared)) if size == max => prepared,
                    _ => lease.prepare_own(&format!("fetch forward {max} from {}", self.name)).await?,
                };
                *self.fetch.lock().unwrap_or_else(PoisonError::into_inner) = Some((max, fetch.clone()));
                lease.run::<R>(&fetch, &[]).await
            })
            .await
    }
}

impl HostCursor for RequestState {
    fn columns(&mut self, cursor: Resource<Cursor>) -> wasmtime::Result<Vec<Column>> {
        Ok(self.table.get(&cursor)?.columns.clone())
    }

    async fn next(&mut self, cursor: Resource<Cursor>, max_rows: u32) -> Answer<Vec<Row>> {
        let next = self.table.get(&cursor)?.next::<Values>(max_rows).await;
        Ok(next.map(|set| set.rows))
    }

    async fn next_raw(&mut self, cursor: Resource<Cursor>, max_rows: u32) -> Answer<RawRows> {
        let next = self.table.get(&cursor)?.next::<RawRows>(max_rows).await;
        Ok(next.map(|set| set.rows))
    }

    async fn drop(&mut self, cursor: Resource<Cursor>) -> wasmtime::Result<()> {
        let cursor = self.table.delete(cursor)?;
        if cursor.own.is_none() {
            let close = format!("close {}", cursor.name);
            // Fails when the transaction ended before, which closed the cursor.
            let _ = cursor.session.with(cursor.serial, async |lease| lease.control(&close).await).await;
        }
        Ok(())
    }
}
