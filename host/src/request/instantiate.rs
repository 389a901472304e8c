//! A store for one request, with everything that bounds its guest.
//! Gets: a release and a deadline. Gives: a store, empty but limited; `invoke` fills it. Cannot fail.
//!
//! What stops a guest: memories and tables are summed against `limits.memory`; every tick of the epoch
//! makes the guest yield, and ends it once `limits.cpu` is used up; bytes from guest to host are bounded
//! per call; handles are bounded. The deadline is the caller's, in `invoke`.

mod cpu;
mod memory;
mod warm;

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::Extensions;
use wasmtime::component::{Instance, ResourceTable};
use wasmtime::{Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use crate::outbound::{Calls, Client};
use crate::release::{Permit, Release};

use super::provide::{Source, stdio::Printed, wasi_http::Outgoing};
use super::{Arrival, Notes, RequestId};

pub(crate) use cpu::{CpuExceeded, CpuMeter};
use memory::MemoryBudget;
pub(crate) use warm::{Warm, leave};

/// Resources that one request may hold at once: rows of handles, not bytes.
const MOST_HANDLES: usize = 1_024;
/// Bytes that the guest may hand to the host in one call: behaviour.md.
const MOST_CALL_BYTES: usize = 8 << 20;

/// The host's side of one request: what capabilities work with.
pub struct RequestState {
    pub(crate) table: ResourceTable,
    pub(crate) memory: MemoryBudget,
    pub(crate) cpu: Arc<CpuMeter>,
    release: Arc<Release>,
    id: RequestId,
    deadline: Instant,
    local: Extensions,
    /// What the guest logs, where failures are shown.
    notes: Option<Arc<Notes>>,
    /// Made when a guest first calls WASI, which most never do: it costs more than a request.
    wasi: Option<Box<WasiCtx>>,
    printed: Option<Printed>,
    wasi_http: Option<Box<Outgoing>>,
    /// Requests that the instance has answered, and the instance while it waits for another.
    served: u32,
    waiting: Option<Instance>,
    permit: Option<Permit>,
}

impl RequestState {
    /// The release that answers.
    #[must_use]
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// Names the request.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// When the caller gets 504. Streams move it on with every chunk.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The handles that the guest holds.
    pub fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// What [`crate::Capability::prepare`] put there.
    #[must_use]
    pub fn prepared<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.release.prepared.get()
    }

    /// State of one capability within this request, made on first use.
    pub fn local<T: Any + Clone + Default + Send + Sync>(&mut self) -> &mut T {
        self.local.get_or_insert_default()
    }

    /// Whose lines in the log this request's are.
    pub(crate) fn source(&self) -> Source {
        Source { release: self.release.clone(), request: self.id, notes: self.notes.clone() }
    }

    /// Gives back what belongs to a request that ended.
    fn rest(&mut self, instance: Instance) {
        self.waiting = Some(instance);
        self.permit = None;
        self.notes = None;
        self.local = Extensions::new();
    }

    /// One more request on an instance that answers several at once. What the guest logs from now on is this one's;
    /// its CPU time and its count of calls begin anew.
    pub(crate) fn join(&mut self, request: RequestId, notes: Option<Arc<Notes>>, deadline: Instant) {
        self.id = request;
        self.notes = notes;
        self.deadline = self.deadline.max(deadline);
        self.cpu.reset();
        self.local = Extensions::new();
        self.wasi_http = None;
        if let Some(printed) = &self.printed {
            printed.belong_to(&self.source());
        }
        let release = self.release.clone();
        for capability in release.capabilities.iter() {
            capability.begin(self);
        }
    }

    /// Everything that one request must not have from another.
    fn begin(&mut self, permit: Permit, arrival: &Arrival, deadline: Instant) {
        self.permit = Some(permit);
        self.id = arrival.id;
        self.deadline = deadline;
        self.notes.clone_from(&arrival.notes);
        self.cpu.reset();
        self.memory.refused = false;
        self.wasi_http = None;
        if let Some(printed) = &self.printed {
            printed.belong_to(&self.source());
        }
    }

    pub(crate) fn extend_deadline(&mut self) -> Instant {
        self.deadline = Instant::now() + self.release.manifest.limits.wall;
        self.deadline
    }
}

