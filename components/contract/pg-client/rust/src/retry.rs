//! A transaction that runs again after a collision, through the wrapper that services use.

use crate::run::{Answer, Failure};
use std::cell::Cell;
use wharf_guest::{
    Error, ErrorKind, PgClient,
    pg::{Isolation, Retry, TransactionOptions},
    serde_json::{Value, json},
};

/// Runs `sql`, a list, in a serializable transaction.
pub(crate) fn retry(command: &Value) -> Answer {
    let list = command.get("sql").and_then(Value::as_array).ok_or_else(|| "`sql` is missing".to_owned())?;
    let attempts = command.get("attempts").and_then(Value::as_u64).unwrap_or(5);
    let tried = Cell::new(0);
    let run = || {
        let options = TransactionOptions::new().isolation(Isolation::Serializable);
        let attempts = Retry::attempts(u32::try_from(attempts).unwrap_or(u32::MAX));
        PgClient::open("main")?.transaction_retry(options, attempts, |tx| {
            tried.set(tried.get() + 1);
            list.iter().filter_map(Value::as_str).try_for_each(|sql| tx.execute(sql, &[]).map(drop))
        })
    };
    run().map_err(|error| failure(&error))?;
    Ok(json!({"attempts": tried.get()}))
}

fn failure(error: &Error) -> Failure {
    match error.kind() {
        ErrorKind::Pg(error) => Failure::Database(Box::new(error.clone())),
        other => Failure::Command(format!("{other:?}")),
    }
}
