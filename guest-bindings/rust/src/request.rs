//! A request in the plain form: its [`Head`] and its body, nothing copied.

use crate::{Body, Head, bindings::wharf::platform::http_types, response::lower_case};
use std::ops::Deref;

/// One HTTP request, as `fn(Request) -> Response` gets it.
///
/// What is known before the body is read comes from its [`Head`]: `request.path()`, `request.header("accept")`.
#[derive(Debug)]
pub struct Request {
    head: Head,
    body: Body,
}

impl Request {
    /// A request without headers and body, from this machine to `http://localhost`: for tests of handlers, of
    /// [middleware](crate::Next::calling), and of guards, because `&request` is a `&Head`, too.
    ///
    /// ```
    /// # use wharf_guest::Request;
    /// let request = Request::new("POST", "/users?page=2").with_header("accept", "text/html").with_body(b"a".to_vec());
    /// assert_eq!((request.path(), request.query_param("page").as_deref()), ("/users", Some("2")));
    /// ```
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let head = http_types::Request {
            method: method.to_owned(),
            scheme: "http".to_owned(),
            authority: "localhost".to_owned(),
            path: path.to_owned(),
            query,
            path_params: Vec::new(),
            headers: Vec::new(),
            annotations: Vec::new(),
            remote_addr: "127.0.0.1".to_owned(),
            remote_port: 0,
            request_id: "0".to_owned(),
            received_at: 0,
            deadline: u64::MAX,
        };
        Self::from_parts(head, Vec::new())
    }

    /// A request of the contract's own record and a body: the other way round than
    /// [`into_parts`](Self::into_parts).
    #[must_use]
    pub fn from_parts(head: http_types::Request, body: impl Into<Body>) -> Self {
        Self { head: head.into(), body: body.into() }
    }

    /// The same with this header field, instead of any other of its name: for the
    /// [next handler](crate::Next).
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        let name = lower_case(name.into());
        let headers = &mut self.head.raw_mut().headers;
        headers.retain(|(other, _)| *other != name);
        headers.push((name, value.into()));
        self
    }

    /// The same without the header fields of this name (lower case).
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.head.raw_mut().headers.retain(|(other, _)| other != name);
        self
    }

    /// The same with this annotation, instead of any other of its name.
    #[must_use]
    pub fn annotate(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        let annotations = &mut self.head.raw_mut().annotations;
        annotations.retain(|(other, _)| *other != name);
        annotations.push((name, value.into()));
        self
    }

    /// The same with another path, which begins with `/`.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.head.raw_mut().path = path.into();
        self
    }

    /// The same with another body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self.without_header("content-length")
    }

    /// The body, to be read piece by piece.
    pub fn body(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The body alone, e.g. to read it whole or to answer with it.
    #[must_use]
    pub fn into_body(self) -> Body {
        self.body
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it cannot be read, or is not what `T` wants; as a response, that is a 400 which says why.
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(self) -> crate::Result<T> {
        let body = self.body.read_all()?;
        serde_json::from_slice(&body).map_err(|error| {
            crate::ErrorKind::Request(format!("the body is not valid JSON here: {error}")).into()
        })
    }

    /// The contract's own record and the body.
    #[must_use]
    pub fn into_parts(self) -> (http_types::Request, Body) {
        (self.head.into_raw(), self.body)
    }
}

impl Deref for Request {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::tests::head;

    fn request(body: &str) -> Request {
        Request::from_parts(head("POST", "/users/7"), http_types::Body::Bytes(body.into()))
    }

    #[test]
    fn a_changed_request_keeps_the_rest() {
        let request = request("")
            .with_header("X-Many", "3")
            .without_header("accept")
            .annotate("user", "8")
            .with_path("/");
        assert_eq!(request.headers().filter(|(name, _)| *name == "x-many").count(), 1);
        assert_eq!((request.header("x-many"), request.header("accept")), (Some("3"), None));
        assert_eq!((request.annotation("user"), request.path(), request.method()), (Some("8"), "/", "POST"));
    }

    #[cfg(feature = "json")]
    #[test]
    fn a_body_that_is_no_json_is_the_clients_fault() {
        assert_eq!(request("[1, 2]").json::<Vec<u8>>().unwrap(), [1, 2]);
        assert_eq!(request("{").json::<Vec<u8>>().unwrap_err().status(), 400);
    }
}
