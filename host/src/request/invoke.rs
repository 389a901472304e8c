//! Calls the guest.
//! Gets: a limited store, the head, the body. Gives: the guest's reply. Fails with: the guest's faults,
//! by their cause. Dropping the future, as when the client leaves, unwinds the guest where it stands.
//!
//! A component exports one of three handlers. Ours (`typed`) is called and done before the response begins, and a
//! stream is pulled from it; those of WASI (`wasi`) go on running while the response is sent (`driven`).

mod borrowed;
mod chunks;
mod driven;
mod shared;
mod taken;
mod typed;
mod wasi;

use std::sync::Arc;

use wasmtime::{PoolConcurrencyLimitError, Store};

use crate::release::{Handler, Release};

use super::dispatch::Head;
use super::gather::RequestBody;
use super::instantiate::{CpuExceeded, RequestState};
use super::respond::Reply;
use super::{Arrival, Failure};

pub(super) use borrowed::{Fields, RequestRef};
pub(crate) use shared::{Shared, share};
pub(crate) use typed::check_handle;

pub(crate) async fn invoke(
    release: &Arc<Release>,
    store: Store<RequestState>,
    head: Head,
    body: RequestBody,
    arrival: &Arrival,
) -> Result<Reply, Failure> {
    match &release.handler {
        Some(Handler::Typed(handler)) => typed::invoke(release, handler, store, &head, body, arrival).await,
        // Boxed, as its state is large and most requests never have it.
        Some(handler) => Box::pin(wasi::invoke(release, handler, store, head, body, arrival)).await,
        None => Err(Failure::Host(wasmtime::Error::msg("the handler vanished"))),
    }
}

/// Why a guest stopped.
pub(super) fn fault(store: &Store<RequestState>, error: wasmtime::Error) -> Failure {
    if error.is::<CpuExceeded>() {
        return Failure::OutOfCpu(error);
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Failure::Overloaded;
    }
    if store.data().memory.refused {
        return Failure::OutOfMemory(error);
    }
    Failure::Trap(error)
}
