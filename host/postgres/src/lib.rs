//! A private PostgreSQL server: started in a folder, reachable by its owner only, gone with its parent.
//!
//! `wharf dev`, the tests and the benches use it; a server in production is never started from here.
//!
//! ```no_run
//! # async fn example() -> Result<(), wharf_postgres::Error> {
//! use wharf_postgres::PrivatePostgres;
//!
//! let postgres = PrivatePostgres::start(".wharf/postgres".as_ref()).await?;
//! postgres.create_database("main").await?;
//! println!("{}", postgres.connection_url("main"));
//! postgres.stop().await
//! # }
//! ```
//!
//! What it promises:
//! - **Private.** It listens on a unix socket inside a folder of mode 0700, and on nothing else unless
//!   [`Options::tcp`] asks for it.
//! - **Never root.** Started as root, the server runs as `postgres`, or as `nobody` where that account is missing.
//! - **Never left behind.** It stops with the process that started it, however that one ends, `kill -9`
//!   included: `server.rs` says how, and what was rejected.
//! - **Never twice.** A lock guards the folder; an orphan found there is stopped before a new server starts.

mod account;
mod binaries;
mod database;
mod error;
mod folder;
mod server;

use std::path::{Path, PathBuf};

pub use binaries::{Binaries, INSTALL};
pub use error::Error;

use account::Account;
use folder::Folder;
use server::Server;

/// What differs between development, tests and benches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Whether what is committed survives a power cut. Tests and benches don't need it.
    pub durability: Durability,
    /// Whether to listen on a free loopback port besides the socket. Every user of the machine can then connect.
    pub tcp: Tcp,
}

/// Whether commits reach the disk before they are acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// `fsync` is on.
    #[default]
    Durable,
    /// `fsync` is off: fast, and lost with the machine.
    Throwaway,
}

/// Whether the server listens on TCP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tcp {
    /// The unix socket only.
    #[default]
    Off,
    /// Also a free port of 127.0.0.1, without a password.
    Loopback,
    /// Also this port of 127.0.0.1, without a password.
    Port(u16),
}

impl Options {
    /// The settings for tests: nothing is synced to disk.
    pub fn throwaway() -> Self {
        Self { durability: Durability::Throwaway, ..Self::default() }
    }

    /// The same options with a loopback port.
    #[must_use]
    pub fn with_tcp(self) -> Self {
        Self { tcp: Tcp::Loopback, ..self }
    }
}

/// A running private server. Dropping it stops the server (at most about ten seconds, usually a tenth of one).
#[derive(Debug)]
pub struct PrivatePostgres {
    // The order is the order of dropping: the server first, then its lock, then a temporary folder.
    server: Server,
    folder: Folder,
    _temporary: Option<tempfile::TempDir>,
}

impl PrivatePostgres {
    /// Starts the server of this folder, creating the folder and the cluster when they are missing.
    ///
    /// As root, a folder that the server's account cannot reach (one below `/root`, say) is replaced by one
    /// in `/var/tmp`: [`Self::folder`] tells which, [`Self::moved_from`] that it was so.
    ///
    /// # Errors
    /// When there are no binaries, the folder is in use or of another major version, or the server does not
    /// accept connections within a minute. Not cancellation safe: a dropped future may leave a half-made
    /// cluster, which the next start clears away.
    pub async fn start(folder: &Path) -> Result<Self, Error> {
        Self::start_with(folder, Options::default()).await
    }

    /// As [`Self::start`], with options.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with(folder: &Path, options: Options) -> Result<Self, Error> {
        Self::launch(folder.to_path_buf(), options, None).await
    }

    /// Starts a fresh server for tests, in a temporary folder that goes away with the handle.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn temporary() -> Result<Self, Error> {
        Self::temporary_with(Options::throwaway()).await
    }

    /// As [`Self::temporary`], with options.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn temporary_with(options: Options) -> Result<Self, Error> {
        let temporary = blocking(folder::temporary).await?;
        Self::launch(temporary.path().to_path_buf(), options, Some(temporary)).await
    }

    async fn launch(
        path: PathBuf,
        options: Options,
        temporary: Option<tempfile::TempDir>,
    ) -> Result<Self, Error> {
        let (folder, server) = blocking(move || {
            let binaries = Binaries::find()?;
            let account = Account::for_server()?;
            let folder = Folder::open(&path, &account)?;
            let server = Server::start(&binaries, &account, &folder, options)?;
            Ok((folder, server))
        })
        .await?;
        Self { server, folder, _temporary: temporary }.ready().await
    }

    /// Where the cluster, its log and its lock are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder that was asked for, when the server's account could not reach it.
    pub fn moved_from(&self) -> Option<&Path> {
        self.folder.moved_from()
    }

    /// The loopback port, when [`Options::tcp`] asked for one.
    pub fn tcp_port(&self) -> Option<u16> {
        self.server.tcp_port()
    }

    /// The id of the server's process.
    pub fn process_id(&self) -> Option<u32> {
        self.folder.server_process()
    }

    /// Stops the server, waits for `down`, and starts it again in the same folder, at the same address.
    ///
    /// # Errors
    /// As [`Self::stop`] and [`Self::start`]; the server is then gone.
    pub async fn restart(self, down: impl Future<Output = ()>) -> Result<Self, Error> {
        let Self { mut server, folder, _temporary } = self;
        let (options, folder) = blocking(move || {
            server.stop(&folder)?;
            Ok((server.same_again(), folder))
        })
        .await?;
        down.await;
        let (folder, server) = blocking(move || {
            let server = Server::start(&Binaries::find()?, &Account::for_server()?, &folder, options)?;
            Ok((folder, server))
        })
        .await?;
        Self { server, folder, _temporary }.ready().await
    }

    /// Stops the server: a fast shutdown, then an immediate one if that takes more than ten seconds.
    ///
    /// # Errors
    /// When the server is still there afterwards.
    pub async fn stop(self) -> Result<(), Error> {
        blocking(move || {
            let Self { mut server, folder, _temporary } = self;
            server.stop(&folder)
        })
        .await
    }
}

/// Runs blocking work on the runtime's blocking threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
