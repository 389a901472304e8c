//! What the host knows about a request beyond HTTP, for axum handlers.

use crate::{Head, bindings::wharf::platform::http_types};
use axum::extract::FromRequestParts;
use http::{StatusCode, request::Parts};
use std::{ops::Deref, sync::Arc};

/// An extractor (and a request extension) with what the host adds to each request: see [`Head`].
///
/// ```
/// # use wharf_guest::RequestInfo;
/// async fn whoami(info: RequestInfo) -> String {
///     format!("{} as user {:?}", info.remote_addr(), info.annotation("user"))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct RequestInfo(Arc<Head>);

impl Deref for RequestInfo {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.0
    }
}

impl From<http_types::Request> for RequestInfo {
    fn from(head: http_types::Request) -> Self {
        Self(Arc::new(head.into()))
    }
}

impl<S: Sync> FromRequestParts<S> for RequestInfo {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let missing = (StatusCode::INTERNAL_SERVER_ERROR, "this request did not come through a Wharf host");
        parts.extensions.get().cloned().ok_or(missing)
    }
}
