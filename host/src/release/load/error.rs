//! Why an artifact is no release: one reason for each thing that can be wrong with it.

use crate::capability::PrepareError;
use crate::release::inspect::{GUARD, HTTP_HANDLER, KV_WATCHER, PG_LISTENER};
use crate::release::{CompileError, ComposeError, InspectError, MigrateError, PublishError, SqlError};

use super::LARGEST;

/// Why an artifact is no release.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Larger than any component may be.
    #[error("the component has {size} bytes; at most {LARGEST} are taken")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Not a component.
    #[error("failed to read the component")]
    Inspect(#[from] InspectError),
    /// One of the components that are to be composed is none.
    #[error("failed to read `{name}`")]
    Part {
        /// Which.
        name: String,
        /// What it is instead.
        #[source]
        source: InspectError,
    },
    /// The manifest names a file that was not handed in.
    #[error("the manifest names `{0}`, which is not part of the artifact")]
    NoFile(String),
    /// The middleware does not fit.
    #[error("the middleware of the manifest cannot be put around the component")]
    Compose(#[from] ComposeError),
    /// It exports nothing that this host calls.
    #[error(
        "the manifest has routes, but the component exports none of `{HTTP_HANDLER}`, `wasi:http/handler@0.3` and \
         `wasi:http/incoming-handler@0.2`; it exports {0}"
    )]
    NoHandler(String),
    /// It is to be called for notifications, and cannot be.
    #[error("the manifest has `[[listen]]`, but the component exports no `{PG_LISTENER}`; it exports {0}")]
    NoListener(String),
    /// It is to be called for changes of buckets, and cannot be.
    #[error("the manifest has `[[watch]]`, but the component exports no `{KV_WATCHER}`; it exports {0}")]
    NoWatcher(String),
    /// Its instances are to answer several requests at once, and cannot.
    #[error(
        "`reuse.concurrency` is more than 1, but only `wasi:http/handler@0.3` answers several requests at once in one \
         instance: leave it out"
    )]
    Concurrency,
    /// It is to be a guard, and is none.
    #[error("the manifest has `guard = true`, but the component exports no `{GUARD}`; it exports {0}")]
    NoGuard(String),
    /// A route's guard is the component of a service that is not there, or is no guard.
    #[error("guard `{name}` is service `{service}`, which {why}: deploy it first")]
    GuardService {
        /// The guard's name in the manifest.
        name: String,
        /// The service that it names.
        service: String,
        /// What is wrong with that.
        why: &'static str,
    },
    /// A guard that this host brings cannot work as it is described.
    #[error("a guard of `{service}` cannot be prepared")]
    Guard {
        /// The service's name.
        service: String,
        /// Which, and why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A bucket cannot do what the manifest asks of it.
    #[error(
        "bucket `{bucket}` lacks {missing}, which the manifest asks for: keep it elsewhere, or ask for less"
    )]
    Features {
        /// As in `kv.<name>`.
        bucket: String,
        /// Names of features.
        missing: String,
    },
    /// Whether a bucket can do what the manifest asks of it is not known.
    #[error("bucket `{bucket}` does not answer what it can do")]
    Bucket {
        /// As in `kv.<name>`.
        bucket: String,
        /// What its store says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It imports what this host does not have.
    #[error("the component imports `{0}`, which is not available on this host")]
    Import(String),
    /// Its imports or exports have other types than the contract's.
    #[error("an import or export of the component does not fit this host")]
    Misfit(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It exports what this host would have to call, and does not.
    #[error("the component exports `{0}`, which is not available on this host")]
    Export(String),
    /// Its routes are another service's.
    #[error("the routes of the service cannot be published")]
    Routes(#[from] PublishError),
    /// Imports that can only be denied, under `imports = "strict"`.
    #[error("the manifest has `imports = \"strict\"`, but {0}: grant it, or leave the import out")]
    Ungranted(String),
    /// A limit above the operator's.
    #[error("`limits.{limit}` is {asked}, but this host gives at most {most}")]
    Ceiling {
        /// Key in the manifest.
        limit: &'static str,
        /// What the manifest says.
        asked: String,
        /// What the operator allows.
        most: String,
    },
    /// A grant that this host cannot give.
    #[error("the manifest of `{service}` cannot be met")]
    Prepare {
        /// The service's name.
        service: String,
        /// Which grant and why.
        #[source]
        source: PrepareError,
    },
    /// What the component needs to run on did not start.
    #[error("failed to start what the component runs on")]
    Platform(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The compiler refused it, or it did not come up.
    #[error("failed to compile the component")]
    Compile(#[from] CompileError),
    /// It trapped, or took too long, while its globals and memories were set up.
    #[error("failed to start an instance of the component")]
    Probe(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A migration did not apply.
    #[error("failed to migrate the database of `{service}`")]
    Migrate {
        /// The service's name.
        service: String,
        /// Which file and why.
        #[source]
        source: MigrateError,
    },
    /// SQL that would fail when the component runs it. What migrated stays migrated.
    #[error("the SQL of `{service}` does not fit its database")]
    Sql {
        /// The service's name.
        service: String,
        /// Which statements and why.
        #[source]
        source: SqlError,
    },
}
