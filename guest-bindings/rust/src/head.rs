//! What is known of a request before its body: the contract's record with accessors, nothing copied.

use crate::bindings::wharf::platform::http_types;

/// A request without its body: what a [guard](macro@crate::guard) sees, and the larger part of a
/// [`Request`](crate::Request).
#[derive(Debug)]
pub struct Head(http_types::Request);

impl Head {
    /// Upper case as sent, e.g. `"GET"`; any token may come.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.0.method
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

    /// As sent: begins with `/`, percent-encoding untouched.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// As sent, without the `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.0.query.as_deref()
    }

    /// The first query parameter of this name, decoded.
    #[must_use]
    pub fn query_param(&self, name: &str) -> Option<String> {
        crate::query::find(self.query()?, name)
    }

    /// What the manifest's route pattern captured under this name, percent-decoded.
    #[must_use]
    pub fn path_param(&self, name: &str) -> Option<&str> {
        find(&self.0.path_params, name)
    }

    /// The first field of this name (lower case), if its value is visible ASCII text or UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.header_bytes(name)?).ok()
    }

    /// The first field of this name (lower case).
    #[must_use]
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }

    /// All fields in the order of the wire; names are lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// What a guard of this route found out, e.g. `"user"`; a client cannot forge it.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        find(&self.0.annotations, name)
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

    /// The contract's own record.
    #[must_use]
    pub fn into_raw(self) -> http_types::Request {
        self.0
    }

    pub(crate) fn raw_mut(&mut self) -> &mut http_types::Request {
        &mut self.0
    }
}

impl From<http_types::Request> for Head {
    fn from(head: http_types::Request) -> Self {
        Self(head)
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

    #[test]
    fn headers_are_found_by_name_and_repeated_ones_listed() {
        let request = Head(head("GET", "/"));
        assert_eq!(request.header("x-many"), Some("1"));
        assert_eq!(request.headers().filter(|(name, _)| *name == "x-many").count(), 2);
        assert_eq!((request.header("x-latin"), request.header_bytes("x-latin")), (None, Some(&[0xe9][..])));
        assert_eq!(request.header("x-none"), None);
    }

    #[test]
    fn captures_and_annotations_are_found_by_name() {
        let request = Head(head("GET", "/"));
        assert_eq!((request.path_param("id"), request.annotation("user")), (Some("7"), Some("42")));
        assert_eq!((request.path_param("user"), request.annotation("id")), (None, None));
    }
}
