//! The control plane: folders become artifacts, artifacts become what a host serves, and stay it.
//! It knows the host; the host does not know it.
//!
//! The files are the path of a deploy: `api` takes it, `artifact` keeps its bytes, `plan` decides, `record` remembers,
//! `rollout` makes it serve.

pub mod api;
mod artifact;
pub mod client;
mod error;
mod kill_point;
pub mod kv;
mod logs;
mod plan;
mod record;
mod rollout;
mod token;

pub use artifact::{Artifacts, Blob, BlobError, Folder, PiecesError, Project, ProjectError, Unused, sha256};
pub use error::ControlError;
pub use logs::{LogLine, LogTap, Logs};
pub use plan::Refusal;
pub use record::{
    AuditEntry, Condition, Deployment, Embedded, Kind, Memory, Piece, Pieces, Portion, RecordError, Records,
    Role, Table, TokenRecord, Write,
};
pub use rollout::{
    Asked, Control, DeployError, Deployed, Event, Order, PreviewKey, Restored, Stage, Watch, deploy,
};
