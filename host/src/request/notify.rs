//! Calls a guest for an event of a database or a bucket: a request's life without a request.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use wasmtime::Store;

use crate::bindings::exports::wharf::platform::pg_listener::Notification;
use crate::error::chain;
use crate::kv::Entry;
use crate::release::{Permit, Release};

use super::instantiate::{self, RequestState};
use super::{Failure, RequestId, invoke};

/// What a guest is called for.
pub(crate) enum Event<'a> {
    /// Listening has begun, or begun again.
    Listening {
        database: &'a str,
        missed: bool,
    },
    Notified(Notification),
    /// Watching has begun, or begun again.
    Watching {
        bucket: &'a str,
        gap: bool,
    },
    Changed {
        bucket: &'a str,
        key: &'a str,
        entry: Option<Entry>,
    },
}

/// Why an event was not handled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotifyError {
    #[error("{}", chain(.0))]
    Failed(#[from] Failure),
    #[error("the guest says: {0}")]
    Refused(String),
}

/// Calls the guest within the limits of its requests; `permit` is its place among them.
pub(crate) async fn notify(
    release: &Arc<Release>,
    permit: Permit,
    event: &Event<'_>,
) -> Result<(), NotifyError> {
    let deadline = Instant::now() + release.manifest.limits.wall;
    let id = RequestId::new(SystemTime::now());
    let mut store = instantiate::for_event(release, permit, id, deadline);
    let meter = store.data().cpu.clone();
    let call = pin!(call(release, &mut store, event));
    let answered = tokio::time::timeout_at(deadline.into(), meter.measure(call)).await;
    answered.map_err(|_late| Failure::Deadline)??.map_err(NotifyError::Refused)
}

async fn call(
    release: &Release,
    store: &mut Store<RequestState>,
    event: &Event<'_>,
) -> Result<Result<(), String>, Failure> {
    let vanished = || wasmtime::Error::msg("what is to be called vanished");
    let called = async {
        let instance = release.instances.instantiate_async(&mut *store).await?;
        let listener = release.listener.as_ref().ok_or_else(vanished);
        let watcher = release.watcher.as_ref().ok_or_else(vanished);
        match event {
            Event::Listening { database, missed } => {
                let guest = listener?.load(&mut *store, &instance)?;
                guest.call_on_listening(&mut *store, database, *missed).await
            }
            Event::Notified(notification) => {
                let guest = listener?.load(&mut *store, &instance)?;
                guest.call_on_notify(&mut *store, notification).await
            }
            Event::Watching { bucket, gap } => {
                let guest = watcher?.load(&mut *store, &instance)?;
                guest.call_on_watching(&mut *store, bucket, *gap).await
            }
            Event::Changed { bucket, key, entry } => {
                let guest = watcher?.load(&mut *store, &instance)?;
                guest.call_on_change(&mut *store, bucket, key, entry.as_ref()).await
            }
        }
    };
    let called = called.await;
    called.map_err(|error| invoke::fault(store, error))
}
