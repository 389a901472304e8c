//! The body of a response that an instance makes for one of several: cut when the guest takes too long for a piece, and
//! a place that is given back with it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use tokio::time::Sleep;
use wasmtime_wasi_http::WasiBody;

use crate::body::BodyError;

use super::driven::{Broken, checked};
use super::shared::Place;

pub(super) struct Taken {
    body: WasiBody,
    wall: Duration,
    /// Set while a piece is awaited.
    patience: Option<Pin<Box<Sleep>>>,
    place: Arc<Place>,
}

impl Taken {
    pub(super) fn new(body: WasiBody, place: Arc<Place>, wall: Duration) -> Self {
        Self { body, wall, patience: None, place }
    }
}

impl http_body::Body for Taken {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.patience = None;
            this.place.progress();
            // What the end of its instance cut off looks like an end.
            let cut = || this.place.broken().map(|why| Err(Broken::Fault(why).into()));
            return Poll::Ready(match frame {
                Some(frame) => Some(checked(frame).map_err(BodyError::from)),
                None => cut(),
            });
        }
        let wall = this.wall;
        let patience = this.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(wall)));
        patience.as_mut().poll(context).map(|()| Some(Err(Broken::Late.into())))
    }
}
