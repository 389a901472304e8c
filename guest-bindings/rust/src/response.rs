//! A response in the plain form, and what may be returned in its place.

mod body;

use crate::{
    Body, Error,
    bindings::exports::wharf::platform::http_handler::Reply,
    bindings::wharf::platform::http_types,
    stream::{Pull, Stream},
};
use body::{Fallible, Infallible, MapPieces, ResponseBody};
use std::fmt::Display;

/// What a plain handler answers.
///
/// ```
/// # use wharf_guest::Response;
/// let page = Response::html("<h1>Gone</h1>").status(410).header("cache-control", "no-store");
/// ```
#[derive(Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: ResponseBody,
}

impl Response {
    /// A response without body or headers. `status` must be 200 to 599, or the host answers 502 instead.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: ResponseBody::Bytes(Vec::new()) }
    }

    /// 200 with these bytes and no headers.
    #[must_use]
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), body: ResponseBody::Bytes(bytes.into()) }
    }

    /// 200 with plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::typed("text/plain; charset=utf-8", text.into())
    }

    /// 200 with a page. What users typed must be escaped before it gets here.
    #[must_use]
    pub fn html(page: impl Into<String>) -> Self {
        Self::typed("text/html; charset=utf-8", page.into())
    }

    /// 200 with text that is JSON already.
    #[must_use]
    pub fn json_text(json: impl Into<String>) -> Self {
        Self::typed("application/json", json.into())
    }

    /// 200 with a value as JSON, or a logged 500 for a value that JSON cannot express (a map whose keys are
    /// no strings).
    #[cfg(feature = "json")]
    #[must_use]
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => Self::bytes(json).header("content-type", "application/json"),
            Err(error) => {
                Error::from(crate::ErrorKind::Value(format!("failed to serialize the response: {error}")))
                    .into_reply()
            }
        }
    }

    /// 303: the client is to GET `location`.
    #[must_use]
    pub fn see_other(location: impl Into<Vec<u8>>) -> Self {
        Self::empty(303).header("location", location)
    }

    /// 200 with a body that is made piece by piece, whenever the client has room for more.
    ///
    /// Pieces of 16 to 64 KiB are best; empty ones are skipped. The whole instance may vanish between two
    /// pieces when the client leaves.
    ///
    /// ```
    /// # use wharf_guest::Response;
    /// let events = (1..=3).map(|n| format!("data: {n}\n\n"));
    /// let response = Response::stream(events).header("content-type", "text/event-stream");
    /// ```
    #[must_use]
    pub fn stream<I>(pieces: I) -> Self
    where
        I: IntoIterator<IntoIter: 'static, Item: Into<Vec<u8>>>,
    {
        Self::from_pull(Infallible(pieces.into_iter()))
    }

    /// The same for pieces that can fail: an error breaks the response off.
    #[must_use]
    pub fn try_stream<I, T, E>(pieces: I) -> Self
    where
        I: IntoIterator<IntoIter: 'static, Item = Result<T, E>>,
        T: Into<Vec<u8>> + 'static,
        E: Display + 'static,
    {
        Self::from_pull(Fallible(pieces.into_iter()))
    }

    /// 200 with whatever `pull` makes, trailers included.
    #[must_use]
    pub fn from_pull(pull: impl Pull + 'static) -> Self {
        Self { status: 200, headers: Vec::new(), body: ResponseBody::Stream(Stream::new(pull)) }
    }

    /// 200 with a body that came in. What is left of it streams through the host without being copied here.
    #[must_use]
    pub fn hand_on(body: Body) -> Self {
        Self { status: 200, headers: Vec::new(), body: ResponseBody::HandedOn(body) }
    }

    /// The same with another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with this header field, instead of any other of its name.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        let name = lower_case(name.into());
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.into()));
        self
    }

    /// The same with one more header field; others of its name stay (`set-cookie`).
    #[must_use]
    pub fn add_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((lower_case(name.into()), value.into()));
        self
    }

    /// The same without the header fields of this name (lower case).
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    /// What [`status`](Self::status) sets, or the next handler of a [middleware](macro@crate::middleware) answered.
    #[must_use]
    pub fn status_code(&self) -> u16 {
        self.status
    }

    /// The first header field of this name (lower case), if its value is UTF-8.
    #[must_use]
    pub fn header_value(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        str::from_utf8(value).ok()
    }

    /// All header fields in their order; names are lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The same with each piece of the body changed: a body that is whole stays whole and is one piece, any other is
    /// pulled piece by piece, trailers included, and is never collected. `content-length` goes.
    ///
    /// ```
    /// # use wharf_guest::Response;
    /// let loud = Response::text("hello").map_pieces(|piece| piece.to_ascii_uppercase());
    /// ```
    #[must_use]
    pub fn map_pieces(self, mut change: impl FnMut(Vec<u8>) -> Vec<u8> + 'static) -> Self {
        let mut response = self.without_header("content-length");
        match response.body {
            ResponseBody::Bytes(bytes) => {
                let bytes = if bytes.is_empty() { bytes } else { change(bytes) };
                response.body = ResponseBody::Bytes(bytes);
                response
            }
            _ => response.wrap_body(|inner| MapPieces { inner, change }),
        }
    }

    /// The same with a body that `wrap` makes of the present one, which is pulled only as the new one asks for it.
    /// `content-length` goes.
    ///
    /// ```
    /// # use wharf_guest::{Pull, Response, bindings::wharf::platform::http_types::{Error, Headers}};
    /// /// Counts what passes, and tells it in a trailer.
    /// struct Count {
    ///     inner: Box<dyn Pull>,
    ///     bytes: usize,
    /// }
    ///
    /// impl Pull for Count {
    ///     fn pull(&mut self) -> Result<Option<Vec<u8>>, Error> {
    ///         let piece = self.inner.pull()?;
    ///         self.bytes += piece.as_ref().map_or(0, Vec::len);
    ///         Ok(piece)
    ///     }
    ///
    ///     fn trailers(&mut self) -> Option<Headers> {
    ///         let mut trailers = self.inner.trailers().unwrap_or_default();
    ///         trailers.push(("x-bytes".to_owned(), self.bytes.to_string().into()));
    ///         Some(trailers)
    ///     }
    /// }
    ///
    /// let counted = Response::stream(["a", "b"])
    ///     .wrap_body(|inner| Count { inner, bytes: 0 })
    ///     .header("trailer", "x-bytes");
    /// ```
    #[must_use]
    pub fn wrap_body<P: Pull + 'static>(self, wrap: impl FnOnce(Box<dyn Pull>) -> P) -> Self {
        let mut response = self.without_header("content-length");
        response.body = ResponseBody::Stream(Stream::new(wrap(response.body.into_pull())));
        response
    }

    fn typed(content_type: &str, text: String) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type".to_owned(), content_type.as_bytes().to_vec())],
            body: ResponseBody::Bytes(text.into_bytes()),
        }
    }

    pub(crate) fn into_raw(mut self) -> Reply {
        if let Some(length) = self.body.length_to_declare()
            && self.header_value("content-length").is_none()
        {
            self.headers.push(("content-length".to_owned(), length.to_string().into_bytes()));
        }
        Reply { status: self.status, headers: self.headers, body: self.body.into_raw() }
    }

    /// What a guard answers: the body is there, or a reader; what would be pulled is collected.
    pub(crate) fn into_whole(self) -> http_types::Response {
        match self.body.into_whole() {
            Ok(body) => http_types::Response { status: self.status, headers: self.headers, body },
            Err(error) => Error::from(error).into_reply().into_whole(),
        }
    }
}

