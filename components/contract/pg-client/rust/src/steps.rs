//! Transactions, step by step: a stack of a transaction and its savepoints.

use crate::{
    copy, raw,
    run::{Answer, Failure, drain, open, statement, statements},
    values,
};
use wharf_guest::{
    bindings::wharf::platform::pg_client::{Database, Isolation, Transaction, TransactionOptions},
    serde_json::{Value, json},
};

/// Runs the `steps`; each answers with its own result or error, and the next one runs all the same.
/// What is still open at the end is dropped, innermost first.
pub(crate) fn transaction(command: &Value) -> Answer {
    let database = open(command)?;
    let mut stack = Stack { open: vec![database.begin(options(command)?)?], database };
    let steps =
        command.get("steps").and_then(Value::as_array).ok_or_else(|| "`steps` is missing".to_owned())?;
    let mut results = Vec::new();
    for step in steps {
        results.push(match stack.run(step) {
            Ok(answer) => answer,
            Err(Failure::Database(error)) => json!({"error": values::error(&error)}),
            Err(problem) => return Err(problem),
        });
    }
    while stack.open.pop().is_some() {}
    Ok(json!({"results": results}))
}

fn options(command: &Value) -> Result<TransactionOptions, Failure> {
    let flag = |name| command.get(name).and_then(Value::as_bool).unwrap_or(false);
    let timeout = command.get("transaction_timeout_ms").and_then(Value::as_u64);
    Ok(TransactionOptions {
        isolation: match command.get("isolation").and_then(Value::as_str) {
            None | Some("server-default") => Isolation::ServerDefault,
            Some("read-committed") => Isolation::ReadCommitted,
            Some("repeatable-read") => Isolation::RepeatableRead,
            Some("serializable") => Isolation::Serializable,
            Some(other) => return Err(format!("no isolation level `{other}`").into()),
        },
        read_only: flag("read_only"),
        deferrable: flag("deferrable"),
        timeout_ms: timeout.map(|timeout| u32::try_from(timeout).unwrap_or(u32::MAX)),
    })
}

struct Stack {
    /// Outermost first. Before the database: fields are dropped in this order.
    open: Vec<Transaction>,
    database: Database,
}

impl Stack {
    fn run(&mut self, step: &Value) -> Answer {
        match step.get("op").and_then(Value::as_str).unwrap_or_default() {
            "query" => {
                let (sql, params) = statement(step)?;
                Ok(values::row_set(&self.at(step)?.query(sql, &params)?))
            }
            "execute" => {
                let (sql, params) = statement(step)?;
                Ok(json!({"affected": self.at(step)?.execute(sql, &params)?}))
            }
            "pipeline" => {
                let results = self.at(step)?.pipeline(&statements(step)?)?;
                Ok(json!({"results": results.iter().map(values::row_set).collect::<Vec<_>>()}))
            }
            "cursor" => {
                let (sql, params) = statement(step)?;
                drain(&self.at(step)?.cursor(sql, &params)?, step)
            }
            "query-raw" => {
                let (sql, params) = statement(step)?;
                raw::row_set(&self.at(step)?.query_raw(sql, &params)?)
            }
            "pipeline-raw" => raw::row_sets(&self.at(step)?.pipeline_raw(&statements(step)?)?),
            "cursor-raw" => {
                let (sql, params) = statement(step)?;
                raw::drain(&self.at(step)?.cursor(sql, &params)?, step)
            }
            "copy-in" => copy::feed(self.at(step)?.copy_in(copy::sql(step)?)?, step),
            "copy-out" => copy::drain(&self.at(step)?.copy_out(copy::sql(step)?)?, step),
            "outside" => {
                let (sql, params) = statement(step)?;
                Ok(values::row_set(&self.database.query(sql, &params)?))
            }
            "savepoint" => {
                let savepoint = self.at(step)?.savepoint()?;
                self.open.push(savepoint);
                Ok(json!({"opened": self.open.len()}))
            }
            "commit" => Ok(json!({"committed": self.at(step)?.commit().map(|()| true)?})),
            "rollback" => Ok(json!({"rolled_back": self.at(step)?.rollback().map(|()| true)?})),
            "drop" => self.take(step).map(|_| json!({"dropped": true})),
            "leak" => self.leak(step),
            "trap" => trap(),
            "loop" => spin(),
            other => Err(format!("no step `{other}`").into()),
        }
    }

    /// The transaction at `depth` (0 is the outermost), by default the innermost.
    fn at(&self, step: &Value) -> Result<&Transaction, Failure> {
        let depth = self.depth(step);
        self.open.get(depth).ok_or_else(|| format!("nothing is open at depth {depth}").into())
    }

    fn depth(&self, step: &Value) -> usize {
        let asked = step.get("depth").and_then(Value::as_u64).and_then(|depth| usize::try_from(depth).ok());
        asked.unwrap_or_else(|| self.open.len().saturating_sub(1))
    }

    fn take(&mut self, step: &Value) -> Result<Transaction, Failure> {
        let depth = self.depth(step);
        if depth >= self.open.len() {
            return Err(format!("nothing is open at depth {depth}").into());
        }
        Ok(self.open.remove(depth))
    }

    /// Forgets the handle: what a garbage-collected guest does that ends before its collector runs.
    #[expect(clippy::mem_forget, reason = "that is what this step is for")]
    fn leak(&mut self, step: &Value) -> Answer {
        std::mem::forget(self.take(step)?);
        Ok(json!({"leaked": true}))
    }
}

#[expect(clippy::panic, reason = "that is what this step is for")]
fn trap() -> Answer {
    panic!("asked to trap here")
}

/// Burns CPU until the host has had enough.
fn spin() -> Answer {
    let mut rounds = 0_u64;
    loop {
        rounds = std::hint::black_box(rounds.wrapping_add(1));
    }
}
