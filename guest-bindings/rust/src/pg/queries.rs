//! What a database and a transaction have in common: statements.

use super::{Cursor, FromPg, FromRow, Pipeline, Row, Rows, ToPg};
use crate::Result;

/// Runs statements: a [`PgClient`](super::PgClient) or a [`Transaction`](super::Transaction).
///
/// Both have these functions as methods of their own; the trait is for code that takes either.
///
/// ```no_run
/// # use wharf_guest::{Result, pg::Queries};
/// fn rename(db: &impl Queries, id: i64, name: &str) -> Result<u64> {
///     db.execute("update users set name = $2 where id = $1", &[&id, &name])
/// }
/// ```
///
/// Parameters `$1`, `$2`, ... travel apart from the text and are converted to the types that the statement
/// expects, so text that users typed cannot become SQL.
pub trait Queries {
    /// Runs one statement and returns its rows.
    ///
    /// # Errors
    /// [`Error::sqlstate`](crate::Error::sqlstate) tells what the database refused; the other cases are in
    /// [`ErrorKind::Pg`](crate::ErrorKind::Pg).
    fn query(&self, sql: &str, params: &[&dyn ToPg]) -> Result<Rows>;

    /// Runs one statement, drops its rows and returns how many it affected.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    fn execute(&self, sql: &str, params: &[&dyn ToPg]) -> Result<u64>;

    /// Runs statements in order in one transaction and, where possible, one round trip: all or none.
    ///
    /// # Errors
    /// As [`query`](Self::query), for the first statement that fails.
    fn pipeline(&self, statements: Pipeline) -> Result<Vec<Rows>>;

    /// Reads a result in batches, for more rows than one call may return.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    fn cursor(&self, sql: &str, params: &[&dyn ToPg]) -> Result<Cursor>;

    /// Runs a statement that gives exactly one row.
    ///
    /// # Errors
    /// As [`query`](Self::query), and for none or several rows.
    fn query_one(&self, sql: &str, params: &[&dyn ToPg]) -> Result<Row> {
        self.query(sql, params)?.into_one()
    }

    /// Runs a statement that gives at most one row.
    ///
    /// # Errors
    /// As [`query`](Self::query), and for several rows.
    fn query_opt(&self, sql: &str, params: &[&dyn ToPg]) -> Result<Option<Row>> {
        self.query(sql, params)?.into_opt()
    }

    /// Runs one statement and makes a struct of each row.
    ///
    /// # Errors
    /// As [`query`](Self::query), and for columns that do not fit.
    fn query_as<T: FromRow>(&self, sql: &str, params: &[&dyn ToPg]) -> Result<Vec<T>> {
        self.query(sql, params)?.into_structs()
    }

    /// Makes a struct of the only row.
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one), and for columns that do not fit.
    fn query_one_as<T: FromRow>(&self, sql: &str, params: &[&dyn ToPg]) -> Result<T> {
        T::from_row(self.query_one(sql, params)?)
    }

    /// Makes a struct of the only row, if there is one.
    ///
    /// # Errors
    /// As [`query_opt`](Self::query_opt), and for columns that do not fit.
    fn query_opt_as<T: FromRow>(&self, sql: &str, params: &[&dyn ToPg]) -> Result<Option<T>> {
        self.query_opt(sql, params)?.map(T::from_row).transpose()
    }

    /// The first column of the only row.
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one), and for a value that does not fit.
    fn query_value<T: FromPg>(&self, sql: &str, params: &[&dyn ToPg]) -> Result<T> {
        self.query_one(sql, params)?.get(0)
    }
}

/// Implements the trait by a resource of the contract, and its functions as methods of the type's own.
macro_rules! queries {
    ($type:ty) => {
        impl $crate::pg::Queries for $type {
            fn query(&self, sql: &str, params: &[&dyn $crate::pg::ToPg]) -> $crate::Result<$crate::pg::Rows> {
                $crate::pg::Rows::new(self.raw().query_raw(sql, &$crate::pg::queries::values(params))?)
            }

            fn execute(&self, sql: &str, params: &[&dyn $crate::pg::ToPg]) -> $crate::Result<u64> {
                Ok(self.raw().execute(sql, &$crate::pg::queries::values(params))?)
            }

            fn pipeline(&self, statements: $crate::pg::Pipeline) -> $crate::Result<Vec<$crate::pg::Rows>> {
                let results = self.raw().pipeline_raw(statements.statements())?;
                results.into_iter().map($crate::pg::Rows::new).collect()
            }

            fn cursor(
                &self,
                sql: &str,
                params: &[&dyn $crate::pg::ToPg],
            ) -> $crate::Result<$crate::pg::Cursor> {
                Ok($crate::pg::Cursor::new(self.raw().cursor(sql, &$crate::pg::queries::values(params))?))
            }
        }

        $crate::pg::queries::methods! { $type,
            query(sql: &str, params: &[&dyn $crate::pg::ToPg]) -> $crate::pg::Rows;
            execute(sql: &str, params: &[&dyn $crate::pg::ToPg]) -> u64;
            pipeline(statements: $crate::pg::Pipeline) -> Vec<$crate::pg::Rows>;
            cursor(sql: &str, params: &[&dyn $crate::pg::ToPg]) -> $crate::pg::Cursor;
            query_one(sql: &str, params: &[&dyn $crate::pg::ToPg]) -> $crate::pg::Row;
            query_opt(sql: &str, params: &[&dyn $crate::pg::ToPg]) -> Option<$crate::pg::Row>;
            query_as<T: $crate::pg::FromRow>(sql: &str, params: &[&dyn $crate::pg::ToPg]) -> Vec<T>;
            query_one_as<T: $crate::pg::FromRow>(sql: &str, params: &[&dyn $crate::pg::ToPg]) -> T;
            query_opt_as<T: $crate::pg::FromRow>(sql: &str, params: &[&dyn $crate::pg::ToPg]) -> Option<T>;
            query_value<T: $crate::pg::FromPg>(sql: &str, params: &[&dyn $crate::pg::ToPg]) -> T;
        }
    };
}
pub(super) use queries;

/// Methods that forward to the trait.
macro_rules! methods {
    ($type:ty, $($name:ident $(<$t:ident: $bound:path>)? ($($arg:ident: $arg_type:ty),*) -> $output:ty;)+) => {
        impl $type {
            $(
                #[doc = concat!("See [`Queries::", stringify!($name), "`](crate::pg::Queries::", stringify!($name), ").")]
                ///
                /// # Errors
                /// As documented there.
                pub fn $name $(<$t: $bound>)? (&self, $($arg: $arg_type),*) -> $crate::Result<$output> {
                    $crate::pg::Queries::$name(self, $($arg),*)
                }
            )+
        }
    };
}
pub(super) use methods;

/// The parameters as the contract has them.
pub(super) fn values(params: &[&dyn ToPg]) -> Vec<super::PgValue> {
    params.iter().map(|param| param.to_pg()).collect()
}
