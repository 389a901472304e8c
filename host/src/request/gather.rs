//! The body of a request: by value when it is small, else a reader that the guest pulls.
//! Gets: head, body, limits. Gives: what `handle` is called with. Fails with: 400, 408, 413.

use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};

use crate::body::BodyError;
use crate::manifest::ByteSize;

use super::Failure;
use super::provide::http_types::BodyReader;

/// Bodies up to this size, of known length, come by value: `wit/http-types.wit`.
const BY_VALUE: u64 = 64 << 10;

/// What the guest gets.
pub(crate) enum RequestBody {
    Bytes(Bytes),
    Streamed(BodyReader),
}

pub(crate) async fn gather<B>(body: B, limit: ByteSize, deadline: Instant) -> Result<RequestBody, Failure>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    if body.is_end_stream() {
        return Ok(RequestBody::Bytes(Bytes::new()));
    }
    let known = body.size_hint().exact();
    if known.is_some_and(|length| length > limit.as_u64()) {
        return Err(Failure::BodyTooLarge(limit));
    }
    if known.is_none_or(|length| length > BY_VALUE) {
        let body = UnsyncBoxBody::new(body.map_err(Into::into));
        return Ok(RequestBody::Streamed(BodyReader::new(body, limit)));
    }
    match tokio::time::timeout_at(deadline.into(), body.collect()).await {
        Ok(Ok(collected)) => Ok(RequestBody::Bytes(collected.to_bytes())),
        Ok(Err(error)) => Err(Failure::BodyBroken(error.into())),
        Err(_) => Err(Failure::BodyTimeout),
    }
}
