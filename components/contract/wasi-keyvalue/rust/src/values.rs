//! Keys, values and errors as JSON.

use crate::bindings::wasi::keyvalue::store::Error;
use wharf_guest::serde_json::{Value, json};

/// The text, or `hex:` and the bytes in hexadecimal when it is none.
pub(crate) fn shown(value: &[u8]) -> String {
    match str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().fold("hex:".to_owned(), |text, byte| format!("{text}{byte:02x}")),
    }
}

pub(crate) fn error(error: &Error) -> Value {
    match error {
        Error::NoSuchStore => json!({"case": "no-such-store"}),
        Error::AccessDenied => json!({"case": "access-denied"}),
        Error::Other(text) => json!({"case": "other", "text": text}),
    }
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

/// `value` (text), `hex`, or `size` for so many bytes of `x`.
pub(crate) fn value(command: &Value) -> Result<Vec<u8>, String> {
    let field = |name| command.get(name);
    match (field("value").and_then(Value::as_str), field("hex").and_then(Value::as_str)) {
        (Some(text), _) => Ok(text.as_bytes().to_vec()),
        (None, Some(hex)) => bytes(hex),
        (None, None) => match field("size").and_then(Value::as_u64).map(usize::try_from) {
            Some(Ok(size)) => Ok(vec![b'x'; size]),
            _ => Err("`value`, `hex` or `size` is missing".to_owned()),
        },
    }
}

fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect::<Option<_>>().ok_or_else(|| format!("`{hex}` is not hexadecimal"))
}
