//! What a route does to every response of it, whoever answers: fields of its guards, compression.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::FutureExt;
use http::header::ACCEPT_ENCODING;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::compression::CompressionLayer;

use crate::body::{Body, BodyError};
use crate::error::Blame;
use crate::release::{Tally, Target};
use crate::request::dispatch::Head;
use crate::request::examine::Examined;

use super::{Failure, Reply};

/// Collected on the way in, applied on the way out.
#[derive(Default)]
pub(crate) struct Finish {
    pub(crate) examined: Examined,
    /// What answered, where somebody is told.
    pub(crate) target: Option<Arc<Target>>,
    /// What the client takes, where the route compresses.
    encodings: Option<HeaderValue>,
    /// Where the answer is counted, while the release is watched.
    tally: Option<Arc<Tally>>,
}

impl Finish {
    pub(crate) fn expect(&mut self, target: &Target, head: &Head) {
        if target.compress {
            self.encodings = head.parts.headers.get(ACCEPT_ENCODING).cloned();
        }
    }

    /// The guards let the request pass: what follows is the release's doing.
    pub(crate) fn watch(&mut self, target: &Target) {
        self.tally.clone_from(&target.tally);
    }

    /// Counts the answer; a fault is the guest's when its own reply says so, or when it gave none.
    pub(crate) fn count<R>(&self, outcome: &Result<Reply, (Failure, R)>) {
        let Some(tally) = &self.tally else { return };
        tally.count(match outcome {
            Ok(reply) => reply.status.is_server_error(),
            Err((failure, _)) => {
                let (status, _, blame, _) = failure.row();
                blame == Blame::Guest && status.is_server_error()
            }
        });
    }

    pub(crate) fn apply(self, mut response: Response<Body>) -> Response<Body> {
        let mut last = None;
        for (name, value) in self.examined.fields {
            last = name.or(last);
            if let Some(name) = &last {
                response.headers_mut().append(name, value);
            }
        }
        match self.encodings {
            Some(encodings) => compress(response, encodings),
            None => response,
        }
    }
}

/// Compresses what gains by it; tower-http decides, and flushes a stream's pieces as they come.
fn compress(response: Response<Body>, encodings: HeaderValue) -> Response<Body> {
    let mut request = Request::new(());
    request.headers_mut().insert(ACCEPT_ENCODING, encodings);
    let mut response = Some(response);
    let behind = service_fn(move |_| {
        let response = response.take().unwrap_or_default();
        std::future::ready(Ok::<_, Infallible>(response))
    });
    match CompressionLayer::new().layer(behind).oneshot(request).now_or_never() {
        Some(Ok(compressed)) => {
            compressed.map(|body| Body::stream(body.map_err(|error| -> BodyError { error })))
        }
        _ => Response::default(),
    }
}
