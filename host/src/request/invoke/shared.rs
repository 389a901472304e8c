//! Instances of `wasi:http/handler@0.3` that answer several requests at once, where a service asks for it
//! (`reuse = { concurrency = ... }`). Each is a task of the core that it was started on, which runs the guest for as long
//! as somebody wants something of it.
//!
//! What one request has for itself elsewhere is here the instance's: its memory, and its CPU time, which begins anew with
//! every request that comes and every piece that is taken. A place is held until the head was given and the body was
//! taken or given up, so that a client that leaves makes no room before its guest has answered.

mod worker;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use futures_channel::oneshot;
use http::{Request, Response};
use tokio::sync::mpsc;
use wasmtime_wasi_http::WasiBody;

use crate::body::Body;
use crate::host::core;
use crate::manifest::Reuse;
use crate::release::{Permit, Release};
use crate::request::dispatch::Head;
use crate::request::gather::RequestBody;
use crate::request::instantiate::CpuMeter;
use crate::request::respond::{self, Reply};
use crate::request::{Arrival, Failure, Notes, RequestId};

use super::driven::Answer;
use super::taken::Taken;

/// The running instances of one release, per core.
pub(crate) struct Shared {
    reuse: Reuse,
    cores: Box<[Mutex<Vec<Arc<Worker>>>]>,
}

/// One instance, as those who send it requests see it.
struct Worker {
    jobs: mpsc::UnboundedSender<Job>,
    /// Requests that it has now, and has had.
    now: AtomicU32,
    taken: AtomicU32,
    /// Charges the CPU time of all that it answers.
    meter: OnceLock<Arc<CpuMeter>>,
    /// Why it ended, if it did with something under way.
    ended: OnceLock<Ended>,
}

/// Why an instance ended while requests waited for it.
struct Ended {
    kind: fn(wasmtime::Error) -> Failure,
    text: String,
}

/// One request on its way to an instance.
struct Job {
    request: Request<WasiBody>,
    id: RequestId,
    notes: Option<Arc<Notes>>,
    deadline: Instant,
    answer: oneshot::Sender<Answer>,
    place: Arc<Place>,
}

/// A request's place: in the instance, and in what its service may run at once.
pub(super) struct Place {
    worker: Arc<Worker>,
    _permit: Arc<Permit>,
}

impl Place {
    /// Why a body that has no more pieces is not whole: its instance failed before the guest ended it.
    pub(super) fn broken(&self) -> Option<String> {
        self.worker.ended.get().map(|ended| ended.text.clone())
    }

    /// A piece came: the guest may work for the next.
    pub(super) fn progress(&self) {
        if let Some(meter) = self.worker.meter.get() {
            meter.reset();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.worker.now.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// None for a service whose instances answer one request at a time.
    pub(crate) fn new(reuse: Option<&Reuse>, cores: usize) -> Option<Self> {
        let reuse = reuse.filter(|reuse| reuse.concurrency > 1)?.clone();
        Some(Self { reuse, cores: (0..cores.max(1)).map(|_| Mutex::default()).collect() })
    }

    /// Lets every instance end with the requests that it has.
    pub(crate) fn close(&self) {
        for core in &self.cores {
            lock(core).clear();
        }
    }

    /// An instance of this core that has room, or a new one, with a place taken in it.
    fn place(&self, release: &Arc<Release>, permit: Arc<Permit>) -> Option<Arc<Place>> {
        let mut workers = lock(self.cores.get(core() % self.cores.len())?);
        workers.retain(|worker| {
            worker.taken.load(Ordering::Relaxed) < self.reuse.requests && !worker.jobs.is_closed()
        });
        let room = |worker: &&Arc<Worker>| worker.now.load(Ordering::Relaxed) < self.reuse.concurrency;
        let worker = match workers.iter().find(room) {
            Some(worker) => worker.clone(),
            None => {
                let (jobs, receiver) = mpsc::unbounded_channel();
                let (now, taken) = (AtomicU32::new(0), AtomicU32::new(0));
                let (meter, ended) = (OnceLock::new(), OnceLock::new());
                let worker = Arc::new(Worker { jobs, now, taken, meter, ended });
                tokio::spawn(worker::run(release.clone(), Arc::downgrade(&worker), receiver));
                workers.push(worker.clone());
                worker
            }
        };
        worker.now.fetch_add(1, Ordering::Relaxed);
        worker.taken.fetch_add(1, Ordering::Relaxed);
        Some(Arc::new(Place { worker, _permit: permit }))
    }
}

fn lock(workers: &Mutex<Vec<Arc<Worker>>>) -> MutexGuard<'_, Vec<Arc<Worker>>> {
    workers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers on an instance that has room, or a new one.
pub(crate) async fn share(
    release: &Arc<Release>,
    shared: &Shared,
    permit: Permit,
    head: Head,
    body: RequestBody,
    arrival: &Arrival,
    deadline: Instant,
) -> Result<Reply, Failure> {
    let request = super::wasi::request(head, body, arrival)?;
    let lost = || Failure::Host(wasmtime::Error::msg("the instance is gone"));
    let permit = Arc::new(permit);
    let mut place = shared.place(release, permit.clone()).ok_or_else(lost)?;
    let (answer, answered) = oneshot::channel();
    let job =
        Job { request, id: arrival.id, notes: arrival.notes.clone(), deadline, answer, place: place.clone() };
    if let Err(mpsc::error::SendError(job)) = place.worker.jobs.send(job) {
        // It ended between the two: on other threads that can be.
        place = shared.place(release, permit).ok_or_else(lost)?;
        if place.worker.jobs.send(Job { place: place.clone(), ..job }).is_err() {
            return Err(place.worker.why());
        }
    }
    let answer = match tokio::time::timeout_at(deadline.into(), answered).await {
        Err(_) => return Err(Failure::Deadline),
        Ok(Err(_canceled)) => {
            // On other threads its task may be about to say why.
            tokio::task::yield_now().await;
            return Err(place.worker.why());
        }
        Ok(Ok(answer)) => answer.map_err(|error| Failure::GuestError(format!("{error:#}")))?,
    };
    let (parts, body) = Response::into_parts(answer);
    let status = respond::check_status(parts.status.as_u16())?;
    let headers = respond::without_host_fields(parts.headers)?;
    let taken = Taken::new(body, place, release.manifest.limits.wall);
    Ok(Reply { status, headers, body: Body::stream(taken) })
}

impl Worker {
    fn why(&self) -> Failure {
        match self.ended.get() {
            Some(Ended { kind, text }) => kind(wasmtime::Error::msg(text.clone())),
            None => Failure::Trap(wasmtime::Error::msg("the instance ended")),
        }
    }
}
