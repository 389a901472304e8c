//! Large components answer with code that was made quickly; behind that the best code is made, and takes its place.

use std::time::Instant;

use wharf_host::Effort;

use crate::error::ControlError;
use crate::record::Piece;

use super::Control;
use super::lane::Lane;
use super::progress::{Progress, Stage};

impl Control {
    /// Makes better code for all that a lane has with interim code, unless somebody does already.
    pub(super) fn improve_later(&self, service: &str, lane: &mut Lane) {
        for blobs in lane.interim() {
            if lane.improving.contains(&blobs) {
                continue;
            }
            lane.improving.push(blobs.clone());
            let (control, service) = (self.clone(), service.to_owned());
            self.0.tasks.spawn(async move {
                let result = tokio::select! {
                    result = control.improve(&service, &blobs) => result,
                    () = control.0.stop.cancelled() => return,
                };
                if let Err(error) = result {
                    let error = wharf_host::chain(&error);
                    tracing::warn!(service, %error, "it stays with code that was made quickly");
                }
                let lane = control.0.lanes.of(&service);
                lane.lock().await.improving.retain(|other| *other != blobs);
            });
        }
    }

    async fn improve(&self, service: &str, blobs: &[Piece]) -> Result<(), ControlError> {
        let _turn = self.0.improving.lock().await;
        let begun = Instant::now();
        let lane = self.0.lanes.of(service);
        if lane.lock().await.interim_of(blobs).is_none() {
            return Ok(());
        }
        let better = self.load(service, blobs, Effort::Background, |_step| {}).await?;
        let mut lane = lane.lock().await;
        if let Some(interim) = lane.interim_of(blobs) {
            lane.exchange(&interim, &better);
            if let Err(error) = self.publish_again(&mut lane).await {
                lane.exchange(&better, &interim);
                return Err(error);
            }
            let progress = Progress::new(service, self.0.events.clone(), None);
            progress.tell(Stage::Optimize, begun.elapsed(), lane.head.as_ref(), String::new());
        }
        Ok(())
    }
}
