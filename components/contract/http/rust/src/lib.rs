//! Contract guest for `http-types` and `http-handler`; `../../README.md` lists what it answers.

mod bodies;
mod streams;

use wharf_guest::{
    Request, Response, Result,
    bindings::wharf::platform::http_types,
    serde_json::{Value, json},
};

#[wharf_guest::service]
fn handle(request: Request) -> Result<Response> {
    let path = request.path().to_owned();
    Ok(match path.as_str() {
        "/text" => Response::text("Hello, World!"),
        "/empty" => Response::empty(204),
        "/big" => Response::bytes(vec![b'x'; number(&request, "n", 0)]),
        "/headers/repeat" => repeated_headers(number(&request, "n", 3)),
        "/headers/bytes" => Response::empty(200).header("x-latin", vec![b'c', b'a', b'f', 0xe9]),
        "/body" => bodies::describe(request),
        "/body/echo" => bodies::echo(request)?,
        "/body/hand-on" => bodies::hand_on(request),
        "/body/ignore" => Response::text("ignored"),
        "/body/partly" => bodies::partly(request)?,
        "/stream" => streams::chunks(&request),
        "/stream/endless" => streams::endless(&request),
        "/events" => streams::events(&request),
        _ if path.starts_with("/status/") => status(&path),
        _ if path.starts_with("/echo") || path.starts_with("/params/") => echo(request),
        _ => Response::text("no such route in the contract guest").status(404),
    })
}

/// Everything that a guest gets to know about a request.
fn echo(request: Request) -> Response {
    let (head, _) = request.into_parts();
    Response::json(&json!({
        "method": head.method,
        "scheme": head.scheme,
        "authority": head.authority,
        "path": head.path,
        "query": head.query,
        "path_params": head.path_params,
        "headers": fields(&head.headers),
        "annotations": head.annotations,
        "remote_addr": head.remote_addr,
        "remote_port": head.remote_port,
        "request_id": head.request_id,
        "received_at": head.received_at,
        "deadline": head.deadline,
    }))
}

/// `/status/418` answers 418.
fn status(path: &str) -> Response {
    let code = path.trim_start_matches("/status/");
    match code.parse() {
        Ok(code) => Response::text(format!("status {code}")).status(code),
        Err(_) => Response::text("a status is a number").status(400),
    }
}

fn repeated_headers(count: usize) -> Response {
    (0..count).fold(Response::text("repeated"), |response, index| {
        response
            .add_header("x-repeated", index.to_string())
            .add_header("set-cookie", format!("c{index}={index}"))
    })
}

/// Header fields as JSON: values that are no UTF-8 as `hex:...`.
pub(crate) fn fields(fields: &http_types::Headers) -> Value {
    fields.iter().map(|(name, value)| json!([name, text(value)])).collect()
}

fn text(value: &[u8]) -> String {
    match str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().fold("hex:".to_owned(), |text, byte| format!("{text}{byte:02x}")),
    }
}

/// A number from the query, or what stands for it.
pub(crate) fn number(request: &Request, name: &str, default: usize) -> usize {
    request.query_param(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}
