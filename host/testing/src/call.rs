//! One request of a test.

use std::future::IntoFuture;
use std::net::IpAddr;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use serde::Serialize;
use wharf_host::Peer;

use crate::answer::Answer;
use crate::service::Service;

/// A request that is sent when it is awaited.
#[derive(Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct Call<'a> {
    service: &'a Service,
    request: Request<Bytes>,
    peer: Peer,
}

impl<'a> Call<'a> {
    #[track_caller]
    pub(crate) fn new(service: &'a Service, method: &str, target: &str) -> Self {
        let request = Request::builder().method(method).uri(target).body(Bytes::new());
        let mut request = valid(request, &format!("`{method} {target}` is no request"));
        if request.uri().authority().is_none() {
            request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
        }
        Self { service, request, peer: Peer::default() }
    }

    /// Adds a header field beside those of this name; another `host` or `content-type` instead of the one that there is.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = valid(name.parse(), &format!("`{name}` is no header field"));
        let value: HeaderValue = valid(value.parse(), &format!("`{value}` is no value of a header field"));
        if [HOST, CONTENT_TYPE].contains(&name) {
            self.request.headers_mut().insert(name, value);
        } else {
            self.request.headers_mut().append(name, value);
        }
        self
    }

    /// The body, as it is.
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = bytes.into();
        self
    }

    /// The body as JSON, and its content type.
    ///
    /// # Panics
    /// When the value cannot be written as JSON.
    #[track_caller]
    pub fn json(self, value: &impl Serialize) -> Self {
        let text = valid(serde_json::to_vec(value), "the body cannot be written as JSON");
        self.header("content-type", "application/json").body(text)
    }

    /// The body as a form that was filled in, in this order.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    /// As if it came from this address.
    pub fn from(mut self, address: IpAddr) -> Self {
        self.peer.address.set_ip(address);
        self
    }
}

impl<'a> IntoFuture for Call<'a> {
    type Output = Answer;
    type IntoFuture = BoxFuture<'a, Answer>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { service, request, peer } = self;
        async move { Answer::read(service.host().handle_from(request.map(Full::new), peer).await).await }
            .boxed()
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "a test that asks for what cannot be fails")]
fn valid<T, E: std::fmt::Display>(result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}
