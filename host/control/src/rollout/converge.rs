//! After a start: everything that is recorded serves. What does not load is said, tried again, and in nobody's way.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use wharf_host::{LoadError, Traffic};

use crate::artifact::{self, Blob};
use crate::error::ControlError;
use crate::record::{Deployment, Piece, Portion};

use super::{Asked, Control, Order, blocking, brought};

/// Services that are loaded at once.
const AT_ONCE: usize = 8;
/// How long a start waits for what a service needs, and for each release of a split alone, before it goes on without.
const START: Duration = Duration::from_secs(10);
/// Between two tries to load what did not.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What a start brought.
#[derive(Debug)]
#[non_exhaustive]
pub struct Restored {
    /// Services that answer.
    pub services: usize,
    /// Those that do not, and why. They are tried again until they do.
    pub failed: Vec<(String, ControlError)>,
    /// From the records to the last service.
    pub took: Duration,
}

impl Control {
    /// Loads and publishes what the records say, several at once; guards before those who name them.
    ///
    /// # Errors
    /// Records that cannot be read. A service that fails is in [`Restored::failed`].
    pub async fn restore(&self) -> Result<Restored, ControlError> {
        let begun = Instant::now();
        let heads = self.0.ledger.heads().await?;
        let heads: Vec<_> = heads.into_iter().filter(|head| !head.shares.is_empty()).collect();
        let (guards, others) = self.guards_first(heads.clone()).await;
        let mut services = 0;
        let mut failed = self.restore_some(guards, &mut services).await;
        failed.extend(self.restore_some(others, &mut services).await);
        // A guard need not say that it is one: those who name it come when it is there.
        loop {
            let (early, rest): (Vec<_>, Vec<_>) =
                failed.into_iter().partition(|(_, error)| lacks_guard(error));
            failed = rest;
            let names: HashSet<&str> = early.iter().map(|(service, _)| service.as_str()).collect();
            let again = heads.iter().filter(|head| names.contains(head.service.as_str())).cloned().collect();
            let before = services;
            let still = self.restore_some(again, &mut services).await;
            failed.extend(still);
            if services == before {
                break;
            }
        }
        for head in &heads {
            let partial = self.0.lanes.of(&head.service).lock().await.partial;
            if partial || failed.iter().any(|(service, _)| *service == head.service) {
                self.try_again(head.service.clone());
            }
        }
        self.collect_later();
        Ok(Restored { services, failed, took: begun.elapsed() })
    }

    /// Loads and publishes these; counts those that answer, and returns the others.
    async fn restore_some(&self, heads: Vec<Deployment>, answer: &mut usize) -> Vec<(String, ControlError)> {
        let (loaded, mut failed) = self.load_all(heads).await;
        let services: Vec<String> = loaded.iter().map(|traffic| traffic.service.clone()).collect();
        let lost = self.publish_all(loaded).await;
        *answer += services.len() - lost.len();
        for service in services {
            let lane = self.0.lanes.of(&service);
            let mut lane = lane.lock().await;
            if !lane.partial {
                self.improve_later(&service, &mut lane);
            }
        }
        failed.extend(lost);
        failed
    }

    /// Deploys an artifact that is on this machine, unless it is what serves already.
    ///
    /// # Errors
    /// As [`Control::change`].
    pub async fn adopt(
        &self,
        service: &str,
        blobs: Vec<Blob>,
        author: &str,
    ) -> Result<Option<Deployment>, ControlError> {
        let pieces: Vec<Piece> = blobs.iter().map(|blob| blob.piece.clone()).collect();
        let history = self.0.ledger.history(service).await?;
        if let Some(head) = history.last()
            && let [only] = &*head.shares
            && brought(&history, head, only.deployment) == Some(&*pieces)
            && self.answers(service)
        {
            return Ok(None);
        }
        let artifacts = self.0.artifacts.clone();
        blocking(move || blobs.iter().try_for_each(|blob| artifacts.put(&blob.piece.sha256, &blob.bytes)))
            .await??;
        let order = Order { author: author.to_owned(), ..Order::default() };
        self.change(service, Asked::Deploy(pieces), order).await.map(Some)
    }

    async fn guards_first(&self, heads: Vec<Deployment>) -> (Vec<Deployment>, Vec<Deployment>) {
        let marked = stream::iter(heads).map(|head| {
            let control = self.clone();
            async move { (control.is_guard(&head).await, head) }
        });
        let marked: Vec<_> = marked.buffer_unordered(AT_ONCE).collect().await;
        let (guards, others): (Vec<_>, Vec<_>) = marked.into_iter().partition(|(is_guard, _)| *is_guard);
        let bare = |pairs: Vec<(bool, Deployment)>| pairs.into_iter().map(|(_, head)| head).collect();
        (bare(guards), bare(others))
    }

