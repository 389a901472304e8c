//! What a connection is doing, as its stream and its requests tell it and `watch` reads it. No clock and no lock: it is
//! touched by every request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Version;
use http_body::{Frame, SizeHint};

use crate::body::{Body, BodyError};

/// The signs of life of one connection.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Requests so far; wraps around.
    begun: AtomicU32,
    /// Requests whose response is not handed over to the wire in full.
    running: AtomicU32,
    /// Bytes came since the last head was complete, while nothing ran: a part of the next head.
    head: AtomicBool,
    /// Bytes wait for the client to read.
    writing: AtomicBool,
    /// It is HTTP/2, where bytes between requests may be anything.
    many: AtomicBool,
}

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// It has not had a request yet.
    Nothing,
    /// Requests run, or responses are being written.
    Work,
    /// It sends the head of a request.
    Head,
    /// It is between two requests.
    Rest,
}

impl Pulse {
    /// A request's head is there; it runs until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>, version: Version) -> Running {
        self.begun.fetch_add(1, Relaxed);
        self.running.fetch_add(1, Relaxed);
        self.head.store(false, Relaxed);
        if version == Version::HTTP_2 {
            self.many.store(true, Relaxed);
        }
        Running(self.clone())
    }

    /// Bytes came.
    pub(super) fn heard(&self) {
        if self.running.load(Relaxed) == 0 {
            self.head.store(true, Relaxed);
        }
    }

    /// Whether bytes wait for the client.
    pub(super) fn writes(&self, waiting: bool) {
        self.writing.store(waiting, Relaxed);
    }

    /// What came so far was no part of a head.
    pub(super) fn renew(&self) {
        self.head.store(false, Relaxed);
    }

    /// What it is at, and how many requests it had.
    pub(super) fn doing(&self) -> (Doing, u32) {
        let begun = self.begun.load(Relaxed);
        let doing = if self.running.load(Relaxed) > 0 || self.writing.load(Relaxed) {
            Doing::Work
        } else if begun == 0 {
            Doing::Nothing
        } else if self.head.load(Relaxed) && !self.many.load(Relaxed) {
            Doing::Head
        } else {
            Doing::Rest
        };
        (doing, begun)
    }
}

/// A request that runs.
#[derive(Debug)]
pub(super) struct Running(Arc<Pulse>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
    }
}

/// The body of a response; its request runs until this was sent or dropped.
pub(super) struct Held {
    body: Body,
    _running: Running,
}

impl Held {
    pub(super) fn new(body: Body, running: Running) -> Self {
        Self { body, _running: running }
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
