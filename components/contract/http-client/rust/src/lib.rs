//! Contract guest for `http-client`: sends what a JSON command says, so that cases need no code.
//! `../../README.md` is the protocol.

mod values;

use wharf_guest::{
    Request, Response, Result,
    bindings::wharf::platform::http_client::{OutgoingRequest, send, send_many},
    bindings::wharf::platform::http_types::{Body, Error},
    serde_json::{Value, json},
};

#[wharf_guest::service]
fn handle(request: Request) -> Result<Response> {
    let path = request.path().to_owned();
    if path == "/upload" || path == "/pass" {
        return Ok(stream(&path, request));
    }
    let command: Value = request.json()?;
    Ok(run(&path, &command).unwrap_or_else(|problem| Response::text(problem).status(400)))
}

fn run(path: &str, command: &Value) -> Result<Response, String> {
    Ok(match path {
        "/send" => {
            let answer = values::answer(send(values::request(command)?), command);
            Response::json(&answer)
        }
        "/send-many" => {
            let commands = values::list(command, "requests");
            let requests = commands.iter().map(values::request).collect::<Result<Vec<_>, _>>()?;
            let answers = send_many(requests).into_iter().zip(commands);
            Response::json(&json!({
                "answers": answers.map(|(answer, command)| values::answer(answer, command)).collect::<Vec<_>>()
            }))
        }
        "/repeat" => repeat(command)?,
        _ => Response::text("no such route in the contract guest").status(404),
    })
}

/// Sends one request many times, one after another.
fn repeat(command: &Value) -> Result<Response, String> {
    let times = command.get("times").and_then(Value::as_u64).unwrap_or(1);
    let mut last = Value::Null;
    for done in 0..times {
        last = values::answer(send(values::request(command)?), command);
        if last.get("error").is_some() {
            return Ok(Response::json(&json!({"done": done, "last": last})));
        }
    }
    Ok(Response::json(&json!({"done": times, "last": last})))
}

/// `/upload` sends the body on and answers as [`run`]; `/pass` answers with what the server answered.
fn stream(path: &str, request: Request) -> Response {
    let field = |name: &str| request.header(name).map(str::to_owned);
    let (url, method) = (field("x-url").unwrap_or_default(), field("x-method"));
    let outgoing = OutgoingRequest {
        method: method.unwrap_or_else(|| "POST".to_owned()),
        url,
        headers: Vec::new(),
        body: request.into_body().into_raw(),
        timeout_ms: None,
    };
    let answer = send(outgoing);
    if path == "/upload" {
        return Response::json(&values::answer(answer, &Value::Null));
    }
    match answer {
        Ok(answer) => pass(answer.status, answer.body),
        Err(error) => Response::json(&json!({"error": values::error(&error)})).status(502),
    }
}

fn pass(status: u16, body: Body) -> Response {
    Response::hand_on(body.into()).status(status)
}

/// What is wrong while a body is read.
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