    /// Whether a service is a guard for others, as far as its manifest can be read.
    async fn is_guard(&self, head: &Deployment) -> bool {
        let Ok(history) = self.0.ledger.history(&head.service).await else { return false };
        let first = head.shares.first().and_then(|share| brought(&history, head, share.deployment));
        let Some(pieces) = first.map(<[_]>::to_vec) else { return false };
        let artifacts = self.0.artifacts.clone();
        blocking(move || artifact::is_guard(&pieces, &*artifacts)).await.unwrap_or(false)
    }

    async fn load_all(&self, heads: Vec<Deployment>) -> (Vec<Traffic>, Vec<(String, ControlError)>) {
        let loads = stream::iter(heads).map(|head| {
            let control = self.clone();
            async move {
                let service = head.service.clone();
                (service, control.load_head(head).await)
            }
        });
        let done: Vec<_> = loads.buffer_unordered(AT_ONCE).collect().await;
        let (mut loaded, mut failed) = (Vec::new(), Vec::new());
        for (service, result) in done {
            match result {
                Ok(traffic) => loaded.push(traffic),
                Err(error) => failed.push((service, error)),
            }
        }
        (loaded, failed)
    }

    /// Loads what a head says. Of several releases those that load share the requests.
    async fn load_head(&self, head: Deployment) -> Result<Traffic, ControlError> {
        let lane = self.0.lanes.of(&head.service);
        let mut lane = lane.lock().await;
        let history = self.0.ledger.history(&head.service).await?;
        let whole = in_time(&head.service, self.traffic(&mut lane, &history, &head)).await;
        let traffic = match whole {
            Err(error) if head.shares.len() > 1 => self.rest(&mut lane, &history, &head).await.ok_or(error),
            whole => whole,
        }?;
        let partial = traffic.shares.len() < head.shares.len();
        lane.published(&history, head);
        lane.partial = partial;
        Ok(traffic)
    }

    /// The part of a split that loads.
    async fn rest(
        &self,
        lane: &mut super::Lane,
        history: &[Deployment],
        head: &Deployment,
    ) -> Option<Traffic> {
        let mut shares: Vec<Portion> = Vec::new();
        for share in head.shares.iter().filter(|share| share.weight > 0) {
            let one = Deployment { shares: vec![share.clone()], ..head.clone() };
            match in_time(&head.service, self.traffic(lane, history, &one)).await {
                Ok(_) => shares.push(share.clone()),
                Err(error) => tracing::error!(
                    service = head.service,
                    deployment = share.deployment,
                    error = %wharf_host::chain(&error),
                    "a release of a split did not load: the others answer for it"
                ),
            }
        }
        let rest = Deployment { shares, ..head.clone() };
        let traffic = self.traffic(lane, history, &rest).await.ok()?;
        (!traffic.shares.is_empty()).then_some(traffic)
    }

    async fn publish_all(&self, loaded: Vec<Traffic>) -> Vec<(String, ControlError)> {
        let _alone = self.0.publishing.lock().await;
        let lost = self.0.host.direct_all(loaded).into_iter();
        lost.map(|(service, source)| {
            let error = ControlError::Publish { service: service.clone(), source };
            (service, error)
        })
        .collect()
    }

    /// Tries until all of it works or somebody deploys something else.
    fn try_again(&self, service: String) {
        let inner = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            let mut pause = FIRST_PAUSE;
            loop {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                let Some(control) = inner.upgrade().map(Control) else { return };
                match control.recover(&service).await {
                    Ok(()) => return tracing::info!(service, "it answers now"),
                    Err(error) => {
                        let error = wharf_host::chain(&error);
                        tracing::warn!(service, %error, "it still does not load");
                    }
                }
            }
        });
    }

    async fn recover(&self, service: &str) -> Result<(), ControlError> {
        let lane = self.0.lanes.of(service);
        let mut lane = lane.lock().await;
        let published = self.answers(service) && !lane.partial;
        let history = self.0.ledger.history(service).await?;
        let Some(head) = history.last().filter(|head| !published && !head.shares.is_empty()) else {
            return Ok(());
        };
        lane.head = Some(head.clone());
        if let Err(error) = self.publish_again(&mut lane).await {
            if !self.answers(service) && head.shares.len() > 1 {
                let rest = self.rest(&mut lane, &history, head).await.into_iter().collect();
                let _said_above = self.publish_all(rest).await;
                lane.partial = true;
            }
            return Err(error);
        }
        lane.partial = false;
        self.improve_later(service, &mut lane);
        Ok(())
    }
}

/// A start does not wait for ever.
async fn in_time<T>(
    service: &str,
    loading: impl Future<Output = Result<T, ControlError>>,
) -> Result<T, ControlError> {
    let slow = || ControlError::Slow { service: service.to_owned(), limit: START };
    tokio::time::timeout(START, loading).await.unwrap_or_else(|_late| Err(slow()))
}

/// Whether it did not load only for want of a service that it names as a guard.
fn lacks_guard(error: &ControlError) -> bool {
    matches!(error, ControlError::Load { source, .. } if matches!(**source, LoadError::GuardService { .. }))
}
