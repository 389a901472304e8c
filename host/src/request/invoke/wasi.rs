//! The handlers of WASI: `wasi:http` 0.2 and 0.3. The guest gives the head of its response through a channel and runs
//! on while the body is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_channel::oneshot;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use wasmtime::Store;
use wasmtime::component::Instance;
use wasmtime_wasi_http::handler::{Prepared, Proxy};
use wasmtime_wasi_http::p2::bindings::ProxyIndices;
use wasmtime_wasi_http::p2::bindings::http::types as wasi02;
use wasmtime_wasi_http::p3::bindings::ServiceIndices;
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpView};

use crate::release::{Handler, Release};
use crate::request::dispatch::Head;
use crate::request::gather::RequestBody;
use crate::request::respond::Reply;
use crate::request::{Arrival, Failure, RequestState, instantiate};

use super::driven::{self, Answer, Guest};
use super::fault;

pub(super) async fn invoke(
    release: &Arc<Release>,
    handler: &Handler,
    store: Store<RequestState>,
    head: Head,
    body: RequestBody,
    arrival: &Arrival,
) -> Result<Reply, Failure> {
    let (meter, deadline) = (store.data().cpu.clone(), store.data().deadline());
    let head_only = head.parts.method == http::Method::HEAD;
    let request = request(head, body, arrival)?;
    let (answer, answered) = oneshot::channel();
    let release = release.clone();
    let guest: Guest = match handler {
        Handler::Wasi02(indices) => {
            Box::pin(meter.clone().measured(run_02(release.clone(), indices.clone(), store, request, answer)))
        }
        Handler::Wasi03(indices) => {
            Box::pin(meter.clone().measured(run_03(release.clone(), indices.clone(), store, request, answer)))
        }
        Handler::Typed(_) => return Err(Failure::Host(wasmtime::Error::msg("not a handler of WASI"))),
    };
    driven::reply(release, arrival.id, guest, answered, head_only, meter, deadline).await
}

async fn run_02(
    release: Arc<Release>,
    indices: ProxyIndices,
    mut store: Store<RequestState>,
    request: Request<WasiBody>,
    answer: oneshot::Sender<Answer>,
) -> Result<(), Failure> {
    let answered = Arc::new(AtomicBool::new(false));
    let called = async {
        let instance = instantiate::instance(&release, &mut store).await?;
        let proxy = indices.load(&mut store, &instance)?;
        let scheme = match request.uri().scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => wasi02::Scheme::Https,
            _ => wasi02::Scheme::Http,
        };
        let mut view = store.data_mut().http();
        let request = view.new_incoming_request(scheme, request)?;
        let told = answered.clone();
        let out = view.new_response_outparam_from_callback(move |response| {
            told.store(true, Ordering::Relaxed);
            // Nobody waits any more when the deadline has passed.
            let _late = answer.send(response.map_err(wasmtime::Error::from));
        })?;
        proxy.wasi_http_incoming_handler().call_handle(&mut store, request, out).await?;
        Ok(instance)
    };
    let called: wasmtime::Result<Instance> = called.await;
    let instance = called.map_err(|error| fault(&store, error))?;
    // One that returns without a response is of no use to the next request, either.
    if answered.load(Ordering::Relaxed) {
        instantiate::leave(store, instance);
    }
    Ok(())
}

async fn run_03(
    release: Arc<Release>,
    indices: ServiceIndices,
    mut store: Store<RequestState>,
    request: Request<WasiBody>,
    answer: oneshot::Sender<Answer>,
) -> Result<(), Failure> {
    let called = async {
        let instance = instantiate::instance(&release, &mut store).await?;
        let service = Proxy::P3(indices.load(&mut store, &instance)?);
        let ran = store.run_concurrent(async |accessor| {
            let view = <RequestState as WasiHttpView>::http;
            let prepared = accessor.with(|mut access| {
                use wasmtime::AsContextMut;
                Prepared::new(access.as_context_mut(), &service, request, view, answer)
            })?;
            prepared.run(accessor, std::future::pending()).await?;
            // The body is written, and background work done, after the call has returned.
            std::future::poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
            Ok(())
        });
        let ran: wasmtime::Result<()> = ran.await?;
        ran.map(|()| instance)
    };
    let called: wasmtime::Result<Instance> = called.await;
    let instance = called.map_err(|error| fault(&store, error))?;
    instantiate::leave(store, instance);
    Ok(())
}

/// Fields by which guests of WASI learn what our own contract has a place for. A client's are taken out.
const PREFIX: &str = "x-wharf-";

/// The request as `wasi:http` has it: an absolute target, and the host's knowledge in fields.
pub(super) fn request(
    head: Head,
    body: RequestBody,
    arrival: &Arrival,
) -> Result<Request<WasiBody>, Failure> {
    let authority = Authority::try_from(head.authority());
    let Head { mut parts, annotations, params } = head;
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.scheme = Some(if arrival.peer.secure { Scheme::HTTPS } else { Scheme::HTTP });
    // A caller inside this process may have named no host.
    uri.authority = Some(authority.unwrap_or_else(|_none| Authority::from_static("localhost")));
    parts.uri =
        Uri::from_parts(uri).map_err(|_told| Failure::BadRequest("the request's target is not valid"))?;

    remove_forged(&mut parts.headers);
    let annotations = annotations.iter().map(|(key, value)| (key.to_ascii_lowercase(), value.as_str()));
    let params = params.iter().map(|(key, value)| (format!("param-{key}"), value.as_str()));
    // The host's own last: no annotation replaces them.
    let own = [("request-id", arrival.id.as_str()), ("remote-addr", &arrival.address)];
    let own = own.into_iter().map(|(key, value)| (key.to_owned(), value));
    for (key, value) in annotations.chain(params).chain(own) {
        let name = HeaderName::try_from(format!("{PREFIX}{key}"));
        // What cannot be a field is there for guests of our own contract only.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            parts.headers.insert(name, value);
        }
    }
    Ok(Request::from_parts(parts, wasi_body(body)))
}

/// Some guests cannot tell `-` from `_`.
fn remove_forged(fields: &mut HeaderMap) {
    let is_forged = |name: &&HeaderName| name.as_str().replace('_', "-").starts_with(PREFIX);
    let forged: Vec<HeaderName> = fields.keys().filter(is_forged).cloned().collect();
    for name in forged {
        fields.remove(name);
    }
}

fn wasi_body(body: RequestBody) -> WasiBody {
    match body {
        RequestBody::Bytes(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
        RequestBody::Streamed(reader) => {
            let broken = |error: crate::BodyError| Error::InternalError(Some(error.to_string()));
            reader.into_body().map_err(broken).map_frame(without_forged).boxed_unsync()
        }
    }
}

fn without_forged(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            remove_forged(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(data) => data,
    }
}
