//! A reply that streams: pulled from the guest when the client has room, never ahead of it.
//! Between two chunks nothing of the guest is suspended; dropping the body drops the instance.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use wasmtime::Store;
use wasmtime::component::{Instance, ResourceAny};

use crate::bindings::exports::wharf::platform::http_handler::Guest;
use crate::body::{Body, BodyError};
use crate::error::chain;
use crate::release::{Release, TypedHandler};
use crate::request::{Failure, RequestState, instantiate, respond};

use super::fault;

/// Why a stream broke off: what the log says, not the client.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the guest failed while it streamed: {0}")]
    Fault(String),
    #[error("the guest broke its stream off: {0}")]
    Guest(String),
    #[error("the guest took too long for its next chunk")]
    Late,
    #[error("the guest's trailers are invalid")]
    Trailers,
}

struct Pull {
    release: Arc<Release>,
    store: Store<RequestState>,
    instance: Instance,
    guest: Guest,
    chunks: ResourceAny,
}

/// Wraps the guest's `chunks` as a response body.
pub(super) fn body(
    release: &Arc<Release>,
    typed: &TypedHandler,
    mut store: Store<RequestState>,
    instance: Instance,
    chunks: ResourceAny,
) -> Result<Body, Failure> {
    let guest = typed.indices.load(&mut store, &instance).map_err(Failure::Host)?;
    let pull = Pull { release: release.clone(), store, instance, guest, chunks };
    let frames = stream::unfold(Some(pull), |pull| async move {
        let mut pull = pull?;
        match pull.next().await {
            Ok(Some(frame)) if frame.is_data() => Some((Ok(frame), Some(pull))),
            Ok(Some(trailers)) => {
                pull.end().await;
                Some((Ok(trailers), None))
            }
            Ok(None) => {
                pull.end().await;
                None
            }
            Err(broken) => {
                let (service, request) = (pull.release.service(), pull.store.data().id());
                tracing::warn!(service, %request, error = %broken, "response broken off");
                // The connection closes on the error: let it first send what the client has coming.
                tokio::task::yield_now().await;
                Some((Err(BodyError::from(broken)), None))
            }
        }
    });
    Ok(Body::stream(StreamBody::new(frames)))
}

impl Pull {
    /// The next data, then the trailers if there are any, then none.
    async fn next(&mut self) -> Result<Option<Frame<Bytes>>, Broken> {
        let meter = self.store.data().cpu.clone();
        meter.reset();
        let deadline = self.store.data_mut().extend_deadline();
        let called = tokio::time::timeout_at(deadline.into(), meter.measure(self.call())).await;
        called.unwrap_or(Err(Broken::Late))
    }

    async fn call(&mut self) -> Result<Option<Frame<Bytes>>, Broken> {
        let chunks = self.guest.chunks();
        loop {
            match chunks.call_next(&mut self.store, self.chunks).await {
                // An empty piece is none: asking again is charged to the same budgets.
                Ok(Ok(Some(bytes))) if bytes.is_empty() => {}
                Ok(Ok(Some(bytes))) => return Ok(Some(Frame::data(Bytes::from(bytes)))),
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    return Err(Broken::Guest(format!("{error:?}").chars().take(200).collect()));
                }
                Err(error) => return Err(self.fault(error)),
            }
        }
        match chunks.call_trailers(&mut self.store, self.chunks).await {
            Ok(None) => Ok(None),
            Ok(Some(fields)) => match respond::fields(fields) {
                Ok(map) => Ok(Some(Frame::trailers(map))),
                Err(_) => Err(Broken::Trailers),
            },
            Err(error) => Err(self.fault(error)),
        }
    }

    /// The stream was taken whole: the instance may answer another request.
    async fn end(mut self) {
        if self.release.manifest.reuse.is_some()
            && self.chunks.resource_drop_async(&mut self.store).await.is_ok()
        {
            instantiate::leave(self.store, self.instance);
        }
    }

    fn fault(&self, error: wasmtime::Error) -> Broken {
        Broken::Fault(chain(&fault(&self.store, error)))
    }
}
