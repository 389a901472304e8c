//! What was decided becomes what serves. The only part of the control plane that touches the host.
//!
//! # The order of things
//! A deploy is: blobs on the disk, checked, loaded (migrated, compiled, probed), asked whether it can be published,
//! **recorded, published**, acknowledged. One at a time for each service; the last three one at a time for all, as routes
//! are everybody's. What this order gives:
//!
//! * *An acknowledged deploy is never lost*: its record is on the disk before it serves, and its blobs before its record.
//! * *Nothing is half there*: the record is one atomic write, and a release that does not load gets none.
//! * *An unacknowledged one may be either*: killed before the record there is nothing but blobs, which go after an hour;
//!   killed after it, the next start publishes what the record says.
//! * *Two writers cannot both win*: the record is written only if its parent is still the last one.
//! * *A client never sees the new release and then, after a crash, the old one*: published is what is recorded. Publishing
//!   first would be a disk write faster and lose this.
//!
//! Rollouts run on tasks of their own: a client that leaves does not stop one half way.

mod change;
mod collect;
mod converge;
mod improve;
mod lane;
mod local;
mod preview;
mod progress;
mod traffic;
mod watch;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wharf_host::{Host, Release};

use crate::artifact::{self, Artifacts};
use crate::error::ControlError;
use crate::plan::Command;
use crate::record::{AuditEntry, Deployment, Ledger, Piece, Pieces, Portion, Records, now};

use change::Rollout;
pub use converge::Restored;
use lane::{Lane, Lanes};
pub use local::{DeployError, Deployed, deploy};
pub use preview::PreviewKey;
pub use progress::{Event, Stage};
use traffic::brought;
pub use watch::Watch;

/// Deployments of a service that are kept, besides those that they refer to.
const KEEP: usize = 20;
/// Changes that are under way or wait for another of their service.
const CHANGES: usize = 256;
/// Bytes of blobs that no deployment refers to, at most.
const UNUSED: u64 = 2 << 30;
/// Events that a slow reader may be behind.
const EVENTS: usize = 256;

/// The control plane of one host. Cheap to clone.
#[derive(Clone)]
pub struct Control(Arc<Inner>);

struct Inner {
    host: Host,
    ledger: Ledger,
    artifacts: Arc<dyn Artifacts>,
    lanes: Lanes,
    changes: Arc<Semaphore>,
    /// Bytes of blobs that nobody refers to, as of the last collection, and what was uploaded since.
    unused: AtomicU64,
    /// Better code is made for one release at a time.
    improving: tokio::sync::Mutex<()>,
    /// Held from asking the host whether something can be published until it is.
    publishing: tokio::sync::Mutex<()>,
    events: broadcast::Sender<Event>,
    tasks: TaskTracker,
    /// Ends what only waits.
    stop: CancellationToken,
    /// Whether somebody will soon look for what is not needed any more.
    collecting: AtomicBool,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("host", &self.0.host).finish_non_exhaustive()
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Asked {
    /// All requests to a new artifact, whose blobs are there.
    Deploy(Vec<Piece>),
    /// A new artifact that gets no requests yet.
    Stage(Vec<Piece>),
    /// As it was at a deployment; none: before the last change.
    Rollback(Option<u64>),
    /// Shares, and what keeps a client with one: `cookie:NAME` or `header:NAME`.
    Split(Vec<Portion>, Option<String>),
    /// All requests to one deployment.
    Promote(u64),
    /// No answers any more.
    Remove,
}

/// Who asks, and how.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Name of the token.
    pub author: String,
    /// What they have to say.
    pub message: String,
    /// The deployment that they saw last; 0 for none. `None`: whatever is there when this arrives.
    pub parent: Option<u64>,
    /// A key that stands for this request, and a hash of it.
    pub idempotency: Option<(String, String)>,
    /// How the new release is watched, and for how long.
    pub watch: Option<Watch>,
    /// Where steps are told as they are done. Full: they are left out.
    pub progress: Option<tokio::sync::mpsc::Sender<Event>>,
}

impl Control {
    /// A control plane that keeps things there. It publishes nothing yet: see [`Self::restore`].
    #[must_use]
    pub fn new(host: Host, records: Arc<dyn Records>, artifacts: Arc<dyn Artifacts>) -> Self {
        let (events, _) = broadcast::channel(EVENTS);
        Self(Arc::new(Inner {
            host,
            ledger: Ledger::new(records),
            artifacts,
            lanes: Lanes::default(),
            changes: Arc::new(Semaphore::new(CHANGES)),
            unused: AtomicU64::new(0),
            improving: tokio::sync::Mutex::default(),
            publishing: tokio::sync::Mutex::default(),
            events,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            collecting: AtomicBool::new(false),
        }))
    }

    /// Keeps a blob that was uploaded.
    pub(crate) async fn put(&self, sha256: String, bytes: bytes::Bytes) -> Result<(), ControlError> {
        let unused = self.0.unused.load(Ordering::Acquire);
        if unused >= UNUSED {
            self.collect_later();
            return Err(ControlError::Unused(unused));
        }
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let artifacts = self.0.artifacts.clone();
        blocking(move || artifacts.put(&sha256, &bytes)).await??;
        self.0.unused.fetch_add(size, Ordering::AcqRel);
        Ok(())
    }

