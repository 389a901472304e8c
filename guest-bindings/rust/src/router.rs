//! Runs an axum router: the contract's request becomes `http::Request`, the response a reply.
//!
//! Small bodies of known length are answered by value; everything else is pulled frame by frame, so a
//! router can stream without end in constant memory. A whole body of a reply that stays by value loses
//! its `content-length`: the host counts the bytes itself. An answer to HEAD keeps it.

use crate::{
    bindings::{
        exports::wharf::platform::http_handler::{Chunks, Reply, ReplyBody},
        wharf::platform::http_types::{self, BodyReader, Error, Headers},
    },
    block_on,
    block_on::{STUCK, poll_until_ready},
    body::PIECE,
    info::RequestInfo,
    stream::{Pull, Stream},
};
use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header::CONTENT_LENGTH};
use http_body::{Body as _, Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tower_service::Service;

/// Bodies of known length up to this are answered by value; longer ones are pulled.
const WHOLE: u64 = 1 << 20;

/// Frames beyond this are cut: the host limits what one call may hand over (8 MiB by default).
const LARGEST_PIECE: usize = 1 << 20;

/// Answers one request with a router.
pub(crate) fn serve(mut router: Router, head: http_types::Request, body: http_types::Body) -> Reply {
    let request = match request(head, body) {
        Ok(request) => request,
        Err(problem) => return bad_request(&problem),
    };
    let is_head = request.method() == Method::HEAD;
    match block_on(router.call(request)) {
        Ok(response) => reply(response, is_head),
        Err(never) => match never {},
    }
}

fn bad_request(problem: &http::Error) -> Reply {
    Reply {
        status: StatusCode::BAD_REQUEST.as_u16(),
        headers: vec![("content-type".to_owned(), b"text/plain; charset=utf-8".to_vec())],
        body: ReplyBody::Bytes(problem.to_string().into_bytes()),
    }
}

fn request(
    mut head: http_types::Request,
    body: http_types::Body,
) -> Result<http::Request<Body>, http::Error> {
    let headers = std::mem::take(&mut head.headers);
    let mut target = std::mem::take(&mut head.path);
    if let Some(query) = &head.query {
        target.push('?');
        target.push_str(query);
    }
    let mut request = http::Request::new(match body {
        http_types::Body::Bytes(bytes) => Body::from(bytes),
        http_types::Body::Streamed(reader) => Body::new(Incoming(Some(reader))),
    });
    *request.method_mut() = Method::from_bytes(head.method.as_bytes())?;
    *request.uri_mut() = Uri::from_maybe_shared(Bytes::from(target))?;
    request.headers_mut().try_reserve(headers.len()).map_err(http::Error::from)?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes())?;
        request.headers_mut().append(name, HeaderValue::from_maybe_shared(Bytes::from(value))?);
    }
    request.extensions_mut().insert(RequestInfo::from(head));
    Ok(request)
}

fn reply(response: axum::response::Response, is_head: bool) -> Reply {
    let (parts, body) = response.into_parts();
    let length = body.size_hint().exact();
    let whole = length.is_some_and(|length| length <= WHOLE);
    let headers = fields(&parts.headers, whole && !is_head);
    let mut frames = Frames::new(body);
    let body = if whole { frames.collect() } else { None };
    let body = body.unwrap_or_else(|| ReplyBody::Streamed(Chunks::new(Stream::new(frames))));
    Reply { status: parts.status.as_u16(), headers, body }
}

fn fields(headers: &HeaderMap, without_length: bool) -> Headers {
    let keep = |(name, _): &(&HeaderName, &HeaderValue)| !(without_length && *name == CONTENT_LENGTH);
    let field =
        |(name, value): (&HeaderName, &HeaderValue)| (name.as_str().to_owned(), value.as_bytes().to_vec());
    headers.iter().filter(keep).map(field).collect()
}

