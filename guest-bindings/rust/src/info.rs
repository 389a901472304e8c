//! What the host knows about a request beyond HTTP, for axum handlers.

use crate::{bindings::wharf::platform::http_types, head::find};
use axum::extract::FromRequestParts;
use http::{StatusCode, request::Parts};
use std::sync::Arc;

/// An extractor (and a request extension) with what the host adds to each request.
///
/// ```
/// # use wharf_guest::RequestInfo;
/// async fn whoami(info: RequestInfo) -> String {
///     format!("{} as user {:?}", info.remote_addr(), info.annotation("user"))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct RequestInfo(Arc<http_types::Request>);

impl RequestInfo {
    /// What the manifest's route pattern captured under this name, percent-decoded.
    #[must_use]
    pub fn path_param(&self, name: &str) -> Option<&str> {
        find(&self.0.path_params, name)
    }

    /// What a guard of this route found out, e.g. `"user"`; a client cannot forge it.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        find(&self.0.annotations, name)
    }

    /// `"http"` or `"https"`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.0.scheme
    }

    /// Host and, when not the default, port.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.0.authority
    }

    /// The client's IP address.
    #[must_use]
    pub fn remote_addr(&self) -> &str {
        &self.0.remote_addr
    }

    /// The client's TCP port; 0 when a proxy did not report it.
    #[must_use]
    pub fn remote_port(&self) -> u16 {
        self.0.remote_port
    }

    /// Unique to this request; also in the logs and in the response's `x-request-id`.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// When the head had arrived: Unix time in milliseconds.
    #[must_use]
    pub fn received_at(&self) -> u64 {
        self.0.received_at
    }

    /// When the host gives up and answers 504: Unix time in milliseconds.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        self.0.deadline
    }
}

impl From<http_types::Request> for RequestInfo {
    fn from(head: http_types::Request) -> Self {
        Self(Arc::new(head))
    }
}

impl<S: Sync> FromRequestParts<S> for RequestInfo {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let missing = (StatusCode::INTERNAL_SERVER_ERROR, "this request did not come through a Wharf host");
        parts.extensions.get().cloned().ok_or(missing)
    }
}
