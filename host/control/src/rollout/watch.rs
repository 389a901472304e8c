//! A new release on trial: when it fails too often, what answered before answers again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wharf_host::Tally;

use crate::record::Deployment;

use super::progress::{Progress, Stage};
use super::{Asked, Control, Order};

/// Who rolls back by itself, in records and the audit log.
const AUTHOR: &str = "wharf";
/// How often the counts are looked at.
const EVERY: Duration = Duration::from_millis(50);
/// Answers before which nothing is judged, unless the time is over.
const FEWEST: u64 = 20;

/// How a new release is watched. Lost when the host restarts: then the release stays.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Watch {
    /// Milliseconds, at most ten minutes.
    pub millis: u64,
    /// Percent of answers that may be failures of the guest: 5xx of its own, traps, limits, deadlines.
    pub max_errors: f64,
}

impl Watch {
    fn time(self) -> Duration {
        Duration::from_millis(self.millis.min(600_000))
    }

    /// Whether these are too many. A few answers say nothing until the time is over.
    fn is_over(self, answers: u64, faults: u64, at_end: bool) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
        let percent = faults as f64 * 100.0 / answers.max(1) as f64;
        faults > 0 && (at_end || answers >= FEWEST) && percent > self.max_errors
    }
}

impl Control {
    /// Watches on a task of its own.
    pub(super) fn watch(
        &self,
        watch: Watch,
        tally: Arc<Tally>,
        deployment: Deployment,
        mut progress: Progress,
    ) {
        let control = self.clone();
        self.0.tasks.spawn(async move {
            let begun = Instant::now();
            let failed = loop {
                // Before the answers, of which there are then no fewer.
                let faults = tally.faults();
                let (answers, over) = (tally.answers(), begun.elapsed() >= watch.time());
                if watch.is_over(answers, faults, over) {
                    break true;
                }
                if over {
                    break false;
                }
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = control.0.stop.cancelled() => return,
                }
            };
            let counts = format!("{} of {} answers failed", tally.faults(), tally.answers());
            if failed {
                control.back(&deployment, counts, begun.elapsed(), &mut progress).await;
            } else {
                control.stop_counting(&deployment).await;
                progress.tell(Stage::Watched, begun.elapsed(), None, counts);
            }
        });
    }

    /// Goes back, unless somebody has changed something since.
    async fn back(&self, failed: &Deployment, counts: String, took: Duration, progress: &mut Progress) {
        let order = Order {
            author: AUTHOR.to_owned(),
            message: format!("deployment {} was rolled back: {counts}", failed.number),
            parent: Some(failed.number),
            ..Order::default()
        };
        let asked = self.before(failed).await;
        // Boxed: a change may watch, and a watch may change.
        match Box::pin(self.change_in((), &failed.service, asked, order)).await {
            Ok(deployment) => progress.tell(Stage::RolledBack, took, Some(&deployment), counts),
            Err(error) => {
                let error = wharf_host::chain(&error);
                tracing::warn!(service = failed.service, %error, counts, "not rolled back");
                progress.tell(Stage::Watched, took, None, format!("{counts}, but: {error}"));
            }
        }
    }

    /// As it was before a deployment: no answers, where there were none.
    async fn before(&self, failed: &Deployment) -> Asked {
        let history = self.0.ledger.history(&failed.service).await.unwrap_or_default();
        let parent = history.iter().find(|deployment| Some(deployment.number) == failed.parent);
        match parent.filter(|parent| !parent.shares.is_empty()) {
            Some(parent) => Asked::Rollback(Some(parent.number)),
            None => Asked::Remove,
        }
    }

    /// Publishes the same without counting.
    async fn stop_counting(&self, watched: &Deployment) {
        let lane = self.0.lanes.of(&watched.service);
        let mut lane = lane.lock().await;
        if lane.head.as_ref() != Some(watched) {
            return;
        }
        lane.tally = None;
        if let Err(error) = self.publish_again(&mut lane).await {
            let error = wharf_host::chain(&error);
            tracing::warn!(service = watched.service, %error, "answers are still counted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Watch;

    #[test]
    fn a_few_answers_say_nothing_until_the_end() {
        let watch = Watch { millis: 1_000, max_errors: 5.0 };
        assert!(!watch.is_over(1, 1, false) && watch.is_over(1, 1, true));
        assert!(!watch.is_over(100, 5, true) && watch.is_over(100, 6, false));
        assert!(!watch.is_over(0, 0, true));
    }
}
