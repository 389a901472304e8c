//! What can go wrong with a private server, each with what to do about it.

use std::io;
use std::path::PathBuf;

use crate::binaries::INSTALL;

/// Why a private server could not be started, used or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No folder with `postgres` and `initdb` was found.
    #[error(
        "no PostgreSQL server found (looked in {searched}): install it with `{INSTALL}`, or set WHARF_PG_BIN to the folder that holds `postgres` and `initdb`"
    )]
    NoBinaries {
        /// The places that were tried.
        searched: String,
    },
    /// `WHARF_PG_BIN` names a folder without the binaries.
    #[error("WHARF_PG_BIN is `{}`, which does not hold working `postgres` and `initdb`: correct or unset it", .0.display())]
    BadOverride(PathBuf),
    /// Started as root, and there is no other account to run the server.
    #[error(
        "PostgreSQL does not run as root, and there is no account `postgres` or `nobody` to run it: start as an ordinary user"
    )]
    NoAccount,
    /// Another live process owns the folder.
    #[error("the PostgreSQL in `{}` is in use by another process{}: stop that one (another `wharf dev`?), or give a database URL", .folder.display(), .holder.map(|id| format!(" ({id})")).unwrap_or_default())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process that holds the lock, where it is known.
        holder: Option<u32>,
    },
    /// The folder was made by another major version.
    #[error("the cluster in `{}` was made by PostgreSQL {cluster}, and the server found is PostgreSQL {server}: set WHARF_PG_BIN to a PostgreSQL {cluster}, or delete the folder (and with it its data)", .folder.display())]
    OtherVersion {
        /// The folder.
        folder: PathBuf,
        /// The cluster's major version.
        cluster: String,
        /// The server's major version.
        server: String,
    },
    /// A socket path would not fit into the 107 bytes that the system allows.
    #[error("no folder for the unix socket fits: `{}` is too long for a socket path", .0.display())]
    SocketPath(PathBuf),
    /// A folder that is not ours stands where one of ours should be.
    #[error("`{}` exists and is not ours to use: remove it", .0.display())]
    Foreign(PathBuf),
    /// `initdb` failed.
    #[error("failed to create a cluster in `{}`:\n{output}", .folder.display())]
    Initdb {
        /// The folder.
        folder: PathBuf,
        /// What `initdb` said.
        output: String,
    },
    /// The server ended instead of accepting connections.
    #[error("the PostgreSQL in `{}` did not start:\n{log}", .folder.display())]
    NotStarted {
        /// The folder.
        folder: PathBuf,
        /// The end of the server's log.
        log: String,
    },
    /// The server is still there after an immediate shutdown.
    #[error("the PostgreSQL in `{}` (process {process}) does not stop", .folder.display())]
    NotStopped {
        /// The folder.
        folder: PathBuf,
        /// The server.
        process: u32,
    },
    /// A file, folder or process operation failed.
    #[error("failed to {action} `{}`", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A statement on the server failed.
    #[error("failed to {action} `{database}`")]
    Database {
        /// What was tried.
        action: &'static str,
        /// On which database.
        database: String,
        /// Why it failed.
        source: tokio_postgres::Error,
    },
}

/// Names the operation and the path of an I/O error.
pub(crate) trait IoContext<T> {
    /// Wraps the error with what was tried, on what.
    fn context(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> IoContext<T> for Result<T, E> {
    fn context(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, Error> {
        self.map_err(|source| Error::Io { action, path: path.into(), source: source.into() })
    }
}
