//! The host of Wharf: runs WebAssembly components as the services of a web back end.
//!
//! The life of a request, each step in a file of `request/`:
//! 1. `accept` takes a connection and reads the head;
//! 2. `dispatch` looks host, path and method up in one snapshot of the routes and pins a release;
//! 3. `gather` takes a small body by value and leaves a large one to be read by the guest;
//! 4. `instantiate` makes a store with a deadline, a memory budget, a CPU budget and the grants;
//! 5. `invoke` starts a fresh instance in it and calls the guest's `handle`;
//! 6. `provide` answers what the guest asks of its capabilities: SQL, keys, settings, log lines;
//! 7. `respond` checks the reply, or turns whatever failed into a status.
//!
//! The host is a library first. To run a component inside another program:
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use wharf_host::{Artifact, Host, Manifest};
//!
//! let host = Host::builder().database("main", "postgres://localhost/app").build()?;
//! let release = host
//!     .load(Artifact {
//!         manifest: Manifest::parse(&std::fs::read_to_string("wharf.toml")?)?,
//!         component: std::fs::read("hello.wasm")?.into(),
//!         migrations: Vec::new(),
//!         statements: Vec::new(),
//!         files: std::collections::BTreeMap::new(),
//!     })
//!     .await?;
//! host.publish(release)?;
//! let response = host.handle(http::Request::get("/").body(String::new())?).await;
//! # Ok(()) }
//! ```

mod bindings;
mod background;
mod body;
mod capability;
mod clock;
mod config;
mod database;
mod drain;
mod endpoint;
mod engine;
mod error;
mod host;
pub mod kv;
mod listen;
mod manifest;
mod observe;
mod outbound;
mod platform;
mod release;
mod request;
mod sql_text;
mod watch;

pub use body::{Body, BodyError};
pub use capability::{Capability, PrepareError};
pub use clock::{Clock, SystemClock};
pub use config::{CertificateFiles, Config, DatabaseConfig};
pub use database::{AddressError, ReachError};
pub use drain::Serving;
pub use endpoint::{Endpoint, EndpointError};
pub use engine::EngineError;
pub use error::{Blame, chain};
pub use host::{BuildError, Host, HostBuilder};
pub use ipnet::IpNet;
pub use manifest::{
    ApiKeyGuard, BucketNeeds, Build, ByteSize, CorsGuard, Feature, Grants, Guard, Imports, JwtGuard,
    Language, Limits, Listen, Manifest, ManifestError, Migrations, RateGuard, Reuse, Route, ScriptEngine,
    Sql, Watch,
};
pub use observe::Observer;
pub use outbound::{HttpConfig, Network, NetworkError, Resolver, Resolving, SystemResolver};
pub use release::{
    Artifact, CompileError, CompilerProgram, ComposeError, Digest, Effort, HandlerKind, InspectError,
    Inspection, KnownStatement, LoadError, LoadStep, LoadTimings, MigrateError, Migration, Preview,
    ProbeError, PublishError, Release, Share, SqlError, SqlFailure, SqlReport, StatementFile, Sticky, Tally,
    Traffic, check_sql, compile_child, compose, inspect, known_statements, migrate,
};
pub use request::{Faults, Peer, RequestId, RequestState, TlsError};
