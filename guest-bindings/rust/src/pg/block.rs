//! The rows of one answer, shared by all of them: the server's bytes, and where each value begins.

use super::wire::Reader;
use super::{Column, FromPg, Mismatch};
use crate::bindings::wharf::platform::pg_client::{Error, RawRows};
use std::{fmt, sync::Arc};

pub(super) struct Block {
    pub(super) columns: Arc<[Column]>,
    bytes: Vec<u8>,
    /// Where in the bytes each value begins, its length first: row after row.
    starts: Vec<u32>,
    count: usize,
}

impl Block {
    /// Finds the values. Fails when the bytes are not as many rows of these columns.
    pub(super) fn new(columns: Arc<[Column]>, rows: RawRows) -> Result<Self, Error> {
        let starts = starts(&rows, columns.len())
            .ok_or_else(|| Error::Other("the host's rows are not as the contract has them".to_owned()))?;
        let count = usize::try_from(rows.count).unwrap_or(usize::MAX);
        Ok(Self { columns, bytes: rows.bytes, starts, count })
    }

    pub(super) fn empty(columns: Arc<[Column]>) -> Self {
        Self { columns, bytes: Vec::new(), starts: Vec::new(), count: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// One value as a `T`; none when there is no such row or column.
    pub(super) fn read<T: FromPg>(&self, row: usize, column: usize) -> Option<Result<T, Mismatch>> {
        let type_oid = self.columns.get(column)?.type_oid;
        let start = *self.starts.get(row.checked_mul(self.columns.len())?.checked_add(column)?)?;
        let mut rest = Reader(self.bytes.get(usize::try_from(start).ok()?..)?);
        Some(T::from_wire(rest.value(type_oid)?))
    }
}

/// Where the values begin.
fn starts(rows: &RawRows, width: usize) -> Option<Vec<u32>> {
    let count = usize::try_from(rows.count).ok()?.checked_mul(width)?;
    let mut rest = Reader(&rows.bytes);
    // Each value has a length of four bytes: no more room is taken than the bytes can fill.
    let mut starts = Vec::with_capacity(count.min(rows.bytes.len() / 4));
    for _ in 0..count {
        starts.push(u32::try_from(rows.bytes.len() - rest.0.len()).ok()?);
        rest.value(0)?;
    }
    rest.end(starts)
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("columns", &self.columns)
            .field("rows", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(count: u32, bytes: &[u8]) -> Result<Block, Error> {
        let column = |type_oid| Column { name: "c".to_owned(), type_oid };
        Block::new([column(21), column(25)].into(), RawRows { count, bytes: bytes.to_vec() })
    }

    const ROWS: &[u8] = b"\0\0\0\x02\0\x07\0\0\0\x03Ada\xff\xff\xff\xff\0\0\0\0";

    #[test]
    fn values_are_found_by_row_and_column() {
        let block = block(2, ROWS).unwrap();
        assert_eq!(block.read::<i64>(0, 0), Some(Ok(7)));
        assert_eq!(block.read::<String>(0, 1), Some(Ok("Ada".to_owned())));
        assert_eq!(block.read::<Option<i16>>(1, 0), Some(Ok(None)));
        assert_eq!(block.read::<String>(1, 1), Some(Ok(String::new())));
        assert_eq!(block.read::<String>(2, 0), None);
        assert_eq!(block.read::<String>(0, 2), None);
    }

    #[test]
    fn rows_that_are_cut_off_or_go_on_are_refused() {
        for length in 0..ROWS.len() {
            assert!(block(2, &ROWS[..length]).is_err(), "{length} bytes");
        }
        assert!(block(1, ROWS).is_err() && block(3, ROWS).is_err() && block(u32::MAX, ROWS).is_err());
        assert!(block(2, &[ROWS, &[0]].concat()).is_err());
        assert!(block(0, &[]).is_ok());
    }
}
