//! What a query gave: rows whose columns are read by name or position, each when it is asked for.

use super::{Column, FromPg, PgValue, Scalar, block::Block};
use crate::bindings::wharf::platform::pg_client::RawRowSet;
use crate::{ColumnError, ErrorKind, Result};
use std::{fmt, ops::Range, sync::Arc};

/// All rows of a result, as [`PgClient::query`](crate::PgClient::query) returns them.
#[derive(Debug, Clone)]
pub struct Rows {
    block: Arc<Block>,
    left: Range<usize>,
    affected: u64,
}

/// One row. It shares what the server sent with the other rows of its result.
///
/// ```no_run
/// # use wharf_guest::{PgClient, Result};
/// # fn main() -> Result<()> {
/// let row = PgClient::open("main")?.query_one("select 1::int4 as a, null::text as b", &[])?;
/// let a: i64 = row.get("a")?;
/// let b = row.get::<Option<String>>(1)?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Row {
    block: Arc<Block>,
    index: usize,
    /// Columns whose values were taken out.
    taken: Vec<usize>,
}

/// A struct that can be made of a row: derive it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made of a row",
    note = "put `#[derive(wharf_guest::FromRow)]` on it; for a single column use `query_value`, or a tuple"
)]
pub trait FromRow: Sized {
    /// Takes the row apart.
    ///
    /// # Errors
    /// When a column is missing or of another type; the error names it.
    fn from_row(row: Row) -> Result<Self>;
}

/// A column's name or position (from 0).
pub trait ColumnIndex: Copy + fmt::Display {
    /// Where the column is, if there is one.
    fn position(self, columns: &[Column]) -> Option<usize>;
}

impl Rows {
    pub(super) fn new(set: RawRowSet) -> Result<Self> {
        Ok(Self::of(Block::new(set.columns.into(), set.rows)?, set.affected))
    }

    pub(super) fn of(block: Block, affected: u64) -> Self {
        Self { left: 0..block.len(), block: Arc::new(block), affected }
    }

    /// The result's columns, also when it has no rows.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.block.columns
    }

    /// Rows inserted, updated, deleted, or returned.
    #[must_use]
    pub fn affected(&self) -> u64 {
        self.affected
    }

    /// The only row.
    ///
    /// # Errors
    /// When there are none, or several.
    pub fn into_one(mut self) -> Result<Row> {
        match (self.len(), self.next()) {
            (1, Some(row)) => Ok(row),
            (found, _) => Err(ErrorKind::RowCount { found }.into()),
        }
    }

    /// The only row, or none.
    ///
    /// # Errors
    /// When there are several.
    pub fn into_opt(self) -> Result<Option<Row>> {
        if self.len() == 0 { Ok(None) } else { self.into_one().map(Some) }
    }

    /// Each row as a struct.
    ///
    /// # Errors
    /// When a column is missing or of another type.
    pub fn into_structs<T: FromRow>(self) -> Result<Vec<T>> {
        self.map(T::from_row).collect()
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let index = self.left.next()?;
        Some(Row { block: Arc::clone(&self.block), index, taken: Vec::new() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl ExactSizeIterator for Rows {}

impl Row {
    /// The row's columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.block.columns
    }

    /// All values in the order of the columns, as the contract has them.
    ///
    /// # Errors
    /// When the server sent what is not of a column's type.
    pub fn values(&self) -> Result<Vec<PgValue>> {
        (0..self.columns().len()).map(|position| self.get(position)).collect()
    }

    /// Whether there is a column of this name.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        column.position(self.columns()).is_some()
    }

    /// Reads a column. Nothing of it is kept: reading it again costs the same again.
    ///
    /// # Errors
    /// When there is no such column, or it does not fit `T`; the error names it.
    pub fn get<T: FromPg>(&self, column: impl ColumnIndex) -> Result<T> {
        self.read(column.position(self.columns()), column)
    }

    /// Reads a column, which is null from then on.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn take<T: FromPg>(&mut self, column: impl ColumnIndex) -> Result<T> {
        let position = column.position(self.columns());
        let value = self.read(position, column);
        self.taken.extend(position);
        value
    }

    /// Like `get`, looking at `position` first: derived code knows where a column most likely is.
    #[doc(hidden)]
    pub fn get_near<T: FromPg>(&self, column: &str, position: usize) -> Result<T> {
        let position = match self.columns().get(position) {
            Some(found) if found.name == column => Some(position),
            _ => column.position(self.columns()),
        };
        self.read(position, column)
    }

    fn read<T: FromPg>(&self, position: Option<usize>, column: impl ColumnIndex) -> Result<T> {
        let value = position.and_then(|position| {
            if self.taken.contains(&position) {
                return Some(T::from_pg(PgValue::Scalar(Scalar::Null)));
            }
            self.block.read(self.index, position)
        });
        let error = |expected, actual| ColumnError { column: column.to_string(), expected, actual };
        let Some(value) = value else {
            return Err(error("a column of this name", "none".to_owned()).into());
        };
        value.map_err(|mismatch| error(mismatch.expected, mismatch.actual).into())
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut columns = f.debug_map();
        for (position, column) in self.columns().iter().enumerate() {
            match self.get::<PgValue>(position) {
                Ok(value) => columns.entry(&column.name, &value),
                Err(error) => columns.entry(&column.name, &error),
            };
        }
        columns.finish()
    }
}

