//! Contract guest for `wasi:http/incoming-handler@0.2`; `../../../README.md` lists what it answers.

use std::io::Write;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingRequest,
    OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::StreamError;
use wharf_guest::{
    Kv,
    serde_json::{Value, json},
};

wasip2::http::proxy::export!(Handler);

struct Handler;

impl wasip2::exports::http::incoming_handler::Guest for Handler {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let number = |name: &str, default: usize| number(query, name).unwrap_or(default);
        match path {
            "/text" => respond(out, 200, b"Hello, World!"),
            "/empty" => respond(out, 204, b""),
            "/big" => respond(out, 200, &vec![b'x'; number("n", 0)]),
            "/echo" => respond(out, 200, echo(&request).to_string().as_bytes()),
            "/body" => hand_back(&request, out),
            "/stream" => stream(out, number("n", 3), number("size", 4), number("fail", usize::MAX)),
            "/trailers" => trailers(out),
            "/error" => ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some("on purpose".into())))),
            "/nothing" => {}
            "/trap" => std::process::abort(),
            "/spin" => spin(),
            "/kv" => respond(out, 200, count().to_string().as_bytes()),
            "/behind" => {
                respond(out, 200, b"done");
                count();
            }
            "/outgoing" => respond(out, 200, outgoing(query).to_string().as_bytes()),
            "/print" => print(out),
            _ => respond(out, 404, b"no such route in the contract guest"),
        }
    }
}

fn number(query: &str, name: &str) -> Option<usize> {
    text(query, name)?.parse().ok()
}

fn text<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Everything that a guest gets to know about a request.
fn echo(request: &IncomingRequest) -> Value {
    let method = match request.method() {
        Method::Get => "GET".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        Method::Other(other) => other,
        other => format!("{other:?}"),
    };
    let scheme = request.scheme().map(|scheme| match scheme {
        Scheme::Http => "http".to_owned(),
        Scheme::Https => "https".to_owned(),
        Scheme::Other(other) => other,
    });
    let fields: wharf_guest::serde_json::Map<String, Value> = request
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| (name, Value::from(String::from_utf8_lossy(&value).into_owned())))
        .collect();
    json!({
        "method": method,
        "scheme": scheme,
        "authority": request.authority(),
        "target": request.path_with_query(),
        "headers": fields,
    })
}

fn response(status: u16) -> OutgoingResponse {
    let fields = Fields::new();
    let _fits = fields.append("x-guest", b"wasi-02");
    let _fits = fields.append("trailer", b"x-sum");
    let response = OutgoingResponse::new(fields);
    let _fits = response.set_status_code(status);
    response
}

/// Answers all at once.
fn respond(out: ResponseOutparam, status: u16, bytes: &[u8]) {
    let response = response(status);
    let Ok(body) = response.body() else { return };
    ResponseOutparam::set(out, Ok(response));
    write(body, |stream| stream.write_all(bytes));
}

/// Writes a body and ends it, unless writing fails.
fn write(body: OutgoingBody, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) {
    let Ok(mut stream) = body.write() else { return };
    let filled = fill(&mut stream).and_then(|()| Write::flush(&mut stream));
    drop(stream);
    if filled.is_ok() {
        let _sent = OutgoingBody::finish(body, None);
    }
}

/// Sends the request's body back while it comes in.
fn hand_back(request: &IncomingRequest, out: ResponseOutparam) {
    let Ok(incoming) = request.consume() else { return };
    let response = response(200);
    let Ok(body) = response.body() else { return };
    ResponseOutparam::set(out, Ok(response));
    let Ok(input) = incoming.stream() else { return };
    write(body, |stream| {
        loop {
            match input.blocking_read(64 << 10) {
                Ok(piece) => stream.write_all(&piece)?,
                Err(StreamError::Closed) => return Ok(()),
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(std::io::Error::other(error.to_debug_string()));
                }
            }
        }
    });
    drop(input);
    let _trailers = IncomingBody::finish(incoming);
}

/// `n` pieces of `size` bytes, ending before piece `fail` without an end.
fn stream(out: ResponseOutparam, n: usize, size: usize, fail: usize) {
    let response = response(200);
    let Ok(body) = response.body() else { return };
    ResponseOutparam::set(out, Ok(response));
    write(body, |stream| {
        for index in 0..n {
            if index == fail {
                return Err(std::io::Error::other("on purpose"));
            }
            let letter = b'a' + u8::try_from(index % 26).unwrap_or_default();
            stream.write_all(&vec![letter; size])?;
            stream.flush()?;
        }
        Ok(())
    });
}

fn trailers(out: ResponseOutparam) {
    let response = response(200);
    let Ok(body) = response.body() else { return };
    ResponseOutparam::set(out, Ok(response));
    if let Ok(mut stream) = body.write() {
        let _written = stream.write_all(b"with trailers");
        let _flushed = stream.flush();
    }
    let fields = Fields::new();
    let _fits = fields.append("x-sum", b"42");
    let _sent = OutgoingBody::finish(body, Some(fields));
}

/// Counts in a bucket: a capability of Wharf's beside WASI.
fn count() -> i64 {
    Kv::open("contract").and_then(|bucket| bucket.increment("wasi-http-02", 1)).unwrap_or(-1)
}

/// Asks `to` for `path`, both from the query.
fn outgoing(query: &str) -> Value {
    match ask(text(query, "to").unwrap_or("example.com"), text(query, "path").unwrap_or("/")) {
        Ok((status, bytes)) => json!({ "status": status, "bytes": bytes }),
        Err(error) => json!({ "error": format!("{error:?}") }),
    }
}

fn ask(authority: &str, path: &str) -> Result<(u16, usize), ErrorCode> {
    let request = OutgoingRequest::new(Fields::new());
    let _fits = request.set_scheme(Some(&Scheme::Http));
    let _fits = request.set_authority(Some(authority));
    let _fits = request.set_path_with_query(Some(path));
    let pending = outgoing_handler::handle(request, None)?;
    pending.subscribe().block();
    let Some(Ok(response)) = pending.get() else { return Err(ErrorCode::InternalError(None)) };
    let response = response?;
    let mut bytes = 0;
    if let Ok(body) = response.consume()
        && let Ok(stream) = body.stream()
    {
        while let Ok(piece) = stream.blocking_read(64 << 10) {
            bytes += piece.len();
        }
    }
    Ok((response.status(), bytes))
}

fn print(out: ResponseOutparam) {
    let stdout = wasip2::cli::stdout::get_stdout();
    let stderr = wasip2::cli::stderr::get_stderr();
    let printed = stdout.blocking_write_and_flush(b"printed by the guest\n").is_ok()
        && stderr.blocking_write_and_flush(b"without an end").is_ok();
    respond(out, 200, if printed { b"printed" } else { b"closed" });
}

fn spin() {
    loop {
        std::hint::spin_loop();
    }
}
