//! Connections of one service to one database.
//!
//! A pool per core: a connection's driver task then lives on the thread that uses it, which was worth
//! 56 -> 75 % of native axum on one query. The configured number of connections is a budget split over
//! the cores; a core whose share is in use borrows from its neighbours before it waits.
//!
//! A connection goes back to its pool only when it is known to be idle and clean. [`Lease`] decides it in
//! its `Drop`: a statement that was still running is cancelled and its connection thrown away; one that
//! may have left state in the session is thrown away, too. So no reset round trip is ever needed.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    self, Metrics, Object, PoolError, RecycleError, RecycleResult, TimeoutType, Timeouts,
};
use lru::LruCache;
use tokio_postgres::{Client, NoTls};

use crate::bindings::wharf::platform::pg_client::Error;
use crate::config::{Config, DatabaseConfig};
use crate::error::chain;
use crate::host::core;

use super::statement::Prepared;

/// Statements that stay prepared on one connection, the least recently used going first.
const STATEMENTS: NonZeroUsize = const { NonZeroUsize::new(256).unwrap() };
/// How long the request to cancel a statement may take to reach the server.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// One pool a core.
#[derive(Clone)]
pub(crate) struct Pools {
    cores: Arc<[managed::Pool<Connector>]>,
    acquire: Duration,
}

impl Pools {
    pub(super) fn new(database: &DatabaseConfig, host: &Config) -> Result<Self, tokio_postgres::Error> {
        let mut config: tokio_postgres::Config = database.url.parse()?;
        config.connect_timeout(database.connect_timeout);
        let cores = host.cores.get();
        let share = database.connections.get().div_ceil(cores);
        let pools = (0..cores).map(|_| pool(config.clone(), share, database.connect_timeout));
        Ok(Self { cores: pools.collect(), acquire: database.acquire_timeout })
    }

    /// A connection of this core, else one borrowed from another, else whatever comes free in time.
    /// Cancel safe.
    pub(super) async fn lease(&self) -> Result<Lease, Error> {
        let count = self.cores.len();
        let own = core() % count;
        for turn in 0..count {
            let Some(pool) = self.cores.get((own + turn) % count) else { continue };
            match acquire(pool, Duration::ZERO).await {
                Err(PoolError::Timeout(TimeoutType::Wait)) => {}
                result => return result.map(Lease::new).map_err(pool_error),
            }
        }
        let Some(pool) = self.cores.get(own) else { return Err(Error::PoolExhausted) };
        acquire(pool, self.acquire).await.map(Lease::new).map_err(pool_error)
    }
}

fn pool(config: tokio_postgres::Config, size: usize, create: Duration) -> managed::Pool<Connector> {
    managed::Pool::builder(Connector(config))
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .create_timeout(Some(create))
        .build()
        .expect("a runtime is given, which is all that can be missing")
}

async fn acquire(
    pool: &managed::Pool<Connector>,
    wait: Duration,
) -> Result<Object<Connector>, PoolError<tokio_postgres::Error>> {
    let timeouts = Timeouts { wait: Some(wait), ..pool.timeouts() };
    pool.timeout_get(&timeouts).await
}

fn pool_error(error: PoolError<tokio_postgres::Error>) -> Error {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => Error::PoolExhausted,
        PoolError::Timeout(_) => Error::Unavailable("the database did not answer in time".to_owned()),
        PoolError::Backend(error) => {
            tracing::warn!(error = %chain(&error), "failed to connect to a database");
            let why = error.as_db_error().map_or("the database cannot be reached", |db| db.message());
            Error::Unavailable(why.to_owned())
        }
        other => Error::Unavailable(other.to_string()),
    }
}

/// Opens connections; their driver tasks run where they were opened.
pub(super) struct Connector(tokio_postgres::Config);

impl managed::Manager for Connector {
    type Type = Connection;
    type Error = tokio_postgres::Error;

    async fn create(&self) -> Result<Connection, tokio_postgres::Error> {
        let (client, driver) = self.0.connect(NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(error = %chain(&error), "a database connection ended");
            }
        });
        Ok(Connection { client, statements: LruCache::new(STATEMENTS), cursors: 0 })
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        _: &Metrics,
    ) -> RecycleResult<tokio_postgres::Error> {
        if connection.client.is_closed() {
            return Err(RecycleError::message("the connection is closed"));
        }
        Ok(())
    }
}

/// An open connection and what is prepared on it.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) statements: LruCache<String, Arc<Prepared>>,
    /// Cursors declared so far, for their names.
    cursors: u64,
}

/// A connection while a request has it.
pub(super) struct Lease {
    object: Option<Object<Connector>>,
    /// A statement was sent whose end was not seen.
    busy: bool,
    /// The session may hold what the next request must not see.
    dirty: bool,
    /// A transaction is open.
    in_transaction: bool,
}

impl Lease {
    fn new(object: Object<Connector>) -> Self {
        Self { object: Some(object), busy: false, dirty: false, in_transaction: false }
    }

    pub(super) fn connection(&mut self) -> Result<&mut Connection, Error> {
        let lost = || Error::ConnectionLost("the connection is gone".to_owned());
        self.object.as_deref_mut().ok_or_else(lost)
    }

    /// To be called before anything is sent; [`Self::settle`] after its end was seen.
    pub(super) fn start(&mut self) {
        self.busy = true;
    }

    /// Notes how what was started ended: an error of the server's leaves the connection usable.
    pub(super) fn settle<T>(&mut self, result: Result<T, tokio_postgres::Error>) -> Result<T, Error> {
        self.busy = result.as_ref().is_err_and(|error| error.as_db_error().is_none());
        result.map_err(|error| super::error::from_driver(&error))
    }

    pub(super) fn is_in_transaction(&self) -> bool {
        self.in_transaction
    }

    pub(super) fn set_in_transaction(&mut self, open: bool) {
        self.in_transaction = open;
    }

    /// A name that no other cursor on this connection has had.
    pub(super) fn name_cursor(&mut self) -> Result<String, Error> {
        let connection = self.connection()?;
        connection.cursors += 1;
        Ok(format!("wharf_cursor_{}", connection.cursors))
    }

    pub(super) fn soil(&mut self) {
        self.dirty = true;
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        if !(self.busy || self.dirty || self.in_transaction) {
            return;
        }
        let connection = Object::take(object);
        if !self.busy || connection.client.is_closed() {
            return;
        }
        let token = connection.client.cancel_token();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        // Not awaited by anyone: it ends by itself within its time-out, and nothing waits for it.
        runtime.spawn(async move {
            let cancel = tokio::time::timeout(CANCEL_TIMEOUT, token.cancel_query(NoTls)).await;
            if !matches!(cancel, Ok(Ok(()))) {
                tracing::warn!("failed to cancel a statement; it ends with its connection");
            }
            drop(connection);
        });
    }
}
