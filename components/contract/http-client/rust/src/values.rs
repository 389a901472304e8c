//! JSON to the contract's types and back.

use crate::case;
use wharf_guest::{
    bindings::wharf::platform::http_client::OutgoingRequest,
    bindings::wharf::platform::http_types::{Body, BodyReader, Error, Headers, Response},
    serde_json::{self, Value, json},
};

/// How many bytes of a stream to ask for at once.
const PIECE: u32 = 65_536;
/// How many bytes of a body are shown.
const SHOWN: usize = 1_000;

pub(crate) fn list<'a>(command: &'a Value, name: &str) -> &'a [Value] {
    command.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// `{"method": "GET", "url", "headers": [[name, value]], "body" | "size", "timeout_ms"}`
pub(crate) fn request(command: &Value) -> Result<OutgoingRequest, String> {
    let text = |name: &str| command.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| command.get(name).and_then(Value::as_u64);
    let size = number("size").and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
    Ok(OutgoingRequest {
        method: text("method").unwrap_or_else(|| "GET".to_owned()),
        url: text("url").ok_or("`url` is missing")?,
        headers: list(command, "headers")
            .iter()
            .map(field)
            .collect::<Option<_>>()
            .ok_or("`headers` is no list")?,
        body: Body::Bytes(text("body").map_or_else(|| vec![b'x'; size], String::into_bytes)),
        timeout_ms: number("timeout_ms").and_then(|span| u32::try_from(span).ok()),
    })
}

fn field(field: &Value) -> Option<(String, Vec<u8>)> {
    let part = |index: usize| field.get(index).and_then(Value::as_str);
    Some((part(0)?.to_owned(), part(1)?.as_bytes().to_vec()))
}

/// The response, with its body read as far as `reads` says.
pub(crate) fn answer(answer: Result<Response, Error>, command: &Value) -> Value {
    let Response { status, headers, body } = match answer {
        Ok(response) => response,
        Err(failed) => return json!({"error": error(&failed)}),
    };
    let mut read = match body {
        Body::Bytes(bytes) => whole(&bytes),
        Body::Streamed(reader) => pieces(&reader, command.get("reads").and_then(Value::as_u64)),
    };
    if let Some(read) = read.as_object_mut() {
        read.insert("status".to_owned(), status.into());
        read.insert("headers".to_owned(), fields(&headers));
    }
    read
}

fn whole(bytes: &[u8]) -> Value {
    let json: Option<Value> = serde_json::from_slice(bytes).ok();
    json!({"kind": "bytes", "bytes": bytes.len(), "head": head(bytes), "json": json, "broken": null, "trailers": null})
}

fn pieces(reader: &BodyReader, reads: Option<u64>) -> Value {
    let (mut bytes, mut shown, mut broken) = (0, Vec::new(), Value::Null);
    for _ in 0..reads.unwrap_or(u64::MAX) {
        match reader.read(PIECE) {
            Ok(piece) if piece.is_empty() => break,
            Ok(piece) => {
                bytes += piece.len();
                shown.extend(piece.into_iter().take(SHOWN.saturating_sub(shown.len())));
            }
            Err(failed) => {
                broken = json!(case(&failed));
                break;
            }
        }
    }
    let trailers = reader.trailers().map(|trailers| fields(&trailers));
    json!({"kind": "streamed", "bytes": bytes, "head": head(&shown), "broken": broken, "trailers": trailers})
}

fn head(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..SHOWN).unwrap_or(bytes)).into_owned()
}

fn fields(fields: &Headers) -> Value {
    fields.iter().map(|(name, value)| json!([name, String::from_utf8_lossy(value)])).collect()
}

pub(crate) fn error(error: &Error) -> Value {
    let text = match error {
        Error::Timeout => "",
        Error::Unavailable(text)
        | Error::ConnectionLost(text)
        | Error::Denied(text)
        | Error::LimitExceeded(text)
        | Error::InvalidArgument(text)
        | Error::Other(text) => text,
    };
    json!({"case": case(error), "text": text})
}
