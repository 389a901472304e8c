//! Several statements in one round trip.

use super::ToPg;
use crate::bindings::wharf::platform::pg_client::Statement;

/// Statements that run in order in one transaction: all or none.
///
/// ```no_run
/// # use wharf_guest::{PgClient, Result, pg::Pipeline};
/// # fn main() -> Result<()> {
/// let statements = Pipeline::new()
///     .add("insert into visits (page) values ($1)", &[&"/"])
///     .add("select count(*) from visits", &[]);
/// let results = PgClient::open("main")?.pipeline(statements)?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Pipeline(Vec<Statement>);

impl Pipeline {
    /// No statements yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more statement.
    #[must_use]
    pub fn add(mut self, sql: impl Into<String>, params: &[&dyn ToPg]) -> Self {
        self.push(sql, params);
        self
    }

    /// Adds a statement.
    pub fn push(&mut self, sql: impl Into<String>, params: &[&dyn ToPg]) {
        self.0
            .push(Statement { sql: sql.into(), params: params.iter().map(|param| param.to_pg()).collect() });
    }

    pub(super) fn statements(&self) -> &[Statement] {
        &self.0
    }
}
