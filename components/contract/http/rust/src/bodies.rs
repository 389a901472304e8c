//! Request bodies: whole, read in pieces, handed on, or left alone.

use crate::{fields, number};
use wharf_guest::{
    Request, Response, Result,
    bindings::wharf::platform::http_types::{Body, BodyReader, Error},
    serde_json::{Value, json},
};

/// How many bytes to ask for at once, unless `?piece=` says otherwise.
const PIECE: usize = 65_536;

/// Reads the whole body and tells what came.
pub(crate) fn describe(request: Request) -> Response {
    let piece = u32::try_from(number(&request, "piece", PIECE)).unwrap_or(u32::MAX);
    let mut hash = Fnv::default();
    Response::json(&match request.into_body().into_raw() {
        Body::Bytes(bytes) => {
            hash.add(&bytes);
            json!({"kind": "bytes", "bytes": bytes.len(), "pieces": 1, "fnv1a": hash.text(), "trailers": null, "error": null})
        }
        Body::Streamed(reader) => read(&reader, piece, hash),
    })
}

fn read(reader: &BodyReader, piece: u32, mut hash: Fnv) -> Value {
    let (mut bytes, mut pieces, mut error) = (0, 0, Value::Null);
    loop {
        match reader.read(piece) {
            Ok(piece) if piece.is_empty() => break,
            Ok(piece) => {
                hash.add(&piece);
                bytes += piece.len();
                pieces += 1;
            }
            Err(failed) => {
                error = json!(case(&failed));
                break;
            }
        }
    }
    let trailers = reader.trailers().map(|trailers| fields(&trailers));
    json!({
        "kind": "streamed",
        "bytes": bytes,
        "pieces": pieces,
        "fnv1a": hash.text(),
        "trailers": trailers,
        "error": error,
    })
}

/// The case of an error as the contract spells it.
fn case(error: &Error) -> &'static str {
    match error {
        Error::Unavailable(_) => "unavailable",
        Error::ConnectionLost(_) => "connection-lost",
        Error::Denied(_) => "denied",
        Error::Timeout => "timeout",
        Error::LimitExceeded(_) => "limit-exceeded",
        Error::InvalidArgument(_) => "invalid-argument",
        Error::Other(_) => "other",
    }
}

/// The same bytes and type back, through the guest's memory.
pub(crate) fn echo(request: Request) -> Result<Response> {
    let content_type = request.header("content-type").unwrap_or("application/octet-stream").to_owned();
    Ok(Response::bytes(request.into_body().read_all()?).header("content-type", content_type))
}

/// The same bytes back, past the guest's memory.
pub(crate) fn hand_on(request: Request) -> Response {
    Response::hand_on(request.into_body())
}

/// Reads only some of the body, and leaves the rest.
pub(crate) fn partly(mut request: Request) -> Result<Response> {
    let wanted = number(&request, "n", 1);
    let mut bytes = 0;
    while bytes < wanted {
        let Some(piece) = request.body().next_piece()? else { break };
        bytes += piece.len();
    }
    Ok(Response::text(format!("read at least {}", bytes.min(wanted))))
}

/// FNV-1a of 32 bits: enough to see that nothing was lost or swapped, and a few lines in any language.
struct Fnv(u32);

impl Default for Fnv {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }

    fn text(&self) -> String {
        format!("{:08x}", self.0)
    }
}
