//! Replies that no handler should give.

use crate::{abuse, number};
use std::{iter, time::Duration};
use wharf_guest::{Request, Response, time::Instant};

/// `/bad-header?kind=name|empty|break|null|upper|long`
pub(crate) fn bad_header(request: &Request) -> Response {
    let response = Response::text("never seen");
    match request.query_param("kind").unwrap_or_default().as_str() {
        "empty" => response.header("", "value"),
        "break" => response.header("x-value", "one\r\nx-injected: two"),
        "null" => response.header("x-value", vec![b'a', 0, b'b']),
        "pseudo" => response.header(":status", "200"),
        _ => response.header("not a name", "value"),
    }
}

pub(crate) fn bad_status(code: usize) -> Response {
    Response::text("never seen").status(u16::try_from(code).unwrap_or(u16::MAX))
}

/// Fields that belong to the host's connection.
pub(crate) fn hop_headers() -> Response {
    Response::text("hop")
        .header("connection", "close")
        .header("transfer-encoding", "gzip")
        .header("keep-alive", "timeout=1")
        .header("upgrade", "h2c")
}

/// A `content-length` that does not fit the nine bytes of the body.
pub(crate) fn wrong_length(length: usize) -> Response {
    Response::text("nine byte").header("content-length", length.to_string())
}

pub(crate) fn many_headers(count: usize) -> Response {
    (0..count)
        .fold(Response::text("many"), |response, index| response.add_header(format!("x-{index}"), "value"))
}

pub(crate) fn huge_header(bytes: usize) -> Response {
    Response::text("huge").header("x-huge", vec![b'x'; bytes])
}

/// More than the host takes in one call; `Response::bytes` would cut it.
pub(crate) fn huge_reply(mebibytes: usize) -> Response {
    Response::stream(iter::once(vec![b'x'; mebibytes << 20]))
}

/// `/slow-stream?n=10&ms=20`: burns `ms` milliseconds of CPU before each of `n` pieces.
pub(crate) fn slow_stream(request: &Request) -> Response {
    let span = Duration::from_millis(number(request, "ms", 20) as u64);
    Response::stream((0..number(request, "n", 10)).map(move |index| {
        let start = Instant::now();
        while start.elapsed() < span {}
        format!("piece {index}\n")
    }))
}

pub(crate) fn stream_trap(after: usize) -> Response {
    stream_then(after, abuse::trap)
}

pub(crate) fn stream_loop(after: usize) -> Response {
    stream_then(after, abuse::spin_for_ever)
}

/// Pieces for ever, all empty: the binding must not hand them on, and the CPU limit ends it.
pub(crate) fn stream_empty() -> Response {
    Response::stream(iter::repeat_with(Vec::<u8>::new))
}

fn stream_then(after: usize, end: fn() -> Response) -> Response {
    Response::stream((0..).map(move |index| {
        if index == after {
            end();
        }
        format!("piece {index}\n")
    }))
}
