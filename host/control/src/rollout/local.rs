//! An artifact straight to what serves, without a record: for hosts that are told all their services when they start.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wharf_host::{Artifact, Host, LoadError, ProbeError, PublishError, Release};

/// Why a deploy failed. What served before serves on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// Checking, compiling or migrating.
    #[error("failed to load service `{service}`")]
    Load {
        /// The service's name.
        service: String,
        /// Which step and why.
        #[source]
        source: LoadError,
    },
    /// Its health path.
    #[error("service `{service}` is not well")]
    Probe {
        /// The service's name.
        service: String,
        /// What it answered.
        #[source]
        source: ProbeError,
    },
    /// Its routes.
    #[error("failed to publish service `{service}`")]
    Publish {
        /// The service's name.
        service: String,
        /// What they conflict with.
        #[source]
        source: PublishError,
    },
}

/// A deploy that serves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Deployed {
    /// What answers from now on.
    pub release: Arc<Release>,
    /// From the artifact to the first request that it could answer.
    pub took: Duration,
}

/// Loads an artifact, asks whether it is well, and publishes it.
///
/// # Errors
/// See [`DeployError`].
pub async fn deploy(host: &Host, artifact: Artifact) -> Result<Deployed, DeployError> {
    let begun = Instant::now();
    let service = artifact.manifest.name.clone();
    let release = match host.load(artifact).await {
        Ok(release) => release,
        Err(source) => return Err(DeployError::Load { service, source }),
    };
    if let Err(source) = host.probe(&release).await {
        return Err(DeployError::Probe { service, source });
    }
    host.publish(release.clone()).map_err(|source| DeployError::Publish { service, source })?;
    Ok(Deployed { release, took: begun.elapsed() })
}
