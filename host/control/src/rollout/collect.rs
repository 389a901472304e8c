//! Takes away what nobody needs any more: blobs, answers, old lines of the audit log.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::artifact::Unused;
use crate::error::ControlError;
use crate::record::now;

use super::{Control, blocking};

/// Between a change and looking for what is not needed any more.
const TOGETHER: Duration = Duration::from_secs(1);

impl Control {
    /// Takes away blobs that no deployment refers to and nobody asked for in the last hour; returns how many went.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn collect(&self) -> Result<usize, ControlError> {
        self.0.ledger.tidy(now()).await?;
        if self.unused().await?.old.is_empty() {
            return Ok(0);
        }
        // Again, and now nobody records a deployment meanwhile.
        let _alone = self.0.publishing.lock().await;
        let old = self.unused().await?.old;
        let artifacts = self.0.artifacts.clone();
        blocking(move || artifacts.take_away(&old)).await
    }

    /// What no deployment refers to now.
    async fn unused(&self) -> Result<Unused, ControlError> {
        let deployments = self.0.ledger.deployments().await?;
        let pieces = deployments.into_iter().filter_map(|deployment| deployment.artifact);
        let referenced: HashSet<String> =
            pieces.flat_map(|pieces| pieces.blobs).map(|piece| piece.sha256).collect();
        let artifacts = self.0.artifacts.clone();
        let unused = blocking(move || artifacts.unused(&referenced)).await??;
        self.0.unused.store(unused.bytes, Ordering::Release);
        Ok(unused)
    }

    /// The same behind whoever waits for an answer, once for all that comes within a second.
    pub(super) fn collect_later(&self) {
        if self.0.collecting.swap(true, Ordering::AcqRel) {
            return;
        }
        let control = self.clone();
        self.0.tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(TOGETHER) => {}
                () = control.0.stop.cancelled() => return,
            }
            control.0.collecting.store(false, Ordering::Release);
            match control.collect().await {
                Ok(0) => {}
                Ok(blobs) => tracing::info!(blobs, "took away what no deployment refers to"),
                Err(error) => {
                    tracing::warn!(error = %wharf_host::chain(&error), "failed to collect blobs");
                }
            }
        });
    }
}
