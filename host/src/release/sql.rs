//! SQL that a release says it will run, prepared against its databases before it is published.
//!
//! Statements come from two places: the custom section `wharf:sql` of the component's modules, one JSON
//! object a line (the `sql!` macro of `wharf-guest` writes it), and files that the manifest names.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use tokio_postgres::Client;
use tokio_postgres::error::{DbError, ErrorPosition, Severity};
use wasmparser::{Parser, Payload};

use crate::config::Config;
use crate::database::{AbortOnDrop, Address, Opened};
use crate::request::provide::parameter_misfit;
use crate::sql_text::split;

use super::Artifact;

/// The section's name.
const SECTION: &str = "wharf:sql";
/// Statements of one release.
const MOST_STATEMENTS: usize = 10_000;
/// Failures that are shown.
const MOST_SHOWN: usize = 20;
/// How long all statements of one database may take, besides connecting.
const CHECK: Duration = Duration::from_secs(30);

/// A file with SQL statements, each ended by a semicolon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementFile {
    /// As in the manifest.
    pub name: String,
    /// The file's text.
    pub sql: String,
}

/// A statement, as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Found {
    /// None for the first granted database.
    #[serde(default)]
    database: Option<String>,
    sql: String,
    /// Names of the contract's cases, `any` where the author said nothing; none for statements of a file.
    #[serde(default)]
    params: Option<Vec<String>>,
    file: String,
    line: usize,
}

/// Why a release's SQL was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The section is not what `sql!` writes.
    #[error("the section `{SECTION}` of the component is not valid")]
    Section(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More than anyone writes.
    #[error("the release has {0} statements; at most {MOST_STATEMENTS} are taken")]
    TooMany(usize),
    /// A statement for a database that the manifest does not grant.
    #[error("{place} is for database `{database}`, which `grants.pg` does not list")]
    NotGranted {
        /// File and line.
        place: String,
        /// As in the statement; empty when `grants.pg` is.
        database: String,
    },
    /// The host does not know the database.
    #[error("database `{0}` is not configured")]
    UnknownDatabase(String),
    /// The server could not be asked.
    #[error("failed to ask database `{database}`")]
    Connect {
        /// As in the grant.
        database: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Statements that would fail.
    #[error("{}", list(.database, *.checked, .failures))]
    Statements {
        /// As in the grant.
        database: String,
        /// How many statements there are for it.
        checked: usize,
        /// What is wrong with which.
        failures: Vec<SqlFailure>,
    },
}

/// A statement that would fail when it runs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct SqlFailure {
    /// File and line of the source.
    pub place: String,
    /// The statement.
    pub sql: String,
    /// PostgreSQL's own words, or which parameter does not fit.
    pub message: String,
    /// Five characters, when the server refused it.
    pub sqlstate: Option<String>,
    /// Character in the statement, from 1.
    pub position: Option<usize>,
    /// PostgreSQL's advice.
    pub hint: Option<String>,
}

/// How many statements were found good, by database.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct SqlReport {
    /// Statements by the name of their database.
    pub checked: BTreeMap<String, usize>,
}

fn list(database: &str, checked: usize, failures: &[SqlFailure]) -> String {
    let mut text = format!("{} of {checked} statements would fail in database `{database}`:", failures.len());
    for failure in failures.iter().take(MOST_SHOWN) {
        text.push_str(&format!("\n{failure}"));
    }
    if failures.len() > MOST_SHOWN {
        text.push_str(&format!("\n  and {} more", failures.len() - MOST_SHOWN));
    }
    text
}

