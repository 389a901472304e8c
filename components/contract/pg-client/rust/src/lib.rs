//! Contract guest for `pg-client`: runs what a JSON command says, so that cases need no code.
//! `../../README.md` is the protocol.

mod copy;
mod raw;
mod retry;
mod run;
mod steps;
mod values;

use wharf_guest::{
    Request, Response, Result,
    serde_json::{Value, json},
};

#[wharf_guest::service]
fn handle(request: Request) -> Result<Response> {
    let path = request.path().to_owned();
    let command: Value = request.json()?;
    let answer = match path.as_str() {
        "/query" => run::query(&command),
        "/execute" => run::execute(&command),
        "/pipeline" => run::pipeline(&command),
        "/prepare" => run::prepare(&command),
        "/cursor" => run::cursor(&command),
        "/query-raw" => raw::query(&command),
        "/pipeline-raw" => raw::pipeline(&command),
        "/cursor-raw" => raw::cursor(&command),
        "/copy-in" => copy::copy_in(&command),
        "/copy-out" => copy::copy_out(&command),
        "/notify" => run::notify(&command),
        "/open" => run::open(&command).map(|_| json!({"opened": true})),
        "/retry" => retry::retry(&command),
        "/transaction" => steps::transaction(&command),
        _ => return Ok(Response::text("no such route in the contract guest").status(404)),
    };
    Ok(match answer {
        Ok(answer) => Response::json(&answer),
        Err(run::Failure::Database(error)) => Response::json(&json!({"error": values::error(&error)})),
        Err(run::Failure::Command(problem)) => Response::text(problem).status(400),
    })
}
