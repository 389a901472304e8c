//! The control plane: folders become artifacts, artifacts become what a host serves.
//! It knows the host; the host does not know it.

mod artifact;
pub mod kv;
mod rollout;

pub use artifact::{Project, ProjectError};
pub use rollout::{DeployError, Deployed, deploy};
