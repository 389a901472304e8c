//! A handler of our own contract: called with the request by value; its reply comes by value or is pulled.

use std::pin::pin;
use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Instance, TypedFunc};

use crate::bindings::exports::wharf::platform::http_handler::{Reply as GuestReply, ReplyBody};
use crate::body::Body;
use crate::release::{Release, TypedHandler};
use crate::request::dispatch::Head;
use crate::request::gather::RequestBody;
use crate::request::instantiate;
use crate::request::respond::{self, Reply};
use crate::request::{Arrival, Failure, RequestState};

use super::borrowed::{BodyRef, Fields, RequestRef};
use super::{chunks, fault};

type Handle<'a> = TypedFunc<(RequestRef<'a>, BodyRef<'a>), (GuestReply,)>;

pub(super) async fn invoke(
    release: &Arc<Release>,
    typed: &TypedHandler,
    mut store: Store<RequestState>,
    head: &Head,
    body: RequestBody,
    arrival: &Arrival,
) -> Result<Reply, Failure> {
    let meter = store.data().cpu.clone();
    let deadline = store.data().deadline();
    let (instance, reply) = {
        // Pinned here, once: handed on by value it would be stored anew at each step.
        let call = pin!(call(release, typed, &mut store, head, body, arrival));
        match tokio::time::timeout_at(deadline.into(), meter.measure(call)).await {
            Ok(called) => called?,
            Err(_) => return Err(Failure::Deadline),
        }
    };
    let (status, headers) = respond::check(reply.status, reply.headers)?;
    let body = match reply.body {
        ReplyBody::Bytes(bytes) => {
            instantiate::leave(store, instance);
            Body::from(bytes::Bytes::from(bytes))
        }
        ReplyBody::Reader(reader) => {
            let reader =
                store.data_mut().table.delete(reader).map_err(|error| Failure::Host(error.into()))?;
            instantiate::leave(store, instance);
            Body::stream(reader.into_body())
        }
        ReplyBody::Streamed(resource) => chunks::body(release, typed, store, instance, resource)?,
    };
    Ok(Reply { status, headers, body })
}

async fn call(
    release: &Arc<Release>,
    typed: &TypedHandler,
    store: &mut Store<RequestState>,
    head: &Head,
    body: RequestBody,
    arrival: &Arrival,
) -> Result<(Instance, GuestReply), Failure> {
    let instance = match instantiate::instance(release, store).await {
        Ok(instance) => instance,
        Err(error) => return Err(fault(store, error)),
    };
    let Some(function) = instance.get_func(&mut *store, typed.handle) else {
        return Err(Failure::Host(wasmtime::Error::msg("the handler vanished")));
    };
    #[expect(unsafe_code, reason = "`check_handle` compared exactly this type when the release was loaded")]
    let handle: Handle<'_> = unsafe { TypedFunc::new_unchecked(function) };

    let fields = Fields::of(head);
    let deadline = store.data().deadline();
    let request = RequestRef::new(head, &fields, arrival, deadline);
    let body = match &body_param(store, body)? {
        Param::Bytes(bytes) => handle.call_async(&mut *store, (request, BodyRef::Bytes(bytes))).await,
        Param::Reader(reader) => {
            let reader = wasmtime::component::Resource::new_own(*reader);
            handle.call_async(&mut *store, (request, BodyRef::Streamed(reader))).await
        }
    };
    match body {
        Ok((reply,)) => Ok((instance, reply)),
        Err(error) => Err(fault(store, error)),
    }
}

enum Param {
    Bytes(bytes::Bytes),
    Reader(u32),
}

fn body_param(store: &mut Store<RequestState>, body: RequestBody) -> Result<Param, Failure> {
    match body {
        RequestBody::Bytes(bytes) => Ok(Param::Bytes(bytes)),
        RequestBody::Streamed(reader) => match store.data_mut().table.push(*reader) {
            Ok(handle) => Ok(Param::Reader(handle.rep())),
            Err(error) => Err(Failure::Host(error.into())),
        },
    }
}

/// Compares the handler's type with the borrowed types that requests are lowered from.
pub(crate) fn check_handle(
    instance: &Instance,
    store: &mut Store<RequestState>,
    handle: &ComponentExportIndex,
) -> wasmtime::Result<()> {
    instance
        .get_typed_func::<(RequestRef<'static>, BodyRef<'static>), (GuestReply,)>(&mut *store, handle)
        .map(drop)
}