pub(crate) fn lower_case(mut name: String) -> String {
    name.make_ascii_lowercase();
    name
}

/// What a plain handler may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no answer to a request",
    label = "a plain handler returns `wharf_guest::Response`, text, or a `Result` of these",
    note = "handlers with axum's return types belong into a router: `fn app() -> axum::Router`"
)]
pub trait IntoReply {
    /// Turns the value into a response.
    fn into_reply(self) -> Response;
}

impl IntoReply for Response {
    #[inline]
    fn into_reply(self) -> Response {
        self
    }
}

impl IntoReply for &'static str {
    fn into_reply(self) -> Response {
        Response::text(self)
    }
}

impl IntoReply for String {
    fn into_reply(self) -> Response {
        Response::text(self)
    }
}

impl IntoReply for Error {
    fn into_reply(self) -> Response {
        self.report();
        Response::text(self.safe_text()).status(self.status())
    }
}

impl<T: IntoReply, E: IntoReply> IntoReply for Result<T, E> {
    fn into_reply(self) -> Response {
        match self {
            Ok(value) => value.into_reply(),
            Err(error) => error.into_reply(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_replaces_its_namesake_and_an_added_one_does_not() {
        let response = Response::text("a").header("Content-Type", "text/csv");
        assert_eq!(response.headers, [("content-type".to_owned(), b"text/csv".to_vec())]);
        let response = Response::empty(204).add_header("Set-Cookie", "a=1").add_header("set-cookie", "b=2");
        assert_eq!(response.headers.len(), 2);
    }

    #[test]
    fn an_error_becomes_its_status_and_a_safe_text() {
        let failed: Result<Response, Error> =
            Err(crate::bindings::wharf::platform::pg_client::Error::PoolExhausted.into());
        let response = failed.into_reply();
        assert_eq!(response.status, 503);
        assert!(matches!(response.body, ResponseBody::Bytes(text) if text.starts_with(b"temporarily")));
    }

    #[cfg(feature = "json")]
    #[test]
    fn what_json_cannot_express_is_a_500() {
        let map = std::collections::BTreeMap::from([(vec![1], 2)]);
        assert_eq!(Response::json(&map).status, 500);
        assert_eq!(Response::json(&[1, 2]).status, 200);
    }

    #[test]
    fn a_whole_body_stays_whole_when_it_is_changed() {
        let response = Response::text("abc").header("content-length", "3").map_pieces(|_| b"abcd".to_vec());
        assert_eq!(response.header_value("content-length"), None);
        assert!(matches!(response.body, ResponseBody::Bytes(bytes) if bytes == b"abcd"));
        let nothing = Response::empty(204).map_pieces(|_| b"something".to_vec());
        assert!(matches!(nothing.body, ResponseBody::Bytes(bytes) if bytes.is_empty()));
    }

    #[test]
    fn a_guard_collects_what_would_be_pulled() {
        let answer = Response::stream(["a", "b"]).status(403).into_whole();
        assert!(matches!(answer.body, http_types::Body::Bytes(bytes) if bytes == b"ab"));
        let broken = Response::try_stream([Ok("a"), Err("no more")]).into_whole();
        assert_eq!(broken.status, 500);
    }
}
