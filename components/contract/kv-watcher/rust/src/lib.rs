//! Contract guest for `kv-watcher`: writes down what it is called with, and fails when it is told to.
//! `../../README.md` is the protocol.

use std::time::Duration;

use wharf_guest::{
    ErrorKind, Kv, Request, Response, Result,
    kv::{Entry, Put, Watcher},
    serde_json::{Value, json},
};

/// The bucket of the manifest's `[[watch]]`.
const WATCHED: &str = "watched";
/// Where events and attempts are written down.
const EVENTS: &str = "events";

struct Events;

#[wharf_guest::watcher]
impl Watcher for Events {
    fn on_change(bucket: &str, key: &str, entry: Option<Entry>) -> Result<()> {
        let version = entry.as_ref().is_some_and(|entry| entry.version > 0);
        let value = entry.map(|entry| entry.value);
        let (name, shown) = shown(value.as_deref());
        record(&json!({"bucket": bucket, "key": key, name: shown, "version": version}))?;
        match value.as_deref() {
            Some(b"error") if is_first(key)? => Err(ErrorKind::Value("asked to fail here".to_owned()).into()),
            Some(b"trap") if is_first(key)? => trap(),
            Some(b"loop") if is_first(key)? => spin(),
            _ => Ok(()),
        }
    }

    fn on_watching(bucket: &str, gap: bool) -> Result<()> {
        record(&json!({"bucket": bucket, "gap": gap}))
    }
}

#[wharf_guest::service]
fn handle(request: Request) -> Result<Response> {
    match (request.method(), request.path()) {
        ("GET", "/events") => events(request.query_param("key").as_deref()),
        ("POST", "/put") => put(&request.json()?),
        ("POST", "/delete") => {
            let command: Value = request.json()?;
            let deleted = Kv::open(WATCHED)?.delete(text(&command, "key"))?;
            Ok(Response::json(&json!({"deleted": deleted})))
        }
        ("POST", "/clear") => clear(),
        _ => Ok(Response::text("no such route in the contract guest").status(404)),
    }
}

/// `value` when it is text or none, otherwise `hex`.
fn shown(value: Option<&[u8]>) -> (&'static str, Option<String>) {
    let Some(bytes) = value else { return ("value", None) };
    match str::from_utf8(bytes) {
        Ok(text) => ("value", Some(text.to_owned())),
        Err(_) => ("hex", Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())),
    }
}

/// Adds an event behind the others. Keys sort as text, so their numbers have leading zeros.
fn record(event: &Value) -> Result<()> {
    let kv = Kv::open(EVENTS)?;
    let number = kv.increment("count", 1)?;
    kv.put_json(format!("event/{number:010}"), event)
}

/// Whether this key is to fail for the first time.
fn is_first(key: &str) -> Result<bool> {
    Ok(Kv::open(EVENTS)?.increment(format!("attempts/{key}"), 1)? == 1)
}

/// All events, or those of one key.
fn events(key: Option<&str>) -> Result<Response> {
    let kv = Kv::open(EVENTS)?;
    let mut events = Vec::new();
    for event in kv.typed::<Value>().scan("event/") {
        let (_, event) = event?;
        if key.is_none_or(|key| event.get("key").and_then(Value::as_str) == Some(key)) {
            events.push(event);
        }
    }
    Ok(Response::json(&json!({"events": events})))
}

fn put(command: &Value) -> Result<Response> {
    let value = match command.get("hex").and_then(Value::as_str) {
        Some(hex) => bytes(hex)?,
        None => text(command, "value").as_bytes().to_vec(),
    };
    let ttl = command.get("ttl_ms").and_then(Value::as_u64).map(Duration::from_millis);
    let how = ttl.map_or(Put::new(), |ttl| Put::new().ttl(ttl));
    Kv::open(WATCHED)?.put_with(text(command, "key"), value, how)?;
    Ok(Response::json(&json!({"stored": true})))
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    let refused = || ErrorKind::Request(format!("`{hex}` is not hexadecimal")).into();
    pairs.collect::<Option<_>>().ok_or_else(refused)
}

/// Forgets all events and attempts.
fn clear() -> Result<Response> {
    let kv = Kv::open(EVENTS)?;
    for entry in kv.scan("").keys_only() {
        let (key, _) = entry?;
        kv.delete(&key)?;
    }
    Ok(Response::json(&json!({"cleared": true})))
}

/// A text of the command; "" when it is not there.
fn text<'a>(command: &'a Value, name: &str) -> &'a str {
    command.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[expect(clippy::panic, reason = "that is what this value is for")]
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
