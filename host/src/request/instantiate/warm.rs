//! Instances between two requests, of services that ask for it (`reuse` in the manifest): taken by the next request of
//! the same core, dropped after their number of requests, after waiting too long, or with their release.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::Store;
use wasmtime::component::{Instance, ResourceTable};
use wasmtime_wasi_http::{p2, p3};

use crate::host::core;
use crate::manifest::Reuse;
use crate::release::Release;
use crate::request::provide::http_types::BodyReader;
use crate::request::provide::pg_client::{CopyReader, CopyWriter, Cursor, Transaction};

use super::RequestState;

/// The waiting instances of one release.
pub(crate) struct Warm {
    reuse: Option<Reuse>,
    cores: Box<[Mutex<Vec<Waiting>>]>,
    /// The release was replaced: nothing waits any more.
    closed: AtomicBool,
}

struct Waiting {
    store: Store<RequestState>,
    since: Instant,
}

impl Warm {
    pub(crate) fn new(reuse: Option<&Reuse>, cores: usize) -> Self {
        let cores = (0..cores).map(|_| Mutex::default()).collect();
        Self { reuse: reuse.cloned(), cores, closed: AtomicBool::new(false) }
    }

    /// The instance that was left last: its memory is most likely still near.
    pub(super) fn take(&self) -> Option<Store<RequestState>> {
        let reuse = self.reuse.as_ref()?;
        let mut waiting = lock(self.cores.get(core())?);
        let last = waiting.pop()?;
        if last.since.elapsed() < reuse.idle {
            return Some(last.store);
        }
        // Those below it wait longer still.
        waiting.clear();
        None
    }

    /// Lets instances wait again: a release may come back.
    pub(crate) fn open(&self) {
        self.closed.store(false, Ordering::Release);
    }

    /// Drops what waits, now and later: instances hold their release, and the release holds them.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for core in &self.cores {
            lock(core).clear();
        }
    }

    fn sweep(&self, idle: Duration) {
        for core in &self.cores {
            lock(core).retain(|waiting| waiting.since.elapsed() < idle);
        }
    }
}

fn lock(waiting: &Mutex<Vec<Waiting>>) -> MutexGuard<'_, Vec<Waiting>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leaves an instance that has answered for the next request, where its service asks for that. One that holds on to a
/// transaction, a cursor, a copy or a body is dropped: nothing of a request may reach the next through the host.
pub(crate) fn leave(mut store: Store<RequestState>, instance: Instance) {
    let release = store.data().release.clone();
    let Some(reuse) = &release.warm.reuse else { return };
    let state = store.data_mut();
    state.served += 1;
    if state.served >= reuse.requests
        || release.warm.closed.load(Ordering::Acquire)
        || holds_on(&mut state.table)
    {
        return;
    }
    state.rest(instance);
    let Some(core) = release.warm.cores.get(core()) else { return };
    let mut waiting = lock(core);
    let first = waiting.is_empty();
    waiting.push(Waiting { store, since: Instant::now() });
    drop(waiting);
    if release.warm.closed.load(Ordering::Acquire) {
        release.warm.close();
    } else if first {
        sweep_later(&release, reuse.idle);
    }
}

fn holds_on(table: &mut ResourceTable) -> bool {
    table.iter_mut().any(|entry| {
        let entry: &mut dyn Any = entry;
        entry.is::<Transaction>()
            || entry.is::<Cursor>()
            || entry.is::<CopyWriter>()
            || entry.is::<CopyReader>()
            || entry.is::<BodyReader>()
            || is_exchange(entry)
    })
}

/// Messages of `wasi:http`: they lead to what other requests sent or got.
fn is_exchange(entry: &dyn Any) -> bool {
    entry.is::<p2::types::HostIncomingRequest>()
        || entry.is::<p2::types::HostIncomingResponse>()
        || entry.is::<p2::types::HostFutureIncomingResponse>()
        || entry.is::<p2::types::HostResponseOutparam>()
        || entry.is::<p2::body::HostIncomingBody>()
        || entry.is::<p2::body::HostFutureTrailers>()
        || entry.is::<p3::Request>()
        || entry.is::<p3::Response>()
}

/// Drops what has waited too long, when nobody comes for it.
fn sweep_later(release: &Arc<Release>, idle: Duration) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let release = Arc::downgrade(release);
    runtime.spawn(async move {
        loop {
            tokio::time::sleep(idle).await;
            let Some(release) = release.upgrade() else { return };
            release.warm.sweep(idle);
            let Some(core) = release.warm.cores.get(core()) else { return };
            if lock(core).is_empty() {
                return;
            }
        }
    });
}
