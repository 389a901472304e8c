//! The one error of this crate: what went wrong, and what to tell the caller.

use crate::bindings::wharf::platform::log::Level;
use crate::bindings::wharf::platform::{http_types, kv, pg_client};
use std::fmt;

pub use crate::bindings::wharf::platform::pg_client::DbError;

/// What the functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Anything that can go wrong between a service and its host.
///
/// Handlers can return it with `?`: as a response it is 500, 503 or 504 (400, 408 or 413 when the
/// request's body was to blame) with a sentence that gives nothing away, and the details go to the log.
///
/// ```no_run
/// # use wharf_guest::{Error, PgClient};
/// fn rename(pg: &PgClient, id: i64, name: &str) -> Result<bool, Error> {
///     match pg.execute("update users set name = $2 where id = $1", &[&id, &name]) {
///         Err(error) if error.is_unique_violation() => Ok(false),
///         other => other.map(|changed| changed == 1),
///     }
/// }
/// ```
pub struct Error(Box<ErrorKind>);

/// The cases of an [`Error`].
#[derive(Debug)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "it only lives in the box of an `Error`")]
pub enum ErrorKind {
    /// A call of [`PgClient`](crate::PgClient) failed.
    Pg(pg_client::Error),
    /// A call of [`Kv`](crate::Kv) failed.
    Kv(kv::Error),
    /// The request's body could not be read.
    Body(http_types::Error),
    /// A call of [`HttpClient`](crate::HttpClient) failed, or the body of its response.
    Http(http_types::Error),
    /// The request is not what the handler asked for; the text may be shown to the client.
    Request(String),
    /// A column of a row does not fit the type that was asked for.
    Column(ColumnError),
    /// A query gave another number of rows than exactly one (or at most one).
    RowCount {
        /// How many rows came.
        found: usize,
    },
    /// The manifest's `[config]` lacks a key, or its value does not parse.
    Config {
        /// The key that was asked for.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A stored value is not what the service expected.
    Value(String),
    /// Others wrote a key each time between reading and writing it; nothing was changed. Only
    /// [`Kv::update`](crate::Kv::update) and its kin give it.
    Conflict {
        /// The key.
        key: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// Reading or writing a stream failed, for a reason that is not the host's.
    Io(std::io::Error),
}

/// A column that is missing, or holds something else than was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnError {
    /// The column's name, or its index in decimal digits when it was asked for by index.
    pub column: String,
    /// What was asked for, e.g. `i64`.
    pub expected: &'static str,
    /// What is there, e.g. `text`, `null` or `no such column`.
    pub actual: String,
}

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    /// The error that the database reported, if it is one.
    #[must_use]
    pub fn db(&self) -> Option<&DbError> {
        match self.kind() {
            ErrorKind::Pg(pg_client::Error::Db(db)) => Some(db),
            _ => None,
        }
    }

