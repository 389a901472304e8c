//! What an operator decides for a host as a whole. What a service asks for is in `manifest`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::clock::{Clock, SystemClock};
use crate::kv::{BucketConfig, KvStorage};
use crate::manifest::Limits;
use crate::observe::Observer;
use crate::outbound::HttpConfig;
use crate::release::CompilerProgram;
use crate::request::Faults;

/// Settings of one host. Plain data: [`crate::HostBuilder::build`] checks them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Databases that manifests may be granted, by the name in `pg.<name>`.
    pub databases: BTreeMap<String, DatabaseConfig>,
    /// Where buckets are kept that `buckets` says nothing of.
    pub kv: KvStorage,
    /// Buckets that are kept elsewhere, or have limits of their own, by the name in `kv.<name>`.
    pub buckets: BTreeMap<String, BucketConfig>,
    /// What services may reach by HTTP beside the hosts that they are granted, and how.
    pub http: HttpConfig,
    /// Threads that serve requests, each with a listener and connections of its own. Default: all
    /// that the process may run on.
    pub cores: NonZeroUsize,
    /// What no manifest may exceed.
    pub ceiling: Limits,
    /// Folder where machine code is kept between starts, sealed with a key of its own; at most 4 GiB, the least
    /// recently used going first. Default: none, every start compiles.
    pub compile_cache: Option<PathBuf>,
    /// What compiles components, in a process of its own with 1 GiB. Default: this process, in which
    /// what a hostile component makes of the compiler has no bounds but the time.
    pub compiler: Option<CompilerProgram>,
    /// How long compiling a component may take, `lifecycle.init` included. Default 20 s.
    pub compile_timeout: Duration,
    /// Bytes from which a component that is loaded with [`Effort::QuickFirst`](crate::Effort) gets code of the baseline
    /// compiler first. Default 512 KiB, which the best compiler takes some 300 ms for.
    pub quick_from: usize,
    /// Instances alive at once, over all services. Bounds the address space that the pooling
    /// allocator reserves (about 6 GiB each, of 128 TiB). Default 1,000.
    pub instances: u32,
    /// How long each of these may take: a TLS handshake, a new connection until its first request, and any later
    /// head of HTTP/1 from its first byte. Default 10 s.
    pub head_timeout: Duration,
    /// Whether clients are told why a guest failed. Default: hidden.
    pub faults: Faults,
    /// How long a connection may stay open without a request, once it had one. Default 75 s: longer than the 60 s
    /// after which most balancers give up idle connections of their own, so that those are not closed under them.
    pub idle_timeout: Duration,
    /// How long a client may send nothing of a body while the host waits for it. Default 10 s.
    pub body_idle_timeout: Duration,
    /// Bytes a second that a body must have come to on average, once the host has waited for it for as long as
    /// `body_idle_timeout` in all; 0 allows any. The time in which the guest does not read is not counted.
    /// Default 512.
    pub body_rate: u32,
    /// How long a client may take none of the bytes that are there for it, and how long they may wait for it in all
    /// beyond what `write_rate` pays for. Default 30 s.
    pub write_timeout: Duration,
    /// Bytes taken that pay for a second of waiting; 0 lets every byte pay for all of it. Default 512.
    pub write_rate: u32,
    /// Connections open at once, over all listeners; the next are closed as soon as they are accepted.
    /// Default 10,000.
    pub connections: u32,
    /// The same from one address, or from one /64 of IPv6. Trusted proxies and unix sockets are not counted.
    /// Default 1,000.
    pub connections_per_address: u32,
    /// Peers that are believed when they name the client in `Forwarded`, or in `X-Forwarded-For` and
    /// `X-Forwarded-Proto`. Whoever connects to a unix socket counts as 127.0.0.1. Default: none.
    pub trusted_proxies: Vec<IpNet>,
    /// Certificates of [`crate::Endpoint::Https`]. The client's SNI chooses the first that is valid for the name;
    /// the first of all serves everybody else. Default: none.
    pub tls: Vec<CertificateFiles>,
    /// What time it is for guests, buckets in memory, rates and tokens. Buckets elsewhere keep the time of their store,
    /// databases their server's. Default: the machine's.
    pub clock: Arc<dyn Clock>,
    /// Who is told of every answer and every statement. Default: nobody.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            databases: BTreeMap::new(),
            kv: KvStorage::Memory,
            buckets: BTreeMap::new(),
            http: HttpConfig::default(),
            cores: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            ceiling: Limits::CEILING,
            compile_cache: None,
            compiler: None,
            compile_timeout: Duration::from_secs(20),
            quick_from: 512 << 10,
            instances: 1_000,
            head_timeout: Duration::from_secs(10),
            faults: Faults::Hidden,
            write_timeout: Duration::from_secs(30),
            write_rate: 512,
            idle_timeout: Duration::from_secs(75),
            body_idle_timeout: Duration::from_secs(10),
            body_rate: 512,
            connections: 10_000,
            connections_per_address: 1_000,
            trusted_proxies: Vec::new(),
            tls: Vec::new(),
            clock: Arc::new(SystemClock::default()),
            observer: None,
        }
    }
}

/// A certificate that listeners show. Both files are PEM; they are looked at every second and read anew when they
/// changed. What cannot be read or does not fit together is logged, and the last good ones stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, then those that lead to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// One PostgreSQL database and how many connections a service may hold to it.
#[derive(Clone)]
#[non_exhaustive]
pub struct DatabaseConfig {
    /// `postgres://user:password@host:port/name`, or keywords as in `host=/run/postgresql dbname=x`; both take
    /// most parameters of libpq, several hosts and `target_session_attrs` (any, read-write, read-only) among them.
    /// What is different or new:
    ///
    /// * `sslmode` is `verify-full` for every server beyond this machine unless it is given; `verify-ca`,
    ///   `require` and `disable` are the others. `sslrootcert` (PEM, or `system`), `sslcert` and `sslkey`.
    /// * `password_file` names a file, `password_env` a variable of the environment; both are read anew for
    ///   each connection.
    /// * `pool_connections`, `pool_statements`, `pool_acquire_timeout`, `connect_timeout` and
    ///   `pool_reset_timeout` stand above the fields below: a number, or a span such as `250ms` or `2s`.
    pub url: String,
    /// Connections per release of a service, split over the cores; a core whose share is used up borrows from
    /// another. While a release replaces another, both may have theirs. Default 16 (eight a core beat four on two
    /// cores).
    pub connections: NonZeroUsize,
    /// Statements that stay prepared on one connection, the least recently used going first. Default 256.
    pub statements: NonZeroUsize,
    /// How long a request waits for a connection before `pool-exhausted`. Default 1 s.
    pub acquire_timeout: Duration,
    /// How long connecting may take before `unavailable`. Default 2 s.
    pub connect_timeout: Duration,
    /// How long a connection may take to become clean behind a request before it is cut. Default 5 s.
    pub reset_timeout: Duration,
}

impl DatabaseConfig {
    /// The defaults for a database at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections: const { NonZeroUsize::new(16).unwrap() },
            statements: const { NonZeroUsize::new(256).unwrap() },
            acquire_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(2),
            reset_timeout: Duration::from_secs(5),
        }
    }
}

impl std::fmt::Debug for DatabaseConfig {
    /// Leaves the URL out: it may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseConfig").field("connections", &self.connections).finish_non_exhaustive()
    }
}
