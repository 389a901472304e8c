//! Connections to PostgreSQL, for whatever in the host needs one: pools, migrations, checks, listeners.
//!
//! The driver speaks the protocol; everything below it is done here, because the driver's own sockets know
//! neither verified TLS nor a bound on what a server may send: `address` reads URLs, `connect` tries the
//! hosts in turn, `tls` shakes hands, `bounded` watches the frames.

mod address;
mod bounded;
mod connect;
mod tls;

use tokio::task::{AbortHandle, JoinHandle};

use crate::config::DatabaseConfig;

pub(crate) use address::Address;
pub use address::AddressError;
pub(crate) use bounded::LARGEST_MESSAGE;
pub(crate) use connect::{ConnectError, Opened, Place, cancel};

/// The bytes of a connection, and the driver's half of it.
pub(crate) type Socket = bounded::Bounded<connect::Stream>;
pub(crate) type Driver = tokio_postgres::Connection<Socket, tokio_postgres::tls::NoTlsStream>;

/// Ends a driver together with what it drives.
pub(crate) struct AbortOnDrop(AbortHandle);

impl AbortOnDrop {
    pub(crate) fn new<T>(driver: &JoinHandle<T>) -> Self {
        Self(driver.abort_handle())
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why a database was not reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReachError {
    /// Its address.
    #[error("the address is not valid")]
    Address(#[from] AddressError),
    /// The network, the server, its certificate or its rules.
    #[error("failed to connect")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl DatabaseConfig {
    /// Connects once, as a pool would, and lets go: a wrong address shows before a request needs it. Needs a
    /// tokio runtime; takes at most `connect_timeout`.
    ///
    /// # Errors
    /// What a request would be told, with the cause; never the address.
    pub async fn reach(&self) -> Result<(), ReachError> {
        let connected = Address::parse(self)?.for_use("check").connect().await;
        connected.map(drop).map_err(|error| ReachError::Connect(error.into()))
    }
}
