//! `wharf:platform/http-types`: request bodies that are read piece by piece.

#![expect(unreachable_pub, reason = "the generated bindings re-export the resources of this file")]

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::bindings::wharf::platform::http_types::{self, Error, Headers, HostBodyReader};
use crate::body::BodyError;
use crate::capability::Capability;
use crate::manifest::ByteSize;
use crate::outbound::{OutboundBody, Silent};
use crate::request::RequestState;
use crate::request::gather::{BodyPace, Progress, TooSlow};

/// Most bytes of one `read`: `wit/http-types.wit`.
const LARGEST_READ: u32 = 1 << 20;

pub(super) struct HttpTypes;

impl Capability for HttpTypes {
    fn interfaces(&self) -> &'static [&'static str] {
        &["wharf:platform/http-types@0.1.0"]
    }

    fn link(&self, linker: &mut Linker<RequestState>) -> wasmtime::Result<()> {
        http_types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }
}

/// A body on its way in.
pub struct BodyReader {
    body: UnsyncBoxBody<Bytes, BodyError>,
    progress: Progress,
    /// What arrived and was not asked for yet.
    buffered: Bytes,
    trailers: Option<HeaderMap>,
    ended: bool,
    /// Why it broke off: told again to whoever reads on.
    broken: Option<Error>,
    left: u64,
    limit: ByteSize,
}

impl std::fmt::Debug for BodyReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyReader").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl BodyReader {
    /// Reads `body`, of which at most `limit` bytes may come, and no slower than `pace`.
    pub(crate) fn new(body: UnsyncBoxBody<Bytes, BodyError>, limit: ByteSize, pace: BodyPace) -> Self {
        Self {
            body,
            progress: Progress::new(pace),
            buffered: Bytes::new(),
            trailers: None,
            ended: false,
            broken: None,
            left: limit.as_u64(),
            limit,
        }
    }

    /// Reads the body of a response: of any length, and with a patience of its own.
    pub(crate) fn of_response(body: OutboundBody) -> Self {
        Self::new(body, ByteSize::bytes(u64::MAX), BodyPace::ANY)
    }

    /// How many bytes will come, when it is known.
    pub(crate) fn length(&self) -> Option<u64> {
        let rest = if self.ended { 0 } else { self.body.size_hint().exact()? };
        rest.checked_add(self.buffered.len() as u64)
    }

    /// Cancel safe: bytes that arrived stay for the next read.
    async fn read(&mut self, max: usize) -> Result<Bytes, Error> {
        while self.buffered.is_empty() && !self.ended {
            if let Err(error) = self.receive().await {
                self.broken = Some(error);
                self.ended = true;
            }
        }
        if let Some(error) = self.broken.as_ref().filter(|_| self.buffered.is_empty()) {
            return Err(error.clone());
        }
        let size = self.buffered.len().min(max);
        Ok(self.buffered.split_to(size))
    }

    async fn receive(&mut self) -> Result<(), Error> {
        match self.progress.frame(Pin::new(&mut self.body)).await {
            Err(TooSlow) => Err(Error::Timeout),
            Ok(None) => {
                self.ended = true;
                Ok(())
            }
            Ok(Some(Err(error))) if error.is::<Silent>() => Err(Error::Timeout),
            Ok(Some(Err(error))) => Err(Error::ConnectionLost(error.to_string())),
            Ok(Some(Ok(frame))) => self.take(frame),
        }
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<(), Error> {
        match frame.into_data() {
            Ok(data) => {
                let Some(left) = self.left.checked_sub(data.len() as u64) else {
                    return Err(Error::LimitExceeded(format!(
                        "the request's body is larger than {}",
                        self.limit
                    )));
                };
                self.left = left;
                self.buffered = data;
            }
            Err(frame) => {
                self.trailers = frame.into_trailers().ok();
            }
        }
        Ok(())
    }

    /// What is left of the body, for a reply that hands it on.
    pub(crate) fn into_body(self) -> impl Body<Data = Bytes, Error = BodyError> + Send {
        let stream = futures_util::stream::try_unfold(Some(self), |reader| async move {
            let Some(mut reader) = reader else { return Ok(None) };
            let bytes =
                reader.read(LARGEST_READ as usize).await.map_err(|e| BodyError::from(format!("{e:?}")))?;
            if bytes.has_remaining() {
                return Ok(Some((Frame::data(bytes), Some(reader))));
            }
            Ok(reader.trailers.take().map(|trailers| (Frame::trailers(trailers), None)))
        });
        http_body_util::StreamBody::new(stream)
    }

    /// The same, which tells its length where it is known.
    pub(crate) fn into_sized_body(self) -> impl Body<Data = Bytes, Error = BodyError> + Send {
        let length = self.length();
        Counted { body: Box::pin(self.into_body()), length }
    }
}

/// A body of which it is known how much is left.
struct Counted<B> {
    body: Pin<Box<B>>,
    length: Option<u64>,
}

impl<B: Body<Data = Bytes>> Body for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = self.body.as_mut().poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let taken = frame.data_ref().map_or(0, |data| data.len() as u64);
            self.length = self.length.map(|length| length.saturating_sub(taken));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.length == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl http_types::Host for RequestState {}

impl HostBodyReader for RequestState {
    async fn read(
        &mut self,
        reader: Resource<BodyReader>,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        if !(1..=LARGEST_READ).contains(&max) {
            return Ok(Err(Error::InvalidArgument(format!("`max` is {max}: use 1 to {LARGEST_READ}"))));
        }
        let reader = self.table.get_mut(&reader)?;
        Ok(reader.read(max as usize).await.map(Vec::from))
    }

    fn trailers(&mut self, reader: Resource<BodyReader>) -> wasmtime::Result<Option<Headers>> {
        let reader = self.table.get(&reader)?;
        let trailers = reader.trailers.as_ref().filter(|_| reader.ended && reader.buffered.is_empty());
        let field =
            |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.as_bytes().to_vec());
        Ok(trailers.map(|trailers| trailers.iter().map(field).collect()))
    }

    async fn drop(&mut self, reader: Resource<BodyReader>) -> wasmtime::Result<()> {
        self.table.delete(reader)?;
        Ok(())
    }
}
