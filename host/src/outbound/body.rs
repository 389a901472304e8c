//! A response's body on its way in: no limit on its length, but on its silence.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

use crate::body::BodyError;

/// A body in either direction.
pub(crate) type OutboundBody = UnsyncBoxBody<Bytes, BodyError>;

/// What breaks a body off when the server sends nothing.
#[derive(Debug, thiserror::Error)]
#[error("the server sent nothing for {0:?}")]
pub(crate) struct Silent(Duration);

/// What breaks a body off when the connection does.
#[derive(Debug, thiserror::Error)]
#[error("the server broke its response off")]
struct BrokenOff(#[source] hyper::Error);

/// Breaks off when nothing comes for `idle` while somebody waits. Dropping it ends the exchange, and its
/// connection unless that is HTTP/2.
pub(super) struct Watched {
    body: Incoming,
    idle: Duration,
    /// Set while somebody waits.
    silence: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    pub(super) fn new(body: Incoming, idle: Duration) -> Self {
        Self { body, idle, silence: None }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.silence = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| BrokenOff(error).into())));
        }
        let silence = this.silence.get_or_insert_with(|| Box::pin(sleep(this.idle)));
        silence.as_mut().poll(context).map(|()| Some(Err(Silent(this.idle).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
