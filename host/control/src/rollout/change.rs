//! One change of one service, from what was asked to what serves: the order of things that `rollout` argues for.

use std::sync::Arc;

use wharf_host::{Effort, Tally, Traffic};

use crate::error::ControlError;
use crate::kill_point::kill_point;
use crate::plan::{self, Note, Refusal};
use crate::record::{Answer, Deployment, Kind, Pieces, Step, now};

use super::lane::Lane;
use super::progress::{Progress, Stage};
use super::traffic::parse_sticky;
use super::{Asked, Control, Inner, KEEP, Order, audit};

/// One change of one service.
pub(super) struct Rollout<'a> {
    control: &'a Control,
    service: &'a str,
    order: Order,
    /// The deployment that the author saw.
    parent: u64,
    progress: Progress,
}

impl<'a> Rollout<'a> {
    pub(super) fn new(control: &'a Control, service: &'a str, mut order: Order, parent: u64) -> Self {
        let progress = Progress::new(service, control.0.events.clone(), order.progress.take());
        Self { control, service, order, parent, progress }
    }

    pub(super) async fn run(mut self, asked: Asked) -> Result<Deployment, ControlError> {
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
            self.load(&mut lane, pieces).await?;
        }
        let (traffic, tally) = self.traffic(&mut lane, &history, &deployment).await?;
        self.publish(&history, &deployment, traffic).await?;
        lane.published(&history, deployment.clone());
        lane.tally.clone_from(&tally);
        self.control.improve_later(self.service, &mut lane);
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
                let begins = |step| self.progress.begins(step);
                let loading = self.control.load(self.service, &pieces.blobs, Effort::QuickFirst, begins);
                let release = loading.await?;
                self.progress.loaded(&release);
                let service = || self.service.to_owned();
                let probed = self.control.0.host.probe(&release).await;
                let probed = probed
                    .map_err(|source| ControlError::Probe { service: service(), source: source.into() });
                if let Some(took) = probed? {
                    self.progress.tell(Stage::Probe, took, None, String::new());
                }
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
        if let Some(pieces) = &deployment.artifact {
            // Compiling may have taken longer than unreferenced blobs are kept; nobody collects while this is held.
            self.control.keep(&pieces.blobs).await?;
        }
        let answers = !traffic.shares.is_empty() || !traffic.previews.is_empty();
        if answers {
            host.check(traffic.clone()).map_err(failed)?;
        }
        let step = self.step(history, deployment);
        kill_point(|| "commit".to_owned());
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
