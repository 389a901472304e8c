//! What a server answered.

use crate::{Body, ErrorKind, Result, bindings::wharf::platform::http_types};

/// The response to an [`OutgoingRequest`](super::OutgoingRequest), of any status.
#[derive(Debug)]
pub struct HttpResponse {
    status: u16,
    headers: http_types::Headers,
    body: Body,
}

impl HttpResponse {
    pub(super) fn new(response: http_types::Response) -> Self {
        let http_types::Response { status, headers, body } = response;
        Self { status, headers, body: Body::of_response(body) }
    }

    /// 200 to 599.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The same, if the status is 200 to 299.
    ///
    /// # Errors
    /// Any other status, redirects among them.
    pub fn error_for_status(self) -> Result<Self> {
        if self.is_success() {
            return Ok(self);
        }
        Err(ErrorKind::Value(format!("the server answered with status {}", self.status)).into())
    }

    /// The first field of this name (lower case), if its value is UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.header_bytes(name)?).ok()
    }

    /// The first field of this name (lower case).
    #[must_use]
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }

    /// All fields; names are lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The body, to be read piece by piece.
    pub fn body(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The body alone, e.g. to answer with it: [`Response::hand_on`](crate::Response::hand_on).
    #[must_use]
    pub fn into_body(self) -> Body {
        self.body
    }

    /// The whole body.
    ///
    /// # Errors
    /// When the server breaks off, or sends nothing for too long.
    pub fn bytes(self) -> Result<Vec<u8>> {
        self.body.read_all()
    }

    /// The whole body as text.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and for what is not UTF-8.
    pub fn text(self) -> Result<String> {
        let text = String::from_utf8(self.bytes()?);
        text.map_err(|_| ErrorKind::Value("the server's answer is not UTF-8".to_owned()).into())
    }

    /// The whole body as JSON.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and for what is not what `T` wants.
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(self) -> Result<T> {
        serde_json::from_slice(&self.bytes()?).map_err(|error| {
            ErrorKind::Value(format!("the server's answer is not the JSON that was expected: {error}")).into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{HttpResponse, http_types};

    fn response(status: u16, body: &str) -> HttpResponse {
        let headers = vec![("x".to_owned(), b"1".to_vec()), ("x-latin".to_owned(), vec![0xe9])];
        HttpResponse::new(http_types::Response {
            status,
            headers,
            body: http_types::Body::Bytes(body.into()),
        })
    }

    #[test]
    fn a_status_is_an_error_only_when_asked() {
        assert_eq!(response(404, "").status(), 404);
        let error = response(302, "").error_for_status().unwrap_err();
        assert!(error.to_string().contains("302") && error.status() == 500);
        assert!(response(204, "").error_for_status().is_ok());
    }

    #[test]
    fn fields_and_bodies_are_read_as_what_they_are() {
        let text = response(200, "[1]");
        assert_eq!((text.header("x"), text.header("x-latin")), (Some("1"), None));
        assert_eq!(text.header_bytes("x-latin"), Some(&[0xe9][..]));
        assert_eq!(text.text().unwrap(), "[1]");
    }

    #[cfg(feature = "json")]
    #[test]
    fn json_that_is_none_is_the_servers_fault() {
        assert_eq!(response(200, "[1]").json::<Vec<u8>>().unwrap(), [1]);
        assert_eq!(response(200, "{").json::<Vec<u8>>().unwrap_err().status(), 500);
    }
}