    /// PostgreSQL's five-character error code, e.g. `"23505"`.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        self.db().map(|db| db.sqlstate.as_str())
    }

    /// The constraint that a statement violated.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        self.db()?.constraint.as_deref()
    }

    /// A row with this key exists already (23505).
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        self.sqlstate() == Some("23505")
    }

    /// A row refers to one that does not exist, or is still referred to (23503).
    #[must_use]
    pub fn is_foreign_key_violation(&self) -> bool {
        self.sqlstate() == Some("23503")
    }

    /// A `check` constraint refused the row (23514).
    #[must_use]
    pub fn is_check_violation(&self) -> bool {
        self.sqlstate() == Some("23514")
    }

    /// A column that must not be null got none (23502).
    #[must_use]
    pub fn is_not_null_violation(&self) -> bool {
        self.sqlstate() == Some("23502")
    }

    /// The transaction collided with another (40001 or 40P01): running it again from the start may work.
    #[must_use]
    pub fn is_serialization_failure(&self) -> bool {
        matches!(self.sqlstate(), Some("40001" | "40P01"))
    }

    /// The manifest does not grant what was opened.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Pg(pg_client::Error::Denied(_))
                | ErrorKind::Kv(kv::Error::Denied(_))
                | ErrorKind::Body(http_types::Error::Denied(_))
                | ErrorKind::Http(http_types::Error::Denied(_))
        )
    }

    /// Nothing was done, and trying again later may work.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Pg(pg_client::Error::Unavailable(_) | pg_client::Error::PoolExhausted)
                | ErrorKind::Kv(kv::Error::Unavailable(_))
                | ErrorKind::Http(http_types::Error::Unavailable(_))
                | ErrorKind::Conflict { .. }
        )
    }

    /// An update of a key was given up because others were faster each time. Nothing was changed.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self.kind(), ErrorKind::Conflict { .. })
    }

    /// A deadline passed.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Pg(pg_client::Error::Timeout)
                | ErrorKind::Kv(kv::Error::Timeout)
                | ErrorKind::Body(http_types::Error::Timeout)
                | ErrorKind::Http(http_types::Error::Timeout)
        )
    }

    /// A write may have happened or not: the connection broke, or a deadline passed, after it was sent.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Pg(
                pg_client::Error::ConnectionLost(_) | pg_client::Error::Timeout | pg_client::Error::Cancelled
            ) | ErrorKind::Kv(kv::Error::ConnectionLost(_) | kv::Error::Timeout)
                | ErrorKind::Http(http_types::Error::ConnectionLost(_) | http_types::Error::Timeout)
        )
    }

    /// The HTTP status that fits: 400, 408, 413, 500, 503 or 504.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.kind() {
            ErrorKind::Request(_) | ErrorKind::Body(http_types::Error::ConnectionLost(_)) => 400,
            ErrorKind::Body(http_types::Error::Timeout) => 408,
            ErrorKind::Body(http_types::Error::LimitExceeded(_)) => 413,
            _ if self.is_unavailable() => 503,
            _ if self.is_timeout() => 504,
            _ => 500,
        }
    }

    /// A sentence for the client that gives nothing away.
    #[must_use]
    pub fn safe_text(&self) -> &str {
        match (self.kind(), self.status()) {
            (ErrorKind::Request(text), _) => text,
            (_, 400) => "the request's body broke off",
            (_, 408) => "the request's body did not arrive in time",
            (_, 413) => "the request's body is too large",
            (_, 503) => "temporarily unavailable, please try again",
            (_, 504) => "this took too long",
            _ => "internal error",
        }
    }

    /// Writes an error of the service or its host to the log; a client's is not worth a line.
    pub(crate) fn report(&self) {
        if self.status() < 500 {
            return;
        }
        let mut fields = vec![("error".to_owned(), self.to_string())];
        if let Some(db) = self.db() {
            fields.push(("sqlstate".to_owned(), db.sqlstate.clone()));
            let parts = [("detail", &db.detail), ("hint", &db.hint), ("constraint", &db.constraint)];
            for (name, part) in parts {
                fields.extend(part.iter().map(|text| (name.to_owned(), text.clone())));
            }
        }
        crate::log::emit(Level::Error, "the handler returned an error", &fields);
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            ErrorKind::Pg(error) => write_pg(error, f),
            ErrorKind::Kv(error) => write_kv(error, f),
            ErrorKind::Body(error) => write_body(error, f),
            ErrorKind::Http(error) => write_http(error, f),
            ErrorKind::Request(text) | ErrorKind::Value(text) => f.write_str(text),
            ErrorKind::Column(error) => error.fmt(f),
            ErrorKind::RowCount { found } => write!(f, "the query gave {found} rows where one was expected"),
            ErrorKind::Conflict { key, attempts } => {
                write!(f, "key `{key}` was not updated: others were faster {attempts} times")
            }
            ErrorKind::Io(error) => error.fmt(f),
            ErrorKind::Config { key, problem } => write!(f, "config key `{key}` {problem}"),
        }
    }
}

fn write_pg(error: &pg_client::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use pg_client::Error;
    match error {
        Error::Unavailable(text) => write!(f, "postgres is unavailable: {text}"),
        Error::PoolExhausted => f.write_str("no postgres connection became free in time"),
        Error::ConnectionLost(text) => write!(f, "the postgres connection broke, outcome unknown: {text}"),
        Error::Denied(text) => write!(f, "postgres access denied: {text}"),
        Error::Timeout => f.write_str("the statement took too long and was cancelled"),
        Error::Cancelled => f.write_str("the statement was cancelled"),
        Error::LimitExceeded(text) => write!(f, "a postgres limit was reached: {text}"),
        Error::InvalidArgument(text) => write!(f, "the statement or a parameter is invalid: {text}"),
        Error::TransactionClosed => f.write_str("the transaction has ended, or a savepoint in it is open"),
        Error::Db(db) => write!(f, "{}: {} ({})", db.severity.to_lowercase(), db.message, db.sqlstate),
        Error::Other(text) => write!(f, "postgres failed: {text}"),
    }
}

fn write_kv(error: &kv::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use kv::Error;
    match error {
        Error::Unavailable(text) => write!(f, "the bucket is unavailable: {text}"),
        Error::ConnectionLost(text) => write!(f, "the bucket's connection broke, outcome unknown: {text}"),
        Error::Denied(text) => write!(f, "bucket access denied: {text}"),
        Error::Timeout => f.write_str("the bucket took too long"),
        Error::LimitExceeded(text) => write!(f, "a limit of the bucket was reached: {text}"),
        Error::InvalidArgument(text) => write!(f, "the key or value is invalid: {text}"),
        Error::Unsupported(text) => write!(f, "the bucket cannot do this: {text}"),
        Error::Other(text) => write!(f, "the bucket failed: {text}"),
    }
}

fn write_body(error: &http_types::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use http_types::Error;
    match error {
        Error::Unavailable(text) => write!(f, "the body is unavailable: {text}"),
        Error::ConnectionLost(text) => write!(f, "the body broke off: {text}"),
        Error::Denied(text) => write!(f, "the body was refused: {text}"),
        Error::Timeout => f.write_str("the body did not arrive in time"),
        Error::LimitExceeded(text) => write!(f, "the body is too large: {text}"),
        Error::InvalidArgument(text) => write!(f, "the body cannot be read like this: {text}"),
        Error::Other(text) => write!(f, "the body failed: {text}"),
    }
}

