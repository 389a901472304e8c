//! Why there is nothing to test.

use std::path::PathBuf;

/// Why a service was not started for a test.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its folder.
    #[error("failed to open the service in `{}`", path.display())]
    Project {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: wharf_control::ProjectError,
    },
    /// `wharf build` failed, or is not there.
    #[error("failed to build the service in `{}`: {why}", path.display())]
    Build {
        /// The folder.
        path: PathBuf,
        /// What it said.
        why: String,
    },
    /// A file or folder of the tests' own.
    #[error("failed to {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The private PostgreSQL.
    #[error("failed to start or to use the PostgreSQL of the tests")]
    Postgres(#[from] wharf_postgres::Error),
    /// A statement of the test's own, or of making its database.
    #[error("failed to {what} in the tests' PostgreSQL")]
    Sql {
        /// What was tried.
        what: String,
        /// The server's words.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The service's migrations.
    #[error("failed to migrate the tests' template")]
    Migrate(#[from] wharf_host::MigrateError),
    /// The service is not granted this database.
    #[error("`{service}` is granted no database `{database}`")]
    NoDatabase {
        /// The service.
        service: String,
        /// The name that was asked for.
        database: String,
    },
    /// The certificates of the fake upstream.
    #[error("failed to make the certificates of the fake upstream")]
    Certificate(#[from] rcgen::Error),
    /// The host did not start.
    #[error("failed to start a host")]
    Host(#[from] wharf_host::BuildError),
    /// The service was refused, as a deploy would be.
    #[error("failed to load `{service}`")]
    Load {
        /// The service.
        service: String,
        /// Why.
        #[source]
        source: Box<wharf_host::LoadError>,
    },
    /// Its health path.
    #[error("`{service}` is not well")]
    Probe {
        /// The service.
        service: String,
        /// What it answered.
        #[source]
        source: wharf_host::ProbeError,
    },
    /// Its routes.
    #[error("failed to publish `{service}`")]
    Publish {
        /// The service.
        service: String,
        /// Why.
        #[source]
        source: wharf_host::PublishError,
    },
}
