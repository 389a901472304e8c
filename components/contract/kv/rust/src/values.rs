//! Keys, values, conditions and errors as JSON.

use wharf_guest::{
    bindings::wharf::platform::kv::{
        Check, Condition, Entry, Error, Features, IncrementItem, Mutation, PutItem,
    },
    serde_json::{Value, json},
};

/// `value` when it is text, otherwise `hex`.
pub(crate) fn entry(entry: &Entry) -> Value {
    let (name, value) = match str::from_utf8(&entry.value) {
        Ok(text) => ("value", text.to_owned()),
        Err(_) => ("hex", entry.value.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))),
    };
    json!({name: value, "version": entry.version, "expires_at": entry.expires_at})
}

pub(crate) fn error(error: &Error) -> Value {
    let (case, text) = match error {
        Error::Unavailable(text) => ("unavailable", text),
        Error::ConnectionLost(text) => ("connection-lost", text),
        Error::Denied(text) => ("denied", text),
        Error::Timeout => return json!({"case": "timeout"}),
        Error::LimitExceeded(text) => ("limit-exceeded", text),
        Error::InvalidArgument(text) => ("invalid-argument", text),
        Error::Unsupported(text) => ("unsupported", text),
        Error::Other(text) => ("other", text),
    };
    json!({"case": case, "text": text})
}

pub(crate) fn features(features: Features) -> Vec<&'static str> {
    let all = [
        ("conditions", Features::CONDITIONS),
        ("ttl", Features::TTL),
        ("counters", Features::COUNTERS),
        ("transactions", Features::TRANSACTIONS),
        ("ordered", Features::ORDERED),
        ("watch", Features::WATCH),
        ("durable", Features::DURABLE),
        ("linearizable", Features::LINEARIZABLE),
    ];
    all.iter().filter(|(_, bit)| features.contains(*bit)).map(|(name, _)| *name).collect()
}

pub(crate) fn key(command: &Value) -> Result<&str, String> {
    command.get("key").and_then(Value::as_str).ok_or_else(|| "`key` is missing".to_owned())
}

pub(crate) fn keys(command: &Value) -> Result<Vec<String>, String> {
    let text = |key: &Value| key.as_str().map(str::to_owned).ok_or_else(|| "a key is text".to_owned());
    list(command, "keys").iter().map(text).collect()
}

pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(crate) fn ttl(command: &Value) -> Option<u64> {
    command.get("ttl_ms").and_then(Value::as_u64)
}

pub(crate) fn delta(command: &Value) -> i64 {
    command.get("delta").and_then(Value::as_i64).unwrap_or(1)
}

/// `value` (text), `hex`, or `size` for so many bytes of `x`.
pub(crate) fn put_item(command: &Value) -> Result<PutItem, String> {
    let field = |name| command.get(name);
    let value = match (field("value").and_then(Value::as_str), field("hex").and_then(Value::as_str)) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(hex)) => bytes(hex)?,
        (None, None) => match field("size").and_then(Value::as_u64).map(usize::try_from) {
            Some(Ok(size)) => vec![b'x'; size],
            _ => return Err("`value`, `hex` or `size` is missing".to_owned()),
        },
    };
    Ok(PutItem { key: key(command)?.to_owned(), value, ttl_ms: ttl(command) })
}

/// `condition`: "always", "if-absent", "if-present", or a number for that version.
pub(crate) fn condition(command: &Value) -> Result<Condition, String> {
    Ok(match command.get("condition") {
        None => Condition::Always,
        Some(Value::String(text)) if text == "always" => Condition::Always,
        Some(Value::String(text)) if text == "if-absent" => Condition::IfAbsent,
        Some(Value::String(text)) if text == "if-present" => Condition::IfPresent,
        Some(other) => match other.as_u64() {
            Some(version) => Condition::IfVersion(version),
            None => return Err(format!("no condition {other}")),
        },
    })
}

pub(crate) fn check(value: &Value) -> Result<Check, String> {
    Ok(Check { key: key(value)?.to_owned(), condition: condition(value)? })
}

pub(crate) fn mutation(value: &Value) -> Result<Mutation, String> {
    Ok(match value.get("op").and_then(Value::as_str) {
        Some("put") => Mutation::Put(put_item(value)?),
        Some("delete") => Mutation::Delete(key(value)?.to_owned()),
        Some("increment") => {
            Mutation::Increment(IncrementItem { key: key(value)?.to_owned(), delta: delta(value) })
        }
        _ => return Err(format!("a mutation's `op` is put, delete or increment: {value}")),
    })
}

fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| {
        str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.len() == 2)
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
    });
    pairs.collect::<Option<_>>().ok_or_else(|| format!("`{hex}` is not hexadecimal"))
}