impl fmt::Display for SqlFailure {
    /// Place and message, the line of the statement, and a mark below the place that the server names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}: {}", self.place, self.message)?;
        let before = self.position.unwrap_or(1).saturating_sub(1);
        let (mut column, mut shown) = (before, "");
        // Not `lines`, which takes a carriage return away that the server counts.
        for line in self.sql.split('\n') {
            let length = line.chars().count();
            shown = line;
            if column <= length {
                break;
            }
            column -= length + 1;
        }
        let indent = shown.chars().take_while(|c| c.is_whitespace()).count();
        write!(f, "\n    {}", shown.trim())?;
        if self.position.is_some() {
            write!(f, "\n    {:>1$}", "^", column.saturating_sub(indent) + 1)?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n    hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// A statement that an artifact says it will run.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct KnownStatement {
    /// As in the grant; none for the first granted database.
    pub database: Option<String>,
    /// Its text.
    pub sql: String,
    /// File and line of the source.
    pub place: String,
}

/// The statements of an artifact: those of `sql!`, then those of the files that its manifest names.
///
/// # Errors
/// A section that is not what `sql!` writes, or more statements than are taken.
pub fn known_statements(artifact: &Artifact) -> Result<Vec<KnownStatement>, SqlError> {
    let known =
        |found: Found| KnownStatement { place: found.place(), database: found.database, sql: found.sql };
    Ok(found(artifact)?.into_iter().map(known).collect())
}

/// Prepares every statement of an artifact, without running any. Connects only where there is something to ask.
///
/// # Errors
/// All statements of one database that would fail, or why they could not be checked.
pub async fn check_sql(config: &Config, artifact: &Artifact) -> Result<SqlReport, SqlError> {
    let mut by_database: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    for statement in found(artifact)? {
        let granted = &artifact.manifest.grants.pg;
        let named = statement.database.as_ref().or_else(|| granted.first());
        match named.filter(|name| granted.contains(name)) {
            Some(name) => by_database.entry(name.clone()).or_default().push(statement),
            None => {
                let database = named.cloned().unwrap_or_default();
                return Err(SqlError::NotGranted { place: statement.place(), database });
            }
        }
    }
    let mut report = SqlReport::default();
    for (name, statements) in by_database {
        let database = config.databases.get(&name).ok_or_else(|| SqlError::UnknownDatabase(name.clone()))?;
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| SqlError::Connect {
            database: name.clone(),
            source,
        };
        let address = Address::parse(database).map_err(|error| failed(error.into()))?.for_use("check");
        let Opened { client, driver, .. } = address.connect().await.map_err(|error| failed(error.into()))?;
        let _ended_with_this = AbortOnDrop::new(&tokio::spawn(driver));
        let asked = tokio::time::timeout(CHECK, ask(&client, &statements)).await;
        let failures = asked.map_err(|late| failed(late.into()))?.map_err(|error| failed(error.into()))?;
        if !failures.is_empty() {
            return Err(SqlError::Statements { database: name, checked: statements.len(), failures });
        }
        report.checked.insert(name, statements.len());
    }
    Ok(report)
}

async fn ask(client: &Client, statements: &[Found]) -> Result<Vec<SqlFailure>, tokio_postgres::Error> {
    let mut failures = Vec::new();
    for statement in statements {
        match client.prepare(&statement.sql).await {
            Ok(prepared) => failures.extend(statement.misfit(prepared.params())),
            Err(error) => failures.push(statement.refused(error)?),
        }
    }
    Ok(failures)
}

impl Found {
    fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    fn failure(&self, message: String) -> SqlFailure {
        SqlFailure {
            place: self.place(),
            sql: self.sql.clone(),
            message,
            sqlstate: None,
            position: None,
            hint: None,
        }
    }

    /// What the server said; an error that is not about the statement is handed on.
    fn refused(&self, error: tokio_postgres::Error) -> Result<SqlFailure, tokio_postgres::Error> {
        let of_statement =
            |db: &&DbError| !matches!(db.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
        let Some(db) = error.as_db_error().filter(of_statement) else { return Err(error) };
        let position = match db.position() {
            Some(ErrorPosition::Original(position)) => usize::try_from(*position).ok(),
            _ => None,
        };
        Ok(SqlFailure {
            sqlstate: Some(db.code().code().to_owned()),
            position,
            hint: db.hint().map(str::to_owned),
            ..self.failure(db.message().to_owned())
        })
    }

    /// The first parameter that is not what the server expects.
    fn misfit(&self, types: &[tokio_postgres::types::Type]) -> Option<SqlFailure> {
        let params = self.params.as_ref()?;
        if params.len() != types.len() {
            let message =
                format!("the statement has {} parameters, but {} are given", types.len(), params.len());
            return Some(self.failure(message));
        }
        let misfit = params.iter().zip(types).enumerate().find_map(|(index, (given, expected))| {
            let why = parameter_misfit(given, expected)?;
            Some(format!("parameter ${} is of type {}: {why}", index + 1, expected.name()))
        });
        misfit.map(|message| self.failure(message))
    }
}

/// All statements of an artifact.
fn found(artifact: &Artifact) -> Result<Vec<Found>, SqlError> {
    let mut all = Vec::new();
    for payload in Parser::new(0).parse_all(&artifact.component) {
        let Payload::CustomSection(section) = payload.map_err(|error| SqlError::Section(error.into()))?
        else {
            continue;
        };
        if section.name() != SECTION {
            continue;
        }
        let text = std::str::from_utf8(section.data()).map_err(|error| SqlError::Section(error.into()))?;
        for line in text.lines().filter(|line| !line.is_empty()) {
            all.push(serde_json::from_str(line).map_err(|error| SqlError::Section(error.into()))?);
        }
    }
    let database = artifact.manifest.sql.as_ref().and_then(|sql| sql.database.clone());
    for file in &artifact.statements {
        all.extend(split(&file.sql).into_iter().map(|(line, sql)| Found {
            database: database.clone(),
            sql: sql.to_owned(),
            params: None,
            file: file.name.clone(),
            line,
        }));
    }
    if all.len() > MOST_STATEMENTS {
        return Err(SqlError::TooMany(all.len()));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::SqlFailure;

    #[test]
    fn a_failure_shows_where_it_is() {
        let failure = SqlFailure {
            place: "src/lib.rs:7".into(),
            sql: "select id,\n  titel\nfrom posts".into(),
            message: "column \"titel\" does not exist".into(),
            sqlstate: Some("42703".into()),
            position: Some(14),
            hint: None,
        };
        let shown = "  src/lib.rs:7: column \"titel\" does not exist\n    titel\n    ^";
        assert_eq!(failure.to_string(), shown);
    }
}
