//! The host: built once, shared by everything that serves.
//!
//! Where requests run is decided here, and only here. [`Host::listen`] starts one current-thread runtime
//! per core, each with a listener (SO_REUSEPORT) and database connections of its own, so that a request
//! and its driver never change threads: one query went from 56 to 75 % of native axum by that, hello
//! from 43 to 51 %. Compiling, the epoch and signals live on other threads. [`Host::handle`] works on
//! any tokio runtime.

use std::cell::Cell;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::background::Background;
use crate::body::{Body, BodyError};
use crate::capability::Capability;
use crate::config::{Config, DatabaseConfig};
use crate::database::{Address, AddressError};
use crate::drain::{self, Listener, Serving};
use crate::endpoint::Endpoint;
use crate::engine::EngineError;
use crate::kv::{BucketConfig, KvError, KvStorage, Stores};
use crate::listen::Listeners;
use crate::outbound::Outbound;
use crate::platform::Platforms;
use crate::release::{
    self, Artifact, Compilers, Effort, LoadError, LoadStep, Loader, ProbeError, PublishError, Release,
    RouteTable, Traffic,
};
use crate::request::accept::{self, Door};
use crate::request::provide;
use crate::request::{self, Peer, Terms, TlsError};
use crate::watch::Watchers;

thread_local! {
    /// Which core's share of pools this thread uses.
    static CORE: Cell<usize> = const { Cell::new(0) };
}

/// The core that this thread serves; 0 on threads of an embedder.
pub(crate) fn core() -> usize {
    CORE.get()
}

/// Makes this thread serve `core`.
pub(crate) fn set_core(core: usize) {
    CORE.set(core);
}

