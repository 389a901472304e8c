//! Errors as `application/problem+json` (RFC 9457), with codes that stay the same.

use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::ControlError;
use crate::plan::Refusal;

/// Why a request was not done.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:wharf:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status of the response.
    pub status: u16,
    /// What programs go by.
    pub code: String,
    /// What went wrong, on what, and what to do next.
    pub title: String,
    /// What caused it, the nearest cause first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// The last deployment of the service, when another came first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &str, title: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:wharf:problem:{code}"),
            status: status.as_u16(),
            code: code.to_owned(),
            title: title.into(),
            causes: Vec::new(),
            current: None,
        }
    }

    pub(super) fn forbidden(what: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", format!("this token may not {what}"))
    }

    /// A conflict is a failed precondition for those who stated one.
    pub(super) fn stated(mut self) -> Self {
        if self.current.is_some() {
            self.status = StatusCode::PRECONDITION_FAILED.as_u16();
        }
        self
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let mut problem = Self::new(status(&error), error.code(), error.to_string());
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            problem.causes.push(cause.to_string());
            source = cause.source();
        }
        if let ControlError::Refused(Refusal::Conflict { current, .. }) = &error {
            problem.current = Some(*current);
        }
        if problem.status == StatusCode::INTERNAL_SERVER_ERROR.as_u16() {
            tracing::error!(error = %wharf_host::chain(&error), "the control plane failed");
        }
        problem
    }
}

fn status(error: &ControlError) -> StatusCode {
    match error.code() {
        "no-such-service" | "no-such-deployment" => StatusCode::NOT_FOUND,
        "conflict" | "removed" | "nothing-before" | "route-conflict" => StatusCode::CONFLICT,
        "disk-full" | "too-much-uploaded" => StatusCode::INSUFFICIENT_STORAGE,
        "store-failed" | "damaged-blob" => StatusCode::INTERNAL_SERVER_ERROR,
        "stopping" | "busy" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

pub(super) async fn nothing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no-such-path", "there is nothing here: see /v1/openapi.json")
}

pub(super) async fn wrong_method() -> Problem {
    let title = "this path does not take this method: see /v1/openapi.json";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", title)
}
