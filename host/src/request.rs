//! The life of a request, stage by stage: the files below, in alphabetical order, are its path.

pub(crate) mod accept;
mod dispatch;
mod examine;
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
use crate::clock::Clock;
use crate::config::Config;
use crate::error::chain;
use crate::observe::Observer;
use crate::release::RouteTable;

pub use accept::TlsError;
pub(crate) use examine::{BuiltIn, GuardError, ReadyGuard, check_guard};
pub(crate) use gather::BodyPace;
pub use id::RequestId;
pub use instantiate::RequestState;
pub(crate) use instantiate::{Warm, probe_store};
pub(crate) use invoke::{Shared, check_handle};
pub(crate) use notify::{Event, notify};
use respond::{Asked, Finish};
pub(crate) use respond::{Failure, Notes};

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
    /// What guests log, where failures are shown.
    pub(crate) notes: Option<Arc<Notes>>,
}

impl Arrival {
    fn new(peer: Peer, faults: Faults, received_at: SystemTime) -> Self {
        Self {
            id: RequestId::new(received_at),
            address: peer.address.ip().to_string(),
            peer,
            received: Instant::now(),
            received_at,
            notes: (faults == Faults::Shown).then(Arc::default),
        }
    }

    /// What is told of a failure beside its code.
    fn cause(&self, failure: &Failure) -> Option<respond::Cause> {
        let notes = self.notes.as_ref()?;
        Some(respond::Cause { error: chain(failure), log: notes.lines() })
    }
}

/// What the operator decides for every request.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    faults: Faults,
    pace: BodyPace,
    clock: &'a dyn Clock,
    observer: Option<&'a dyn Observer>,
}

impl<'a> Terms<'a> {
    pub(crate) fn of(config: &'a Config) -> Self {
        Self {
            faults: config.faults,
            pace: BodyPace::of(config),
            clock: &*config.clock,
            observer: config.observer.as_deref(),
        }
    }

    /// The same for the host's own requests: it may know why a guest failed, and nobody else is told of them.
    pub(crate) fn open(self) -> Self {
        Self { faults: Faults::Shown, observer: None, ..self }
    }
}

/// Whether clients are told why a guest failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Faults {
    /// They get a code and a request id; the cause is in the log.
    #[default]
    Hidden,
    /// They get the errors, the guest's backtrace and the last lines that it logged: for development.
    Shown,
}

/// Answers a request that cannot be handled at all.
fn refuse(failure: Failure, peer: Peer) -> Response<Body> {
    let arrival = Arrival::new(peer, Faults::Hidden, SystemTime::now());
    respond::respond(Err((failure, None)), &arrival, &Asked::default())
}

/// Answers one request; every failure becomes a response, so there is no error.
/// Dropping the future stops the guest and what it waits for.
pub(crate) async fn handle<B>(
    routes: &RouteTable,
    terms: Terms<'_>,
    request: Request<B>,
    peer: Peer,
) -> Response<Body>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    let arrival = Arrival::new(peer, terms.faults, terms.clock.now());
    let asked = Asked {
        head_only: request.method() == http::Method::HEAD,
        accept: request.headers().get(http::header::ACCEPT).cloned(),
    };
    let watched = terms.observer.map(|observer| (observer, request.method().clone()));
    let mut finish = Finish::default();
    let outcome = serve(routes, terms, request, &arrival, &mut finish).await;
    finish.count(&outcome);
    let target = finish.target.take();
    let response = finish.apply(respond::respond(outcome, &arrival, &asked));
    if let (Some((observer, method)), Some(target)) = (watched, target)
        && let Some(route) = target.route()
    {
        observer.answered(target.release.service(), route, &method, response.status());
    }
    response
}

async fn serve<B>(
    routes: &RouteTable,
    terms: Terms<'_>,
    request: Request<B>,
    arrival: &Arrival,
    finish: &mut Finish,
) -> Result<respond::Reply, (Failure, Option<Arc<crate::Release>>)>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    let (head, body) = request.into_parts();
    let (target, mut head) = dispatch::dispatch(routes, head).map_err(|failure| (failure, None))?;
    let release = &target.release;
    let blamed = |failure| (failure, Some(release.clone()));
    let deadline = arrival.received + release.manifest.limits.wall;
    finish.expect(&target, &head);
    if terms.observer.is_some() {
        finish.target = Some(target.clone());
    }

    if !target.guards.is_empty() {
        let examined = examine::examine(&target, &mut head, &mut finish.examined, arrival, deadline);
        if let Some(reply) = Box::pin(examined).await? {
            return Ok(reply);
        }
    }
    finish.watch(&target);
    let limit = release.manifest.limits.body;
    let limit = finish.examined.body.map_or(limit, |smaller| smaller.min(limit));
    let body = gather::gather(body, limit, deadline, terms.pace).await.map_err(blamed)?;
    let permit = release.admission.enter().await.map_err(|_overloaded| blamed(Failure::Overloaded))?;
    if let Some(shared) = &release.shared {
        let share = invoke::share(release, shared, permit, head, body, arrival, deadline);
        return Box::pin(share).await.map_err(blamed);
    }
    let store = instantiate::instantiate(release, permit, arrival, deadline);
    invoke::invoke(release, store, head, body, arrival).await.map_err(blamed)
}
