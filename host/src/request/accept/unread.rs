//! Responses over HTTP/2 that their client does not take. Without a window nothing is written, so that `stall` sees
//! nothing, and hyper does not ask for the body either: it would keep its guest, or its megabytes, for ever.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::AbortHandle;

use crate::body::BodyError;

use super::pulse::Held;

/// Bytes that are left to wait: as many as a stream's first window has, and few beside what a connection costs.
const SMALL: u64 = 64 << 10;

/// A response's body as it goes to the wire.
pub(super) enum Outgoing {
    Plain(Held),
    Guarded(Guarded),
}

impl Outgoing {
    /// Lets go of a large or streamed body that is not asked for within `patience`, or within twice as long.
    pub(super) fn guarded(body: Held, patience: Duration) -> Self {
        if body.size_hint().upper().is_some_and(|bytes| bytes <= SMALL) {
            return Self::Plain(body);
        }
        let shared = Arc::new(Shared { body: Mutex::new(Some(body)), ..Shared::default() });
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
        drop(self.shared.body().take());
    }
}

#[derive(Default)]
struct Shared {
    /// None once it was let go.
    body: Mutex<Option<Held>>,
    /// Frames that were handed over; wraps around.
    frames: AtomicU32,
    /// The next frame is asked for and not there yet: it is not the client who is waited for.
    asked: AtomicBool,
}

impl Shared {
    fn body(&self) -> MutexGuard<'_, Option<Held>> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait(self: Arc<Self>, patience: Duration) {
        loop {
            let frames = self.frames.load(Relaxed);
            tokio::time::sleep(patience).await;
            if frames == self.frames.load(Relaxed) && !self.asked.load(Relaxed) {
                tracing::debug!("response let go: the client does not take it");
                drop(self.body().take());
                return;
            }
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut body = self.body();
        let Some(body) = body.as_mut() else {
            return Poll::Ready(Some(Err("the client did not take it in time".into())));
        };
        self.asked.store(true, Relaxed);
        let polled = Pin::new(body).poll_frame(context);
        if polled.is_ready() {
            self.frames.fetch_add(1, Relaxed);
            self.asked.store(false, Relaxed);
        }
        polled
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
            Self::Guarded(guarded) => guarded.shared.body().as_ref().is_some_and(Held::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Plain(body) => body.size_hint(),
            Self::Guarded(guarded) => guarded.shared.body().as_ref().map(Held::size_hint).unwrap_or_default(),
        }
    }
}
