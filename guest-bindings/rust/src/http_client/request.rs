//! A request to be sent.

use super::{HttpResponse, received};
use crate::{
    Body, Error, Result,
    bindings::wharf::platform::http_client::{self, OutgoingRequest as Raw},
};
use std::{fmt::Write, time::Duration};

/// A request that is being made; [`send`](Self::send) sends it.
///
/// ```no_run
/// # use wharf_guest::{HttpClient, Request, Response, Result};
/// /// Streams an upload through to another server, without copying it here.
/// fn upload(request: Request) -> Result<Response> {
///     let stored = HttpClient::put("https://store.example.com/file").body(request.into_body()).send()?;
///     Ok(Response::empty(stored.status()))
/// }
/// ```
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct OutgoingRequest {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Body,
    timeout: Option<Duration>,
    /// What is wrong with it; told when it is sent.
    problem: Option<Error>,
}

impl OutgoingRequest {
    pub(super) fn new(method: String, url: String) -> Self {
        let (headers, body) = (Vec::new(), Vec::new().into());
        Self { method, url, headers, body, timeout: None, problem: None }
    }

    /// The same with one more parameter in its URL's query, percent-encoded.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.push(if self.url.contains('?') { '&' } else { '?' });
        encode(&mut self.url, name);
        self.url.push('=');
        encode(&mut self.url, value);
        self
    }

    /// The same with this header field, instead of any other of its name. Fields of the connection (`host`,
    /// `connection`, `transfer-encoding`) are the host's.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        let mut name = name.into();
        name.make_ascii_lowercase();
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.into()));
        self
    }

    /// The same with one more header field; others of its name stay.
    pub fn add_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        let mut name = name.into();
        name.make_ascii_lowercase();
        self.headers.push((name, value.into()));
        self
    }

    /// The same with a token: `authorization: Bearer ...`.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// The same with this body: text, bytes, or one that came in, which streams through the host without being
    /// copied here. A stream has a `content-length` when its length is known.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// The same with a value as JSON.
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => self.header("content-type", "application/json").body(json),
            Err(error) => {
                let text = format!("failed to serialize the request: {error}");
                self.problem = Some(crate::ErrorKind::Value(text).into());
                self
            }
        }
    }

    /// The same with this much time from the call to the response's head. Otherwise it has until the deadline of
    /// the request that is being served.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends it and waits for the response's head, and for its body when that is small.
    ///
    /// # Errors
    /// When the manifest does not grant the host, no connection comes about, or no response comes in time. A
    /// response of any status is no error.
    pub fn send(self) -> Result<HttpResponse> {
        received(http_client::send(self.into_raw()?))
    }

    pub(super) fn into_raw(self) -> Result<Raw> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        Ok(Raw {
            method: self.method,
            url: self.url,
            headers: self.headers,
            body: self.body.into_raw(),
            timeout_ms: self.timeout.map(|timeout| u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)),
        })
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn encode(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::OutgoingRequest;
    use std::time::Duration;

    fn get(url: &str) -> OutgoingRequest {
        OutgoingRequest::new("GET".to_owned(), url.to_owned())
    }

    #[test]
    fn parameters_are_encoded() {
        let url = get("http://a.test/b").query("q", "a b&c=é").query("x~", "").into_raw().unwrap().url;
        assert_eq!(url, "http://a.test/b?q=a%20b%26c%3D%C3%A9&x~=");
    }

    #[test]
    fn a_field_replaces_its_namesake_and_an_added_one_does_not() {
        let request =
            get("http://a.test").header("Accept", "a").header("accept", "b").add_header("ACCEPT", "c");
        let values = [b"b".to_vec(), b"c".to_vec()].map(|value| ("accept".to_owned(), value));
        assert_eq!(request.into_raw().unwrap().headers, values);
    }

    #[test]
    fn a_timeout_beyond_measure_is_a_long_one() {
        assert_eq!(get("").timeout(Duration::MAX).into_raw().unwrap().timeout_ms, Some(u32::MAX));
        assert_eq!(get("").into_raw().unwrap().timeout_ms, None);
    }

    #[cfg(feature = "json")]
    #[test]
    fn what_json_cannot_express_is_told_when_it_is_sent() {
        let map = std::collections::BTreeMap::from([(vec![1], 2)]);
        assert!(get("").json(&map).into_raw().is_err());
        let headers = get("").json(&[1, 2]).into_raw().unwrap().headers;
        assert_eq!(headers, [("content-type".to_owned(), b"application/json".to_vec())]);
    }
}
