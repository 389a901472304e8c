//! Instances of `wasi:http/handler@0.3` that answer several requests at once, where a service asks for it
//! (`reuse = { concurrency = ... }`): wasmtime's own workers, each a task of the core that it was started on.
//!
//! What one request has for itself elsewhere is here the instance's: memory, and the CPU time of all that it answers,
//! which every request that comes adds its own to. A client that leaves ends its body, not the instance.

use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::Response;
use http_body_util::BodyExt;
use tokio::time::Sleep;
use wasmtime::component::GuestTaskId;
use wasmtime::{PoolConcurrencyLimitError, Store, StoreContextMut};
use wasmtime_wasi_http::handler::{
    ExpirationError, HandlerState, Instance, InstantiationError, Proxy, ProxyHandler, ShouldAccept,
    WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::p3::bindings::ServiceIndices;
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use crate::body::{Body, BodyError};
use crate::error::chain;
use crate::host::core;
use crate::manifest::Reuse;
use crate::release::{Handler, Permit, Release};
use crate::request::dispatch::Head;
use crate::request::gather::RequestBody;
use crate::request::respond::{self, Reply};
use crate::request::{Arrival, Failure, RequestId, RequestState, instantiate};

/// How much longer than its requests an instance may live that does not let anybody else run.
const MERCY: Duration = Duration::from_secs(1);

/// The workers of one release, per core.
pub(crate) struct Shared(Box<[OnceLock<ProxyHandler<Pool>>]>);

impl Shared {
    /// None for a service whose instances answer one request at a time.
    pub(crate) fn new(reuse: Option<&Reuse>, cores: usize) -> Option<Self> {
        let several = reuse.is_some_and(|reuse| reuse.concurrency > 1);
        several.then(|| Self((0..cores.max(1)).map(|_| OnceLock::new()).collect()))
    }
}

/// Answers on an instance that has room, or a new one.
pub(crate) async fn share(
    release: &Arc<Release>,
    shared: &Shared,
    permit: Permit,
    head: Head,
    body: RequestBody,
    arrival: &Arrival,
) -> Result<Reply, Failure> {
    let Some(workers) = shared.0.get(core() % shared.0.len()) else { return Err(gone()) };
    let workers = workers.get_or_init(|| ProxyHandler::new(Pool(Arc::downgrade(release))));
    let request = super::wasi::request(head, body, arrival)?;
    let answer = workers.handle(arrival.id, request).await.map_err(failure)?;
    let (parts, body) = Response::into_parts(answer);
    let headers = respond::without_host_fields(parts.headers)?;
    let body = body.map_err(|error| BodyError::from(error.to_string()));
    // The request runs for as long as its body does.
    let body = body.map_frame(move |frame| {
        let _running = &permit;
        frame
    });
    Ok(Reply { status: parts.status, headers, body: Body::stream(body) })
}

fn gone() -> Failure {
    Failure::Host(wasmtime::Error::msg("the release is gone"))
}

fn failure(error: wasmtime::Error) -> Failure {
    if error.is::<ExpirationError>() {
        return Failure::Deadline;
    }
    if let Some(start) = error.downcast_ref::<InstantiationError<RequestId>>() {
        if start.error.is::<PoolConcurrencyLimitError>() {
            return Failure::Overloaded;
        }
        return Failure::Trap(wasmtime::Error::msg(start.to_string()));
    }
    if error.is::<wasmtime_wasi_http::p3::bindings::http::types::ErrorCode>() {
        return Failure::GuestError(format!("{error:#}"));
    }
    Failure::Trap(error)
}

/// Makes the instances of one release; does not keep it alive.
struct Pool(Weak<Release>);

impl HandlerState for Pool {
    type StoreData = RequestState;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<RequestState, Expiration, Worker>> {
        let lost = || wasmtime::Error::msg("the release is gone");
        let release = self.0.upgrade().ok_or_else(lost)?;
        let (Some(Handler::Wasi03(indices)), Some(reuse)) = (&release.handler, &release.manifest.reuse)
        else {
            return Err(lost());
        };
        let wall = release.manifest.limits.wall;
        let mut store = instantiate::probe_store(&release);
        let proxy = tokio::time::timeout(wall, start(&release, indices, &mut store)).await??;
        let view: fn(&mut RequestState) -> WasiHttpCtxView<'_> = <RequestState as WasiHttpView>::http;
        let expiration = Expiration { wall, idle: reuse.idle, sleep: None };
        Ok(Instance { store, proxy, view, expiration, state: Worker { reuse: reuse.clone(), wall } })
    }
}

async fn start(
    release: &Release,
    indices: &ServiceIndices,
    store: &mut Store<RequestState>,
) -> wasmtime::Result<Proxy> {
    let instance = release.instances.instantiate_async(&mut *store).await?;
    Ok(Proxy::P3(indices.load(store, &instance)?))
}

/// When an instance is dropped: it waited too long, or its requests took too long.
struct Expiration {
    wall: Duration,
    idle: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        status: WorkerStatus,
        since: Instant,
    ) -> Poll<()> {
        let limit = match status {
            WorkerStatus::Idle => self.idle,
            WorkerStatus::Requests => self.wall + MERCY,
            WorkerStatus::PostReturn => self.wall,
        };
        let end = tokio::time::Instant::from_std(since + limit);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        if sleep.deadline() != end {
            sleep.as_mut().reset(end);
        }
        sleep.as_mut().poll(context)
    }
}

/// How many requests an instance takes, and what each brings along.
struct Worker {
    reuse: Reuse,
    wall: Duration,
}

impl WorkerState for Worker {
    type StoreData = RequestState;
    type RequestData = RequestId;

    fn should_accept_request(&self, at_once: usize, in_all: usize) -> ShouldAccept {
        let most = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        if in_all >= most(self.reuse.requests) {
            ShouldAccept::Never
        } else if at_once >= most(self.reuse.concurrency) {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        mut store: StoreContextMut<'_, RequestState>,
        request: RequestId,
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        store.data_mut().join(request);
        Box::pin(tokio::time::sleep(self.wall))
    }

    fn drop(&self, store: Store<RequestState>, result: wasmtime::Result<()>) {
        if let Err(error) = result {
            let service = store.data().release().service();
            tracing::warn!(service, error = chain(&super::fault(&store, error)), "shared instance failed");
        }
    }
}
