//! What the control plane remembers: deployments, tokens, answers, the audit log; and the small trait that keeps it.
//! Decides nothing: see `plan`.
//!
//! A [`Records`] is a few tables of JSON under text keys, and one write that is atomic and may depend on what another key
//! holds. That is all that a shared engine must offer to take the place of the embedded file: any key-value store with
//! compare-and-set does. Implementations may block; the control plane calls them off the threads that serve.

mod embedded;
mod ledger;
mod memory;

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use embedded::Embedded;
pub(crate) use ledger::{Ledger, Step, now};
pub use memory::Memory;

/// Where things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Table {
    /// Name of a service to the number of its last deployment.
    Heads,
    /// Service and number to deployment.
    Deployments,
    /// Hash of a token to who it stands for.
    Tokens,
    /// Idempotency key to the answer that was given.
    Answers,
    /// Time and a counter to what was done.
    Audit,
    /// What this host keeps for itself.
    Settings,
}

/// One change of one key.
#[derive(Clone, Debug)]
pub struct Write {
    /// Where.
    pub table: Table,
    /// Which.
    pub key: String,
    /// None deletes it.
    pub value: Option<Vec<u8>>,
}

/// What a write depends on: this key still holds this.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Where.
    pub table: Table,
    /// Which.
    pub key: String,
    /// None: there is no such key.
    pub value: Option<Vec<u8>>,
}

/// Keeps records. Once a write has returned, it survives whatever happens to the process or the machine.
pub trait Records: Send + Sync + 'static {
    /// The value of a key.
    ///
    /// # Errors
    /// A store that cannot be read.
    fn read(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, RecordError>;

    /// Keys that begin with `prefix`, and their values, in the order of keys.
    ///
    /// # Errors
    /// A store that cannot be read.
    fn list(&self, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, RecordError>;

    /// Does all writes or none; none, and `false`, when the condition does not hold.
    ///
    /// # Errors
    /// A store that cannot be written, e.g. for lack of room. Nothing has changed then.
    fn write(&self, condition: Option<&Condition>, writes: &[Write]) -> Result<bool, RecordError>;
}

/// Why something was not remembered, or not found again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The disk is full. Nothing was changed; it works again once there is room.
    #[error("there is no room on the disk of `{0}`")]
    Full(String),
    /// The store failed.
    #[error("failed to {what} `{path}`")]
    Store {
        /// What was being done.
        what: &'static str,
        /// The store.
        path: String,
        /// Its words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was read is not what this version writes.
    #[error("a record of `{0}` cannot be read: was it written by another version?")]
    Garbled(String),
}

/// Whether a disk has no room left, or this user no more of it.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Why there is a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// A new artifact, which gets all requests.
    Deploy,
    /// A new artifact, which gets none yet.
    Stage,
    /// Everything as an earlier deployment had it.
    Rollback,
    /// Several deployments share the requests.
    Split,
    /// One deployment gets all requests.
    Promote,
    /// The service answers no more.
    Remove,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deploy => "deploy",
            Self::Stage => "stage",
            Self::Rollback => "rollback",
            Self::Split => "split",
            Self::Promote => "promote",
            Self::Remove => "remove",
        })
    }
}

/// The durable record of where the requests of a service shall go. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deployment {
    /// The service's name.
    pub service: String,
    /// From 1, without gaps, per service.
    pub number: u64,
    /// The deployment that it came after; none for the first.
    pub parent: Option<u64>,
    /// Why there is one.
    pub kind: Kind,
    /// What it brought: of a deploy or a stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Pieces>,
    /// Who gets the requests from now on. Empty: the service answers no more.
    pub shares: Vec<Portion>,
    /// What keeps a client with one of several: `cookie:NAME` or `header:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<String>,
    /// The deployment that a rollback went back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<u64>,
    /// Name of the token, or `wharf` for what the host did by itself.
    pub author: String,
    /// What its author had to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Unix time in milliseconds.
    pub at: u64,
}

/// What one deployment gets of a service's requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Portion {
    /// The number of a deployment with an artifact.
    pub deployment: u64,
    /// Its part of the sum of all weights.
    pub weight: u32,
}

/// An artifact as a list of blobs, and what the host made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pieces {
    /// The release's digest: the same for the same component, manifest and files.
    pub release: String,
    /// Bytes of the component.
    pub size: u64,
    /// What it consists of.
    pub blobs: Vec<Piece>,
}

/// One file of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Piece {
    /// What it is for.
    pub role: Role,
    /// The file's name, as the manifest or the folder of migrations has it; empty for manifest and component.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// SHA-256 of its bytes: 64 hexadecimal digits.
    pub sha256: String,
}

/// What a file of an artifact is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Role {
    /// `wharf.toml`.
    Manifest,
    /// The WebAssembly component.
    Component,
    /// SQL that is applied once, in the order of the list.
    Migration,
    /// SQL that is checked.
    Statements,
    /// What the manifest names besides: middleware, keys.
    File,
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Unix time in milliseconds.
    pub at: u64,
    /// Name of the token.
    pub who: String,
    /// What was asked for: `deploy`, `rollback`, `token-create`, ...
    pub action: String,
    /// The service, or the name of a token.
    pub target: String,
    /// `done`, with the number of the deployment, or the code of the error.
    pub outcome: String,
}

/// Who a token stands for. The token itself is kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenRecord {
    /// Unique; what the audit log says.
    pub name: String,
    /// `read`, `deploy:<service>`, `deploy:*`, `admin`.
    pub roles: Vec<String>,
    /// Unix time in milliseconds.
    pub created: u64,
    /// Unix time in milliseconds; none for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

/// An answer that is given again to the same idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// What was asked for, hashed.
    pub(crate) request: String,
    /// What was made.
    pub(crate) deployment: Deployment,
    pub(crate) at: u64,
}
