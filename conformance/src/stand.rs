//! What the suites need around a host: a private PostgreSQL, an HTTP server to ask, and the names that lead to it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wharf_host::{Config, Host, HostBuilder, Resolver, Resolving};
use wharf_postgres::PrivatePostgres;
use wharf_servers::Upstream;

/// The database that is granted to guests as `main`.
const DATABASE: &str = "conformance";

/// The names that the suite `http-client` knows.
#[derive(Debug)]
struct Names {
    upstream: SocketAddr,
    /// Where nobody listens.
    refused: SocketAddr,
}

impl Names {
    fn of(upstream: &Upstream) -> std::io::Result<Self> {
        let refused = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        Ok(Self { upstream: upstream.address(), refused })
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, host: &'a str, _port: u16) -> Resolving<'a> {
        let found = match host {
            "upstream.test" | "a.upstream.test" | "tls.test" => Ok(vec![self.upstream]),
            "refused.test" => Ok(vec![self.refused]),
            "private.test" => Ok(vec![SocketAddr::from(([10, 0, 0, 1], 80))]),
            _ => Err(std::io::Error::other("no such name")),
        };
        Box::pin(std::future::ready(found))
    }
}

/// Servers of its own, which end with it.
#[derive(Debug)]
pub struct Stand {
    postgres: PrivatePostgres,
    upstream: Upstream,
    cache: PathBuf,
}

/// Why there is nothing to run cases on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StandError {
    /// PostgreSQL is missing, or did not start.
    #[error("failed to start a private PostgreSQL for the cases")]
    Postgres(#[from] wharf_postgres::Error),
    /// No port.
    #[error("failed to start an HTTP server for the cases")]
    Upstream(#[from] std::io::Error),
}

impl Stand {
    /// Starts the servers. Machine code is kept in the folder `cache`: a guest is deployed anew for every case.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn start(cache: &Path) -> Result<Self, StandError> {
        let postgres = PrivatePostgres::temporary().await?;
        postgres.create_database(DATABASE).await?;
        Ok(Self { postgres, upstream: Upstream::start()?, cache: cache.to_owned() })
    }

    /// The PostgreSQL.
    #[must_use]
    pub fn postgres(&self) -> &PrivatePostgres {
        &self.postgres
    }

    /// The address of the database that guests are granted as `main`, for a host that is started elsewhere.
    #[must_use]
    pub fn database(&self) -> String {
        self.postgres.connection_url(DATABASE)
    }

    /// A host on these servers, with buckets in memory unless it is told otherwise.
    ///
    /// # Errors
    /// When no port is free.
    pub fn host(&self) -> Result<HostBuilder, StandError> {
        let mut config = Config::default();
        config.http.resolver = Arc::new(Names::of(&self.upstream)?);
        config.http.private = vec!["127.0.0.1".parse().expect("an address is a network")];
        // An interpreter's component takes its time on a busy machine, and is compiled whole.
        config.compile_timeout = Duration::from_secs(120);
        config.compile_cache = Some(self.cache.clone());
        Ok(Host::builder().config(config).database("main", self.postgres.connection_url(DATABASE)))
    }
}
