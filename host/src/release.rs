//! An immutable release: one component and its manifest, checked, compiled and ready to instantiate.

mod admission;
mod compile;
mod compose;
mod inspect;
mod load;
mod migrate;
mod probe;
mod sql;
mod table;
mod traffic;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::Extensions;
use sha2::{Digest as _, Sha256};
use tokio_util::task::TaskTracker;
use wasmtime::component::{ComponentExportIndex, InstancePre};
use wasmtime_wasi_http::{p2, p3};

use crate::bindings::exports::wharf::platform::{http_handler, kv_watcher, pg_listener};
use crate::capability::Capability;
use crate::clock::Clock;
use crate::manifest::Manifest;
use crate::request::{BuiltIn, RequestState, Shared, Warm};

pub(crate) use admission::{Admission, Permit};
pub(crate) use compile::Compilers;
pub use compile::{CompileError, CompilerProgram, compile_child};
pub use compose::{ComposeError, compose};
pub use inspect::{HandlerKind, InspectError, Inspection, inspect};
pub use load::{Effort, LoadError, LoadStep};
pub(crate) use load::{Loader, load};
pub use migrate::{MigrateError, migrate};
pub use probe::ProbeError;
pub(crate) use probe::probe;
pub use sql::{KnownStatement, SqlError, SqlFailure, SqlReport, StatementFile, check_sql, known_statements};
pub use table::PublishError;
pub(crate) use table::{Found, RouteTable, Target};
pub use traffic::{Preview, Share, Sticky, Tally, Traffic};

/// What a deployer hands in: everything that a release is made of.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// The checked manifest.
    pub manifest: Manifest,
    /// The component's bytes, binary format, at most 32 MiB.
    pub component: Bytes,
    /// SQL files in the order in which they apply.
    pub migrations: Vec<Migration>,
    /// SQL that the component will run, beside what it says itself (`sql!` in Rust): checked at load.
    pub statements: Vec<StatementFile>,
    /// What the manifest names besides, by the name that it uses ([`Manifest::files`]).
    pub files: BTreeMap<String, Bytes>,
}

/// One SQL file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// File name; applied once per service and name.
    pub name: String,
    /// One or more statements, run in a transaction of their own.
    pub sql: String,
}

/// Names a release by its content: SHA-256 over manifest, component and SQL files.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Digest(String);

impl Digest {
    fn of(artifact: &Artifact) -> Self {
        let manifest = serde_json::to_vec(&artifact.manifest).unwrap_or_default();
        let migrations =
            artifact.migrations.iter().flat_map(|file| [file.name.as_bytes(), file.sql.as_bytes()]);
        let statements =
            artifact.statements.iter().flat_map(|file| [file.name.as_bytes(), file.sql.as_bytes()]);
        let files = artifact.files.iter().flat_map(|(name, bytes)| [name.as_bytes(), &bytes[..]]);
        let mut hash = Sha256::new();
        let parts = [&manifest, &artifact.component[..]].into_iter();
        let parts = parts.chain(migrations).chain(statements).chain(files);
        for part in parts {
            // With their lengths, so that no two lists of parts read alike.
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part);
        }
        Self(hex(&hash.finalize()))
    }

    /// All 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A component that is ready to serve. Cheap to share; dropped by its last request.
pub struct Release {
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) size: usize,
    pub(crate) interim: bool,
    pub(crate) warnings: Vec<String>,
    pub(crate) timings: OnceLock<LoadTimings>,
    pub(crate) capabilities: Arc<[Box<dyn Capability>]>,
    /// Instantiates with every import resolved.
    pub(crate) instances: InstancePre<RequestState>,
    /// None for a component that answers no requests.
    pub(crate) handler: Option<Handler>,
    /// None for a component that is not called for notifications.
    pub(crate) listener: Option<pg_listener::GuestIndices>,
    /// None for a component that is not called for changes of buckets.
    pub(crate) watcher: Option<kv_watcher::GuestIndices>,
    /// `guard.check`, whose type was checked when the release was loaded; none for a component that is no guard.
    pub(crate) guard: Option<ComponentExportIndex>,
    /// The guards of its routes that this host brings.
    pub(crate) guards: BTreeMap<String, Arc<BuiltIn>>,
    /// What time it is for the guest.
    pub(crate) clock: Arc<dyn Clock>,
    /// What capabilities keep for this release.
    pub(crate) prepared: Extensions,
    pub(crate) admission: Admission,
    /// Instances that wait for another request.
    pub(crate) warm: Warm,
    /// Instances that answer several requests at once; none where each answers one.
    pub(crate) shared: Option<Shared>,
    /// Counts what goes on behind requests.
    pub(crate) cleanup: TaskTracker,
}

/// Where a component's HTTP handler is, and of which contract.
pub(crate) enum Handler {
    Typed(TypedHandler),
    Wasi02(p2::bindings::ProxyIndices),
    Wasi03(p3::bindings::ServiceIndices),
}

/// `wharf:platform/http-handler`.
pub(crate) struct TypedHandler {
    /// `http-handler.handle`, whose type was checked when the release was loaded.
    pub(crate) handle: ComponentExportIndex,
    /// The whole interface, for replies that stream.
    pub(crate) indices: http_handler::GuestIndices,
}

/// How long each step of loading took.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct LoadTimings {
    /// Bytes to machine code, `lifecycle.init` included.
    pub compile: Duration,
    /// Whether the machine code was in the cache.
    pub cached: bool,
    /// Connecting, waiting for the lock, and applying what was missing.
    pub migrate: Duration,
    /// Preparing the release's statements against its databases.
    pub check_sql: Duration,
}

impl Release {
    /// The service that this is a release of.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.manifest.name
    }

    /// Names this release.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// As it was checked.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The component's bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether its code is the baseline compiler's: see [`Effort::QuickFirst`].
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.interim
    }

    /// What will surprise its author later, e.g. an import without any grant.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Where loading spent its time.
    #[must_use]
    pub fn timings(&self) -> LoadTimings {
        self.timings.get().copied().unwrap_or_default()
    }
}

impl Release {
    /// Lets go of instances that wait for requests, and keeps none from now on.
    pub(crate) fn rest(&self) {
        self.warm.close();
        if let Some(shared) = &self.shared {
            shared.close();
        }
    }
}

impl fmt::Debug for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Release")
            .field("service", &self.manifest.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}
