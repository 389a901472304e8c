//! Calls on a database.

use crate::values;
use wharf_guest::{
    bindings::wharf::platform::pg_client::{Cursor, Database, Error, PgValue, Statement},
    serde_json::{Value, json},
};

/// Why a command has no answer.
pub(crate) enum Failure {
    /// The contract's error: an answer to compare.
    Database(Box<Error>),
    /// The command itself is wrong: 400.
    Command(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Database(Box::new(error))
    }
}

impl From<String> for Failure {
    fn from(problem: String) -> Self {
        Self::Command(problem)
    }
}

pub(crate) type Answer = Result<Value, Failure>;

/// Opens `database` (default "main") with `timeout_ms`, if there is one.
pub(crate) fn open(command: &Value) -> Result<Database, Failure> {
    let database = Database::open(command.get("database").and_then(Value::as_str).unwrap_or("main"))?;
    if let Some(timeout) = command.get("timeout_ms").and_then(Value::as_u64) {
        database.set_timeout(u32::try_from(timeout).unwrap_or(u32::MAX));
    }
    Ok(database)
}

/// The statement's text and parameters.
pub(crate) fn statement(command: &Value) -> Result<(&str, Vec<PgValue>), Failure> {
    let sql = command.get("sql").and_then(Value::as_str).ok_or_else(|| "`sql` is missing".to_owned())?;
    Ok((sql, values::parse_all(command.get("params"))?))
}

pub(crate) fn statements(command: &Value) -> Result<Vec<Statement>, Failure> {
    let list = command
        .get("statements")
        .and_then(Value::as_array)
        .ok_or_else(|| "`statements` is missing".to_owned())?;
    list.iter()
        .map(|item| statement(item).map(|(sql, params)| Statement { sql: sql.to_owned(), params }))
        .collect()
}

pub(crate) fn query(command: &Value) -> Answer {
    let (sql, params) = statement(command)?;
    Ok(values::row_set(&open(command)?.query(sql, &params)?))
}

pub(crate) fn execute(command: &Value) -> Answer {
    let (sql, params) = statement(command)?;
    Ok(json!({"affected": open(command)?.execute(sql, &params)?}))
}

pub(crate) fn pipeline(command: &Value) -> Answer {
    let results = open(command)?.pipeline(&statements(command)?)?;
    Ok(json!({"results": results.iter().map(values::row_set).collect::<Vec<_>>()}))
}

pub(crate) fn prepare(command: &Value) -> Answer {
    let (sql, _) = statement(command)?;
    let info = open(command)?.prepare(sql)?;
    Ok(json!({"params": info.params, "columns": values::columns(&info.columns)}))
}

pub(crate) fn notify(command: &Value) -> Answer {
    let text = |name| command.get(name).and_then(Value::as_str).unwrap_or_default();
    open(command)?.notify(text("channel"), text("payload"))?;
    Ok(json!({"notified": true}))
}

pub(crate) fn cursor(command: &Value) -> Answer {
    let (sql, params) = statement(command)?;
    drain(&open(command)?.cursor(sql, &params)?, command)
}

/// Reads a cursor in batches.
pub(crate) fn drain(cursor: &Cursor, command: &Value) -> Answer {
    let mut rows = Vec::new();
    let batches = batches(command, |most| {
        let batch = cursor.next(most)?;
        rows.extend(batch.iter().map(|row| values::row(row)));
        Ok(batch.len())
    })?;
    Ok(json!({"columns": values::columns(&cursor.columns()), "batches": batches, "rows": rows}))
}

/// Calls `next` for `batch` rows at a time (default 100), until it has none or was called `batches` times, and
/// tells how many rows it had each time.
pub(crate) fn batches(
    command: &Value,
    mut next: impl FnMut(u32) -> Result<usize, Failure>,
) -> Result<Vec<usize>, Failure> {
    let size = command.get("batch").and_then(Value::as_u64).unwrap_or(100);
    let size = u32::try_from(size).unwrap_or(u32::MAX);
    let most = command.get("batches").and_then(Value::as_u64).unwrap_or(u64::MAX);
    let mut batches = Vec::new();
    while (batches.len() as u64) < most && batches.last() != Some(&0) {
        batches.push(next(size)?);
    }
    Ok(batches)
}
