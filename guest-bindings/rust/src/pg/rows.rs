//! What a query gave: rows whose columns are read by name or position.

use super::{Column, FromPg, PgValue, Scalar};
use crate::{ColumnError, ErrorKind, Result, bindings::wharf::platform::pg_client::RowSet};
use std::{fmt, sync::Arc};

/// All rows of a result, as [`PgClient::query`](crate::PgClient::query) returns them.
#[derive(Debug, Clone)]
pub struct Rows {
    columns: Arc<[Column]>,
    rows: std::vec::IntoIter<Vec<PgValue>>,
    affected: u64,
}

/// One row.
///
/// ```no_run
/// # use wharf_guest::{PgClient, Result};
/// # fn main() -> Result<()> {
/// let row = PgClient::open("main")?.query_one("select 1::int4 as a, null::text as b", &[])?;
/// let a: i64 = row.get("a")?;
/// let b = row.get::<Option<String>>(1)?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Row {
    columns: Arc<[Column]>,
    values: Vec<PgValue>,
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
    pub(crate) fn new(set: RowSet) -> Self {
        Self { columns: set.columns.into(), rows: set.rows.into_iter(), affected: set.affected }
    }

    /// The result's columns, also when it has no rows.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
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
        self.rows.next().map(|values| Row { columns: Arc::clone(&self.columns), values })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

impl ExactSizeIterator for Rows {}

impl Row {
    pub(crate) fn new(columns: Arc<[Column]>, values: Vec<PgValue>) -> Self {
        Self { columns, values }
    }

    /// The row's columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The values in the order of the columns.
    #[must_use]
    pub fn values(&self) -> &[PgValue] {
        &self.values
    }

    /// Whether there is a column of this name.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        column.position(&self.columns).is_some()
    }

    /// Reads a column; text and bytes are copied, [`take`](Self::take) moves them.
    ///
    /// # Errors
    /// When there is no such column, or it does not fit `T`; the error names it.
    pub fn get<T: FromPg>(&self, column: impl ColumnIndex) -> Result<T> {
        let value = column.position(&self.columns).and_then(|position| self.values.get(position));
        convert(value.cloned(), column)
    }

    /// Takes a value out of its column, which is null from then on.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn take<T: FromPg>(&mut self, column: impl ColumnIndex) -> Result<T> {
        let position = column.position(&self.columns);
        convert(self.take_at(position), column)
    }

    /// Like `take`, looking at `position` first: derived code knows where a column most likely is.
    #[doc(hidden)]
    pub fn take_near<T: FromPg>(&mut self, column: &str, position: usize) -> Result<T> {
        let position = match self.columns.get(position) {
            Some(found) if found.name == column => Some(position),
            _ => column.position(&self.columns),
        };
        convert(self.take_at(position), column)
    }

    fn take_at(&mut self, position: Option<usize>) -> Option<PgValue> {
        let value = self.values.get_mut(position?)?;
        Some(std::mem::replace(value, PgValue::Scalar(Scalar::Null)))
    }
}

fn convert<T: FromPg>(value: Option<PgValue>, column: impl ColumnIndex) -> Result<T> {
    let error = |expected, actual| ColumnError { column: column.to_string(), expected, actual };
    let Some(value) = value else { return Err(error("a column of this name", "none".to_owned()).into()) };
    T::from_pg(value).map_err(|mismatch| error(mismatch.expected, mismatch.actual).into())
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
            fn from_row(mut row: Row) -> Result<Self> {
                Ok(($(row.take::<$name>($index)?,)+))
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

    fn rows(count: usize) -> Rows {
        let column = |name: &str| Column { name: name.to_owned(), type_oid: 25 };
        let row = vec![PgValue::Scalar(Scalar::Int4(7)), PgValue::Scalar(Scalar::Text("Ada".into()))];
        Rows::new(RowSet {
            columns: vec![column("id"), column("name")],
            rows: vec![row; count],
            affected: count as u64,
        })
    }

    fn row() -> Row {
        rows(1).into_one().unwrap()
    }

    #[test]
    fn columns_are_read_by_name_and_position() {
        assert_eq!(row().get::<i64>("id").unwrap(), 7);
        assert_eq!(row().get::<String>(1).unwrap(), "Ada");
        let mut row = row();
        assert_eq!(row.take::<String>("name").unwrap(), "Ada");
        assert_eq!(row.take::<Option<String>>("name").unwrap(), None);
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
