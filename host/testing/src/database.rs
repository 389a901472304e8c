//! Databases: a migrated template for each state of the migrations, and a copy of it for each test.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio_postgres::{NoTls, SimpleQueryMessage};
use wharf_host::{Artifact, Config, DatabaseConfig, migrate};
use wharf_postgres::{Options, PrivatePostgres};

use crate::error::Error;

/// Processes that test the same service at once, each with a PostgreSQL.
const MOST_PROCESSES: usize = 16;
/// How templates are called, before the service's name.
const TEMPLATE: &str = "template_";
/// How a test's own databases are called, before a number.
const COPY: &str = "test_";
/// The database that every cluster has.
const MAINTENANCE: &str = "postgres";

/// The rows of a statement, as text; none for null.
pub(crate) type TextRows = Vec<Vec<Option<String>>>;

/// The server and what is known of it.
#[derive(Debug)]
pub(crate) struct Databases {
    postgres: PrivatePostgres,
    next: AtomicU64,
    /// Held while a template is made.
    making: Mutex<()>,
}

impl Databases {
    /// Starts the server, one for each process. What tests of an earlier process left is cleared away.
    pub(crate) async fn start(folder: &Path) -> Result<Self, Error> {
        let mut number = 0;
        let postgres = loop {
            let name = if number == 0 { "postgres".to_owned() } else { format!("postgres-{number}") };
            match PrivatePostgres::start_with(&folder.join(name), Options::throwaway()).await {
                Err(wharf_postgres::Error::InUse { .. }) if number < MOST_PROCESSES => number += 1,
                started => break started?,
            }
        };
        let databases = Self { postgres, next: AtomicU64::new(0), making: Mutex::default() };
        let left = format!(
            "select datname from pg_database where datname like '{COPY}%' or datname like '%_partial'"
        );
        for row in databases.sql(MAINTENANCE, &left).await? {
            for name in row.into_iter().flatten() {
                databases.postgres.drop_database(&name).await?;
            }
        }
        Ok(databases)
    }

    /// A fresh copy of a database that these services are granted under this name, and its address.
    pub(crate) async fn copy(&self, granted: &str, services: &[Artifact]) -> Result<(String, String), Error> {
        let migrating: Vec<&Artifact> = services
            .iter()
            .filter(|artifact| {
                !artifact.migrations.is_empty() && artifact.manifest.migration_database() == Some(granted)
            })
            .collect();
        let name = format!("{COPY}{}", self.next.fetch_add(1, Ordering::Relaxed));
        if migrating.is_empty() {
            self.postgres.create_database(&name).await?;
        } else {
            let template = self.template(granted, &migrating).await?;
            self.postgres.create_database_from_template(&name, &template).await?;
        }
        let url = self.postgres.connection_url(&name);
        Ok((name, url))
    }

    /// Drops a test's database.
    pub(crate) async fn discard(&self, name: &str) {
        // What cannot be dropped is cleared away by the next process.
        let _left = self.postgres.drop_database(name).await;
    }

    /// The template with these migrations applied.
    async fn template(&self, granted: &str, services: &[&Artifact]) -> Result<String, Error> {
        let (family, name) = names(granted, services);
        let _alone = self.making.lock().await;
        let known =
            self.sql(MAINTENANCE, &format!("select 1 from pg_database where datname = '{name}'")).await?;
        if !known.is_empty() {
            return Ok(name);
        }
        // Those of earlier migrations.
        let old = format!("select datname from pg_database where datname like '{family}%'");
        for row in self.sql(MAINTENANCE, &old).await? {
            for name in row.into_iter().flatten() {
                self.postgres.drop_database(&name).await?;
            }
        }
        let partial = format!("{name}_partial");
        self.postgres.create_database(&partial).await?;
        let mut config = Config::default();
        let database = DatabaseConfig::new(self.postgres.connection_url(&partial));
        config.databases.insert(granted.to_owned(), database);
        for artifact in services {
            migrate(&config, artifact).await?;
        }
        self.sql(MAINTENANCE, &format!("alter database \"{partial}\" rename to \"{name}\"")).await?;
        Ok(name)
    }

    async fn sql(&self, database: &str, sql: &str) -> Result<TextRows, Error> {
        run(&self.postgres.connection_url(database), sql).await
    }
}

/// Runs statements, and gives the rows of all of them.
pub(crate) async fn run(url: &str, sql: &str) -> Result<TextRows, Error> {
    let failed = |source| Error::Sql { what: format!("run `{sql}`"), source };
    let (client, driver) = tokio_postgres::connect(url, NoTls).await.map_err(failed)?;
    let driver = tokio::spawn(driver);
    let messages = client.simple_query(sql).await.map_err(failed)?;
    drop(client);
    // A database with a connection to it cannot be renamed, nor copied.
    let _ended = driver.await;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
        }
        _ => None,
    });
    Ok(rows.collect())
}

/// What the templates of these services are called whatever their migrations, and the one of these migrations. At most
/// 63 bytes, as the server has it.
fn names(granted: &str, services: &[&Artifact]) -> (String, String) {
    let mut parts = BTreeMap::new();
    for artifact in services {
        let files = artifact.migrations.iter().map(|file| (&file.name, &file.sql)).collect::<Vec<_>>();
        parts.insert(&artifact.manifest.name, files);
    }
    let digest = |text: &str| {
        Sha256::digest(text).iter().take(8).fold(String::new(), |mut digits, byte| {
            let _ = write!(digits, "{byte:02x}");
            digits
        })
    };
    let family = format!("{TEMPLATE}{}_", digest(&format!("{granted} {:?}", parts.keys())));
    let name = format!("{family}{}", digest(&format!("{parts:?}")));
    (family, name)
}
