//! A request in the plain form: the contract's record with accessors, nothing copied.

use crate::{Body, bindings::wharf::platform::http_types};

/// One HTTP request, as `fn(Request) -> Response` gets it.
#[derive(Debug)]
pub struct Request {
    head: http_types::Request,
    body: Body,
}

impl Request {
    pub(crate) fn new(head: http_types::Request, body: http_types::Body) -> Self {
        Self { head, body: body.into() }
    }

    /// Upper case as sent, e.g. `"GET"`; any token may come.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.head.method
    }

    /// `"http"` or `"https"`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.head.scheme
    }

    /// Host and, when not the default, port.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.head.authority
    }

    /// As sent: begins with `/`, percent-encoding untouched.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.head.path
    }

    /// As sent, without the `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.head.query.as_deref()
    }

    /// The first query parameter of this name, decoded.
    #[must_use]
    pub fn query_param(&self, name: &str) -> Option<String> {
        crate::query::find(self.query()?, name)
    }

    /// What the manifest's route pattern captured under this name, percent-decoded.
    #[must_use]
    pub fn path_param(&self, name: &str) -> Option<&str> {
        find(&self.head.path_params, name)
    }

    /// The first field of this name (lower case), if its value is visible ASCII text or UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.header_bytes(name)?).ok()
    }

    /// The first field of this name (lower case).
    #[must_use]
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.head.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }

    /// All fields in the order of the wire; names are lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// What a guard of this route found out, e.g. `"user"`; a client cannot forge it.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        find(&self.head.annotations, name)
    }

    /// The client's IP address.
    #[must_use]
    pub fn remote_addr(&self) -> &str {
        &self.head.remote_addr
    }

    /// The client's TCP port; 0 when a proxy did not report it.
    #[must_use]
    pub fn remote_port(&self) -> u16 {
        self.head.remote_port
    }

    /// Unique to this request; also in the logs and in the response's `x-request-id`.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.head.request_id
    }

    /// When the head had arrived: Unix time in milliseconds.
    #[must_use]
    pub fn received_at(&self) -> u64 {
        self.head.received_at
    }

    /// When the host gives up and answers 504: Unix time in milliseconds.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        self.head.deadline
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
        (self.head, self.body)
    }
}

pub(crate) fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn head(method: &str, path: &str) -> http_types::Request {
        http_types::Request {
            method: method.into(),
            scheme: "http".into(),
            authority: "example.com".into(),
            path: path.into(),
            query: Some("a=1".into()),
            path_params: vec![("id".into(), "7".into())],
            headers: vec![
                ("accept".into(), b"text/html".to_vec()),
                ("x-many".into(), b"1".to_vec()),
                ("x-many".into(), b"2".to_vec()),
                ("x-latin".into(), vec![0xe9]),
            ],
            annotations: vec![("user".into(), "42".into())],
            remote_addr: "192.0.2.1".into(),
            remote_port: 4711,
            request_id: "r-1".into(),
            received_at: 1,
            deadline: 10_001,
        }
    }

    fn request(body: &str) -> Request {
        Request::new(head("POST", "/users/7"), http_types::Body::Bytes(body.into()))
    }

    #[test]
    fn headers_are_found_by_name_and_repeated_ones_listed() {
        let request = request("");
        assert_eq!(request.header("x-many"), Some("1"));
        assert_eq!(request.headers().filter(|(name, _)| *name == "x-many").count(), 2);
        assert_eq!((request.header("x-latin"), request.header_bytes("x-latin")), (None, Some(&[0xe9][..])));
        assert_eq!(request.header("x-none"), None);
    }

    #[test]
    fn captures_and_annotations_are_found_by_name() {
        let request = request("");
        assert_eq!((request.path_param("id"), request.annotation("user")), (Some("7"), Some("42")));
        assert_eq!((request.path_param("user"), request.annotation("id")), (None, None));
    }

    #[cfg(feature = "json")]
    #[test]
    fn a_body_that_is_no_json_is_the_clients_fault() {
        assert_eq!(request("[1, 2]").json::<Vec<u8>>().unwrap(), [1, 2]);
        assert_eq!(request("{").json::<Vec<u8>>().unwrap_err().status(), 400);
    }
}
