//! A statement together with its parameters.

use super::{Cursor, FromPg, FromRow, Pipeline, Queries, Row, Rows, ToPg};
use crate::Result;
use std::fmt;

/// A statement with its parameters, as [`sql!`](crate::sql) makes it, to be run on a
/// [`PgClient`](super::PgClient) or a [`Transaction`](super::Transaction).
///
/// ```no_run
/// use wharf_guest::{FromRow, PgClient, Result, sql};
///
/// #[derive(FromRow)]
/// struct User {
///     id: i64,
///     name: String,
/// }
///
/// # fn main() -> Result<()> {
/// let pg = PgClient::open("main")?;
/// let (name, email) = ("Ada".to_owned(), None);
///
/// let id: i64 = sql!(
///     "insert into users (name, email) values ($1, $2) returning id",
///     name as String,
///     email as Option<&str>,
/// )
/// .query_value(&pg)?;
/// let user = sql!("select id, name from users where id = $1", id as i64).query_one_as::<User>(&pg)?;
/// # Ok(()) }
/// ```
///
/// # Parameters
/// Their number is checked when the service is compiled. A parameter is any expression, and is borrowed.
/// `expression as Type` declares its type:
/// - a number (`len as i64`) or a reference (`&name as &str`) is cast as by Rust's own `as`;
/// - anything else (`name as Option<String>`, `id as uuid::Uuid`) must be of that type, as in `let`.
///
/// # Database
/// `sql!(in "audit", "select ...")` tells which database the statement is meant for; without it, it is the first
/// one that the manifest grants. That is for the record only: it runs where it is told to.
///
/// # Record
/// The component carries a list of its statements, so that they can be checked against a schema without being
/// run: the custom section `wharf:sql` has a line of JSON for each, with the database, the text, the declared
/// types in the contract's names (`int8`, `text[]`, ...; `any` where none is declared), file and line. It takes
/// no memory of an instance. It is compatible with `#![forbid(unsafe_code)]`.
#[derive(Clone, Copy)]
pub struct Sql<'a> {
    #[doc(hidden)]
    pub __text: &'a str,
    #[doc(hidden)]
    pub __params: &'a [&'a dyn ToPg],
}

impl<'a> Sql<'a> {
    /// The statement.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.__text
    }

    /// Its parameters, `$1` first.
    #[must_use]
    pub fn params(&self) -> &'a [&'a dyn ToPg] {
        self.__params
    }
}

/// Methods that forward to `Queries`.
macro_rules! methods {
    ($($name:ident $(<$t:ident: $bound:path>)? -> $output:ty;)+) => {
        impl Sql<'_> {
            $(
                #[doc = concat!("See [`Queries::", stringify!($name), "`].")]
                ///
                /// # Errors
                /// As documented there.
                pub fn $name $(<$t: $bound>)? (&self, db: &impl Queries) -> Result<$output> {
                    db.$name(self.text(), self.params())
                }
            )+
        }
    };
}

methods! {
    query -> Rows;
    query_as<T: FromRow> -> Vec<T>;
    query_one -> Row;
    query_one_as<T: FromRow> -> T;
    query_opt -> Option<Row>;
    query_opt_as<T: FromRow> -> Option<T>;
    query_value<T: FromPg> -> T;
    execute -> u64;
    cursor -> Cursor;
}

impl Pipeline {
    /// The same with one more statement.
    #[must_use]
    pub fn add_sql(self, sql: Sql<'_>) -> Self {
        self.add(sql.text(), sql.params())
    }

    /// Adds a statement.
    pub fn push_sql(&mut self, sql: Sql<'_>) {
        self.push(sql.text(), sql.params());
    }
}

impl fmt::Debug for Sql<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params: Vec<_> = self.params().iter().map(|param| param.to_pg()).collect();
        f.debug_struct("Sql").field("text", &self.text()).field("params", &params).finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        pg::{Pipeline, Sql},
        sql,
    };

    fn shown(sql: Sql<'_>) -> Vec<String> {
        sql.params().iter().map(|param| format!("{:?}", param.to_pg())).collect()
    }

    #[test]
    fn parameters_have_the_types_that_were_declared() {
        let (length, name, id) = (3_usize, "Ada".to_owned(), 7);
        let params = shown(sql!(
            "select $1, $2, $3, $4, $5",
            length as i64,
            &name as &str,
            name as String,
            id as i16,
            None as Option<i32>,
        ));
        let values = ["Int8(3)", r#"Text("Ada")"#, r#"Text("Ada")"#, "Int2(7)", "Null"];
        assert_eq!(params, values.map(|value| format!("PgValue::Scalar(Scalar::{value})")));
        assert_eq!(name, "Ada", "it was only borrowed");
    }

    #[test]
    fn a_statement_can_be_kept_and_put_into_a_pipeline() {
        let text = || String::from("x");
        let statement = sql!(in "audit", "select $1 as \"é\"", text());
        assert_eq!(statement.text(), "select $1 as \"é\"");
        let mut pipeline = Pipeline::new().add_sql(statement);
        pipeline.push_sql(sql!("select '$1'"));
        assert_eq!(pipeline.statements().len(), 2);
        assert!(format!("{statement:?}").starts_with("Sql { text: \"select"));
    }
}
