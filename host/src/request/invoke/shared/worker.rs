//! The task of one instance: takes requests while it may, runs the guest while anybody waits for it, and ends when it is
//! idle for too long, has had its number, or fails.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::UnboundedReceiver;
use wasmtime::component::Accessor;
use wasmtime::{AsContextMut, Store};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::handler::{Prepared, Proxy};

use crate::error::chain;
use crate::release::{Handler, Release};
use crate::request::invoke::fault;
use crate::request::{Failure, RequestState, instantiate};

use super::{Ended, Job, Worker};

/// How much longer than its requests an instance may live that lets nobody else run.
const MERCY: Duration = Duration::from_secs(1);

/// When the heads that are awaited are due.
type Due = Mutex<Vec<Instant>>;

pub(super) async fn run(release: Arc<Release>, worker: Weak<Worker>, jobs: UnboundedReceiver<Job>) {
    let mut store = instantiate::for_many(&release);
    // Given up before the store: whoever finds a body at its end knows whether the guest ended it.
    let end = End(worker.clone());
    let meter = store.data().cpu.clone();
    if let Some(worker) = worker.upgrade() {
        let _first = worker.meter.set(meter.clone());
    }
    let due = Due::default();
    let ran = {
        let mut ran = pin!(meter.measure(serve(&release, &mut store, jobs, &due)));
        // From outside of the guest's own loop, which may stand still.
        loop {
            tokio::select! {
                ran = ran.as_mut() => break ran,
                () = tokio::time::sleep(MERCY) => {
                    if overdue(&due) {
                        break Err(wasmtime::Error::msg("an instance answers none of its requests in time"));
                    }
                }
            }
        }
    };
    let Err(error) = ran else { return end.cleanly() };
    let failure = fault(&store, error);
    let service = release.service();
    tracing::warn!(service, error = chain(&failure), "shared instance failed");
    let text = chain(&failure);
    let kind = match failure {
        Failure::OutOfCpu(_) => Failure::OutOfCpu,
        Failure::OutOfMemory(_) => Failure::OutOfMemory,
        _ => Failure::Trap,
    };
    end.say(Ended { kind, text });
}

/// Tells those who still wait that the instance is gone, unless it ended with nothing under way.
struct End(Weak<Worker>);

impl End {
    fn cleanly(mut self) {
        self.0 = Weak::new();
    }

    fn say(&self, ended: Ended) {
        if let Some(worker) = self.0.upgrade() {
            let _first = worker.ended.set(ended);
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.say(Ended { kind: Failure::Trap, text: "the instance was stopped".to_owned() });
    }
}

fn overdue(due: &Due) -> bool {
    let due = due.lock().unwrap_or_else(PoisonError::into_inner);
    due.iter().any(|due| due.elapsed() > MERCY)
}

async fn serve(
    release: &Release,
    store: &mut Store<RequestState>,
    mut jobs: UnboundedReceiver<Job>,
    due: &Due,
) -> wasmtime::Result<()> {
    let (Some(Handler::Wasi03(indices)), Some(reuse)) = (&release.handler, &release.manifest.reuse) else {
        return Err(wasmtime::Error::msg("not a handler of WASI 0.3"));
    };
    let instance = release.instances.instantiate_async(&mut *store).await?;
    let service = Proxy::P3(indices.load(&mut *store, &instance)?);
    let ran = store.run_concurrent(async |accessor| -> wasmtime::Result<()> {
        let mut running = FuturesUnordered::new();
        loop {
            let idle = tokio::time::sleep(reuse.idle);
            tokio::select! {
                job = jobs.recv() => match job {
                    Some(job) => running.push(answer(accessor, &service, job, due)),
                    None => break,
                },
                Some(answered) = running.next() => if !answered? { break },
                () = idle, if running.is_empty() => if is_quiet(accessor) { break },
            }
        }
        // No more come; those that are there may end, and so may what they do behind their responses.
        jobs.close();
        while let Some(job) = jobs.recv().await {
            running.push(answer(accessor, &service, job, due));
        }
        while let Some(answered) = running.next().await {
            answered?;
        }
        let rest = std::future::poll_fn(|context| accessor.poll_no_interesting_tasks(context));
        let rest = tokio::time::timeout(release.manifest.limits.wall, rest).await;
        rest.map_err(|_late| wasmtime::Error::msg("the guest took too long behind its responses"))
    });
    ran.await?
}

/// Whether the guest has nothing under way: no body that is still read, no work behind a response.
fn is_quiet(accessor: &Accessor<RequestState>) -> bool {
    accessor.poll_no_interesting_tasks(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Calls the guest until it gives a head; false when it did not in time, after which nobody else is let in.
async fn answer(
    accessor: &Accessor<RequestState>,
    service: &Proxy,
    job: Job,
    due: &Due,
) -> wasmtime::Result<bool> {
    let Job { request, id, notes, deadline, answer, place } = job;
    if answer.is_canceled() {
        return Ok(true);
    }
    let known =
        |change: &dyn Fn(&mut Vec<Instant>)| change(&mut due.lock().unwrap_or_else(PoisonError::into_inner));
    known(&|due| due.push(deadline));
    let view = <RequestState as WasiHttpView>::http;
    let prepared = accessor.with(|mut access| {
        access.get().join(id, notes, deadline);
        Prepared::new(access.as_context_mut(), service, request, view, answer)
    })?;
    let answered = prepared.run(accessor, tokio::time::sleep_until(deadline.into())).await;
    known(&|due| {
        if let Some(index) = due.iter().position(|known| *known == deadline) {
            due.swap_remove(index);
        }
    });
    drop(place);
    answered
}
