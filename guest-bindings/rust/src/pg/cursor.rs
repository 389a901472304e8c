//! Results too large for one call, read in batches.

use super::{Column, Row, Rows, block::Block};
use crate::Result;
use crate::bindings::wharf::platform::pg_client::{self, RawRows};
use std::{fmt, sync::Arc};

/// Rows to fetch at once when nothing else is asked for.
const BATCH: u32 = 256;

/// Reads a result in batches from one snapshot; holds a connection until it is dropped.
///
/// ```no_run
/// # use wharf_guest::{PgClient, Result};
/// # fn main() -> Result<()> {
/// for row in PgClient::open("main")?.cursor("select id from events", &[])?.batch(1000) {
///     let id: i64 = row?.get("id")?;
/// }
/// # Ok(()) }
/// ```
pub struct Cursor {
    raw: pg_client::Cursor,
    columns: Arc<[Column]>,
    batch: u32,
    fetched: Rows,
    ended: bool,
}

impl Cursor {
    pub(super) fn new(raw: pg_client::Cursor) -> Self {
        let columns: Arc<[Column]> = raw.columns().into();
        let fetched = Rows::of(Block::empty(Arc::clone(&columns)), 0);
        Self { raw, columns, batch: BATCH, fetched, ended: false }
    }

    /// The same, fetching this many rows at once: 1 to 10,000, by default 256.
    #[must_use]
    pub fn batch(mut self, rows: u32) -> Self {
        self.batch = rows;
        self
    }

    /// The result's columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The next rows, as many as a batch holds; none at the end.
    ///
    /// # Errors
    /// When the statement fails; there are no rows after that.
    pub fn next_batch(&mut self) -> Result<Vec<Row>> {
        if self.fetched.len() == 0 {
            self.fetched = self.fetch()?;
        }
        Ok(self.fetched.by_ref().collect())
    }

    fn fetch(&mut self) -> Result<Rows> {
        let mut rows = RawRows { count: 0, bytes: Vec::new() };
        if !self.ended {
            // Assume the worst, so that an error is the end.
            self.ended = true;
            rows = self.raw.next_raw(self.batch)?;
            self.ended = rows.count == 0;
        }
        Ok(Rows::of(Block::new(Arc::clone(&self.columns), rows)?, 0))
    }
}

impl Iterator for Cursor {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        if self.fetched.len() == 0 {
            match self.fetch() {
                Ok(rows) => self.fetched = rows,
                Err(error) => return Some(Err(error)),
            }
        }
        self.fetched.next().map(Ok)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("columns", &self.columns)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
