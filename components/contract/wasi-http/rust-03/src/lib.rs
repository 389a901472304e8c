//! Contract guest for `wasi:http/handler@0.3`; `../../../README.md` lists what it answers.

use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme, Trailers};
use wasip3::wit_bindgen::{self, StreamResult, StreamWriter};
use wasip3::{wit_future, wit_stream};
use wharf_guest::{
    Kv,
    serde_json::{Map, Value, json},
};

wasip3::http::service::export!(Handler);

struct Handler;

impl wasip3::exports::http::handler::Guest for Handler {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let number = |name: &str, default: usize| number(query, name).unwrap_or(default);
        Ok(match path {
            "/text" => respond(200, b"Hello, World!".to_vec()),
            "/empty" => respond(204, Vec::new()),
            "/big" => respond(200, vec![b'x'; number("n", 0)]),
            "/echo" => respond(200, echo(&request).to_string().into_bytes()),
            "/body" => hand_back(request),
            "/stream-on" => stream_on(number("size", 10_000)),
            "/stream" => stream(number("n", 3), number("size", 4), number("fail", usize::MAX)),
            "/trailers" => trailers(),
            "/error" => return Err(ErrorCode::InternalError(Some("on purpose".into()))),
            "/nothing" | "/trap" => std::process::abort(),
            "/spin" => spin(),
            "/kv" => respond(200, count().to_string().into_bytes()),
            "/behind" => {
                let response = respond(200, b"done".to_vec());
                wit_bindgen::spawn_local(async {
                    wasip3::clocks::monotonic_clock::wait_for(20_000_000).await;
                    count();
                });
                response
            }
            "/outgoing" => respond(200, outgoing(query).await.to_string().into_bytes()),
            "/print" => print().await,
            _ => respond(404, b"no such route in the contract guest".to_vec()),
        })
    }
}

fn number(query: &str, name: &str) -> Option<usize> {
    text(query, name)?.parse().ok()
}

fn text<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Everything that a guest gets to know about a request.
fn echo(request: &Request) -> Value {
    let method = match request.get_method() {
        Method::Get => "GET".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        Method::Other(other) => other,
        other => format!("{other:?}"),
    };
    let scheme = request.get_scheme().map(|scheme| match scheme {
        Scheme::Http => "http".to_owned(),
        Scheme::Https => "https".to_owned(),
        Scheme::Other(other) => other,
    });
    let fields: Map<String, Value> = request
        .get_headers()
        .copy_all()
        .into_iter()
        .map(|(name, value)| (name, Value::from(String::from_utf8_lossy(&value).into_owned())))
        .collect();
    json!({
        "method": method,
        "scheme": scheme,
        "authority": request.get_authority(),
        "target": request.get_path_with_query(),
        "headers": fields,
    })
}

fn fields() -> Fields {
    let fields = Fields::new();
    let _fits = fields.append("x-guest", b"wasi-03");
    let _fits = fields.append("trailer", b"x-sum");
    fields
}

/// A response whose body is written behind it.
fn written<F>(status: u16, write: impl FnOnce(StreamWriter<u8>) -> F) -> Response
where
    F: Future<Output = Result<Option<Trailers>, ErrorCode>> + 'static,
{
    let (body, reader) = wit_stream::new();
    let (ended, end) = wit_future::new(|| Err(ErrorCode::InternalError(Some("the writer is gone".into()))));
    let (response, _sent) = Response::new(fields(), Some(reader), end);
    let _fits = response.set_status_code(status);
    let writing = write(body);
    wit_bindgen::spawn_local(async move {
        let _told = ended.write(writing.await).await;
    });
    response
}

fn respond(status: u16, bytes: Vec<u8>) -> Response {
    written(status, |mut body| async move {
        body.write_all(bytes).await;
        Ok(None)
    })
}

/// Sends the request's body back while it comes in.
fn hand_back(request: Request) -> Response {
    let (_told, told) = wit_future::new(|| Ok(()));
    let (mut input, _trailers) = Request::consume_body(request, told);
    written(200, |mut body| async move {
        loop {
            let (result, piece) = input.read(Vec::with_capacity(64 << 10)).await;
            let left = if piece.is_empty() { piece } else { body.write_all(piece).await };
            if matches!(result, StreamResult::Dropped) || !left.is_empty() {
                return Ok(None);
            }
        }
    })
}

/// `n` pieces of `size` bytes, ending before piece `fail` with an error.
fn stream(n: usize, size: usize, fail: usize) -> Response {
    written(200, move |mut body| async move {
        for index in 0..n {
            if index == fail {
                return Err(ErrorCode::InternalError(Some("on purpose".into())));
            }
            let letter = b'a' + u8::try_from(index % 26).unwrap_or_default();
            // The reader may be gone, and nothing may be written to it then.
            if !body.write_all(vec![letter; size]).await.is_empty() {
                break;
            }
        }
        Ok(None)
    })
}

/// Writes on when nobody reads any more, which traps.
fn stream_on(size: usize) -> Response {
    written(200, move |mut body| async move {
        loop {
            body.write_all(vec![b'x'; size]).await;
        }
    })
}

fn trailers() -> Response {
    written(200, |mut body| async move {
        body.write_all(b"with trailers".to_vec()).await;
        let fields = Fields::new();
        let _fits = fields.append("x-sum", b"42");
        Ok(Some(fields))
    })
}

/// Counts in a bucket: a capability of Wharf's beside WASI.
fn count() -> i64 {
    Kv::open("contract").and_then(|bucket| bucket.increment("wasi-http-03", 1)).unwrap_or(-1)
}

/// Asks `to` for `path`, both from the query.
async fn outgoing(query: &str) -> Value {
    match ask(text(query, "to").unwrap_or("example.com"), text(query, "path").unwrap_or("/")).await {
        Ok((status, bytes)) => json!({ "status": status, "bytes": bytes }),
        Err(error) => json!({ "error": format!("{error:?}") }),
    }
}

async fn ask(authority: &str, path: &str) -> Result<(u16, usize), ErrorCode> {
    let (ended, end) = wit_future::new(|| Ok(None));
    drop(ended);
    let (request, _sent) = Request::new(Fields::new(), None, end, None);
    let _fits = request.set_scheme(Some(&Scheme::Http));
    let _fits = request.set_authority(Some(authority));
    let _fits = request.set_path_with_query(Some(path));
    let response = wasip3::http::client::send(request).await?;
    let status = response.get_status_code();
    let (_told, told) = wit_future::new(|| Ok(()));
    let (mut body, _trailers) = Response::consume_body(response, told);
    let mut bytes = 0;
    loop {
        let (result, piece) = body.read(Vec::with_capacity(64 << 10)).await;
        bytes += piece.len();
        if matches!(result, StreamResult::Dropped) {
            return Ok((status, bytes));
        }
    }
}

async fn print() -> Response {
    let (mut writer, reader) = wit_stream::new();
    let (mut errors, error_reader) = wit_stream::new();
    wit_bindgen::spawn_local(async move {
        let _ended = wasip3::cli::stdout::write_via_stream(reader).await;
    });
    wit_bindgen::spawn_local(async move {
        let _ended = wasip3::cli::stderr::write_via_stream(error_reader).await;
    });
    writer.write_all(b"printed by the guest\n".to_vec()).await;
    errors.write_all(b"without an end".to_vec()).await;
    respond(200, b"printed".to_vec())
}

fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}
