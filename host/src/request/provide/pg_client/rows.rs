//! What the rows of a result become: values of the contract one by one, or the server's own bytes.

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use crate::bindings::wharf::platform::pg_client::{Error, PgValue, RawRowSet, RawRows, RowSet};

use super::budget::Budget;
use super::convert::Flaw;
use super::statement::Prepared;

/// Takes rows as they come and charges them to the budget of the call.
pub(super) trait Rows: Sized {
    /// The result as a whole.
    type Set;

    fn new() -> Self;
    fn push(&mut self, row: &Row, prepared: &Prepared, budget: &mut Budget) -> Result<(), Error>;
    fn finish(self, prepared: &Prepared, affected: u64) -> Self::Set;
}

/// Rows of values.
pub(super) type Values = Vec<Vec<PgValue>>;

impl Rows for Values {
    type Set = RowSet;

    fn new() -> Self {
        Self::new()
    }

    fn push(&mut self, row: &Row, prepared: &Prepared, budget: &mut Budget) -> Result<(), Error> {
        budget.row()?;
        let mut values = Vec::with_capacity(prepared.decoders.len());
        for (index, decoder) in prepared.decoders.iter().enumerate() {
            match decoder.decode(row, index, budget) {
                Ok(value) => values.push(value),
                Err(Flaw::TooLarge) => budget.bytes(usize::MAX)?,
                Err(Flaw::Malformed) => return Err(malformed(row, index)),
            }
        }
        self.push(values);
        Ok(())
    }

    fn finish(self, prepared: &Prepared, affected: u64) -> RowSet {
        RowSet { columns: prepared.columns(), rows: self, affected }
    }
}

/// Bytes that few results need more of: one allocation for most of them.
const FIRST_BYTES: usize = 256;

impl Rows for RawRows {
    type Set = RawRowSet;

    fn new() -> Self {
        Self { count: 0, bytes: Vec::new() }
    }

    fn push(&mut self, row: &Row, _: &Prepared, budget: &mut Budget) -> Result<(), Error> {
        budget.row()?;
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(FIRST_BYTES.max(row.raw_size_bytes()));
        }
        let begun = self.bytes.len();
        for index in 0..row.len() {
            let wire: Option<Wire<'_>> = row.try_get(index).map_err(|_shape| malformed(row, index))?;
            let (length, bytes) = match wire {
                None => (-1, &[][..]),
                Some(Wire(bytes)) => {
                    (i32::try_from(bytes.len()).map_err(|_size| malformed(row, index))?, bytes)
                }
            };
            self.bytes.extend_from_slice(&length.to_be_bytes());
            self.bytes.extend_from_slice(bytes);
        }
        self.count += 1;
        budget.bytes(self.bytes.len() - begun)
    }

    fn finish(self, prepared: &Prepared, affected: u64) -> RawRowSet {
        RawRowSet { columns: prepared.columns(), rows: self, affected }
    }
}

/// Rows that nobody wants: only how many were affected is told.
pub(super) struct Dropped;

impl Rows for Dropped {
    type Set = u64;

    fn new() -> Self {
        Self
    }

    fn push(&mut self, _: &Row, _: &Prepared, _: &mut Budget) -> Result<(), Error> {
        Ok(())
    }

    fn finish(self, _: &Prepared, affected: u64) -> u64 {
        affected
    }
}

fn malformed(row: &Row, index: usize) -> Error {
    let name = row.columns().get(index).map_or("?", |column| column.name());
    Error::Other(format!("the server sent a malformed value in column `{name}`"))
}

/// A column's bytes, whatever its type.
pub(super) struct Wire<'a>(pub(super) &'a [u8]);

impl<'a> FromSql<'a> for Wire<'a> {
    fn from_sql(_: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(bytes))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
