//! What a service answered, read to its end.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use wharf_host::Body;

/// An answer. What reads it panics when it is not what the test takes it for, and shows what it is instead.
#[derive(Clone, Debug)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    trailers: HeaderMap,
    broken: Option<String>,
}

impl Answer {
    pub(crate) async fn read(response: Response<Body>) -> Self {
        let (parts, mut body) = response.into_parts();
        let mut answer = Self {
            status: parts.status,
            headers: parts.headers,
            body: Bytes::new(),
            trailers: HeaderMap::new(),
            broken: None,
        };
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => bytes.extend_from_slice(&data),
                Ok(Err(frame)) => answer.trailers = frame.into_trailers().unwrap_or_default(),
                Err(error) => {
                    answer.broken = Some(wharf_host::chain(&*error));
                    break;
                }
            }
        }
        answer.body = bytes.freeze();
        answer
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// All header fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first field of this name, if its value is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The fields behind the body.
    #[must_use]
    pub fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }

    /// Why the body ended before its end.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.body) {
            Ok(text) => text,
            Err(error) => fail(&format!("the body is no text ({error})"), self),
        }
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not, or not of this type.
    #[must_use]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => fail(&format!("the body is not the JSON that was expected ({error})"), self),
        }
    }

    /// The answer itself, when it has this status.
    ///
    /// # Panics
    /// When it has another.
    #[track_caller]
    pub fn expect_status(&self, status: u16) -> &Self {
        if self.status() != status {
            fail(&format!("expected status {status}"), self);
        }
        self
    }
}

impl fmt::Display for Answer {
    /// As it would be on the wire; of a long body its beginning.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4_000;
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        let text = String::from_utf8_lossy(&self.body);
        let shown = text.get(..text.floor_char_boundary(SHOWN)).unwrap_or_default();
        write!(f, "\n{shown}")?;
        if shown.len() < text.len() {
            write!(f, "\n... {} more bytes", text.len() - shown.len())?;
        }
        if let Some(why) = &self.broken {
            write!(f, "\n... and there it broke off: {why}")?;
        }
        Ok(())
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "an assertion of a test")]
fn fail(what: &str, answer: &Answer) -> ! {
    panic!("{what}; the answer was\n{answer}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &'static [u8]) -> Answer {
        Answer {
            status: StatusCode::IM_A_TEAPOT,
            headers: HeaderMap::from_iter([(http::header::VIA, http::HeaderValue::from_static("tea"))]),
            body: Bytes::from_static(body),
            trailers: HeaderMap::new(),
            broken: None,
        }
    }

    #[test]
    #[should_panic(
        expected = "expected status 200; the answer was\n418 I'm a teapot\nvia: tea\n\nshort and stout"
    )]
    fn another_status_shows_the_whole_answer() {
        answer(b"short and stout").expect_status(200);
    }

    #[test]
    #[should_panic(expected = "the body is no text")]
    fn bytes_are_no_text() {
        let _text = answer(b"\xff").text().len();
    }

    #[test]
    fn what_is_right_is_handed_on() {
        assert_eq!(answer(b"[1]").expect_status(418).json::<Vec<u8>>(), [1]);
        assert_eq!(answer(b"").header("via"), Some("tea"));
    }
}
