//! Contract guest for `wasi:keyvalue`: runs what a JSON command says, so that cases need no code.
//! `../../README.md` is the protocol.

mod bindings;
mod values;

use bindings::wasi::keyvalue::{
    atomics::{self, Cas, CasError},
    batch,
    store::{self, Bucket, Error},
};
use wharf_guest::{
    Request, Response, Result,
    serde_json::{Value, json},
};

/// Why a command has no answer.
enum Failure {
    /// The contract's error: an answer to compare.
    Store(Error),
    /// The command itself is wrong: 400.
    Command(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<String> for Failure {
    fn from(problem: String) -> Self {
        Self::Command(problem)
    }
}

#[wharf_guest::service]
fn handle(request: Request) -> Result<Response> {
    let path = request.path().to_owned();
    let command: Value = request.json()?;
    Ok(match run(&path, &command) {
        Ok(Some(answer)) => Response::json(&answer),
        Ok(None) => Response::text("no such route in the contract guest").status(404),
        Err(Failure::Store(error)) => Response::json(&json!({"error": values::error(&error)})),
        Err(Failure::Command(problem)) => Response::text(problem).status(400),
    })
}

fn run(path: &str, command: &Value) -> Result<Option<Value>, Failure> {
    let bucket = store::open(command.get("bucket").and_then(Value::as_str).unwrap_or("cache"))?;
    Ok(Some(match path {
        "/open" => json!({"opened": true}),
        "/get" => json!({"value": bucket.get(values::key(command)?)?.as_deref().map(values::shown)}),
        "/set" => {
            bucket.set(values::key(command)?, &values::value(command)?)?;
            json!({"stored": true})
        }
        "/delete" => {
            bucket.delete(values::key(command)?)?;
            json!({"deleted": true})
        }
        "/exists" => json!({"exists": bucket.exists(values::key(command)?)?}),
        "/list-keys" => {
            let page = bucket.list_keys(command.get("cursor").and_then(Value::as_str))?;
            json!({"keys": page.keys, "cursor": page.cursor})
        }
        "/increment" => {
            let delta = command.get("delta").and_then(Value::as_i64).unwrap_or(1);
            json!({"sum": atomics::increment(&bucket, values::key(command)?, delta)?})
        }
        "/cas" => cas(&bucket, command)?,
        "/get-many" => {
            let found = batch::get_many(&bucket, &values::keys(command)?)?;
            let pair = |(key, value): (String, Vec<u8>)| json!([key, values::shown(&value)]);
            json!({"entries": found.into_iter().map(|found| found.map(pair)).collect::<Vec<_>>()})
        }
        "/set-many" => {
            let items = values::list(command, "items").iter();
            let items = items.map(|item| Ok((values::key(item)?.to_owned(), values::value(item)?)));
            batch::set_many(&bucket, &items.collect::<Result<Vec<_>, String>>()?)?;
            json!({"stored": true})
        }
        "/delete-many" => {
            batch::delete_many(&bucket, &values::keys(command)?)?;
            json!({"deleted": true})
        }
        _ => return Ok(None),
    }))
}

/// Swaps a value, perhaps after somebody else has set another; tries again with the handle of the failure when told.
fn cas(bucket: &Bucket, command: &Value) -> Result<Value, Failure> {
    let (key, value) = (values::key(command)?, values::value(command)?);
    let handle = Cas::new(bucket, key)?;
    let before = handle.current()?.as_deref().map(values::shown);
    if let Some(meanwhile) = command.get("meanwhile").and_then(Value::as_str) {
        bucket.set(key, meanwhile.as_bytes())?;
    }
    let handle = match atomics::swap(handle, &value) {
        Ok(()) => return Ok(json!({"swapped": true, "before": before})),
        Err(CasError::StoreError(error)) => return Err(error.into()),
        Err(CasError::CasFailed(handle)) => handle,
    };
    let current = handle.current()?.as_deref().map(values::shown);
    if command.get("again").and_then(Value::as_bool) != Some(true) {
        return Ok(json!({"failed": true, "before": before, "current": current}));
    }
    match atomics::swap(handle, &value) {
        Ok(()) => Ok(json!({"failed": true, "before": before, "current": current, "swapped": true})),
        Err(CasError::StoreError(error)) => Err(error.into()),
        Err(CasError::CasFailed(_)) => Ok(json!({"failed": true, "before": before, "current": current})),
    }
}
