//! Connections of one service to one database.
//!
//! A pool per core: a connection's driver task then lives on the thread that uses it, which was worth
//! 56 -> 75 % of native axum on one query. The configured number of connections is a budget split over
//! the cores; a core whose share is in use borrows from its neighbours before it waits.
//!
//! A connection goes back to its pool only when it is known to be idle and clean. [`Lease`] decides it in
//! its `Drop`: after clean statements it goes back at once, without a round trip; where something may have
//! stayed in the session it is reset first, in a task of its own, so that no request waits for it; and one whose
//! statement was still running is cancelled and thrown away.
//!
//! The pool is deadpool's, with a manager of our own instead of deadpool-postgres': that one keeps statements
//! without a bound, and hands an open transaction to the next user whatever its recycling method.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    self, Metrics, Object, PoolError, RecycleError, RecycleResult, TimeoutType, Timeouts,
};
use lru::LruCache;
use tokio::task::JoinHandle;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_util::task::TaskTracker;

use crate::bindings::wharf::platform::pg_client::Error;
use crate::database::{self, Address, ConnectError, LARGEST_MESSAGE, Opened, Place};
use crate::error::chain;
use crate::host::core;
use crate::observe::Observer;

use super::statement::Prepared;

/// How long a request waits for a connection of its own core before it borrows: under full load most wait
/// for less, and a borrowed connection costs two changes of threads a query.
const OWN_PATIENCE: Duration = Duration::from_millis(10);

/// One pool a core, or fewer.
pub(crate) struct Pools {
    cores: Vec<managed::Pool<Connector>>,
    acquire: Duration,
}

impl Pools {
    pub(super) fn new(
        address: &Address,
        cores: usize,
        cleanup: &TaskTracker,
        watched: Option<&Watched>,
    ) -> Self {
        let total = address.settings.connections.get();
        let share = |core: usize| total / cores + usize::from(core < total % cores);
        // With fewer connections than cores, some cores only ever borrow.
        let shares = (0..cores).map(share).filter(|share| *share > 0);
        let address = Arc::new(address.clone());
        let connector =
            || Connector { address: address.clone(), cleanup: cleanup.clone(), watched: watched.cloned() };
        let pools = shares.map(|share| pool(connector(), share));
        Self { cores: pools.collect(), acquire: address.settings.acquire }
    }

    /// A connection of this core; when none comes free soon, one borrowed from another core; else the first
    /// that comes free in time. Cancel safe.
    pub(super) async fn lease(&self) -> Result<Lease, Error> {
        let own = core() % self.cores.len();
        let (before, from) = self.cores.split_at(own);
        let Some(pool) = from.first() else { return Err(Error::PoolExhausted) };
        match acquire(pool, OWN_PATIENCE.min(self.acquire)).await {
            Err(PoolError::Timeout(TimeoutType::Wait)) => {}
            result => return leased(result),
        }
        // Boxed: rare, and large.
        Box::pin(self.borrow(before, from)).await
    }

    async fn borrow(
        &self,
        before: &[managed::Pool<Connector>],
        from: &[managed::Pool<Connector>],
    ) -> Result<Lease, Error> {
        let in_turn = || from.iter().chain(before);
        for pool in in_turn() {
            match acquire(pool, Duration::ZERO).await {
                Err(PoolError::Timeout(TimeoutType::Wait)) => {}
                result => return leased(result),
            }
        }
        let left = self.acquire.saturating_sub(OWN_PATIENCE);
        let waits: Vec<_> = in_turn().map(|pool| Box::pin(acquire(pool, left))).collect();
        let (first, _, _) = futures_util::future::select_all(waits).await;
        leased(first)
    }
}

fn leased(acquired: Result<Object<Connector>, PoolError<ConnectError>>) -> Result<Lease, Error> {
    acquired.map(Lease::new).map_err(pool_error)
}

fn pool(connector: Connector, size: usize) -> managed::Pool<Connector> {
    managed::Pool::builder(connector)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .build()
        .expect("a runtime is given, which is all that can be missing")
}

async fn acquire(
    pool: &managed::Pool<Connector>,
    wait: Duration,
) -> Result<Object<Connector>, PoolError<ConnectError>> {
    let timeouts = Timeouts { wait: Some(wait), ..pool.timeouts() };
    pool.timeout_get(&timeouts).await
}

