//! Why the control plane did not do what it was asked, with a code for each that stays the same.

use wharf_host::{LoadError, ProbeError, PublishError};

use crate::artifact::{BlobError, PiecesError};
use crate::plan::Refusal;
use crate::record::RecordError;

/// Why nothing changed. What served before serves on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// It makes no sense, or was decided on an old state.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A name that no service can have.
    #[error("`{0}` is no name of a service: 1 to 63 of a-z, 0-9 and -")]
    Name(String),
    /// What was sent is no artifact.
    #[error("the artifact cannot be put together")]
    Pieces(#[from] PiecesError),
    /// What was sent cannot be a release.
    #[error("failed to load service `{service}`")]
    Load {
        /// The service.
        service: String,
        /// Which step and why.
        #[source]
        source: Box<LoadError>,
    },
    /// Its health path.
    #[error("service `{service}` is not well")]
    Probe {
        /// The service.
        service: String,
        /// What it answered.
        #[source]
        source: Box<ProbeError>,
    },
    /// Its routes.
    #[error("failed to publish service `{service}`")]
    Publish {
        /// The service.
        service: String,
        /// What they conflict with.
        #[source]
        source: PublishError,
    },
    /// A blob was not kept.
    #[error("failed to keep a blob")]
    Blob(#[from] BlobError),
    /// It could not be remembered.
    #[error("failed to keep the records")]
    Record(#[from] RecordError),
    /// An idempotency key came with another request.
    #[error("the idempotency key was used for another request: take a new one for each")]
    KeyReused,
    /// It took too long to load while the host started.
    #[error("service `{service}` took more than {limit:?} to load while the host started: it is tried again")]
    Slow {
        /// The service.
        service: String,
        /// How long a start waits for one.
        limit: std::time::Duration,
    },
    /// More is under way than is good.
    #[error("{0} changes are under way or wait: try again in a moment")]
    Busy(usize),
    /// More was uploaded than deployed.
    #[error("{} MiB were uploaded that no deployment uses: deploy them, or wait an hour until they are taken away", .0 >> 20)]
    Unused(u64),
    /// A text that stands for nothing.
    #[error("`{0}` keeps nobody with a release: write cookie:NAME or header:NAME")]
    Sticky(String),
    /// A token's name, role or time.
    #[error("{0}")]
    Token(String),
    /// The task that did it is gone.
    #[error("the host is stopping")]
    Stopping,
}

impl ControlError {
    /// What programs go by.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => match refusal {
                Refusal::Conflict { .. } => "conflict",
                Refusal::NoService(_) => "no-such-service",
                Refusal::NoDeployment { .. } => "no-such-deployment",
                Refusal::NoArtifact { .. } => "no-artifact",
                Refusal::NothingBefore(_) => "nothing-before",
                Refusal::Removed(_) => "removed",
                Refusal::Shares { .. } => "bad-shares",
                Refusal::Message(_) => "message-too-long",
            },
            Self::Name(_) => "bad-name",
            Self::Pieces(PiecesError::Blob(blob)) | Self::Blob(blob) => blob_code(blob),
            Self::Pieces(_) => "bad-artifact",
            Self::Load { source, .. } if matches!(**source, LoadError::Routes(_)) => "route-conflict",
            Self::Load { .. } => "load-failed",
            Self::Probe { .. } => "not-well",
            Self::Publish { .. } => "route-conflict",
            Self::Record(RecordError::Full(_)) => "disk-full",
            Self::Record(_) => "store-failed",
            Self::KeyReused => "idempotency-key-reused",
            Self::Sticky(_) => "bad-sticky",
            Self::Token(_) => "bad-token",
            Self::Slow { .. } => "slow",
            Self::Busy(_) => "busy",
            Self::Unused(_) => "too-much-uploaded",
            Self::Stopping => "stopping",
        }
    }
}

fn blob_code(error: &BlobError) -> &'static str {
    match error {
        BlobError::Name(_) => "bad-digest",
        BlobError::Mismatch { .. } => "digest-mismatch",
        BlobError::Missing(_) => "missing-blob",
        BlobError::Damaged(_) => "damaged-blob",
        BlobError::Full(_) => "disk-full",
        BlobError::Disk { .. } => "store-failed",
    }
}