impl ColumnIndex for usize {
    fn position(self, columns: &[Column]) -> Option<usize> {
        Some(self).filter(|position| *position < columns.len())
    }
}

impl ColumnIndex for &str {
    fn position(self, columns: &[Column]) -> Option<usize> {
        columns.iter().position(|column| column.name == self)
    }
}

impl FromRow for Row {
    fn from_row(row: Row) -> Result<Self> {
        Ok(row)
    }
}

/// Implements `FromRow` for a tuple, by position.
macro_rules! tuple {
    ($($name:ident $index:literal),+) => {
        impl<$($name: FromPg),+> FromRow for ($($name,)+) {
            fn from_row(row: Row) -> Result<Self> {
                Ok(($(row.get::<$name>($index)?,)+))
            }
        }
    };
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::wharf::platform::pg_client::RawRows;

    fn columns() -> Vec<Column> {
        let column = |name: &str, type_oid| Column { name: name.to_owned(), type_oid };
        vec![column("id", 23), column("name", 25)]
    }

    fn rows(count: usize) -> Rows {
        let bytes = b"\0\0\0\x04\0\0\0\x07\0\0\0\x03Ada".repeat(count);
        let affected = count as u64;
        let rows = RawRows { count: u32::try_from(count).unwrap(), bytes };
        Rows::new(RawRowSet { columns: columns(), rows, affected }).unwrap()
    }

    fn row() -> Row {
        rows(1).into_one().unwrap()
    }

    #[test]
    fn columns_are_read_by_name_and_position() {
        let mut row = row();
        assert_eq!(row.get::<i64>("id").unwrap(), 7);
        assert_eq!(row.get::<String>(1).unwrap(), "Ada");
        assert_eq!(row.take::<String>("name").unwrap(), "Ada");
        assert_eq!(row.take::<Option<String>>("name").unwrap(), None);
    }

    #[test]
    fn a_row_shows_its_values() {
        let shown =
            r#"{"id": PgValue::Scalar(Scalar::Int4(7)), "name": PgValue::Scalar(Scalar::Text("Ada"))}"#;
        assert_eq!(format!("{:?}", row()), shown);
        assert_eq!(row().values().unwrap().len(), 2);
    }

    #[test]
    fn an_error_names_the_column_and_both_types() {
        let error = row().get::<bool>("name").unwrap_err();
        assert_eq!(error.to_string(), "column `name`: expected bool, found text");
        let error = row().get::<bool>("nope").unwrap_err();
        assert_eq!(error.to_string(), "column `nope`: expected a column of this name, found none");
        assert!(row().get::<bool>(2).is_err());
    }

    #[test]
    fn one_and_at_most_one_row_are_checked() {
        assert!(rows(0).into_one().is_err() && rows(2).into_one().is_err());
        assert!(rows(0).into_opt().unwrap().is_none());
        assert!(rows(1).into_opt().unwrap().is_some());
        let error = rows(2).into_opt().unwrap_err();
        assert_eq!(error.to_string(), "the query gave 2 rows where one was expected");
    }

    #[derive(Debug, PartialEq, crate::FromRow)]
    struct User {
        #[pg(rename = "name")]
        called: String,
        id: i64,
        #[pg(default)]
        admin: bool,
    }

    #[derive(Debug, PartialEq, crate::FromRow)]
    struct Pair<T>(i32, T);

    #[test]
    fn derived_structs_find_their_columns_in_any_order() {
        let user = User { called: "Ada".into(), id: 7, admin: false };
        assert_eq!(rows(1).into_structs::<User>().unwrap(), [user]);
        assert_eq!(FromRow::from_row(row()).ok(), Some(Pair(7, "Ada".to_owned())));
        assert_eq!(<(i32, String)>::from_row(row()).unwrap(), (7, "Ada".to_owned()));
    }
}
