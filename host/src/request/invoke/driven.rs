//! A guest that runs on while its response is sent: polled by whoever takes the body, and only when there is nothing to
//! take, so that a slow client holds it up. Dropping the body drops the guest; a guest that has given its whole body
//! may finish its work behind the response, within one more deadline.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_channel::oneshot;
use futures_util::FutureExt;
use http::Response;
use http::header::CONTENT_LENGTH;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Sleep;
use wasmtime_wasi_http::WasiBody;

use crate::body::{Body, BodyError};
use crate::error::chain;
use crate::release::Release;
use crate::request::instantiate::CpuMeter;
use crate::request::respond::{self, Reply};
use crate::request::{Failure, RequestId};

/// What the guest says through its channel: a response, or its own error.
pub(super) type Answer = wasmtime::Result<Response<WasiBody>>;

/// Everything that the guest does for one request; each poll of it is charged to its CPU time.
pub(super) type Guest = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Bodies up to this size that are there at once go out by value, with their length.
const BY_VALUE: usize = 64 << 10;

/// Runs the guest until it has given the head of its response, and then as far as it comes without waiting.
pub(super) async fn reply(
    release: Arc<Release>,
    request: RequestId,
    mut guest: Guest,
    mut answered: oneshot::Receiver<Answer>,
    head_only: bool,
    meter: Arc<CpuMeter>,
    deadline: Instant,
) -> Result<Reply, Failure> {
    let answer = std::future::poll_fn(|context| {
        let done = guest.as_mut().poll(context);
        match (answered.poll_unpin(context), done) {
            (_, Poll::Ready(Err(failure))) => Poll::Ready(Err(failure)),
            (Poll::Ready(Ok(answer)), done) => Poll::Ready(Ok((answer, done.is_ready()))),
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Ok(()))) => {
                Poll::Ready(Err(Failure::InvalidReply("it returned without a response".to_owned())))
            }
            (Poll::Pending, Poll::Pending) => Poll::Pending,
        }
    });
    let (answer, done) = match tokio::time::timeout_at(deadline.into(), answer).await {
        Ok(answer) => answer?,
        Err(_) => return Err(Failure::Deadline),
    };
    let response = answer.map_err(|error| Failure::GuestError(format!("{error:#}")))?;
    let (parts, body) = response.into_parts();
    let status = respond::check_status(parts.status.as_u16())?;
    let headers = respond::without_host_fields(parts.headers)?;
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let mut driven = Driven {
        wall: release.manifest.limits.wall,
        request,
        length,
        given: 0,
        release,
        guest: Some(guest).filter(|_| !done),
        body,
        meter,
        ahead: VecDeque::new(),
        ended: false,
        warned: false,
        patience: None,
    };
    let body = match driven.settle().await {
        Some(bytes) => Body::from(bytes),
        None if head_only => {
            driven.drain_behind();
            Body::empty()
        }
        None => Body::stream(driven),
    };
    Ok(Reply { status, headers, body })
}

/// Why a stream broke off: what the log says, not the client.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("the guest failed while it streamed: {0}")]
    Fault(String),
    #[error("the guest broke its stream off: {0}")]
    Guest(String),
    #[error("the guest took too long for its next piece")]
    Late,
}

/// A response body and the guest that makes it.
struct Driven {
    release: Arc<Release>,
    request: RequestId,
    /// What the guest says of its length, and what was taken of it.
    length: Option<u64>,
    given: u64,
    /// How long the guest may take for a piece, and for its work behind the response.
    wall: Duration,
    /// None when it is done.
    guest: Option<Guest>,
    body: WasiBody,
    meter: Arc<CpuMeter>,
    /// What came before anybody took it.
    ahead: VecDeque<Result<Frame<Bytes>, Broken>>,
    /// The body is all there, or was all taken.
    ended: bool,
    /// Whoever takes the body was given time before an error.
    warned: bool,
    /// Set while a piece is awaited.
    patience: Option<Pin<Box<Sleep>>>,
}