/// Why a host was not built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The WebAssembly engine.
    #[error("failed to start the WebAssembly engine")]
    Engine(#[from] EngineError),
    /// A certificate of [`Config::tls`].
    #[error("failed to load the certificates")]
    Tls(#[from] TlsError),
    /// The key-value store.
    #[error("failed to start the capability `kv`")]
    Kv(#[from] KvError),
    /// A capability did not link.
    #[error("failed to link the capability that provides `{interface}`")]
    Link {
        /// Its first interface.
        interface: String,
        /// The linker's words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What servers' certificates are checked against.
    #[error("failed to prepare HTTP towards others")]
    Http(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A database's address.
    #[error("the address of database `{name}` is not valid")]
    Database {
        /// As in `pg.<name>`.
        name: String,
        /// What is wrong with it; never the address itself.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Settings and capabilities of a host to be.
#[derive(Default)]
pub struct HostBuilder {
    config: Config,
    capabilities: Vec<Box<dyn Capability>>,
}

impl fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl HostBuilder {
    /// Replaces all settings.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Names a database that manifests may be granted as `pg.<name>`, with default pool sizes.
    #[must_use]
    pub fn database(mut self, name: &str, url: impl Into<String>) -> Self {
        self.config.databases.insert(name.to_owned(), DatabaseConfig::new(url));
        self
    }

    /// Keeps buckets in a folder, durably. The default keeps them in memory.
    #[must_use]
    pub fn kv_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.config.kv = KvStorage::Folder(folder.into());
        self
    }

    /// Keeps one bucket elsewhere than the others, or gives it limits of its own.
    #[must_use]
    pub fn bucket(mut self, name: &str, bucket: BucketConfig) -> Self {
        self.config.buckets.insert(name.to_owned(), bucket);
        self
    }

    /// How many threads [`Host::listen`] serves on.
    #[must_use]
    pub fn cores(mut self, cores: NonZeroUsize) -> Self {
        self.config.cores = cores;
        self
    }

    /// Offers guests something of the embedder's own.
    #[must_use]
    pub fn capability(mut self, capability: impl Capability) -> Self {
        self.capabilities.push(Box::new(capability));
        self
    }

    /// Starts the engine and links all capabilities; takes some milliseconds and blocks for them.
    ///
    /// # Errors
    /// What cannot be reserved, opened or linked.
    pub fn build(self) -> Result<Host, BuildError> {
        for (name, database) in &self.config.databases {
            let failed = |source: Box<AddressError>| BuildError::Database { name: name.clone(), source };
            Address::parse(database).map_err(|error| failed(Box::new(error)))?;
        }
        accept::check_certificates(&self.config.tls)?;
        let cleanup = TaskTracker::new();
        // Closed from the start: waiting for it then ends whenever nothing is under way.
        cleanup.close();
        let stores = Stores::open(&self.config)?;
        let outbound = Outbound::new(&self.config).map_err(|error| BuildError::Http(error.into()))?;
        let mut capabilities = provide::builtin(&self.config, &stores, &outbound, &cleanup);
        capabilities.extend(self.capabilities);
        let (capabilities, routes): (Arc<[_]>, _) = (capabilities.into(), RouteTable::default());
        let config = self.config;
        let memory = config.ceiling.memory.as_usize();
        let platforms = Platforms::start(config.instances, memory, capabilities.clone())?;
        let inner = Inner {
            door: Door::new(&config),
            compilers: Compilers::new(&config),
            config,
            platforms,
            capabilities,
            routes,
            stores,
            background: Background::default(),
            listeners: Listeners::default(),
            watchers: Watchers::default(),
            cleanup,
        };
        Ok(Host(Arc::new(inner)))
    }
}

/// A host: cheap to clone, alive until its last clone is dropped.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    config: Config,
    door: Arc<Door>,
    platforms: Platforms,
    compilers: Compilers,
    capabilities: Arc<[Box<dyn Capability>]>,
    routes: RouteTable,
    stores: Stores,
    listeners: Listeners,
    watchers: Watchers,
    background: Background,
    /// What goes on behind requests: rollbacks, cancellations.
    cleanup: TaskTracker,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl Host {
    /// Settings to start from.
    #[must_use]
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// As it was built.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Counts who comes in.
    pub(crate) fn door(&self) -> &Arc<Door> {
        &self.0.door
    }

    /// Checks, compiles and migrates; publishes nothing. Cancel safe: what migrated stays migrated.
    ///
    /// # Errors
    /// Whatever keeps the artifact from serving; see [`LoadError`].
    pub async fn load(&self, artifact: Artifact) -> Result<Arc<Release>, LoadError> {
        self.load_watched(artifact, Effort::Best, |_step| {}).await
    }

    /// The same with another effort, told of each step as it begins.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn load_watched(
        &self,
        artifact: Artifact,
        effort: Effort,
        begins: impl Fn(LoadStep) + Send + Sync,
    ) -> Result<Arc<Release>, LoadError> {
        let Inner { config, platforms, compilers, capabilities, routes, stores, cleanup, .. } = &*self.0;
        let begins = &begins;
        let loader = Loader { platforms, compilers, capabilities, config, routes, stores, cleanup, begins };
        release::load(loader, artifact, effort).await
    }

    /// Asks a release for the `health` path of its manifest, whether or not it is published; none where there is none.
    /// Cancel safe.
    ///
    /// # Errors
    /// An answer that is neither 2xx nor 3xx.
    pub async fn probe(&self, release: &Arc<Release>) -> Result<Option<Duration>, ProbeError> {
        release::probe(&self.0.routes, Terms::of(&self.0.config), release).await
    }

    /// Waits until nothing is done any more behind requests that ended.
    pub(crate) async fn cleaned_up(&self) {
        self.0.cleanup.wait().await;
    }

    /// Makes a release answer for its service from the next request on. Requests under way finish on the
    /// release that they began with.
    ///
    /// # Errors
    /// A route that another service has; then everything stays as it was.
    pub fn publish(&self, release: Arc<Release>) -> Result<(), PublishError> {
        self.direct(Traffic::all(release))
    }

    /// Sends the requests of a service to several releases, or to previews beside them, from the next request on.
    ///
    /// # Errors
    /// A route that another service has, or releases whose routes exclude each other; then everything stays as it was.
    pub fn direct(&self, traffic: Traffic) -> Result<(), PublishError> {
        let service = traffic.service.clone();
        self.0.routes.direct(traffic)?;
        self.follow(&service);
        Ok(())
    }

    /// The same for many services in one step, which takes little longer than one. What cannot be published is left
    /// out and returned with its reason.
    #[must_use]
    pub fn direct_all(&self, all: Vec<Traffic>) -> Vec<(String, PublishError)> {
        let services: Vec<String> = all.iter().map(|traffic| traffic.service.clone()).collect();
        if self.0.routes.direct_all(all.clone()).is_ok() {
            services.iter().for_each(|service| self.follow(service));
            return Vec::new();
        }
        let one = |traffic| self.direct(traffic);
        services
            .into_iter()
            .zip(all)
            .filter_map(|(name, it)| one(it).err().map(|error| (name, error)))
            .collect()
    }

    /// Whether `traffic` could be published now.
    ///
    /// # Errors
    /// As [`Self::direct`].
    pub fn check(&self, traffic: Traffic) -> Result<(), PublishError> {
        self.0.routes.check(traffic)
    }

    /// Takes a service out; true when there was one.
    pub fn remove(&self, service: &str) -> bool {
        let removed = self.0.routes.remove(service);
        self.follow(service);
        removed
    }

    /// Makes what is called without a request the release that is published now.
    fn follow(&self, service: &str) {
        let Inner { config, routes, stores, listeners, watchers, background, .. } = &*self.0;
        listeners.follow(background, config, routes, service);
        watchers.follow(background, config, stores, routes, service);
    }

    /// The buckets of this host, for what reads and writes them beside its guests.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        &self.0.stores
    }

    /// What is published now, by name of service; of several releases the one with the largest share.
    #[must_use]
    pub fn releases(&self) -> Vec<Arc<Release>> {
        self.0.routes.releases()
    }

    /// Answers one request without a socket, on any tokio runtime with timers. Whatever goes wrong is in
    /// the response. Cancel safe: dropping the future stops the guest and rolls back what it had open.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        self.handle_from(request, Peer::default()).await
    }

    /// The same for a request that came from `peer`.
    pub async fn handle_from<B>(&self, request: Request<B>, peer: Peer) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        request::handle(&self.0.routes, Terms::of(&self.0.config), request, peer).await
    }

    /// Serves a listener on the current runtime until `stop` is cancelled, then until the requests under
    /// way are answered.
    ///
    /// # Errors
    /// None today: a connection that cannot be accepted is logged, and accepting goes on.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        drain::accept(self.clone(), Listener::Tcp(listener), stop).await;
        Ok(())
    }

    /// Serves `address` on one runtime per core, each on a thread of its own. Port 0 takes a free one.
    ///
    /// # Errors
    /// An address that is in use or may not be bound, or a thread that does not start.
    pub fn listen(&self, address: SocketAddr) -> std::io::Result<Serving> {
        self.listen_at(&[Endpoint::Http(address)])
    }

    /// The same for several endpoints at once.
    ///
    /// # Errors
    /// As [`Self::listen`], for any of them; and [`TlsError`] for certificates that were given up since the host
    /// was built, or [`Endpoint::Https`] without any.
    pub fn listen_at(&self, endpoints: &[Endpoint]) -> std::io::Result<Serving> {
        self.listen_inherited(endpoints, Vec::new())
    }

    /// The same, and on TCP sockets that somebody else has bound and listens on (socket activation): with TLS where the
    /// host has certificates, in the clear where it has none.
    ///
    /// # Errors
    /// As [`Self::listen_at`].
    pub fn listen_inherited(
        &self,
        endpoints: &[Endpoint],
        inherited: Vec<std::net::TcpListener>,
    ) -> std::io::Result<Serving> {
        Serving::start(self, endpoints, inherited, self.0.config.cores)
    }
}
