//! Looking at a deployment before others see it. A preview is opened on purpose, for an hour, under a key that nobody can
//! guess; the host forgets it when it restarts.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wharf_host::{Effort, Preview};

use crate::error::ControlError;
use crate::plan::Refusal;
use crate::record::now;

use super::lane::Lane;
use super::{Control, audit, brought, check_name};

/// How long a preview stays open.
const OPEN: Duration = Duration::from_hours(1);

/// How a preview is reached.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PreviewKey {
    /// The request header to send.
    pub header: String,
    /// Its value. Whoever knows it sees the deployment.
    pub value: String,
    /// Unix time in milliseconds.
    pub expires: u64,
}

impl Control {
    /// Lets those who know the answered key reach a deployment for an hour.
    ///
    /// # Errors
    /// A deployment that is not there, brought nothing, or does not load any more.
    pub async fn preview(
        &self,
        service: &str,
        number: u64,
        author: &str,
    ) -> Result<PreviewKey, ControlError> {
        check_name(service)?;
        let lane = self.0.lanes.of(service);
        let mut lane = lane.lock().await;
        let history = self.0.ledger.history(service).await?;
        let head = history.last().ok_or_else(|| Refusal::NoService(service.to_owned()))?;
        let missing = || Refusal::NoDeployment { service: service.to_owned(), number };
        let blobs = brought(&history, head, number).ok_or_else(missing)?;
        let release = match lane.warm(blobs) {
            Some(release) => release,
            None => self.load(service, blobs, Effort::QuickFirst, |_step| {}).await?,
        };
        let key = crate::token::random();
        if lane.head.as_ref() != Some(head) {
            lane.head = Some(head.clone());
        }
        lane.open(number, Preview { key: key.clone(), release });
        if let Err(error) = self.publish_again(&mut lane).await {
            lane.close(|_, open| open == key);
            return Err(error);
        }
        let outcome = format!("done: deployment {number}");
        self.0.ledger.audit(audit(author, "preview", service, &outcome)).await?;
        self.close_later(service, &key);
        let expires = now() + u64::try_from(OPEN.as_millis()).unwrap_or(u64::MAX);
        Ok(PreviewKey { header: "x-wharf-preview".to_owned(), value: key, expires })
    }

    /// Publishes what holds, with the previews that are open.
    pub(super) async fn publish_again(&self, lane: &mut Lane) -> Result<(), ControlError> {
        let Some(head) = lane.head.clone() else { return Ok(()) };
        let history = self.0.ledger.history(&head.service).await?;
        let mut traffic = self.traffic(lane, &history, &head).await?;
        for share in &mut traffic.shares {
            share.tally.clone_from(&lane.tally);
        }
        let _alone = self.0.publishing.lock().await;
        if traffic.shares.is_empty() && traffic.previews.is_empty() {
            self.0.host.remove(&head.service);
            return Ok(());
        }
        let failed = |source| ControlError::Publish { service: head.service.clone(), source };
        self.0.host.direct(traffic).map_err(failed)
    }

    fn close_later(&self, service: &str, key: &str) {
        // Weak: a key that is open does not keep a host alive.
        let (inner, service, key) = (std::sync::Arc::downgrade(&self.0), service.to_owned(), key.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(OPEN).await;
            let Some(control) = inner.upgrade().map(Control) else { return };
            let lane = control.0.lanes.of(&service);
            let mut lane = lane.lock().await;
            if lane.close(|_, open| open == key)
                && let Err(error) = control.publish_again(&mut lane).await
            {
                tracing::warn!(service, error = %wharf_host::chain(&error), "a preview stays open");
            }
        });
    }
}
