//! Responses over HTTP/2 that their client does not take. Without a window nothing is written, so that `stall` sees
//! nothing, and hyper does not ask for the body either: it would keep its guest, or its megabytes, for ever. They are
//! handed over in pieces, as hyper takes a frame of any size as soon as there is room for a byte: a request would seem
//! to be done while most of its response waits.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::AbortHandle;

use crate::body::BodyError;

use super::pulse::Held;

/// Bytes that are handed over at once and may wait: as many as a stream's first window has, and few beside what a
/// connection costs.
const PIECE: usize = 64 << 10;

/// A response's body as it goes to the wire.
pub(super) enum Outgoing {
    Plain(Held),
    Guarded(Guarded),
}

impl Outgoing {
    /// Lets go of a large or streamed body that is not asked for within `patience`, or within twice as long.
    pub(super) fn guarded(body: Held, patience: Duration) -> Self {
        if body.size_hint().upper().is_some_and(|bytes| bytes <= PIECE as u64) {
            return Self::Plain(body);
        }
        let rest = Rest { body, data: Bytes::new() };
        let shared = Arc::new(Shared { rest: Mutex::new(Some(rest)), ..Shared::default() });
        let watchdog = tokio::spawn(shared.clone().wait(patience)).abort_handle();
        Self::Guarded(Guarded { shared, watchdog })
    }
}

pub(super) struct Guarded {
    shared: Arc<Shared>,
    watchdog: AbortHandle,
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.watchdog.abort();
        drop(self.shared.rest().take());
    }
}

#[derive(Default)]
struct Shared {
    /// None once it was let go.
    rest: Mutex<Option<Rest>>,
    /// Frames that were handed over; wraps around.
    frames: AtomicU32,
    /// The next frame is asked for and not there yet: it is not the client who is waited for.
    asked: AtomicBool,
}

impl Shared {
    fn rest(&self) -> MutexGuard<'_, Option<Rest>> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait(self: Arc<Self>, patience: Duration) {
        loop {
            let frames = self.frames.load(Relaxed);
            tokio::time::sleep(patience).await;
            if frames == self.frames.load(Relaxed) && !self.asked.load(Relaxed) {
                tracing::debug!("response let go: the client does not take it");
                drop(self.rest().take());
                return;
            }
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut rest = self.rest();
        let Some(rest) = rest.as_mut() else {
            return Poll::Ready(Some(Err("the client did not take it in time".into())));
        };
        self.asked.store(true, Relaxed);
        let polled = rest.poll(context);
        if polled.is_ready() {
            self.frames.fetch_add(1, Relaxed);
            self.asked.store(false, Relaxed);
        }
        polled
    }
}

/// What was not handed over yet.
struct Rest {
    body: Held,
    /// Of a frame that was too large.
    data: Bytes,
}

impl Rest {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.data.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)).transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => self.data = data,
                Some(Err(trailers)) => return Poll::Ready(Some(Ok(trailers))),
                None => return Poll::Ready(None),
            }
        }
        let piece = self.data.split_to(self.data.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end(&self) -> bool {
        self.data.is_empty() && self.body.is_end_stream()
    }

    fn size(&self) -> SizeHint {
        let (mut size, more) = (self.body.size_hint(), self.data.len() as u64);
        if let Some(upper) = size.upper() {
            size.set_upper(upper.saturating_add(more));
        }
        size.set_lower(size.lower().saturating_add(more));
        size
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Plain(body) => Pin::new(body).poll_frame(context),
            Self::Guarded(guarded) => guarded.shared.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain(body) => body.is_end_stream(),
            Self::Guarded(guarded) => guarded.shared.rest().as_ref().is_some_and(Rest::is_end),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Plain(body) => body.size_hint(),
            Self::Guarded(guarded) => guarded.shared.rest().as_ref().map(Rest::size).unwrap_or_default(),
        }
    }
}
