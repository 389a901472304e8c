//! The body of a request: by value when it is small, else a reader that the guest pulls.
//! Gets: head, body, limits. Gives: what `handle` is called with. Fails with: 400, 408, 413.

mod pace;

use std::pin::pin;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};

use crate::body::BodyError;
use crate::manifest::ByteSize;

use super::Failure;
use super::provide::http_types::BodyReader;

pub(crate) use pace::{BodyPace, Progress, TooSlow};

/// Bodies up to this size, of known length, come by value: `wit/http-types.wit`.
const BY_VALUE: u64 = 64 << 10;

/// What the guest gets.
pub(crate) enum RequestBody {
    Bytes(Bytes),
    Streamed(Box<BodyReader>),
}

pub(crate) async fn gather<B>(
    body: B,
    limit: ByteSize,
    deadline: Instant,
    pace: BodyPace,
) -> Result<RequestBody, Failure>
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
        return Ok(RequestBody::Streamed(Box::new(BodyReader::new(body, limit, pace))));
    }
    match tokio::time::timeout_at(deadline.into(), collect(body, pace)).await {
        Ok(collected) => collected.map(RequestBody::Bytes),
        Err(_) => Err(Failure::BodyTimeout),
    }
}

/// The whole of a body whose length is known; one that came in one piece is not copied.
async fn collect<B>(body: B, pace: BodyPace) -> Result<Bytes, Failure>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    let mut body = pin!(body);
    let mut progress = Progress::new(pace);
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = progress.frame(body.as_mut()).await.map_err(|TooSlow| Failure::BodyTimeout)? {
        let frame = frame.map_err(|error| Failure::BodyBroken(error.into()))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}