fn pool_error(error: PoolError<ConnectError>) -> Error {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => Error::PoolExhausted,
        PoolError::Backend(error) => {
            tracing::warn!(error = %chain(&error), "failed to connect to a database");
            Error::Unavailable(match &error {
                ConnectError::Driver(driver) => driver
                    .as_db_error()
                    .map_or("the database cannot be reached", |db| db.message())
                    .to_owned(),
                other => other.to_string(),
            })
        }
        other => Error::Unavailable(other.to_string()),
    }
}

/// Opens connections; their driver tasks run where they were opened.
pub(super) struct Connector {
    address: Arc<Address>,
    /// What cleans up behind requests; the host waits for it when it stops.
    cleanup: TaskTracker,
    watched: Option<Watched>,
}

/// Who is told of the statements of one service and database.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) observer: Arc<dyn Observer>,
    pub(super) service: Arc<str>,
    pub(super) database: Arc<str>,
}

impl managed::Manager for Connector {
    type Type = Connection;
    type Error = ConnectError;

    async fn create(&self) -> Result<Connection, ConnectError> {
        // Boxed, like all that is rare: its size is that of everything around it, and futures are moved.
        let Opened { client, driver, place, exceeded } = Box::pin(self.address.connect()).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(error = %chain(&error), "a database connection ended");
            }
        });
        Ok(Connection {
            client,
            driver,
            place,
            exceeded,
            statements: LruCache::new(self.address.settings.statements),
            sequences: false,
            cursors: 0,
            reset: self.address.settings.reset,
            cleanup: self.cleanup.clone(),
            watched: self.watched.clone(),
        })
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<ConnectError> {
        if connection.client.is_closed() {
            return Err(RecycleError::message("the connection is closed"));
        }
        Ok(())
    }
}

/// An open connection and what is prepared on it.
pub(super) struct Connection {
    pub(super) client: Client,
    /// The driver waits for answers even when its client is gone; this ends it.
    driver: JoinHandle<()>,
    place: Place,
    exceeded: Arc<AtomicBool>,
    pub(super) statements: LruCache<String, Arc<Prepared>>,
    /// Whether the session may remember values of sequences.
    pub(super) sequences: bool,
    /// Cursors declared so far, for their names.
    cursors: u64,
    /// How long it may take to become clean.
    reset: Duration,
    cleanup: TaskTracker,
    watched: Option<Watched>,
}

/// What a request left of its connection.
#[derive(Clone, Copy, Debug, Default)]
struct Traces {
    /// A statement was sent whose end was not seen.
    busy: bool,
    /// The session may hold what the next request must not see.
    soiled: bool,
    /// A transaction is open.
    in_transaction: bool,
    /// Some statement ran.
    used: bool,
    /// The server refused a statement because its plan no longer fits the schema.
    stale: bool,
}

/// A connection while a request has it.
pub(super) struct Lease {
    object: Option<Object<Connector>>,
    traces: Traces,
}

impl Lease {
    fn new(object: Object<Connector>) -> Self {
        Self { object: Some(object), traces: Traces::default() }
    }

    pub(super) fn connection(&mut self) -> Result<&mut Connection, Error> {
        let lost = || Error::ConnectionLost("the connection is gone".to_owned());
        self.object.as_deref_mut().ok_or_else(lost)
    }

    /// Tells whoever watches of a statement of the guest's.
    pub(super) fn tell(&mut self, sql: &str) -> Result<(), Error> {
        if let Some(Watched { observer, service, database }) = &self.connection()?.watched {
            observer.ran(service, database, sql);
        }
        Ok(())
    }

    /// To be called before anything is sent; [`Self::settle`] after its end was seen.
    pub(super) fn start(&mut self) {
        self.traces.busy = true;
    }

