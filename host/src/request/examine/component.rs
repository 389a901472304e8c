//! A guard that is a component of another service: a fresh instance per question, within that service's limits.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Instance, TypedFunc};

use crate::bindings::exports::wharf::platform::guard::Verdict;
use crate::bindings::wharf::platform::http_types;
use crate::body::Body;
use crate::release::Release;
use crate::request::dispatch::Head;
use crate::request::instantiate::{self, RequestState};
use crate::request::invoke::{Fields, RequestRef, fault};
use crate::request::respond::{self, Reply};
use crate::request::{Arrival, Failure};

use super::Pass;

type Check<'a> = TypedFunc<(RequestRef<'a>,), (Verdict,)>;

pub(super) async fn ask(
    guard: &Arc<Release>,
    head: &Head,
    arrival: &Arrival,
    deadline: Instant,
) -> Result<Pass, Failure> {
    let permit = guard.admission.enter().await.map_err(|_overloaded| Failure::Overloaded)?;
    let deadline = deadline.min(Instant::now() + guard.manifest.limits.wall);
    let mut store = instantiate::instantiate(guard, permit, arrival, deadline);
    let meter = store.data().cpu.clone();
    let called =
        tokio::time::timeout_at(deadline.into(), meter.measure(call(guard, &mut store, head, arrival)));
    let (instance, verdict) = called.await.unwrap_or(Err(Failure::Deadline))?;
    let passed = passed(&mut store, verdict)?;
    instantiate::leave(store, instance);
    Ok(passed)
}

fn passed(store: &mut Store<RequestState>, verdict: Verdict) -> Result<Pass, Failure> {
    match verdict {
        Verdict::Allow(annotations) => Ok(Pass::As(annotations)),
        Verdict::Answer(answer) => {
            let (status, headers) = respond::check(answer.status, answer.headers)?;
            let body = match answer.body {
                http_types::Body::Bytes(bytes) => Body::from(bytes::Bytes::from(bytes)),
                http_types::Body::Streamed(reader) => {
                    let reader = store.data_mut().table.delete(reader);
                    Body::stream(reader.map_err(|error| Failure::Host(error.into()))?.into_body())
                }
            };
            Ok(Pass::Answer(Reply { status, headers, body }))
        }
    }
}

async fn call(
    guard: &Arc<Release>,
    store: &mut Store<RequestState>,
    head: &Head,
    arrival: &Arrival,
) -> Result<(Instance, Verdict), Failure> {
    let instance = match instantiate::instance(guard, store).await {
        Ok(instance) => instance,
        Err(error) => return Err(fault(store, error)),
    };
    let check = guard.guard.and_then(|check| instance.get_func(&mut *store, check));
    let Some(function) = check else {
        return Err(Failure::Host(wasmtime::Error::msg("the guard vanished")));
    };
    #[expect(unsafe_code, reason = "`check_guard` compared exactly this type when the release was loaded")]
    let check: Check<'_> = unsafe { TypedFunc::new_unchecked(function) };
    let fields = Fields::of(head);
    let deadline = store.data().deadline();
    let request = RequestRef::new(head, &fields, arrival, deadline);
    match check.call_async(&mut *store, (request,)).await {
        Ok((verdict,)) => Ok((instance, verdict)),
        Err(error) => Err(fault(store, error)),
    }
}

/// Compares the guard's type with what it is called with.
pub(crate) fn check_guard(
    instance: &Instance,
    store: &mut Store<RequestState>,
    check: &ComponentExportIndex,
) -> wasmtime::Result<()> {
    instance.get_typed_func::<(RequestRef<'static>,), (Verdict,)>(&mut *store, check).map(drop)
}
