//! The pool of connections, and the migrations that a database is brought up to date with.

use std::time::Duration;

use anyhow::{Context, Result};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio_postgres::NoTls;

/// Connections, at most: as many as a Wharf service has.
const CONNECTIONS: usize = 16;
/// How long a request waits for a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// By name, in their order. They are the example's own.
const MIGRATIONS: [(&str, &str); 1] =
    [("0001_entries", include_str!("../../../../components/examples/guestbook/migrations/0001_entries.sql"))];

/// A pool that connects when it is first asked.
///
/// # Errors
/// When it is no URL of a database.
pub fn connect(url: &str) -> Result<Pool> {
    let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(url.parse().context("the database's URL is none")?, NoTls, config);
    let timeouts = Timeouts { wait: Some(PATIENCE), create: Some(PATIENCE), recycle: Some(PATIENCE) };
    Ok(Pool::builder(manager).max_size(CONNECTIONS).timeouts(timeouts).runtime(Runtime::Tokio1).build()?)
}

/// Applies what is missing, all of it or none.
///
/// # Errors
/// When the database cannot be reached, or refuses.
pub async fn migrate(pool: &Pool) -> Result<()> {
    let mut client = pool.get().await?;
    let tx = client.transaction().await?;
    // Two servers that start together take turns.
    tx.batch_execute(
        "select pg_advisory_xact_lock(hashtext('guestbook'));
         create table if not exists migrations (name text primary key, applied_at timestamptz not null default now())",
    )
    .await?;
    for (name, sql) in MIGRATIONS {
        let new =
            tx.execute("insert into migrations (name) values ($1) on conflict do nothing", &[&name]).await?;
        if new == 1 {
            tx.batch_execute(sql).await.with_context(|| format!("`{name}` failed"))?;
        }
    }
    Ok(tx.commit().await?)
}
