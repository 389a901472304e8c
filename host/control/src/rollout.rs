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

mod collect;
mod converge;
mod lane;
mod local;
mod preview;
mod progress;
mod watch;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wharf_host::{Host, Share, Sticky, Tally, Traffic};

use crate::artifact::{self, Artifacts};
use crate::error::ControlError;
use crate::plan::{self, Command, Note, Refusal};
use crate::record::{
    Answer, AuditEntry, Deployment, Kind, Ledger, Piece, Pieces, Portion, Records, Step, now,
};

pub use converge::Restored;
use lane::{Lane, Lanes};
pub use local::{DeployError, Deployed, deploy};
pub use preview::PreviewKey;
use progress::Progress;
pub use progress::{Event, Stage};
pub use watch::Watch;

/// Deployments of a service that are kept, besides those that they refer to.
const KEEP: usize = 20;
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
            publishing: tokio::sync::Mutex::default(),
            events,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            collecting: AtomicBool::new(false),
        }))
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

    /// Whether a service answers on this host.
    #[must_use]
    pub fn answers(&self, service: &str) -> bool {
        self.0.host.releases().iter().any(|release| release.service() == service)
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
        let seen = match order.parent {
            Some(parent) => parent,
            None => self.0.ledger.history(service).await?.last().map_or(0, |head| head.number),
        };
        let (control, service) = (self.clone(), service.to_owned());
        let task = self.0.tasks.spawn(async move {
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

/// One change of one service.
struct Rollout<'a> {
    control: &'a Control,
    service: &'a str,
    order: Order,
    /// The deployment that the author saw.
    parent: u64,
    progress: Progress,
}

impl<'a> Rollout<'a> {
    fn new(control: &'a Control, service: &'a str, mut order: Order, parent: u64) -> Self {
        let progress = Progress::new(service, control.0.events.clone(), order.progress.take());
        Self { control, service, order, parent, progress }
    }

    async fn run(mut self, asked: Asked) -> Result<Deployment, ControlError> {
        let inner = &*self.control.0;
        let lane = inner.lanes.of(self.service);
        let mut lane = lane.lock().await;
        if let Some(answer) = self.answered().await? {
            return Ok(answer);
        }
        let history = inner.ledger.history(self.service).await?;
        let mut deployment = plan::plan(self.service, &history, asked.command(), self.note())?;
        if let Some(sticky) = &deployment.sticky {
            parse_sticky(sticky)?;
        }
        if let Some(pieces) = &mut deployment.artifact {
            artifact::check(&pieces.blobs)?;
            self.load(&mut lane, pieces).await?;
        }
        let (traffic, tally) = self.traffic(&mut lane, &history, &deployment).await?;
        self.publish(&history, &deployment, traffic).await?;
        lane.published(&history, deployment.clone());
        lane.tally.clone_from(&tally);
        self.progress.stage(Stage::Done, Some(&deployment));
        if let (Some(watch), Some(tally)) = (self.order.watch, tally) {
            self.control.watch(watch, tally, deployment.clone(), self.progress);
        }
        Ok(deployment)
    }

    fn note(&self) -> Note {
        Note {
            author: self.order.author.clone(),
            message: self.order.message.clone(),
            at: now(),
            parent: self.parent,
        }
    }

    /// What the same request was answered before.
    async fn answered(&self) -> Result<Option<Deployment>, ControlError> {
        let Some((key, request)) = &self.order.idempotency else { return Ok(None) };
        match self.control.0.ledger.answer(key, now()).await? {
            Some(answer) if answer.request == *request => Ok(Some(answer.deployment)),
            Some(_) => Err(ControlError::KeyReused),
            None => Ok(None),
        }
    }

    /// Makes a release of what was sent, unless the same one is still at hand.
    async fn load(&mut self, lane: &mut Lane, pieces: &mut Pieces) -> Result<(), ControlError> {
        self.control.keep(&pieces.blobs).await?;
        self.progress.stage(Stage::Check, None);
        let release = match lane.warm(&pieces.blobs) {
            Some(release) => release,
            None => {
                let begun = Instant::now();
                let release = self.control.load(self.service, &pieces.blobs).await?;
                self.progress.loaded(&release, begun.elapsed());
                lane.keep(&pieces.blobs, release.clone());
                release
            }
        };
        pieces.release = release.digest().to_string();
        pieces.size = u64::try_from(release.size()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Where requests go by a deployment; none where it answers no more.
    async fn traffic(
        &self,
        lane: &mut Lane,
        history: &[Deployment],
        deployment: &Deployment,
    ) -> Result<(Traffic, Option<Arc<Tally>>), ControlError> {
        let watched = self.order.watch.is_some() && deployment.kind == Kind::Deploy;
        let tally = watched.then(Arc::<Tally>::default);
        let mut traffic = self.control.traffic(lane, history, deployment).await?;
        for share in &mut traffic.shares {
            share.tally.clone_from(&tally);
        }
        Ok((traffic, tally))
    }

    /// Recorded, then published: in this order, and with nobody in between.
    async fn publish(
        &mut self,
        history: &[Deployment],
        deployment: &Deployment,
        traffic: Traffic,
    ) -> Result<(), ControlError> {
        let Inner { host, ledger, publishing, .. } = &*self.control.0;
        let failed = |source| ControlError::Publish { service: self.service.to_owned(), source };
        let _alone = publishing.lock().await;
        let answers = !traffic.shares.is_empty() || !traffic.previews.is_empty();
        if answers {
            host.check(traffic.clone()).map_err(failed)?;
        }
        let step = self.step(history, deployment);
        let written = match ledger.commit(step).await {
            // Perhaps it is on the disk all the same: then it holds.
            Err(error) => match ledger.history(self.service).await {
                Ok(now) if now.last() == Some(deployment) => Ok(true),
                _ => Err(error),
            },
            written => written,
        };
        if !written? {
            return Err(self.conflict().await?.into());
        }
        self.progress.stage(Stage::Record, None);
        if answers {
            host.direct(traffic).map_err(failed)?;
        } else {
            host.remove(self.service);
        }
        self.progress.stage(Stage::Publish, None);
        Ok(())
    }

    fn step(&self, history: &[Deployment], deployment: &Deployment) -> Step {
        let kept: Vec<Deployment> = history.iter().chain([deployment]).cloned().collect();
        let answer = self.order.idempotency.clone().map(|(key, request)| {
            (key, Answer { request, deployment: deployment.clone(), at: deployment.at })
        });
        let outcome = format!("done: deployment {}", deployment.number);
        Step {
            deployment: deployment.clone(),
            expired: plan::expired(&kept, KEEP),
            answer,
            audit: audit(&self.order.author, &deployment.kind.to_string(), self.service, &outcome),
        }
    }

    /// Somebody else wrote: another process has the records open, too.
    async fn conflict(&self) -> Result<Refusal, ControlError> {
        let history = self.control.0.ledger.history(self.service).await?;
        Ok(Refusal::Conflict {
            service: self.service.to_owned(),
            current: history.last().map_or(0, |head| head.number),
            expected: self.parent,
        })
    }
}

impl Control {
    /// Loads what a list of blobs is.
    async fn load(&self, service: &str, blobs: &[Piece]) -> Result<Arc<wharf_host::Release>, ControlError> {
        let (name, pieces, artifacts) = (service.to_owned(), blobs.to_vec(), self.0.artifacts.clone());
        let unpacked = blocking(move || artifact::unpack(&name, &pieces, &*artifacts)).await??;
        let failed = |source| ControlError::Load { service: service.to_owned(), source: Box::new(source) };
        self.0.host.load(unpacked).await.map_err(failed)
    }

    /// Where requests go by a deployment, each release at hand or loaded now.
    async fn traffic(
        &self,
        lane: &mut Lane,
        history: &[Deployment],
        deployment: &Deployment,
    ) -> Result<Traffic, ControlError> {
        let service = deployment.service.as_str();
        let mut shares = Vec::with_capacity(deployment.shares.len());
        for portion in &deployment.shares {
            let Some(blobs) = brought(history, deployment, portion.deployment) else {
                let number = portion.deployment;
                return Err(Refusal::NoDeployment { service: service.to_owned(), number }.into());
            };
            let release = match lane.warm(blobs) {
                Some(release) => release,
                None => {
                    let release = self.load(service, blobs).await?;
                    lane.keep(blobs, release.clone());
                    release
                }
            };
            shares.push(Share { release, weight: portion.weight, tally: None });
        }
        let mut traffic = Traffic::shared(service, shares);
        traffic.sticky = deployment.sticky.as_deref().map(parse_sticky).transpose()?;
        traffic.previews = lane.previews();
        Ok(traffic)
    }

    /// Keeps blobs from being collected until they are recorded; names the first that is not here.
    async fn keep(&self, blobs: &[Piece]) -> Result<(), ControlError> {
        let artifacts = self.0.artifacts.clone();
        let names: Vec<String> = blobs.iter().map(|piece| piece.sha256.clone()).collect();
        blocking(move || {
            for name in names {
                if !artifacts.has(&name)? {
                    return Err(artifact::BlobError::Missing(name).into());
                }
            }
            Ok(())
        })
        .await?
    }
}

/// The blobs that a deployment brought.
fn brought<'a>(history: &'a [Deployment], new: &'a Deployment, number: u64) -> Option<&'a [Piece]> {
    let found = history.iter().chain([new]).find(|deployment| deployment.number == number)?;
    found.artifact.as_ref().map(|pieces| &*pieces.blobs)
}

/// `cookie:NAME` or `header:NAME`.
fn parse_sticky(text: &str) -> Result<Sticky, ControlError> {
    let unknown = || ControlError::Sticky(text.to_owned());
    let (kind, name) = text.split_once(':').ok_or_else(unknown)?;
    let header: axum::http::HeaderName = name.parse().map_err(|_told| unknown())?;
    match kind {
        "cookie" => Ok(Sticky::Cookie(name.to_owned())),
        "header" => Ok(Sticky::Header(header)),
        _ => Err(unknown()),
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