    /// The host that it publishes on.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    pub(crate) fn artifacts(&self) -> &Arc<dyn Artifacts> {
        &self.0.artifacts
    }

    /// Everything that happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    /// What answers for a service on this host; of several releases the one with the largest share.
    #[must_use]
    pub fn release(&self, service: &str) -> Option<Arc<Release>> {
        self.0.host.releases().into_iter().find(|release| release.service() == service)
    }

    /// Whether a service answers on this host.
    #[must_use]
    pub fn answers(&self, service: &str) -> bool {
        self.release(service).is_some()
    }

    /// Nobody else changes what the records say of the whole host meanwhile.
    pub(crate) async fn alone(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.publishing.lock().await
    }

    /// Ends what only waits: watches, and those who look on.
    pub(crate) fn hurry(&self) {
        self.0.stop.cancel();
    }

    /// Waits for the rollouts under way, and ends watches. New ones are not stopped by it: stop taking requests first.
    pub async fn finish(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Does what is asked of a service. Goes on when the caller is dropped.
    ///
    /// # Errors
    /// See [`ControlError`]; nothing has changed then.
    pub async fn change(
        &self,
        service: &str,
        asked: Asked,
        order: Order,
    ) -> Result<Deployment, ControlError> {
        check_name(service)?;
        // Of one service, so that it holds up only itself, and of all.
        let turns = self.0.lanes.turns(service);
        let turn = turns.try_acquire_owned().map_err(|_full| ControlError::Busy(lane::TURNS))?;
        let place =
            self.0.changes.clone().try_acquire_owned().map_err(|_full| ControlError::Busy(CHANGES))?;
        self.change_in((turn, place), service, asked, order).await
    }

    /// The same, with what bounds how much is under way.
    async fn change_in(
        &self,
        place: impl Send + 'static,
        service: &str,
        asked: Asked,
        order: Order,
    ) -> Result<Deployment, ControlError> {
        if let Asked::Deploy(pieces) | Asked::Stage(pieces) = &asked {
            artifact::check(pieces)?;
        }
        let seen = match order.parent {
            Some(parent) => parent,
            None => self.0.ledger.history(service).await?.last().map_or(0, |head| head.number),
        };
        let (control, service) = (self.clone(), service.to_owned());
        let task = self.0.tasks.spawn(async move {
            let _place = place;
            let action = asked.action();
            let author = order.author.clone();
            let result = Rollout::new(&control, &service, order, seen).run(asked).await;
            match &result {
                Ok(_) => control.collect_later(),
                Err(error) => control.refused(&author, action, &service, error).await,
            }
            result
        });
        task.await.unwrap_or(Err(ControlError::Stopping))
    }

    /// Notes in the audit log what was not done.
    async fn refused(&self, author: &str, action: &str, target: &str, error: &ControlError) {
        self.note_refusal(author, action, target, error.code()).await;
    }

    pub(crate) async fn note_refusal(&self, author: &str, action: &str, target: &str, code: &str) {
        let entry = audit(author, action, target, code);
        if let Err(error) = self.0.ledger.audit(entry).await {
            tracing::warn!(error = %wharf_host::chain(&error), "the audit log lacks a refusal");
        }
        self.collect_later();
    }
}

/// A line of the audit log.
pub(crate) fn audit(who: &str, action: &str, target: &str, outcome: &str) -> AuditEntry {
    let text = |text: &str| text.to_owned();
    AuditEntry {
        at: now(),
        who: text(who),
        action: text(action),
        target: text(target),
        outcome: text(outcome),
    }
}

impl Asked {
    /// As the audit log calls it.
    fn action(&self) -> &'static str {
        match self {
            Self::Deploy(_) => "deploy",
            Self::Stage(_) => "stage",
            Self::Rollback(_) => "rollback",
            Self::Split(..) => "split",
            Self::Promote(_) => "promote",
            Self::Remove => "remove",
        }
    }

    /// Without what is only known once it is loaded.
    fn command(&self) -> Command {
        let pieces = |blobs: &Vec<Piece>| Pieces { release: String::new(), size: 0, blobs: blobs.clone() };
        match self {
            Self::Deploy(blobs) => Command::Deploy(pieces(blobs)),
            Self::Stage(blobs) => Command::Stage(pieces(blobs)),
            Self::Rollback(to) => Command::Rollback { to: *to },
            Self::Split(shares, sticky) => Command::Split { shares: shares.clone(), sticky: sticky.clone() },
            Self::Promote(number) => Command::Promote(*number),
            Self::Remove => Command::Remove,
        }
    }
}

fn check_name(service: &str) -> Result<(), ControlError> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=63).contains(&service.len()) && service.bytes().all(letter) {
        return Ok(());
    }
    Err(ControlError::Name(service.chars().take(100).collect()))
}

/// Does what waits for a disk on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ControlError> {
    tokio::task::spawn_blocking(work).await.map_err(|_lost| ControlError::Stopping)
}

fn lock<K, V>(map: &Mutex<HashMap<K, V>>) -> std::sync::MutexGuard<'_, HashMap<K, V>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}
