//! SQL files applied once per service, in order, by one host at a time.
//!
//! Each file runs in a transaction together with the row in `wharf_migrations` that records it, so a
//! file is applied wholly or not at all (unless it says COMMIT itself). An advisory lock keeps two hosts from running at once; it is
//! the session's, so it goes with the connection whatever happens.

use std::collections::HashMap;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio_postgres::Client;

use crate::config::Config;
use crate::database::{AbortOnDrop, Address, Opened};

use super::{Artifact, Migration, hex};

/// How long another host may hold the lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);
/// "wharfmig" as a number: one lock for all services of a database.
const LOCK: i64 = 0x7768_6172_666d_6967;

const TABLE: &str = "create table if not exists wharf_migrations (
    service text not null, name text not null, checksum text not null,
    applied_at timestamptz not null default now(), primary key (service, name))";

/// Why migrations did not apply. Files before the failing one stay applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// There are files, but no database.
    #[error("there are migrations, but `grants.pg` is empty: grant the database that they change")]
    NoDatabase,
    /// The host does not know the database.
    #[error("database `{0}` is not configured on this host")]
    UnknownDatabase(String),
    /// The server could not be reached, or refused.
    #[error("failed to connect to database `{database}`")]
    Connect {
        /// As in the grant.
        database: String,
        /// The driver's words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The bookkeeping itself failed, e.g. for lack of rights.
    #[error("failed to {what}")]
    Bookkeeping {
        /// What was being done.
        what: &'static str,
        /// The server's words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file's SQL failed; it left nothing behind.
    #[error("migration `{name}` failed{}", at(*.line))]
    Sql {
        /// The file.
        name: String,
        /// Line of the error, from 1, when the server told.
        line: Option<usize>,
        /// The server's words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file was edited after it had been applied.
    #[error("migration `{0}` was changed after it had been applied: undo the change and add a new file")]
    Changed(String),
}

fn at(line: Option<usize>) -> String {
    line.map(|line| format!(" at line {line}")).unwrap_or_default()
}

/// Applies the migrations of an artifact that its database does not have yet, as loading does. Returns at once
/// when there are none.
///
/// # Errors
/// A file that failed or was changed; those before it stay applied.
pub async fn migrate(config: &Config, artifact: &Artifact) -> Result<(), MigrateError> {
    if artifact.migrations.is_empty() {
        return Ok(());
    }
    let name = artifact.manifest.migration_database().ok_or(MigrateError::NoDatabase)?;
    let database =
        config.databases.get(name).ok_or_else(|| MigrateError::UnknownDatabase(name.to_owned()))?;
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| MigrateError::Connect {
        database: name.to_owned(),
        source,
    };
    let address = Address::parse(database).map_err(|error| failed(error.into()))?.for_use("migrations");
    let Opened { mut client, driver, .. } = address.connect().await.map_err(|error| failed(error.into()))?;
    let driver = tokio::spawn(driver);
    let _ended_with_this = AbortOnDrop::new(&driver);
    let result = apply(&mut client, &artifact.manifest.name, &artifact.migrations).await;
    drop(client);
    // The lock goes with the session: the next runner should not meet it.
    let _late = tokio::time::timeout(address.settings.connect, driver).await;
    result
}

async fn apply(client: &mut Client, service: &str, files: &[Migration]) -> Result<(), MigrateError> {
    let failed = |what| move |e: tokio_postgres::Error| MigrateError::Bookkeeping { what, source: e.into() };
    let lock = format!("set lock_timeout = {}; select pg_advisory_lock({LOCK})", LOCK_TIMEOUT.as_millis());
    client.batch_execute(&lock).await.map_err(failed("lock the migrations"))?;
    client
        .batch_execute(&format!("set client_min_messages = warning; {TABLE}"))
        .await
        .map_err(failed("create the table `wharf_migrations`"))?;
    let rows = client
        .query("select name, checksum from wharf_migrations where service = $1", &[&service])
        .await
        .map_err(failed("read the table `wharf_migrations`"))?;
    let applied: HashMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    for file in files {
        let checksum = hex(&Sha256::digest(&file.sql));
        match applied.get(&file.name) {
            Some(known) if *known == checksum => {}
            Some(_) => return Err(MigrateError::Changed(file.name.clone())),
            None => run(client, service, file, &checksum).await?,
        }
    }
    Ok(())
}

async fn run(
    client: &mut Client,
    service: &str,
    file: &Migration,
    checksum: &str,
) -> Result<(), MigrateError> {
    let failed = |what| move |e: tokio_postgres::Error| MigrateError::Bookkeeping { what, source: e.into() };
    let sql_failed = |source: tokio_postgres::Error| MigrateError::Sql {
        name: file.name.clone(),
        line: line(&source, &file.sql),
        source: source.into(),
    };
    let transaction = client.transaction().await.map_err(failed("begin a migration"))?;
    // Before the file's own SQL, which may change the search path or the role.
    let record = "insert into wharf_migrations (service, name, checksum) values ($1, $2, $3)";
    let recorded = transaction.execute(record, &[&service, &file.name, &checksum]).await;
    recorded.map_err(failed("write to the table `wharf_migrations`"))?;
    transaction.batch_execute(&file.sql).await.map_err(sql_failed)?;
    transaction.commit().await.map_err(sql_failed)?;
    // The next file finds the session as this one did; the lock stays.
    let reset = "set session authorization default; reset all; set client_min_messages = warning";
    client.batch_execute(reset).await.map_err(failed("reset the session"))?;
    tracing::info!(service, migration = %file.name, "applied migration");
    Ok(())
}

/// The line in which the server's error position falls.
fn line(error: &tokio_postgres::Error, sql: &str) -> Option<usize> {
    let tokio_postgres::error::ErrorPosition::Original(position) = error.as_db_error()?.position()? else {
        return None;
    };
    let before = usize::try_from(*position).ok()?.saturating_sub(1);
    Some(1 + sql.chars().take(before).filter(|c| *c == '\n').count())
}
