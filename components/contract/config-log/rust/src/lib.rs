//! Contract guest for `config` and `log`, by the contract's own functions and by the crates `log` and
//! `tracing`; `../../README.md` lists what it answers.

use wharf_guest::{
    Request, Response, Result,
    bindings::wharf::platform::{
        config,
        log::{Level, log},
    },
    log as log_crate,
    serde_json::{Value, json},
};

const LEVELS: [(&str, Level); 5] = [
    ("trace", Level::Trace),
    ("debug", Level::Debug),
    ("info", Level::Info),
    ("warn", Level::Warn),
    ("error", Level::Error),
];

#[wharf_guest::service]
fn handle(request: Request) -> Result<Response> {
    Ok(match request.path() {
        "/config" => {
            let key = request.query_param("key").unwrap_or_default();
            Response::json(&json!({"key": key, "value": config::get(&key)}))
        }
        "/log" => write(&request.json()?),
        "/log/levels" => every_level(),
        "/log/flood" => flood(&request),
        "/log/crate" => {
            log_crate::warn!(user = 7, plan = "free"; "from the log crate");
            logged()
        }
        "/log/tracing" => {
            tracing::info_span!("around", order = 9).in_scope(|| tracing::error!(user = 7, "from tracing"));
            logged()
        }
        "/log/panic" => explode(),
        _ => Response::text("no such route in the contract guest").status(404),
    })
}

fn logged() -> Response {
    Response::json(&json!({"logged": true}))
}

/// `{"level": "info", "message": "...", "fields": [["name", "value"]]}`
fn write(line: &Value) -> Response {
    let level = line.get("level").and_then(Value::as_str).unwrap_or("info");
    let Some((_, level)) = LEVELS.into_iter().find(|(name, _)| *name == level) else {
        return Response::text("no such level").status(400);
    };
    let message = line.get("message").and_then(Value::as_str).unwrap_or_default();
    let fields: Vec<_> =
        line.get("fields").and_then(Value::as_array).into_iter().flatten().filter_map(field).collect();
    log(level, message, &fields);
    logged()
}

fn field(pair: &Value) -> Option<(String, String)> {
    Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_str()?.to_owned()))
}

fn every_level() -> Response {
    for (name, level) in LEVELS {
        log(level, "a line at every level", &[("level".to_owned(), name.to_owned())]);
    }
    logged()
}

/// `/log/flood?n=1000&size=100`
fn flood(request: &Request) -> Response {
    let number = |name| request.query_param(name).and_then(|text| text.parse().ok());
    let message = "x".repeat(number("size").unwrap_or(100));
    for _ in 0..number("n").unwrap_or(1000) {
        log(Level::Info, &message, &[]);
    }
    logged()
}

#[expect(clippy::panic, reason = "that is what this route is for")]
fn explode() -> Response {
    panic!("asked to panic here")
}
