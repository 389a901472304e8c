//! Where each granted database is: `--database`, `WHARF_DATABASE_<NAME>`, or (in development) a private
//! PostgreSQL.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wharf_host::DatabaseConfig;
use wharf_postgres::PrivatePostgres;

use crate::output;

/// Addresses by name.
pub(crate) type Databases = BTreeMap<String, String>;

/// One `--database NAME=URL`.
pub(crate) fn parse(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, url)) if !name.is_empty() && !url.is_empty() => Ok((name.to_owned(), url.to_owned())),
        _ => Err("expected NAME=URL, as in main=postgresql://user@localhost/app".to_owned()),
    }
}

/// The addresses that were given, on the command line or else in the environment, and the granted names
/// that have none.
pub(crate) fn given<'a>(
    granted: impl Iterator<Item = &'a String>,
    flags: &[(String, String)],
) -> (Databases, Vec<String>) {
    let mut databases: Databases = flags.iter().cloned().collect();
    let mut missing = Vec::new();
    for name in granted {
        if databases.contains_key(name) || missing.contains(name) {
            continue;
        }
        match std::env::var(variable(name)) {
            Ok(url) => {
                databases.insert(name.clone(), url);
            }
            Err(_) => missing.push(name.clone()),
        }
    }
    (databases, missing)
}

/// All addresses, or an error that names those that are missing.
pub(crate) fn all_given<'a>(
    granted: impl Iterator<Item = &'a String>,
    flags: &[(String, String)],
) -> Result<Databases> {
    let (databases, missing) = given(granted, flags);
    if let Some(name) = missing.first() {
        let variable = variable(name);
        bail!(
            "no address for database `{name}`, which a service is granted: pass `--database {name}=URL` or set {variable}"
        );
    }
    Ok(databases)
}

/// All addresses that anybody gave, for services that come later: WHARF_DATABASE_ORDER_BOOK is `order-book`.
pub(crate) fn all_known(flags: &[(String, String)]) -> Databases {
    let variables = std::env::vars().filter_map(|(key, url)| {
        let name = key.strip_prefix("WHARF_DATABASE_")?.to_ascii_lowercase().replace('_', "-");
        Some((name, url))
    });
    variables.chain(flags.iter().cloned()).collect()
}

/// `order-book` is `WHARF_DATABASE_ORDER_BOOK` in the environment.
fn variable(name: &str) -> String {
    format!("WHARF_DATABASE_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// Connects to each once: an address that is wrong shows now rather than at the first request.
pub(crate) async fn reach(databases: &Databases) -> Result<()> {
    for (name, url) in databases {
        let reached = DatabaseConfig::new(url.as_str()).reach().await;
        // The address may hold a password: it is not repeated here.
        reached.with_context(|| {
            format!("failed to connect to database `{name}`: is the server up, and its address right?")
        })?;
    }
    Ok(())
}

/// Starts the private server of a project, with one database for each name. Without a server on this machine
/// that is said once, and everything that needs no database still works.
pub(crate) async fn private(root: &Path, names: &[String]) -> Result<Option<(PrivatePostgres, Databases)>> {
    if names.is_empty() {
        return Ok(None);
    }
    let postgres = match PrivatePostgres::start(&root.join(".wharf/postgres")).await {
        Ok(postgres) => postgres,
        Err(error @ wharf_postgres::Error::NoBinaries { .. }) => {
            output::warning(error);
            output::note("  what needs no database works; or pass --database NAME=URL");
            return Ok(None);
        }
        Err(error) => return Err(error).context("failed to start the private PostgreSQL"),
    };
    if let Some(asked) = postgres.moved_from() {
        let (asked, used) = (asked.display(), postgres.folder().display());
        output::note(format!("PostgreSQL's data is in {used}: its account cannot reach {asked}"));
    }
    let mut databases = Databases::new();
    for name in names {
        postgres.create_database(name).await?;
        databases.insert(name.clone(), postgres.connection_url(name));
    }
    Ok(Some((postgres, databases)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_flag_is_a_name_and_a_url() {
        assert_eq!(parse("main=postgres://h/d?a=b").unwrap(), ("main".into(), "postgres://h/d?a=b".into()));
        for wrong in ["main", "=postgres://h/d", "main="] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_has_one_variable() {
        assert_eq!(variable("order-book"), "WHARF_DATABASE_ORDER_BOOK");
    }
}