    /// Notes how what was started ended: an error of the server's leaves the connection usable, unless it
    /// ends the session.
    pub(super) fn settle<T>(&mut self, result: Result<T, tokio_postgres::Error>) -> Result<T, Error> {
        let error = match result {
            Ok(value) => {
                self.traces.busy = false;
                return Ok(value);
            }
            Err(error) => error,
        };
        if let Some(db) = error.as_db_error() {
            self.traces.busy = matches!(db.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
            // The name of a function of the server's, which is the same in every language.
            let replanned = db.routine() == Some("RevalidateCachedQuery");
            self.traces.stale = replanned || *db.code() == SqlState::INVALID_SQL_STATEMENT_NAME;
        } else if self.connection()?.exceeded.load(Ordering::Relaxed) {
            return Err(Error::LimitExceeded(format!(
                "the server sent more than {} MiB at once, which ended the connection: read large values in \
                 pieces (`substring`), or with `copy-out`",
                LARGEST_MESSAGE >> 20
            )));
        }
        Err(super::error::from_driver(&error))
    }

    /// Whether the last statement met a plan that no longer fits; asking forgets it.
    pub(super) fn take_stale(&mut self) -> bool {
        std::mem::take(&mut self.traces.stale)
    }

    pub(super) fn is_in_transaction(&self) -> bool {
        self.traces.in_transaction
    }

    pub(super) fn set_in_transaction(&mut self, open: bool) {
        self.traces.in_transaction = open;
    }

    /// Whether nothing ran yet.
    pub(super) fn is_fresh(&self) -> bool {
        !self.traces.used
    }

    pub(super) fn use_up(&mut self) {
        self.traces.used = true;
    }

    pub(super) fn soil(&mut self) {
        self.traces.soiled = true;
    }

    pub(super) fn is_busy(&self) -> bool {
        self.traces.busy
    }

    /// A name that no other cursor on this connection has had.
    pub(super) fn name_cursor(&mut self) -> Result<String, Error> {
        let connection = self.connection()?;
        connection.cursors += 1;
        Ok(format!("wharf_cursor_{}", connection.cursors))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        let Traces { busy, soiled, in_transaction, .. } = self.traces;
        if object.client.is_closed() || !(busy || soiled || in_transaction) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            object.driver.abort();
            return drop(Object::take(object));
        };
        if busy {
            let connection = Object::take(object);
            let cleanup = connection.cleanup.clone();
            drop(cleanup.spawn_on(cancel(connection), &runtime));
            return;
        }
        let cleanup = object.cleanup.clone();
        let reset = async move {
            if let Ok(Ok(())) = tokio::time::timeout(object.reset, reset(&object)).await {
                return;
            }
            let connection = Object::take(object);
            connection.driver.abort();
        };
        drop(cleanup.spawn_on(reset, &runtime));
    }
}

/// Asks the server to cancel what runs; the connection ends once its answer has come, or is cut.
async fn cancel(connection: Connection) {
    let Connection { client, mut driver, place, reset, .. } = connection;
    let token = client.cancel_token();
    drop(client);
    let cancelled = async {
        database::cancel(&token, &place).await?;
        // A server that is not there any more may never answer, and the pool no longer counts this connection.
        let _ended = (&mut driver).await;
        Ok::<(), ConnectError>(())
    };
    if !matches!(tokio::time::timeout(reset, cancelled).await, Ok(Ok(()))) {
        tracing::warn!("failed to cancel a statement; its connection is cut");
        driver.abort();
    }
}

/// All of DISCARD ALL but its DEALLOCATE ALL, which would take the driver's own statements, too.
const RESET: &str = "close all; set session authorization default; reset all; unlisten *;
    select pg_advisory_unlock_all(); discard plans; discard temp; discard sequences;
    select name as prepared from pg_prepared_statements where from_sql";

/// Makes a session as it was when it began; an error means that it is not.
async fn reset(connection: &Connection) -> Result<(), ResetError> {
    connection.client.batch_execute("rollback").await?;
    let answers = connection.client.simple_query(RESET).await?;
    let named = answers.iter().any(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.try_get("prepared").is_ok(),
        _ => false,
    });
    if named { Err(ResetError::Prepared) } else { Ok(()) }
}

/// Why a session was not reset.
#[derive(Debug, thiserror::Error)]
enum ResetError {
    #[error(transparent)]
    Driver(#[from] tokio_postgres::Error),
    #[error("a guest left prepared statements of its own")]
    Prepared,
}
