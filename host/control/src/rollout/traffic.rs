//! A deployment to where requests go: its releases, at hand or loaded now.

use std::sync::Arc;

use wharf_host::{Effort, LoadStep, Release, Share, Sticky, Traffic};

use crate::artifact::{self, BlobError};
use crate::error::ControlError;
use crate::plan::Refusal;
use crate::record::{Deployment, Piece};

use super::lane::Lane;
use super::{Control, blocking};

impl Control {
    /// Loads what a list of blobs is.
    pub(super) async fn load(
        &self,
        service: &str,
        blobs: &[Piece],
        effort: Effort,
        begins: impl Fn(LoadStep) + Send + Sync,
    ) -> Result<Arc<Release>, ControlError> {
        let (name, pieces, artifacts) = (service.to_owned(), blobs.to_vec(), self.0.artifacts.clone());
        let unpacked = blocking(move || artifact::unpack(&name, &pieces, &*artifacts)).await??;
        let failed = |source| ControlError::Load { service: service.to_owned(), source: Box::new(source) };
        self.0.host.load_watched(unpacked, effort, begins).await.map_err(failed)
    }

    /// Where requests go by a deployment, each release at hand or loaded now.
    pub(super) async fn traffic(
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
                    let release = self.load(service, blobs, Effort::QuickFirst, |_step| {}).await?;
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
    pub(super) async fn keep(&self, blobs: &[Piece]) -> Result<(), ControlError> {
        let artifacts = self.0.artifacts.clone();
        let names: Vec<String> = blobs.iter().map(|piece| piece.sha256.clone()).collect();
        blocking(move || {
            for name in names {
                if !artifacts.has(&name)? {
                    return Err(BlobError::Missing(name).into());
                }
            }
            Ok(())
        })
        .await?
    }
}

/// The blobs that a deployment brought.
pub(super) fn brought<'a>(
    history: &'a [Deployment],
    new: &'a Deployment,
    number: u64,
) -> Option<&'a [Piece]> {
    let found = history.iter().chain([new]).find(|deployment| deployment.number == number)?;
    found.artifact.as_ref().map(|pieces| &*pieces.blobs)
}

/// `cookie:NAME` or `header:NAME`.
pub(super) fn parse_sticky(text: &str) -> Result<Sticky, ControlError> {
    let unknown = || ControlError::Sticky(text.to_owned());
    let (kind, name) = text.split_once(':').ok_or_else(unknown)?;
    let header: axum::http::HeaderName = name.parse().map_err(|_told| unknown())?;
    match kind {
        "cookie" => Ok(Sticky::Cookie(name.to_owned())),
        "header" => Ok(Sticky::Header(header)),
        _ => Err(unknown()),
    }
}
