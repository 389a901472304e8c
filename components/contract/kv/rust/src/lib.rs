//! Contract guest for `kv`: runs what a JSON command says, so that cases need no code.
//! `../../README.md` is the protocol.

mod values;

use wharf_guest::{
    Request, Response, Result,
    bindings::wharf::platform::kv::{Bucket, Error, IncrementItem, ScanOptions},
    serde_json::{Value, json},
};

/// Why a command has no answer.
enum Failure {
    /// The contract's error: an answer to compare.
    Bucket(Error),
    /// The command itself is wrong: 400.
    Command(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Bucket(error)
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
        Err(Failure::Bucket(error)) => Response::json(&json!({"error": values::error(&error)})),
        Err(Failure::Command(problem)) => Response::text(problem).status(400),
    })
}

fn run(path: &str, command: &Value) -> Result<Option<Value>, Failure> {
    let bucket = Bucket::open(command.get("bucket").and_then(Value::as_str).unwrap_or("cache"))?;
    Ok(Some(match path {
        "/open" => json!({"opened": true}),
        "/features" => json!({"features": values::features(bucket.features())}),
        "/get" => json!({"entry": bucket.get(values::key(command)?)?.as_ref().map(values::entry)}),
        "/get-many" => {
            let entries = bucket.get_many(&values::keys(command)?)?;
            json!({"entries": entries.iter().map(|entry| entry.as_ref().map(values::entry)).collect::<Vec<_>>()})
        }
        "/put" => json!({"version": bucket.put(&values::put_item(command)?, values::condition(command)?)?}),
        "/put-many" => {
            let items = values::list(command, "items").iter().map(values::put_item);
            bucket.put_many(&items.collect::<Result<Vec<_>, _>>()?)?;
            json!({"stored": true})
        }
        "/delete" => json!({"deleted": bucket.delete(values::key(command)?, values::condition(command)?)?}),
        "/increment" => {
            let item = IncrementItem { key: values::key(command)?.to_owned(), delta: values::delta(command) };
            let initial = command.get("initial").and_then(Value::as_i64).unwrap_or(0);
            json!({"sum": bucket.increment(&item, initial, values::ttl(command))?})
        }
        "/scan" => {
            let page = bucket.scan(&scan_options(command))?;
            let entries = page.entries.iter().map(|(key, entry)| json!([key, values::entry(entry)]));
            json!({"entries": entries.collect::<Vec<_>>(), "next": page.next})
        }
        "/transact" => {
            let checks =
                values::list(command, "checks").iter().map(values::check).collect::<Result<Vec<_>, _>>()?;
            let mutations = values::list(command, "mutations").iter().map(values::mutation);
            json!({"version": bucket.transact(&checks, &mutations.collect::<Result<Vec<_>, _>>()?)?})
        }
        _ => return Ok(None),
    }))
}

fn scan_options(command: &Value) -> ScanOptions {
    let text = |name| command.get(name).and_then(Value::as_str).map(str::to_owned);
    let flag = |name| command.get(name).and_then(Value::as_bool).unwrap_or(false);
    let limit = command.get("limit").and_then(Value::as_u64).unwrap_or(100);
    ScanOptions {
        prefix: text("prefix").unwrap_or_default(),
        start: text("start"),
        end: text("end"),
        reverse: flag("reverse"),
        keys_only: flag("keys_only"),
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        cursor: text("cursor"),
    }
}
