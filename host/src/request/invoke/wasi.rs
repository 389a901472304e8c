//! The handlers of WASI: `wasi:http` 0.2 and 0.3. The guest gives the head of its response through a channel and runs
//! on while the body is sent.

use std::sync::Arc;

use bytes::Bytes;
use futures_channel::oneshot;
use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Request, Uri};
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
    driven::reply(release, arrival.id, guest, answered, meter, deadline).await
}

async fn run_02(
    release: Arc<Release>,
    indices: ProxyIndices,
    mut store: Store<RequestState>,
    request: Request<WasiBody>,
    answer: oneshot::Sender<Answer>,
) -> Result<(), Failure> {
    let called = async {
        let instance = instantiate::instance(&release, &mut store).await?;
        let proxy = indices.load(&mut store, &instance)?;
        let scheme = match request.uri().scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => wasi02::Scheme::Https,
            _ => wasi02::Scheme::Http,
        };
        let mut view = store.data_mut().http();
        let request = view.new_incoming_request(scheme, request)?;
        let out = view.new_response_outparam_from_callback(move |response| {
            // Nobody waits any more when the deadline has passed.
            let _late = answer.send(response.map_err(wasmtime::Error::from));
        })?;
        proxy.wasi_http_incoming_handler().call_handle(&mut store, request, out).await?;
        Ok(instance)
    };
    let called: wasmtime::Result<Instance> = called.await;
    let instance = called.map_err(|error| fault(&store, error))?;
    instantiate::leave(store, instance);
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
    let Head { mut parts, annotations, .. } = head;
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.scheme = Some(if arrival.peer.secure { Scheme::HTTPS } else { Scheme::HTTP });
    // A caller inside this process may have named no host.
    uri.authority = Some(authority.unwrap_or_else(|_none| Authority::from_static("localhost")));
    parts.uri = Uri::from_parts(uri).map_err(|_| Failure::BadRequest("the request's target is not valid"))?;

    let forged: Vec<HeaderName> =
        parts.headers.keys().filter(|name| name.as_str().starts_with(PREFIX)).cloned().collect();
    for name in forged {
        parts.headers.remove(name);
    }
    let known = [("request-id", arrival.id.as_str()), ("remote-addr", &arrival.address)];
    let annotations = annotations.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    for (key, value) in known.into_iter().chain(annotations) {
        let name = HeaderName::try_from(format!("{PREFIX}{key}"));
        // An annotation that cannot be a field is one that only guests of our own contract see.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            parts.headers.append(name, value);
        }
    }
    Ok(Request::from_parts(parts, wasi_body(body)))
}

fn wasi_body(body: RequestBody) -> WasiBody {
    match body {
        RequestBody::Bytes(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
        RequestBody::Streamed(reader) => {
            let broken = |error: crate::BodyError| Error::InternalError(Some(error.to_string()));
            reader.into_body().map_err(broken).map_frame(|frame| frame.map_data(Bytes::from)).boxed_unsync()
        }
    }
}
