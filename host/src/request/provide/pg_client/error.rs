//! Errors of the driver as guests see them.

use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

use crate::bindings::wharf::platform::pg_client::{DbError as GuestDbError, Error};

/// An error of a statement that was sent.
pub(super) fn from_driver(error: &tokio_postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else {
        return Error::ConnectionLost("the connection to the database broke".to_owned());
    };
    match *db.code() {
        SqlState::QUERY_CANCELED => Error::Cancelled,
        SqlState::ADMIN_SHUTDOWN
        | SqlState::CRASH_SHUTDOWN
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => Error::ConnectionLost(db.message().to_owned()),
        SqlState::CANNOT_CONNECT_NOW | SqlState::TOO_MANY_CONNECTIONS => {
            Error::Unavailable(db.message().to_owned())
        }
        _ => Error::Db(from_server(db)),
    }
}

/// COMMIT of a transaction in which a statement failed: the server would roll back and report success.
pub(super) fn aborted() -> Error {
    Error::Db(GuestDbError {
        sqlstate: SqlState::IN_FAILED_SQL_TRANSACTION.code().to_owned(),
        severity: "ERROR".to_owned(),
        message: "a statement of this transaction failed, so it was rolled back instead of committed"
            .to_owned(),
        detail: None,
        hint: Some("use a savepoint around statements that may fail".to_owned()),
        position: None,
        context: None,
        schema: None,
        table: None,
        column: None,
        data_type: None,
        constraint: None,
    })
}

fn from_server(error: &DbError) -> GuestDbError {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let position = match error.position() {
        Some(ErrorPosition::Original(position)) => Some(*position),
        _ => None,
    };
    GuestDbError {
        sqlstate: error.code().code().to_owned(),
        severity: error.severity().to_owned(),
        message: error.message().to_owned(),
        detail: owned(error.detail()),
        hint: owned(error.hint()),
        position,
        context: owned(error.where_()),
        schema: owned(error.schema()),
        table: owned(error.table()),
        column: owned(error.column()),
        data_type: owned(error.datatype()),
        constraint: owned(error.constraint()),
    }
}