impl std::fmt::Debug for RequestState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestState").field("id", &self.id).finish_non_exhaustive()
    }
}

impl WasiView for RequestState {
    /// Grants nothing: no files, no sockets, no environment, no input. Clocks and randomness work; what is written
    /// to the standard streams is logged.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        if self.wasi.is_none() {
            let printed = Printed::new(&self.source());
            self.wasi = Some(printed.context(&self.release.clock));
            self.printed = Some(printed);
        }
        let ctx = self.wasi.get_or_insert_default();
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for RequestState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        if self.wasi_http.is_none() {
            let (client, calls) = (self.prepared::<Client>().cloned(), self.local::<Calls>().clone());
            self.wasi_http = Some(Outgoing::new(client, calls, self.release.manifest.limits.wall));
        }
        let Self { wasi_http, table, .. } = self;
        wasi_http.get_or_insert_with(|| Outgoing::new(None, Calls::default(), Duration::ZERO)).view(table)
    }
}

pub(crate) fn instantiate(
    release: &Arc<Release>,
    permit: Permit,
    arrival: &Arrival,
    deadline: Instant,
) -> Store<RequestState> {
    let Some(mut store) = release.warm.take() else {
        let mut store = limited(release, Some(permit), arrival.id, deadline);
        store.data_mut().notes.clone_from(&arrival.notes);
        return store;
    };
    store.data_mut().begin(permit, arrival, deadline);
    for capability in release.capabilities.iter() {
        capability.begin(store.data_mut());
    }
    store.set_hostcall_fuel(MOST_CALL_BYTES);
    store.set_epoch_deadline(1);
    store
}

/// The instance that waits in a store, or a fresh one.
pub(crate) async fn instance(
    release: &Release,
    store: &mut Store<RequestState>,
) -> wasmtime::Result<Instance> {
    match store.data_mut().waiting.take() {
        Some(instance) => Ok(instance),
        None => release.instances.instantiate_async(store).await,
    }
}

/// The same for what is called without a request.
pub(crate) fn for_event(
    release: &Arc<Release>,
    permit: Permit,
    id: RequestId,
    deadline: Instant,
) -> Store<RequestState> {
    limited(release, Some(permit), id, deadline)
}

/// A store for an instance that answers several requests at once, each with a permit of its own.
pub(crate) fn for_many(release: &Arc<Release>) -> Store<RequestState> {
    probe_store(release)
}

/// A store to try a release in before it is published.
pub(crate) fn probe_store(release: &Arc<Release>) -> Store<RequestState> {
    let deadline = Instant::now() + release.manifest.limits.wall;
    limited(release, None, RequestId::new(SystemTime::now()), deadline)
}

fn limited(
    release: &Arc<Release>,
    permit: Option<Permit>,
    id: RequestId,
    deadline: Instant,
) -> Store<RequestState> {
    let mut table = ResourceTable::new();
    table.set_max_capacity(MOST_HANDLES);
    let state = RequestState {
        table,
        memory: MemoryBudget::new(release.manifest.limits.memory.as_usize()),
        cpu: Arc::new(CpuMeter::new(release.manifest.limits.cpu)),
        release: release.clone(),
        id,
        deadline,
        local: Extensions::new(),
        notes: None,
        wasi: None,
        printed: None,
        wasi_http: None,
        served: 0,
        waiting: None,
        permit,
    };
    let mut store = Store::new(release.instances.engine(), state);
    for capability in release.capabilities.iter() {
        capability.begin(store.data_mut());
    }
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(MOST_CALL_BYTES);
    store.set_max_component_handles(MOST_HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(on_tick);
    store
}

/// Runs when a tick passed while the guest was running.
#[expect(clippy::needless_pass_by_value, reason = "the signature is wasmtime's")]
fn on_tick(store: StoreContextMut<'_, RequestState>) -> wasmtime::Result<UpdateDeadline> {
    if store.data().cpu.tick()? {
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    } else {
        Ok(UpdateDeadline::Continue(1))
    }
}