/// A streamed request body as axum wants it: each poll is a call to the host, which waits there.
struct Incoming(Option<BodyReader>);

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = crate::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(reader) = self.0.take() else { return Poll::Ready(None) };
        Poll::Ready(match reader.read(PIECE) {
            Err(error) => Some(Err(error.into())),
            Ok(piece) if piece.is_empty() => {
                reader.trailers().map(|fields| Ok(Frame::trailers(header_map(fields))))
            }
            Ok(piece) => {
                self.0 = Some(reader);
                Some(Ok(Frame::data(Bytes::from(piece))))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// Fields that `http` accepts; the host sends no others.
fn header_map(fields: Headers) -> HeaderMap {
    let parse = |(name, value): (String, Vec<u8>)| {
        Some((
            HeaderName::from_bytes(name.as_bytes()).ok()?,
            HeaderValue::from_maybe_shared(Bytes::from(value)).ok()?,
        ))
    };
    fields.into_iter().filter_map(parse).collect()
}

/// A response body, frame by frame.
struct Frames {
    body: Body,
    /// What is left of a frame that was too large for one piece.
    rest: Bytes,
    trailers: Option<HeaderMap>,
}

impl Frames {
    fn new(body: Body) -> Self {
        Self { body, rest: Bytes::new(), trailers: None }
    }

    /// Everything at once, if it is one frame or none, without trailers; the usual case. Otherwise what was
    /// read stays here, to be pulled.
    fn collect(&mut self) -> Option<ReplyBody> {
        if self.body.is_end_stream() {
            return Some(ReplyBody::Bytes(Vec::new()));
        }
        let first = self.next_data().ok()?;
        let Some(first) = first else { return Some(ReplyBody::Bytes(Vec::new())) };
        if self.body.is_end_stream() {
            return Some(ReplyBody::Bytes(Vec::from(first)));
        }
        self.rest = first;
        None
    }

    fn next_data(&mut self) -> Result<Option<Bytes>, Error> {
        let body = &mut self.body;
        while let Some(frame) = poll_until_ready(|context| Pin::new(&mut *body).poll_frame(context))
            .ok_or_else(|| Error::Other(STUCK.to_owned()))?
        {
            let frame = frame.map_err(|error| Error::Other(error.to_string()))?;
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Ok(Some(data)),
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
        Ok(None)
    }
}

impl Pull for Frames {
    fn pull(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if self.rest.is_empty() {
            match self.next_data()? {
                None => return Ok(None),
                Some(data) => self.rest = data,
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(LARGEST_PIECE));
        // No copy when the frame is one piece and nobody else holds it.
        Ok(Some(Vec::from(piece)))
    }

    fn trailers(&mut self) -> Option<Headers> {
        self.trailers.take().map(|trailers| fields(&trailers, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::tests::head;
    use axum::{
        Json,
        extract::{Path, Query},
        routing::{get, post},
    };
    use std::{collections::HashMap, convert::Infallible};

    fn call(router: Router, method: &str, path: &str, body: &str) -> Reply {
        serve(router, head(method, path), http_types::Body::Bytes(body.into()))
    }

    fn text(reply: &Reply) -> &str {
        let ReplyBody::Bytes(bytes) = &reply.body else { panic!("the reply is not whole") };
        str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn extractors_see_path_query_body_and_the_request_s_own_facts() {
        let handler = async |Path(id): Path<u32>,
                             Query(query): Query<HashMap<String, u32>>,
                             info: RequestInfo,
                             Json(body): Json<Vec<u32>>| {
            format!("{id} {query:?} {body:?} {:?} {}", info.annotation("user"), info.request_id())
        };
        let mut head = head("POST", "/users/7");
        head.headers.push(("content-type".into(), b"application/json".to_vec()));
        let router = Router::new().route("/users/{id}", post(handler));
        let reply = serve(router, head, http_types::Body::Bytes(b"[3]".to_vec()));
        assert_eq!(text(&reply), r#"7 {"a": 1} [3] Some("42") r-1"#);
    }

    #[test]
    fn the_host_counts_whole_bodies_but_not_those_of_head() {
        let router = || Router::new().route("/", get(async || "hello"));
        let length = |reply: &Reply| reply.headers.iter().any(|(name, _)| name == "content-length");
        let reply = call(router(), "GET", "/", "");
        assert_eq!((text(&reply), length(&reply)), ("hello", false));
        let reply = call(router(), "HEAD", "/", "");
        assert_eq!((text(&reply), length(&reply)), ("", true));
    }

    #[test]
    fn a_request_that_http_cannot_express_is_400() {
        let router = || Router::new().route("/", get(async || "hello"));
        assert_eq!(call(router(), "GET", "no slash", "").status, 400);
        assert_eq!(call(router(), "G T", "/", "").status, 400);
        assert_eq!(call(router(), "PROPFIND", "/", "").status, 405);
    }

    #[test]
    fn repeated_headers_arrive_as_often_as_they_came() {
        let count = async |headers: HeaderMap| headers.get_all("x-many").iter().count().to_string();
        let router = Router::new().route("/", get(count));
        assert_eq!(text(&call(router, "GET", "/", "")), "2");
    }

    #[test]
    fn large_frames_are_cut_and_nothing_is_lost() {
        let mut frames = Frames::new(Body::from(vec![7; LARGEST_PIECE + 5]));
        assert_eq!(frames.pull().unwrap().unwrap().len(), LARGEST_PIECE);
        assert_eq!(frames.pull().unwrap().unwrap().len(), 5);
        assert_eq!(frames.pull().unwrap(), None);
    }

    /// Two frames and trailers, of a length known beforehand.
    struct Known(u8);

    impl http_body::Body for Known {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0 += 1;
            Poll::Ready(match self.0 {
                1 | 2 => Some(Ok(Frame::data(Bytes::from_static(b"ab")))),
                3 => {
                    Some(Ok(Frame::trailers(HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from(4))]))))
                }
                _ => None,
            })
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(4)
        }
    }

    #[test]
    fn a_body_of_several_frames_is_pulled_with_its_trailers() {
        let mut frames = Frames::new(Body::new(Known(0)));
        assert!(frames.collect().is_none());
        let mut pieces = Vec::new();
        while let Some(piece) = frames.pull().unwrap() {
            pieces.push(piece);
        }
        assert_eq!(pieces, [b"ab", b"ab"]);
        assert_eq!(frames.trailers().map(|fields| fields.len()), Some(1));
    }

    #[test]
    fn a_body_that_waits_for_ever_breaks_off() {
        struct Waits;
        impl http_body::Body for Waits {
            type Data = Bytes;
            type Error = Infallible;
            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
                Poll::Pending
            }
        }
        let error = Frames::new(Body::new(Waits)).pull().unwrap_err();
        assert!(matches!(error, Error::Other(text) if text.contains("no timers")));
    }
}
