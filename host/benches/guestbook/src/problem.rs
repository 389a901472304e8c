//! What goes wrong, as the API and the page tell it.

use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use deadpool_postgres::PoolError;
use serde::Serialize;

/// Why a request cannot be answered as its sender hoped.
#[derive(Debug)]
pub(crate) enum Problem {
    /// A field breaks a rule.
    Invalid { field: &'static str, message: String },
    /// There is no such thing.
    NotFound(&'static str),
    /// The request itself is not understood.
    Malformed(StatusCode, String),
    /// Not the client's fault.
    Failed(PoolError),
}

impl Problem {
    /// The status, and a sentence that may be shown to anybody.
    pub(crate) fn describe(&self) -> (StatusCode, String) {
        match self {
            Self::Invalid { field, message } => {
                (StatusCode::UNPROCESSABLE_ENTITY, format!("{field} {message}"))
            }
            Self::NotFound(what) => (StatusCode::NOT_FOUND, format!("there is no such {what}")),
            Self::Malformed(status, message) => (*status, message.clone()),
            // What PostgreSQL refused is our mistake; everything else is a server that is not there.
            Self::Failed(PoolError::Backend(error)) if error.as_db_error().is_some() => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal error".to_owned())
            }
            Self::Failed(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily unavailable, please try again".to_owned())
            }
        }
    }
}

/// A problem as JSON.
#[derive(Serialize)]
struct Body {
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, error) = self.describe();
        let field = match self {
            Self::Invalid { field, .. } => Some(field),
            Self::Failed(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a request failed");
                None
            }
            _ => None,
        };
        (status, Json(Body { error, field })).into_response()
    }
}

impl From<PoolError> for Problem {
    fn from(error: PoolError) -> Self {
        Self::Failed(error)
    }
}

impl From<tokio_postgres::Error> for Problem {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::Malformed(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::Malformed(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::Malformed(rejection.status(), rejection.body_text())
    }
}
