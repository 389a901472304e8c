//! Contract guest for `pg-listener`: writes down what it is called with, and fails when it is told to.
//! `../../README.md` is the protocol.

use wharf_guest::{
    ErrorKind, Kv, PgClient, Request, Response, Result,
    pg::{Listener, Notification},
    serde_json::{Value, json},
};

/// The channel of the manifest.
const CHANNEL: &str = "contract_events";

struct Events;

#[wharf_guest::listener]
impl Listener for Events {
    fn on_notify(notification: Notification) -> Result<()> {
        let Notification { database, channel, payload, sender } = notification;
        record(&json!({"database": database, "channel": channel, "payload": payload, "sender": sender > 0}))?;
        match payload.as_str() {
            "error" => Err(ErrorKind::Value("asked to fail here".to_owned()).into()),
            "trap" => trap(),
            "loop" => spin(),
            _ => Ok(()),
        }
    }

    fn on_listening(database: &str, missed: bool) -> Result<()> {
        record(&json!({"database": database, "missed": missed}))
    }
}

#[wharf_guest::service]
fn handle(request: Request) -> Result<Response> {
    match (request.method(), request.path()) {
        ("GET", "/events") => events(),
        ("POST", "/notify") => notify(&request.json()?),
        _ => Ok(Response::text("no such route in the contract guest").status(404)),
    }
}

/// Adds an event behind the others. Keys sort as text, so their numbers have leading zeros.
fn record(event: &Value) -> Result<()> {
    let kv = Kv::open("events")?;
    let number = kv.increment("count", 1)?;
    kv.put_json(format!("event/{number:010}"), event)
}

fn events() -> Result<Response> {
    let mut events = Vec::new();
    for entry in Kv::open("events")?.scan("event/") {
        let (key, entry) = entry?;
        let event: Value = wharf_guest::serde_json::from_slice(&entry.value)
            .map_err(|error| ErrorKind::Value(format!("`{key}` is no JSON: {error}")))?;
        events.push(event);
    }
    Ok(Response::json(&json!({"events": events})))
}

fn notify(command: &Value) -> Result<Response> {
    let text = |name| command.get(name).and_then(Value::as_str);
    let payload = text("payload").unwrap_or_default();
    PgClient::open("main")?.notify(text("channel").unwrap_or(CHANNEL), payload)?;
    Ok(Response::json(&json!({"notified": true})))
}

#[expect(clippy::panic, reason = "that is what this payload is for")]
fn trap() -> Result<()> {
    panic!("asked to trap here")
}

/// Burns CPU until the host has had enough.
fn spin() -> Result<()> {
    let mut rounds = 0_u64;
    loop {
        rounds = std::hint::black_box(rounds.wrapping_add(1));
    }
}
