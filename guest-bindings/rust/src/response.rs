//! A response in the plain form, and what may be returned in its place.

use crate::{
    Body, Error,
    bindings::exports::wharf::platform::http_handler::{self, Reply},
    bindings::wharf::platform::http_types,
    stream::{Pull, Stream},
};
use std::fmt::Display;

/// Bodies up to this are handed over in one call; the host limits what one call may carry (8 MiB by default).
const WHOLE: usize = 4 << 20;

/// Longer ones go in pieces of this size.
const PIECE: usize = 1 << 20;

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

#[derive(Debug)]
enum ResponseBody {
    Bytes(Vec<u8>),
    HandedOn(Body),
    Stream(Stream),
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

    fn typed(content_type: &str, text: String) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type".to_owned(), content_type.as_bytes().to_vec())],
            body: ResponseBody::Bytes(text.into_bytes()),
        }
    }

    pub(crate) fn into_raw(mut self) -> Reply {
        let body = match self.body {
            ResponseBody::Bytes(bytes) if bytes.len() > WHOLE => {
                if !self.headers.iter().any(|(name, _)| name == "content-length") {
                    self.headers.push(("content-length".to_owned(), bytes.len().to_string().into_bytes()));
                }
                http_handler::ReplyBody::Streamed(http_handler::Chunks::new(Stream::new(Pieces {
                    bytes,
                    next: 0,
                })))
            }
            ResponseBody::Bytes(bytes) => http_handler::ReplyBody::Bytes(bytes),
            ResponseBody::Stream(stream) => {
                http_handler::ReplyBody::Streamed(http_handler::Chunks::new(stream))
            }
            ResponseBody::HandedOn(body) => match body.into_raw() {
                http_types::Body::Bytes(bytes) => http_handler::ReplyBody::Bytes(bytes),
                http_types::Body::Streamed(reader) => http_handler::ReplyBody::Reader(reader),
            },
        };
        Reply { status: self.status, headers: self.headers, body }
    }
}

fn lower_case(mut name: String) -> String {
    name.make_ascii_lowercase();
    name
}

/// A body that is there, but too large for one call.
struct Pieces {
    bytes: Vec<u8>,
    next: usize,
}

impl Pull for Pieces {
    fn pull(&mut self) -> Result<Option<Vec<u8>>, http_types::Error> {
        let rest = self.bytes.get(self.next..).unwrap_or_default();
        let piece = rest.get(..PIECE).unwrap_or(rest);
        self.next += piece.len();
        Ok(Some(piece).filter(|piece| !piece.is_empty()).map(<[u8]>::to_vec))
    }
}

/// An iterator of pieces.
#[derive(Debug)]
struct Infallible<I>(I);

impl<I: Iterator<Item: Into<Vec<u8>>>> Pull for Infallible<I> {
    fn pull(&mut self) -> Result<Option<Vec<u8>>, http_types::Error> {
        Ok(self.0.next().map(Into::into))
    }
}

/// An iterator of pieces that can fail.
#[derive(Debug)]
struct Fallible<I>(I);

impl<I: Iterator<Item = Result<T, E>>, T: Into<Vec<u8>>, E: Display> Pull for Fallible<I> {
    fn pull(&mut self) -> Result<Option<Vec<u8>>, http_types::Error> {
        match self.0.next() {
            None => Ok(None),
            Some(Ok(piece)) => Ok(Some(piece.into())),
            Some(Err(error)) => Err(http_types::Error::Other(error.to_string())),
        }
    }
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
    fn a_body_too_large_for_one_call_goes_in_pieces() {
        let mut pieces = Pieces { bytes: vec![7; 2 * PIECE + 3], next: 0 };
        let mut lengths = Vec::new();
        while let Some(piece) = pieces.pull().unwrap() {
            lengths.push(piece.len());
        }
        assert_eq!(lengths, [PIECE, PIECE, 3]);
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
}
