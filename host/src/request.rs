//! The life of a request, stage by stage: the files below, in alphabetical order, are its path.

pub(crate) mod accept;
mod dispatch;
mod gather;
mod id;
mod instantiate;
mod invoke;
mod notify;
pub(crate) mod provide;
mod respond;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{Request, Response};

use crate::body::{Body, BodyError};
use crate::release::RouteTable;

pub use accept::TlsError;
pub(crate) use gather::BodyPace;
pub use id::RequestId;
pub use instantiate::RequestState;
pub(crate) use instantiate::probe_store;
pub(crate) use invoke::check_handle;
pub(crate) use notify::{Event, notify};
pub(crate) use respond::Failure;

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client, as far as trusted proxies name it, or whoever connected. Port 0 stands for none that is known.
    pub address: SocketAddr,
    /// Whether it came over TLS, to this host or to such a proxy.
    pub secure: bool,
}

impl Default for Peer {
    /// A caller inside this process.
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), secure: false }
    }
}

/// What every stage knows of a request from its start.
pub(crate) struct Arrival {
    pub(crate) id: RequestId,
    pub(crate) peer: Peer,
    /// The peer's IP address as text, as guests get it.
    pub(crate) address: String,
    pub(crate) received: Instant,
    pub(crate) received_at: SystemTime,
}

impl Arrival {
    fn new(peer: Peer) -> Self {
        let received_at = SystemTime::now();
        Self {
            id: RequestId::new(received_at),
            address: peer.address.ip().to_string(),
            peer,
            received: Instant::now(),
            received_at,
        }
    }
}

/// Answers a request that cannot be handled at all.
fn refuse(failure: Failure, peer: Peer) -> Response<Body> {
    respond::respond(Err((failure, None)), &Arrival::new(peer), false)
}

/// Answers one request; every failure becomes a response, so there is no error.
/// Dropping the future stops the guest and what it waits for.
pub(crate) async fn handle<B>(
    routes: &RouteTable,
    request: Request<B>,
    peer: Peer,
    pace: BodyPace,
) -> Response<Body>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    let arrival = Arrival::new(peer);
    let head_only = request.method() == http::Method::HEAD;
    let outcome = serve(routes, request, &arrival, pace).await;
    respond::respond(outcome, &arrival, head_only)
}

async fn serve<B>(
    routes: &RouteTable,
    request: Request<B>,
    arrival: &Arrival,
    pace: BodyPace,
) -> Result<respond::Reply, (Failure, Option<Arc<crate::Release>>)>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    let (head, body) = request.into_parts();
    let (release, head) = dispatch::dispatch(routes, head).map_err(|failure| (failure, None))?;
    let blamed = |failure| (failure, Some(release.clone()));

    let deadline = arrival.received + release.manifest.limits.wall;
    let body = gather::gather(body, &release, deadline, pace).await.map_err(blamed)?;
    let permit = release.admission.enter().await.map_err(|_overloaded| blamed(Failure::Overloaded))?;
    let store = instantiate::instantiate(&release, permit, arrival.id, deadline);
    invoke::invoke(&release, store, &head, body, arrival).await.map_err(blamed)
}