fn write_http(error: &http_types::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use http_types::Error;
    match error {
        Error::Unavailable(text) => write!(f, "the server is unavailable: {text}"),
        Error::ConnectionLost(text) => write!(f, "the server went away, outcome unknown: {text}"),
        Error::Denied(text) => write!(f, "outbound HTTP denied: {text}"),
        Error::Timeout => f.write_str("the server took too long, outcome unknown"),
        Error::LimitExceeded(text) => write!(f, "a limit of outbound HTTP was reached: {text}"),
        Error::InvalidArgument(text) => write!(f, "the outgoing request is invalid: {text}"),
        Error::Other(text) => write!(f, "outbound HTTP failed: {text}"),
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {}

impl fmt::Display for ColumnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, expected, actual } = self;
        write!(f, "column `{column}`: expected {expected}, found {actual}")
    }
}

impl std::error::Error for ColumnError {}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

impl From<pg_client::Error> for Error {
    fn from(error: pg_client::Error) -> Self {
        ErrorKind::Pg(error).into()
    }
}

impl From<kv::Error> for Error {
    fn from(error: kv::Error) -> Self {
        ErrorKind::Kv(error).into()
    }
}

impl From<http_types::Error> for Error {
    fn from(error: http_types::Error) -> Self {
        ErrorKind::Body(error).into()
    }
}

impl From<ColumnError> for Error {
    fn from(error: ColumnError) -> Self {
        ErrorKind::Column(error).into()
    }
}

impl From<std::io::Error> for Error {
    /// What a stream of this crate failed with is taken out again.
    fn from(error: std::io::Error) -> Self {
        error.downcast().unwrap_or_else(|error| ErrorKind::Io(error).into())
    }
}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for Error {
    fn into_response(self) -> axum::response::Response {
        self.report();
        let status =
            http::StatusCode::from_u16(self.status()).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        (status, self.safe_text().to_owned()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unique_violation() -> Error {
        pg_client::Error::Db(DbError {
            sqlstate: "23505".into(),
            severity: "ERROR".into(),
            message: "duplicate key value".into(),
            detail: None,
            hint: None,
            position: None,
            context: None,
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: Some("users_name_key".into()),
        })
        .into()
    }

    #[test]
    fn a_database_error_tells_its_code_and_constraint() {
        let error = unique_violation();
        assert!(error.is_unique_violation() && !error.is_check_violation());
        assert_eq!(error.constraint(), Some("users_name_key"));
        assert_eq!(error.to_string(), "error: duplicate key value (23505)");
        assert_eq!((error.status(), error.safe_text()), (500, "internal error"));
    }

    #[test]
    fn each_blame_has_its_status() {
        let status = |error: Error| error.status();
        assert_eq!(status(pg_client::Error::PoolExhausted.into()), 503);
        assert_eq!(status(kv::Error::Timeout.into()), 504);
        assert_eq!(status(http_types::Error::LimitExceeded("10 MiB".into()).into()), 413);
        assert_eq!(status(http_types::Error::Timeout.into()), 408);
        assert_eq!(status(ErrorKind::Http(http_types::Error::Timeout).into()), 504);
        assert_eq!(status(ErrorKind::Http(http_types::Error::Unavailable(String::new())).into()), 503);
        assert_eq!(status(ErrorKind::Http(http_types::Error::ConnectionLost(String::new())).into()), 500);
        assert_eq!(status(ErrorKind::Request("`name` is missing".into()).into()), 400);
        assert_eq!(status(pg_client::Error::Denied("pg.main".into()).into()), 500);
    }

    #[test]
    fn an_error_survives_the_way_through_a_stream() {
        let error = Error::from(std::io::Error::other(unique_violation()));
        assert!(error.is_unique_violation());
        let error = Error::from(std::io::Error::other("the pipe is shut"));
        assert_eq!((error.to_string().as_str(), error.status()), ("the pipe is shut", 500));
    }

    #[test]
    fn details_never_reach_the_client() {
        let error = Error::from(pg_client::Error::Unavailable("10.0.0.7:5432 refused".into()));
        assert!(!error.safe_text().contains("10.0.0.7"));
        assert!(error.to_string().contains("10.0.0.7"));
    }

    #[test]
    fn only_writes_that_were_sent_have_an_unknown_outcome() {
        assert!(Error::from(pg_client::Error::ConnectionLost(String::new())).is_outcome_unknown());
        assert!(!Error::from(pg_client::Error::Unavailable(String::new())).is_outcome_unknown());
        assert!(!unique_violation().is_outcome_unknown());
    }

    #[test]
    fn a_conflict_can_be_told_from_others_and_changed_nothing() {
        let error = Error::from(ErrorKind::Conflict { key: "stock".into(), attempts: 32 });
        assert!(error.is_conflict() && error.is_unavailable() && !error.is_outcome_unknown());
        assert_eq!(error.status(), 503);
        assert_eq!(error.to_string(), "key `stock` was not updated: others were faster 32 times");
    }
}
