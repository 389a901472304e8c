//! Which routes were asked and which statements ran, over all tests of a stand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use http::{Method, StatusCode};
use serde::Serialize;
use wharf_host::{Artifact, Observer, Route, SqlError, known_statements};

/// What was asked so far.
#[derive(Debug, Default)]
pub struct Coverage(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// Service and route to how often, and with which statuses.
    routes: BTreeMap<(String, String), (u64, BTreeSet<u16>)>,
    /// Service, database and statement to how often.
    statements: BTreeMap<(String, String, String), u64>,
}

/// What of one service the tests reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceCoverage {
    /// Its name.
    pub service: String,
    /// Each route of its manifest, in its order.
    pub routes: Vec<RouteCoverage>,
    /// Each statement that it says it runs (`sql!`, and `[sql]` in its manifest), in the order of their places.
    pub statements: Vec<StatementCoverage>,
    /// Statements that ran without being known beforehand, and how often.
    pub others: Vec<OtherStatement>,
}

/// A route of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteCoverage {
    /// Host, methods and path, as in `GET /orders/{id}`.
    pub route: String,
    /// How often it was asked.
    pub requests: u64,
    /// The statuses that it answered with.
    pub statuses: Vec<u16>,
}

/// A statement that a service ran and did not say it would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OtherStatement {
    /// As in the grant.
    pub database: String,
    /// Its text.
    pub sql: String,
    /// How often it ran.
    pub runs: u64,
}

/// A statement that a service says it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatementCoverage {
    /// File and line.
    pub place: String,
    /// Its text.
    pub sql: String,
    /// How often it ran.
    pub runs: u64,
}

impl ServiceCoverage {
    /// Routes that were asked, of how many.
    #[must_use]
    pub fn routes_reached(&self) -> (usize, usize) {
        (self.routes.iter().filter(|route| route.requests > 0).count(), self.routes.len())
    }

    /// Statements that ran, of how many.
    #[must_use]
    pub fn statements_reached(&self) -> (usize, usize) {
        (self.statements.iter().filter(|statement| statement.runs > 0).count(), self.statements.len())
    }
}

impl Coverage {
    /// Forgets what was asked so far.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Seen::default();
    }

    /// What of this service was reached so far.
    ///
    /// # Errors
    /// A component whose statements cannot be read.
    pub fn of(&self, artifact: &Artifact) -> Result<ServiceCoverage, SqlError> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let service = &artifact.manifest.name;
        let routes = artifact.manifest.routes.iter().map(|route| {
            let route = name(route);
            let found = seen.routes.get(&(service.clone(), route.clone()));
            let (requests, statuses) = found.cloned().unwrap_or_default();
            RouteCoverage { route, requests, statuses: statuses.into_iter().collect() }
        });
        let first = artifact.manifest.grants.pg.first();
        let mut known = BTreeSet::new();
        let statements = known_statements(artifact)?.into_iter().map(|statement| {
            let database = statement.database.as_ref().or(first).cloned().unwrap_or_default();
            let key = (service.clone(), database, plain(&statement.sql).to_owned());
            let runs = seen.statements.get(&key).copied().unwrap_or_default();
            known.insert(key);
            StatementCoverage { place: statement.place, sql: statement.sql, runs }
        });
        let statements = statements.collect();
        let ran = seen.statements.iter().filter(|(key, _)| key.0 == *service && !known.contains(key));
        let other = |((_, database, sql), runs): (&(String, String, String), &u64)| OtherStatement {
            database: database.clone(),
            sql: sql.clone(),
            runs: *runs,
        };
        let others = ran.map(other).collect();
        Ok(ServiceCoverage { service: service.clone(), routes: routes.collect(), statements, others })
    }
}

impl Observer for Coverage {
    fn answered(&self, service: &str, route: &Route, _method: &Method, status: StatusCode) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (requests, statuses) = seen.routes.entry((service.to_owned(), name(route))).or_default();
        *requests += 1;
        statuses.insert(status.as_u16());
    }

    fn ran(&self, service: &str, database: &str, sql: &str) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (service.to_owned(), database.to_owned(), plain(sql).to_owned());
        *seen.statements.entry(key).or_default() += 1;
    }
}

/// A route as people write it.
fn name(route: &Route) -> String {
    let methods =
        if route.methods.is_empty() { String::new() } else { format!("{} ", route.methods.join(",")) };
    format!("{methods}{}{}", route.host.as_deref().unwrap_or_default(), route.path)
}

/// A statement without what may stand around it in a file.
fn plain(sql: &str) -> &str {
    sql.trim().trim_end_matches(';').trim_end()
}
