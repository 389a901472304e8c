//! The databases of a running server: made, copied, dropped and addressed.

use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::PrivatePostgres;
use crate::error::Error;
use crate::server::{POLL, SUPERUSER};

/// The database that every cluster has.
const MAINTENANCE: &str = "postgres";

/// How long a server may take to accept connections: recovery after a crash is the longest.
const STARTUP: Duration = Duration::from_secs(60);

/// How long a template that is being copied elsewhere is waited for.
const TEMPLATE_BUSY: Duration = Duration::from_secs(10);

impl PrivatePostgres {
    /// The URL of a database, over the unix socket.
    pub fn connection_url(&self, database: &str) -> String {
        let socket = self.folder.socket().to_string_lossy().into_owned();
        let host = utf8_percent_encode(&socket, NON_ALPHANUMERIC);
        let database = utf8_percent_encode(database, NON_ALPHANUMERIC);
        format!("postgresql://{SUPERUSER}@{host}:{}/{database}", self.server.port())
    }

    /// The URL of a database over TCP, when [`crate::Options::tcp`] asked for it.
    pub fn tcp_url(&self, database: &str) -> Option<String> {
        let database = utf8_percent_encode(database, NON_ALPHANUMERIC);
        self.tcp_port().map(|port| format!("postgresql://{SUPERUSER}@127.0.0.1:{port}/{database}"))
    }

    /// Makes a database, unless it is there already.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn create_database(&self, name: &str) -> Result<(), Error> {
        self.create(name, "template1").await
    }

    /// Makes a database as a copy of another, unless it is there already. Nobody may be connected to the
    /// template; copies that are under way elsewhere are waited for.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn create_database_from_template(&self, name: &str, template: &str) -> Result<(), Error> {
        self.create(name, template).await
    }

    /// Drops a database and every connection to it, if it is there.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn drop_database(&self, name: &str) -> Result<(), Error> {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", identifier(name));
        self.run(&statement).await.map_err(failed("drop the database", name))
    }

    async fn create(&self, name: &str, template: &str) -> Result<(), Error> {
        let statement = format!("CREATE DATABASE {} TEMPLATE {}", identifier(name), identifier(template));
        let deadline = Instant::now() + TEMPLATE_BUSY;
        loop {
            let Err(error) = self.run(&statement).await else {
                return Ok(());
            };
            match error.code() {
                // The second is what one of two simultaneous attempts gets.
                Some(&SqlState::DUPLICATE_DATABASE | &SqlState::UNIQUE_VIOLATION) => return Ok(()),
                Some(&SqlState::OBJECT_IN_USE) if Instant::now() < deadline => tokio::time::sleep(POLL).await,
                _ => return Err(failed("create the database", name)(error)),
            }
        }
    }

    /// Waits until the server accepts connections.
    pub(crate) async fn ready(mut self) -> Result<Self, Error> {
        let deadline = Instant::now() + STARTUP;
        loop {
            let answer = tokio::time::timeout(Duration::from_secs(5), self.connect()).await;
            if matches!(answer, Ok(Ok(_))) {
                return Ok(self);
            }
            if self.server.has_ended() || Instant::now() >= deadline {
                let folder = self.folder.path().to_path_buf();
                return Err(Error::NotStarted { folder, log: self.folder.log_tail() });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn run(&self, statement: &str) -> Result<(), tokio_postgres::Error> {
        self.connect().await?.batch_execute(statement).await
    }

    /// A connection whose driver ends with the client.
    async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, driver) = tokio_postgres::connect(&self.connection_url(MAINTENANCE), NoTls).await?;
        tokio::spawn(driver);
        Ok(client)
    }
}

/// A quoted SQL identifier.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names the operation and the database of an error.
fn failed(action: &'static str, database: &str) -> impl FnOnce(tokio_postgres::Error) -> Error {
    let database = database.to_owned();
    move |source| Error::Database { action, database, source }
}