impl Driven {
    /// Takes what comes without waiting. Gives the body's bytes when that is all of it.
    async fn settle(&mut self) -> Option<Bytes> {
        let mut size = 0;
        let settled = std::future::poll_fn(|context| {
            while size <= BY_VALUE && !self.ended {
                let Poll::Ready(piece) = self.piece(context) else { break };
                let Some(piece) = piece else { break };
                size += piece.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
                self.ahead.push_back(piece);
            }
            Poll::Ready(())
        });
        settled.await;
        let plain = |piece: &Result<Frame<Bytes>, Broken>| piece.as_ref().is_ok_and(Frame::is_data);
        if !self.ended || !self.ahead.iter().all(plain) {
            return None;
        }
        let mut pieces = self.ahead.drain(..).filter_map(|piece| piece.ok()?.into_data().ok());
        let first = pieces.next().unwrap_or_default();
        let Some(second) = pieces.next() else { return Some(first) };
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&second);
        pieces.for_each(|piece| all.extend_from_slice(&piece));
        Some(all.freeze())
    }

    /// The next piece of the body. The guest runs only when none is there.
    fn piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            let frame = Pin::new(&mut self.body).poll_frame(context);
            if let Poll::Ready(frame) = frame {
                self.patience = None;
                self.meter.reset();
                self.ended = frame.is_none();
                return Poll::Ready(frame.map(checked));
            }
            let Some(guest) = &mut self.guest else { break };
            match guest.as_mut().poll(context) {
                Poll::Pending => break,
                Poll::Ready(done) => {
                    self.guest = None;
                    if let Err(failure) = done {
                        self.ended = true;
                        return Poll::Ready(Some(Err(Broken::Fault(chain(&failure)))));
                    }
                }
            }
        }
        self.wait(context)
    }

    /// Nothing is there: waits, but not for ever.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let wall = self.wall;
        let patience = self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(wall)));
        if patience.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.guest = None;
        self.ended = true;
        Poll::Ready(Some(Err(Broken::Late)))
    }

    /// Takes the body that nobody wants (HEAD), so that the guest can end.
    fn drain_behind(mut self) {
        let cleanup = self.release.cleanup.clone();
        cleanup.spawn(async move {
            while let Some(Ok(_)) = std::future::poll_fn(|context| self.piece(context)).await {}
        });
    }

    fn report(&self, broken: &Broken) {
        let (service, request) = (self.release.service(), self.request);
        tracing::warn!(service, %request, error = %broken, "response broken off");
    }
}

/// A frame of the guest's; trailers have only what a guest may set.
pub(super) fn checked(
    frame: Result<Frame<Bytes>, wasmtime_wasi_http::Error>,
) -> Result<Frame<Bytes>, Broken> {
    let frame = frame.map_err(|error| Broken::Guest(error.to_string()))?;
    match frame.into_trailers() {
        Err(data) => Ok(data),
        Ok(trailers) => match respond::without_host_fields(trailers) {
            Ok(trailers) => Ok(Frame::trailers(trailers)),
            Err(why) => Err(Broken::Guest(why.to_string())),
        },
    }
}

impl http_body::Body for Driven {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        // The connection closes on an error: let it first send what the client has coming.
        if matches!(this.ahead.front(), Some(Err(_))) && !std::mem::replace(&mut this.warned, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = match this.ahead.pop_front() {
            Some(piece) => Some(piece),
            None if this.ended => None,
            None => match std::task::ready!(this.piece(context)) {
                Some(Err(broken)) if !this.warned => {
                    this.ahead.push_back(Err(broken));
                    return self.poll_frame(context);
                }
                piece => piece,
            },
        };
        Poll::Ready(piece.map(|piece| match piece {
            Ok(frame) => {
                this.given += frame.data_ref().map_or(0, |data| data.len() as u64);
                Ok(frame)
            }
            Err(broken) => {
                this.report(&broken);
                Err(BodyError::from(broken))
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.ahead.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for Driven {
    /// Lets a guest whose body was taken whole do what it has left to do.
    fn drop(&mut self) {
        let whole = self.ended || self.length == Some(self.given);
        let Some(guest) = self.guest.take().filter(|_| whole) else { return };
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (release, request, wall) = (self.release.clone(), self.request, self.wall);
        self.meter.reset();
        self.release.cleanup.spawn(async move {
            let service = release.service();
            match tokio::time::timeout(wall, guest).await {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => {
                    tracing::warn!(service, %request, error = chain(&failure), "guest failed behind its response");
                }
                Err(_) => tracing::warn!(service, %request, "guest took too long behind its response"),
            }
        });
    }
}
