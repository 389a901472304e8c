//! What goes wrong, as the API and the page tell it.

use serde::Serialize;
use wharf_guest::{
    Error,
    axum::{
        Json,
        extract::rejection::{JsonRejection, PathRejection, QueryRejection},
        http::StatusCode,
        response::{IntoResponse, Response},
    },
    log,
};

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
    Failed(Error),
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
            Self::Failed(error) => {
                let status =
                    StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                (status, error.safe_text().to_owned())
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
                log::error!(error:%, sqlstate = error.sqlstate(); "a request failed");
                None
            }
            _ => None,
        };
        (status, Json(Body { error, field })).into_response()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Failed(error)
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
